"""A set of valid manifests in, changed ones out: names, tags, types, fields and lists, at random by a seed."""

import copy
import json
import random
from pathlib import Path

import yaml

FOLDER = Path(__file__).parent
TYPES = json.loads((FOLDER.parents[1] / "dsl" / "argo" / "types.json").read_text())
SEEDS = yaml.safe_load((FOLDER / "seeds.yaml").read_text())
WORDS = [
    "", "x", "A", "main", "first", "left", "9lives", "a.b", "a_b", "a b", "-a", "x" * 129, "é", "true", "10", "5s", "0", "-1",
    "and", "in", "{{", "}}", "{{item}}", "{{item.x}}", "{{item.[0]}}", "{{inputs.parameters.text}}",
    "{{inputs.parameters.nope}}", "{{ inputs.parameters.level }}", "{{workflow.name}}", "{{workflow.nope}}",
    "{{workflow.parameters.size}}", "{{workflow.parameters}}", "{{workflow.parameters.json}}", "{{workflow.priority}}",
    "{{workflow.outputs.parameters.shared}}", "{{workflow.outputs.artifacts.all}}", "{{workflow.failures}}",
    "{{workflow.labels.team}}", "{{workflow.annotations.nope}}", "{{workflow.labels.json}}", "{{workflow.duration}}",
    "{{tasks.first.outputs.result}}", "{{tasks.left.outputs.parameters.out}}", "x {{tasks.right.outputs.parameters}}",
    "{{tasks.first.status}}", "{{tasks.last.status}}", "{{tasks.nope.id}}", "{{tasks.A.ip}}", "{{tasks.E.ip}}", "{{tasks.name}}",
    "{{steps.a.outputs.result}}", "{{steps.b.outputs.parameters}}", "{{steps.a.status}}", "{{steps.e.exitCode}}", "{{steps.z.id}}",
    "{{steps.name}}", "{{node.name}}", "{{pod.name}}", "{{retries}}", "{{lastRetry.status}}", "{{outputs.result}}", "{{outputs.parameters.out.path}}",
    "{{=1 + 1}}", "{{= 'x'}}", "{{=inputs.parameters.text}}", "{{= (}}", "{{=sprig.upper('x')}}", "{{=workflow.parameters.size}}",
    "{{workflow.parameters.{{inputs.parameters.level}}}}", "{{ open", "{{= open", "{{tasks.first", "a }} b", "{{a}}{{b}}", "{{user.text}}",
    "first && left", "first.Succeeded", "first.succeeded", "first.Nope", "right.AllFailed", "left.AnySucceeded", "!first", "nope", "last",
    "0 2 * * *", "@daily", "@reboot", "60 * * * *", "CRON_TZ=UTC 0 0 * * *", "* * * *", "Europe/Kyiv", "Nowhere/Else",
    "Always", "OnError", "Never", "Allow", "create", "get", "delete", "OnPodSuccess", "/a/../b", "/a/..", "/w", "/tmp/x", "../x", "a/../../b",
    "\u0001", "\u007f", "\U000e0001", "line\nbreak", "tab\t", "<&>", "\"quoted\"", "back\\slash", "100m", "1Gi", "abc", "1e3", "wait", "supervisor",
    "artifact-plugin-x", "a: b: c", "- x", "resourcesDuration.cpu", "y", "null", "shelf", "common", "say", "tool",
]  # fmt: skip
OTHERS = [None, True, False, 0, 1, -1, 3, 1.5, 2**40, 10**20, [], {}, ["x"], {"x": "y"}, [None], [[]], [{}]]


def of_type(kind, pick, depth=0):
    """Return a value that a field of a type may have, or nearly so."""
    if pick.random() < 0.05:
        return copy.deepcopy(pick.choice([*WORDS, *OTHERS]))
    if kind.startswith("[]"):
        return [of_type(kind[2:], pick, depth + 1) for _ in range(pick.choice([0, 1, 1, 2]))]
    if kind.startswith("{}"):
        return {
            pick.choice(["a", "b/c", "cpu"]): of_type(kind[2:], pick, depth + 1)
            for _ in range(pick.choice([0, 1, 1]))
        }
    if kind in TYPES:
        names = list(TYPES[kind])
        required = [name for name in names if "r" in "".join(TYPES[kind][name][1:2])]
        chosen = required + pick.sample(names, min(len(names), pick.choice([0, 1, 1, 2])))
        return {name: of_type(TYPES[kind][name][0], pick, depth + 1) for name in chosen if depth < 4}
    simple = {
        "bool": [True, False], "string": WORDS, "AnyString": [*WORDS, 1, 2.5, True], "int32": [0, 1, 5, 600], "int64": [0, 1, 5],
        "IntOrString": [1, "2", "x"], "Quantity": ["1", "1Gi", "100m", 2], "Plugin": [{"a": {}}, {}], "Item": [1, "a", True, {"x": 1}, [1], None],
        "ParallelSteps": [[{"name": "q", "template": "say"}]], "Time": ["2026-01-01T00:00:00Z"], "Duration": ["1h", "x"],
    }  # fmt: skip
    return copy.deepcopy(pick.choice(simple.get(kind, WORDS)))


def places(value, kind, route=()):
    """Yield every place of a value: the way to it, and its type where that is known."""
    yield route, kind
    if isinstance(value, dict):
        for key, inner in value.items():
            found = TYPES.get(kind, {}).get(key, [None])[0] if not str(kind).startswith("{}") else kind[2:]
            yield from places(inner, found, (*route, key))
    elif isinstance(value, list):
        inner_kind = "[]WorkflowStep" if kind == "ParallelSteps" else kind
        inner_kind = inner_kind[2:] if str(inner_kind).startswith("[]") else None
        for index, inner in enumerate(value):
            yield from places(inner, inner_kind, (*route, index))


def at(value, route):
    for step in route:
        value = value[step]
    return value


def strings(value):
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings(inner)


def changed(manifest, pick):
    """Change one thing in a manifest."""
    found = [place for place in places(manifest, manifest["kind"]) if len(place[0]) > 1]
    if not found:
        return
    route, kind = pick.choice(found)
    owner, key = at(manifest, route[:-1]), route[-1]
    value = owner[key]
    own = list(strings(manifest))
    what = pick.choice(
        ["delete", "repeat", "word", "word", "own", "other", "type", "add", "add", "rename", "tag", "swap"]
    )
    if what == "delete":
        del owner[key]
    elif what == "repeat" and isinstance(owner, list):
        owner.insert(pick.randrange(len(owner) + 1), copy.deepcopy(value))
    elif what == "word" and isinstance(value, str):
        owner[key] = pick.choice(WORDS)
    elif what == "own" and isinstance(value, str):
        owner[key] = pick.choice(own)
    elif what == "other":
        owner[key] = copy.deepcopy(pick.choice(OTHERS))
    elif what == "type" and kind:
        owner[key] = of_type(kind, pick)
    elif what == "add" and isinstance(value, dict) and TYPES.get(kind):
        name = pick.choice(list(TYPES[kind]))
        if name in value or name == "status":
            return
        value[name] = of_type(TYPES[kind][name][0], pick)
    elif what == "add" and isinstance(value, list) and str(kind).startswith("[]"):
        value.append(of_type(kind[2:], pick))
    elif what == "rename" and isinstance(owner, dict):
        owner[
            pick.choice([key[:-1] + "x", key.upper(), key.capitalize(), key + "s", pick.choice(WORDS)]) or "e"
        ] = owner.pop(key)
    elif what == "tag" and isinstance(value, str):
        cut = pick.randrange(len(value) + 1)
        owner[key] = value[:cut] + pick.choice([*WORDS, "{{", "}}", "}}}}"]) + value[cut:]
    elif what == "swap" and isinstance(value, str):
        owner[key] = pick.choice(own)


def mutant(seed):
    """Return the files of one changed set: texts in JSON, which is YAML too. Namespaces keep sets apart."""
    pick = random.Random(seed)
    files = copy.deepcopy(pick.choice(list(SEEDS.values())))
    for _ in range(pick.choice([1, 1, 1, 2, 3])):
        changed(pick.choice(files), pick)
    return [json.dumps(manifest) for manifest in separated(files, seed)]


def separated(files, seed):
    """Give a set its own namespace, and cluster templates names of their own."""
    for manifest in files:
        if isinstance(manifest.get("metadata"), dict):
            manifest["metadata"]["namespace"] = f"n{seed}"
    text = json.dumps(files).replace('"common"', f'"common-{seed}"')
    return json.loads(text)
