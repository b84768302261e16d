"""The functions of expr 1.17.8 by name, and the Go type of what each gives (builtin/builtin.go)."""

from __future__ import annotations

from typing import Final

ANY: Final = "interface {}"
ARRAY: Final = "[]interface {}"
MAP: Final = "map[string]interface {}"
UNKNOWN: Final = "unknown"
"""The type of what is below a value of which nothing is known."""
NIL: Final = "nil"

TYPES: Final = {
    "all": "bool", "none": "bool", "any": "bool", "one": "bool", "filter": ARRAY, "map": ARRAY, "find": ANY,
    "findIndex": "int", "findLast": ANY, "findLastIndex": "int", "count": "int", "sum": ANY, "groupBy": ANY,
    "sortBy": ARRAY, "reduce": ANY, "len": "int", "type": "string", "abs": ANY, "ceil": "float64",
    "floor": "float64", "round": "float64", "int": "int", "float": "float64", "string": "string",
    "trim": "string", "trimPrefix": "string", "trimSuffix": "string", "upper": "string", "lower": "string",
    "split": "[]string", "splitAfter": "[]string", "replace": "string", "repeat": "string", "join": "string",
    "indexOf": "int", "lastIndexOf": "int", "hasPrefix": "bool", "hasSuffix": "bool", "max": ANY, "min": ANY,
    "mean": ANY, "median": ANY, "toJSON": "string", "fromJSON": ANY, "toBase64": "string",
    "fromBase64": "string", "now": "time.Time", "duration": "time.Duration", "date": "time.Time",
    "timezone": ANY, "first": ANY, "last": ANY, "get": ANY, "take": ARRAY, "keys": ARRAY, "values": ARRAY,
    "toPairs": ARRAY, "fromPairs": ANY, "reverse": ARRAY, "uniq": ARRAY, "concat": ARRAY, "flatten": ARRAY,
    "sort": ARRAY, "bitand": "int", "bitor": "int", "bitxor": "int", "bitnand": "int", "bitnot": "int",
    "bitshl": "int", "bitshr": "int", "bitushr": "int",
}  # fmt: skip
NAMES: Final = frozenset(TYPES)
FUNCTIONS: Final = frozenset(["asInt", "asFloat", "jsonpath", "toJson", "sprig"])
"""What Argo adds (util/expr/env, v4.1.2)."""
TEXTS: Final = {
    "upper": (1, 1), "lower": (1, 1), "split": (2, 3), "splitAfter": (2, 3), "replace": (3, 4),
    "trim": (1, 2), "trimPrefix": (1, 2), "trimSuffix": (1, 2), "indexOf": (2, 2), "lastIndexOf": (2, 2),
    "hasPrefix": (2, 2), "hasSuffix": (2, 2), "fromJSON": (1, 1), "toBase64": (1, 1), "fromBase64": (1, 1),
    "duration": (1, 1),
}  # fmt: skip
"""Functions whose arguments are texts: how many they take, at least and at most."""
TAKEN_APART: Final = {
    "keys": ("cannot get keys from", "map", 1), "values": ("cannot get values from", "map", 1),
    "first": ("cannot get first element from", "list", 1),
    "last": ("cannot get last element from", "list", 1),
    "take": ("cannot take from", "list", 1), "reverse": ("cannot reverse", "list", 1),
    "uniq": ("cannot uniq", "list", 1), "flatten": ("cannot flatten", "list", 1),
    "concat": ("cannot concat", "list", 99),
}  # fmt: skip
"""Functions that take lists or mappings apart: what is said of anything else, and of how many arguments."""
