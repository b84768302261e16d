"""What templates with `memoize` made: kept in a folder per cache, given back while it is young enough.

Source: workflow/controller/cache (v4.1.2), where a cache is a ConfigMap. Here each key has a file, and beside
it copies of its artifacts: those of the run that made them may be gone. Runs share a cache: an entry has a
folder of its own, which its file names when all is in it.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from dsl.engine.artifacts import ArtifactError, Store
from dsl.engine.contents import digest_of_text
from dsl.engine.copies import remove
from dsl.engine.folder import component, write
from dsl.engine.node import Node, NodeFault
from dsl.engine.objects import NoValue, Objects
from dsl.expr.times import duration

_DAY = 86400.0  # seconds; no entry takes as long to be made
_LONGEST, _SHORT = 253, 200  # characters that a key of a ConfigMap, and a name of a file, may have
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_KEY = re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9]*")


class Memo(NamedTuple):
    """The caches of a project, the artifact store of the run that uses them, and the objects it is given."""

    folder: Path
    store: Store
    objects: Objects

    def recall(self, rule: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the outputs that are kept for a `memoize` whose tags are filled, None when there are none.

        Raises NodeFault for what is no key or no age, and for what cannot be read.
        """
        key = str(rule.get("key") or "")
        if not _KEY.fullmatch(key):
            raise NodeFault(f"invalid cache key: {key}")
        self._require_cache(_cache(rule))
        oldest = time.time() - _seconds(str(rule.get("maxAge") or "")) if rule.get("maxAge") else 0.0
        try:
            entry = json.loads(self._place(rule, ".json").read_text(encoding="utf-8"))
            if entry["key"] != key or entry["created"] < oldest:
                return None
            outputs: dict[str, Any] = entry["outputs"]
            files = self._place(rule, ".files") / component(entry.get("files", ""))
            for name, artifact in outputs["artifacts"].items():
                located = (artifact.get("s3") or {}).get("key")
                if located and name not in entry.get("empty", ()):
                    self.store.restore(files / component(name), located)
        except (FileNotFoundError, shutil.Error):  # another run has just replaced it
            return None
        except (OSError, ValueError, KeyError, TypeError) as wrong:
            raise NodeFault(f"malformed cache entry: {wrong}") from None
        return outputs

    def keep(self, rule: Mapping[str, Any], node: Node) -> None:
        """Keep the outputs of a node; of DAGs and steps nothing where no ConfigMap could hold them.

        Raises OSError and ArtifactError.
        """
        if wrong := _wrong_with(rule):
            if node.type != "Pod":
                return
            raise ArtifactError(wrong)
        place, all_files = self._place(rule, ".json"), self._place(rule, ".files")
        all_files.mkdir(parents=True, exist_ok=True)
        files = all_files / secrets.token_hex(8)
        empty = []
        for name, artifact in node.artifacts.items():
            located = (artifact.get("s3") or {}).get("key")
            if located and self.store.path(located).exists():
                self.store.copy(located, files / component(name))
            else:
                empty.append(name)
        outputs = {
            "parameters": node.outputs,
            "artifacts": node.artifacts,
            "result": node.result,
            "exitCode": node.exit_code,
        }
        entry = {
            "key": str(rule["key"]), "created": time.time(), "files": files.name, "empty": empty,
            "outputs": outputs,
        }  # fmt: skip
        former = _files_of(place)
        write(place, [json.dumps(entry, ensure_ascii=False)])
        for path in all_files.iterdir():
            if path.name == former or (path != files and _is_left(path)):
                with suppress(OSError):  # another run has just removed it
                    remove(path)

    def places(self, node: Node) -> tuple[Path, ...]:
        """Return where the files and folders are that a node has been given."""
        keys = ((artifact.get("s3") or {}).get("key") for artifact in node.artifacts.values())
        return tuple(place for key in keys if key and (place := self.store.path(key)).exists())

    def _require_cache(self, name: str) -> None:
        """Raise NodeFault for the name of no cache, or of a ConfigMap that is for something else."""
        if not name:
            raise NodeFault("resource name may not be empty")
        try:
            self.objects.require_cache(name)
        except NoValue as wrong:
            raise NodeFault(str(wrong)) from None

    def _place(self, rule: Mapping[str, Any], ending: str) -> Path:
        key = str(rule["key"])
        name = key if len(key) < _SHORT else f"{key[:_SHORT]}.{digest_of_text(key)[:16]}"
        return self.folder / component(_cache(rule)) / f"{name}{ending}"


def _wrong_with(rule: Mapping[str, Any]) -> str:
    """Return why Kubernetes would not take an entry, `""` if it would."""
    cache, key = _cache(rule), str(rule["key"])
    if not _NAME.fullmatch(cache):
        return (
            f'ConfigMap "{cache}" is invalid: metadata.name: Invalid value: "{cache}": a lowercase RFC 1123 '
            "subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
            "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
            f"'{_NAME.pattern}')"
        )
    return f"data[{key}]: must be no more than {_LONGEST} characters" if len(key) > _LONGEST else ""


def _cache(rule: Mapping[str, Any]) -> str:
    return str(((rule.get("cache") or {}).get("configMap") or {}).get("name") or "")


def _files_of(place: Path) -> str:
    """Return the name of the folder of an entry, `""` where there is no entry."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads(place.read_text(encoding="utf-8"))["files"])
    return ""


def _is_left(path: Path) -> bool:
    """Whether a folder is of a run that was killed before its entry was whole."""
    with suppress(OSError):  # another run has just removed it
        return time.time() - path.stat().st_mtime > _DAY
    return False


def _seconds(age: str) -> float:
    try:
        return duration(age).nanoseconds / 1e9
    except ValueError as wrong:
        raise NodeFault(f"invalid maxAge: {wrong}") from None
