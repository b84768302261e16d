"""The programs inside a pod: where a manifest carries them, and under which names."""

import pytest

from tests.harness import compile_file, run_here, write

SHELL = '@task.shell(image="i")\ndef s{n}(): return "echo {n} > $RESULT_FILE"\n'
PYTHON = "@task\ndef p{n}(): return {n}\n"


def manifest_of(folder, shells, pythons, options=""):
    names = [f"s{n}" for n in range(shells)] + [f"p{n}" for n in range(pythons)]
    text = "".join(SHELL.format(n=n) for n in range(shells)) + "".join(
        PYTHON.format(n=n) for n in range(pythons)
    )
    calls = "".join(f"    {name}()\n" for name in names)
    return compile_file(write(folder, f'{text}with DAG("d"{options}):\n{calls}'))


def sources(manifest):
    """Return the source of every script by the name of its template, a program as `inline`."""
    found = {t["name"]: t["script"]["source"] for t in manifest["spec"]["templates"] if "script" in t}
    return {name: source if len(source) < 100 else "inline" for name, source in found.items()}


def parameters(manifest):
    return [parameter["name"] for parameter in manifest["spec"].get("arguments", {}).get("parameters", [])]


@pytest.mark.parametrize(("shells", "pythons"), [(1, 1), (2, 0)])
def test_a_few_templates_carry_their_programs_and_can_be_read_alone(shells, pythons, tmp_path):
    manifest = manifest_of(tmp_path, shells, pythons)
    assert set(sources(manifest).values()) == {"inline"}
    assert parameters(manifest) == []


def test_what_is_long_together_is_held_once_each(tmp_path):
    manifest = manifest_of(tmp_path, shells=1, pythons=3)
    python = "{{workflow.parameters.run-py}}"
    assert sources(manifest) == {
        "s0": "{{workflow.parameters.run-sh}}",
        "p0": python,
        "p1": python,
        "p2": python,
    }
    assert parameters(manifest) == ["run-sh", "run-py"]


def test_a_parameter_of_the_author_keeps_its_name(tmp_path):
    manifest = manifest_of(tmp_path, 12, 0, ', params={"run-sh": "x", "run-sh-2": "y"}')
    assert parameters(manifest) == ["run-sh", "run-sh-2", "run-sh-3"]
    assert set(sources(manifest).values()) == {"{{workflow.parameters.run-sh-3}}"}
    ended = run_here(manifest, tmp_path, tmp_path / "out").succeeded()
    assert ended.values["s11"] == "11"
