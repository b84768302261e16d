"""A tree in, the texts in it that are secrets out: known forms anywhere, and values of telling names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from dsl.tree import nodes_of

_FORMS = (
    (re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), "an access key of AWS"),
    (re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"), "a private key"),
    (re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40,})"), "a token of GitHub"),
    (re.compile(r"\bglpat-[A-Za-z0-9_-]{20}"), "a token of GitLab"),
    (re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}"), "a token of Slack"),
    (re.compile(r"\bAIza[0-9A-Za-z_-]{35}"), "an API key of Google"),
    (re.compile(r"\bsk-[A-Za-z0-9_-]{32,}"), "an API key"),
    (re.compile(r"\bhf_[A-Za-z0-9]{30,}"), "a token of Hugging Face"),
    (re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"), "a JSON web token"),
    (re.compile(r"[a-z][a-z0-9+]*://[^\s:/@$]+:(?!pass(?:word|wd)?@)[^\s:/@${]+@"), "a password"),
)
_PASSWORD = re.compile(r"(?:^|_|-)(?:password|passwd|passphrase)$", re.IGNORECASE)
_KEY = re.compile(
    r"(?:^|_|-)(token|api_?key|client_?secret|secret_?key|access_?key|private_?key)$", re.IGNORECASE
)
_SHORT_WORD = re.compile(r"[A-Za-z]{1,5}")  # yes, no, ask: it says what to do with a password
_SHORTEST = 8  # characters of a token; a shorter text is a name or a mark


def plaintext_secrets(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Yield each text that is a secret, and what it is; the text itself is never repeated."""
    told: set[int] = set()
    for name, value in _named(tree):
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and _is_secret(name, value.value):
            told.add(id(value))
            yield value, f"the value of {name}"
    for node in nodes_of(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            for form, what in _FORMS:
                if form.search(node.value):
                    yield node, what
                    break


def _named(tree: ast.Module) -> Iterator[tuple[str, ast.expr | None]]:
    """Yield what a file gives names to: variables, arguments, entries of dicts, defaults of parameters."""
    for node in nodes_of(tree):
        if isinstance(node, ast.keyword) and node.arg:
            yield node.arg, node.value
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value, value
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    yield target.id, node.value
        elif isinstance(node, ast.arguments):
            every = [*node.posonlyargs, *node.args]
            yield from zip((one.arg for one in every[::-1]), node.defaults[::-1], strict=False)
            yield from zip((one.arg for one in node.kwonlyargs), node.kw_defaults, strict=True)


def _is_secret(name: str, value: str) -> bool:
    """Whether a text is the secret that its name promises, and not the name of one or a place for it."""
    if re.search(r"[\s${}<>]", value) or not value:
        return False
    if _PASSWORD.search(name):
        return not (_SHORT_WORD.fullmatch(value) or _plain(name).endswith(_plain(value)))
    key = _KEY.search(name)
    mixed = bool(re.search(r"\d", value)) and bool(re.search(r"[A-Za-z]", value))
    return bool(key and mixed and len(value) >= _SHORTEST and _plain(key[1]) not in _plain(value))


def _plain(text: str) -> str:
    """Return a name as it is compared: one word, in lower case."""
    return re.sub(r"[_-]", "", text).lower()
