"""Every example is validated, compiled to its golden manifest, accepted by Argo's own rules, and run."""

import gzip
import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from jsonschema import Draft202012Validator

from dsl.documents import sound_documents
from dsl.manifest import to_yaml
from dsl.stages import compiled
from tests.harness import BOTH, compile_file, run_here

EXAMPLES = Path(__file__).parents[1] / "examples"
TOPICS = sorted(path.stem for path in EXAMPLES.glob("*.py"))
IMAGES = {"busybox:1", "debian:12-slim", "python:3.12-slim"}
ARGO = os.environ.get("ARGOSY_ARGO") or shutil.which("argo")


class Expected(NamedTuple):
    """What some tasks of an example return, how some of their files begin, and how many files there are."""

    values: dict
    files: dict
    count: int


EXPECTED = {
    "container": Expected(
        {},
        {
            "sort/seattle-2013-01.sorted": "2013-01-09,38.4,10.0,1.7,5.1\n2013-01-08,16.3,",
            "wettest/wettest.txt": "2012-01-29,27.7,9.4,3.9,4.5\n2013-01-09,38.4,10.0,1.7,5.1\n2014-01-29,",
        },
        5,
    ),
    "discovered": Expected(
        {"candidates": [2**n - 1 for n in range(2, 14)], "primes": [3, 7, 31, 127, 8191]}, {}, 0
    ),
    "items": Expected(
        {
            "describe": [
                "Seattle lies 47.4 degrees north",
                "Svalbard lies 78.2 degrees north",
                "South Pole lies 90.0 degrees south",
            ],
            "pressure": [998, 1010, 716],
        },
        {"describe/South Pole.txt": "South Pole lies 90.0 degrees south\n"},
        3,
    ),
    "matrix": Expected({"settled": {"0.5": True, "2.0": True, "2.8": True, "3.9": False}}, {}, 0),
    "pairs": Expected(
        {
            "vegetation": [
                {"scene": "north", "highest": 0.871},
                {"scene": "south", "highest": 0.873},
                {"scene": "west", "highest": 0.824},
            ]
        },
        {"vegetation/south-ndvi.asc": "ncols 4\nnrows 4\nxllcorner 40\nyllcorner 0\ncellsize 10\n0."},
        3,
    ),
    "recipe": Expected(
        {},
        {
            "percent/c.asc": "ncols 4\nnrows 4\nxllcorner 80\nyllcorner 0\ncellsize 10\n36 46 51 40\n",
            "classify/c.asc": "ncols 4\nnrows 4\nxllcorner 80\nyllcorner 0\ncellsize 10\n1 1 1 1\n",
            "publish/ice.txt": "62 of 80 cells are ice\n",
        },
        11,
    ),
    "repartition": Expected(
        {"climate": [{"month": "01", "highest": 17.2}, {"month": "07", "highest": 35.0}]},
        {
            "climate/01.txt": "4 files, 124 days, up to 17.2 degrees\n",
            "climate/07.txt": "4 files, 124 days, up to 35.0 degrees\n",
        },
        10,
    ),
    "split": Expected(
        {
            "rain": [
                {"from": "2012-01-01", "rain": 35.8},
                {"from": "2012-01-08", "rain": 9.4},
                {"from": "2012-01-15", "rain": 67.4},
                {"from": "2012-01-22", "rain": 27.6},
                {"from": "2012-01-29", "rain": 33.1},
            ]
        },
        {"cut/2012-01-29": "2012-01-29,"},
        5,
    ),
    "three_stages": Expected(
        {},
        {
            "long_words/sonnet-116.txt": "marriage\nimpediments\nalteration\n",
            "alphabetical/sonnet-116.list": "alteration\nalthough\nbending\n",
        },
        15,
    ),
    "values": Expected({"pi": 3.1416, "say": "pi is about 3.1416"}, {}, 0),
    "weather": Expected(
        {"review": {"wettest": "seattle-2012-01", "whole": True}},
        {
            "clean/seattle-2012-01.csv": "2012-01-01,0.0,12.8,5.0,4.7\n2012-01-02,",
            "convert/seattle-2012-01.kelvin": "2012-01-01,0.0,282.05\n2012-01-02,10.9,279.85\n",
            "report/report.csv": "date,rain,kelvin\n2012-01-01,0.0,282.05\n2012-01-02,10.9,279.85\n",
        },
        17,
    ),
    "windows": Expected({"northernmost": {"week": "2024-06-19", "degrees": 23.4}}, {}, 0),
    "word_count": Expected(
        {}, {"total/words.txt": "19 and\n17 the\n13 i\n13 in\n", "count/sonnet-18.count": "      2 a\n"}, 6
    ),
}


@cache
def checked(topic):
    """Return an example's manifest and diagnostics as the commands get them."""
    result, problems = compiled(str(EXAMPLES / f"{topic}.py"), None, 60, "Workflow", {})
    return result and result.manifest, problems


def manifest_of(topic, lowering=None):
    return compile_file(EXAMPLES / f"{topic}.py", lowering)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Return how a manifest of a topic ended; each manifest runs once."""
    done = {}

    def ran(topic, lowering=None):
        manifest = manifest_of(topic, lowering)
        text = to_yaml(manifest)
        if text not in done:
            done[text] = run_here(manifest, EXAMPLES, tmp_path_factory.mktemp(topic) / "out")
        return done[text]

    return ran


@pytest.fixture(scope="module")
def accepts():
    packed = (Path(__file__).parent / "workflow.schema.json.gz").read_bytes()
    return Draft202012Validator(json.loads(gzip.decompress(packed)))


def test_every_example_has_its_expected_results():
    assert sorted(EXPECTED) == TOPICS


@pytest.mark.parametrize("topic", TOPICS)
def test_an_example_is_short_and_has_nothing_to_complain_about(topic):
    text = (EXAMPLES / f"{topic}.py").read_text()
    assert text.count("\n") <= 40
    assert checked(topic)[1] == ()


@pytest.mark.parametrize("topic", TOPICS)
def test_an_example_compiles_to_its_golden_manifest(topic, rewrite):
    golden = EXAMPLES / f"{topic}.yaml"
    text = to_yaml(checked(topic)[0])
    if rewrite:
        golden.write_text(text)
    assert golden.exists(), f"{golden.name} is missing; pytest --rewrite makes it"
    assert text == golden.read_text()


@pytest.mark.parametrize("topic", TOPICS)
def test_a_manifest_reads_back_and_fits_the_schema_of_argo(topic, accepts):
    manifest = checked(topic)[0]
    [document] = sound_documents((EXAMPLES / f"{topic}.yaml").read_bytes(), topic)
    assert document.value == manifest
    for lowered in (manifest, manifest_of(topic, "compact")):
        assert [error.message for error in accepts.iter_errors(lowered)] == []


@pytest.mark.parametrize("topic", TOPICS)
def test_an_example_needs_only_small_public_images(topic):
    images = re.findall(r'"image": "([^"]+)"', json.dumps(checked(topic)[0]))
    assert images
    assert set(images) <= IMAGES


@pytest.mark.skipif(not ARGO, reason="needs argo on the PATH, or its place in ARGOSY_ARGO")
def test_the_linter_of_argo_finds_nothing(tmp_path):
    for topic in TOPICS:
        (tmp_path / f"{topic}-compact.yaml").write_text(to_yaml(manifest_of(topic, "compact")))
    command = [ARGO, "lint", "--offline", *sorted(EXAMPLES.glob("*.yaml")), tmp_path]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("topic", TOPICS)
def test_an_example_gives_its_expected_results(topic, ran):
    ended = ran(topic).succeeded()
    expected = EXPECTED[topic]
    assert set(ended.states.values()) == {"Succeeded"}
    assert {task: ended.values[task] for task in expected.values} == expected.values
    files = {
        f"{task}/{name}": text.decode() for task, own in ended.files.items() for name, text in own.items()
    }
    assert {name: files[name][: len(text)] for name, text in expected.files.items()} == expected.files
    assert len(files) == expected.count


@pytest.mark.parametrize("topic", TOPICS)
def test_both_forms_of_a_manifest_agree_in_files_values_and_states(topic, ran):
    assert ran(topic, "compact") == ran(topic, "explicit") == ran(topic)


@BOTH
def test_the_report_is_skipped_when_days_are_missing(lowering, tmp_path):
    manifest = manifest_of("weather", lowering)
    ended = run_here(manifest, EXAMPLES, tmp_path / "out", parameters={"days": "32"}).succeeded()
    assert ended.values["review"] == {"wettest": "seattle-2012-01", "whole": False}
    assert (ended.states["report"], ended.values["report"], ended.files["report"]) == ("Skipped", None, {})
