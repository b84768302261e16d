"""Shell tasks: `sh` text, run item by item by `worker/run.sh` in any image that has a POSIX shell."""

from __future__ import annotations

from hera.workflows import Env, Script

from dsl import encode
from dsl.argument import Argument, Constant, Field, NodeValue, RunParameter
from dsl.naming import as_text
from orchestrators.base import TaskPerPartition
from orchestrators.leaf import ITEMS, reference, run_parameter, value_name
from orchestrators.worker import program


class ShellParallelExecutionOrchestrator(TaskPerPartition):
    """Expands an execution function whose `command` is `sh` text."""

    def create_execution_template(self) -> Script:
        """Return a script template. Raises ValueError without an image or for text that no shell can have."""
        node = self.node
        if not node.function.options.image:
            raise ValueError(f"{node.id} needs an image")
        if not isinstance(node.function.command, str):
            raise ValueError(f"{node.id} needs a command, the text that sh runs")
        env = [*self.leaf.environment(), *(Env(name=n, value=v) for n, v in self._environment().items())]
        return Script(**self.leaf.template_fields(), command=["sh"], source=program("run.sh"), env=env)

    def _environment(self) -> dict[str, str]:
        node, options = self.node, self.node.function.options
        given = {name: a for name, a in node.arguments.items() if not isinstance(a, Field)}
        per_item = node.each == "item"
        lines = [name for name, a in given.items() if per_item and getattr(a, "form", "") == "line"]
        outputs = [f"{o.variable}|{as_text([o.template], encode.octal)}" for o in node.outputs]
        return {
            "ARGOSY_NODE": encode.octal(node.id),
            "ARGOSY_EACH": node.each,
            "ARGOSY_PROGRAM": encode.octal(str(node.function.command)),
            "ARGOSY_FIELDS": " ".join(field.variable or "-" for field in node.fields),
            **(
                {"ARGOSY_ITEMS": encode.tag(encode.octal_line(f"inputs.parameters.{ITEMS}"))}
                if self._has_items
                else {}
            ),
            "ARGOSY_INPUTS": "\n".join(self._inputs()),
            "ARGOSY_OUTPUTS": "\n".join(outputs),
            "ARGOSY_OUTPUT_DIR": node.output_dir or "",
            "ARGOSY_OUT": self.leaf.out,
            "ARGOSY_RESULT": options.result if node.has_value else "",
            "ARGOSY_WORKERS": str(options.workers),
            "ARGOSY_PARAMS": " ".join(name for name in given if name not in lines),
            "ARGOSY_LINES": " ".join(lines),
            **{f"ARGOSY_P_{name}": self._text(name, argument) for name, argument in given.items()},
        }

    @property
    def _has_items(self) -> bool:
        return any(parameter.name == ITEMS for parameter in self.leaf.parameters())

    def _inputs(self) -> list[str]:
        return [
            "|".join(
                (
                    files.variable,
                    self.leaf.kind(files),
                    self.leaf.folder(files),
                    as_text(files.chain, encode.octal),
                    "" if files.field is None else str(files.field + 1),
                    "1" if files.scope == "all" else "",
                    encode.octal(self.node.within(files)),
                )
            )
            for files in self.node.inputs
        ]

    def _text(self, name: str, argument: Argument) -> str:
        """Return the octal text of an argument, or the tag that gives it."""
        if isinstance(argument, Constant):
            return encode.octal(encode.shell_value(argument.value))
        if isinstance(argument, RunParameter):
            raw = run_parameter(argument.name)
            return encode.tag(encode.as_octal(raw if argument.is_text else encode.shell_text(raw)))
        if not isinstance(argument, NodeValue):
            raise ValueError(f"{self.node.id}: {name} cannot be a variable of a shell task")
        raw = reference(value_name(name))
        if argument.form == "line" and self.node.each == "item":
            values = f"map({_lines(raw)}, {encode.as_octal(encode.shell_text(_value_of_line('#')))})"
            return encode.tag(f"join({values}, ';')")
        return encode.tag(encode.as_octal(given_text(argument, raw)))


def given_text(value: NodeValue, raw: str) -> str:
    """Return the expression of what sh gets of another node's value; `raw` gives its text, '' if absent."""
    if value.form == "gather":
        return f"({raw} == '' ? '' : {_gathered(raw)})"
    if value.many:
        raw = f"'[' + join(map({_lines(raw)}, {_value_of_line('#')}), ',') + ']'"
    elif value.form == "line":
        raw = _value_of_line(raw)
    return f"({raw} == '' ? '' : {encode.shell_text(raw)})"


def _gathered(texts: str) -> str:
    """Return the expression of one JSON list, where `texts` gives a JSON list of value texts."""
    lines = f"split(join(fromJSON({texts}), '\\n'), '\\n')"
    values = f"map(filter({lines}, # != ''), #[indexOf(#, ' ') + 1:])"
    return f"'[' + join({values}, ',') + ']'"


def _lines(text: str) -> str:
    """Return the expression of the lines of a value text."""
    return f"filter(split({text}, '\\n'), # != '')"


def _value_of_line(text: str) -> str:
    """Return the expression of the JSON in a value text of one line."""
    return f"{text}[indexOf({text}, ' ') + 1:]"
