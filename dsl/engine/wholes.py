"""A DAG or steps node that begins in; what a former run left of it, if it can be taken over as a whole, out.

That is the same as looking at each leaf: the texts of a template and of all that it calls, its inputs and the
variables of the run decide which calls there are and what is filled into them, and with what the leaves read
their fingerprints. Where all this is as it was, every leaf is on record with success and its files stand,
each would be taken over. What may see something else is looked at leaf by leaf.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from dsl.engine.call import Prepared
from dsl.engine.contents import digest_of
from dsl.engine.definition import Definition, Template, has_tag
from dsl.engine.folder import write
from dsl.engine.history import History
from dsl.engine.leaf import Places
from dsl.engine.node import Node
from dsl.engine.scope import Globals
from dsl.engine.tags import parts
from dsl.engine.whole import INSIDE, Whole, brings_tags, gathered
from dsl.expr.gojson import Value

_KINDS = ("dag", "steps", "container", "script")
_STATUS = "workflow.status"
_NODES = re.compile(r"\b(?:tasks|steps)\b")
_LASTING = re.compile(
    r"""(?:tasks|steps)(?:\.[\w-]+|\[\\?['"][\w-]+\\?['"]\])\??\.(?:outputs|status|exitCode|id)\b"""
)
"""What is said of a node that is the same when it is taken over: when one began that holds others is not."""


class Wholes:
    """The DAG and steps nodes of a run that may be taken over as a whole, now or by the next run."""

    def __init__(
        self,
        definition: Definition,
        shared: Globals,
        places: Places,
        history: History,
        former: Mapping[str, Whole],
        record: Path,
    ) -> None:
        """Take those of a former run; what ends is put down at `record`."""
        self._definition = definition
        self._globals = shared
        self._places = places
        self._history = history
        self._former = former
        self._record = record
        self._keys: dict[Node, str] = {}
        self._taken: dict[Node, Whole] = {}
        self._called: dict[Template, list[Template]] = {}
        self._shared: dict[Template, str] = {}
        self._seen: dict[str, Any] = {}
        self._has_tags = False
        texts = json.dumps([definition.spec, list(definition.objects.templates.values())], default=str)
        self._are_fit = '"globalName"' not in texts  # else variables of the run change while it goes on

    def former(self, node: Node, prepared: Prepared) -> Whole | None:
        """Return what a former run left of a node that begins, if it can be taken over as it was."""
        if not self._are_fit or _may_be_cut_short(node) or not self.called(prepared.template):
            return None
        lasting = self._lasting()
        if self._seen != lasting:
            self._seen = lasting
            self._has_tags = brings_tags(self._seen.values())
            self._shared.clear()
        if self._has_tags or brings_tags(prepared.scope.local.values()):
            return None
        key = self._keys[node] = self._key(node, prepared)
        whole = self._former.get(node.path)
        if whole is None or whole.key != key or not self._history.stands_whole(node, whole):
            return None
        self._taken[node] = whole
        return whole

    def ended(self, node: Node) -> None:
        """Put down a node in which no others like it are: of a run that is killed nothing else is left."""
        inside = node.inside.nodes if node.inside else []
        if node in self._keys and not any(each.type in INSIDE for each in inside):
            lines = [f"{whole.to_line()}\n" for whole in self._left([node, *inside])]
            with suppress(OSError), self._record.open("a", encoding="utf-8") as file:
                file.writelines(lines)

    def close(self, nodes: Sequence[Node]) -> None:
        """Put down what the next run may take over, of all nodes of this one."""
        with suppress(OSError):  # the next run looks at each leaf then
            write(self._record, (f"{whole.to_line()}\n" for whole in self._left(nodes)))

    def _left(self, nodes: Sequence[Node]) -> Iterator[Whole]:
        if self._history.is_partial:
            return
        for whole in gathered(nodes, self._keys, self._taken, self._history.reads, self.called):
            whole.ends = whole.ends or self._history.ends(whole.leaves())
            if whole.ends:
                yield whole

    def called(self, template: Template) -> list[Template]:
        """Return a template and all that calls begin below it; nothing where that is not known."""
        if template not in self._called:
            below = self._definition.below(template)
            self._called[template] = below if all(map(_is_fit, below)) else []
        return self._called[template]

    def _key(self, node: Node, prepared: Prepared) -> str:
        template = prepared.template
        shared = self._shared.get(template) or self._shared.setdefault(template, self._shared_by(template))
        return digest_of([shared, node.flag, prepared.scope.local])

    def _lasting(self) -> dict[str, Any]:
        """Return the variables of the run that are the same all the time."""
        return {name: value for name, value in self._globals.flat.items() if name != _STATUS}

    def _shared_by(self, template: Template) -> str:
        """Return a digest of what counts for every call of a template."""
        spec, objects, places = self._definition.spec, self._definition.objects, self._places
        return digest_of(
            [
                self._lasting(),
                [each.raw for each in self.called(template)],
                {key: value for key, value in spec.items() if key not in ("templates", "arguments")},
                [objects.contents(), objects.labels],
                [places.runtime.is_real, os.fspath(places.store.root), os.fspath(places.store.inputs)],
                _engine(),
            ]
        )


def _may_be_cut_short(node: Node) -> bool:
    """Whether a failure elsewhere keeps what waits from beginning: then it counts when a node ends."""
    current = node.boundary
    while current is not None:
        if current.inside and current.inside.fails_fast:
            return True
        current = current.boundary
    return False


@cache
def _engine() -> list[object]:
    """Return what the engine is: another one may read a manifest otherwise."""
    folders = [Path(__file__).parent, Path(__file__).parents[1] / "expr"]
    entries = [entry for folder in folders for entry in os.scandir(folder) if entry.name.endswith(".py")]
    stamps = sorted((entry.path, entry.stat().st_size, entry.stat().st_mtime_ns) for entry in entries)
    return [sys.version, stamps]


def _is_fit(template: Template) -> bool:
    """Whether a template makes its nodes of nothing but what it is called with, and leaves that are kept."""
    raw = template.raw
    if template.kind not in _KINDS or raw.get("memoize") is not None or template.is_daemon:
        return False
    for task in template.calls:
        if has_tag(task.raw) or task.raw.get("hooks") or task.raw.get("onExit"):
            return False
    return all(_is_lasting(text) for text in _tags(raw))


def _tags(value: Value, key: str = "") -> Iterator[str]:
    """Yield the tags in a template, and its expressions."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _tags(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _tags(inner, key)
    elif isinstance(value, str) and key in ("expression", "fromExpression"):
        yield value
    elif isinstance(value, str) and "{{" in value:
        yield from (body for kind, body in parts(value) if kind != "text")


def _is_lasting(tag: str) -> bool:
    """Whether a tag names nothing of other nodes that is not the same when they are taken over."""
    return _STATUS not in tag and all(_LASTING.match(tag, found.start()) for found in _NODES.finditer(tag))
