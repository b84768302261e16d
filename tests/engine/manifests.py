"""Small manifests in the forms that the compiler emits, for the engine's tests."""

import json

from dsl.engine import RunOptions, run

NOP = {"name": "nop", "suspend": {"duration": "0"}}
ROOT = {"name": "ARGOSY_ROOT", "value": "/argosy"}
WHOLE = {"none": {}}


def AGG(task, output):
    """The guarded list of a loop's outputs."""
    parameters = f"tasks.{task}.outputs.parameters"
    return f"type({parameters}) == 'string' ? '[]' : ({parameters}['{output}'] ?? '[]')"


def workflow(*templates, name="wf", kind="Workflow", **spec):
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"entrypoint": "main", **spec, "templates": list(templates)},
    }


def leaf(
    name, source, *, each="partition", result="lines", inputs=(), artifacts=(), env=(), key=None, **more
):
    """A script of ours: its root by ARGOSY_ROOT, its files in out/, its value in result."""
    folder = "{{workflow.name}}/" + name + "/{{inputs.parameters.index}}" if key is None else key
    return {
        "name": name,
        "metadata": {"annotations": {"argosy/node": name, "argosy/each": each, "argosy/result": result}},
        "inputs": {
            "parameters": [{"name": "index"}, *({"name": n} for n in inputs)],
            "artifacts": list(artifacts),
        },
        "outputs": {
            "parameters": [
                {"name": "result", "valueFrom": {"path": "/argosy/result", "default": "null"}},
            ],
            "artifacts": [
                {
                    "name": "files",
                    "path": "/argosy/out",
                    "archive": WHOLE,
                    "optional": True,
                    "s3": {"key": folder},
                },
            ],
        },
        "script": {
            "image": "busybox:1",
            "command": ["sh"],
            "env": [ROOT, {"name": "INDEX", "value": "{{inputs.parameters.index}}"}, *env],
            "source": f'cd "$ARGOSY_ROOT"\n{source}',
        },
        **more,
    }


def task(name, template=None, depends=None, **more):
    arguments = {}
    if "parameters" in more:
        arguments["parameters"] = [{"name": n, "value": v} for n, v in more.pop("parameters").items()]
    if "artifacts" in more:
        arguments["artifacts"] = more.pop("artifacts")
    raw = {"name": name, "template": template or name, "arguments": arguments, **more}
    return {**raw, "depends": depends} if depends else raw


def dag(name, *tasks, inputs=(), outputs=None, **more):
    raw = {
        "name": name,
        "inputs": {"parameters": [{"name": n} for n in inputs]},
        "dag": {"tasks": list(tasks)},
        **more,
    }
    if outputs:
        raw["outputs"] = {"parameters": [{"name": n, "valueFrom": source} for n, source in outputs.items()]}
    return raw


def ran(manifest, out, **options):
    """Run a manifest; return the outcome and what results.json says of its tasks."""
    outcome = run(manifest, RunOptions(out, **{"jobs": 4, **options}))
    return outcome, json.loads((out / "results.json").read_text())["tasks"]


def phases(outcome):
    return {path: node.phase for path, node in outcome.nodes.items()}
