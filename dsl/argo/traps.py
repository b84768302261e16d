"""What Argo's validator lets through and a run then chokes on: warnings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dsl.argo.findings import Findings
from dsl.argo.library import Library


def check_traps(manifest: Mapping[str, Any], kind: str, library: Library, findings: Findings) -> None:
    """Note what fails when the manifest runs."""
