"""Traps in single fields: retries, caches, durations, labels and paths that fail only when they are used."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from dsl.argo.findings import Route
from dsl.argo.scalars import is_duration, is_integer
from dsl.argo.trap_calls import check_hook
from dsl.argo.trap_texts import expression_fault
from dsl.codes import Code

if TYPE_CHECKING:
    from dsl.argo.traps import Traps

_CACHE_KEY: Final = re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9]*")
_DISPLAY: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.-]{0,61}[a-zA-Z0-9]")
_LABEL: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_DISPLAY_KEY: Final = "workflows.argoproj.io/display-name"
_DURATION_HINT: Final = "write a number with a unit, as in 30s or 1h30m"


def check_spec(traps: Traps, spec: Mapping[str, Any], route: Route) -> None:
    """Note fields of a workflow that fail when they are used."""
    for name, hook in (spec.get("hooks") or {}).items():
        check_hook(traps, hook, (*route, "hooks", name))
        if fault := expression_fault(hook.get("expression") or "true"):
            place = (*route, "hooks", name, "expression")
            clause = f"the expression cannot be parsed: {fault}"
            traps.warn(Code.EXPRESSION_SYNTAX, place, clause, "mend the expression")
    labels = (spec.get("workflowMetadata") or {}).get("labels") or {}
    for name, value in labels.items():
        if "{{" not in value and not _LABEL.fullmatch(value):
            clause = f"{value!r} is no value of a label"
            hint = "use up to 63 letters, digits, - _ and ."
            traps.warn(Code.METADATA, (*route, "workflowMetadata", "labels", name), clause, hint)
    if "retryStrategy" in spec:
        _check_retry(traps, spec["retryStrategy"], (*route, "retryStrategy"))


def check_template(traps: Traps, template: Mapping[str, Any], where: Route) -> None:
    """Note fields of a template that fail when they are used."""
    if "retryStrategy" in template:
        _check_retry(traps, template["retryStrategy"], (*where, "retryStrategy"))
    if "memoize" in template:
        _check_memoize(traps, template["memoize"], (*where, "memoize"))
    for key in ("timeout", "pendingTimeout"):
        _check_duration(traps, template.get(key, ""), (*where, key))
    _check_duration(
        traps, (template.get("suspend") or {}).get("duration", ""), (*where, "suspend", "duration")
    )
    name = (template.get("annotations") or {}).get(_DISPLAY_KEY, "")
    if name and "{{" not in name and not _DISPLAY.fullmatch(name):
        clause = f"{name!r} is no display name"
        hint = "use 2 to 63 letters, digits, - and ."
        traps.warn(Code.METADATA, (*where, "annotations", _DISPLAY_KEY), clause, hint)
    _check_mounts(traps, template, where)


def _check_duration(traps: Traps, text: str, route: Route) -> None:
    if text and "{{" not in text and not is_integer(text) and not is_duration(text):
        traps.warn(Code.DURATION, route, f"{text!r} is no duration", _DURATION_HINT)


def _check_retry(traps: Traps, retry: Mapping[str, Any], route: Route) -> None:
    limit = retry.get("limit")
    if limit is None and not retry.get("expression"):
        clause = "it has no limit, so a task that always fails runs for ever"
        traps.warn(Code.RETRY, route, clause, "add limit:", on_key=True)
    elif isinstance(limit, str) and "{{" not in limit and not is_integer(limit):
        traps.warn(Code.RETRY, (*route, "limit"), f"{limit!r} is no whole number", "write a number, or a tag")
    backoff = retry.get("backoff")
    if backoff is None:
        return
    if not backoff.get("duration"):
        clause = "the backoff has no duration, so no retry starts"
        traps.warn(Code.RETRY, (*route, "backoff"), clause, "add duration:", on_key=True)
    for key in ("duration", "maxDuration", "cap"):
        _check_duration(traps, backoff.get(key, ""), (*route, "backoff", key))


def _check_memoize(traps: Traps, memoize: Mapping[str, Any], route: Route) -> None:
    key, age = memoize.get("key", ""), memoize.get("maxAge", "")
    if "{{" not in key and not _CACHE_KEY.fullmatch(key):
        clause = f"{key!r} is no key of a cache"
        traps.warn(Code.MEMOIZE, (*route, "key"), clause, "use letters, digits and -, the first no -")
    if age and "{{" not in age and not is_duration(age):
        traps.warn(Code.MEMOIZE, (*route, "maxAge"), f"{age!r} is no age", _DURATION_HINT)


def _check_mounts(traps: Traps, template: Mapping[str, Any], where: Route) -> None:
    """Note an input artifact that lies above a volume: unpacking it deletes what the volume holds."""
    main = template.get("container") or template.get("script") or {}
    mounts = [posixpath.normpath(mount.get("mountPath", "")) for mount in main.get("volumeMounts") or ()]
    for index, artifact in enumerate((template.get("inputs") or {}).get("artifacts") or ()):
        path = posixpath.normpath(artifact.get("path") or "/dev/null")
        below = next((mount for mount in mounts if mount.startswith(f"{path.rstrip('/')}/")), None)
        if below is not None and "{{" not in path:
            clause = f"the artifact lies above the volume at {below}, and can delete what it holds"
            route = (*where, "inputs", "artifacts", index, "path")
            traps.warn(Code.HIDDEN_MOUNT, route, clause, "put it beside the volume")
