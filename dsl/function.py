"""Decorator options in, validated facts about an execution function out; unknown fields are refused.

These are the models an orchestrator takes: `RecipeConfig`, `ExecutionFunction`, `ParallelConfig`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from dsl.names import is_set_by_us, is_shell_variable

Each: TypeAlias = Literal["item", "partition", "all"]
Kind: TypeAlias = str
TriggerRule: TypeAlias = Literal[
    "all_success",
    "all_failed",
    "all_done",
    "all_skipped",
    "one_failed",
    "one_success",
    "one_done",
    "none_failed",
    "none_failed_min_one_success",
    "none_skipped",
    "all_done_min_one_success",
    "always",
]
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:h|m|s))+")
_UNITS = {"h": 3600, "m": 60, "s": 1}
_LONGEST = 10**9
"""Seconds of any duration: thirty years, far below where Argo's own overflow."""
_MOST = 2**31 - 1
_IMAGE = re.compile(
    r"(?:[A-Za-z0-9.-]+(?:\.[A-Za-z0-9-]+|:\d+)/|localhost/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::\w[\w.-]{0,127})?(?:@[A-Za-z0-9+._-]+:[0-9a-fA-F]+)?",
    re.ASCII,
)
"""A registry, a path, a tag and a digest (distribution/reference, the grammar in its `reference.go`)."""
_CLAIM = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|Ki|M|Mi|G|Gi|T|Ti|P|Pi|E|Ei)?")


def seconds(value: object) -> int:
    """Return a duration in whole seconds: a number of them, a timedelta, or text such as `1h30m`.

    >>> seconds("1h30m")
    5400
    """
    if isinstance(value, timedelta):
        number: float = value.total_seconds()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = value
    elif isinstance(value, str) and _DURATION.fullmatch(value):
        number = sum(float(n) * _UNITS[unit] for n, unit in re.findall(r"([\d.]+)([hms])", value))
    else:
        raise ValueError(f"{value!r} is no duration; write seconds, a timedelta, or text such as '1h30m'")
    if not 0 <= number <= _LONGEST or number != int(number):
        raise ValueError(f"{value!r:.40} is no whole number of seconds from 0 to {_LONGEST}")
    return int(number)


def quantity(value: object) -> str:
    """Return a Kubernetes quantity: a number, or text such as `500m` or `2Gi`."""
    text = str(value)
    if isinstance(value, bool) or not _QUANTITY.fullmatch(text):
        raise ValueError(f"{value!r} is no quantity; write a number or text such as '500m' or '2Gi'")
    return text


def image_name(value: object) -> object:
    """Return the name of an image; Argo would expand tags in it."""
    if not isinstance(value, str) or _IMAGE.fullmatch(value):
        return value
    if value != value.strip() or " " in value:
        raise ValueError("the name of an image has no spaces")
    if value.endswith((":", "@")):
        raise ValueError("its tag is missing")
    if _IMAGE.fullmatch(value.lower()):
        raise ValueError(f"the path of an image is lower case: {value.lower()!r}")
    raise ValueError("that is no name of an image; write one such as 'busybox:1'")


def variables(value: object) -> object:
    """Return variables whose names a pod can have and that neither Argo nor our programs set."""
    for name in value if isinstance(value, dict) else ():
        if not isinstance(name, str) or not is_shell_variable(name):
            raise ValueError(f"{name!r:.40} cannot be the name of a variable")
        if is_set_by_us(name):
            raise ValueError(f"the run itself sets {name}")
    return value


def exit_code(value: object) -> int:
    """Return a number that a program can end with."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 255:
        raise ValueError(f"exit codes are whole numbers from 0 to 255, and {value!r:.40} is none")
    return value


Seconds = Annotated[int, BeforeValidator(seconds)]
Quantity = Annotated[str, BeforeValidator(quantity)]
ExitCode = Annotated[int, BeforeValidator(exit_code)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Artifacts(_Model):
    """Files travel through the cluster's artifact repository."""


class Volume(_Model):
    """Files travel through a volume that every pod mounts: the name of its claim."""

    claim: str

    def __init__(self, claim: str, **fields: Any) -> None:  # noqa: ANN401 - pydantic refuses the rest
        BaseModel.__init__(self, claim=claim, **fields)


def _storage(value: object) -> object:
    if not isinstance(value, Artifacts | Volume):
        raise ValueError('write Artifacts() or Volume("claim")')
    if isinstance(value, Volume) and not _CLAIM.fullmatch(value.claim):
        raise ValueError("a claim's name has a-z, 0-9, - and ., and begins and ends with a letter or digit")
    return value


Storage: TypeAlias = Annotated[Artifacts | Volume, BeforeValidator(_storage)]


class TaskOptions(_Model):
    """What a decorator, `.override` or `default_args` may set; names follow Airflow where it has one."""

    image: Annotated[str | None, BeforeValidator(image_name)] = None
    retries: int = Field(default=0, ge=0, le=_MOST)
    retry_delay: Seconds | None = None
    retry_exponential_backoff: bool = False
    max_retry_delay: Seconds | None = None
    retry_exit_codes: tuple[ExitCode, ...] = ()
    execution_timeout: Seconds | None = Field(default=None, gt=0)
    trigger_rule: TriggerRule = "all_success"
    each: Each | None = None
    output: str | dict[str, str] | None = None
    result: Literal["text", "json"] = "text"
    workers: int = Field(default=1, ge=1, le=_MOST)
    cpu: Quantity | None = None
    memory: Quantity | None = None
    disk: Quantity | None = None
    gpu: int | None = Field(default=None, ge=1, le=_MOST)
    env: Annotated[dict[str, str], BeforeValidator(variables)] = Field(default_factory=dict)
    doc_md: str | None = None


class DagOptions(_Model):
    """What `DAG(...)` may set beside its name and params."""

    default_args: dict[str, Any] = Field(default_factory=dict)
    parallelism: int | None = Field(default=None, ge=1, le=_MOST)
    storage: Storage = Artifacts()
    lowering: Literal["explicit", "compact"] | None = None
    doc_md: str | None = None
    tags: tuple[str, ...] = ()


class PythonSource(_Model):
    """Python text that stands alone, and the name of the function in it to call."""

    source: str
    entry: str
    modules: tuple[str, ...] = ()
    """Modules that the text makes importable itself."""


class ExecutionFunction(_Model):
    """The decorated function as data: exactly one of `command` (sh text, or argv) and `function` (Python)."""

    name: str = Field(min_length=1)
    command: str | tuple[str, ...] | None = None
    function: PythonSource | None = None
    kind: Kind = ""
    options: TaskOptions = TaskOptions()

    @field_validator("function", mode="before")
    @classmethod
    def _ship(cls, value: object) -> object:
        return shipped(value) if callable(value) else value

    @model_validator(mode="before")
    @classmethod
    def _exactly_one(cls, fields: Any) -> Any:  # noqa: ANN401 - pydantic's contract
        if isinstance(fields, dict):
            if (fields.get("command") is None) == (fields.get("function") is None):
                raise ValueError("an execution function has exactly one of command and function")
            if not fields.get("kind"):
                shell = "shell" if isinstance(fields.get("command"), str) else "container"
                return {**fields, "kind": "python" if fields.get("function") is not None else shell}
        return fields


class ParallelConfig(_Model):
    """How one input is divided: `partition_size` items a pod, `max_parallelism` pods at once."""

    partition_size: int = Field(default=1, ge=1)
    max_parallelism: int | None = Field(default=None, ge=1)


class RecipeConfig(_Model):
    """What execution functions of one recipe share: its name, input files, image and division."""

    name: str = Field(min_length=1)
    inputs: tuple[str, ...] = ()
    image: str | None = None
    parallel: ParallelConfig = ParallelConfig()
    storage: Storage = Artifacts()


def shipped(function: Callable[..., object]) -> PythonSource:
    """Return a Python function as source that stands alone. Raises Rejected for what cannot travel."""
    from dsl.closure import ship
    from dsl.diagnostics import Rejected

    source, problems = ship(function)
    if problems:
        raise Rejected(*problems)
    return PythonSource(source=source.source, entry=source.function, modules=source.modules)
