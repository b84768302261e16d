"""What a task asks of its node reaches the manifest as the author wrote it, in any unit of Kubernetes."""

import pytest

from tests.harness import compile_file, write

KINDS = {
    "python": "@task({})\ndef work(): return 1\n",
    "shell": '@task.shell(image="i", {})\ndef work(): return "true"\n',
    "container": '@task.container(image="i", {})\ndef work(): return ["true"]\n',
}


def resources(folder, options, kind="python"):
    path = write(folder, KINDS[kind].format(options) + 'with DAG("d"):\n    work()\n')
    templates = compile_file(path)["spec"]["templates"]
    [leaf] = [t for t in templates if t["name"] == "work"]
    return (leaf.get("script") or leaf["container"]).get("resources")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("memory=1000000000", "1000000000"),
        ('memory="500M"', "500M"),
        ('memory="1.5Gi"', "1.5Gi"),
    ],
)
def test_memory_is_both_what_is_kept_free_and_the_limit(kind, option, text, tmp_path):
    assert resources(tmp_path, option, kind) == {"limits": {"memory": text}, "requests": {"memory": text}}


@pytest.mark.parametrize(("option", "text"), [('"10G"', "10G"), ('"1Ti"', "1Ti"), ("5000", "5000")])
def test_disk_is_kept_free_and_has_no_limit(option, text, tmp_path):
    assert resources(tmp_path, f"disk={option}") == {"requests": {"ephemeral-storage": text}}


@pytest.mark.parametrize(("option", "text"), [("2", "2"), ("0.5", "0.5"), ('"250m"', "250m")])
def test_cpu_is_kept_free_and_has_no_limit(option, text, tmp_path):
    assert resources(tmp_path, f"cpu={option}") == {"requests": {"cpu": text}}


def test_gpus_are_asked_for_by_the_name_that_clusters_give_them(tmp_path):
    gpus = {"nvidia.com/gpu": "2"}
    assert resources(tmp_path, "gpu=2") == {"limits": gpus, "requests": gpus}


def test_a_task_that_asks_for_nothing_says_nothing(tmp_path):
    assert resources(tmp_path, "") is None
