"""Argo manifests in, diagnostics out."""

from __future__ import annotations

from collections.abc import Mapping

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Rejected
from dsl.location import Location
from dsl.manifest import read_manifests


def validate_manifests(files: Mapping[str, bytes]) -> dict[str, tuple[Diagnostic, ...]]:
    """Return by file what keeps it from being read as manifests."""
    return {path: _unread(path, content) for path, content in files.items()}


def _unread(path: str, content: bytes) -> tuple[Diagnostic, ...]:
    try:
        read_manifests(content.decode(), path)
    except UnicodeDecodeError:
        return (Diagnostic(Code.FILE_UNREADABLE, Location(path), "the file is not UTF-8 text"),)
    except Rejected as rejected:
        return rejected.diagnostics
    return ()
