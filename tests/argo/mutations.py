"""A number in, a changed set of valid manifests out: edits of stored cases, and others at random."""

import copy
import json
import random
from pathlib import Path

from tests.argo.corpus import CASES, SEEDS, edit, rule, separated

ROOT = Path(__file__).parents[2]
TYPES = json.loads((ROOT / "dsl" / "argo" / "types.json").read_text(encoding="utf-8"))
RULES = {base: {} for base in SEEDS}
for _case in CASES:
    RULES[_case["base"]].setdefault(rule(_case), []).append(_case["edits"])

WORDS = """
x|A|main|first|left|9lives|a.b|a_b|a b|-a|é|true|10|5s|0|-1|and|in|{{|}}|{{item}}|{{item.x}}|{{item.[0]}}
{{inputs.parameters.text}}|{{inputs.parameters.nope}}|{{ inputs.parameters.level }}|{{workflow.name}}
{{workflow.nope}}|{{workflow.parameters.size}}|{{workflow.parameters}}|{{workflow.parameters.json}}
{{workflow.priority}}|{{workflow.outputs.parameters.shared}}|{{workflow.outputs.artifacts.all}}
{{workflow.failures}}|{{workflow.labels.team}}|{{workflow.annotations.nope}}|{{workflow.labels.json}}
{{workflow.duration}}|{{tasks.first.outputs.result}}|{{tasks.left.outputs.parameters.out}}
x {{tasks.right.outputs.parameters}}|{{tasks.first.status}}|{{tasks.last.status}}|{{tasks.nope.id}}
{{tasks.A.ip}}|{{tasks.E.ip}}|{{tasks.name}}|{{steps.a.outputs.result}}|{{steps.b.outputs.parameters}}
{{steps.a.status}}|{{steps.e.exitCode}}|{{steps.z.id}}|{{steps.name}}|{{node.name}}|{{pod.name}}|{{retries}}
{{lastRetry.status}}|{{outputs.result}}|{{outputs.parameters.out.path}}|{{=1 + 1}}|{{= 'x'}}|{{= (}}
{{=inputs.parameters.text}}|{{=sprig.upper('x')}}|{{=workflow.parameters.size}}|{{ open|{{= open|{{tasks.first
{{workflow.parameters.{{inputs.parameters.level}}}}|a }} b|{{a}}{{b}}|{{user.text}}|first && left|nope|last
first.Succeeded|first.succeeded|first.Nope|right.AllFailed|left.AnySucceeded|!first|0 2 * * *|@daily|@reboot
60 * * * *|CRON_TZ=UTC 0 0 * * *|* * * *|Europe/Kyiv|Nowhere/Else|Always|OnError|Never|Allow|create|get|delete
OnPodSuccess|/a/../b|/a/..|/w|/tmp/x|../x|a/../../b|tab\t|<&>|"quoted"|back\\slash|100m|1Gi|abc|1e3|wait
supervisor|artifact-plugin-x|a: b: c|- x|resourcesDuration.cpu|y|null|shelf|common|say|tool|\u0001|\u007f
"""
WORDS = ["", "x" * 129, "\U000e0001", "line\nbreak", *WORDS.strip().replace("\n", "|").split("|")]
OTHERS = [None, True, False, 0, 1, -1, 3, 1.5, 2**40, 10**20, [], {}, ["x"], {"x": "y"}, [None], [[]], [{}]]
SIMPLE = {
    "bool": [True, False], "string": WORDS, "AnyString": [*WORDS, 1, 2.5, True], "int32": [0, 1, 5, 600],
    "int64": [0, 1, 5], "IntOrString": [1, "2", "x"], "Quantity": ["1", "1Gi", "100m", 2],
    "Plugin": [{"a": {}}, {}], "Item": [1, "a", True, {"x": 1}, [1], None],
    "ParallelSteps": [[{"name": "q", "template": "say"}]], "Time": ["2026-01-01T00:00:00Z"],
    "Duration": ["1h", "x"],
}  # fmt: skip
CHANGES = [
    "delete", "repeat", "word", "word", "own", "other", "type", "add", "add", "rename", "tag", "swap",
]  # fmt: skip


def of_type(kind, pick, depth=0):
    """Return a value that a field of a type may have, or nearly so."""
    if pick.random() < 0.05:
        return copy.deepcopy(pick.choice([*WORDS, *OTHERS]))
    if kind.startswith("[]"):
        return [of_type(kind[2:], pick, depth + 1) for _ in range(pick.choice([0, 1, 1, 2]))]
    if kind.startswith("{}"):
        keys = pick.sample(["a", "b/c", "cpu"], pick.choice([0, 1, 1]))
        return {key: of_type(kind[2:], pick, depth + 1) for key in keys}
    if kind in TYPES:
        names = list(TYPES[kind])
        required = [name for name in names if "r" in "".join(TYPES[kind][name][1:2])]
        chosen = required + pick.sample(names, min(len(names), pick.choice([0, 1, 1, 2])))
        return {name: of_type(TYPES[kind][name][0], pick, depth + 1) for name in chosen if depth < 4}
    return copy.deepcopy(pick.choice(SIMPLE.get(kind, WORDS)))


def places(value, kind, route=()):
    """Yield every place of a value: the way to it, and its type where that is known."""
    yield route, kind
    if isinstance(value, dict):
        for key, inner in value.items():
            found = kind[2:] if str(kind).startswith("{}") else TYPES.get(kind, {}).get(key, [None])[0]
            yield from places(inner, found, (*route, key))
    elif isinstance(value, list):
        inner_kind = "[]WorkflowStep" if kind == "ParallelSteps" else str(kind)
        inner_kind = inner_kind[2:] if inner_kind.startswith("[]") else None
        for index, inner in enumerate(value):
            yield from places(inner, inner_kind, (*route, index))


def strings(value):
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(inner)


def change(manifest, pick):
    """Change one thing at random."""
    found = [place for place in places(manifest, manifest["kind"]) if len(place[0]) > 1]
    if not found:
        return
    route, kind = pick.choice(found)
    owner, key = manifest, route[-1]
    for step in route[:-1]:
        owner = owner[step]
    what = pick.choice(CHANGES)
    if what == "delete":
        del owner[key]
    elif what == "other":
        owner[key] = copy.deepcopy(pick.choice(OTHERS))
    elif what == "type" and kind:
        owner[key] = of_type(kind, pick)
    elif what == "repeat" and isinstance(owner, list):
        owner.insert(pick.randrange(len(owner) + 1), copy.deepcopy(owner[key]))
    elif what == "rename" and isinstance(owner, dict):
        names = [key[:-1] + "x", key.upper(), key.capitalize(), key + "s", pick.choice(WORDS)]
        owner[pick.choice(names) or "e"] = owner.pop(key)
    elif what == "add":
        add(owner[key], kind, pick)
    elif isinstance(owner[key], str):
        owner[key] = changed_text(owner[key], what, list(strings(manifest)), pick)


def add(value, kind, pick):
    """Add a field or an element that the type of a value has."""
    if isinstance(value, dict) and TYPES.get(kind):
        name = pick.choice(list(TYPES[kind]))
        if name not in value and name != "status":
            value[name] = of_type(TYPES[kind][name][0], pick)
    elif isinstance(value, list) and str(kind).startswith("[]"):
        value.append(of_type(kind[2:], pick))


def changed_text(text, what, own, pick):
    if what == "word":
        return pick.choice(WORDS)
    if what in ("own", "swap"):
        return pick.choice(own)
    cut = pick.randrange(len(text) + 1)
    return text[:cut] + pick.choice([*WORDS, "{{", "}}", "}}}}"]) + text[cut:]


def mutant(seed):
    """Return a changed set as JSON texts, and the rules that its edits are about."""
    pick = random.Random(seed)
    base = pick.choices(list(SEEDS), [len(RULES[base]) for base in SEEDS])[0]
    files = separated(copy.deepcopy(SEEDS[base]), seed)
    rules = pick.sample(list(RULES[base]), min(len(RULES[base]), pick.choice([0, 1, 2, 3, 3, 3, 3])))
    for name in rules:
        edits = json.dumps(pick.choice(RULES[base][name])).replace('"common"', f'"common-{seed}"')
        for path, value in json.loads(edits).items():
            try:
                edit(files, path, value)
            except (LookupError, TypeError, AttributeError):
                continue  # another edit removed the place
    for _ in range(pick.choice([0, 1, 1, 2]) if rules else pick.choice([1, 2, 3])):
        change(pick.choice(files), pick)
    for manifest in files:  # what was changed must not meet other sets
        if isinstance(manifest.get("metadata"), dict):
            manifest["metadata"]["namespace"] = f"n{seed}"
    return [json.dumps(manifest) for manifest in files], rules
