"""A few hundred texts through every channel of a cluster: what comes back is what was sent."""

import random

import pytest

from tests.channels import CHANNELS, is_listed, letter
from tests.harness import LOWERINGS, compile_file, on_cluster, run_on_cluster, stage, write
from tests.hostile import HOSTILE

pytestmark = on_cluster
LETTERS = "{}$()=|;,/\\\"' \n\t\r-e1yn%#*~é日😀\x00\x01\x7f\u2028"
LARGE = 'é{{$"\\\n' * 1250
WORKFLOWS = 9
"""Over which the channels are spread: a workflow and its status hold 1 MiB in all."""


def texts() -> list[str]:
    """Known hazards, and texts of hazardous letters, the same in every run."""
    chance = random.Random(20)
    words = {"".join(chance.choices(LETTERS, k=chance.randrange(1, 12))) for _ in range(120)}
    return [*HOSTILE, *sorted(words), LARGE]


@pytest.mark.parametrize("lowering", LOWERINGS)
@pytest.mark.parametrize("part", range(WORKFLOWS))
def test_texts_come_back(tmp_path, part, lowering):
    chosen = list(CHANNELS)[part::WORKFLOWS]
    names = [name for name in chosen if name.startswith("names_")]
    others = [name for name in chosen if name not in names]
    for group, sent in ((others, texts()), (names, [text for text in texts() if is_listed(text)])):
        if not group:
            continue
        mail = letter(sent, tmp_path, f"strings-{part}", group)
        manifest = compile_file(write(tmp_path, mail.text), lowering)
        stage(tmp_path, *(folder.name for folder in tmp_path.iterdir() if folder.is_dir()))
        options = [word for name, text in mail.params.items() for word in ("-p", f"{name}={text}")]
        arrived = mail.arrived(run_on_cluster(manifest, tmp_path, *options))
        for name, own in mail.sent.items():
            assert arrived[name] == own, name
