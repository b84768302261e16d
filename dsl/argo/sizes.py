"""How large a manifest may be: what the controller stores of it, with the status of its run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dsl.argo.findings import Findings, Gate
from dsl.codes import Code
from dsl.expr.gojson import stored_bytes

BYTES: Final = 1_000_000
"""Argo stores an object of 1 MiB (MAX_WORKFLOW_SIZE); the status needs some of it."""


def check_size(manifest: Mapping[str, Any], kind: str, findings: Findings) -> None:
    """Note a manifest that Argo cannot store."""
    size = stored_bytes(manifest)
    if size > BYTES:
        clause = f"the {kind} has {size // 1000} kB; Argo stores {BYTES // 1000} kB with the run's status"
        hint = "move templates into WorkflowTemplates, or long texts into files"
        findings.add(Code.MANIFEST_SIZE, (), clause, hint, gate=Gate.CRD)
