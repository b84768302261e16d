"""Which run is meant by a folder, a name, or nothing."""

import os

import pytest

from dsl.engine import Unusable
from dsl.runs import all_runs, find_run

RUNS = ("ice/20260101-000000-aaaa", "ice/20260103-000000-cccc", "weather/20260102-000000-bbbb")


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Return a folder of three runs; their times are those of their names."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / ".argosy"
    for run in RUNS:
        make(root / run, int(run[-13]))
        latest = (root / run).parent / "latest"
        latest.unlink(missing_ok=True)
        latest.symlink_to((root / run).name)
    (root / "ice/notes").mkdir()
    return root


def make(folder, second):
    (folder / ".argosy").mkdir(parents=True)
    (folder / ".argosy/run.json").write_text("[]")
    os.utime(folder / ".argosy/run.json", (second, second))


def test_runs_of_all_dags_come_newest_first_and_each_once(root):
    assert [f"{run.dag}/{run.name}" for run in all_runs()] == [RUNS[1], RUNS[2], RUNS[0]]


@pytest.mark.parametrize(
    ("name", "run"),
    [
        (None, RUNS[1]),
        (RUNS[0], RUNS[0]),
        (f".argosy/{RUNS[2]}", RUNS[2]),
        ("20260102-000000-bbbb", RUNS[2]),
        ("weather/latest", RUNS[2]),
    ],
)
def test_a_run_is_found_by_its_folder_or_its_name(name, run, root):
    assert find_run(name).resolve() == root / run


def test_a_run_in_a_folder_of_its_own_is_found_by_that_alone(root, tmp_path):
    make(tmp_path / "own", 9)
    assert str(find_run("own")) == "own"
    assert find_run().name == "20260103-000000-cccc"


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("20260102-000000-bbbc", "there is no run 20260102-000000-bbbc; did you mean 20260102-000000-bbbb?"),
        ("x", "there is no run x"),
        (".argosy/ice", ".argosy/ice holds no run"),
        (".argosy/ice/notes", ".argosy/ice/notes holds no run"),
    ],
)
def test_a_name_that_means_no_run_is_refused_with_what_may_be_meant(name, problem, root):
    with pytest.raises(Unusable) as caught:
        find_run(name)
    assert str(caught.value) == problem


def test_where_nothing_ran_there_is_no_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Unusable, match=r"there is no run below \.argosy; `dsl run FILE` makes one"):
        find_run()
