"""Container tasks: an argv that the image runs as it is; `$(NAME)` in it is a variable, as in Kubernetes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from hera.workflows import Artifact, Container, Env
from hera.workflows import models as m

from dsl import encode
from dsl.argument import Argument, Constant, Field, NodeValue, OutputName, RunParameter
from dsl.plan import PlannedInput
from orchestrators.base import TaskPerPartition
from orchestrators.leaf import ROOT, Leaf, reference, result_artifact, run_parameter, value_name
from orchestrators.shell import given_text

_VARIABLE = re.compile(r"(\$\([A-Za-z_][A-Za-z0-9_]*\))")


@dataclass(frozen=True, slots=True)
class _BareLeaf(Leaf):
    """A leaf in whose pod nobody renames files: a slot has the suffix that all its files share."""

    def slot(self, files: PlannedInput, position: int) -> str:
        field = files.field or 0
        suffixes = {PurePosixPath(row[field]).suffix for row in self.node.partitions.rows}
        suffix = next(iter(suffixes)) if len(suffixes) == 1 else ""
        plain = suffix if re.fullmatch(r"\.[A-Za-z0-9]+", suffix) else ""
        return f"slots/{files.variable}/{position}/input{plain}"

    def written(self) -> list[Artifact]:
        """Return every file by itself, so that one which was not written is an Error, then the folder."""
        found = []
        for output in self.node.outputs:
            name = self.file_name(output, encode.doubled_literal, self._doubled(output))
            found.append(
                result_artifact(
                    f"out-{output.variable}", f"{ROOT}/out/{name}", f"{self.key}/{name}", optional=False
                )
            )
        return [*found, *(Leaf.written(self) if self.node.output_dir else [])]

    def file_name(
        self, output: OutputName, literal: Callable[[str], str], computed: Callable[[str], str]
    ) -> str:
        """Return the name of an output: `literal` of a text, or the tag of an expression, `computed`."""
        node, position = self.node, self.node.output_fields.get(output.variable)
        if position is not None:
            return encode.tag(computed(self.field(0, position)))
        if not node.is_mapped:
            return literal("".join(text if mark == "=" else self.partition for mark, text in output.template))
        # Only the run knows these items: what their keys are, and which has which index.
        fields = {field.variable: self.field(0, at) for at, field in enumerate(node.fields)}
        index = "inputs.parameters.index"
        parts = (
            encode.literal(text) if mark == "=" else index if mark == "" else fields[text]
            for mark, text in output.template
        )
        return encode.tag(computed(" + ".join(parts)))

    def _doubled(self, output: OutputName) -> Callable[[str], str]:
        """Return how an expression of the name is written where the kubelet expands it with the template."""
        position = self.node.output_fields.get(output.variable)
        if position is None or any("$" in row[position] for row in self.node.partitions.rows):
            return encode.doubled
        return str

    def volumes(self) -> tuple[list[m.Volume], list[m.VolumeMount]]:
        volumes, mounts = Leaf.volumes(self)
        # Nobody makes the folder of results: mounting a part of the pod's own folder there does.
        return volumes, [*mounts, m.VolumeMount(name="argosy", mount_path=f"{ROOT}/out", sub_path="out")]


class ContainerParallelExecutionOrchestrator(TaskPerPartition):
    """Expands an execution function whose `command` is an argv."""

    leaf: _BareLeaf
    leaf_type = _BareLeaf

    def create_execution_template(self) -> Container:
        """Return a container template. Raises ValueError for what a program without our own cannot have."""
        node = self.node
        if not node.function.options.image:
            raise ValueError(f"{node.id} needs an image")
        if not isinstance(node.function.command, tuple):
            raise ValueError(f"{node.id} needs a command, the words that the image runs")
        if node.each == "item" and max(node.partitions.sizes, default=1) > 1:
            raise ValueError(f"{node.id} is a container task, which takes one item per pod: partition_size=1")
        if not self.leaf.is_keyed and (node.inputs or node.writes):
            raise ValueError(f"{node.id} is a container task with files, which needs storage=Artifacts()")
        env = [*self.leaf.environment(), *(Env(name=name, value=value) for name, value in self._variables())]
        known = {str(variable.name) for variable in env}
        first, *rest = (_word(word, known) for word in node.function.command)
        return Container(**self.leaf.template_fields(), command=[first], args=rest or None, env=env)

    def _variables(self) -> Iterator[tuple[str, str]]:
        node = self.node
        yield "INDEX", self.leaf.partition
        yield "ATTEMPT", "{{= int(retries) + 1 }}" if node.function.options.retries else "1"
        for files in node.inputs:
            place = self.leaf.folder(files) if files.kind == "dir" else self.leaf.slot(files, 0)
            yield files.variable, f"$(ARGOSY_ROOT)/{place}"
        for output in node.outputs:
            name = self.leaf.file_name(output, encode.kubelet_literal, encode.kubelet)
            yield output.variable, f"$(ARGOSY_ROOT)/out/{name}"
        if node.output_dir:
            yield node.output_dir, "$(ARGOSY_ROOT)/out"
        for position, field in enumerate(node.fields):
            if field.variable:
                yield field.variable, encode.tag(encode.kubelet(self.leaf.field(0, position)))
        for name, argument in node.arguments.items():
            if not isinstance(argument, Field):
                yield name, self._text(name, argument)

    def _text(self, name: str, argument: Argument) -> str:
        """Return the text of an argument for the kubelet, or the tag that gives it."""
        if isinstance(argument, Constant):
            return encode.kubelet_literal(encode.shell_value(argument.value))
        if isinstance(argument, RunParameter):
            raw = run_parameter(argument.name)
            return encode.tag(encode.kubelet(raw if argument.is_text else encode.shell_text(raw)))
        if not isinstance(argument, NodeValue):
            raise ValueError(f"{self.node.id}: {name} cannot be a variable of a container task")
        text = given_text(argument, reference(value_name(name)))
        return encode.tag(encode.kubelet(text))


def _word(word: str, known: set[str]) -> str:
    """Return one word of an argv as the kubelet reads it: known variables stay, all else is itself."""
    parts = _VARIABLE.split(word)
    return "".join(part if part[2:-1] in known else encode.kubelet_literal(part) for part in parts)
