"""What an execution function reads and writes: its signature, and for shell text the words in it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, NoReturn, get_args, get_type_hints

from dsl.codes import Code
from dsl.construct import parameter_of, returned_by
from dsl.diagnostics import Diagnostic, Rejected
from dsl.encode import shown
from dsl.location import Location
from dsl.names import RUN_VALUES
from dsl.shelltext import mentions
from dsl.trace import of_traceback


class Role(Enum):
    """What a parameter stands for."""

    IN_FILE = "one file of an item"
    IN_FILES = "the files of a partition"
    IN_DIR = "a folder of files"
    ITEM = "an item"
    ITEMS = "the items of a partition"
    OUT_FILE = "a file to write"
    OUT_DIR = "a folder to write into"
    RUN = "a value of the run"
    VALUE = "an argument"


InFile = Annotated[Path, Role.IN_FILE]
InDir = Annotated[Path, Role.IN_DIR]
OutFile = Annotated[Path, Role.OUT_FILE]
OutDir = Annotated[Path, Role.OUT_DIR]

_BY_NAME = {
    "input_file": Role.IN_FILE,
    "input_files": Role.IN_FILES,
    "input_dir": Role.IN_DIR,
    "item": Role.ITEM,
    "items": Role.ITEMS,
    "output_file": Role.OUT_FILE,
    "output_dir": Role.OUT_DIR,
}
_BY_MARK = {"InFile": Role.IN_FILE, "InDir": Role.IN_DIR, "OutFile": Role.OUT_FILE, "OutDir": Role.OUT_DIR}
_BY_WORD = {
    "INPUT_FILE": Role.IN_FILE,
    "ITEM": Role.ITEM,
    "INPUT_DIR": Role.IN_DIR,
    "OUTPUT_FILE": Role.OUT_FILE,
    "OUTPUT_DIR": Role.OUT_DIR,
}
REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Parameter:
    """A name that the task sees: a parameter of its signature, or a variable of its text."""

    name: str
    role: Role
    default: object = REQUIRED
    in_signature: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything a function's signature and text say. `body` is sh text, argv, or None for Python."""

    parameters: tuple[Parameter, ...]
    body: str | tuple[str, ...] | None
    has_value: bool

    def of(self, *roles: Role) -> tuple[Parameter, ...]:
        """Return the parameters with one of the roles."""
        return tuple(parameter for parameter in self.parameters if parameter.role in roles)

    @property
    def named(self) -> Mapping[str, Parameter]:
        """The parameters of the signature by name."""
        return {parameter.name: parameter for parameter in self.parameters if parameter.in_signature}


class StandIn:
    """A parameter of a shell or container task while its text is built: its value is not known yet."""

    def __init__(self, name: str) -> None:
        self._name = name

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        here = Location.of_caller()
        message = f"the value of {self._name!r} is known only when the task runs, not while its text is built"
        raise Rejected(Diagnostic(Code.SHELL_BODY, here, message, f'write "${self._name}" in the text'))

    __str__ = __format__ = __repr__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __bool__ = __len__ = __iter__ = __getitem__ = __add__ = __radd__ = __mod__ = __contains__ = _refuse
    __int__ = __float__ = __index__ = __fspath__ = __call__ = __mul__ = __sub__ = __truediv__ = __or__ = (
        _refuse
    )
    __hash__ = object.__hash__

    def __getattr__(self, name: str) -> NoReturn:
        self._refuse()


def read(fn: Callable[..., object], kind: str, location: Location) -> Reading:
    """Return what a function reads and writes; what `*` and `**` collect stays empty.

    Raises Rejected if its text cannot be built, and for a parameter that has no name for its caller.
    """
    marks = _marks(fn)
    for name, parameter in inspect.signature(fn).parameters.items():
        if parameter.kind is parameter.POSITIONAL_ONLY:
            message = f"{name} of {fn.__name__} is positional-only, and a task gets its arguments by name"
            place = parameter_of(fn, name) or location
            raise Rejected(Diagnostic(Code.UNSUPPORTED, place, message, "remove the `/` of its signature"))
    parameters = [
        Parameter(parameter.name, _role(parameter.name, marks), parameter.default)
        for parameter in inspect.signature(fn).parameters.values()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if kind == "python":
        return Reading(tuple(parameters), None, has_value=True)
    body = _body(fn, kind, [parameter.name for parameter in parameters], location)
    declared = {parameter.name for parameter in parameters}
    for word, role in _BY_WORD.items():
        if not {word, word.lower()} & declared and mentions(body, word):
            parameters.append(Parameter(word, role, in_signature=False))
    return Reading(tuple(parameters), body, has_value=mentions(body, "RESULT_FILE"))


def _role(name: str, marks: Mapping[str, Role]) -> Role:
    if name in marks:
        return marks[name]
    return _BY_NAME.get(name) or (Role.RUN if name in RUN_VALUES else Role.VALUE)


def _marks(fn: Callable[..., object]) -> dict[str, Role]:
    """Return the roles that annotations give, also where they are text that cannot be evaluated."""
    try:
        hints: Mapping[str, Any] = get_type_hints(fn, include_extras=True)
    except Exception:
        hints = getattr(fn, "__annotations__", {})
    marks = {}
    for name, hint in hints.items():
        if isinstance(hint, str):
            role = _BY_MARK.get(hint.rpartition(".")[2])
        else:
            role = next((extra for extra in get_args(hint)[1:] if isinstance(extra, Role)), None)
        if role and name != "return":
            marks[name] = role
    return marks


def _body(
    fn: Callable[..., object], kind: str, names: list[str], location: Location
) -> str | tuple[str, ...]:
    try:
        body = fn(**{name: StandIn(name) for name in names})
    except Rejected:
        raise
    except BaseException as error:  # the author's body may raise anything, also what ends Python
        message = f"the body of {fn.__name__} raised {type(error).__name__}: {error}"
        hint = "a shell or container body runs once, at compile time, and returns constant text"
        where = [location, *of_traceback(location.path, error.__traceback__)][-1]
        raise Rejected(Diagnostic(Code.BODY_RAISED, where, message, hint)) from None
    if isinstance(body, str) and kind != "container":
        return body
    if (
        kind != "shell"
        and isinstance(body, list | tuple)
        and body
        and all(isinstance(word, str) for word in body)
    ):
        return tuple(body)
    message = f"{fn.__name__} returned {shown(body)} of type {type(body).__name__}"
    message = f"{fn.__name__} returned nothing" if body is None else message
    hint = "return text from a shell task, a list of words from a container task"
    raise Rejected(Diagnostic(Code.BODY_RETURNED, returned_by(fn) or location, message, hint))
