"""Names of templates, tasks, parameters and artifacts: which ones Argo takes (validate.go, v4.1.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from dsl.argo.text import PLACEHOLDER
from dsl.codes import Code

FIELD: Final = re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9]*")
PARAMETER: Final = re.compile(r"[-a-zA-Z0-9_]+")
_PLACEHOLDER: Final = re.compile(re.escape(PLACEHOLDER) + r"\d+")
_TAG: Final = re.compile(r"\{\{[-a-zA-Z0-9]+(\.[-a-zA-Z0-9_]+)*\}\}")
_LONGEST: Final = 128
_LETTERS: Final = "letters, digits and -, the first no -"

Problem = tuple[Code, int, str, str]
"""A code, the position in the list, a clause and a hint."""


def is_tag(text: str) -> bool:
    """Whether a text holds a simple tag, so that only a run knows it."""
    return bool(_TAG.search(text))


def field_fault(name: str) -> str:
    """Return why a template, task or step cannot have a name, or nothing."""
    if len(name.encode()) > _LONGEST:
        return f"the name is longer than {_LONGEST} characters"
    if not FIELD.fullmatch(name):
        return f"{name!r} cannot be a name here"
    return ""


def step_fault(name: str) -> str:
    """Return why a step cannot have a name; tags may stand in it."""
    return field_fault(_PLACEHOLDER.sub("x", name))


def parameter_fault(name: str) -> str:
    """Return why a parameter or artifact cannot have a name, or nothing."""
    return "" if PARAMETER.fullmatch(name) else f"{name!r} cannot be the name of a parameter or artifact"


def check_names(elements: Sequence[Mapping[str, Any]], is_parameter: bool = False) -> Iterator[Problem]:
    """Yield what is wrong with the names of a list: missing, unusable, or used twice."""
    seen: dict[str, int] = {}
    for index, element in enumerate(elements):
        name = str(element.get("name") or "")
        fault = parameter_fault(name) if is_parameter else field_fault(name)
        hint = "use letters, digits, - and _" if is_parameter else f"use {_LETTERS}"
        if not name:
            yield Code.FIELD_NAME, index, "it has no name", "add name:"
        elif fault:
            yield Code.FIELD_NAME, index, fault, hint
        elif name in seen:
            clause = f"{name} is also the name of element {seen[name]}"
            yield Code.DUPLICATE_NAME, index, clause, "give each its own name"
        else:
            seen[name] = index
