"""Manifests that nobody wrote: argo and we refuse the same ones, and so do the CRDs' schemas and we.

MUTANTS is how many argo and the schemas judge.
"""

import gzip
import json
import os
import re
from collections import Counter
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from dsl.argo.decode import decode
from dsl.argo.findings import Findings, Gate
from dsl.codes import Code
from tests.argo.corpus import CASES, rule
from tests.argo.mutations import mutant
from tests.argo.oracle import ARGO, argo_lint, inspected

pytestmark = pytest.mark.slow
SEEDS = range(2000)
JUDGED = SEEDS[: int(os.environ.get("MUTANTS", "400"))]
SCHEMA = Path(__file__).parents[1] / "workflow.schema.json.gz"
BY_RULES = {
    Code.EXCLUSIVE_FIELDS, Code.DUPLICATE_NAME, Code.MIXED_DEPENDS, Code.METRIC, Code.MANIFEST_SIZE,
    Code.OBJECT_NAME,
}  # fmt: skip
"""What the cluster refuses by other means than the schema."""
BY_DECODER = re.compile(
    r"number -?\d+, not a whole number|text, not a quantity|with one key|begin with a digit"
)
OF_TEXT = {Code.KUBECTL_ONLY, Code.WRONG_TYPE, Code.UNKNOWN_FIELD, Code.IGNORED_FIELD, Code.LOST_VALUE}


@pytest.mark.skipif(not ARGO, reason="needs argo on the PATH, or its place in ARGOSY_ARGO")
def test_argo_and_we_refuse_the_same_sets(tmp_path):
    sets = {seed: mutant(seed)[0] for seed in JUDGED}
    said = argo_lint(sets, tmp_path)
    ours = {seed: inspected(texts)[0] for seed, texts in sets.items()}
    differ = {seed: (said[seed], ours[seed]) for seed in sets if bool(ours[seed]) != (said[seed] is not None)}
    assert differ == {}


def test_every_rule_is_met_twenty_times():
    met = Counter(name for seed in SEEDS for name in mutant(seed)[1])
    assert {name for name in map(rule, CASES) if met[name] < 20} == set()


def test_the_schema_and_we_refuse_the_same_workflows():
    validator = Draft202012Validator(json.loads(gzip.decompress(SCHEMA.read_bytes())))
    differ = {}
    for seed in JUDGED:
        manifest = json.loads(mutant(seed)[0][0])
        if (
            manifest["kind"] != "Workflow"
            or "status" in manifest
            or not isinstance(manifest.get("metadata"), dict)
        ):
            continue
        findings = Findings()
        decode(manifest, "Workflow", findings)
        refused = [one for one in findings.found if is_of_schema(one)]
        errors = [error.message for error in validator.iter_errors({**manifest, "metadata": {}})]
        if bool(refused) != bool(errors):
            differ[seed] = ([one.message for one in refused], errors)
    assert differ == {}


def is_of_schema(finding):
    """Whether the CRD's schema sees a problem; not in metadata, nor in what it has no schema for."""
    if {"inline", "withItems"} & set(finding.route) or finding.route[:1] == ("metadata",):
        return False
    if BY_DECODER.search(finding.clause):
        return False
    return (finding.gate is Gate.CRD and finding.code not in BY_RULES) or finding.code in OF_TEXT
