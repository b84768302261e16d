"""What templates with `memoize` made: kept in a folder per cache, given back while it is young enough.

Source: workflow/controller/cache (v4.1.2), where a cache is a ConfigMap. Here each key has a file, and beside
it copies of its artifacts: those of the run that made them may be gone.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsl.engine.artifacts import Store
from dsl.engine.clock import seconds_of
from dsl.engine.folder import component, write
from dsl.engine.node import Node, NodeFault

_KEY = re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9]*")


@dataclass(frozen=True, slots=True)
class Memo:
    """The caches of a project, and the artifact store of the run that uses them."""

    folder: Path
    store: Store

    def recall(self, rule: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the outputs that are kept for a `memoize` whose tags are filled, None when there are none.

        Raises NodeFault for what is no key or no age, and for what cannot be read.
        """
        key = str(rule.get("key") or "")
        if not _KEY.fullmatch(key):
            raise NodeFault(f"invalid cache key: {key}")
        oldest = time.time() - _seconds(str(rule.get("maxAge") or "")) if rule.get("maxAge") else 0.0
        try:
            entry = json.loads(self._place(rule, ".json").read_text(encoding="utf-8"))
            if entry["key"] != key or entry["created"] < oldest:
                return None
            outputs: dict[str, Any] = entry["outputs"]
            for name, artifact in outputs["artifacts"].items():
                if located := (artifact.get("s3") or {}).get("key"):
                    self.store.restore(self._place(rule, ".files") / component(name), located)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as wrong:
            raise NodeFault(f"malformed cache entry: {wrong}") from None
        return outputs

    def keep(self, rule: Mapping[str, Any], node: Node) -> None:
        """Keep the outputs of a node. Raises OSError and ArtifactError."""
        files = self._place(rule, ".files")
        for name, artifact in node.artifacts.items():
            if located := (artifact.get("s3") or {}).get("key"):
                self.store.copy(located, files / component(name))
        outputs = {
            "parameters": node.outputs,
            "artifacts": node.artifacts,
            "result": node.result,
            "exitCode": node.exit_code,
        }
        entry = {"key": str(rule["key"]), "created": time.time(), "outputs": outputs}
        place = self._place(rule, ".json")
        place.parent.mkdir(parents=True, exist_ok=True)
        write(place, json.dumps(entry, ensure_ascii=False))

    def _place(self, rule: Mapping[str, Any], ending: str) -> Path:
        cache = ((rule.get("cache") or {}).get("configMap") or {}).get("name")
        return self.folder / component(str(cache)) / f"{rule['key']}{ending}"


def _seconds(age: str) -> float:
    if re.fullmatch(r"[+-]?\d*[1-9]\d*", age):
        raise NodeFault(f'invalid maxAge: time: missing unit in duration "{age}"')
    try:
        return seconds_of(age)
    except ValueError as wrong:
        raise NodeFault(f"invalid maxAge: {str(wrong).partition(' as a duration: ')[2]}") from None
