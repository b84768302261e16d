"""The functions an expression may call: expr's own, Argo's additions, and Sprig's without a clock or chance.

Functions that take a closure are not here: `expression` evaluates them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from dsl.expr import gojson
from dsl.expr.gojson import Value

_LONG = 1000  # characters of a text that is worth keeping its parts


def kind_of(value: object) -> str:
    """Return expr's name of the value's type."""
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "bool"
    names = {int: "int", float: "float", str: "string"}
    return names.get(type(value)) or ("map" if isinstance(value, Mapping) else "array")


def _int(value: Value) -> int:
    if isinstance(value, str):
        if not re.fullmatch(r"[+-]?\d+", value):
            raise ValueError(f"invalid operation: int({value!r})")
        return int(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return int(value)
    raise ValueError(f"invalid operation: int({kind_of(value)})")


def _float(value: Value) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"invalid operation: float({kind_of(value)})")
    return float(value)


def _as_int(value: Value) -> int:
    """Argo's `asInt` (util/expr/env): a text must be digits; a fraction is cut off."""
    if isinstance(value, str):
        if not re.fullmatch(r"[+-]?\d+", value):
            raise ValueError(f'strconv.ParseInt: parsing "{value}": invalid syntax')
        return int(value)
    return _int(value)


def _len(value: Value) -> int:
    if not isinstance(value, (str, Mapping, Sequence)):
        raise ValueError(f"invalid argument for len (type {kind_of(value)})")
    return len(value)


def _string(value: Value) -> str:
    return value if isinstance(value, str) else gojson.sprint(value)


def _split(text: str, separator: str, limit: int | None = None) -> list[str]:
    if separator == "":
        return list(text)
    if limit is None and len(text) > _LONG:
        return _long_split(text, separator)
    return text.split(separator) if limit is None or limit < 0 else text.split(separator, limit - 1)


@lru_cache(maxsize=8)
def _long_split(text: str, separator: str) -> list[str]:
    """Every item of a loop may split the same list to take one element."""
    return text.split(separator)


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


def _extreme(choose: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda *values: choose(_flatten(list(values)))


def _from_pairs(pairs: Sequence[Any]) -> dict[str, Any]:
    return {str(key): value for key, value in pairs}


def _sort(values: Sequence[Any], order: str = "asc") -> list[Any]:
    return sorted(values, reverse=order == "desc")


def _median(values: Sequence[Any]) -> float:
    ordered = sorted(map(float, _flatten(list(values))))
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
    "max": _extreme(max), "min": _extreme(min), "mean": lambda xs: sum(xs) / len(xs), "median": _median,
    "upper": str.upper, "lower": str.lower, "trim": _trim, "split": _split, "join": _join,
    "splitAfter": lambda text, by: [f"{part}{by}" for part in text.split(by)[:-1]] + text.split(by)[-1:],
    "trimPrefix": lambda text, part=" ": text.removeprefix(part),
    "trimSuffix": lambda text, part=" ": text.removesuffix(part),
    "hasPrefix": str.startswith, "hasSuffix": str.endswith,
    "replace": lambda text, old, new, count=-1: text.replace(old, new, count),
    "repeat": lambda text, times: text * int(times),
    "indexOf": str.find, "lastIndexOf": str.rfind,
    "toJSON": lambda value: _indented(value), "fromJSON": gojson.loads,
    "toBase64": lambda text: base64.b64encode(text.encode()).decode(),
    "fromBase64": lambda text: base64.b64decode(text).decode(),
    "keys": lambda mapping: sorted(mapping),
    "values": lambda mapping: [mapping[key] for key in sorted(mapping)],
    "toPairs": lambda mapping: [[key, mapping[key]] for key in sorted(mapping)], "fromPairs": _from_pairs,
    "first": lambda xs: xs[0] if xs else None, "last": lambda xs: xs[-1] if xs else None,
    "take": lambda xs, n: xs[: int(n)], "get": _get, "reverse": lambda xs: xs[::-1], "sort": _sort,
    "flatten": _flatten, "uniq": _unique, "concat": lambda *lists: [x for xs in lists for x in xs],
    "jsonpath": lambda text, path: _jsonpath(text, path),
    "toJson": gojson.dumps, "asInt": _as_int, "asFloat": _float,
}  # fmt: skip


def _jsonpath(text: str, path: str) -> Value:
    """The plain forms of a JSON path: `$.a.b`, `$['a']`, `$.a[0]`, `$.a[*].b`."""
    found: list[Any] = [gojson.loads(text)]
    is_list = False
    for name, quoted, index in re.findall(r"""\.([\w-]+)|\[['"]([^'"]*)['"]\]|\[(\*|-?\d+)\]""", path):
        if index == "*":
            is_list = True
            found = [x for value in found for x in (value.values() if isinstance(value, Mapping) else value)]
        else:
            found = [value[int(index)] if index else value[name or quoted] for value in found]
    return found if is_list else found[0]


def _indented(value: object) -> str:
    return json.dumps(json.loads(gojson.dumps(value)), indent=2, ensure_ascii=False)


def _empty(value: Value) -> bool:
    return value is None or value is False or (not isinstance(value, bool) and value in (0, "", [], {}))


def _plain_int(value: Value) -> int:
    try:
        return int(float(value)) if not isinstance(value, bool) else int(value)
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
    "upper": str.upper, "lower": str.lower, "title": str.title, "untitle": lambda t: t[:1].lower() + t[1:],
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
    "sub": lambda a, b: _plain_int(a) - _plain_int(b), "div": lambda a, b: int(_plain_int(a) / _plain_int(b)),
    "mod": lambda a, b: int(math.fmod(_plain_int(a), _plain_int(b))),
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
    "regexMatch": lambda pattern, text: re.search(pattern, text) is not None,
    "regexFind": lambda pattern, text: (re.search(pattern, text) or [""])[0],
    "regexFindAll": lambda by, text, n: [m[0] for m in re.finditer(by, text)][: None if n < 0 else n],
    "regexReplaceAll": lambda by, text, new: re.sub(by, re.sub(r"\$\{?(\w+)\}?", r"\\g<\1>", new), text),
    "regexSplit": lambda pattern, text, n: re.split(pattern, text, maxsplit=n - 1 if n > 0 else 0),
    "base": lambda path: path.rstrip("/").rsplit("/", 1)[-1] or "/",
    "dir": lambda path: path.rsplit("/", 1)[0] if "/" in path else ".",
    "ext": lambda path: f".{path.rsplit('.', 1)[-1]}" if "." in path.rsplit("/", 1)[-1] else "",
    "snakecase": lambda text: re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[-\s]+", "_", text).lower(),
    "kebabcase": lambda text: re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_\s]+", "-", text).lower(),
    "fail": lambda message: _fail(message),
}  # fmt: skip


def _fail(message: str) -> None:
    raise ValueError(message)
