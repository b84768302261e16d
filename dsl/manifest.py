"""A manifest in, JSON or YAML text out, the same bytes every time.

What is written means the same to a YAML 1.1 reader, a YAML 1.2 reader and Argo's: every string is quoted
unless it is a plain word, all text is ASCII. The module refuses to know what a manifest says; `documents`
reads.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Final

import yaml
from yaml.emitter import ScalarAnalysis

from dsl.scalars import FALSE, NULL, TRUE

_PLAIN_WORD: Final = re.compile(r"[A-Za-z][-A-Za-z0-9_]*")
_YAML_WORDS: Final = frozenset(word.lower() for word in TRUE | FALSE | NULL) | {"nan", "inf"}
_BLOCK: Final = re.compile(r"(?=[!-~])(?:[ -~]*[!-~])?(?:\n(?:[ -~]*[!-~])?)*")

_SURROGATES: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})")


def to_json(manifest: object) -> str:
    """Return indented ASCII JSON, keys in their order. Raises ValueError for what JSON cannot hold."""
    _require_json(manifest)
    return json.dumps(manifest, indent=2) + "\n"


def to_yaml(manifest: object) -> str:
    r"""Return ASCII YAML in block style, keys in their order. Raises ValueError for what JSON cannot hold.

    >>> print(to_yaml({"name": "main", "args": ["y", "a: b", "set -e\ntrue\n"]}), end="")
    name: main
    args:
    - "y"
    - "a: b"
    - |
      set -e
      true
    """
    _require_json(manifest)
    return yaml.dump(
        manifest,
        Dumper=_Dumper,
        sort_keys=False,
        default_flow_style=False,
        width=sys.maxsize,
        allow_unicode=False,
    )


class _Dumper(yaml.SafeDumper):
    """Writes every string so that no reader takes it for something else, and every value in full."""

    def ignore_aliases(self, data: object) -> bool:
        """Argo reads anchors, people do not."""
        return True

    def string(self, text: str) -> yaml.ScalarNode:
        """Choose the style of a string."""
        if _PLAIN_WORD.fullmatch(text) and text.lower() not in _YAML_WORDS:
            style = None
        elif "\n" in text and _BLOCK.fullmatch(text) and not text.endswith("\n\n"):
            style = "|"
        else:
            style = '"'
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    # The two below are PyYAML's hooks. Its own look at each character, and a list of items is long.

    def analyze_scalar(self, scalar: str) -> ScalarAnalysis:
        """Say what styles a string may have; `string` knows already where it is no plain word."""
        style = getattr(self.event, "style", None)
        if style in ('"', "|"):
            return ScalarAnalysis(scalar, not scalar, style == "|", False, False, False, True, style == "|")
        found: ScalarAnalysis = super().analyze_scalar(scalar)
        return found

    def write_double_quoted(self, text: str, split: bool = True) -> None:
        """Write a string between quotes, on one line."""
        escaped = _SURROGATES.sub(_astral, json.dumps(text)).replace("\x7f", "\\x7f")
        self.write_indicator(escaped, True)


_Dumper.add_representer(str, _Dumper.string)


def _astral(found: re.Match[str]) -> str:
    """Return YAML's escape of a character for which JSON has two."""
    pair = chr(int(found[2], 16)) + chr(int(found[3], 16))
    character = pair.encode("utf-16", "surrogatepass").decode("utf-16")
    return f"{found[1]}\\U{ord(character):08x}"


def _require_json(value: object) -> None:
    """Raise ValueError for what JSON cannot hold or an ASCII file cannot say."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError("text with a lone surrogate cannot be written") from error
    except TypeError as error:
        raise ValueError(str(error)) from error
