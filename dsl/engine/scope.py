"""The variables that tags and expressions of one place can see, by flat name and as nested mappings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from dsl.expr.gojson import Value
from dsl.expr.nesting import Flat, nested


class _Missing:
    """The type of MISSING: a name that nothing defines, which is not the same as an absent value, None."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


class Globals:
    """`workflow.*`: shared by every scope of a run, changed only between two evaluations.

    `fault` is why they are not whole, so that nothing can run; `bring_tags` says that a value has tags in it.
    """

    def __init__(self, flat: dict[str, str], fault: str = "") -> None:
        self.flat: dict[str, Any] = flat
        self.fault = fault
        self.bring_tags = any("{{" in value for value in flat.values())
        self._nested: dict[str, Any] | None = None

    def set(self, name: str, value: Value) -> None:
        """Define or replace one variable."""
        self.flat[name] = value
        self.bring_tags = self.bring_tags or "{{" in str(value)
        self._nested = None

    def tree(self) -> dict[str, Any]:
        """Return the nested form, made again after a change."""
        if self._nested is None:
            self._nested = nested(self.flat)
        return self._nested


class View:
    """What others may read of a node: `status`, `outputs.parameters.x` …, flat and nested.

    None is an absent optional.
    """

    __slots__ = ("_tree", "artifacts", "flat")

    def __init__(self, flat: dict[str, Any], artifacts: dict[str, Any]) -> None:
        self.flat = flat
        self.artifacts = artifacts
        self._tree: dict[str, Any] | None = None

    def tree(self) -> dict[str, Any]:
        """Return the nested form, made once."""
        if self._tree is None:
            self._tree = nested(self.flat)
        return self._tree


class _Trees(Mapping[str, Any]):
    """The nested views of a DAG's tasks, made when they are asked for."""

    def __init__(self, views: Mapping[str, View], with_artifacts: bool) -> None:
        self.views = views
        self.with_artifacts = with_artifacts

    def __getitem__(self, name: str) -> Value:
        view = self.views[name]
        if self.with_artifacts and view.artifacts:
            return nested({**view.flat, **{f"outputs.artifacts.{k}": v for k, v in view.artifacts.items()}})
        return view.tree()

    def __contains__(self, name: object) -> bool:
        return name in self.views

    def __iter__(self) -> Iterator[str]:
        return iter(self.views)

    def __len__(self) -> int:
        return len(self.views)


class Scope:
    """Variables of one place: globals, `local` names, and the nodes under `prefix` (`tasks` or `steps`)."""

    __slots__ = ("_variables", "globals", "local", "prefix", "views")

    def __init__(
        self, shared: Globals | None, local: Flat, prefix: str = "", views: Mapping[str, View] | None = None
    ) -> None:
        self.globals = shared
        self.local = local
        self.prefix = prefix
        self.views: Mapping[str, View] = {} if views is None else views
        self._variables: dict[str, Any] | None = None

    def find(self, name: str) -> Value:
        """Return the value of a simple tag: a text, None for an absent optional, or MISSING."""
        if name in self.local:
            return self.local[name]
        if self.globals and name in self.globals.flat:
            return self.globals.flat[name]
        if self.prefix and name.startswith(f"{self.prefix}."):
            node, _, rest = name[len(self.prefix) + 1 :].partition(".")
            if node in self.views:
                return self.views[node].flat.get(rest, MISSING)
        return MISSING

    def artifact(self, name: str) -> Value:
        """Return the artifact of `tasks.x.outputs.artifacts.y` or `inputs.artifacts.y`, or MISSING."""
        if name in self.local:
            return self.local[name]
        node, _, rest = name.removeprefix(f"{self.prefix}.").partition(".outputs.artifacts.")
        if name.startswith(f"{self.prefix}.") and node in self.views:
            return self.views[node].artifacts.get(rest, MISSING)
        return self.globals.flat.get(name, MISSING) if self.globals else MISSING

    def variables(self) -> Mapping[str, Any]:
        """Return the nested form for expressions; without nodes their prefix is not known either."""
        if self._variables is None:
            texts = {name: value for name, value in self.local.items() if not isinstance(value, dict)}
            self._variables = {**(self.globals.tree() if self.globals else {}), **nested(texts)}
            self._variables.pop(self.prefix, None)
        if self.prefix and self.prefix not in self._variables and next(iter(self.views), None):
            self._variables[self.prefix] = _Trees(self.views, False)
        return self._variables

    def values(self) -> Mapping[str, Any]:
        """Return the nested form for output expressions: with artifacts, without globals."""
        known = nested(self.local)
        if self.prefix:
            known[self.prefix] = _Trees(self.views, True)
        return known

    def with_local(self, more: Flat) -> Scope:
        """Return a scope that also knows `more`."""
        return Scope(self.globals, {**self.local, **more}, self.prefix, self.views)

    def defines(self, path: str) -> bool:
        """Whether a dotted path of an expression exists here; a value that is None exists."""
        if not self.prefix and isinstance(self.local.get(path), str):
            return True
        current: Any = self.variables()
        for part in path.split("."):
            if not isinstance(current, (dict, Mapping)) or part not in current:  # a dict is told at once
                return False
            current = current[part]
        return True
