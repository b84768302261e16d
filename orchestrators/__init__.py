"""Expands the nodes of a plan into Hera templates and tasks; no Hera object leaves this package.

The classes are imported on first use, because Hera takes most of a second to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsl.function import ExecutionFunction as ExecutionFunction
    from dsl.function import ParallelConfig as ParallelConfig
    from dsl.function import RecipeConfig as RecipeConfig
    from dsl.partition import FilePartition as FilePartition
    from orchestrators.base import ParallelExecutionOrchestrator as ParallelExecutionOrchestrator
    from orchestrators.container import (
        ContainerParallelExecutionOrchestrator as ContainerParallelExecutionOrchestrator,
    )
    from orchestrators.python import (
        PythonParallelExecutionOrchestrator as PythonParallelExecutionOrchestrator,
    )
    from orchestrators.shell import ShellParallelExecutionOrchestrator as ShellParallelExecutionOrchestrator

_HOMES = {
    "ContainerParallelExecutionOrchestrator": "orchestrators.container",
    "ExecutionFunction": "dsl.function",
    "FilePartition": "dsl.partition",
    "ParallelConfig": "dsl.function",
    "ParallelExecutionOrchestrator": "orchestrators.base",
    "PythonParallelExecutionOrchestrator": "orchestrators.python",
    "RecipeConfig": "dsl.function",
    "ShellParallelExecutionOrchestrator": "orchestrators.shell",
}

__all__ = [
    "ContainerParallelExecutionOrchestrator",
    "ExecutionFunction",
    "FilePartition",
    "ParallelConfig",
    "ParallelExecutionOrchestrator",
    "PythonParallelExecutionOrchestrator",
    "RecipeConfig",
    "ShellParallelExecutionOrchestrator",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'orchestrators' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
