"""Stage 2: `chain()` and `cross_downstream()`, the spellings of `>>` that take lists."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from dsl.author import Chain, Chainable, current_dag, join, link, parts, side_by_side, unique
from dsl.codes import Code
from dsl.construct import arguments_of_caller
from dsl.diagnostics import Diagnostic
from dsl.location import Location


def chain(*elements: object) -> Chain:
    """Return `elements[0] >> elements[1] >> …`, as Airflow's `chain`; lists side by side pair up."""
    dag, here = current_dag("chain"), Location.of_caller()
    places = arguments_of_caller(len(elements))
    found = [parts(dag, element, place) for element, place in zip(elements, places, strict=True)]
    sides = [side for side in found if side]
    for before, after in pairwise(sides):
        pairs: Iterable[tuple[Chain, Chain]] = ((b, a) for b in before for a in after)
        if len(before) > 1 < len(after):
            if len(before) != len(after):
                message = f"lists side by side pair up, and these hold {len(before)} and {len(after)}"
                hint = "use cross_downstream(…) for every pair, or make them equally long"
                dag.problems.append(Diagnostic(Code.UNEQUAL_ZIP, here, message, hint))
            pairs = zip(before, after, strict=False)
        for upstream, downstream in pairs:
            join(dag, upstream, downstream, here)
    first, last = (side_by_side(sides[index] if sides else ()) for index in (0, -1))
    return Chain(first.heads, last.tails, unique(e for side in sides for c in side for e in c.elements))


def cross_downstream(upstreams: Iterable[object], downstreams: Iterable[object]) -> Chain:
    """Let every downstream wait for every upstream, as Airflow's `cross_downstream`; one needs no list."""
    before, after = arguments_of_caller(2)
    return link(_listed(upstreams), _listed(downstreams), before, after)


def _listed(side: object) -> object:
    """Return a side of a chain as a list; what may stand in a chain itself, and what cannot, stays."""
    return list(side) if isinstance(side, Iterable) and not isinstance(side, Chainable | str) else side
