"""A `withSequence` in, the JSON texts of its items out.

Source: workflow/controller/operator.go:expandSequence (v4.1.2) and the package `fmt` of Go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dsl.engine.node import NodeFault
from dsl.expr import gojson
from dsl.expr.gojson import Value

_DIRECTIVE = re.compile(r"%([-+ 0#]*)(\d*)(?:\.(\d*))?(?:\[(\d+)\])?(.?)", re.DOTALL)
_BASES = {"b": "0b", "o": "0", "O": "0o", "x": "0x", "X": "0X"}


def texts_of(sequence: Mapping[str, Any]) -> list[str]:
    """Return the items, each a JSON string.

    Raises:
        NodeFault: a bound is no whole number or missing, or the format makes what is no JSON.
    """
    start = _whole(sequence.get("start", "0"))
    if sequence.get("end") is not None:
        end = _whole(sequence["end"])
    elif sequence.get("count") is not None:
        count = _whole(sequence["count"])
        if count == 0:
            return []
        end = start + count - 1
    else:
        raise NodeFault("neither end nor count was specified in withSequence")
    numbers = range(start, end + 1) if start <= end else range(start, end - 1, -1)
    pattern = str(sequence.get("format") or "%d")
    if pattern == "%d":
        return [f'"{number}"' for number in numbers]
    texts = [f'"{_formatted(pattern, number)}"' for number in numbers]
    try:
        for text in texts:
            gojson.parsed(text)
    except ValueError as wrong:
        raise NodeFault(str(wrong)) from None
    return texts


def _whole(value: Value) -> int:
    text = str(value)
    number = gojson.whole(text)
    if number is None:
        why = "value out of range" if re.fullmatch(r"[+-]?[0-9]+", text) else "invalid syntax"
        raise NodeFault(f'strconv.Atoi: parsing "{text}": {why}')
    return number


def _formatted(pattern: str, number: int) -> str:
    """Return what `fmt.Sprintf` makes of a pattern and one number."""
    used, is_ordered = 0, True

    def replaced(found: re.Match[str]) -> str:
        nonlocal used, is_ordered
        flags, width, precision, index, verb = found.groups()
        if not verb:
            return "%!(NOVERB)"
        if verb == "%":
            return "%"
        if index:
            used, is_ordered = int(index) - 1, False
        if used:
            return f"%!{verb}({'BADINDEX' if index else 'MISSING'})"  # there is but one number
        used = 1
        return _directed(verb, flags, int(width or 0), precision, number)

    text = _DIRECTIVE.sub(replaced, pattern)
    return text if used or not is_ordered else f"{text}%!(EXTRA int={number})"


def _directed(verb: str, flags: str, width: int, precision: str | None, number: int) -> str:
    size, character = abs(number), chr(number) if 0 <= number < 0x110000 else "\ufffd"
    sign = "-" if number < 0 else "+" if "+" in flags else " " if " " in flags else ""
    if verb in "dv" or verb in _BASES:
        digits = format(size, {"v": "d", "O": "o"}.get(verb, verb))
        digits = "" if precision in ("", "0") and not size else digits.rjust(int(precision or 0), "0")
        if verb == "O" or ("#" in flags and verb in _BASES and not (verb == "o" and digits[:1] == "0")):
            sign += _BASES[verb]
    elif verb == "U":
        sign, digits = "", f"U+{size:04X}" + (f" '{character}'" if "#" in flags else "")
    elif verb in "cqT":
        sign, digits = "", {"c": character, "q": _rune(character), "T": "int"}[verb]
    else:
        return f"%!{verb}(int={number})"
    if "-" in flags:
        return f"{sign}{digits}".ljust(width)
    has_zeros = "0" in flags and precision is None
    return sign + digits.rjust(width - len(sign), "0") if has_zeros else f"{sign}{digits}".rjust(width)


def _rune(character: str) -> str:
    """Return a character as `strconv.QuoteRune` does."""
    return r"'\''" if character == "'" else "'" + repr(f'"{character}')[2:]
