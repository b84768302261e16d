"""A seed in, the text of a valid DAG file out: ways to divide, join, condition and fail, in random order."""

from dataclasses import dataclass, field
from random import Random

IMAGE = 'image="busybox:1"'
NAMES = ("ka_one", "ka_two", "kb_one", "kc_one")
"""Files of `data/` that a DAG reads, by their stems."""


@dataclass(eq=False)
class Flow:
    """The items that mapped nodes share."""

    count: int
    single: bool
    """Whether each partition holds one item, as far as is known before the run."""
    discovered: bool = False


@dataclass(eq=False)
class Made:
    """A node that stands in the file: its variable, what it maps over and what others can take from it."""

    name: str
    flow: Flow | None
    files: str = ""
    """`item`, `partition`, `all`, `two` (per item or once), `folder`, or nothing."""
    value: bool = False
    pure: bool = False
    """Whether neither its own files nor those of others come through it."""
    plain: bool = False
    """Whether its files have the names of source files."""


@dataclass
class Body:
    """What a task does: its kind, its parameters, and how its value and its files come about."""

    shell: bool
    parameters: list[str] = field(default_factory=list)
    reads: str = ""
    writes: str = ""
    value: bool = False
    each: str = "item"
    options: list[str] = field(default_factory=list)


class Author:
    """Writes one DAG file, statement by statement; what a statement needs always stands before it."""

    def __init__(self, seed: int, rules: bool = True, faults: bool = True) -> None:
        self.random = Random(seed)
        self.rules, self.faults = rules, faults
        self.functions: list[str] = []
        self.statements: list[str] = []
        self.made: list[Made] = []
        self.sources: list[tuple[str, Flow, str]] = []
        self.troubled = False
        """Whether a task fails on purpose, or runs by a rule although what it reads may be absent."""

    def text(self, name: str) -> str:
        """Return the text of a DAG file of a few nodes."""
        self.map_source()
        for _ in range(self.random.randint(2, 6)):
            self.step()
        params = ', params={"limit": 2}' if any("params.limit" in line for line in self.statements) else ""
        lines = [*self.functions, f'with DAG("{name}"{params}) as dag:']
        return "\n".join([*lines, *(f"    {line}" for line in self.statements)]) + "\n"

    def step(self) -> None:
        """Write one more node, of a kind that what stands there allows."""
        mapped = [m for m in self.made if m.flow]
        items = [m for m in mapped if m.files == "item"]
        kinds = [(self.map_source, 2), (self.start, 1), (self.discover, 1), (self.cross, 1)]
        if items:
            kinds += [(self.map_files, 5), (self.map_partition, 1), (self.map_folder, 1)]
        if any(not m.flow.discovered for m in items):
            kinds.append((self.repartition, 3))
        if any(m.files == "folder" for m in mapped):
            kinds.append((self.map_listed, 3))
        if any(m.files == "two" for m in self.made):
            kinds.append((self.pick_file, 3))
        if any(m.files == "all" for m in self.made):
            kinds.append((self.read_once, 3))
        if any(m.files for m in self.made):
            kinds.append((self.gather_files, 3))
        if any(m.value for m in self.made):
            kinds.append((self.gather_values, 3))
        if any(m.value for m in mapped):
            kinds.append((self.map_values, 2))
        [kind] = self.random.choices([k for k, _ in kinds], [weight for _, weight in kinds])
        kind()

    # -- kinds of nodes

    def map_source(self) -> None:
        """Map over a source, a new one or one that is mapped over already."""
        if not self.sources or self.chance(0.7):
            self.source()
        source, flow, kind = self.random.choice(self.sources)
        if kind == "files":
            body = self.body("INPUT_FILE", self.random.choice(["item", "item", "two", ""]))
            node = Made(self.name(), flow, body.writes, body.value, plain=body.writes == "item")
        else:
            body = self.body("ITEM", self.random.choice(["item", "two", ""]))
            node = Made(self.name(), flow, body.writes, body.value, pure=not body.writes)
        self.put(node, body, source)

    def start(self) -> None:
        """A task that runs once and waits for nothing, or for a task without files."""
        body = self.body("", self.random.choice(["all", "two", "", ""]), each="all")
        body.options += ['output="all.txt"'] if body.writes == "all" else []
        self.put(Made(self.name(), None, body.writes, body.value, pure=not body.writes), body, "")

    def discover(self) -> None:
        """Map over the list that a task returns."""
        length = self.random.randint(0, 4)
        planner = Made(self.name(), None, "", False, pure=True)
        body = Body(shell=False, value=True, each="all")
        self.put(planner, body, "", returned=f"[{{'n': i}} for i in range({length})]")
        size = self.random.choice([1, 1, 2])
        source = self.name("s")
        self.statements.append(f"{source} = Items({planner.name}, size={size}{self.parallelism()})")
        flow = Flow(length, size == 1, discovered=True)
        self.sources.append((source, flow, "items"))
        body = self.body("ITEM", self.random.choice(["item", ""]))
        self.put(Made(self.name(), flow, body.writes, body.value, pure=not body.writes), body, source)

    def cross(self) -> None:
        """Map over every combination of two lists, or of files and a list."""
        names = [s for s in self.sources if s[2] == "files"]
        body = self.body("", "item")
        if names and self.chance(0.5):
            source, flow, _ = self.random.choice(names)
            body.reads = "INPUT_FILE"
            keywords, count, upstream = 'k=["x", "y"]', flow.count * 2, source
            body.parameters += ["k"]
            single = flow.single
        else:
            keywords, count, upstream, single = 'j=[1, 2], k=["x", "y"]', 4, "", True
            body.parameters += ["j", "k"]
        body.options.append('output="{index}-{k}.txt"')
        node = Made(self.name(), Flow(count, single), "item", body.value)
        self.put(node, body, upstream, call=f"expand({keywords})", extras=False)

    def map_files(self) -> None:
        """Go on item by item, after one node or after two of one flow."""
        up = self.pick(lambda m: m.flow and m.files == "item")
        others = [m for m in self.made if m.flow is up.flow and m.files == "item" and m is not up]
        body = self.body("INPUT_FILE", self.random.choice(["item", "item", ""]))
        if others and self.chance(0.5):
            other = self.random.choice(others)
            body.reads = f"{up.name} {other.name}"
            body.options += ['output="{index}.txt"'] if body.writes else []
            self.put(Made(self.name(), up.flow, body.writes, body.value), body, f"[{up.name}, {other.name}]")
            return
        self.put(
            Made(self.name(), up.flow, body.writes, body.value, plain=up.plain and bool(body.writes)),
            body,
            up.name,
        )

    def pick_file(self) -> None:
        """Read one of the two files of an upstream."""
        up = self.pick(lambda m: m.files == "two")
        writes = self.random.choice(["item" if up.flow else "all", ""])
        body = self.body("", writes, each="item" if up.flow else "all")
        body.parameters.append(f"ref={up.name}.file({self.random.choice('ab')!r})")
        self.put(Made(self.name(), up.flow, writes, body.value), body, "")

    def read_once(self) -> None:
        """Read the one file of a task that runs once."""
        up = self.pick(lambda m: m.files == "all")
        body = self.body("INPUT_FILE", self.random.choice(["all", ""]), each="all")
        body.options += ['output="{stem}-{index}{suffix}"'] if body.writes and self.chance(0.5) else []
        self.put(Made(self.name(), None, body.writes, body.value), body, up.name)

    def map_partition(self) -> None:
        """Read all files of a partition at once."""
        up = self.pick(lambda m: m.flow and m.files in ("item", "two"))
        body = self.body("INPUT_DIR", self.random.choice(["partition", ""]), each="partition")
        body.options += ['each="partition"']
        body.options += ['output="p{index}.txt"'] if body.writes else []
        self.put(Made(self.name(), up.flow, body.writes, body.value), body, up.name)

    def map_folder(self) -> None:
        """Write several files per item."""
        up = self.pick(lambda m: m.flow and m.files == "item")
        body = self.body("INPUT_FILE", "folder")
        self.put(Made(self.name(), up.flow, "folder", body.value), body, up.name)

    def map_listed(self) -> None:
        """Run once per file of the folders of an upstream, inside the same partitions."""
        up = self.pick(lambda m: m.flow and m.files == "folder")
        body = self.body("INPUT_FILE", self.random.choice(["item", ""]))
        self.put(Made(self.name(), up.flow, "", body.value), body, up.name)

    def repartition(self) -> None:
        """Divide anew what an upstream wrote, by number or by a key of the names."""
        up = self.pick(lambda m: m.flow and m.files == "item" and not m.flow.discovered)
        by = up.plain and self.chance(0.5)
        division = (
            'by="{k}_*.txt"' if by else f"{self.random.choice(['size', 'count'])}={self.random.randint(1, 3)}"
        )
        source = f"{up.name} >> Repartition({division}{self.parallelism()})"
        flow = Flow(up.flow.count, division in ("size=1",))
        if by or self.chance(0.5):
            body = self.body("INPUT_DIR", "partition", each="partition")
            body.options += ['each="partition"', 'output="{k}.txt"' if by else 'output="r{index}.txt"']
        else:
            body = self.body("INPUT_FILE", "item")
        self.put(Made(self.name(), flow, body.writes, body.value), body, source)

    def gather_files(self) -> None:
        """Read all files of one upstream or of two."""
        ups = self.random.sample([m for m in self.made if m.files], k=1)
        ups += [m for m in self.made if m.files and m not in ups and self.chance(0.3)][:1]
        body = self.body("INPUT_DIR", self.random.choice(["all", ""]), each="all")
        body.options += ['output="all.txt"'] if body.writes else []
        self.put(Made(self.name(), None, body.writes, body.value), body, self.listed(ups))

    def gather_values(self) -> None:
        """Take the values of an upstream, all of them or its only one."""
        up = self.pick(lambda m: m.value)
        body = Body(self.chance(0.3), [f"xs={up.name}"], value=True, each="all")
        self.put(Made(self.name(), None, "", True, pure=True), body, "")

    def map_values(self) -> None:
        """Take the value of the same item of a mapped upstream."""
        up = self.pick(lambda m: m.flow and m.value)
        body = Body(self.chance(0.3), ["x"], value=True)
        body.each = "item"
        self.put(
            Made(self.name(), up.flow, "", True, pure=True),
            body,
            "",
            call=f"expand(x={up.name})",
            extras=False,
        )

    # -- their parts

    def source(self) -> None:
        """Write a source: files, a list or numbers, sometimes none."""
        kind = self.random.choice(["files", "files", "items", "range", "none"])
        count = {"files": len(NAMES), "none": 0}.get(kind, self.random.randint(1, 4))
        division = self.random.choice(["", "", "size=2", "count=2", "size=3"])
        listed = {
            "files": '"data/*.txt"',
            "items": repr([{"n": number} for number in range(count)]),
            "range": str(count),
            "none": "[]",
        }[kind]
        word = {"files": "Files", "range": "Range"}.get(kind, "Items")
        options = "".join([f", {division}" if division else "", self.parallelism()])
        name = self.name("s")
        self.statements.append(f"{name} = {word}({listed}{options})")
        self.sources.append((name, Flow(count, not division), "files" if kind == "files" else "items"))

    def body(self, reads: str, writes: str, each: str = "item") -> Body:
        """Return a task that reads and writes as asked; a value it has by chance, or for lack of files."""
        return Body(self.chance(0.5), [], reads, writes, not writes or self.chance(0.4), each)

    def put(
        self,
        node: Made,
        body: Body,
        upstream: str,
        *,
        call: str = "",
        extras: bool = True,
        returned: str = "",
    ) -> None:
        """Write a node: its function and its place, with more upstreams and conditions by chance."""
        keywords = [p for p in body.parameters if "=" in p]
        if extras:
            keywords += self.extra_arguments(node, body)
        before = [upstream] if upstream else []
        pure = [m for m in self.made if m.pure and (extras or m.flow in (None, node.flow))]
        if pure and self.chance(0.3) and (extras or node.flow):
            before.append(self.random.choice(pure).name)
        condition = self.condition(node)
        alone = not (condition or body.parameters) and upstream in ("", *(s[0] for s in self.sources))
        rule = self.rule(alone) if before or keywords else ""
        function = f"f{node.name[1:]}"
        self.functions.append(self.function(function, node, body, rule, returned))
        made = f"{function}.partial({', '.join(keywords)})" if keywords else function
        if call:
            made = f"{made}.{call}"
        elif not before:
            made = f"{function}({', '.join(keywords)})"
        self.statements.append(f"{node.name} = {made}")
        if before:
            self.statements.append(f"{self.listed_names(before)} >> {node.name}")
        if condition:
            self.statements.append(f"{node.name}.when({condition})")
        self.made.append(node)

    def extra_arguments(self, node: Made, body: Body) -> list[str]:
        """Return more arguments: values of other nodes, the file of a single one, a parameter of the run."""
        found = []
        values = [m for m in self.made if m.value]
        if values and self.chance(0.25):
            found.append(f"other={self.random.choice(values).name}")
        files = [m for m in self.made if m.files == "all"]
        if files and node.flow and body.reads in ("INPUT_FILE", "ITEM") and self.chance(0.3):
            found.append(f"ref={self.random.choice(files).name}")
        if self.chance(0.1):
            found.append("limit=dag.params.limit")
        body.parameters += found
        return found

    def condition(self, node: Made) -> str:
        """Return a condition on one value, or on the value of the same partition."""
        single = [m for m in self.made if m.value and not m.flow]
        aligned = [m for m in self.made if m.value and m.flow and m.flow is node.flow and m.flow.single]
        known = single + aligned * 2
        if not known or not self.chance(0.25):
            return ""
        one = self.random.choice(known)
        return self.random.choice(
            ['{0}["go"]', '{0}["n"] > 1', '({0}["n"] == 0) | {0}["go"]', '~{0}["go"]']
        ).format(one.name)

    def rule(self, alone: bool) -> str:
        """Return a trigger rule, mostly none; `alone`: the node reads nothing of those before it."""
        rules = ["all_done", "none_failed", "one_failed", "one_success", "all_failed", "none_skipped"]
        rules += ["none_failed_min_one_success", "all_done_min_one_success", "one_done", "all_success"]
        rules += ["always"] if alone else []
        return self.random.choice(rules) if self.rules and self.chance(0.12) else ""

    def function(self, name: str, node: Made, body: Body, rule: str, returned: str) -> str:
        """Return a decorated function."""
        options = [IMAGE, 'result="json"'] if body.shell and body.value else [IMAGE] if body.shell else []
        options += body.options + ([f'trigger_rule="{rule}"'] if rule else [])
        trouble = self.random.choices(["", "retry", "fail"], [12, 1, 2 if self.faults else 0])[0]
        options += ["retries=1"] if trouble else []
        options += ['output={"a": "{index}.a", "b": "{index}.b"}'] if body.writes == "two" else []
        self.troubled = self.troubled or trouble == "fail" or bool(rule)
        names = [p.partition("=")[0] for p in body.parameters]
        decorator = f"@task.shell({', '.join(options)})" if body.shell else f"@task({', '.join(options)})"
        lines = self.shell_lines(node, body, names, trouble) if body.shell else []
        if body.shell:
            signature = ", ".join(self.signature(body, names, rule))
            text = "\n".join(lines)
            return f"{decorator}\ndef {name}({signature}):\n    return {text!r}\n"
        signature, lines = self.python_lines(node, body, names, trouble, rule, returned)
        return f"{decorator}\ndef {name}({', '.join(signature)}):\n" + "".join(
            f"    {line}\n" for line in lines
        )

    def signature(self, body: Body, names: list[str], rule: str) -> list[str]:
        """Return the parameters that both kinds of tasks declare; under a rule a value may be absent."""
        absent = "=None" if rule else ""
        files = body.reads.split() if body.reads[:1].islower() else []
        found = [f"f{one[1:]}: InFile" for one in files]
        found += ["ref: InFile"] if "ref" in names else []
        found += ["a: OutFile", "b: OutFile"] if body.writes == "two" else []
        return found + [f"{one}{absent}" for one in names if one != "ref"]

    def shell_lines(self, node: Made, body: Body, names: list[str], trouble: str) -> list[str]:
        """Return the lines of a shell task."""
        number = {"item": "$INDEX", "partition": "$PARTITION_ID", "all": "1"}[body.each]
        lines = [f"n={number}"]
        lines += ['if [ "$ATTEMPT" = 1 ]; then exit 3; fi'] if trouble == "retry" else []
        lines += ['if [ "$n" = 1 ]; then exit 4; fi'] if trouble == "fail" else []
        sources = {
            "INPUT_FILE": 'cat "$INPUT_FILE"',
            "ITEM": 'echo "$ITEM"',
            "INPUT_DIR": 'cd "$INPUT_DIR"; find -L . -type f | sort; find -L . -type f | sort | xargs -r cat',
        }
        made = (
            sources.get(body.reads) or "; ".join(f'cat "$f{one[1:]}"' for one in body.reads.split()) or "echo"
        )
        made += '; cat "$ref"' if "ref" in names else ""
        shown = " ".join(f"${{{one}}}" for one in names if one != "ref")
        lines.append(f'text=$({made}; echo "{node.name} {shown}")')
        if body.writes == "folder":
            lines.append('for p in a b; do echo "$text $p" > "$OUTPUT_DIR/$n-$p.txt"; done')
        elif body.writes == "two":
            lines.append('echo "$text a" > "$a"; echo "$text b" > "$b"')
        elif body.writes:
            lines.append('echo "$text" > "$OUTPUT_FILE"')
        if body.value:
            lines.append("if [ $((n % 2)) = 0 ]; then go=true; else go=false; fi")
            lines.append('size=$(echo "$text" | wc -c)')
            lines.append('printf \'{"n": %s, "go": %s, "t": %s}\' "$n" "$go" "$size" > "$RESULT_FILE"')
        return lines

    def python_lines(
        self, node: Made, body: Body, names: list[str], trouble: str, rule: str, returned: str
    ) -> tuple[list[str], list[str]]:
        """Return the parameters and the lines of a Python task."""
        number = {"item": "index", "partition": "partition_id", "all": ""}[body.each]
        own = {"INPUT_FILE": "input_file", "ITEM": "item", "INPUT_DIR": "input_dir"}.get(body.reads)
        if body.each == "partition":
            own = "input_files"
        out = {"folder": "output_dir", "two": None, "": None}.get(body.writes, "output_file")
        asked = [
            *((own,) if own else ()),
            *((out,) if out else ()),
            *((number,) if number else ()),
            "attempt",
        ]
        lines = [f"n = {number or 1}"]
        lines += ["assert attempt > 1"] if trouble == "retry" else []
        lines += ["assert n != 1"] if trouble == "fail" else []
        files = [f"f{one[1:]}" for one in body.reads.split()] if body.reads[:1].islower() else []
        files += ["ref"] if "ref" in names else []
        files += ["input_file"] if own == "input_file" else []
        lines.append(f"text = [one.read_text() for one in [{', '.join(files)}]] + [{node.name!r}]")
        if own == "input_files":
            lines.append(
                "text += [one.name + one.read_text() for one in sorted(input_files, key=lambda f: f.name)]"
            )
        if own == "input_dir":
            lines.append("found = sorted(one for one in input_dir.rglob('*') if one.is_file())")
            lines.append("text += [str(one.relative_to(input_dir)) + one.read_text() for one in found]")
        shown = [one for one in names if one != "ref"] + ["item"] * (own == "item")
        lines.append(f"text = repr((text, [{', '.join(shown)}]))")
        if body.writes == "folder":
            lines.append("for part in 'ab': (output_dir / f'{n}-{part}.txt').write_text(text + part)")
        elif body.writes == "two":
            lines.append("a.write_text(text + 'a'), b.write_text(text + 'b')")
        elif body.writes:
            lines.append("output_file.write_text(text)")
        result = returned or "{'n': n, 'go': n % 2 == 0, 't': len(text)}"
        lines.append(f"return {result}" if body.value else "return None")
        first = [one for one in self.signature(body, names, rule) if "=" not in one]
        last = [one for one in self.signature(body, names, rule) if "=" in one]
        return [*asked, *first, *last], lines

    def listed(self, nodes: list[Made]) -> str:
        """Return nodes as an operand of a chain."""
        return self.listed_names([node.name for node in nodes])

    def listed_names(self, names: list[str]) -> str:
        """Return the text of an operand of a chain that means all of the names."""
        return names[0] if len(names) == 1 else f"[{', '.join(names)}]"

    def name(self, letter: str = "n") -> str:
        """Return a variable that is still free."""
        return f"{letter}{len(self.statements)}"

    def pick(self, fits) -> Made:
        """Return one of the nodes that fit, a late one rather than an early one."""
        found = [node for node in self.made if fits(node)]
        return self.random.choices(found, range(1, len(found) + 1))[0]

    def parallelism(self) -> str:
        """Return the option of a source that limits its partitions in flight, mostly nothing."""
        return ", parallelism=2" if self.chance(0.15) else ""

    def chance(self, probability: float) -> bool:
        """Whether something happens that does so with this probability."""
        return self.random.random() < probability
