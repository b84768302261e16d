"""What the README shows is what the project has: its example, its manifest, its codes and its commands."""

import re
from pathlib import Path
from typing import get_args

from click.testing import CliRunner

from dsl.cli import dsl
from dsl.codes import Code
from dsl.function import DagOptions, TaskOptions, TriggerRule

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_the_example_is_the_file_that_the_first_command_runs():
    assert blocks("python") == [(ROOT / "examples/weather.py").read_text(encoding="utf-8")]
    assert blocks("sh")[0].endswith("dsl run examples/weather.py\n")


def test_the_excerpts_stand_in_the_manifest_in_this_order():
    excerpts = blocks("yaml")[0].split("# …\n")
    manifest = (ROOT / "examples/weather.yaml").read_text(encoding="utf-8")
    places = [manifest.find(excerpt) for excerpt in excerpts]
    assert -1 not in places
    assert places == sorted(places)


def test_two_headings_have_one_block_of_one_line_each():
    for heading in ("Run it", "Test it"):
        section = re.split(rf"^## {heading}$", TEXT, flags=re.MULTILINE)[1].split("\n## ")[0]
        found = re.findall(r"^```sh\n(.*)\n```$", section, re.MULTILINE)
        assert len(found) == section.count("```") / 2 == 1


def test_every_code_and_example_is_listed():
    codes = re.findall(r"^\| (DSL\d+) \| (\w+) \| (.*) \|$", TEXT, re.MULTILINE)
    assert codes == [(code.id, code.severity.value, code.summary) for code in Code]
    listed = re.findall(r"^\| \[(.*)\]\(examples/\1\)", TEXT, re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in (ROOT / "examples").glob("*.py"))


def test_every_option_and_command_is_named():
    words = set(re.findall(r"[\w-]+", TEXT))
    assert {*TaskOptions.model_fields, *DagOptions.model_fields, *dsl.commands} <= words
    for name, command in dsl.commands.items():
        flags = re.findall(r"(--\w[\w-]*)", CliRunner().invoke(command, ["--help"]).output)
        unknown = {flag for flag in flags if flag not in TEXT} - {"--help", "--output", "--param"}
        assert not unknown, f"dsl {name}"


def test_what_a_skip_means_is_told_with_every_rule_and_the_way_around_it():
    [paragraph] = [part for part in TEXT.split("\n\n") if part.startswith("A node whose condition does not")]
    assert set(get_args(TriggerRule)) <= set(re.findall(r"\w+", paragraph))
    assert "every node that waits for it" in paragraph
    assert ".default(" in paragraph


def test_a_container_task_is_said_to_get_one_item():
    [row] = [line for line in TEXT.splitlines() if line.startswith("| `@task.container` |")]
    assert row.endswith("; a pod gets one item |")


def test_commands_that_check_every_dag_are_named_beside_the_option_that_chooses_one():
    flags = {
        name: {flag for one in command.params for flag in one.opts} for name, command in dsl.commands.items()
    }
    [every] = [name for name, of in flags.items() if "--timeout" in of and "--dag" not in of]
    assert f"(`{every}` checks them all)" in TEXT
