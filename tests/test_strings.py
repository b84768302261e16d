"""Every text comes back from every channel as it was sent; what a channel cannot carry is a diagnostic."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.channels import CHANNELS, letter
from tests.harness import LOWERINGS, codes, compile_file, run_here, write
from tests.hostile import HOSTILE

LARGE = 'é{{$"\\\n' * 1250  # 10 kB in UTF-8 and no run of equal characters
KNOWN = [*HOSTILE, LARGE]
EVERY = [name for name in CHANNELS]

texts = st.lists(
    st.one_of(st.text(max_size=40), st.text(alphabet="{}$()=|;,/\\\"' \n-e1yn%#*~\t\r\x00\x7f", max_size=12)),
    min_size=12,
    max_size=12,
    unique=True,
)


def exchanged(sent, folder, lowering, chosen=EVERY):
    """Send texts through channels in a run of their own; return what was sent and what arrived."""
    mail = letter(sent, folder, "strings", chosen)
    manifest = compile_file(write(folder, mail.text), lowering)
    ended = run_here(manifest, folder, folder / "out", parameters=mail.params)
    return mail.sent, mail.arrived(ended)


def check(sent, folder, lowering, chosen=EVERY):
    before, after = exchanged(sent, folder, lowering, chosen)
    for name in before:
        assert after[name] == before[name], name


@pytest.mark.parametrize("lowering", LOWERINGS)
def test_hostile_texts_come_back(tmp_path, lowering):
    check(KNOWN, tmp_path, lowering)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(texts, st.sampled_from(LOWERINGS))
def test_any_text_comes_back(tmp_path_factory, sent, lowering):
    check(sent, tmp_path_factory.mktemp("strings"), lowering)
