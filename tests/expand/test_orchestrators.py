"""Orchestrators by themselves: a recipe's function over its inputs, inside and outside a Hera context."""

import pytest
from hera.workflows import DAG, Container, Workflow
from pydantic import ValidationError

from dsl.function import PythonSource
from dsl.partition import FilePartition
from orchestrators import (
    ContainerParallelExecutionOrchestrator,
    ExecutionFunction,
    ParallelConfig,
    ParallelExecutionOrchestrator,
    PythonParallelExecutionOrchestrator,
    RecipeConfig,
    ShellParallelExecutionOrchestrator,
)

RECIPE = RecipeConfig(
    name="sea ice",
    inputs=["a.tif", "b.tif", "c.tif"],
    image="debian:12-slim",
    parallel=ParallelConfig(partition_size=2, max_parallelism=4),
)


def size_of(input_file):
    return input_file.stat().st_size


KINDS = [
    (ShellParallelExecutionOrchestrator, ExecutionFunction(name="cmd-0", command="process.sh")),
    (PythonParallelExecutionOrchestrator, ExecutionFunction(name="cmd-0", function=size_of)),
    (ContainerParallelExecutionOrchestrator, ExecutionFunction(name="cmd-0", command=("sort", "x"))),
]


def test_the_example_of_the_ancestor_works_as_written():
    recipe_config = RecipeConfig(
        name="sea ice",
        inputs=["a.tif", "b.tif", "c.tif"],
        image="debian:12-slim",
        parallel=ParallelConfig(partition_size=2, max_parallelism=4),
    )
    orchestrator = ShellParallelExecutionOrchestrator(
        recipe_config=recipe_config,
        execution_function=ExecutionFunction(name="cmd-0", command="process.sh"),
    )
    template = orchestrator.create_execution_template()
    tasks = orchestrator.create_parallel_tasks(template)
    assert [task.name for task in tasks] == ["cmd-0-partition-0", "cmd-0-partition-1"]
    assert (template.name, template.image, {task.template for task in tasks}) == (
        "cmd-0",
        "debian:12-slim",
        {"cmd-0"},
    )


def test_each_task_gets_its_own_files():
    orchestrator = ShellParallelExecutionOrchestrator(RECIPE, KINDS[0][1])
    tasks = orchestrator.create_parallel_tasks(orchestrator.create_execution_template())
    given = [{parameter.name: parameter.value for parameter in task.arguments} for task in tasks]
    assert [arguments["items"] for arguments in given] == ["0;a.tif;b.tif", "2;c.tif"]


@pytest.mark.parametrize(("orchestrator", "function"), KINDS)
def test_every_kind_makes_a_template_and_a_task_per_partition(orchestrator, function):
    sizes = ParallelConfig(partition_size=1)
    made = orchestrator(RECIPE.model_copy(update={"parallel": sizes}), function)
    tasks = made.create_parallel_tasks(made.create_execution_template())
    assert [task.name for task in tasks] == [f"cmd-0-partition-{index}" for index in range(3)]


def test_in_a_workflow_the_template_is_the_workflows():
    with Workflow(name="w", entrypoint="main") as workflow:
        made = ShellParallelExecutionOrchestrator(RECIPE, KINDS[0][1])
        made.create_execution_template()
    assert [template.name for template in workflow.templates] == ["cmd-0"]


def test_in_a_dag_the_tasks_are_the_dags_and_the_manifest_is_complete():
    with Workflow(name="w", entrypoint="main") as workflow:
        made = ShellParallelExecutionOrchestrator(RECIPE, KINDS[0][1])
        template = made.create_execution_template()
        with DAG(name="main") as dag:
            made.create_parallel_tasks(template)
    assert [task.name for task in dag.tasks] == ["cmd-0-partition-0", "cmd-0-partition-1"]
    manifest = workflow.to_dict()
    assert [template["name"] for template in manifest["spec"]["templates"]] == ["cmd-0", "main"]


def test_all_of_it_may_stand_in_the_dag():
    with Workflow(name="w", entrypoint="main"), DAG(name="main") as dag:
        made = ShellParallelExecutionOrchestrator(RECIPE, KINDS[0][1])
        tasks = made.create_parallel_tasks(made.create_execution_template())
    assert [task.name for task in dag.tasks] == [task.name for task in tasks]


def test_inside_and_outside_a_context_the_templates_are_equal():
    plain = ShellParallelExecutionOrchestrator(RECIPE, KINDS[0][1]).create_execution_template()
    with Workflow(name="w", entrypoint="main"):
        bound = ShellParallelExecutionOrchestrator(RECIPE, KINDS[0][1]).create_execution_template()
    assert (plain.source, plain.env, plain.inputs) == (bound.source, bound.env, bound.inputs)


@pytest.mark.parametrize(
    ("orchestrator", "function", "message"),
    [
        (ShellParallelExecutionOrchestrator, KINDS[1][1], "cmd-0 needs a command"),
        (ShellParallelExecutionOrchestrator, KINDS[2][1], "cmd-0 needs a command"),
        (PythonParallelExecutionOrchestrator, KINDS[0][1], "cmd-0 needs a function"),
        (ContainerParallelExecutionOrchestrator, KINDS[0][1], "cmd-0 needs a command"),
    ],
)
def test_a_function_of_another_kind_is_a_value_error(orchestrator, function, message):
    with pytest.raises(ValueError, match=message):
        orchestrator(RECIPE, function).create_execution_template()


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[2]])
def test_a_missing_image_is_a_value_error(kind):
    orchestrator, function = kind
    with pytest.raises(ValueError, match="cmd-0 needs an image"):
        orchestrator(RecipeConfig(name="r", inputs=["a"]), function).create_execution_template()


def test_a_python_function_has_an_image_by_default():
    made = PythonParallelExecutionOrchestrator(RecipeConfig(name="r", inputs=["a"]), KINDS[1][1])
    assert made.create_execution_template().image == "python:3.12-slim"


def test_a_recipe_without_inputs_has_no_tasks():
    made = ShellParallelExecutionOrchestrator(RecipeConfig(name="r", image="i"), KINDS[0][1])
    assert made.create_parallel_tasks(made.create_execution_template()) == []


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (RecipeConfig, {"name": "r", "inptus": []}),
        (RecipeConfig, {"name": ""}),
        (ParallelConfig, {"partition_size": 0}),
        (ParallelConfig, {"max_parallelism": 0}),
        (ParallelConfig, {"size": 1}),
        (FilePartition, {"index": 0, "start": 0, "items": [], "files": []}),
        (FilePartition, {"index": -1, "start": 0, "items": []}),
        (ExecutionFunction, {"name": "f", "command": "true", "imge": "i"}),
        (ExecutionFunction, {"name": "f"}),
        (ExecutionFunction, {"name": "f", "command": "true", "function": PythonSource(source="", entry="f")}),
        (ExecutionFunction, {"name": "", "command": "true"}),
    ],
)
def test_models_refuse_unknown_fields_and_impossible_values(model, fields):
    with pytest.raises(ValidationError):
        model(**fields)


def test_exactly_one_of_command_and_function_is_given():
    with pytest.raises(ValidationError, match="exactly one of command and function"):
        ExecutionFunction(name="f")


def test_the_base_class_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        ParallelExecutionOrchestrator(RECIPE, KINDS[0][1])


class Backwards(ParallelExecutionOrchestrator):
    """A third party's orchestrator, which makes tasks in its own way."""

    def create_execution_template(self):
        return Container(**self.leaf.template_fields(), command=["true"])

    def _create_tasks_from_partitions(self, partitions, template):
        return [self.partition_task(partition, template) for partition in reversed(partitions)]


def test_a_third_party_makes_tasks_in_its_own_way():
    made = Backwards(RECIPE, KINDS[2][1])
    tasks = made.create_parallel_tasks(made.create_execution_template())
    assert [task.name for task in tasks] == ["cmd-0-partition-1", "cmd-0-partition-0"]


def test_a_third_party_has_to_say_how_its_tasks_are_made():
    assert ParallelExecutionOrchestrator.__abstractmethods__ == {
        "create_execution_template",
        "_create_tasks_from_partitions",
    }


def test_the_kinds_that_ship_make_tasks_in_one_way():
    assert len({orchestrator._create_tasks_from_partitions for orchestrator, _ in KINDS}) == 1


@pytest.mark.parametrize(("orchestrator", "function"), KINDS)
def test_making_a_template_changes_nothing_in_an_orchestrator(orchestrator, function):
    made = orchestrator(RECIPE.model_copy(update={"parallel": ParallelConfig()}), function)
    before = made.leaf
    made.create_execution_template()
    assert made.leaf is before
