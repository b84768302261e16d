"""Diagnostics in, SARIF 2.1.0 out, as GitHub's code scanning reads it.

Paths below the current folder are relative to `SRCROOT`, others are absolute; columns count characters.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote_from_bytes

from dsl.codes import Code
from dsl.diagnostics import Diagnostic
from dsl.explain import page
from dsl.location import Location, absolute

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "SRCROOT"


def to_sarif(diagnostics: Iterable[Diagnostic], version: str | None) -> str:
    """Return a log of one run by a version of `dsl`, if it has one; rules are the codes that occur."""
    found = list(diagnostics)
    codes = sorted({diagnostic.code for diagnostic in found}, key=lambda code: code.id)
    driver = {"name": "dsl", **({"version": version} if version else {}), "rules": [_rule(c) for c in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"uri": f"file://{_quoted(str(Path.cwd())).rstrip('/')}/"}},
        "results": _results(found, codes),
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(code: Code) -> dict[str, Any]:
    text = page(code)
    paragraphs = text.split("\n\n")
    return {
        "id": code.id,
        "name": "".join(word.capitalize() for word in code.slug.split("-")),
        "shortDescription": {"text": code.summary},
        "fullDescription": {"text": " ".join(paragraphs[1].split())},
        "help": {"text": text, "markdown": text},
        "defaultConfiguration": {"level": code.severity.value},
    }


def _results(found: Iterable[Diagnostic], codes: list[Code]) -> list[dict[str, Any]]:
    results = []
    seen: dict[str, int] = {}
    for diagnostic in found:
        message = diagnostic.message + (f"; {diagnostic.hint}" if diagnostic.hint else "")
        mark = _fingerprint(diagnostic)
        seen[mark] = seen.get(mark, 0) + 1
        result = {
            "ruleId": diagnostic.code.id,
            "ruleIndex": codes.index(diagnostic.code),
            "level": diagnostic.code.severity.value,
            "message": {"text": message},
            "locations": [{"physicalLocation": _place(diagnostic.location)}],
            "partialFingerprints": {"primaryLocationLineHash": f"{mark}:{seen[mark]}"},
        }
        if diagnostic.related:
            result["relatedLocations"] = [
                {"id": number, "physicalLocation": _place(each.location), "message": {"text": each.message}}
                for number, each in enumerate(diagnostic.related, 1)
            ]
        results.append(result)
    return results


def _fingerprint(diagnostic: Diagnostic) -> str:
    """Return what stays when other lines come or go: a hash of the code, the file and the line's text."""
    place = diagnostic.location
    words = (diagnostic.code.id, _artifact(place.path)["uri"], place.text.strip())
    return hashlib.sha256("\0".join(words).encode(errors="surrogatepass")).hexdigest()[:16]


def _place(location: Location) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": _artifact(location.path)}
    if location.line:
        place["region"] = {"startLine": location.line, "startColumn": max(location.column, 1)}
        if location.end_column > location.column:
            place["region"]["endColumn"] = location.end_column
    return place


def _artifact(path: str) -> dict[str, str]:
    below = PurePath(absolute(path))
    if below.is_relative_to(Path.cwd()):
        return {"uri": _quoted(str(below.relative_to(Path.cwd()))), "uriBaseId": _ROOT}
    return {"uri": f"file://{_quoted(str(below))}"}


def _quoted(path: str) -> str:
    return quote_from_bytes(os.fsencode(path))
