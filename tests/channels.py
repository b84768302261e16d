"""Every way by which an author's text reaches a task: a piece of a DAG file, and how to read what arrived.

A piece takes all texts that its medium permits, in one node or two; all pieces together are one DAG.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.harness import Ended

IMAGE = 'image="busybox:1"'


class Texts(list[str]):
    """Texts that stand in the DAG file as a constant of this name."""

    name = ""


@dataclass(frozen=True)
class Piece:
    """A part of a DAG file: what stands before and inside its DAG, parameters of the run, and the reader."""

    before: str
    inside: str
    read: Callable[[Ended], list[str]]
    params: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Channel:
    """A way of texts into tasks: which texts it permits, and the piece that sends them."""

    permits: Callable[[str], bool]
    piece: Callable[[str, Texts], Piece]


def is_unicode(text: str) -> bool:
    """Whether it has an encoding: no lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def is_environment(text: str) -> bool:
    """Whether an environment or an argument can hold it."""
    return is_unicode(text) and "\0" not in text


def is_name(text: str) -> bool:
    """Whether a file can have this name."""
    return (
        is_environment(text) and "/" not in text and text not in ("", ".", "..") and len(text.encode()) <= 255
    )


def values(task: str) -> Callable[[Ended], list[str]]:
    return lambda ended: list(ended.values[task] or [])


def files(task: str) -> Callable[[Ended], list[str]]:
    """The contents of files that are called by numbers, in order."""

    def read(ended: Ended) -> list[str]:
        found = sorted((int(name), content) for name, content in ended.files[task].items())
        return [content.decode() for _, content in found]

    return read


def names(task: str) -> Callable[[Ended], list[str]]:
    """The names of files whose contents are numbers from 0, in order."""

    def read(ended: Ended) -> list[str]:
        found = sorted((int(content), name) for name, content in ended.files[task].items())
        assert [number for number, _ in found] == list(range(len(found)))
        return [name for _, name in found]

    return read


def python(name: str, parameters: str, returned: str, options: str = "") -> str:
    return f"@task({options})\ndef {name}({parameters}):\n    return {returned}\n"


def shell(name: str, parameters: str, text: str, options: str = "") -> str:
    decorator = ", ".join(filter(None, (IMAGE, options)))
    return f"@task.shell({decorator})\ndef {name}({parameters}):\n    return {text!r}\n"


def given(count: int) -> str:
    return ", ".join(f"p{number}" for number in range(count))


def keywords(texts: "Texts") -> str:
    return ", ".join(f"p{number}={texts.name}[{number}]" for number in range(len(texts)))


def printed(count: int) -> str:
    return "\n".join(f'printf %s "$p{number}" >"$OUTPUT_DIR/{number}"' for number in range(count))


SAY = 'printf \'%s\\n\' "${}" >"$RESULT_FILE"'
"""Shell text that makes a variable's text the value of the task: one final newline is no part of it."""


def say(variable: str) -> str:
    return SAY.format(variable)


def python_params(name: str, texts: Texts) -> Piece:
    params = {f"{name}-{number}": text for number, text in enumerate(texts)}
    inside = f"{name}({', '.join(f'dag.params[{key!r}]' for key in params)})"
    return Piece(python(name, given(len(texts)), f"[{given(len(texts))}]"), inside, values(name), params)


def shell_params(name: str, texts: Texts) -> Piece:
    params = {f"{name}-{number}": text for number, text in enumerate(texts)}
    inside = f"{name}({', '.join(f'dag.params[{key!r}]' for key in params)})"
    return Piece(shell(name, given(len(texts)), printed(len(texts))), inside, files(name), params)


def python_items(name: str, texts: Texts) -> Piece:
    return Piece(python(name, "item", "item"), f"Items({texts.name}, size=SIZE) >> {name}", values(name))


def shell_items(name: str, texts: Texts) -> Piece:
    return Piece(shell(name, "", say("ITEM")), f"Items({texts.name}, size=SIZE) >> {name}", values(name))


NESTED = "[{{'a': [t, {{'k' + t[:50]: []}}, None, 1.5]}} for t in {}]"
KEYED = "[{{'k': t, 'number': str(n)}} for n, t in enumerate({})]"
VARIABLES = "{{f'p{{n}}': t for n, t in enumerate({})}}"


def unpacked(items: list[dict]) -> list[str]:
    for item in items:
        text = item["a"][0]
        assert item == {"a": [text, {"k" + text[:50]: []}, None, 1.5]}
    return [item["a"][0] for item in items]


def python_nested(name: str, texts: Texts) -> Piece:
    inside = f"Items({NESTED.format(texts.name)}, size=SIZE) >> {name}"
    return Piece(python(name, "item", "item"), inside, lambda ended: unpacked(ended.values[name]))


def shell_nested(name: str, texts: Texts) -> Piece:
    inside = f"Items({NESTED.format(texts.name)}, size=SIZE) >> {name}"
    return Piece(
        shell(name, "", say("ITEM")),
        inside,
        lambda ended: unpacked([json.loads(text) for text in ended.values[name]]),
    )


def python_keys(name: str, texts: Texts) -> Piece:
    return Piece(
        python(name, "k", "k"), f"Items({KEYED.format(texts.name)}, size=SIZE) >> {name}", values(name)
    )


def shell_keys(name: str, texts: Texts) -> Piece:
    return Piece(
        shell(name, "k", say("k")), f"Items({KEYED.format(texts.name)}, size=SIZE) >> {name}", values(name)
    )


def python_partial(name: str, texts: Texts) -> Piece:
    before = python(name, given(len(texts)), f"[{given(len(texts))}]")
    return Piece(before, f"{name}.partial({keywords(texts)})()", values(name))


def shell_partial(name: str, texts: Texts) -> Piece:
    before = shell(name, given(len(texts)), printed(len(texts)))
    return Piece(before, f"{name}.partial({keywords(texts)})()", files(name))


def python_default(name: str, texts: Texts) -> Piece:
    return Piece(python(name, keywords(texts), f"[{given(len(texts))}]"), f"{name}()", values(name))


def shell_default(name: str, texts: Texts) -> Piece:
    return Piece(shell(name, keywords(texts), printed(len(texts))), f"{name}()", files(name))


def constants(name: str, texts: Texts) -> Piece:
    before = python(name, "", texts.name)
    return Piece(before, f"{name}()", values(name))


def constants_in_shell(name: str, texts: Texts) -> Piece:
    """A quoted word in the text itself."""
    words = ["'" + text.replace("'", "'\\''") + "'" for text in texts]
    lines = [f'printf %s {word} >"$OUTPUT_DIR/{number}"' for number, word in enumerate(words)]
    return Piece(
        f"{name.upper()} = {lines!a}\n"
        + f"@task.shell({IMAGE})\ndef {name}():\n    return '\\n'.join({name.upper()})\n",
        f"{name}()",
        files(name),
    )


WRITE = 'd=$1; shift; n=0; for x; do printf %s "$x" >"$d/$n"; n=$((n + 1)); done'


def container(name: str, parameters: str, words: str) -> str:
    """A container task that writes every word after its program to a file of its own."""
    body = f"['sh', '-c', {WRITE!r}, 'sh', '$(OUTPUT_DIR)', {words}]"
    return f"@task.container({IMAGE})\ndef {name}({parameters}):\n    return {body}\n"


def variables(count: int) -> str:
    return ", ".join(f"'$(p{number})'" for number in range(count))


def container_partial(name: str, texts: Texts) -> Piece:
    before = container(name, given(len(texts)), variables(len(texts)))
    return Piece(before, f"{name}.partial({keywords(texts)})()", files(name))


def container_params(name: str, texts: Texts) -> Piece:
    params = {f"{name}-{number}": text for number, text in enumerate(texts)}
    inside = f"{name}({', '.join(f'dag.params[{key!r}]' for key in params)})"
    before = container(name, given(len(texts)), variables(len(texts)))
    return Piece(before, inside, files(name), params)


def container_parts(name: str, texts: Texts) -> Piece:
    before = python(f"{name}_first", "", texts.name)
    before += container(name, given(len(texts)), variables(len(texts)))
    parts = ", ".join(f"{name}_all[{number}]" for number in range(len(texts)))
    return Piece(before, f"{name}_all = {name}_first()\n    {name}({parts})", files(name))


def container_words(name: str, texts: Texts) -> Piece:
    """Words of the argv itself; a dollar and a name in parentheses would be a variable."""
    return Piece(container(name, "", f"*{texts.name}"), f"{name}()", files(name))


def python_expand(name: str, texts: Texts) -> Piece:
    return Piece(
        python(name, "x, y", "x"), f"{name}.expand(x=Items({texts.name}, size=SIZE), y=[''])", values(name)
    )


def shell_expand(name: str, texts: Texts) -> Piece:
    inside = f"{name}.expand_zip(x=Items({texts.name}, size=SIZE), y={texts.name})"
    before = shell(name, "x, y", f'[ "$x" = "$y" ]\n{say("x")}')
    return Piece(before, inside, values(name))


def between(first: str, second: str) -> Callable[[str, Texts], Piece]:
    """From a mapped task to a mapped one: item by item."""
    kinds = {"sh": lambda name: shell(name, "x", say("x")), "py": lambda name: python(name, "x", "x")}

    def piece(name: str, texts: Texts) -> Piece:
        before = kinds[first](f"{name}_first") + kinds[second](name)
        inside = f"{name}.expand(x={name}_first.expand(x=Items({texts.name}, size=SIZE)))"
        return Piece(before, inside, values(name))

    return piece


def gathered(first: str, second: str) -> Callable[[str, Texts], Piece]:
    """From a mapped task to one that runs once: all values as a list."""

    def piece(name: str, texts: Texts) -> Piece:
        before = {"sh": shell, "py": python}[first](f"{name}_first", "x", say("x") if first == "sh" else "x")
        inside = f"{name}({name}_first.expand(x=Items({texts.name}, size=SIZE)))"
        if second == "py":
            return Piece(before + python(name, "xs", "xs"), inside, values(name))
        before += shell(name, "xs", say("xs"), 'result="json"')
        return Piece(before, inside, values(name))

    return piece


def picked(second: str) -> Callable[[str, Texts], Piece]:
    """From one task to another: parts of a value."""

    def piece(name: str, texts: Texts) -> Piece:
        before = python(f"{name}_first", "", f"{{'a {{{{b': {texts.name}}}")
        parts = ", ".join(f"{name}_all['a {{{{b'][{number}]" for number in range(len(texts)))
        inside = f"{name}_all = {name}_first()\n    {name}({parts})"
        count = len(texts)
        if second == "py":
            return Piece(before + python(name, given(count), f"[{given(count)}]"), inside, values(name))
        return Piece(before + shell(name, given(count), printed(count)), inside, files(name))

    return piece


def whole(first: str, second: str) -> Callable[[str, Texts], Piece]:
    """From one task to another: the whole value, all texts in one."""

    def piece(name: str, texts: Texts) -> Piece:
        lengths = [len(text) for text in texts]
        before = f"{name.upper()} = ''.join({texts.name})\n"
        if first == "py":
            before += python(f"{name}_first", "", name.upper())
        else:
            before += shell(f"{name}_first", "x", say("x"))
        inside = f"{name}({name}_first({name.upper() if first == 'sh' else ''}))"
        if second == "py":
            before += python(name, "x", "x")
        else:
            before += shell(name, "x", say("x"))

        def read(ended: Ended) -> list[str]:
            rest, found = ended.values[name], []
            for length in lengths:
                found.append(rest[:length])
                rest = rest[length:]
            return [*found, *([rest] if rest else [])]

        return Piece(before, inside, read)

    return piece


def python_discovered(name: str, texts: Texts) -> Piece:
    before = python(f"{name}_first", "", texts.name) + python(name, "item", "item")
    return Piece(before, f"Items({name}_first, size=SIZE) >> {name}", values(name))


def shell_discovered(name: str, texts: Texts) -> Piece:
    before = python(f"{name}_first", "", texts.name)
    before += shell(name, "", say("ITEM"))
    return Piece(before, f"Items({name}_first, size=SIZE) >> {name}", values(name))


def output_keys(name: str, texts: Texts) -> Piece:
    before = shell(name, "number", 'printf %s "$number" >"$OUTPUT_FILE"', 'output="{k}"')
    return Piece(before, f"Items({KEYED.format(texts.name)}, size=SIZE) >> {name}", names(name))


def output_keys_in_python(name: str, texts: Texts) -> Piece:
    before = python(name, "number, output_file", "output_file.write_text(number)", 'output="{k}"')
    return Piece(before, f"Items({KEYED.format(texts.name)}, size=SIZE) >> {name}", names(name))


def output_names(name: str, texts: Texts) -> Piece:
    """Several files of one task, each named by a constant."""
    unique = list(dict.fromkeys(texts))
    options = ", ".join(
        f'"p{number}": {text!a}'
        for number, text in enumerate(text.replace("{", "{{").replace("}", "}}") for text in unique)
    )
    parameters = ", ".join(f"p{number}: OutFile" for number in range(len(unique)))
    text = "\n".join(f'printf {number} >"$p{number}"' for number in range(len(unique)))
    return Piece(shell(name, parameters, text, f"output={{{options}}}"), f"{name}()", names(name))


def python_env(name: str, texts: Texts) -> Piece:
    read = f"import os\n    return [os.environb[b'p%d' % n].decode() for n in range({len(texts)})]"
    before = f"@task(env={VARIABLES.format(texts.name)})\ndef {name}():\n    {read}\n"
    return Piece(before, f"{name}()", values(name))


def shell_env(name: str, texts: Texts) -> Piece:
    before = shell(name, "", printed(len(texts)), f"env={VARIABLES.format(texts.name)}")
    return Piece(before, f"{name}()", files(name))


def condition(name: str, texts: Texts) -> Piece:
    """One condition that all texts meet, and its opposite, which skips."""
    before = python(f"{name}_first", "", texts.name)
    before += python(name, "", texts.name) + python(f"{name}_not", "", texts.name)
    meets = (
        " & ".join(f"({name}_all[{number}] == {texts.name}[{number}])" for number in range(len(texts)))
        or "True"
    )
    inside = f"{name}_all = {name}_first()\n    {name}().when({meets})\n    {name}_not().when(~({meets}))"

    def read(ended: Ended) -> list[str]:
        assert ended.states[f"{name}_not"] == "Skipped"
        return values(name)(ended)

    return Piece(before, inside, read)


def task_ids(name: str, texts: Texts) -> Piece:
    """Ids of at most a few tasks: each is a pod."""
    unique = [f"{name}{text}" for text in dict.fromkeys(texts)]
    inside = "\n    ".join(f"{name}.override(task_id={task!a})({task!a})" for task in unique) or "pass"

    def read(ended: Ended) -> list[str]:
        found = [task for task in ended.states if task.startswith(name)]
        assert [ended.values[task] for task in found] == found
        return [task.removeprefix(name) for task in found]

    return Piece(python(name, "x", "x"), inside, read)


def file_names(kind: str) -> Callable[[str, Texts], Piece]:
    """Names of source files, through an aligned stage, to a task that sees them all in a folder."""

    def piece(name: str, texts: Texts) -> Piece:
        first, second, last = f"{name}_first", f"{name}_second", name
        if kind == "sh":
            before = shell(first, "", 'cat "$INPUT_FILE" >"$OUTPUT_FILE"')
            before += shell(second, "", f'{say("{INPUT_FILE##*/}")}\ncat "$INPUT_FILE" >"$OUTPUT_FILE"')
            before += shell(last, "", 'cp -L "$INPUT_DIR"/* "$OUTPUT_DIR"')
        else:
            write = "output_file.write_bytes(input_file.read_bytes())"
            before = python(first, "input_file, output_file", write)
            before += python(second, "input_file, output_file", f"({write}, input_file.name)[1]")
            copy = "[(output_dir / path.name).write_bytes(path.read_bytes()) for path in input_dir.iterdir()]"
            before += python(last, "input_dir, output_dir", copy)
        inside = f"Files('{name}/*', size=45) >> {first} >> {second} >> {last}"

        def read(ended: Ended) -> list[str]:
            seen = names(second)(ended)
            assert sorted(ended.values[second], key=str.encode) == sorted(seen, key=str.encode)
            assert names(first)(ended) == seen
            assert names(last)(ended) == seen
            return seen

        return Piece(before, inside, read)

    return piece


def is_source(text: str) -> bool:
    """Whether `*` matches a file of this name and the key of an artifact can hold it."""
    return is_name(text) and not text.startswith(".") and "{{" not in text


def is_listed(text: str) -> bool:
    """Whether a repository that answers in XML 1.0 can list it."""
    return not any((c < " " and c not in "\t\n") or c in "\ufffe\uffff" for c in text)


def is_word(text: str) -> bool:
    """Whether no variable that the pod has stands in it."""
    return is_environment(text) and "$(" not in text


def is_task_id(text: str) -> bool:
    """Whether a folder of results can have this name."""
    return is_environment(text) and text.isprintable() and "/" not in text


CHANNELS = {
    "python_params": Channel(is_environment, python_params),
    "shell_params": Channel(is_environment, shell_params),
    "python_items": Channel(is_unicode, python_items),
    "shell_items": Channel(is_environment, shell_items),
    "python_nested": Channel(is_unicode, python_nested),
    "shell_nested": Channel(is_unicode, shell_nested),
    "python_keys": Channel(is_unicode, python_keys),
    "shell_keys": Channel(is_environment, shell_keys),
    "python_partial": Channel(is_unicode, python_partial),
    "shell_partial": Channel(is_environment, shell_partial),
    "python_default": Channel(is_unicode, python_default),
    "shell_default": Channel(is_environment, shell_default),
    "constants": Channel(is_unicode, constants),
    "constants_in_shell": Channel(is_environment, constants_in_shell),
    "container_partial": Channel(is_environment, container_partial),
    "container_params": Channel(is_environment, container_params),
    "container_parts": Channel(is_environment, container_parts),
    "container_words": Channel(is_word, container_words),
    "python_expand": Channel(is_unicode, python_expand),
    "shell_expand": Channel(is_environment, shell_expand),
    "sh_to_sh": Channel(is_environment, between("sh", "sh")),
    "sh_to_py": Channel(is_environment, between("sh", "py")),
    "py_to_sh": Channel(is_environment, between("py", "sh")),
    "py_to_py": Channel(is_unicode, between("py", "py")),
    "sh_list_sh": Channel(is_environment, gathered("sh", "sh")),
    "sh_list_py": Channel(is_environment, gathered("sh", "py")),
    "py_list_sh": Channel(is_unicode, gathered("py", "sh")),
    "py_list_py": Channel(is_unicode, gathered("py", "py")),
    "parts_to_sh": Channel(is_environment, picked("sh")),
    "parts_to_py": Channel(is_unicode, picked("py")),
    "whole_sh_to_sh": Channel(is_environment, whole("sh", "sh")),
    "whole_sh_to_py": Channel(is_environment, whole("sh", "py")),
    "whole_py_to_sh": Channel(is_environment, whole("py", "sh")),
    "whole_py_to_py": Channel(is_unicode, whole("py", "py")),
    "python_discovered": Channel(is_unicode, python_discovered),
    "shell_discovered": Channel(is_environment, shell_discovered),
    "output_keys": Channel(is_name, output_keys),
    "output_keys_in_python": Channel(is_name, output_keys_in_python),
    "output_names": Channel(is_name, output_names),
    "python_env": Channel(is_environment, python_env),
    "shell_env": Channel(is_environment, shell_env),
    "condition": Channel(is_unicode, condition),
    "names_sh": Channel(is_source, file_names("sh")),
    "names_py": Channel(is_source, file_names("py")),
    "task_ids": Channel(is_task_id, task_ids),
}


@dataclass(frozen=True)
class Letter:
    """A DAG file that sends texts through channels, the run's parameters, what each channel gives back."""

    text: str
    params: dict[str, str]
    sent: dict[str, list[str]]
    read: dict[str, Callable[[Ended], list[str]]]

    def arrived(self, ended: Ended) -> dict[str, list[str]]:
        """Return what came through each channel."""
        return {name: read(ended.succeeded()) for name, read in self.read.items()}


def letter(
    texts: list[str], folder: Path, dag: str, chosen: list[str], few: int = 6, size: int = 45
) -> Letter:
    """Return a DAG file that sends through each channel what it permits; write the files of such names."""
    before, inside, params, sent, read = [], [], {}, {}, {}
    constants: dict[tuple[str, ...], str] = {}
    for name in chosen:
        channel = CHANNELS[name]
        own = Texts(text for text in texts if channel.permits(text))
        if name.startswith(("output_", "names_", "task_ids")):
            own = Texts(dict.fromkeys(own))
        if name == "task_ids":
            own = Texts(own[:few])
        if name.startswith("names_"):
            (folder / name).mkdir(exist_ok=True)
            for number, text in enumerate(own):
                (folder / name / text).write_text(str(number))
        if not own:
            continue
        own.name = constants.setdefault(tuple(own), f"TEXTS_{len(constants)}")
        piece = channel.piece(name, own)
        before.append(piece.before)
        # In a function of its own: finding the place of a call takes as long as the code around it.
        before.append(f"def send_{name}(dag):\n    {piece.inside}\n")
        inside.append(f"send_{name}(dag)")
        params |= piece.params
        sent[name], read[name] = own, piece.read
    texts_of = [f"{constant} = {list(own)!a}" for own, constant in constants.items()]
    blank = dict.fromkeys(params, "default")
    body = "\n    ".join(inside)
    text = "\n".join(
        [f"SIZE = {size}", *texts_of, *before, f"with DAG({dag!a}, params={blank!a}) as dag:\n    {body}\n"]
    )
    return Letter(text, params, sent, read)
