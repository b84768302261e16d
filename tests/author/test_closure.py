"""Functions that travel: what is shipped gives elsewhere what the function gives here."""

import contextlib
import importlib.util
import json
import subprocess
import sys
import textwrap

import pytest

from dsl.closure import ship, task_function
from dsl.codes import Code

CORPUS = {
    "alone": "def f(n): return n + 1",
    "an import, and only the one that is used": """
        import json, os.path as p, no_such_thing_in_the_pod as missing
        def f(n): return [json.dumps(n), p.join("a", "b")]
    """,
    "names from a module": """
        from math import floor as down, ceil
        def f(n): return [down(n + 0.5), ceil(n + 0.5)]
    """,
    "a dotted import": """
        import xml.dom
        import xml.etree.ElementTree
        def f(n): return xml.etree.ElementTree.fromstring("<a b='1'/>").attrib
    """,
    "constants": """
        SIZE = 3
        NAMES = ["a", "b"]
        TABLE = {name: SIZE * 2 for name in NAMES}
        TEXT = '''a
          b'''
        LONG = (
            1
            + SIZE
        )
        def f(n): return [SIZE, NAMES, TABLE, TEXT, LONG]
    """,
    "a constant whose value was found on this machine": """
        import os
        HERE = os.environ.get("HOME", "x") + os.sep
        COUNT = len(HERE) * 0 + 5
        def f(n): return [HERE, COUNT]
    """,
    "a constant that is built in steps": """
        TABLE = {}
        for key in "abc":
            TABLE[key] = ord(key)
        TOTAL = 0
        TOTAL += 5
        FIRST, *REST = [1, 2, 3]
        def f(n): return [TABLE, TOTAL, FIRST, REST]
    """,
    "an object that a library makes": """
        import re
        from pathlib import Path
        from collections import namedtuple
        WORD: "re.Pattern" = re.compile(r"\\w+")
        Pair = namedtuple("Pair", "a b")
        ROOT = Path("/data")
        PAIR = Pair(1, b=ROOT.name)
        def f(n): return [WORD.findall("a b"), PAIR.b, str(ROOT / "x"), Pair(1, 2).a]
    """,
    "helpers that need helpers": """
        BASE = 10
        def outer(n): return inner(n) + 1
        def inner(n): return n * BASE if n > 100 else outer(n * 101)
        def f(n): return outer(n)
    """,
    "a decorated helper with defaults": """
        import functools
        STEP = 2
        def twice(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                return 2 * function(*args, **kwargs)
            return wrapper
        @functools.lru_cache(maxsize=None)
        def cached(n, step=STEP): return n * step
        @twice
        def doubled(n, *, by=len("ab")): return n * by
        def f(n): return [cached(n), doubled(n), cached.cache_info().misses]
    """,
    "a decorator of its own below the task": """
        import functools
        from dsl import task
        def twice(function):
            @functools.wraps(function)
            def wrapper(*args): return 2 * function(*args)
            return wrapper
        @task(retries=2)
        @twice
        def f(n): return n
    """,
    "a decorator that hides the function": """
        from dsl import task
        def twice(function):
            def wrapper(*args): return 2 * function(*args)
            return wrapper
        @task
        @twice
        def f(n): return n
    """,
    "dataclasses, enums, bases": """
        from dataclasses import dataclass, field
        from enum import Enum
        class Color(Enum):
            RED = 1
        class Base:
            unit = "m"
            def label(self): return f"{self.size}{self.unit}"
        @dataclass
        class Box(Base):
            size: int = 3
            tags: list = field(default_factory=lambda: [Color.RED.value])
        BOX = Box(4)
        def f(n): return [Box(n).label(), BOX.size, Box().tags]
    """,
    "annotations of dsl": """
        from dsl import InFile, task
        import dsl
        from pathlib import Path
        @task
        def f(n: "InFile | int", *rest: InFile, m: dsl.InFile = None,
              k: Path | None = None) -> InFile:
            local: InFile = n
            def inner(x: InFile) -> list[InFile]: return [x]
            return [local, m, sorted(f.__annotations__)] + inner(k) if False else [local, m]
    """,
    "future annotations": """
        from __future__ import annotations
        from typing import TYPE_CHECKING
        from dataclasses import dataclass
        if TYPE_CHECKING:
            from nowhere import Nothing
        @dataclass
        class Box:
            size: int
            what: Nothing = None
        def f(n: Nothing) -> dict[str, Nothing]:
            return Box(n).size
    """,
    "defaults of dsl": """
        from dsl import Files, InFile, task
        @task
        def f(n, token=Files("*.tif"), size=4, *, rest=InFile): return [n, size]
    """,
    "stacked decorators on several lines": """
        from dsl import task
        import functools
        @task(
            retries=2,
        )
        @functools.cache
        # of the author
        def f(n):
            '''Keep this.
        Even at the margin.'''
            return [n, f.__doc__ if hasattr(f, "__doc__") else ""][:1]
    """,
    "a function in a with block": """
        from dsl import DAG, task
        with DAG("x"):
            FACTOR = 7
            def helper(n):
                text = '''
        margin'''
                return n * FACTOR, text
            @task
            def f(n):
                return helper(n)
    """,
    "a closure over constants": """
        def make(by, names):
            offset = 10
            def helper(n): return n + offset
            def f(n):
                '''Margin:
        kept.'''
                return [helper(n) * by, names]
            return f
        f = make(3, ("a", {"b": None}))
    """,
    "two closures of one factory": """
        def make(by):
            def scale(n): return n * by
            return scale
        two, three = make(2), make(3)
        def f(n): return [two(n), three(n)]
    """,
    "lambdas": """
        K = 3
        add = lambda n, k=K: n + k
        f = lambda n: add(n) + (lambda m: m * K)(n)
    """,
    "a lambda among others": """
        A, B = 5, 6
        functions = [lambda n: n - A, lambda n: n * B]
        f = functions[1]
    """,
    "a lambda in a closure": """
        def make(k): return lambda n: n * k
        f = make(5)
    """,
    "alternatives": """
        import sys
        try:
            import no_such_json as json
        except ImportError:
            import json
        if sys.version_info >= (3, 0):
            def helper(n): return json.loads(str(n))
        else:
            def helper(n): return 0
        if True:
            LIMIT = 5
        def f(n): return [helper(n), LIMIT]
    """,
    "a function that is wrapped later": """
        import functools
        def helper(n): return n + 1
        helper = functools.lru_cache(helper)
        alias = helper
        partial = functools.partial(alias, 4)
        def f(n): return [alias(n), helper(n), partial()]
    """,
    "scopes": """
        x = y = 1
        def f(n, missing=2):
            import os
            class Inner:
                part = missing
                parts = [p for p in (part,)]
                def method(self): return __class__.part + super().__sizeof__() * 0
            try:
                1 / 0
            except ZeroDivisionError as error: found = str(error)
            with open(os.devnull) as handle: handle.read()
            match {"a": [1, 2, 3]}:
                case {"a": [first, *others], **rest}: pass
            total = sum(z for z in others if (w := z))
            del handle
            def inner():
                nonlocal total
                total += 1
                return total
            return [Inner().method(), Inner.parts, found, first, others, rest, inner(), w, [k for k in "a"]]
    """,
    "own recursion": """
        from dsl import task
        @task
        def f(n): return 1 if n < 2 else n * f.fn(n - 1) + f.fn(0)
    """,
    "another task's function": """
        from dsl import task
        OFFSET = 5
        @task(retries=1)
        def other(n: int) -> int: return n + OFFSET
        @task
        def f(n): return other.fn(n) * 2
    """,
    "odd text": """
        # äöü — comment
        def f(n, s="ä; 'b' \\\\ # no comment"):
            return [s, "日本", f"{n!r:>5}", r"\\d", 0x1F]  # trailing ☃
    """,
    "walrus, star arguments, async": """
        import asyncio
        async def slow(n): return n
        def f(n, *args, **kwargs):
            if (m := asyncio.run(slow(n))) > 0:
                return [m, args, kwargs]
    """,
    "special constants": """
        A, B, C = float("inf"), {1, 2}, frozenset()
        D = {(1, 2): b"x", None: ...}
        E = 1e400
        def f(n): return [str(A), sorted(B), list(C), D[1, 2].decode(), E == A]
    """,
    "functions that register with another": """
        import functools
        @functools.singledispatch
        def g(x): return "other"
        @g.register
        def _(x: int): return "int"
        @g.register(str)
        def _(x): return "str"
        def f(n): return [g(n), g("a"), g(None)]
    """,
    "annotations in brackets": """
        from dsl import InFile, task
        from collections.abc import Callable
        @task
        def f(
            n: (InFile),
            cb: Callable[[int], int] = lambda x: x,
        ) -> (
            list[InFile]
        ):
            return [n, cb(3)]
    """,
    "named tuples, generics, properties": """
        from typing import TypeVar, Generic, NamedTuple, Optional
        T = TypeVar("T")
        class P(NamedTuple):
            a: int
            b: Optional[str] = None
        class Stack(Generic[T]):
            LIMIT = 2
            def __init__(self) -> None: self.items: list[T] = []
            @property
            def size(self): return len(self.items)
            @size.setter
            def size(self, n): self.items = [n] * n
            def push(self, x: T, k=LIMIT) -> "Stack[T]":
                self.items.append(x)
                return self
        def f(n: int) -> list[T]:
            stack = Stack().push(n)
            stack.size = 2
            return [P(n).a, stack.items]
    """,
    "several statements on a line": """
        Z = 2; A = Z + 1; import json; from math import floor
        def f(n): return [A, json.dumps(floor(n))]
    """,
    "a class inside a block, with text at the margin": """
        if True:
            class Box:
                text = '''
        margin
        '''
                def size(self, n): return [n, self.text]
        def f(n): return Box().size(n)
    """,
    "tabs": "if True:\n\tdef helper(n):\n\t\treturn n + 1\ndef f(n):\n\treturn helper(n)",
    "a parameterized decorator in a block": """
        from dsl import DAG, task
        by = 100
        def times(by):
            def decorate(function):
                def wrapper(n): return function(n) * by
                return wrapper
            return decorate
        with DAG("x"):
            @task
            @times(3)
            def f(n): return n + by
    """,
    "a shadowed builtin": """
        def len(x): return 42
        SIZE = len([])
        def f(n): return [len("abc"), SIZE, max(1, 2)]
    """,
}

SIBLINGS = {
    "a module": (
        {
            "geo.py": "import math\nfrom tables import ROWS\ndef area(n): return [math.floor(n * 2.5), ROWS]",
            "tables.py": "ROWS = [1, 2]",
        },
        "import geo\ndef f(n): return geo.area(n)",
    ),
    "names of a module": (
        {"geo.py": "K = 3\ndef area(n): return n * K"},
        "from geo import area as a, K\ndef f(n): return [a(n), K]",
    ),
    "a package with relative imports": (
        {
            "lib/__init__.py": "from .core import deep\nV = 1",
            "lib/core.py": "from . import other\ndeep = other.name",
            "lib/other.py": "name = __name__",
        },
        "import lib.core\nfrom lib import other, V\ndef f(n): return [lib.core.deep, other.name, V]",
    ),
    "a folder without __init__": (
        {"space/one.py": "def g(n): return n + 1"},
        "from space.one import g\ndef f(n): return g(n)",
    ),
    "modules that import each other": (
        {"a.py": "import b\ndef g(n): return b.h(n)", "b.py": "import a\ndef h(n): return [n, a.__name__]"},
        "import a\ndef f(n): return a.g(n)",
    ),
    "an import inside the function": (
        {"late.py": "V = 7"},
        "def f(n):\n    import late\n    return late.V + n",
    ),
    "future annotations before modules": (
        {"late.py": "V: int = 7"},
        "from __future__ import annotations\nimport late\ndef f(n: late.X): return late.V + n",
    ),
}


@contextlib.contextmanager
def author(folder, source, files=()):
    """Load an author's module from its own folder, and forget it and its siblings afterwards."""
    for name, text in {**dict(files), "flow.py": textwrap.dedent(source)}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    if "no_such_thing_in_the_pod" in source:
        (folder / "no_such_thing_in_the_pod.py").touch()
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        spec = importlib.util.spec_from_file_location("flow", folder / "flow.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["flow"] = module
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", None) or folder).startswith(str(folder)):
                del sys.modules[name]
        sys.path_importer_cache.pop(str(folder), None)


def elsewhere(shipped, argument):
    """Return what the shipped function gives in an interpreter that has nothing of ours."""
    call = "import json, sys, types\nmodule = types.ModuleType('m')\nsys.modules['m'] = module\n"
    call += f"exec(compile({shipped.source!r}, 'shipped.py', 'exec'), module.__dict__)\n"
    call += f"print(json.dumps(getattr(module, {shipped.function!r})({argument!r})))"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "utf8", "-"], input=call.encode(), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode() + shipped.source
    return json.loads(done.stdout)


def check_equal(module):
    shipped, problems = ship(module.f)
    assert problems == ()
    here = json.loads(json.dumps(task_function(module.f)(4)))
    assert elsewhere(shipped, 4) == here
    assert "dsl" not in shipped.source
    return shipped


@pytest.mark.parametrize("name", CORPUS)
def test_a_shipped_function_gives_elsewhere_what_it_gives_here(name, tmp_path):
    with author(tmp_path, CORPUS[name]) as module:
        shipped = check_equal(module)
    assert "no_such_thing" not in shipped.source


@pytest.mark.parametrize("name", SIBLINGS)
def test_siblings_travel_along(name, tmp_path):
    files, source = SIBLINGS[name]
    with author(tmp_path, source, files) as module:
        check_equal(module)


def test_every_piece_stands_on_the_line_of_the_authors_file(tmp_path):
    source = CORPUS["a function in a with block"]
    with author(tmp_path, source) as module:
        shipped, _ = ship(module.f)
    before, after = textwrap.dedent(source).split("\n"), shipped.source.split("\n")
    for text in ("FACTOR = 7", "return n * FACTOR, text", "return helper(n)"):
        assert [n for n, line in enumerate(before) if text in line] == [
            n for n, line in enumerate(after) if text in line
        ]


def test_comments_in_and_behind_a_function_travel(tmp_path):
    source = "def f(n):\n    # why\n    return n  # what\n"
    with author(tmp_path, source) as module:
        shipped, _ = ship(module.f)
    assert shipped.source == source


def test_only_what_is_used_travels(tmp_path):
    source = """
        import os
        import json
        SECRET = "s"
        def unused(): return SECRET
        def f(n): return json.dumps(n)
    """
    with author(tmp_path, source) as module:
        shipped, _ = ship(module.f)
    assert [line for line in shipped.source.split("\n") if line] == [
        "import json",
        "def f(n): return json.dumps(n)",
    ]


REFUSED = {
    "an open file": ("H = open(__file__)\nH.close()\ndef f(n): return H.read()", "`H` is an open file"),
    "a lock": ("import threading\nL = threading.Lock()\ndef f(n):\n    with L: pass", "`L` is a lock"),
    "a generator": ("G = (n for n in range(3))\ndef f(n): return next(G)", "`G` is a generator"),
    "an iterator": ("G = iter([1])\ndef f(n): return next(G)", "`G` is an iterator"),
    "an instance": (
        "class Box:\n    pass\nB = Box()\ndef f(n): return B.size",
        "`B` is a Box, which is no plain data",
    ),
    "global": (
        "COUNT = 0\ndef f(n):\n    global COUNT\n    COUNT += 1",
        "`COUNT` is state of the module, which the task changes",
    ),
    "an element": ("C = {}\ndef f(n): C[n] = 1", "`C` is state of the module, which the task changes"),
    "a deleted element": (
        "C = {}\ndef f(n): del C['a'][n]",
        "`C` is state of the module, which the task changes",
    ),
    "an attribute": (
        "def g(): pass\ndef f(n): g.count = 1",
        "`g` is state of the module, which the task changes",
    ),
    "a method": (
        "L = []\ndef f(n): L.append(n)",
        "`L` is state of the module, which the task changes with `.append()`",
    ),
    "a method in a helper": (
        "L = {}\ndef g(n):\n    L['a'].update(n)\ndef f(n): g(n)",
        "`L` is state of the module, which the task changes with `.update()`",
    ),
    "nonlocal": (
        "def make():\n    k = 0\n    def f(n):\n        nonlocal k\n        k += 1\n    return f\nf = make()",
        "`k` is state of the module, which the task changes",
    ),
    "a task": (
        "from dsl import task\n@task\ndef g(n): pass\ndef f(n): return g(n)",
        "`g` is a task, and tasks do not exist in the pod",
    ),
    "dsl in the body": (
        "from dsl import Files\ndef f(n): return Files('x')",
        "`Files` belongs to dsl, which is not in the pod",
    ),
    "dsl by its module": (
        "import dsl\ndef f(n): return dsl.Files('x')",
        "`dsl` belongs to dsl, which is not in the pod",
    ),
    "an import of dsl in the body": (
        "def f(n):\n    from dsl import Files\n    return Files('x')",
        "`dsl` is not in the pod",
    ),
    "a star import": ("from math import *\ndef f(n): return floor(n)", "`floor` comes from a star import"),
    "a name that is nowhere": ("def f(n): return nothing(n)", "`nothing` is defined nowhere"),
    "the file's own path": ("def f(n): return __file__", "`__file__` names a file that is not in the pod"),
    "an object of an outer function": (
        "def make(h):\n    def f(n): return h\n    return f\nf = make(object())",
        "`h` is an object of the function around it",
    ),
    "a with statement's object": (
        "import contextlib\nwith contextlib.ExitStack() as S:\n    pass\ndef f(n): return S",
        "`S` is an ExitStack that no assignment makes",
    ),
}


CODES = {
    "is state of the module": Code.STATE_CHANGED,
    "is a task": Code.TASK_IN_TASK,
    "is defined nowhere": Code.UNDEFINED_NAME,
    "dsl": Code.DSL_IN_TASK,
    "": Code.CANNOT_TRAVEL,
}
"""By what the message says, the first that fits."""


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_travel_is_refused_with_its_name_place_cause_and_hint(name, tmp_path):
    source, message = REFUSED[name]
    with author(tmp_path, source) as module:
        _, problems = ship(module.f)
    assert [problem.message for problem in problems] == [message]
    assert problems[0].code is next((code for words, code in CODES.items() if words in message), None)
    assert problems[0].hint
    place = problems[0].location
    word = message.split("`")[1]
    assert place.path == str(tmp_path / "flow.py")
    assert word in source.split("\n")[place.line - 1][place.column - 1 :]


def test_a_sibling_with_dsl_is_refused(tmp_path):
    with author(
        tmp_path, "import shared\ndef f(n): return shared.V", {"shared.py": "import dsl\nV = 1"}
    ) as module:
        _, problems = ship(module.f)
    assert [problem.message for problem in problems] == ["`shared` imports dsl, which is not in the pod"]


def test_state_of_a_sibling_is_state(tmp_path):
    source = "import shared\nfrom shared import L\ndef f(n):\n    shared.V = n\n    L.append(n)"
    with author(tmp_path, source, {"shared.py": "V = 1\nL = []"}) as module:
        _, problems = ship(module.f)
    assert [problem.message for problem in problems] == [
        "`shared` is state of the module, which the task changes",
        "`L` is state of the module, which the task changes with `.append()`",
    ]


def test_state_of_the_process_may_change(tmp_path):
    with author(
        tmp_path, "import os\ndef f(n):\n    os.environ['X'] = str(n)\n    return os.environ['X']"
    ) as module:
        check_equal(module)


def test_all_problems_are_found_at_once(tmp_path):
    source = "import threading\nL = threading.Lock()\nH = iter([])\ndef f(n):\n    return [L, H, nothing, L]"
    with author(tmp_path, source) as module:
        _, problems = ship(module.f)
    assert [problem.message.split()[0] for problem in problems] == ["`L`", "`H`", "`nothing`"]


@pytest.mark.parametrize("function", [len, eval("lambda n: n"), str.upper])
def test_a_function_without_source_is_refused(function):
    shipped, problems = ship(function)
    assert shipped.source == ""
    assert [problem.message for problem in problems] == [f"`{function.__name__}` has no source"]
