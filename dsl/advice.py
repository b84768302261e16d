"""An exception that the author's file raised while it was loaded in, what to do about it out."""

from __future__ import annotations

import re

import dsl
from dsl.names import did_you_mean


def advice(problem: BaseException) -> str:
    """Return what to do about an exception of the author's code."""
    if isinstance(problem, ImportError):
        return _import_advice(problem)
    if isinstance(problem, NameError) and problem.name and problem.__traceback__:
        trace = problem.__traceback__
        while trace.tb_next:
            trace = trace.tb_next
        guess = did_you_mean(problem.name, [*trace.tb_frame.f_locals, *trace.tb_frame.f_globals])
        return f"did you mean {guess}?" if guess else f"define or import {problem.name} above this line"
    if isinstance(problem, AttributeError) and problem.name and problem.obj is dsl:
        return _name_of_dsl(problem.name)
    if isinstance(problem, EOFError):
        return "a DAG file has no standard input: make it a parameter of the DAG"
    return "correct this line; what needs the run's data belongs into a task"


def _import_advice(problem: ImportError) -> str:
    if isinstance(problem, ModuleNotFoundError) and problem.name:
        package = problem.name.partition(".")[0]
        return f"install {package} beside dsl, or import it inside the tasks that use it"
    if "relative import" in problem.msg:
        return "a DAG file is no part of a package: import its neighbours by their plain names"
    if missing := re.match(r"cannot import name '(\w+)' from 'dsl' ", problem.msg):
        return _name_of_dsl(missing[1])
    return "correct the name, or the module that it is imported from"


def _name_of_dsl(name: str) -> str:
    guess = did_you_mean(name, dsl.__all__)
    return f"did you mean {guess}?" if guess else f"dsl has: {', '.join(dsl.__all__)}"
