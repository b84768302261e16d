"""A seed in, a random manifest out: conditions, loops, retries, nested templates and handlers, hardly a pod.

What fails does so without a pod: `err` is a DAG whose task has a broken condition (phase Error), `bad` calls
it in steps (phase Failed). What waits does so for 0 seconds.
"""

import random

RESULTS = ("Succeeded", "Failed", "Errored", "Skipped", "Omitted", "Daemoned")
OUTPUTS = "tasks.{0}.outputs.parameters"
SAFE = f"{{{{{{{{= type({OUTPUTS}) == 'string' ? '[]' : ({OUTPUTS}.o ?? '[]') }}}}}}}}"
ALWAYS = {"retryStrategy": {"limit": "1", "retryPolicy": "Always"}}
SH = {"image": "busybox:1", "command": ["sh", "-c"]}
X = {"parameters": [{"name": "x"}]}


def suspend(name, inputs=None):
    """Return a template without a pod whose output is its input."""
    made = {"name": name, "suspend": {"duration": "0"}}
    if inputs:
        made["inputs"] = inputs
        value = {"supplied": {}, "default": "{{inputs.parameters.x}}"}
        made["outputs"] = {"parameters": [{"name": "o", "valueFrom": value}]}
    return made


def steps(name, *groups, **more):
    return {"name": name, "steps": [list(group) for group in groups], **more}


def step(name, template, **more):
    return {"name": name, "template": template, **more}


LEAVES = [
    suspend("nop"),
    suspend("echo", X),
    {"name": "err", "dag": {"tasks": [{"name": "e", "template": "nop", "when": "(("}]}},
    steps("bad", [step("e", "err")]),
    steps("lenient", [step("e", "err", continueOn={"error": True, "failed": True})], [step("n", "nop")]),
    steps("pick", [step("e", "err", when="{{inputs.parameters.x}} == 1"), step("n", "nop")], inputs=X),
    steps("again", [step("e", "bad")], **ALWAYS),
    steps("twice", [step("e", "err", when="{{retries}} == 0"), step("n", "nop")], **ALWAYS),
    {"name": "exit", "container": {**SH, "args": ["exit 3"]}},
    {"name": "redo", "container": {**SH, "args": ["test {{retries}} = 1"]}, **ALWAYS},
]  # fmt: skip
WITH_INPUT = ("echo", "pick")
FREE = ("nop", "nop", "echo", "echo", "err", "bad", "lenient", "pick", "pick", "again", "twice")
PODS = ("exit", "redo")


class Draw:
    """One random manifest."""

    def __init__(self, seed):
        self.seed = seed
        self.random = random.Random(seed)
        self.pods = self.random.random() < 0.2
        self.templates = list(LEAVES)

    def manifest(self):
        self.dag("main", 0)
        spec = {"entrypoint": "main", "templates": self.templates}
        if self.random.random() < 0.4:
            value = {"parameters": [{"name": "x", "value": "{{workflow.status}}"}]}
            spec["hooks"] = {"exit": {"template": self.random.choice(("echo", "pick")), "arguments": value}}
        return {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": {"name": f"drawn-{self.seed}"},
            "spec": spec,
        }

    def dag(self, name, depth):
        """Add a DAG, and what it calls."""
        is_legacy = self.random.random() < 0.2
        tasks = []
        for letter in "abcdefg"[: self.random.randint(2, 6 - depth)]:
            tasks.append(self.task(f"{letter}", name, tasks, is_legacy, depth))
        template = {"name": name, "dag": {"tasks": tasks}}
        if self.random.random() < 0.15:
            template["dag"]["failFast"] = False
        if self.random.random() < 0.1:
            template["parallelism"] = self.random.randint(1, 2)
        if depth and self.random.random() < 0.15:
            template |= ALWAYS
        self.templates.append(template)

    def task(self, name, owner, before, is_legacy, depth):
        task = {"name": name, "template": self.called(f"{owner}-{name}", depth)}
        chosen = self.random.sample(before, self.random.randint(0, min(2, len(before)))) if before else []
        if before and not chosen and self.random.random() < 0.7:
            chosen = [before[-1]]
        if is_legacy and chosen:
            task["dependencies"] = [each["name"] for each in chosen]
        elif chosen:
            task["depends"] = self.condition(chosen)
        if is_legacy and self.random.random() < 0.4:
            task["continueOn"] = {self.random.choice(("failed", "error")): True}
        loop = self.loop() if self.random.random() < 0.3 else {}
        task |= loop
        value = self.value(chosen, loop)
        if task["template"] in WITH_INPUT:
            task["arguments"] = {"parameters": [{"name": "x", "value": value}]}
        if self.random.random() < 0.25:
            task["when"] = self.when(chosen, loop)
        if self.random.random() < 0.12:
            task["hooks"] = {"exit": {"template": "nop"}}
        return task

    def called(self, name, depth):
        if depth < 2 and self.random.random() < 0.2:
            self.dag(name, depth + 1)
            return name
        if depth < 2 and self.random.random() < 0.1:
            groups = [
                [step(f"s{n}{m}", self.random.choice(("nop", "bad", "lenient", "twice")), **self.forgiven())
                 for m in range(self.random.randint(1, 2))]
                for n in range(self.random.randint(1, 3))
            ]  # fmt: skip
            self.templates.append(steps(name, *groups))
            return name
        return self.random.choice(PODS if self.pods and self.random.random() < 0.2 else FREE)

    def forgiven(self):
        return {"continueOn": {"failed": True}} if self.random.random() < 0.3 else {}

    def condition(self, chosen):
        atoms = [self.atom(each) for each in chosen]
        text = self.random.choice((" && ", " || ")).join(atoms)
        if self.random.random() < 0.15:
            text = f"!({text})"
        if self.random.random() < 0.3:
            text = f"({text}) || {self.atom(self.random.choice(chosen))}"
        return text

    def atom(self, task):
        results = list(RESULTS)
        if is_loop(task):
            results += ["AnySucceeded", "AllFailed"]
        word = self.random.choice([task["name"], *(f"{task['name']}.{result}" for result in results)])
        return f"!{word}" if "." in word and self.random.random() < 0.15 else word

    def loop(self):
        return self.random.choice((
            {"withItems": [0, 1]},
            {"withItems": [1]},
            {"withItems": ["1", "a b", "c"]},
            {"withItems": [{"k": 1}, {"k": "two"}]},
            {"withParam": "[0, 1, 2]"},
            {"withParam": "[]"},
            {"withSequence": {"count": "3"}},
            {"withSequence": {"count": "0"}},
            {"withSequence": {"start": "1", "end": "0", "format": "%02d"}},
        ))  # fmt: skip

    def value(self, chosen, loop):
        options = ["0", "1", "text"]
        options += ["{{item}}"] * 3 if loop and "k" not in str(loop) else []
        options += [f"{{{{tasks.{each['name']}.status}}}}" for each in chosen]
        options += [
            SAFE.format(each["name"]) for each in chosen if is_loop(each) and each["template"] == "echo"
        ]
        return self.random.choice(options)

    def when(self, chosen, loop):
        options = ["false", "true", "1 == 1"]
        options += ["{{item}} == 1"] * 3 if loop and not {"k", "a b"} & set(str(loop).split("'")) else []
        options += [f"{{{{tasks.{each['name']}.status}}}} == Succeeded" for each in chosen]
        return self.random.choice(options)


def is_loop(task):
    return any(key in task for key in ("withItems", "withParam", "withSequence"))


def drawn(seed):
    """Return the manifest of a seed, always the same."""
    return Draw(seed).manifest()
