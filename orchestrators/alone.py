"""An execution function outside any DAG, over files that stand by themselves: its planned node.

As in a DAG, what it reads and writes is in its signature, or in the words of its text or argv. It knows no
other node, so only files, values of the run and defaults can be its arguments.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Sequence
from pathlib import PurePosixPath

from dsl.argument import OutputName, RunValue
from dsl.function import Each, ExecutionFunction, PythonSource
from dsl.location import Location
from dsl.names import RUN_VALUES, template_names
from dsl.naming import SAME_NAME, Template, apply, parse, problem, references
from dsl.partition import divide, sizes_by_size
from dsl.plan import PlannedField, PlannedInput, PlannedNode
from dsl.shelltext import mentions

_WORDS = ("INPUT_FILE", "INPUT_DIR", "ITEM", "OUTPUT_FILE", "OUTPUT_DIR")
_OF_ITEMS = ("input_file", "item")
_OF_PARTITIONS = ("input_files", "input_dir", "items")


def stand_alone(function: ExecutionFunction, inputs: Sequence[str], size: int) -> PlannedNode:
    """Return the node of a function over input files, `size` of them in a partition.

    A text or argv that names no input still finds the file of an item as INPUT_FILE, because the program that
    it calls may read that variable. Raises ValueError for what only a DAG could give to the function.
    """
    python, command = function.function, function.command
    parameters = {} if python is None else dict(_parameters(python))
    names = tuple(parameters) if python else tuple(word for word in _WORDS if mentions(command or "", word))
    if unknown := [name for name, has_default in parameters.items() if not (_is_known(name) or has_default)]:
        raise ValueError(f"{function.name} stands alone, so nothing gives it {', '.join(unknown)}")
    each = _each(function, names)
    if python is None and each == "item" and "INPUT_FILE" not in names:
        names = ("INPUT_FILE", *names)
    items = next((name for name in names if name.lower() in ("item", "items")), None)
    files = [name for name in names if name.lower() in ("input_file", "input_files", "input_dir")]
    outputs = tuple(
        OutputName(name, _template(function, each, name)) for name in names if name.lower() == "output_file"
    )
    # In the pod of an argv nobody could derive the name of an output.
    columns = [outputs[0].template] if outputs and isinstance(command, tuple) else []
    rows = [
        (file, *(_file_name(function, template, file, index) for template in columns))
        for index, file in enumerate(inputs)
    ]
    return PlannedNode(
        id=function.name,
        name=template_names([function.name])[function.name],
        location=Location(function.name),
        function=function,
        each=each,
        reason="it stands alone",
        table="items",
        partitions=divide(rows, sizes_by_size(len(rows), size)),
        discovered=False,
        lane=None,
        fields=(PlannedField(items), *(PlannedField(None) for _ in columns)),
        inputs=tuple(PlannedInput(name, "slot", None, "partition", "source", 0) for name in files),
        outputs=outputs,
        output_dir=next((name for name in names if name.lower() == "output_dir"), None),
        arguments={name: RunValue(name) for name in parameters if name in RUN_VALUES},
        parameters=tuple(parameters),
        has_value=python is not None or mentions(command or "", "RESULT_FILE"),
        conditions=(),
        joins={},
        needs={},
        output_fields={outputs[0].variable: 1} if columns else {},
        plans=None,
    )


def _parameters(python: PythonSource) -> Iterator[tuple[str, bool]]:
    """Yield the parameters of a function in order, and whether each has a default."""
    taken = _signature(python)
    positional = [*taken.posonlyargs, *taken.args]
    required = len(positional) - len(taken.defaults)
    yield from ((one.arg, number >= required) for number, one in enumerate(positional))
    yield from ((one.arg, bool(of)) for one, of in zip(taken.kwonlyargs, taken.kw_defaults, strict=True))


def _signature(python: PythonSource) -> ast.arguments:
    """Return the signature of a shipped function; one without a name is assigned to its own."""
    for statement in ast.parse(python.source).body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and statement.name == python.entry:
            return statement.args
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Lambda):
            names = [target.id for target in statement.targets if isinstance(target, ast.Name)]
            if python.entry in names:
                return statement.value.args
    raise ValueError(f"there is no function {python.entry} in its source")


def _is_known(name: str) -> bool:
    return name in (*_OF_ITEMS, *_OF_PARTITIONS, "output_file", "output_dir") or name in RUN_VALUES


def _each(function: ExecutionFunction, names: Collection[str]) -> Each:
    """Return whether a function runs per item or per partition. Raises ValueError if it reads both."""
    one = [name for name in names if name.lower() in _OF_ITEMS]
    many = [name for name in names if name.lower() in _OF_PARTITIONS]
    if one and many:
        raise ValueError(f"{function.name} reads both {one[0]} and {many[0]}")
    if many and isinstance(function.command, tuple):
        raise ValueError(f"{function.name} is a container task, which takes one INPUT_FILE, not {many[0]}")
    each: Each = "partition" if many else "item"
    asked = function.options.each
    if asked not in (None, each):
        raise ValueError(f"{function.name} runs once per {each} by what it reads, not each={asked!r}")
    return each


def _template(function: ExecutionFunction, each: Each, variable: str) -> Template:
    """Return how an output is named. Raises ValueError for a name that the files alone do not make."""
    given = function.options.output
    text = given.get(variable) if isinstance(given, dict) else given
    if text is None and each == "partition":
        raise ValueError(f'{function.name} writes one file for several; name it by output="…"')
    template = SAME_NAME if text is None else parse(text)
    unknown = [*references(template)]
    if each == "partition":
        unknown += [field for mark, field in template if mark == "" and field != "index"]
    if unknown:
        raise ValueError(f"output={text!r} of {function.name}: nothing here is called {unknown[0]!r}")
    return template


def _file_name(function: ExecutionFunction, template: Template, file: str, index: int) -> str:
    name = apply([template], PurePosixPath(file).name, index, {})
    if why := problem(name):
        raise ValueError(f"an output of {function.name}: {why}")
    return name
