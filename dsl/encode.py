"""Any user string in, text out that Argo, the kubelet, sh and YAML read back as that string.

Argo has no escape for `{{` and scans every value again in each pass; the kubelet expands `$(NAME)` and `$$`
in argv and environment. So a string is either written so that neither can occur (`json_text`, `octal`,
`field`, `line`), or an expression of Argo (expr-lang) writes it that way when the task starts. Functions
that take an `expression` return one; none of them contains `{{` or `}}`, and `tag` makes such an expression
the value of a field. The module knows nothing of nodes, templates or files. Each form ran on Argo 4.1.2:
`tests/cluster/test_encode_on_cluster.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

BRACE_VARIABLE: Final = "ARGOSY_BRACE"
"""Variable with the value `{`, first in the environment of a template that has text from `kubelet`."""

_BRACE: Final = f"$({BRACE_VARIABLE})"
_JSON_HAZARDS: Final = {ord(c): f"\\u{ord(c):04x}" for c in "{$\x7f"}
_FIELD_HAZARDS: Final = {ord(c): f"\\u{ord(c):04x}" for c in "{$\x7f|;"}
_PLAIN = re.compile(r"[A-Za-z0-9 _./:=+@,-]*")
_JSON_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_OCTAL_HAZARDS: Final = frozenset(b"\\{$|;,/")
_LITERAL_HAZARDS: Final = frozenset("'\\{}$")


def json_text(value: object) -> str:
    r"""Return compact ASCII JSON without `{{`, `$` and control characters; parsing it gives `value` back.

    Raises ValueError for what JSON cannot hold: NaN, keys that are no strings, other types, lone surrogates.

    >>> json_text({"a": "{{x}}$$"})
    '{"a":"\\u007b\\u007bx}}\\u0024\\u0024"}'
    """
    try:
        _require_text_keys(value)
        json.dumps(value, ensure_ascii=False).encode()
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    except RecursionError as error:
        raise ValueError("it holds itself, or lists in lists too deep") from error
    except UnicodeEncodeError as error:
        raise ValueError("text with a lone surrogate cannot be written as JSON") from error
    except TypeError as error:
        raise ValueError(str(error)) from error
    return _JSON_STRING.sub(lambda string: string[0].translate(_JSON_HAZARDS), text)


def plain(value: object) -> Any:  # noqa: ANN401 - what JSON holds
    """Return a value as JSON gives it back: of the plain types, whatever subclasses the author's are.

    Raises ValueError as `json_text` does.

    >>> plain(("a", 1))
    ['a', 1]
    """
    return json.loads(json_text(value))


def shown(value: object, width: int = 40) -> str:
    """Return the beginning of a value's `repr` for a message, its type where that cannot be had."""
    try:
        text = re.sub(r" at 0x[0-9a-f]+", "", repr(value))  # an address says nothing, and differs each time
        return text[:width].encode(errors="backslashreplace").decode()
    except BaseException:  # the author's `__repr__` may raise anything, and so do lists nested too deep
        return f"a value of type {type(value).__name__}"


def has_surrogate(value: object) -> bool:
    """Whether text in a value, or in lists and dicts of it, has a lone surrogate."""
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return True
    except (TypeError, ValueError, RecursionError):
        return False
    return False


def plain_json(value: object) -> str:
    """Return compact JSON as a shell task sees it, with nothing escaped that JSON does not ask for."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def shell_value(value: object) -> str:
    """Return what a shell task sees of a value: text as it is, JSON else, nothing for None.

    >>> shell_value([1, True])
    '[1,true]'
    """
    if isinstance(value, str):
        return value
    return "" if value is None else plain_json(value)


def octal(text: str) -> str:
    r"""Return what POSIX `printf %b` turns back into `text`: one line without `{`, `$`, `|`, `;`, `,`, `/`.

    Raises ValueError for NUL, which no environment variable can hold, and for lone surrogates.

    >>> octal("a/b é")
    'a\\0057b \\0303\\0251'
    """
    if "\0" in text:
        raise ValueError("text with a NUL character cannot reach a shell")
    return "".join(
        chr(byte) if 32 <= byte < 127 and byte not in _OCTAL_HAZARDS else f"\\0{byte:03o}"
        for byte in _utf8(text)
    )


def field(text: str) -> str:
    r"""Return the body of a JSON string for `text`, without `{`, `$`, `|` and `;`.

    Raises ValueError for lone surrogates.

    >>> field("a|b")
    'a\\u007cb'
    """
    if _PLAIN.fullmatch(text):
        return text
    _utf8(text)
    return json.dumps(text)[1:-1].translate(_FIELD_HAZARDS)


def line(start: int, items: Sequence[Sequence[str]]) -> str:
    """Return the partition line of `items`, each a sequence of texts; the first has the global index `start`.

    Raises ValueError for an item without fields.

    >>> line(4, [["a.tif", "1"], ["b.tif", "2"]])
    '4;a.tif|1;b.tif|2'
    """
    if not all(items):
        raise ValueError("an item needs at least one field")
    return ";".join([str(start), *("|".join(field(text) for text in item) for item in items)])


def literal(text: str) -> str:
    r"""Return `text` as a string literal of an expression, in printable ASCII.

    Raises ValueError for lone surrogates.

    >>> literal("it's {{x}}")
    "'it\\u0027s \\u007b\\u007bx\\u007d\\u007d'"
    """
    _utf8(text)
    return f"'{''.join(map(_literal_character, text))}'"


def as_octal(expression: str) -> str:
    """Return the expression of what `printf %b` turns back into the text of `expression`, which has no NUL.

    It escapes less than `octal`, only what harms in an expression's result, an environment or a line.
    """
    for character in "\\{$\n|;":
        expression = _replaced(expression, character, octal(character))
    return expression


def field_text(expression: str) -> str:
    """Return the expression of the text, where `expression` gives `field(text)`."""
    return f"""fromJSON('"' + {_operand(expression)} + '"')"""


def octal_line(expression: str) -> str:
    """Return the expression of a partition line for sh, octal fields, where `expression` gives a `line`."""
    item = f"join(map(split(#, '|'), {as_octal(field_text('#'))}), '|')"
    return f"join(map(split({expression}, ';'), {item}), ';')"


def shell_text(expression: str) -> str:
    """Return the expression of what sh gets for JSON: a string's text, nothing for null, else the JSON."""
    value = f"fromJSON({expression})"
    return f"({value} == nil ? '' : type({value}) == 'string' ? {value} : {_operand(expression)})"


def brace_safe(expression: str) -> str:
    """Return the expression of `json_text(text)`, where `expression` gives raw text: a run's parameter."""
    text = f"toJson({expression})"
    for character in "{$\x7f":
        text = _replaced(text, character, f"\\u{ord(character):04x}")
    return text


def kubelet(expression: str) -> str:
    """Return the expression of argv or environment text that the kubelet turns into what `expression` gives.

    The template needs the variable BRACE_VARIABLE, because Argo would read an assembled `{{` again.
    """
    return _replaced(_replaced(expression, "$", "$$"), "{", _BRACE)


def kubelet_literal(text: str) -> str:
    """Return argv or environment text that the kubelet turns into `text`, also beside another or a tag.

    The template needs the variable BRACE_VARIABLE when the text names it. Raises ValueError for NUL and for
    lone surrogates.

    >>> kubelet_literal("{{x}} costs $$")
    '$(ARGOSY_BRACE)$(ARGOSY_BRACE)x}} costs $$$$'
    """
    if "\0" in text:
        raise ValueError("text with a NUL character cannot be an argument or in an environment")
    _utf8(text)
    return re.sub(r"\{(?=\{|\Z)|\{(?<=\{\{)", lambda _: _BRACE, text.replace("$", "$$"))


def doubled(expression: str) -> str:
    """Return the expression of text for a place of a template that no one but Argo reads, such as a key.

    Argo hands a template to a pod in a variable, where the kubelet turns `$$` into `$` and expands `$(NAME)`.
    """
    return _replaced(expression, "$", "$$")


def doubled_literal(text: str) -> str:
    """Return text as it is written in such a place.

    >>> doubled_literal("$(x) $$")
    '$$(x) $$$$'
    """
    return text.replace("$", "$$")


def needs_doubling(text: str) -> bool:
    """Whether the kubelet would change text that stands in a template."""
    return "$$" in text or "$(" in text


def tag(expression: str) -> str:
    """Return the tag that puts the value of `expression` into a field.

    Raises ValueError for `{{` or `}}` in it.
    """
    for mark in ("{{", "}}"):
        if mark in expression:
            raise ValueError(f"an expression cannot contain {mark}: {expression}")
    return f"{{{{= {expression} }}}}"


def _replaced(expression: str, old: str, new: str) -> str:
    return f"replace({expression}, {literal(old)}, {literal(new)})"


def _operand(expression: str) -> str:
    return expression if re.fullmatch(r"[\w.#]+", expression) else f"({expression})"


def _literal_character(character: str) -> str:
    if " " <= character <= "~" and character not in _LITERAL_HAZARDS:
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 0x10000 else f"\\U{ord(character):08x}"


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("text with a lone surrogate cannot be written as UTF-8") from error


def _require_text_keys(value: object) -> None:
    if isinstance(value, Mapping):
        for key, element in value.items():
            if not isinstance(key, str):
                raise ValueError(f"keys of a JSON object are strings, not {type(key).__name__}")
            _require_text_keys(element)
    elif isinstance(value, list | tuple):
        for element in value:
            _require_text_keys(element)
