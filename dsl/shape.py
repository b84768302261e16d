"""A manifest that somebody wrote in, the places whose form Argo would not read out; nothing runs.

It knows the form of what workflows are made of (Go types of Argo 4.1, pkg/apis/workflow/v1alpha1), by the
names of fields: which are mappings, lists and text. What they say, and fields that it does not know, are for
others to judge.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MAPPINGS: Final = _words(
    """metadata annotations labels spec workflowSpec templateDefaults arguments inputs outputs dag container
    script suspend retryStrategy backoff hooks valueFrom archive s3 raw synchronization mutex continueOn
    withSequence emptyDir persistentVolumeClaim hostPath"""
)
_LISTS: Final = _words("templates tasks parameters artifacts env volumes volumeMounts mutexes")
"""Lists of mappings."""
_NAMED: Final = _words("parameters artifacts")
"""Those whose elements need a name."""
_TEXT_LISTS: Final = _words("command args dependencies")
_TEXTS: Final = _words(
    """kind name generateName entrypoint onExit template image source path key subPath mountPath claimName
    when depends from expression fromExpression globalName retryPolicy withParam"""
)
_WHOLE_NUMBERS: Final = _words("parallelism")
_FREE: Final = _words("status value default enum annotations labels data http plugin resource")
"""Fields whose inside may be anything, or is of kinds that are not looked into."""


def misshapen(manifest: object) -> Iterator[tuple[str, str, str]]:
    """Yield each place that has another form than Argo reads: its path, what is there, what should be."""
    yield from _mapping("", manifest)


def _mapping(path: str, value: object) -> Iterator[tuple[str, str, str]]:
    if not isinstance(value, dict):
        yield path, _form(value), "a mapping"
        return
    for key, inner in value.items():
        if inner is not None:
            yield from _field(f"{path}.{key}".lstrip("."), str(key), inner)


def _field(path: str, key: str, value: object) -> Iterator[tuple[str, str, str]]:
    """Yield what is wrong in the value of one field, which is not null."""
    if key in _FREE:
        if key in _MAPPINGS and not isinstance(value, dict):
            yield path, _form(value), "a mapping"
    elif key == "hooks" and isinstance(value, dict):
        for name, hook in value.items():
            yield from _mapping(f"{path}.{name}", hook)
    elif key in _MAPPINGS:
        yield from _mapping(path, value)
    elif key in _LISTS:
        yield from _list(path, value, named=key in _NAMED)
    elif key in ("steps", "withItems"):
        if not isinstance(value, list):
            yield path, _form(value), "a list"
        elif key == "steps":
            for position, group in enumerate(value):
                yield from _list(f"{path}[{position}]", group if isinstance(group, list) else [group])
    elif key in _TEXT_LISTS:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            yield path, _form(value), "a list of text"
    elif key in _TEXTS and not isinstance(value, str):
        yield path, _form(value), "text"
    elif key in _WHOLE_NUMBERS and (not isinstance(value, int) or isinstance(value, bool)):
        yield path, _form(value), "a whole number"


def _list(path: str, value: object, *, named: bool = False) -> Iterator[tuple[str, str, str]]:
    if not isinstance(value, list):
        yield path, _form(value), "a list"
        return
    for position, inner in enumerate(value):
        yield from _mapping(f"{path}[{position}]", inner)
        if named and isinstance(inner, dict) and inner.get("name") is None:
            yield f"{path}[{position}].name", "nothing", "text"


def _form(value: object) -> str:
    forms = {dict: "a mapping", list: "a list of other things", str: "text", bool: "a truth value"}
    return "nothing" if value is None else forms.get(type(value), "a number")
