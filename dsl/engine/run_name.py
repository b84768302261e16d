"""The manifest of a run in; a name out that no other run has, as Kubernetes would have it.

What a run leaves on a volume or in an artifact store is below its name, so two runs must not share one.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

_LENGTH = 63
"""Letters that a label may have: Argo labels pods with the name of their workflow."""


def fresh_name(manifest: Mapping[str, Any]) -> str:
    """Return a new name: the `generateName`, or the `name` of what is run more than once, a time, and chance.

    Names of one manifest sort by time.

    >>> name = fresh_name({"metadata": {"generateName": "ice-"}})
    >>> (name[:4], len(name), fresh_name({"metadata": {"name": "ice"}})[:4])
    ('ice-', 26, 'ice-')
    """
    metadata = manifest.get("metadata") or {}
    named = f"{metadata.get('name') or 'workflow'}-"
    own = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
    return f"{metadata.get('generateName') or named}"[: _LENGTH - len(own)] + own
