"""Stage 6: one planned node in, its Hera template and tasks out. A kind of task is a subclass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from hera.workflows import Container, Parameter, Script, Task

from dsl import encode
from dsl.function import ExecutionFunction, RecipeConfig
from dsl.names import partition_name
from dsl.partition import FilePartition
from dsl.plan import PlannedNode
from orchestrators.alone import stand_alone
from orchestrators.leaf import INDEX, ITEMS, Leaf


class ParallelExecutionOrchestrator(ABC):
    """Expands one execution function into a template and the tasks that run it, one per partition.

    The compile pipeline hands over the planned `node`, whose partitions are final; `looped` says that its
    task stands in the template that a compact lane calls once per partition. Alone, an orchestrator divides
    the inputs of its recipe itself, and raises ValueError for a function that needs a DAG around it.
    """

    leaf_type: ClassVar[type[Leaf]] = Leaf
    """How the templates of this kind see a node."""

    def __init__(
        self,
        recipe_config: RecipeConfig,
        execution_function: ExecutionFunction,
        *,
        node: PlannedNode | None = None,
        looped: bool = False,
    ) -> None:
        self.recipe_config = recipe_config
        self.execution_function = execution_function
        self.looped = looped
        if node is None:
            size = recipe_config.parallel.partition_size
            node = stand_alone(execution_function, recipe_config.inputs, size)
        if node.function.options.image is None and recipe_config.image is not None:
            node = node.with_image(recipe_config.image)
        self.node = node
        self.leaf = self.leaf_type(node, recipe_config.storage)

    @abstractmethod
    def create_execution_template(self) -> Container | Script:
        """Return the template that runs one partition. Raises ValueError if the function cannot have one."""

    @abstractmethod
    def _create_tasks_from_partitions(
        self, partitions: Sequence[FilePartition], template: Container | Script
    ) -> list[Task]:
        """Return one task per partition."""

    def create_parallel_tasks(self, template: Container | Script) -> list[Task]:
        """Return the tasks of this node: one per partition, one if it runs once or is looped."""
        if self.looped:
            return [self.task(self.node.name, template, INDEX, encode.tag(f"inputs.parameters.{ITEMS}"))]
        if not self.node.is_mapped:
            return [self.task(self.node.name, template, None, partition_line(self.node.partitions[0]))]
        return self._create_tasks_from_partitions(self.node.partitions, template)

    def partition_task(self, partition: FilePartition, template: Container | Script) -> Task:
        """Return the task of one partition, `<name>-partition-<index>`."""
        name = partition_name(self.node.name, partition.index)
        return self.task(name, template, str(partition.index), partition_line(partition))

    def task(self, name: str, template: Container | Script, index: str | None, items: str) -> Task:
        """Return a task that calls the template with what its inputs name of index and items."""
        given = {"index": index, ITEMS: items, "count": "{{inputs.parameters.count}}"}
        declared = [parameter.name for parameter in self.leaf.parameters()]
        arguments = [Parameter(name=n, value=v) for n, v in given.items() if n in declared and v is not None]
        return Task(name=name, template=str(template.name), arguments=arguments)


class TaskPerPartition(ParallelExecutionOrchestrator):
    """An orchestrator whose tasks differ in nothing but their partition."""

    def _create_tasks_from_partitions(
        self, partitions: Sequence[FilePartition], template: Container | Script
    ) -> list[Task]:
        return [self.partition_task(partition, template) for partition in partitions]


@dataclass(frozen=True, slots=True)
class Expansion:
    """A planned node, expanded: its orchestrator, and the one template that it made."""

    orchestrator: ParallelExecutionOrchestrator
    template: Container | Script

    def tasks(self) -> list[Task]:
        """Return new tasks that call the template."""
        return self.orchestrator.create_parallel_tasks(self.template)


def give(task: Task, values: Mapping[str, str]) -> None:
    """Add arguments to a task: parameters of its template by name."""
    before = task.arguments if isinstance(task.arguments, list) else []
    task.arguments = [*before, *(Parameter(name=name, value=text) for name, text in values.items())]


def partition_line(partition: FilePartition) -> str:
    """Return the text of a partition as workers read it."""
    return encode.line(partition.start, partition.items)
