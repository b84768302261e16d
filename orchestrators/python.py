"""Python tasks: a function shipped as text, run item by item by `worker/run.py` in any image with Python."""

from __future__ import annotations

from typing import Any

from hera.workflows import Artifact, Env, RawArtifact, Script

from dsl import encode
from dsl.argument import Constant, NodeValue, RunParameter, RunValue
from dsl.naming import as_text
from dsl.plan import PYTHON_IMAGE
from orchestrators.base import TaskPerPartition
from orchestrators.leaf import ITEMS, ROOT, bringer, constants, reference, run_parameter, value_name
from orchestrators.worker import program


class PythonParallelExecutionOrchestrator(TaskPerPartition):
    """Expands an execution function whose `function` is Python source."""

    def create_execution_template(self) -> Script:
        """Return a script template. Raises ValueError if there is no function."""
        node = self.node
        if node.function.function is None:
            raise ValueError(f"{node.id} needs a function")
        fields = self.leaf.template_fields()
        fields["image"] = node.function.options.image or PYTHON_IMAGE
        fields["inputs"] = [*fields["inputs"], *self._files()]
        if node.plans:
            fields["outputs"] = [*fields["outputs"], *self.leaf.planned_items()]
        env = [*self.leaf.environment(), *(Env(name=n, value=v) for n, v in self._environment().items())]
        return Script(**fields, command=["python3"], source=program("run.py"), env=env)

    def _environment(self) -> dict[str, str]:
        node = self.node
        assert node.function.function
        folders = [self.leaf.folder(files) for files in node.inputs]
        values = {
            f"ARGOSY_VALUE_{name}": encode.tag(reference(value_name(name)))
            for name, value in self.leaf.values()
            if not _by_file(value)
        }
        for name, parameter in constants(node.arguments, RunParameter).items():
            values[f"ARGOSY_VALUE_{name}"] = encode.tag(encode.brace_safe(run_parameter(parameter.name)))
        has_items = any(parameter.name == ITEMS for parameter in self.leaf.parameters())
        return {
            "ARGOSY_TASK": encode.json_text(self._task()),
            # Tags stand in these, so they are no part of the JSON whose braces are escaped.
            "ARGOSY_FOLDERS": "\n".join(folders),
            "ARGOSY_OUT": self.leaf.out,
            "ARGOSY_PROGRAM": encode.json_text(node.function.function.source),
            **({"ARGOSY_ITEMS": encode.tag(f"inputs.parameters.{ITEMS}")} if has_items else {}),
            **values,
        }

    def _task(self) -> dict[str, Any]:
        node = self.node
        assert node.function.function
        values = constants(node.arguments, NodeValue)
        forms: dict[str, object] = {
            name: _form(value, bringer(values, name)) for name, value in values.items()
        }
        for name, parameter in constants(node.arguments, RunParameter).items():
            forms[name] = "json" if parameter.is_text else "json-text"
        return {
            "node": node.id,
            "function": node.function.function.entry,
            "each": node.each,
            "workers": node.function.options.workers,
            "inputs": [
                {
                    "var": i.variable,
                    "kind": self.leaf.kind(i),
                    "naming": as_text(i.chain, encode.octal),
                    "column": i.field,
                    "prefix": i.scope == "all",
                    "within": node.within(i),
                }
                for i in node.inputs
            ],
            "outputs": [
                {"var": o.variable, "naming": as_text([o.template], encode.octal)} for o in node.outputs
            ],
            "output_dir": node.output_dir,
            "fields": [{"name": field.variable, "json": field.json} for field in node.fields],
            "constants": {name: c.value for name, c in constants(node.arguments, Constant).items()},
            "values": forms,
            "inject": list(constants(node.arguments, RunValue)),
            "plans": {"forms": list(node.plans.forms), "size": node.plans.size} if node.plans else None,
        }

    def _files(self) -> list[Artifact]:
        """Return values as files that an environment variable could be too small for."""
        return [
            RawArtifact(
                name=f"values-{name}",
                path=f"{ROOT}/values/{name}",
                data=encode.tag(reference(value_name(name))),
            )
            for name, value in self.leaf.values()
            if _by_file(value)
        ]


def _by_file(value: NodeValue) -> bool:
    """Whether a value travels as a file: a list of many, or one of which the task needs a part only."""
    return value.form == "gather" or value.by_task


def _form(value: NodeValue, bringer: str) -> dict[str, object]:
    """Return how the worker reads a value; parts of one value are in the file of its bringer."""
    if value.by_task:
        return {"form": "part", "of": bringer, "path": list(value.path), "default": list(value.fallback)}
    return {"form": "json" if value.form == "single" else "lines" if value.many else value.form}
