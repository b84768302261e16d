"""The `arguments` of a task, step or hook in, the texts and artifacts that its template receives out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dsl.engine.call import Argument, text_of
from dsl.engine.scope import MISSING, Scope
from dsl.engine.tags import Mode, TagError, filler, substitute
from dsl.expr.expression import compiled
from dsl.expr.gojson import Value


class UnresolvedError(TagError):
    """An artifact reference leads nowhere: the node it names made none, or it is no artifact."""


def absent_arguments(arguments: Mapping[str, Any], scope: Scope) -> set[str]:
    """Return the parameters that are nothing but a reference to an absent optional."""
    found = set()
    for parameter in arguments.get("parameters") or []:
        value = parameter.get("value")
        if isinstance(value, str) and value.startswith("{{") and value.endswith("}}"):
            name = value[2:-2].strip()
            if "{{" not in name and "}}" not in name and scope.find(name) is None:
                found.add(str(parameter["name"]))
    return found


def without(arguments: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    """Return the arguments with the named parameters' values taken out."""
    kept = [
        {**parameter, "value": None} if parameter.get("name") in names else parameter
        for parameter in arguments.get("parameters") or []
    ]
    return {**arguments, "parameters": kept}


def parameters_of(arguments: Mapping[str, Any]) -> dict[str, Argument]:
    """Return the parameters by name; None stands for an absent optional, a mapping is a `valueFrom`."""
    found: dict[str, Argument] = {}
    for parameter in arguments.get("parameters") or []:
        value = parameter.get("value")
        found[str(parameter["name"])] = parameter.get("valueFrom") if value is None else text_of(value)
    return found


def artifacts_of(
    arguments: Mapping[str, Any], scope: Scope, *, lenient: bool = False
) -> dict[str, dict[str, Any]]:
    """Return the artifacts by name, each with a location.

    `lenient` drops an optional artifact whatever is wrong with it (steps), else only one that nothing made
    (DAGs).

    Raises:
        TagError: a reference leads nowhere and the argument is not optional.
    """
    found: dict[str, dict[str, Any]] = {}
    for artifact in arguments.get("artifacts") or []:
        name = str(artifact["name"])
        if not artifact.get("from") and not artifact.get("fromExpression"):
            found[name] = artifact
            continue
        try:
            located = resolved_artifact(artifact, scope)
        except UnresolvedError:
            if artifact.get("optional"):
                continue
            raise
        except TagError:
            if artifact.get("optional") and lenient:
                continue
            raise
        found[name] = {**located, "name": name}
    return found


def resolved_artifact(artifact: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    """Return the artifact that `from` or `fromExpression` names. Raises TagError."""
    if artifact.get("fromExpression"):
        try:
            value = compiled(str(artifact["fromExpression"])).value(scope.values())
        except ValueError as wrong:
            raise TagError(str(wrong)) from None
        if not isinstance(value, dict):
            raise TagError(f"Variable {{{{{_shown(artifact)}}}}} is not an artifact")
    else:
        tag = str(artifact["from"]).removeprefix("{{").removesuffix("}}").strip()
        value = _constant(tag[1:]) if tag.startswith("=") else scope.artifact(tag)
        if value is MISSING or value is None:
            raise UnresolvedError(f'Unable to resolve: "{tag}"')
    if not isinstance(value, dict):
        raise TagError(f"Variable {{{{{_shown(artifact)}}}}} is not an artifact")
    return _below(dict(value), str(artifact.get("subPath") or ""), scope)


def _constant(source: str) -> Value:
    """Return what `{{=…}}` is where one reference is meant: there it sees no variables (ResolveVar)."""
    try:
        expression = compiled(source)
    except ValueError:
        expression = None
    if expression is None or expression.roots:
        raise TagError(f"Unable to compile: {json.dumps(source, ensure_ascii=False)}")
    try:
        return expression.value({})
    except ValueError:
        raise TagError(f"Invalid expression: {json.dumps(source, ensure_ascii=False)}") from None


def _shown(artifact: Mapping[str, Any]) -> str:
    """Return how Go prints an artifact that says where another is."""
    texts = {key: str(artifact.get(key) or "") for key in ("from", "globalName", "subPath", "fromExpression")}
    optional, recurse = (str(bool(artifact.get(key))).lower() for key in ("optional", "recurseMode"))
    return (
        f"&Artifact{{Name:{artifact.get('name')},Path:,Mode:nil,From:{texts['from']},"
        "ArtifactLocation:ArtifactLocation{ArchiveLogs:nil,S3:nil,Git:nil,HTTP:nil,Artifactory:nil,HDFS:nil,"
        f"Raw:nil,OSS:nil,GCS:nil,Azure:nil,Plugin:nil,}},GlobalName:{texts['globalName']},Archive:nil,"
        f"Optional:{optional},SubPath:{texts['subPath']},RecurseMode:{recurse},"
        f"FromExpression:{texts['fromExpression']},ArtifactGC:nil,Deleted:false,}}"
    )


def _below(artifact: dict[str, Any], sub_path: str, scope: Scope) -> dict[str, Any]:
    if sub_path and isinstance(artifact.get("s3"), dict):
        key = f"{str(artifact['s3'].get('key', '')).rstrip('/')}/{substitute(sub_path, scope)}"
        artifact["s3"] = {**artifact["s3"], "key": key}
    return artifact


def fill(value: Value, scope: Scope, mode: Mode) -> Value:
    """Fill the tags of a value that is used once."""
    make = filler(value)
    return make(scope, mode) if make else value


def output_value(source: Mapping[str, Any], scope: Scope) -> tuple[Any, bool]:
    """Return the value of a DAG's or steps' output, and whether it is an absent optional.

    Raises:
        TagError: it cannot be resolved; a `default` of the output is then used instead.
    """
    expression = source.get("expression")
    if expression:
        try:
            value = compiled(str(expression)).value(scope.values())
        except ValueError as wrong:
            raise TagError(str(wrong)) from None
        if value is None:
            raise TagError(f'failed to evaluate expression "{expression}"')
        return value, False
    text = str(source.get("parameter") or "")
    if not text:
        return "", False
    tag = text.removeprefix("{{").removesuffix("}}").strip()
    if tag.startswith("="):
        value = _constant(tag[1:])
        if value is None:
            raise TagError(f'Unable to resolve: "{tag}"')
        return value, False
    value = scope.find(tag)
    if value is MISSING:
        raise TagError(f'Unable to resolve: "{tag}"')
    return value, value is None
