"""Settings of `dsl validate`: from the command line, else from `[tool.argosy]` of the nearest pyproject.toml.

Nearest means: upward from the folder that all given paths have in common, without files that lack the table.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dsl.child import LONGEST, SHORTEST, TIMEOUT
from dsl.codes import Code
from dsl.diagnostics import Diagnostic
from dsl.location import absolute
from dsl.names import did_you_mean


class InvalidSettings(ValueError):
    """Settings that mean nothing; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What to show and how to judge: `select` and `ignore` are codes or how they begin; none selects all."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    strict: bool = False
    timeout: float = TIMEOUT

    def shows(self, diagnostic: Diagnostic) -> bool:
        """Whether a finding is selected and not ignored. That a file could not be loaded is always shown."""
        code = diagnostic.code
        is_selected = not self.select or code.id.startswith(self.select)
        return code.is_unread or (is_selected and not code.id.startswith(self.ignore))

    def fails(self, diagnostic: Diagnostic) -> bool:
        """Whether a finding that is shown makes the command fail."""
        return diagnostic.is_error or self.strict


def codes_of(words: Iterable[str]) -> tuple[str, ...]:
    """Return codes, or how they begin, from texts with commas between. Raises InvalidSettings."""
    codes = tuple(code.strip().upper() for word in words for code in word.split(",") if code.strip())
    for code in codes:
        if not any(one.id.startswith(code) for one in Code):
            raise InvalidSettings(f"no code is or begins with {code!r}; `dsl explain` lists the codes")
    return codes


def settings_for(paths: Sequence[str], given: Mapping[str, object]) -> Settings:
    """Return the settings for paths; what was given goes before what a file says. Raises InvalidSettings."""
    return Settings(**{**_configured(paths), **given})  # type: ignore[arg-type]  # each was checked by its name


def _configured(paths: Sequence[str]) -> dict[str, object]:
    folder = Path(os.path.commonpath([absolute(path) for path in paths]))
    for place in (folder, *folder.parents):
        file = place / "pyproject.toml"
        try:
            table = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("argosy")
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
        except (OSError, ValueError, AttributeError) as problem:
            raise InvalidSettings(f"cannot read {file}: {problem}") from None
        if table is not None:
            return _checked(table, str(file))
    return {}


def _checked(table: object, file: str) -> dict[str, object]:
    if not isinstance(table, dict):
        raise InvalidSettings(f"{file}: tool.argosy is no table")
    found: dict[str, object] = {}
    for key, value in table.items():
        where = f"{file}: tool.argosy.{key}"
        if key in ("select", "ignore"):
            if not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
                raise InvalidSettings(f'{where} takes a list of codes, such as ["DSL314"]')
            try:
                found[key] = codes_of(value)
            except InvalidSettings as problem:
                raise InvalidSettings(f"{where}: {problem}") from None
        elif key == "strict":
            if not isinstance(value, bool):
                raise InvalidSettings(f"{where} takes true or false")
            found[key] = value
        elif key == "timeout":
            if (
                isinstance(value, bool)
                or not isinstance(value, int | float)
                or not SHORTEST <= value <= LONGEST
            ):
                raise InvalidSettings(f"{where} takes seconds, from {SHORTEST:g} to {LONGEST:g}")
            found[key] = float(value)
        else:
            guess = did_you_mean(key, Settings.__dataclass_fields__)
            hint = (
                f"did you mean {guess!r}?" if guess else f"keys: {', '.join(Settings.__dataclass_fields__)}"
            )
            raise InvalidSettings(f"{file}: tool.argosy has no key {key!r}; {hint}")
    return found
