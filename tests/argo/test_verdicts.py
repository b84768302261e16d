"""Each rule of Argo's by many small cases: what argo said of them is stored, and asked again where it is."""

import json

import pytest

from dsl.argo import validate_manifests
from tests.argo.corpus import CASES, FILE, SEEDS, texts
from tests.argo.oracle import ARGO, argo_lint, inspected

SETS = {case["name"]: texts(case, number) for number, case in enumerate(CASES)}


def codes(name):
    files = {f"{number}.yaml": text.encode() for number, text in enumerate(SETS[name])}
    return sorted({one.code.name for found in validate_manifests(files).values() for one in found})


def test_a_case_has_a_name_of_its_own():
    assert len(SETS) == len(CASES) >= 300


@pytest.mark.parametrize("name", SEEDS)
def test_a_set_without_edits_has_no_problem(name):
    files = {f"{number}.yaml": json.dumps(file).encode() for number, file in enumerate(SEEDS[name])}
    assert [found for diagnostics in validate_manifests(files).values() for found in diagnostics] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_case_gets_argos_verdict_and_our_codes(case, rewrite):
    if not rewrite:
        lint, _ = inspected(SETS[case["name"]])
        assert bool(lint) == ("argo" in case), (case.get("argo"), lint)
        assert codes(case["name"]) == case["codes"]


@pytest.mark.slow
@pytest.mark.skipif(not ARGO, reason="needs argo on the PATH, or its place in ARGOSY_ARGO")
def test_argo_still_says_what_is_stored(tmp_path, rewrite):
    said = argo_lint(SETS, tmp_path)
    if rewrite:
        rows = []
        for case in CASES:
            row = {key: case[key] for key in ("name", "base", "edits")}
            row |= {"argo": said[case["name"]]} if said[case["name"]] is not None else {}
            rows.append(json.dumps(row | {"codes": codes(case["name"])}))
        FILE.write_text("\n".join(rows) + "\n", encoding="utf-8")
    else:
        stored = {case["name"]: "argo" in case for case in CASES}
        assert {name: message is not None for name, message in said.items()} == stored
