"""Something in, with what each calls; all that is reached from it out, each once: no way is gone twice."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

_T = TypeVar("_T", bound=Hashable)


def bottom_up(start: _T, calls: Callable[[_T], Iterable[_T]]) -> list[_T]:
    """Return all that is reached, each after all that it calls; where they call in a circle, one is before.

    >>> bottom_up("main", {"main": "ab", "a": "bc", "b": "c", "c": "a"}.__getitem__)
    ['c', 'b', 'a', 'main']
    """
    done: list[_T] = []
    seen, waiting = {start}, [(start, iter(calls(start)))]
    while waiting:
        current, below = waiting[-1]
        following = next((each for each in below if each not in seen), None)
        if following is None:
            done.append(current)
            waiting.pop()
        else:
            seen.add(following)
            waiting.append((following, iter(calls(following))))
    return done
