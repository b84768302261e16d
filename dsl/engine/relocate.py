"""A template's declared paths in, places in the task's own folder out, and texts that match them.

A template whose environment has ARGOSY_ROOT is told its root by that variable; in any other one the declared
paths are replaced where they stand in command, args, source and env. Kubelet's `$(NAME)` and `$$` are
imitated here too.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = "ARGOSY_ROOT"
SECRETS = "secrets"
"""The folder of secrets, beside the root."""
_KUBELET = re.compile(r"\$(?:\$|\(([^)]*)\))")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Do what kubelet does to `command`, `args` and env.

    `$(NAME)` of a known variable, and `$$` for a dollar.

    >>> expand("$(A) $$(A) $(B)", {"A": "1"})
    '1 $(A) $(B)'
    """
    if "$" not in text:
        return text

    def replaced(found: re.Match[str]) -> str:
        if found[1] is None:
            return "$"
        return variables.get(found[1], found[0])

    return _KUBELET.sub(replaced, text)


@dataclass(slots=True)
class Layout:
    """Where a leaf's paths are. `base` is what its manifest calls the root, `""` in a foreign template.

    `root` is the folder that ARGOSY_ROOT names, or the one that stands for `/`. `is_real` says that its
    program finds paths as they are declared, in a container.
    """

    root: Path
    base: str
    moved: list[str] = field(default_factory=list)
    is_real: bool = False

    @property
    def beside(self) -> Path:
        """Return the folder of what is not below the root; there only when something needs it."""
        return beside(self.root)

    def place(self, path: str) -> Path:
        """Return the real place of a declared path."""
        if self.base and path == self.base:
            return self.root
        pure = PurePosixPath(normal(path))
        if self.base:
            try:
                return self.root / pure.relative_to(self.base)
            except ValueError:
                return self.beside.joinpath("elsewhere", *pure.parts[1:])
        return self.root.joinpath(*[part for part in pure.parts if part != "/"])

    def rewrite(self, text: str) -> str:
        """Replace declared paths in a text of a foreign template."""
        if self.base or self.is_real or not self.moved:
            return text
        paths = "|".join(re.escape(path) for path in sorted(self.moved, key=len, reverse=True))
        pattern = rf"(?<![\w./-])(?:{paths})(?![\w-]|\.\w)"
        return re.sub(pattern, lambda found: str(self.place(found[0])), text)

    def make_parents(self) -> None:
        """Make the folders above the declared paths; what is mounted must be in place."""
        for parent in {self.place(path).parent for path in self.moved} - {self.root}:
            parent.mkdir(parents=True, exist_ok=True)


def normal(path: str) -> str:
    """Return a path of a container as its file system does, where nothing is above the root.

    >>> [normal(path) for path in ("/a/../../b/./c/", "//a", "a", "")]
    ['/b/c', '/a', '/a', '/']
    """
    return posixpath.normpath(f"/{path.lstrip('/')}")


def beside(root: Path) -> Path:
    """Return the folder for what a leaf has outside of its root."""
    return root.with_name(f"{root.name}.pod")


def base_of(container: Mapping[str, Any]) -> str:
    """Return what a container calls its root, `""` for one of a foreign template."""
    bases = (str(v.get("value") or "") for v in container.get("env") or [] if v.get("name") == ROOT)
    return next(bases, "").rstrip("/")


def layout_of(
    body: Mapping[str, Any],
    artifacts: Iterable[Mapping[str, Any]],
    container: Mapping[str, Any],
    root: Path,
    *,
    is_real: bool,
) -> Layout:
    """Return the layout of a container that has a leaf's inputs and outputs.

    `artifacts` are its inputs, also optional ones that nobody gave: a file of this machine is none of them.
    """
    base = base_of(container)
    declared = dict.fromkeys(_declared(body, artifacts, container))
    moved = [path for path in declared if path.startswith("/")]
    folder = str(container.get("workingDir") or "")
    is_here = folder.startswith("/") and not (base or may_hold_programs(folder))
    if not is_real:  # a program may call a place by another name than its manifest
        moved += {normal(path) for path in (*moved, *([folder] if is_here else []))} - {"/", *moved}
    return Layout(root, base, moved, is_real)


def may_hold_programs(folder: str) -> bool:
    """Whether this machine has a folder where those of an image may be: not one that anybody may write into.

    As such there is `/tmp`. The root is none either: all that is declared is in it.
    """
    if not folder.startswith("/") or normal(folder) == "/":
        return False
    try:
        mode = os.stat(folder).st_mode  # noqa: PTH116 - a text, as the manifest has it
    except OSError:
        return False
    return stat.S_ISDIR(mode) and not mode & stat.S_IWOTH


def _declared(
    body: Mapping[str, Any], artifacts: Iterable[Mapping[str, Any]], container: Mapping[str, Any]
) -> Iterator[str]:
    for artifact in artifacts:
        yield str(artifact.get("path") or "").rstrip("/")
    outputs = body.get("outputs") or {}
    for artifact in outputs.get("artifacts") or []:
        yield str(artifact.get("path") or "").rstrip("/")
    for parameter in outputs.get("parameters") or []:
        yield str((parameter.get("valueFrom") or {}).get("path") or "")
    for mount in container.get("volumeMounts") or []:
        yield str(mount.get("mountPath") or "").rstrip("/")
