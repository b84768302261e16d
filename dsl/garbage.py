"""When Python looks for garbage: not while something large is made that stays.

Importing Hera makes 70,000 objects that stay, and searches walk them again and again,
for a sixth of the time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_collection() -> Iterator[None]:
    """Keep Python from searching for garbage inside of the `with` block."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
