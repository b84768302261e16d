"""The input artifacts of a leaf in; their places in its folder, and what its program changed of them, out.

A copy or a link of ours has to stay as it is: on a cluster a task that changes its input changes a copy, on a
volume the file of others, and here its retry and its neighbours would read on in what it left.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from dsl.engine.artifacts import ArtifactError, Store
from dsl.engine.copies import remove
from dsl.engine.relocate import Layout, expand
from dsl.engine.stamps import Stamps


class Given:
    """Inputs of one leaf, by what they are: a foreign program may do with its copies what it likes."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._names: dict[Path, str] = {}
        self._copies = Stamps()
        self._linked: dict[Path, Store] = {}

    @cached_property
    def _folders(self) -> tuple[Path, ...]:
        return self._layout.root.resolve(), self._layout.beside.resolve()

    def _is_own(self, place: Path) -> bool:
        return any(map(place.is_relative_to, self._folders))

    def put(self, name: str, artifact: Mapping[str, Any], store: Store) -> None:
        """Put an artifact in place. Raises ArtifactError when it cannot be had."""
        key = _key_in_pod(artifact)
        ours = bool(self._layout.base)
        place = self._layout.place(str(artifact.get("path") or ""))
        located = {**artifact, "s3": {**artifact["s3"], "key": key}} if key else artifact
        try:
            is_own = self._is_own(place.parent.resolve()) and not place.is_symlink()  # as a mount is
            is_linked = store.fetch(located, place, link=ours, is_own=is_own)
        except OSError as wrong:
            raise ArtifactError(str(wrong)) from None
        if ours:
            place = place.resolve()
            self._names[place] = PurePosixPath(key or name).name
            if is_linked:
                self._linked[place] = store
            else:
                self._copies.note(place, place)

    def changed(self) -> str:
        """Return the name of an input that is not what it was, `""` if all are.

        What a program takes out of its own folder, to move it to its results, nobody else reads.
        """
        for place, name in self._names.items():
            path = self._linked.get(place, self._copies).changed(place)
            if path and (place.exists() or not self._is_own(place)):
                return name if path == place else path.name
        return ""

    def clear(self) -> None:
        """Remove the copies: the folder of a leaf that failed stays, and they may be large."""
        for place in self._names:
            if self._is_own(place):
                with suppress(OSError):  # its program may have taken its permissions away
                    remove(place)


def _key_in_pod(artifact: Mapping[str, Any]) -> str:
    """Return the key that is left when the kubelet expanded the template that holds it."""
    return expand(str((artifact.get("s3") or {}).get("key") or ""), {})
