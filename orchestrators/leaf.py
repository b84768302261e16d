"""What the leaf templates of all kinds share: inputs, artifacts, volumes, retries, resources, annotations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hera.workflows import Artifact, Env, Parameter, RetryStrategy, S3Artifact
from hera.workflows import models as m

from dsl import encode
from dsl.argument import NodeValue, RunValue
from dsl.function import Storage, TaskOptions, Volume
from dsl.names import WINDOW
from dsl.plan import PlannedInput, PlannedNode
from dsl.shelltext import mentions

ROOT = "/argosy"
WORKFLOW = "{{workflow.name}}"
INDEX = "{{inputs.parameters.index}}"
RESULT = "result"
ITEMS = "items"
_COUNT = "partition_count"
NOTE = "argosy"
"""The prefix of annotations that say which node of the author's DAG a template runs."""
_READABLE = 0o755
"""The mode of inputs: images may run as another user, and one mode has to do for folders and all in them."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One node as its template sees it: where its files lie and which inputs it declares."""

    node: PlannedNode
    storage: Storage

    @property
    def options(self) -> TaskOptions:
        """The options of its decorator."""
        return self.node.function.options

    @property
    def partition(self) -> str:
        """The partition whose files these are: a tag, or the only one."""
        return INDEX if self.node.is_mapped else "0"

    def folder(self, files: PlannedInput) -> str:
        """Return the folder of an input below ROOT; of slots, the one that has a folder per item."""
        if self.kind(files) == "slot":
            return f"slots/{self._slot_name(files)}"
        if files.writer is None or files.kind == "slot":
            return "storage/inputs" if files.root == "inputs" else f"storage/{WORKFLOW}"
        if isinstance(self.storage, Volume):
            return f"storage/{self._key(files)}"
        return f"in/{files.writer}" + ("" if files.scope == "partition" else f"-{files.scope}")

    def kind(self, files: PlannedInput) -> str:
        """Return how a worker finds the files: on a volume, what would be a slot lies in the store."""
        return "store" if files.kind == "slot" and isinstance(self.storage, Volume) else files.kind

    @property
    def out(self) -> str:
        """The folder of results below ROOT."""
        if isinstance(self.storage, Volume):
            return f"storage/{WORKFLOW}/{self.node.name}/{self.partition}"
        return "out"

    def parameters(self) -> list[Parameter]:
        """Return the input parameters: the partition, its items, and the values that other nodes give."""
        node = self.node
        names = ["index"] if node.is_mapped else []
        names += [ITEMS] if node.fields or node.is_mapped else []
        names += ["count"] if node.discovered and self.asks_count else []
        return [Parameter(name=name) for name in (*names, *(value_name(name) for name, _ in self.values()))]

    @property
    def asks_count(self) -> bool:
        """Whether its program may ask how many partitions there are: else none changes where one is added.

        Nobody knows what the program of an image asks for.
        """
        function, variable = self.node.function, _COUNT.upper()
        if isinstance(function.command, tuple) or _COUNT in constants(self.node.arguments, RunValue):
            return True
        if function.function:
            return variable in function.function.source
        return mentions(function.command or "", variable)

    def values(self) -> Iterator[tuple[str, NodeValue]]:
        """Yield the parameters of the author's function that bring values of other nodes to the pod."""
        yield from brought(self.node).items()

    def artifacts(self) -> list[Artifact]:
        """Return the input artifacts: a folder per upstream, or a slot per source file of a partition."""
        if not self.is_keyed:
            return []
        found: dict[str, Artifact] = {}
        for files in self.node.inputs:
            if files.kind == "slot":
                for artifact in self._slots(files):
                    found[str(artifact.name)] = artifact
            else:
                folder = self.folder(files)
                name = folder.removeprefix("in/")
                found[name] = _input(f"in-{name}", f"{ROOT}/{folder}", self._key(files))
        return list(found.values())

    def outputs(self) -> list[Parameter | Artifact]:
        """Return the output parameters and the artifacts of results."""
        values = [_output_parameter(RESULT, "null")] if self.node.has_value else []
        return [*values, *(self.written() if self.node.writes and self.is_keyed else [])]

    @property
    def is_keyed(self) -> bool:
        """Whether files travel as artifacts, whose keys say what they are."""
        return not isinstance(self.storage, Volume)

    @property
    def key(self) -> str:
        """The prefix of the keys of what it writes."""
        return f"{WORKFLOW}/{self.node.name}/{self.partition}"

    def written(self) -> list[Artifact]:
        """Return the folder of results; there is none after a failure, because it appears at the end."""
        return [result_artifact("files", f"{ROOT}/out", self.key, optional=True)]

    def planned_items(self) -> list[Parameter]:
        """Return the output that holds the partitions of the nodes whose items this node's value lists."""
        return [_output_parameter(ITEMS, "")]

    def volumes(self) -> tuple[list[m.Volume], list[m.VolumeMount]]:
        """Return the pod's own folder for ROOT, which any user may write, and the claim of the storage."""
        volumes = [m.Volume(name="argosy", empty_dir=m.EmptyDirVolumeSource())]
        mounts = [m.VolumeMount(name="argosy", mount_path=ROOT)]
        if isinstance(self.storage, Volume):
            claim = m.PersistentVolumeClaimVolumeSource(claim_name=self.storage.claim)
            volumes.append(m.Volume(name="storage", persistent_volume_claim=claim))
            mounts.append(m.VolumeMount(name="storage", mount_path=f"{ROOT}/storage"))
        return volumes, mounts

    def environment(self) -> list[Env]:
        """Return the variables that every kind of task has, the author's own among them."""
        node = self.node
        count = "{{inputs.parameters.count}}" if node.discovered else str(max(1, len(node.partitions)))
        counted = {_COUNT.upper(): count} if self.asks_count else {}
        variables = [Env(name=encode.BRACE_VARIABLE, value="{")]
        variables += [Env(name=name, value=encode.kubelet_literal(v)) for name, v in self.options.env.items()]
        fixed = {
            "ARGOSY_ROOT": ROOT,
            "ARGOSY_RETRIES": "{{retries}}" if self.options.retries else "0",
            "RUN_ID": WORKFLOW,
            "RUN_TYPE": "manual",
            "PARTITION_ID": self.partition,
            **counted,
            **dict.fromkeys(self._no_window(), ""),
        }
        return [*variables, *(Env(name=name, value=value) for name, value in fixed.items())]

    def _no_window(self) -> Iterator[str]:
        """Yield the bounds of an interval of time that the text names and no field of the items gives."""
        given = {field.variable for field in self.node.fields}
        for word in (name.upper() for name in WINDOW):
            if word not in given and mentions(self.node.function.command or "", word):
                yield word

    def template_fields(self) -> dict[str, Any]:
        """Return the fields that templates of all kinds have, as keywords of Hera's classes."""
        volumes, mounts = self.volumes()
        return {
            "name": self.node.name,
            "image": self.options.image,
            "inputs": [*self.parameters(), *self.artifacts()],
            "outputs": self.outputs(),
            "volumes": volumes,
            "volume_mounts": mounts,
            "retry_strategy": _retries(self.options),
            "active_deadline_seconds": self.options.execution_timeout,
            "resources": _resources(self.options),
            "annotations": self.annotations(),
        }

    def annotations(self) -> dict[str, str]:
        """Return what a reader of the manifest or of a pod needs to name the author's node."""
        node = self.node
        notes = {
            f"{NOTE}/node": encode.field(node.id),
            f"{NOTE}/key": node.name,
            f"{NOTE}/each": node.each,
        }
        if node.has_value:
            notes[f"{NOTE}/result"] = "json" if node.each == "all" else "lines"
        if isinstance(self.storage, Volume):
            sources = [files for files in node.inputs if self.folder(files) == "storage/inputs"]
            if fields := sorted({files.field or 0 for files in sources}):
                notes[f"{NOTE}/inputs"] = " ".join(map(str, fields))
        if self.options.doc_md:
            notes[f"{NOTE}/doc"] = encode.field(self.options.doc_md)
        return notes

    def item(self, position: int) -> str:
        """Return the expression of one item of the partition, as text of fields."""
        return f"split(inputs.parameters.{ITEMS}, ';')[{position + 1}]"

    def field(self, position: int, field: int) -> str:
        """Return the expression of one field of one item, `none` where the partition is shorter."""
        text = encode.field_text(f"split({self.item(position)}, '|')[{field}]")
        if all(size > position for size in self.node.partitions.sizes):
            return text
        return f"(len(split(inputs.parameters.{ITEMS}, ';')) > {position + 1} ? {text} : 'none')"

    def slot(self, files: PlannedInput, position: int) -> str:
        """Return the place of one source file below ROOT; our programs link it under its own name."""
        return f"{self.folder(files)}/{position}/x"

    def _slot_name(self, files: PlannedInput) -> str:
        """Return the name of the slots of an input: its variable, which a folder shares with others."""
        shares = sum(other.variable == files.variable for other in self.node.inputs) > 1
        return f"{files.variable}-{files.field}" if shares else files.variable

    def _slots(self, files: PlannedInput) -> Iterator[Artifact]:
        prefix = "inputs/" if files.root == "inputs" else f"{WORKFLOW}/"
        column = files.field or 0
        doubles = any(encode.needs_doubling(row[column]) for row in self.node.partitions.rows)
        for position in range(max(self.node.partitions.sizes, default=0)):
            text = self.field(position, column)
            key = prefix + encode.tag(encode.doubled(text) if doubles else text)
            path = f"{ROOT}/{self.slot(files, position)}"
            yield _input(f"{self._slot_name(files)}-{position}", path, key)

    def _key(self, files: PlannedInput) -> str:
        ends = {"partition": f"/{INDEX}", "all": "", "single": "/0"}
        return f"{WORKFLOW}/{files.writer}{ends[files.scope]}"


def value_name(parameter: str) -> str:
    """Return the name of the input parameter that brings a value of another node."""
    return f"value-{parameter}"


def reference(name: str) -> str:
    """Return the expression of an input parameter."""
    return f"inputs.parameters[{encode.literal(name)}]"


def run_parameter(name: str) -> str:
    """Return the expression of a parameter of the run."""
    return f"workflow.parameters[{encode.literal(name)}]"


def brought(node: PlannedNode) -> dict[str, NodeValue]:
    """Return the values that other nodes give, by parameter; of several parts of one the first brings all."""
    values = constants(node.arguments, NodeValue)
    return {name: value for name, value in values.items() if bringer(values, name) == name}


def bringer(values: Mapping[str, NodeValue], name: str) -> str:
    """Return the parameter that brings the value of which a parameter is a part, or itself."""
    if not values[name].by_task:
        return name
    of_one = (one for one, value in values.items() if value.by_task and value.node == values[name].node)
    return next(of_one)


def constants(arguments: Mapping[str, object], kind: type[Any]) -> dict[str, Any]:
    """Return the arguments of one kind."""
    return {name: argument for name, argument in arguments.items() if isinstance(argument, kind)}


def _input(name: str, path: str, key: str) -> Artifact:
    return S3Artifact(
        name=name,
        path=path,
        key=key,
        optional=True,
        mode=_READABLE,
        recurse_mode=True,
        archive=m.ArchiveStrategy(none=m.NoneStrategy()),
    )


def result_artifact(name: str, path: str, key: str, *, optional: bool) -> Artifact:
    """Return an output artifact that is stored as it is, file or folder."""
    plain = m.ArchiveStrategy(none=m.NoneStrategy())
    return S3Artifact(name=name, path=path, key=key, optional=optional or None, archive=plain)


def _output_parameter(name: str, default: str) -> Parameter:
    return Parameter(name=name, value_from=m.ValueFrom(path=f"{ROOT}/{name}", default=default))


def _retries(options: TaskOptions) -> RetryStrategy | None:
    if not options.retries:
        return None
    expression = None
    if options.retry_exit_codes:
        codes = ", ".join(f"'{code}'" for code in options.retry_exit_codes)
        expression = f"lastRetry.status == 'Error' || lastRetry.exitCode in [{codes}]"
    backoff = None
    if options.retry_delay is not None:
        cap = None if options.max_retry_delay is None else f"{options.max_retry_delay}s"
        factor = 2 if options.retry_exponential_backoff else 1
        backoff = m.Backoff(duration=f"{options.retry_delay}s", factor=m.IntOrString(root=factor), cap=cap)
    return RetryStrategy(limit=options.retries, retry_policy="Always", expression=expression, backoff=backoff)


def _resources(options: TaskOptions) -> m.ResourceRequirements | None:
    gpu = {"nvidia.com/gpu": str(options.gpu)} if options.gpu else {}
    memory = {"memory": options.memory} if options.memory else {}
    requests = {**memory, **gpu}
    if options.cpu:
        requests["cpu"] = options.cpu
    if options.disk:
        requests["ephemeral-storage"] = options.disk
    if not requests:
        return None
    # Kubernetes takes units that Hera's own class refuses, such as bytes.
    return m.ResourceRequirements(
        requests={name: m.Quantity(root=text) for name, text in requests.items()},
        limits={name: m.Quantity(root=text) for name, text in {**memory, **gpu}.items()} or None,
    )
