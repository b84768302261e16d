"""The author's words in, unique Kubernetes and Argo names out; nobody else cuts or joins one.

Argo's rules (validate.go, 4.1): `^[a-zA-Z0-9][-a-zA-Z0-9]*$`, at most 128 characters. Narrower here: lower
case, because a template's name becomes part of its pod's name and Kubernetes refuses upper case there; no
digit first and no word of expr-lang, because names stand in `depends`. The module knows words alone, no
nodes or templates.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from typing import Final

TEMPLATE_NAME_LENGTH: Final = 100
"""Characters of a name from `template_names`; 28 remain for what is added to it."""
OBJECT_NAME_LENGTH: Final = 57
"""Characters of a workflow's name, so that `-` and five random ones fit into the 63 of a label."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


EXPRESSION_WORDS: Final = _words(
    "in not and or matches contains startsWith endsWith true false nil let if else"
)
"""Words that an expression of Argo reads as its own."""

INJECTED: Final = _words("input_file input_files input_dir output_file output_dir item items")
"""Parameters that say what a task reads and writes; in a shell task they are upper-case variables."""
RUN_VALUES: Final = _words(
    "run_id run_type attempt index partition_id partition_count data_interval_start data_interval_end"
)
"""Parameters that the run fills; in a shell task they are upper-case variables."""
_OF_AN_ENDED_RUN: Final = _words("run_status run_failures run_duration")

WINDOW: Final = ("data_interval_start", "data_interval_end")
"""Those that are also keys of an item of `Windows`."""

_SHELL_VARIABLES: Final = _words(
    """PATH IFS HOME ENV PS1 PS2 PS3 PS4 PWD OLDPWD CDPATH SHELL SHELLOPTS SHLVL POSIXLY_CORRECT PPID UID EUID
    GROUPS FUNCNAME DIRSTACK OPTARG OPTIND OPTERR LINENO RANDOM SECONDS HOSTNAME PROMPT_COMMAND _"""
)
RESERVED_VARIABLES: Final = (
    _SHELL_VARIABLES | {name.upper() for name in INJECTED | RUN_VALUES | _OF_AN_ENDED_RUN} | {"RESULT_FILE"}
)
"""Variables that mean something to the shell or to a task; see RESERVED_PREFIXES for whole families."""
RESERVED_PREFIXES: Final = ("ARGO_", "ARGOSY_", "BASH", "DYLD_", "KUBERNETES_", "LD_")

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PARAMETER: Final = re.compile(r"[-a-zA-Z0-9_]+")
_LIKE_A_PARTITION: Final = re.compile(r"-partition(-\d+)?$")
_HASH_LENGTH: Final = 6


def template_names(words: Sequence[str], reserved: Collection[str] = ()) -> dict[str, str]:
    """Return a template name for each word, none in `reserved` and none that `partition_name` can make.

    Same words, in any order, give same names. A word whose plain name is taken, is too long or
    misses letters of the word gets a name that ends in a hash of the word.

    >>> template_names(["percent_cover", "group.task", "Größe"])
    {'percent_cover': 'percent-cover', 'group.task': 'group-task', 'Größe': 'gro-e-aedc3f'}
    """
    taken = set(reserved)
    names: dict[str, str] = {}
    for word in sorted(words, key=lambda word: (_bare_name(word) != word, word)):
        names[word] = _free_name(word, taken)
        taken.add(names[word])
    return {word: names[word] for word in words}


def partition_name(name: str, index: int) -> str:
    """Return the name of partition `index` (from 0) of the template `name`."""
    return f"{name}-partition-{index}"


def object_name(dag_name: str) -> str:
    """Return a DNS-1123 label for a workflow, with a hash if it is cut or misses letters.

    >>> object_name("Sea Ice (2024)")
    'sea-ice-2024'
    """
    plain = _plain(dag_name)
    if plain and len(plain) <= OBJECT_NAME_LENGTH and not _misses_letters(dag_name):
        return plain
    return _with_hash(plain or "dag", dag_name, OBJECT_NAME_LENGTH)


def is_shell_variable(name: str) -> bool:
    """Whether sh can have a variable of that name."""
    return bool(_VARIABLE.fullmatch(name))


def is_reserved(name: str) -> bool:
    """Whether an author's parameter or key must not have that name."""
    return (
        name in RESERVED_VARIABLES
        or name in INJECTED | RUN_VALUES | _OF_AN_ENDED_RUN
        or name.startswith(RESERVED_PREFIXES)
    )


def is_set_by_us(name: str) -> bool:
    """Whether our own programs or Argo set a variable of that name in every pod."""
    return name.startswith(("ARGO_", "ARGOSY_")) or name in RESERVED_VARIABLES - _SHELL_VARIABLES


def is_argo_parameter(name: object) -> bool:
    """Whether a parameter of a run can have that name (Argo 4.1, validate.go)."""
    return isinstance(name, str) and bool(_PARAMETER.fullmatch(name))


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that was probably meant, if any is near enough; of two, one in its own case.

    >>> did_you_mean("retires", ["retry_delay", "retries"])
    'retries'
    >>> did_you_mean("itme", ["ITEM", "item"])
    'item'
    """
    by_fold: dict[str, list[str]] = {}
    for name in sorted(known):
        if name != word:
            by_fold.setdefault(name.casefold(), []).append(name)
    near = difflib.get_close_matches(word.casefold(), by_fold, n=1, cutoff=0.65)
    if not near:
        return None
    return max(by_fold[near[0]], key=lambda name: difflib.SequenceMatcher(None, word, name).ratio())


def _free_name(word: str, taken: Collection[str]) -> str:
    """Return the plain name of `word`, or one with as much of its hash as makes it free."""
    plain = _bare_name(word)
    sound = len(plain) <= TEMPLATE_NAME_LENGTH and not _LIKE_A_PARTITION.search(plain)
    if sound and plain not in taken and not _misses_letters(word):
        return plain
    for digits in range(_HASH_LENGTH, 64):
        name = _with_hash(plain, word, TEMPLATE_NAME_LENGTH, digits)
        if name not in taken and not _LIKE_A_PARTITION.search(name):
            return name
    raise ValueError(f"every name for {word!r} is taken")


def _bare_name(word: str) -> str:
    """Return the name that a word would have if it were alone."""
    plain = _plain(word)
    if not plain or plain[0].isdigit() or plain in EXPRESSION_WORDS:
        return f"task-{plain}".rstrip("-")
    return plain


def _plain(word: str) -> str:
    """Return what lower-case letters, digits and `-` can say of a word; it may be empty."""
    letters = "".join(c for c in unicodedata.normalize("NFKD", word) if not unicodedata.combining(c))
    return re.sub(r"[^a-z0-9]+", "-", letters.lower()).strip("-")


def _misses_letters(word: str) -> bool:
    return any(c.isalnum() and not c.isascii() for c in unicodedata.normalize("NFKD", word))


def _with_hash(plain: str, word: str, length: int, digits: int = _HASH_LENGTH) -> str:
    digest = hashlib.sha256(word.encode(errors="surrogatepass")).hexdigest()[:digits]
    return f"{plain[: length - digits - 1].rstrip('-')}-{digest}"
