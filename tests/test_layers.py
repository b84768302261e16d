"""The picture of the modules: imports go in one direction, and a package is imported in few places."""

import ast
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("dsl", "orchestrators")

# A module imports from lines above its own, or from its own line.
LAYERS = """
dsl.location dsl.codes dsl.shelltext dsl.excerpt dsl.tree dsl.garbage
dsl.construct dsl.trace dsl.diagnostics
dsl.names dsl.encode dsl.spelling dsl.partition dsl.naming dsl.siblings dsl.uses dsl.plain dsl.scalars
dsl.places dsl.expr dsl.advice dsl.pattern
dsl.documents
dsl.argo
dsl.cron
dsl.manifest dsl.explain dsl.failure
dsl.ignores dsl.mending
dsl.function dsl.closure
dsl.argument
dsl.plan
dsl.operand
dsl.author
dsl.chaining dsl.decorate
dsl.source dsl.reading
dsl.load dsl.domain dsl.graph dsl.draft dsl.frequency dsl.outputs dsl.provenance dsl.bare dsl.values
dsl.resolve
dsl.child dsl.forks dsl.lanes dsl.columns dsl.planning dsl.summary dsl.explanation
dsl.checks dsl.checks.unfinished dsl.checks.secret dsl.checks.shell dsl.checks.node dsl.checks.text
dsl.checks.module dsl.checks.file dsl.checks.graph dsl.checks.manifest dsl.checks.links
dsl.checks.walks dsl.analyze
dsl.engine
orchestrators
dsl.compile
dsl.report dsl.sarif dsl.settings dsl.openfiles
dsl.drawing dsl.watch dsl.runs
dsl.running dsl.page dsl.stages dsl.supplies
dsl.validation
dsl.cli
dsl.__main__
"""
PACKAGES = {
    "networkx": ("dsl.graph", "dsl.draft", "dsl.resolve", "dsl.lanes", "dsl.checks"),
    "pydantic": ("dsl.partition", "dsl.function", "dsl.draft"),
    "yaml": ("dsl.documents", "dsl.manifest"),
    "hera": ("orchestrators",),
    "click": ("dsl.cli",),
    "rich": ("dsl.report", "dsl.watch", "dsl.drawing", "dsl.runs", "dsl.running", "dsl.cli"),
    "contextvars": ("dsl.author",),
    "subprocess": ("dsl.child", "dsl.checks.shell", "dsl.engine"),
}
SEES_LITTLE = {
    "dsl.expr": ("dsl.expr",),
    "dsl.documents": ("dsl.scalars", "dsl.places", "dsl.diagnostics", "dsl.codes", "dsl.location"),
    "dsl.argo": (
        *("dsl.argo", "dsl.documents", "dsl.garbage", "dsl.expr"),
        *("dsl.diagnostics", "dsl.codes", "dsl.location"),
    ),
    "dsl.engine": ("dsl.engine", "dsl.expr", "dsl.garbage", "dsl.diagnostics", "dsl.codes", "dsl.location"),
    "dsl.manifest": ("dsl.scalars",),
}


def modules():
    for package in OURS:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


MODULES = dict(modules())
RANKS = {name: rank for rank, line in enumerate(LAYERS.split("\n")) for name in line.split()}


@cache
def imports(name):
    """Return what a module imports when it runs or later; what only a type checker reads does not count."""
    tree = ast.parse(MODULES[name].read_text())
    skipped = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= inside or {node.module}
    return found


def rank(name):
    """Return the layer of a module, or of the package that it is in."""
    while name not in RANKS:
        assert "." in name, f"{name} has no place among the layers"
        name = name.rpartition(".")[0]
    return RANKS[name]


def within(name, places):
    return any(name == place or name.startswith(f"{place}.") for place in places)


WRITTEN = [name for name in MODULES if name not in OURS and not name.startswith("orchestrators.worker.")]


@pytest.mark.parametrize("name", WRITTEN)
def test_a_module_imports_only_from_layers_before_it(name):
    ours = {found for found in imports(name) if within(found, OURS) and found != "dsl"}
    late = {found for found in ours if rank(found) > rank(name)}
    # The models that orchestrators take ship a Python function when they are given one.
    assert late <= {"function": {"dsl.closure"}}.get(name.rpartition(".")[2], set())


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_imported_in_few_places(package):
    using = [name for name in MODULES if any(within(found, (package,)) for found in imports(name))]
    assert [name for name in using if not within(name, PACKAGES[package])] == []


@pytest.mark.parametrize("part", [name for name in SEES_LITTLE if name in MODULES])
def test_a_part_that_knows_no_authoring_sees_little(part):
    seen = {
        found for name in MODULES if within(name, (part,)) for found in imports(name) if within(found, OURS)
    }
    assert [found for found in sorted(seen) if not within(found, SEES_LITTLE[part])] == []


def test_orchestrators_see_no_stage_before_the_plan_but_its_types():
    seen = {f for name in MODULES if within(name, ("orchestrators",)) for f in imports(name)}
    hidden = (
        "dsl.author",
        "dsl.source",
        "dsl.load",
        "dsl.draft",
        "dsl.resolve",
        "dsl.provenance",
        "dsl.checks",
    )
    assert [found for found in sorted(seen) if within(found, hidden)] == []


def test_a_pod_needs_the_standard_library_alone():
    known = sys.stdlib_module_names
    assert {name.partition(".")[0] for name in imports("orchestrators.worker.run")} <= known


def test_every_package_and_every_file_beside_its_modules_is_shipped():
    shipped = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {package: ROOT / package.replace(".", "/") for package in shipped["packages"]}
    assert {path.parent for path in MODULES.values()} == set(folders.values())
    named = shipped["package-data"].items()
    listed = {path for package, names in named for name in names for path in folders[package].glob(name)}
    beside = {path for folder in folders.values() for path in folder.glob("*.*") if path.suffix != ".py"}
    assert beside <= listed


def test_hera_is_not_imported_by_the_stages_before_templates():
    loaded = "any(module.startswith('hera') for module in sys.modules)"
    code = f"import sys, dsl.analyze, dsl.stages, dsl.cli; sys.exit({loaded})"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
