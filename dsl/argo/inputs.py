"""A template and the arguments of a call in, the template as Argo then sees it out.

Values take the place of inputs, and every simple tag that is known is replaced (workflow/common/util.go:
ProcessArgs, v4.1.2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from dsl.argo.text import Names, is_closed, marshalled, replaced
from dsl.expr import gojson

Template: TypeAlias = Mapping[str, Any]
_ORDER: Final = ("name", "default", "value", "valueFrom", "globalName", "enum", "description")
_SOURCES: Final = ("artifactory", "azure", "git", "gcs", "hdfs", "http", "oss", "raw", "s3", "plugin")
_WHOLE: Final[Mapping[str, tuple[str, ...]]] = {
    "artifactory": ("url", "usernameSecret"), "azure": ("endpoint", "container", "blob"), "git": ("repo",),
    "gcs": ("bucket", "key"), "hdfs": ("addresses",), "http": ("url",), "oss": ("bucket", "endpoint", "key"),
    "raw": (), "s3": ("endpoint", "bucket", "key"), "plugin": ("name", "configuration", "key"),
}  # fmt: skip
_KEY: Final = {"azure": "blob", "gcs": "key", "hdfs": "path", "oss": "key", "s3": "key", "plugin": "key"}


class Supplied:
    """The arguments of a call; of a call that only stands for one (`is_any`), whatever is asked for."""

    def __init__(
        self, arguments: Mapping[str, Any] | None, stand_in: Callable[[], str] | None = None
    ) -> None:
        given = arguments or {}
        self.stand_in = stand_in
        self.parameters = _by_name(given.get("parameters") or ())
        self.artifacts = _by_name(given.get("artifacts") or ())

    @property
    def is_any(self) -> bool:
        """Whether everything is supplied."""
        return self.stand_in is not None

    def parameter(self, name: str) -> Mapping[str, Any] | None:
        """Return the argument of this name."""
        return {"name": name, "value": self.stand_in()} if self.stand_in else self.parameters.get(name)

    def artifact(self, name: str) -> Mapping[str, Any] | None:
        """Return the artifact of this name."""
        return {"name": name} if self.stand_in else self.artifacts.get(name)

    @property
    def is_plain(self) -> bool:
        """Whether what is supplied cannot break the text around a tag."""
        texts = [parameter.get("value") or "" for parameter in self.parameters.values()]
        if self.artifacts:
            texts.append(marshalled(list(self.artifacts.values())))
        return all(("{{" not in text or is_closed(text)) and gojson.is_quotable(text) for text in texts)


def _by_name(elements: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for element in elements:
        found.setdefault(str(element.get("name", "")), element)
    return found


def has_location(artifact: Mapping[str, Any]) -> bool:
    """Whether an artifact says where it is, or at least has a key."""
    source = next((name for name in _SOURCES if name in artifact), None)
    if source is None:
        return False
    location = artifact[source]
    if all(location.get(part) is not None and location.get(part) != "" for part in _WHOLE[source]):
        return True
    if source in ("artifactory", "http"):
        return bool(_url_path(str(location.get("url", ""))))
    return bool(location.get(_KEY.get(source, "")))


def _url_path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def missing_inputs(template: Template, supplied: Supplied) -> list[tuple[str, str]]:
    """Return the inputs that a call must supply and does not: `parameters` or `artifacts`, and the name."""
    if supplied.is_any:
        return []
    inputs = template.get("inputs") or {}
    missing = []
    for parameter in inputs.get("parameters") or ():
        argument = supplied.parameters.get(parameter.get("name", ""))
        if argument is not None and argument.get("value") is not None:
            continue
        filled = _filled(parameter, supplied)
        if "configMapKeyRef" not in (filled.get("valueFrom") or {}) and filled.get("value") is None:
            missing.append(("parameters", parameter.get("name", "")))
    for artifact in inputs.get("artifacts") or ():
        is_free = artifact.get("optional") or has_location(artifact)
        if not is_free and supplied.artifact(artifact.get("name", "")) is None:
            missing.append(("artifacts", artifact.get("name", "")))
    return missing


def _filled(parameter: Mapping[str, Any], supplied: Supplied) -> dict[str, Any]:
    value = parameter.get("value", parameter.get("default"))
    source = parameter.get("valueFrom")
    argument = supplied.parameter(parameter.get("name", ""))
    if argument is not None:
        value = argument.get("value")
        source = None if value is not None else argument.get("valueFrom")
    found = {**parameter, "value": value, "valueFrom": source}
    return {key: found[key] for key in _ORDER if found.get(key) is not None}


def _placed(artifact: Mapping[str, Any], supplied: Supplied) -> Mapping[str, Any]:
    """Return an input artifact as the call supplies it, at the path that the template names."""
    argument = supplied.artifact(artifact.get("name", ""))
    if argument is None:
        return artifact
    kept = {key: artifact[key] for key in ("path", "mode", "recurseMode") if key in artifact}
    rest = {
        key: value for key, value in argument.items() if key not in ("name", "path", "mode", "recurseMode")
    }
    return {"name": argument.get("name", ""), **kept, **rest}


def fill(template: Template, supplied: Supplied, known: Mapping[str, str]) -> dict[str, Any]:
    """Return a template with its inputs supplied and its tags replaced. Raises TagFault."""
    inputs = dict(template.get("inputs") or {})
    if "parameters" in inputs:
        inputs["parameters"] = [_filled(parameter, supplied) for parameter in inputs["parameters"]]
    if "artifacts" in inputs:
        inputs["artifacts"] = [_placed(artifact, supplied) for artifact in inputs["artifacts"]]
    text = marshalled({**template, "inputs": inputs} if inputs else template)
    first: dict[str, Any] = replaced(text, Names(known))
    if "{{" not in text:
        return first
    second: dict[str, Any] = replaced(marshalled(first), Names({**known, **own_names(first)}))
    return second


def own_names(template: Template) -> dict[str, str]:
    """Return what a template's tags can read of itself: its inputs, and where its artifacts lie."""
    inputs, outputs = template.get("inputs") or {}, template.get("outputs") or {}
    parameters = inputs.get("parameters") or []
    known = {f"inputs.parameters.{one['name']}": one["value"] for one in parameters if "value" in one}
    known["inputs.parameters"] = marshalled(parameters) if parameters else "null"
    for artifact in inputs.get("artifacts") or ():
        if artifact.get("path"):
            known[f"inputs.artifacts.{artifact['name']}.path"] = artifact["path"]
    for artifact in outputs.get("artifacts") or ():
        if artifact.get("path"):
            known[f"outputs.artifacts.{artifact['name']}.path"] = artifact["path"]
    for parameter in outputs.get("parameters") or ():
        if path := (parameter.get("valueFrom") or {}).get("path"):
            known[f"outputs.parameters.{parameter['name']}.path"] = path
    return known
