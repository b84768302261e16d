"""The functions an expression may call: expr's own, Argo's additions, and Sprig's without a clock or chance.

Functions that take a closure are not here: `expression` evaluates them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import re
import textwrap
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from dsl.expr import gojson, jsonpath, times
from dsl.expr.builtins import ARRAY, MAP, TAKEN_APART, TEXTS
from dsl.expr.gojson import AnyKeys, Value
from dsl.expr.regexp import pattern
from dsl.expr.regexp_syntax import PatternFault
from dsl.expr.times import Duration, Time

_TOP = 1 << 63
_FLOAT = re.compile(
    r"[+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:inf|infinity)|nan", re.ASCII | re.IGNORECASE
)
_LONG = 1000  # characters of a text that is worth keeping its parts


def kind_of(value: object) -> str:
    """Return expr's name of the value's type."""
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "bool"
    names = {int: "int", float: "float", str: "string", Time: "time.Time", Duration: "time.Duration"}
    return names.get(type(value)) or ("map" if isinstance(value, Mapping) else "array")


def go_type(value: object) -> str:
    """Return Go's name of the value's type."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "bool"
    names = {int: "int", float: "float64", str: "string", Time: "time.Time", Duration: "time.Duration"}
    return names.get(type(value)) or (MAP if isinstance(value, Mapping) else ARRAY)


def wrapped(value: int) -> int:
    """Return what 64 bits keep of a number."""
    return value if -_TOP <= value < _TOP else (value + _TOP) % (2 * _TOP) - _TOP


def _int(value: Value) -> int:
    if isinstance(value, str) and (whole := gojson.whole(value)) is not None:
        return whole
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return int(value)
    raise ValueError(f"invalid operation: int({value if isinstance(value, str) else go_type(value)})")


def _float(value: Value) -> float:
    if isinstance(value, str) and _FLOAT.fullmatch(value):
        return float(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise ValueError(f"invalid operation: float({value if isinstance(value, str) else go_type(value)})")


def _len(value: Value) -> int:
    if not isinstance(value, (str, Mapping, Sequence)):
        raise ValueError(f"invalid argument for len (type {go_type(value)})")
    return len(value)


def _string(value: Value) -> str:
    return value if isinstance(value, str) else gojson.sprint(value)


def _quotient(left: int, right: int) -> int:
    """Return how often a whole number is in another, cut off as in Go. Raises ArithmeticError."""
    if right == 0:
        raise ArithmeticError("runtime error: integer divide by zero")
    found = abs(left) // abs(right)
    return found if (left < 0) == (right < 0) else -found


def remainder(left: int, right: int) -> int:
    """Return what is left over, with the sign of what is divided. Raises ArithmeticError."""
    return left - right * _quotient(left, right)


def _upper(text: str) -> str:
    """Return a text in upper case, letter by letter: no letter becomes two, as `ß` would."""
    return text.upper() if text.isascii() else "".join(map(_upper_letter, text))


def _upper_letter(letter: str) -> str:
    forms = (letter.upper(), letter.title())
    return next((form for form in forms if len(form) == 1), letter)


def _lower(text: str) -> str:
    """Return a text in lower case, letter by letter: what stands beside one does not count."""
    return text.lower() if text.isascii() else "".join(letter.lower()[0] for letter in text)


def _titled(text: str) -> str:
    """Return a text in which the first letters of words are title case, and others what they are."""
    pairs = zip(" " + text, text, strict=False)
    return "".join(_title_letter(letter) if _parts_words(before) else letter for before, letter in pairs)


def _title_letter(letter: str) -> str:
    form = letter.title()
    return form if len(form) == 1 else letter


def _parts_words(one: str) -> bool:
    """Whether a word ends at a character; of those beyond ASCII only white space does that."""
    return not (one.isalnum() or one == "_") if one.isascii() else one.isspace()


def _byte_at(text: str, place: int) -> int:
    """Return where a place in a text is in its bytes; -1 is none."""
    return place if place < 0 else len(text[:place].encode(errors="surrogatepass"))


def _split(text: str, separator: str, limit: int = -1) -> list[str]:
    if limit == 0:
        return []
    if separator == "":
        letters = list(text)
        return (
            letters if limit < 0 else [*letters[: limit - 1], *filter(None, ["".join(letters[limit - 1 :])])]
        )
    if limit < 0 and len(text) > _LONG:
        return _long_split(text, separator)
    return text.split(separator, limit - 1)


def _split_after(text: str, separator: str, limit: int = -1) -> list[str]:
    parts = _split(text, separator, limit)
    return [f"{part}{separator}" for part in parts[:-1]] + parts[-1:]


@lru_cache(maxsize=8)
def _long_split(text: str, separator: str) -> list[str]:
    """Every item of a loop may split the same list to take one element."""
    return text.split(separator)


def _joined(parts: Sequence[Any], separator: str = "") -> str:
    wrong = next((part for part in parts if not isinstance(part, str)), "")
    if wrong != "":
        raise ValueError(f"interface conversion: interface {{}} is {go_type(wrong)}, not string")
    return separator.join(parts)


def _join(parts: Sequence[Any], separator: str = "") -> str:
    return separator.join([part if isinstance(part, str) else gojson.sprint(part) for part in parts])


def _trim(text: str, characters: str = " \t\r\n\v\f") -> str:
    return text.strip(characters)


def _get(container: Value, key: Value, *default: Value) -> Value:
    fallback = default[0] if default else None
    if isinstance(container, Mapping):
        found = container.get(key)
        return fallback if found is None else found
    if isinstance(container, (list, tuple, str)) and isinstance(key, (int, float)):
        index = int(key)
        return container[index] if -len(container) <= index < len(container) else fallback
    return fallback


def _flatten(values: Sequence[Any]) -> list[Any]:
    return [leaf for value in values for leaf in (_flatten(value) if isinstance(value, list) else [value])]


def _extreme(name: str, choose: Callable[[Any], Any]) -> Callable[..., Any]:
    def extreme(*values: Value) -> Value:
        found = _flatten(list(values))
        wrong = next((value for value in found if isinstance(value, (str, bool))), None)
        if wrong is not None:
            raise ValueError(f"invalid argument for {name} (type {go_type(wrong)})")
        return choose(found) if found else None

    return extreme


def _mean(values: Sequence[Any]) -> float:
    found = _flatten(list(values))
    return sum(found) / len(found) if found else 0.0


def _repeat(text: str, count: Value) -> str:
    if isinstance(count, str) or _int(count) < 0:
        raise ValueError(f"invalid argument for repeat (expected positive integer, got {count})")
    return text * int(count)


def _from_base64(text: str) -> str:
    if found := re.search(r"[^A-Za-z0-9+/=\r\n]", text):
        raise ValueError(f"illegal base64 data at input byte {found.start()}")
    return base64.b64decode(text).decode("utf-8", "replace")


def _from_pairs(pairs: Sequence[Any]) -> AnyKeys:
    wrong = next((pair for pair in pairs if not isinstance(pair, list) or len(pair) != 2), None)
    if wrong is not None:
        raise ValueError(f"invalid pair {gojson.sprint(wrong)}")
    return AnyKeys((key, value) for key, value in pairs)


def _sort(values: Sequence[Any], order: str = "asc") -> list[Any]:
    if order not in ("asc", "desc"):
        raise ValueError(f"invalid order {order}, expected asc or desc")
    kinds = sorted({go_type(value) for value in values} - {"float64"}, reverse=True)
    if len(kinds) > 1:
        raise ValueError(f"invalid operation: {kinds[0]} < {kinds[1]}")
    return sorted(values, reverse=order == "desc")


def _median(values: Sequence[Any]) -> float:
    ordered = sorted(map(float, _flatten(list(values))))
    if not ordered:
        return 0.0
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _unique(values: Sequence[Any]) -> list[Any]:
    found: dict[str, Any] = {}
    for value in values:
        found.setdefault(gojson.dumps(value), value)
    return list(found.values())


BUILTINS: dict[str, Callable[..., Any]] = {
    "len": _len, "type": kind_of, "int": _int, "float": _float, "string": _string,
    "abs": abs, "ceil": lambda x: float(math.ceil(x)), "floor": lambda x: float(math.floor(x)),
    "round": lambda x: float(math.floor(abs(x) + 0.5) * (1 if x >= 0 else -1)),
    "max": _extreme("max", max), "min": _extreme("min", min),
    "mean": lambda *xs: _mean(xs), "median": lambda *xs: _median(xs),
    "upper": _upper, "lower": _lower, "trim": _trim, "split": _split, "join": _joined,
    "splitAfter": _split_after,
    "trimPrefix": lambda text, part=" ": text.removeprefix(part),
    "trimSuffix": lambda text, part=" ": text.removesuffix(part),
    "hasPrefix": str.startswith, "hasSuffix": str.endswith,
    "replace": lambda text, old, new, count=-1: text.replace(old, new, count),
    "repeat": _repeat, "duration": times.duration, "date": times.date,
    "indexOf": lambda text, part: _byte_at(text, text.find(part)),
    "lastIndexOf": lambda text, part: _byte_at(text, text.rfind(part)),
    "toJSON": lambda value: _indented(value), "fromJSON": gojson.loads,
    "toBase64": lambda text: base64.b64encode(text.encode()).decode(),
    "fromBase64": _from_base64,
    "keys": lambda mapping: sorted(mapping),
    "values": lambda mapping: [mapping[key] for key in sorted(mapping)],
    "bitand": lambda a, b: a & b, "bitor": lambda a, b: a | b, "bitxor": lambda a, b: a ^ b,
    "bitnand": lambda a, b: a & ~b, "bitnot": lambda a: ~a, "bitshl": lambda a, b: _shifted(a, b, left=True),
    "bitshr": lambda a, b: _shifted(a, b), "bitushr": lambda a, b: _shifted(a % (2 * _TOP), b),
    "toPairs": lambda mapping: [[key, mapping[key]] for key in sorted(mapping)], "fromPairs": _from_pairs,
    "first": lambda xs: xs[0] if xs else None, "last": lambda xs: xs[-1] if xs else None,
    "take": lambda xs, n: xs[: int(n)], "get": _get, "reverse": lambda xs: xs[::-1], "sort": _sort,
    "flatten": _flatten, "uniq": _unique, "concat": lambda *lists: [x for xs in lists for x in xs],
    "jsonpath": lambda text, path: jsonpath.select(gojson.loads(text), path),
    "toJson": gojson.dumps, "asInt": _int, "asFloat": _float,
}  # fmt: skip


def _of_texts(call: Callable[..., Any], count: int) -> Callable[..., Any]:
    """Return a function that says in Go's words which of its first arguments is no text."""

    def checked(*values: Value) -> Value:
        for value in values[:count]:
            if not isinstance(value, str):
                kind = "nil" if value is None else go_type(value)
                raise ValueError(f"interface conversion: interface {{}} is {kind}, not string")
        return call(*values)

    return checked


def _of_numbers(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def checked(*values: Value) -> Value:
        wrong = [v for v in _flatten(list(values)) if isinstance(v, bool) or not isinstance(v, (int, float))]
        if wrong:
            raise ValueError(f"invalid argument for {name} (type {go_type(wrong[0])})")
        return call(*values)

    return checked


def _of_parts(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    said, kind, count = TAKEN_APART[name]

    def checked(*values: Value) -> Value:
        for value in values[:count]:
            if not isinstance(value, Mapping if kind == "map" else (list, tuple, range)):
                raise ValueError(f"{said} {go_type(value)}")
        return call(*values)

    return checked


BUILTINS |= {name: _of_texts(BUILTINS[name], min(most, 2)) for name, (_, most) in TEXTS.items()}
BUILTINS |= {n: _of_numbers(n, BUILTINS[n]) for n in ("abs", "ceil", "floor", "round", "mean", "median")}
BUILTINS |= {name: _of_parts(name, BUILTINS[name]) for name in TAKEN_APART}


def _shifted(value: int, by: int, *, left: bool = False) -> int:
    if by < 0:
        raise ValueError(f"invalid operation: negative shift count {by} (type int)")
    return wrapped(value << by if left else value >> by)


def _indented(value: object) -> str:
    text = json.dumps(json.loads(gojson.dumps(value)), indent=2, ensure_ascii=False)
    return gojson.html_escaped(text)


def _empty(value: Value) -> bool:
    return value is None or value is False or (not isinstance(value, bool) and value in (0, "", [], {}))


def _plain_int(value: Value) -> int:
    try:
        return int(value if isinstance(value, int) else float(value))
    except (TypeError, ValueError):
        return 0


def _plain_float(value: Value) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0


def _truncated(length: int, text: str) -> str:
    return text[length:] if length < 0 else text[:length]


def _substring(start: int, end: int, text: str) -> str:
    return text[: int(end)] if start < 0 else text[int(start) :] if end < 0 else text[int(start) : int(end)]


def _digest(name: str) -> Callable[[str], str]:
    return lambda text: hashlib.new(name, text.encode()).hexdigest()


def _until(count: int) -> list[int]:
    return list(range(int(count))) if count >= 0 else list(range(0, int(count), -1))


def _indent(spaces: int, text: str) -> str:
    return " " * int(spaces) + text.replace("\n", "\n" + " " * int(spaces))


SPRIG: dict[str, Callable[..., Any]] = {
    "upper": _upper, "lower": _lower, "title": _titled, "untitle": lambda t: t[:1].lower() + t[1:],
    "trim": str.strip, "trimAll": lambda part, text: text.strip(part),
    "trimPrefix": lambda part, text: text.removeprefix(part),
    "trimSuffix": lambda part, text: text.removesuffix(part),
    "hasPrefix": lambda part, text: text.startswith(part),
    "hasSuffix": lambda part, text: text.endswith(part),
    "contains": lambda part, text: part in text, "replace": lambda old, new, text: text.replace(old, new),
    "repeat": lambda count, text: text * int(count), "trunc": _truncated, "substr": _substring,
    "nospace": lambda text: re.sub(r"\s", "", text),
    "quote": lambda *xs: " ".join(json.dumps(_string(x)) for x in xs),
    "squote": lambda *xs: " ".join(f"'{_string(x)}'" for x in xs),
    "split": lambda by, text: {f"_{i}": part for i, part in enumerate(text.split(by))},
    "splitList": lambda by, text: text.split(by), "join": lambda by, parts: _join(parts, by),
    "indent": _indent, "nindent": lambda spaces, text: "\n" + _indent(spaces, text),
    "cat": lambda *xs: " ".join(map(_string, xs)),
    "toString": _string, "toStrings": lambda xs: [_string(x) for x in xs],
    "b64enc": BUILTINS["toBase64"], "b64dec": BUILTINS["fromBase64"],
    "sha1sum": _digest("sha1"), "sha256sum": _digest("sha256"), "md5sum": _digest("md5"),
    "default": lambda fallback, value=None: fallback if _empty(value) else value,
    "empty": _empty, "coalesce": lambda *xs: next((x for x in xs if not _empty(x)), None),
    "all": lambda *xs: not any(map(_empty, xs)), "any": lambda *xs: not all(map(_empty, xs)),
    "ternary": lambda yes, no, test: yes if test else no,
    "int": _plain_int, "int64": _plain_int, "float64": _plain_float, "atoi": _plain_int,
    "add": lambda *xs: sum(map(_plain_int, xs)), "add1": lambda x: _plain_int(x) + 1,
    "sub": lambda a, b: _plain_int(a) - _plain_int(b),
    "div": lambda a, b: _quotient(_plain_int(a), _plain_int(b)),
    "mod": lambda a, b: remainder(_plain_int(a), _plain_int(b)),
    "mul": lambda *xs: math.prod(map(_plain_int, xs)),
    "max": lambda *xs: max(map(_plain_int, xs)), "min": lambda *xs: min(map(_plain_int, xs)),
    "floor": lambda x: float(math.floor(_plain_float(x))),
    "ceil": lambda x: float(math.ceil(_plain_float(x))),
    "list": lambda *xs: list(xs), "tuple": lambda *xs: list(xs),
    "dict": lambda *xs: dict(zip(xs[::2], xs[1::2], strict=False)),
    "get": lambda mapping, key: mapping.get(key, ""), "hasKey": lambda mapping, key: key in mapping,
    "keys": lambda *ms: [key for m in ms for key in sorted(m)],
    "values": lambda m: [m[key] for key in sorted(m)],
    "pick": lambda m, *ks: {k: m[k] for k in ks if k in m},
    "omit": lambda m, *ks: {k: m[k] for k in m if k not in ks},
    "first": lambda xs: xs[0] if xs else None, "last": lambda xs: xs[-1] if xs else None,
    "rest": lambda xs: xs[1:], "initial": lambda xs: xs[:-1], "reverse": lambda xs: xs[::-1],
    "append": lambda xs, x: [*xs, x], "prepend": lambda xs, x: [x, *xs], "concat": BUILTINS["concat"],
    "uniq": _unique,
    "has": lambda x, xs: x in xs, "without": lambda xs, *out: [x for x in xs if x not in out],
    "compact": lambda xs: [x for x in xs if not _empty(x)], "sortAlpha": lambda xs: sorted(map(_string, xs)),
    "until": _until, "untilStep": lambda a, b, c: list(range(int(a), int(b), int(c))),
    "toJson": gojson.dumps, "fromJson": gojson.loads, "toPrettyJson": _indented,
    "regexMatch": lambda by, text: _matches(by, text),
    "mustRegexMatch": lambda by, text: pattern(by).matches(text),
    "regexFind": lambda by, text: "".join(_found(by, text, 1)), "regexFindAll": lambda *xs: _found(*xs),
    "regexReplaceAll": lambda by, text, new: _replaced(by, text, new),
    "regexSplit": lambda by, text, n: pattern(by).split(text, int(n)),
    "base": lambda path: path.rstrip("/").rsplit("/", 1)[-1] or "/",
    "dir": lambda path: path.rsplit("/", 1)[0] if "/" in path else ".",
    "ext": lambda path: f".{path.rsplit('.', 1)[-1]}" if "." in path.rsplit("/", 1)[-1] else "",
    "snakecase": lambda text: re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[-\s]+", "_", text).lower(),
    "kebabcase": lambda text: re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_\s]+", "-", text).lower(),
    "fail": lambda message: _fail(message),
    "camelcase": lambda text: "".join(part[:1].upper() + part[1:] for part in re.split(r"[_\-\s]+", text)),
    "swapcase": str.swapcase, "initials": lambda text: "".join(word[0] for word in text.split()),
    "plural": lambda one, many, count: one if count == 1 else many,
    "abbrev": lambda width, text: text if len(text) <= width or width < 4 else text[: width - 3] + "...",
    "wrap": lambda width, text: "\n".join(textwrap.wrap(text, width, break_long_words=False)),
    "adler32sum": lambda text: str(zlib.adler32(text.encode())), "sha512sum": _digest("sha512"),
    "seq": lambda *xs: " ".join(map(str, _sequence(*xs))), "addf": lambda *xs: sum(map(_plain_float, xs)),
    "round": lambda x, places, on=0.5: _rounded(_plain_float(x), int(places), on),
    "subf": lambda x, *xs: _plain_float(x) - sum(map(_plain_float, xs)),
    "mulf": lambda *xs: math.prod(map(_plain_float, xs)),
    "divf": lambda x, *xs: _plain_float(x) / math.prod(map(_plain_float, xs)),
    "maxf": lambda *xs: max(map(_plain_float, xs)), "minf": lambda *xs: min(map(_plain_float, xs)),
    "biggest": lambda *xs: max(map(_plain_int, xs)), "toRawJson": lambda x: _raw_json(x),
    "toDecimal": lambda text: int(str(text), 8) if re.fullmatch("0*[0-7]{1,21}", str(text)) else 0,
    "kindOf": lambda x: kind_in_go(x), "kindIs": lambda kind, x: kind == kind_in_go(x),
    "typeOf": go_type, "typeIs": lambda kind, x: kind == go_type(x), "deepEqual": lambda a, b: a == b,
    "dig": lambda *xs: _dug(*xs), "pluck": lambda key, *ms: [m[key] for m in ms if key in m],
    "set": lambda m, key, value: {**m, key: value}, "unset": lambda m, key: {k: m[k] for k in m if k != key},
    "merge": lambda *ms: {k: v for m in reversed(ms) for k, v in m.items()}, "deepCopy": lambda x: x,
    "mergeOverwrite": lambda *ms: {k: v for m in ms for k, v in m.items()},
    "slice": lambda xs, *at: xs[slice(*at)] if len(at) > 1 else xs[at[0] if at else 0 :],
    "chunk": lambda size, xs: [xs[i : i + size] for i in range(0, len(xs), size)],
    "regexQuoteMeta": lambda text: re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", text),
    "regexReplaceAllLiteral": lambda by, text, new: pattern(by).replaced(text, lambda _: new),
    "trimall": lambda part, text: text.strip(part), "clean": os.path.normpath, "isAbs": os.path.isabs,
    "b32enc": lambda text: base64.b32encode(text.encode()).decode(),
    "b32dec": lambda text: base64.b32decode(text).decode(),
    "toDate": lambda layout, text: times.date(text, layout), "date": lambda by, time: _date_in(by, time),
    "htmlDate": lambda time: _date_in("2006-01-02", time), "unixEpoch": lambda time: _unix(time),
    "dateModify": lambda more, time: times.added(time, times.duration(more)),
    "date_modify": lambda more, time: times.added(time, times.duration(more)),
    "duration": lambda s: str(Duration(_seconds_of(s) * 1_000_000_000)), "hello": lambda: "Hello!",
}  # fmt: skip
for _name in (
    "Append", "Chunk", "Compact", "First", "FromJson", "Has", "Initial", "Last", "Prepend", "RegexFind",
    "RegexFindAll", "RegexReplaceAll", "RegexReplaceAllLiteral", "RegexSplit", "Rest",
    "Reverse", "Slice", "ToDate", "ToJson", "ToPrettyJson", "ToRawJson", "Uniq", "Without", "DeepCopy",
    "DateModify", "Merge", "MergeOverwrite",
):  # fmt: skip
    SPRIG[f"must{_name}"] = SPRIG[_name[0].lower() + _name[1:]]
SPRIG["push"] = SPRIG["mustPush"] = SPRIG["append"]
UNSUPPORTED = frozenset([
    "abbrevboth", "ago", "bcrypt", "buildCustomCert", "dateInZone", "date_in_zone", "decryptAES",
    "derivePassword", "durationRound", "encryptAES", "genCA", "genCAWithKey", "genPrivateKey",
    "genSelfSignedCert", "genSelfSignedCertWithKey", "genSignedCert", "genSignedCertWithKey",
    "getHostByName", "htmlDateInZone", "htpasswd", "must_date_modify", "now", "osBase", "osClean",
    "osDir", "osExt", "osIsAbs", "randAlpha", "randAlphaNum", "randAscii", "randBytes", "randInt",
    "randNumeric", "semver", "semverCompare", "shuffle", "splitn", "typeIsLike", "urlJoin", "urlParse",
    "uuidv4", "wrapWith",
])  # fmt: skip
"""What Sprig has and is not here: it needs a clock, chance or a network, or nobody has asked for it."""


def _matches(by: str, text: str) -> bool:
    """Whether a pattern matches; what is no pattern does not."""
    try:
        return pattern(by).matches(text)
    except PatternFault:
        return False


def _found(by: str, text: str, limit: Value) -> list[str]:
    return [text[start:end] for start, end, *_ in pattern(by).find_all(text, _int(limit))]


def _replaced(by: str, text: str, template: str) -> str:
    known = pattern(by)
    return known.replaced(text, lambda found: known.expanded(template, text, found))


def kind_in_go(value: object) -> str:
    """Return Go's kind of a value's type."""
    name = go_type(value)
    return {MAP: "map", ARRAY: "slice", "<nil>": "invalid"}.get(name, name)


def _sequence(*numbers: int) -> range:
    start, step, end = {1: (1, 1, numbers[-1]), 2: (numbers[0], 1, numbers[-1])}.get(len(numbers), numbers)
    step = -1 if len(numbers) < 3 and end < start else step
    return range(start, end + (1 if step > 0 else -1), step)


def _rounded(value: float, places: int, on: float) -> float:
    unit = 10.0**places
    scaled = value * unit
    return (math.ceil(scaled) if math.fmod(scaled, 1) >= on else math.floor(scaled)) / unit


def _raw_json(value: object) -> str:
    return json.dumps(json.loads(gojson.dumps(value)), ensure_ascii=False, separators=(",", ":"))


def _dug(*path: Any) -> Value:  # noqa: ANN401 - values of an expression
    *keys, default, found = path
    for key in keys:
        if not isinstance(found, Mapping) or key not in found:
            return default
        found = found[key]
    return found


def _date_in(layout: str, time: Value) -> str:
    if not isinstance(time, Time):
        raise ValueError("only what date or toDate gives can be formatted here")
    return str((times.method(time, "Format") or str)(layout))


def _unix(time: Value) -> str:
    return str((times.method(time, "Unix") or str)())


def _seconds_of(value: Value) -> int:
    return (gojson.whole(value) if isinstance(value, str) else None) or 0


def _fail(message: str) -> None:
    raise ValueError(message)
