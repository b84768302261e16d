"""The environment of a leaf: what tells tools where they live, Argo's own variables, the template's.

Nothing else of the caller's environment reaches a task: on a cluster it would be missing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from dsl.engine.relocate import ROOT, Layout, expand

_PASSED = {"PATH", "HOME", "USER", "LANG", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "VIRTUAL_ENV"}
_PREFIXES = ("LC_", "DYLD_", "CONDA_", "GDAL_", "PROJ_", "SSL_CERT_")


def passed_on() -> dict[str, str]:
    """Return what of the environment of this process reaches a task."""
    return {
        name: value for name, value in os.environ.items() if name in _PASSED or name.startswith(_PREFIXES)
    }


def environment(
    variables: Sequence[Mapping[str, Any]], layout: Layout, own: Mapping[str, str], caller: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment of a leaf; `variables` are its template's, in order, `own` those of Argo.

    `caller` is what is passed on of the caller's.
    """
    given: dict[str, str] = {}
    for variable in variables:
        name, value = str(variable["name"]), str(variable.get("value") or "")
        given[name] = str(layout.root) if name == ROOT else expand(layout.rewrite(value), given)
    return {**caller, **own, **given}
