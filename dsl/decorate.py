"""Stage 2: `@task` and its forms: a function and options in, an execution function out; nothing is judged."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar, overload

from dsl.author import Mistaken, Task, strays
from dsl.codes import Code
from dsl.diagnostics import Diagnostic
from dsl.encode import shown
from dsl.location import Location
from dsl.names import did_you_mean

P = ParamSpec("P")
R = TypeVar("R")


class _Decorator:
    """`@task` and its forms; each takes options or the function itself."""

    def __getattr__(self, name: str) -> Mistaken:
        if name.startswith("_"):
            raise AttributeError(name)
        here, known = Location.of_caller(), ("shell", "container", "kind")
        guess = did_you_mean(name, known)
        hint = f"did you mean @task.{guess}?" if guess else "it has: @task, @task.shell and @task.container"
        strays.append(Diagnostic(Code.UNKNOWN_ATTRIBUTE, here, f"there is no decorator @task.{name}", hint))
        return Mistaken(here)

    @overload
    def __call__(self, fn: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def __call__(self, /, **options: object) -> Callable[[Callable[P, R]], Task[P, R]]: ...
    def __call__(self, fn: Callable[..., Any] | None = None, /, **options: object) -> object:
        """Make a Python function an execution function; its value is what it returns."""
        return _decorated("python", fn, options)

    @overload
    def shell(self, fn: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def shell(self, /, **options: object) -> Callable[[Callable[P, R]], Task[P, R]]: ...
    def shell(self, fn: Callable[..., Any] | None = None, /, **options: object) -> object:
        """Make a function that returns `sh` text an execution function; parameters are its variables."""
        return _decorated("shell", fn, options)

    @overload
    def container(self, fn: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def container(self, /, **options: object) -> Callable[[Callable[P, R]], Task[P, R]]: ...
    def container(self, fn: Callable[..., Any] | None = None, /, **options: object) -> object:
        """Make a function that returns a list of words, `$(NAME)` for variables, an execution function."""
        return _decorated("container", fn, options)

    @overload
    def kind(self, name: str, fn: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def kind(self, name: str, /, **options: object) -> Callable[[Callable[P, R]], Task[P, R]]: ...
    def kind(self, name: str, fn: Callable[..., Any] | None = None, /, **options: object) -> object:
        """Make a function an execution function of a third party's orchestrator, found by its entry point."""
        return _decorated(name, fn, options)


def _decorated(kind: str, fn: Callable[..., Any] | None, options: Mapping[str, object]) -> object:
    here = Location.of_caller()

    def decorate(fn: Callable[..., Any]) -> Task[..., Any] | Mistaken:
        if why := _unfit(fn):
            hint = "decorate a function that is written with def, outside of a class"
            if isinstance(fn, str):
                hint = f"options have names, as in image={fn!r}"
            strays.append(Diagnostic(Code.UNFIT_FUNCTION, here, f"{_named(fn)} {why}", hint))
            return Mistaken(here)
        return Task(fn, kind, options, {}, here)

    return decorate if fn is None else decorate(fn)


def _named(fn: object) -> str:
    name = getattr(fn, "__qualname__", None)
    return name if isinstance(name, str) else shown(fn)


def _unfit(fn: object) -> str | None:
    """Return why something cannot be an execution function."""
    if not callable(fn) or not isinstance(getattr(fn, "__name__", None), str):
        return "is no function with a name"
    try:
        parameters = inspect.signature(fn).parameters
    except (TypeError, ValueError):
        return "has no signature that Python can read"
    if inspect.iscoroutinefunction(fn) or inspect.isasyncgenfunction(fn):
        return "is async, and nothing awaits what it returns"
    if inspect.isgeneratorfunction(fn):
        return "is a generator, and what it returns is no value"
    if inspect.isclass(fn):
        return "is a class, and a task is a function"
    around = _named(fn).split(".")[:-1]
    is_in_class = bool(around) and around[-1] != "<locals>"
    is_method = is_in_class and next(iter(parameters), "") in ("self", "cls")
    return "is a method, and no object of its class travels to the task" if is_method else None


task = _Decorator()
