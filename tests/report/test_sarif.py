"""SARIF as its own schema and GitHub's code scanning want it."""

import gzip
import json
import linecache
import os
from pathlib import Path

import jsonschema
import pytest

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Related
from dsl.location import Location
from dsl.sarif import to_sarif

SCHEMA = json.loads(gzip.decompress((Path(__file__).parents[1] / "sarif.schema.json.gz").read_bytes()))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    linecache.clearcache()  # a file of this name that another test loaded
    return tmp_path


def run_of(*diagnostics):
    log = json.loads(to_sarif(diagnostics, "1.0"))
    jsonschema.Draft4Validator(SCHEMA).validate(log)
    return log["runs"][0]


def fingerprints(*diagnostics):
    return [one["partialFingerprints"]["primaryLocationLineHash"] for one in run_of(*diagnostics)["results"]]


def test_every_code_makes_a_valid_rule_with_its_page(here):
    run = run_of(*(Diagnostic(code, Location("flow.py", 1, 1, 2), "no", "do") for code in Code))
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == sorted(code.id for code in Code)
    for result, code in zip(run["results"], Code, strict=True):
        rule = rules[result["ruleIndex"]]
        assert rule["id"] == result["ruleId"] == code.id
        assert rule["defaultConfiguration"]["level"] == result["level"] == code.severity.value
        assert rule["help"]["markdown"].startswith(f"# {code.id} {code.summary}\n")
        assert rule["name"].isalnum()


def test_nothing_found_is_a_valid_run_without_results(here):
    assert run_of()["results"] == []


def test_places_are_regions_and_related_places_have_their_messages(here):
    related = (Related("the first", Location("flow.py", 2, 1)),)
    [result] = run_of(Diagnostic(Code.NO_MATCH, Location("flow.py", 3, 5, 9), "no file", "add one", related))[
        "results"
    ]
    assert result["message"] == {"text": "no file; add one"}
    assert result["locations"][0]["physicalLocation"]["region"] == {
        "startLine": 3,
        "startColumn": 5,
        "endColumn": 9,
    }
    assert result["relatedLocations"][0]["message"] == {"text": "the first"}
    assert result["relatedLocations"][0]["physicalLocation"]["region"] == {"startLine": 2, "startColumn": 1}


def test_a_finding_of_a_whole_file_has_no_region(here):
    [result] = run_of(Diagnostic(Code.NO_DAG, Location("flow.py"), "no"))["results"]
    assert "region" not in result["locations"][0]["physicalLocation"]


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("flow.py", "flow.py"),
        ("./a/../flow.py", "flow.py"),
        ("my data/été 100%#?.py", "my%20data/%C3%A9t%C3%A9%20100%25%23%3F.py"),
        (os.fsdecode(b"\xff.py"), "%FF.py"),
        ("a:b\n.py", "a%3Ab%0A.py"),
    ],
)
def test_paths_below_the_current_folder_are_relative_and_percent_encoded(here, path, uri):
    run = run_of(Diagnostic(Code.NO_DAG, Location(path), "no"))
    place = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": uri, "uriBaseId": "SRCROOT"}
    root = run["originalUriBaseIds"]["SRCROOT"]["uri"]
    assert root.startswith("file:///")
    assert root.endswith("/")


def test_a_path_elsewhere_is_absolute(here):
    run = run_of(Diagnostic(Code.NO_DAG, Location("../else where.py"), "no"))
    place = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place["uri"].startswith("file:///")
    assert place["uri"].endswith("/else%20where.py")
    assert "uriBaseId" not in place


def test_a_fingerprint_survives_lines_that_come_before_it(here):
    Path("flow.py").write_text("a = 1\nwrong()\n")
    before = fingerprints(Diagnostic(Code.NO_MATCH, Location("flow.py", 2, 1, 5), "no"))
    Path("flow.py").write_text("a = 1\nb = 2\n\n    wrong()\n")
    after = fingerprints(Diagnostic(Code.NO_MATCH, Location("flow.py", 4, 5, 9), "no"))
    assert before == after


def test_equal_lines_have_different_fingerprints(here):
    Path("flow.py").write_text("wrong()\nwrong()\n")
    two = (Diagnostic(Code.NO_MATCH, Location("flow.py", line, 1, 5), "no") for line in (1, 2))
    assert len(set(fingerprints(*two))) == 2
