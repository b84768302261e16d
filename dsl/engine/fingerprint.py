"""A leaf in, a digest of all that decides what it makes out: its program, its inputs, and what is in them.

What a leaf reads on a volume it does not say: there it is whatever the leaves before it left, and for a
program that is not ours all that the user gave there.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from dsl.engine.ancestry import Position, before, positions
from dsl.engine.artifacts import ArtifactError
from dsl.engine.contents import Contents, digest_of, digest_of_text, json_of
from dsl.engine.journal import Record
from dsl.engine.leaf import Leaf, Places
from dsl.engine.mounts import Mounts
from dsl.engine.node import NOTHING, Node
from dsl.engine.relocate import ROOT, expand
from dsl.engine.volumes import claims_of, keyed_sources, volumes_by_name
from dsl.expr.gojson import Value

_PROGRAMS = 64
"""Long texts, that leaves may share, of which the digests are kept: each leaf may have one of its own."""
_SHARED = ("persistentVolumeClaim", "claimTemplate", "hostPath")


class Fingerprints:
    """Digests of leaves; knows what the leaves of this run left on volumes."""

    def __init__(self, places: Places, contents: Contents, mounts: Mounts) -> None:
        self._places = places
        self._contents = contents
        self._mounts = mounts
        self._program = lru_cache(maxsize=_PROGRAMS)(digest_of)
        self._texts = Texts()
        self._left: defaultdict[Position, dict[str, object]] = defaultdict(dict)
        self._digests: dict[Position, tuple[int, str]] = {}
        self.reads: dict[str, Mapping[str, str]] = {}
        """Digests of the files and folders that leaves read, by path: of leaves that see nothing else."""

    def of(self, leaf: Leaf) -> str:
        """Return the digest of a leaf whose inputs are in place."""
        kind = leaf.template.kind
        container = dict(leaf.body[kind])
        container["source"] = self._program(str(container.get("source") or ""))
        volumes = self._mounted(leaf)
        reads: dict[str, str] = {}
        outer = self._outer(volumes)
        body = self._texts.of({**leaf.body, kind: container}, leaf.template.body.value)
        others = [
            dict(leaf.inputs),
            {name: [raw, self._content(raw, reads)] for name, raw in leaf.artifacts.items()},
            leaf.keeps_stdout,
            volumes,
            [self._read(path, reads) for path in self._staged(leaf)],
            self._objects(leaf, volumes.values()),
            self._places.runtime.is_real,
            sorted(self._left_before(leaf.node)) if _is_shared(volumes.values()) else [],
            [self._outside(name, leaf) for name in outer],
        ]
        if not (outer or _is_shared(volumes.values())):
            self.reads[leaf.node.path] = reads or NOTHING
        return digest_of_text(f"[{body}, {json_of(others)[1:]}")

    def places(self, leaf: Leaf) -> Iterator[Path]:
        """Yield where there may be something of the artifacts that a leaf reads."""
        for artifact in leaf.artifacts.values():
            with suppress(ArtifactError):
                yield from self._places.store.places(_key(artifact))

    def ended(self, leaf: Leaf, record: Record) -> None:
        """Note what a leaf may have left on a volume: a program of ours its files alone."""
        if record.phase != "Succeeded" or not _is_shared(self._mounted(leaf).values()):
            return
        files = [(note[0], note[-1]) for note in record.files]
        left: object = files if _is_ours(leaf) else (record.fingerprint, record.finished)
        for position in positions(leaf.node):
            self._left[position][record.leaf] = left

    def at_work(self, leaf: Leaf) -> AbstractContextManager[None]:
        """Return what is to surround the work of a leaf: it may change folders given for volumes."""
        return self._mounts.at_work() if self._outer(self._mounted(leaf)) else nullcontext()

    def _content(self, artifact: Mapping[str, Any], reads: dict[str, str]) -> str:
        try:
            return self._read(self._places.store.path(_key(artifact)), reads)
        except ArtifactError:
            return ""

    def _read(self, path: Path, reads: dict[str, str]) -> str:
        digest = reads[os.fspath(path)] = self._contents.of(path)
        return digest

    def _objects(self, leaf: Leaf, volumes: Iterable[Mapping[str, Any]]) -> list[object]:
        """Return the ConfigMaps and Secrets that a leaf may see: all of them where it refers to any."""
        if not self._places.objects.keyed:
            return []
        refers = any(source for volume in volumes for source in keyed_sources(volume)) or any(
            each.get("envFrom") or any(variable.get("valueFrom") for variable in each.get("env") or [])
            for each in _containers(leaf)
        )
        return self._places.objects.contents() if refers else []

    def _staged(self, leaf: Leaf) -> list[Path]:
        mounts = leaf.body[leaf.template.kind].get("volumeMounts") or []
        claims = claims_of(mounts, volumes_by_name(self._places.spec, leaf.body)) if mounts else []
        columns = map(int, leaf.template.annotations.get("argosy/inputs", "").split())
        return self._places.claims.sources(leaf.inputs.get("items", ""), columns, claims)

    def _mounted(self, leaf: Leaf) -> dict[str, Mapping[str, Any]]:
        mounts = [mount for each in _containers(leaf) for mount in each.get("volumeMounts") or []]
        known = volumes_by_name(self._places.spec, leaf.body) if mounts else {}
        names = (str(mount.get("name")) for mount in mounts)
        return {name: known[name] for name in names if name in known}

    def _outer(self, volumes: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """Return what `Mounts` knows of volumes: names under which folders were given, paths of hosts."""
        outer = set()
        for volume, how in volumes.items():
            claim, host = how.get("persistentVolumeClaim"), how.get("hostPath")
            name = str(claim.get("claimName")) if claim else volume
            if name in self._places.claims.given:
                outer.add(name)
            elif host:
                outer.add(os.fspath(Path(str(host.get("path"))).absolute()))
        return sorted(outer)

    def _outside(self, name: str, leaf: Leaf) -> list[object]:
        """Return what tells whether a folder is another; in a given one a program of ours reads nothing."""
        if name in self._places.claims.given:
            return [self._mounts.place(name), "" if _is_ours(leaf) else self._mounts.of(name)]
        return [self._mounts.of(name)]

    def _left_before(self, node: Node) -> Iterable[str]:
        for position in before(node):
            left = self._left.get(position)
            if not left:
                continue
            count, digest = self._digests.get(position, (0, ""))
            if count != len(left):
                count, digest = self._digests[position] = len(left), digest_of(sorted(left.items()))
            yield digest


class Texts:
    """JSON texts of filled templates; what was not filled is the template's own and is written once."""

    def __init__(self) -> None:
        self._known: dict[int, str] = {}
        self._unfilled: list[object] = []

    def of(self, value: Value, unfilled: Value) -> str:
        """Return the text that `json_of` gives."""
        if value is unfilled:
            return self._known.get(id(unfilled)) or self._written(unfilled)
        if isinstance(value, dict) and isinstance(unfilled, dict):
            pairs = [f"{json_of(key)}: {self.of(value[key], unfilled.get(key))}" for key in sorted(value)]
            return f"{{{', '.join(pairs)}}}"
        if isinstance(value, list) and isinstance(unfilled, list) and len(value) == len(unfilled):
            known = self._known
            texts = [
                (known.get(id(old)) or self._written(old)) if new is old else json_of(new)
                for new, old in zip(value, unfilled, strict=True)
            ]
            return f"[{', '.join(texts)}]"
        return json_of(value)

    def _written(self, unfilled: Value) -> str:
        self._unfilled.append(unfilled)  # nothing else may get its id
        return self._known.setdefault(id(unfilled), json_of(unfilled))


def _key(artifact: Mapping[str, Any]) -> str:
    return expand(str((artifact.get("s3") or {}).get("key") or ""), {})


def _containers(leaf: Leaf) -> list[Mapping[str, Any]]:
    """Return all containers of a leaf's pod."""
    body = leaf.body
    return [*(body.get("initContainers") or []), *leaf.own, *(body.get("sidecars") or [])]


def _is_ours(leaf: Leaf) -> bool:
    """Whether a leaf reads nothing but what the manifest names."""
    return any(variable.get("name") == ROOT for variable in leaf.body[leaf.template.kind].get("env") or [])


def _is_shared(volumes: Iterable[Mapping[str, Any]]) -> bool:
    """Whether one of the volumes outlives its leaf."""
    return any(volume.get(kind) is not None for volume in volumes for kind in _SHARED)
