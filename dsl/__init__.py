"""The authoring names of Argosy: functions become tasks, `>>` chains them, a `DAG` holds the chains.

Names are imported on first use, so that the command line starts fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsl.author import DAG as DAG
    from dsl.chaining import chain as chain
    from dsl.chaining import cross_downstream as cross_downstream
    from dsl.decorate import task as task
    from dsl.function import Artifacts as Artifacts
    from dsl.function import Volume as Volume
    from dsl.reading import InDir as InDir
    from dsl.reading import InFile as InFile
    from dsl.reading import OutDir as OutDir
    from dsl.reading import OutFile as OutFile
    from dsl.source import Files as Files
    from dsl.source import Items as Items
    from dsl.source import Range as Range
    from dsl.source import Repartition as Repartition
    from dsl.source import Windows as Windows

_HOMES = {
    "Artifacts": "function",
    "DAG": "author",
    "Files": "source",
    "InDir": "reading",
    "InFile": "reading",
    "Items": "source",
    "OutDir": "reading",
    "OutFile": "reading",
    "Range": "source",
    "Repartition": "source",
    "Volume": "function",
    "Windows": "source",
    "chain": "chaining",
    "cross_downstream": "chaining",
    "task": "decorate",
}

__all__ = [  # noqa: RUF022 - one sorted list: classes and functions by name
    "Artifacts",
    "DAG",
    "Files",
    "InDir",
    "InFile",
    "Items",
    "OutDir",
    "OutFile",
    "Range",
    "Repartition",
    "Volume",
    "Windows",
    "chain",
    "cross_downstream",
    "task",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'dsl' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"dsl.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
