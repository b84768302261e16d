"""Stage 5: the columns that the nodes of a domain use in, the fields of its items as texts out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dsl.argument import Field
from dsl.domain import Column, Domain, Made
from dsl.encode import plain_json, shell_value
from dsl.graph import GraphNode
from dsl.naming import references
from dsl.partition import Row
from dsl.plan import Form, PlannedField


class Columns:
    """The fields that the nodes of a domain want of its items, in the order they were first wanted."""

    def __init__(self, domain: Domain, names: Mapping[str, str]) -> None:
        self.domain = domain
        self.names = names
        self.wanted: dict[tuple[Column, Form, int], list[str]] = {}

    def want(self, column: Column, form: Form, used: set[tuple[Column, Form, int]]) -> tuple[int, bool]:
        """Return the position of a field that one node has not used yet, and whether it is JSON."""
        is_json = False
        if form == "json":
            values = self.domain.columns[column]
            is_json = not all(isinstance(value, str) for value in values) or bool(self.domain.discovered_by)
            same = all(isinstance(value, str) is not is_json and value is not None for value in values)
            form = "text" if same and not self.domain.discovered_by else "json"
        ordinal = next(n for n in range(len(self.wanted) + 1) if (column, form, n) not in used)
        key = (column, form, ordinal)
        used.add(key)
        if key not in self.wanted:
            self.wanted[key] = self._texts(column, form)
        return list(self.wanted).index(key), is_json

    @property
    def forms(self) -> tuple[Form, ...]:
        """How each field writes its values: as text, or as JSON."""
        return tuple(form for _, form, _ in self.wanted) or ("text",)

    def rows(self) -> list[Row]:
        """Return every item as the texts of its fields; an item that nobody reads has one empty field."""
        count = sum(self.domain.sizes)
        if not self.wanted:
            return [("",)] * count
        return list(zip(*self.wanted.values(), strict=True))

    def _texts(self, column: Column, form: Form) -> list[str]:
        values = self.domain.columns[column]
        if isinstance(column, Made) and column.is_path:
            values = [self.names[column.node] + str(value).removeprefix(column.node) for value in values]
        return [plain_json(value) if form == "json" else shell_value(value) for value in values]


@dataclass(frozen=True, slots=True)
class Shape:
    """The fields that one node uses by position, and the fields of its inputs and of its outputs' names."""

    fields: Mapping[int, PlannedField]
    inputs: Mapping[int, int]
    outputs: Mapping[str, int]


def shape_of(node: GraphNode, columns: Mapping[int, Columns]) -> Shape:
    """Return which fields of its items a node uses, and the field of each of its inputs by position."""
    if node.domain is None:
        return Shape({}, _once_fields(node), {})
    own = columns[id(node.domain)]
    used: set[tuple[Column, Form, int]] = set()
    fields: dict[int, PlannedField] = {}
    form: Form = "json" if node.function.kind == "python" else "text"
    for variable, argument in node.arguments.items():
        if isinstance(argument, Field):
            position, is_json = own.want(argument.column, form, used)
            fields[position] = PlannedField(variable, is_json)
    inputs: dict[int, int] = {}
    taken: set[tuple[Column, Form, int]] = set(used)
    for index, files in enumerate(node.inputs):
        if files.column is not None:
            inputs[index], _ = own.want(files.column, "text", set())
    templates = [t for i in node.inputs for t in i.chain] + [o.template for o in node.outputs]
    named = {field.variable for field in fields.values()}
    for name in dict.fromkeys(name for template in templates for name in references(template)):
        if name not in named:
            position, _ = own.want(name, "text", taken)
            fields[position] = PlannedField(name)
    outputs: dict[str, int] = {}
    for output in node.outputs:
        column = Made(node.id, output.variable, is_path=False)
        if column in node.domain.columns:
            outputs[output.variable], _ = own.want(column, "text", set())
    return Shape(fields, inputs, outputs)


def _once_fields(node: GraphNode) -> dict[int, int]:
    """Return the field of each source file of a node that runs once: it has one column per input."""
    slots = [index for index, files in enumerate(node.inputs) if files.kind == "slot"]
    return {index: position for position, index in enumerate(slots)}
