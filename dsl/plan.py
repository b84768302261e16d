"""The frozen plan: nothing is left to decide. What orchestrators read, and all that they read.

Names are final, items are texts in partitions, lanes are convex, every argument says where its value comes
from. A plan is plain data: it crosses processes, compares by `==`, holds no graph and no code of the author.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from dsl.argument import Argument, Constant, Join, NodeValue, OutputName, RunParameter, Waiting
from dsl.diagnostics import Diagnostic
from dsl.function import Artifacts, Each, ExecutionFunction, Storage
from dsl.location import Location
from dsl.naming import Template
from dsl.partition import Partitions

EXPLICIT_TASKS = 200
"""Tasks that a DAG template may hold: the limit of Argo's full CRDs."""
PYTHON_IMAGE = "python:3.12-slim"
"""Where a bare `@task` runs."""
_ARTIFACTS = Artifacts()

Form: TypeAlias = Literal["text", "json"]


@dataclass(frozen=True, slots=True)
class PlannedField:
    """What a node does with one field of its items: the variable it becomes, if any, and if it is JSON."""

    variable: str | None
    json: bool = False


@dataclass(frozen=True, slots=True)
class PlannedInput:
    """Files that a node reads under one variable.

    `writer` is the name of the node that wrote them, None for a source's; `scope` says whose files the folder
    holds: the partition's own, all partitions', or the only ones there are. `field` is the position of the
    field that holds the path or the name that `chain` begins with.
    """

    variable: str
    kind: Literal["slot", "file", "one", "list", "dir"]
    writer: str | None
    scope: Literal["partition", "all", "single"]
    upstream: str
    field: int | None = None
    chain: tuple[Template, ...] = ()
    root: str = "inputs"


@dataclass(frozen=True, slots=True)
class Test:
    """A condition as data: an operator and its operands."""

    operator: str
    operands: tuple[Test | NodeValue | RunParameter | Constant, ...]


@dataclass(frozen=True, slots=True)
class Plans:
    """What a node that plans the items of others writes: the form of each field, and items per partition."""

    forms: tuple[Form, ...]
    size: int


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """A node with nothing left to decide: its name is final, its joins are keyed by upstream name."""

    id: str
    name: str
    location: Location
    function: ExecutionFunction
    each: Each
    reason: str
    table: str | None
    """The table of its items, None if it runs once."""
    partitions: Partitions
    """Its partitions; one without items if it runs once, none if only the run knows them."""
    discovered: bool
    lane: str | None
    fields: tuple[PlannedField, ...]
    inputs: tuple[PlannedInput, ...]
    outputs: tuple[OutputName, ...]
    output_dir: str | None
    arguments: Mapping[str, Argument]
    parameters: tuple[str, ...]
    """The parameters of its signature, in order."""
    has_value: bool
    conditions: tuple[Test, ...]
    joins: Mapping[str, Join]
    needs: Mapping[str, tuple[tuple[int, ...], ...]]
    """For an upstream that is regrouped: the partitions of it that each partition needs."""
    output_fields: Mapping[str, int]
    """The fields that hold the names of outputs, for a task in whose pod nobody can derive them."""
    plans: Plans | None
    """Set if the items of another node are the elements of this node's value."""
    bytes: int | None = None
    """Of the source files that it reads, each counted once; None if it reads files that the run writes."""

    @property
    def is_mapped(self) -> bool:
        """Whether it runs once per partition."""
        return self.table is not None

    @property
    def waiting(self) -> Waiting:
        """What decides whether it may be skipped."""
        return self.name, self.function.options.trigger_rule, bool(self.conditions), self.joins.keys()

    @property
    def writes(self) -> bool:
        """Whether it writes files."""
        return bool(self.outputs) or self.output_dir is not None

    def within(self, files: PlannedInput) -> str:
        """Return the folder, inside that of its variable, for an input's files: none for one upstream."""
        upstreams = {other.upstream for other in self.inputs if other.variable == files.variable}
        return files.upstream if len(upstreams) > 1 else ""

    def with_image(self, image: str) -> PlannedNode:
        """Return this node in another image."""
        options = self.function.options.model_copy(update={"image": image})
        return replace(self, function=self.function.model_copy(update={"options": options}))


@dataclass(frozen=True, slots=True)
class PlannedEdge:
    """How one node waits for another, by their ids; `upstream` may be a source's name."""

    upstream: str
    downstream: str
    join: Join
    carries: str
    reason: str


@dataclass(frozen=True, slots=True)
class ItemTable:
    """The items of one domain, how many partitions run at once, and who makes the list if the run does."""

    name: str
    partitions: Partitions
    parallelism: int | None
    discovered_by: str | None
    discovered_size: int
    forms: tuple[Form, ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """Nodes that a partition crosses without waiting for others; `compact`: one looped task."""

    name: str
    table: str
    nodes: tuple[str, ...]
    compact: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a manifest needs. Nodes stand upstream first; `parameters` are (default, is text) by name."""

    name: str
    location: Location
    nodes: tuple[PlannedNode, ...]
    edges: tuple[PlannedEdge, ...]
    lanes: tuple[Lane, ...]
    tables: Mapping[str, ItemTable]
    parameters: Mapping[str, tuple[str, bool]]
    storage: Storage = _ARTIFACTS
    parallelism: int | None = None
    doc: str | None = None
    tags: tuple[str, ...] = ()

    def node(self, name: str) -> PlannedNode:
        """Return a node by its name."""
        return next(node for node in self.nodes if node.name == name)

    def lane_of(self, node: PlannedNode) -> Lane | None:
        """Return the lane that a node is in."""
        return next((lane for lane in self.lanes if lane.name == node.lane), None)


@dataclass(frozen=True, slots=True)
class Analysis:
    """What stages 3 to 5 found out about one DAG; `plan` holds what is sound in it, None if nothing is."""

    name: str
    plan: Plan | None
    diagnostics: tuple[Diagnostic, ...]
    summary: Mapping[str, object]
