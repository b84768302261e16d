"""A template that runs by itself: images, mounts, containers, resources, deadlines (validate.go, v4.1.2)."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any, Final

from dsl.argo.findings import nearest
from dsl.argo.library import Base, Home
from dsl.argo.names import check_names
from dsl.argo.scalars import is_integer
from dsl.argo.scope import Scope, names_of
from dsl.argo.text import PLACEHOLDER
from dsl.argo.validation import Validation
from dsl.codes import Code
from dsl.documents import yaml_fault

ACTIONS: Final = ("get", "create", "apply", "delete", "replace", "patch")
_EXPRESSION: Final = re.compile(r"\{\{\s*=\s*(.+?)\s*\}\}")
_RESERVED: Final = re.compile(r"wait|supervisor|artifact-plugin-.*", re.S)


def check_leaf(
    validation: Validation, template: Mapping[str, Any], base: Base, scope: Scope, home: Home
) -> None:
    """Report what is wrong with a leaf template whose inputs are supplied."""
    validation.resolve_tags(template, scope, home)
    if "container" in template:
        _check_mounts(validation, template, home)
    for kind in ("container", "script"):
        if kind in template and not template[kind].get("image"):
            default = (base.spec.get("templateDefaults") or {}).get(kind) or {}
            if base.scope == "cluster" or not default.get("image"):
                clause = f"the {kind} has no image"
                validation.report(Code.NO_IMAGE, home.at(kind), clause, "add image:")
    if "containerSet" in template:
        _check_container_set(validation, template, home)
    _check_reserved(validation, template, "sidecars", home.at("sidecars"))
    if "resource" in template:
        _check_resource(validation, template, home.at("resource"))
    if "activeDeadlineSeconds" in template and not _is_seconds(template["activeDeadlineSeconds"]):
        clause = f"{template['activeDeadlineSeconds']!r} is not a number of seconds"
        place = home.at("activeDeadlineSeconds")
        validation.report(Code.OUT_OF_LIMITS, place, clause, "write a whole number from 0, or one tag")
    if "parallelism" in template:
        clause = "only steps and dag templates have parallelism"
        place = home.at("parallelism")
        validation.report(Code.MISPLACED_FIELD, place, clause, "move it to spec, or a dag", on_key=True)


def _is_seconds(value: object) -> bool:
    if isinstance(value, str) and not is_integer(value):
        return value.startswith(PLACEHOLDER) or (value.startswith("{{") and value.endswith("}}"))
    return int(str(value)) >= 0


def _check_mounts(validation: Validation, template: Mapping[str, Any], home: Home) -> None:
    seen: dict[str, str] = {}
    for index, mount in enumerate(template["container"].get("volumeMounts") or ()):
        place = home.at("container", "volumeMounts", index, "mountPath")
        _check_path(validation, mount.get("mountPath", ""), f"volume {mount.get('name', '')}", place, seen)
    for index, artifact in enumerate((template.get("inputs") or {}).get("artifacts") or ()):
        place = home.at("inputs", "artifacts", index, "path")
        _check_path(validation, artifact.get("path", ""), f"artifact {artifact['name']}", place, seen)


def _check_path(validation: Validation, path: str, what: str, place: Home, seen: dict[str, str]) -> None:
    if path in seen:
        clause = f"{what} and {seen[path]} are both mounted at {path}"
        validation.report(Code.MOUNT_COLLISION, place, clause, "give each its own path")
    seen[path] = what


def _check_reserved(validation: Validation, owner: Mapping[str, Any], key: str, place: Home) -> None:
    for index, name in enumerate(names_of(owner, key)):
        if _RESERVED.fullmatch(name):
            clause = f"Argo has a container {name} of its own in each pod"
            validation.report(Code.RESERVED_NAME, place.at(index, "name"), clause, "give it another name")


def _check_container_set(validation: Validation, template: Mapping[str, Any], home: Home) -> None:
    containers = template["containerSet"].get("containers") or ()
    place = home.at("containerSet", "containers")
    if not containers:
        validation.report(Code.CONTAINER_SET, home.at("containerSet"), "it has no containers", "add one")
        return
    for code, index, clause, hint in check_names(containers):
        named = place.at(index, "name") if containers[index].get("name") else place.at(index)
        validation.report(code, named, clause, hint)
    seen: dict[str, str] = {}
    for index, mount in enumerate(template["containerSet"].get("volumeMounts") or ()):
        where = home.at("containerSet", "volumeMounts", index, "mountPath")
        _check_path(validation, mount.get("mountPath", ""), f"volume {mount.get('name', '')}", where, seen)
    _check_container_order(validation, containers, place)
    inputs, outputs = template.get("inputs") or {}, template.get("outputs") or {}
    moves_data = inputs.get("artifacts") or outputs.get("parameters") or outputs.get("artifacts")
    if moves_data and "main" not in names_of(template["containerSet"], "containers"):
        clause = "a set with input artifacts or outputs has no container main"
        validation.report(Code.CONTAINER_SET, place, clause, "call the one that uses them main")
    _check_reserved(validation, template["containerSet"], "containers", place)


def _check_container_order(validation: Validation, containers: Any, place: Home) -> None:  # noqa: ANN401
    names = {container.get("name", ""): index for index, container in enumerate(containers)}
    waits = {name: containers[index].get("dependencies") or [] for name, index in names.items()}
    for index, container in enumerate(containers):
        for number, other in enumerate(container.get("dependencies") or ()):
            if other not in names:
                where = place.at(index, "dependencies", number)
                hint = nearest(other, names, "name a container of this set")
                validation.report(Code.CONTAINER_SET, where, f"there is no container {other} here", hint)
    done: set[str] = set()
    for name in names:
        around = _circle(name, waits, [], done)
        if around:
            clause = f"containers wait for one another: {' -> '.join(around)}"
            where = place.at(names[around[0]], "dependencies")
            validation.report(Code.CONTAINER_SET, where, clause, "remove one of these dependencies")
            return


def _circle(name: str, waits: Mapping[str, list[str]], walked: list[str], done: set[str]) -> list[str]:
    """Return a circle of waiting containers that a walk from a name meets."""
    if name in walked:
        return [*walked[walked.index(name) :], name]
    if name in done:
        return []
    for other in waits.get(name, ()):
        if around := _circle(other, waits, [*walked, name], done):
            return around
    done.add(name)
    return []


def _check_resource(validation: Validation, template: Mapping[str, Any], place: Home) -> None:
    resource = template["resource"]
    action = resource.get("action", "")
    if action not in ACTIONS and not action.startswith(PLACEHOLDER):
        hint = nearest(action, ACTIONS, f"write one of {', '.join(ACTIONS)}")
        where = place.at("action") if action else place
        validation.report(Code.RESOURCE, where, f"{action!r} is no action", hint)
    if action in ("get", "delete"):
        return
    manifest, source = resource.get("manifest", ""), resource.get("manifestFrom")
    if not manifest and source is None:
        validation.report(Code.RESOURCE, place, "it has no manifest", "add manifest: or manifestFrom:")
    elif manifest and source is not None:
        clause = "manifest and manifestFrom exclude one another"
        where = place.at("manifestFrom")
        validation.report(Code.EXCLUSIVE_FIELDS, where, clause, "keep one of them", on_key=True)
    if source and "artifact" in source:
        known = names_of(template.get("inputs"), "artifacts")
        name = source["artifact"].get("name", "")
        if name not in known:
            hint = nearest(name, known, "add it to inputs.artifacts")
            where = place.at("manifestFrom", "artifact", "name")
            validation.report(Code.RESOURCE, where, f"there is no input artifact {name}", hint)
    if manifest and not manifest.startswith(PLACEHOLDER):
        text = _EXPRESSION.sub(f"{PLACEHOLDER}0", manifest)
        if fault := yaml_fault(text):
            where = place.at("manifest")
            validation.report(Code.RESOURCE, where, f"the manifest is not valid YAML: {fault}", "mend it")


def path_fault(artifact: Mapping[str, Any]) -> str:
    """Return what is wrong with the path of an artifact of a leaf, or nothing."""
    path = artifact.get("path", "")
    if not path:
        return f"artifact {artifact.get('name', '')} has no path"
    safe = ""
    if "/../" in path:
        safe = path.partition("/../")[0]
    elif re.search(r"/..\Z", path):
        safe = path[:-3]
    cleaned = posixpath.normpath(path)
    cleaned = cleaned[1:] if cleaned.startswith("//") else cleaned
    if safe and (not cleaned.startswith(f"{safe}/") or len(cleaned) <= len(safe) + 1):
        return f"{path} leaves its folder"
    return ""


def check_location(validation: Validation, artifact: Mapping[str, Any], home: Home) -> None:
    """Report a git or HDFS location that lacks a part; Argo looks at no others."""
    if "git" in artifact and not artifact["git"].get("repo"):
        validation.report(Code.ARTIFACT_LOCATION, home.at("git"), "the git location has no repo", "add repo:")
    if "hdfs" not in artifact:
        return
    hdfs, place = artifact["hdfs"], home.at("hdfs")
    needed = ["addresses", "path"]
    if "krbKeytabSecret" in hdfs:
        needed += ["krbServicePrincipalName", "krbConfigConfigMap", "krbUsername", "krbRealm"]
    if "krbCCacheSecret" in hdfs:
        needed += ["krbServicePrincipalName", "krbConfigConfigMap"]
    for key in dict.fromkeys(needed):
        if not hdfs.get(key) and not (key == "krbConfigConfigMap" and key in hdfs):
            clause = f"the HDFS location has no {key}"
            validation.report(Code.ARTIFACT_LOCATION, place, clause, f"add {key}:")
    if hdfs.get("path") and not hdfs["path"].startswith("/"):
        clause = "the path is not absolute"
        validation.report(Code.ARTIFACT_LOCATION, place.at("path"), clause, "begin it with /")
    if not any(hdfs.get(key) for key in ("hdfsUser", "krbCCacheSecret", "krbKeytabSecret")) and not (
        "krbCCacheSecret" in hdfs or "krbKeytabSecret" in hdfs
    ):
        clause = "the HDFS location has no user"
        validation.report(Code.ARTIFACT_LOCATION, place, clause, "add hdfsUser:, or a Kerberos secret")
