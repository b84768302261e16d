"""A number of tasks in; how many of them the limit of open files allows, raised as far as may be, out."""

from __future__ import annotations

import resource
from contextlib import suppress

_OWN, _OF_TASK = 40, 4
"""Files that a run has open, and each task at work, in its busiest moment."""


def affordable(jobs: int) -> int:
    """Return how many tasks can be at work at once.

    The limit is raised no further than they need it: they inherit it.
    """
    needed = _OWN + _OF_TASK * jobs
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _is_below(soft, needed):
        soft = needed if not _is_below(hard, needed) else hard
        with suppress(OSError, ValueError):  # macOS has another limit below the hard one
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(jobs, (soft - _OWN) // _OF_TASK)) if _is_below(soft, needed) else jobs


def _is_below(limit: int, number: int) -> bool:
    return limit != resource.RLIM_INFINITY and limit < number
