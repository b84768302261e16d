"""Write `dsl/argo/types.json`: what Argo's decoder and its CRDs know of each type, for a new version of Argo.

    python tests/argo/make_types.py ARGO K8S_API K8S_APIMACHINERY

The arguments are source trees: of argo-workflows at the version wanted, and of k8s.io/api and
k8s.io/apimachinery at the versions that its go.mod names. From Go come the names, order and types of fields;
from the CRDs (manifests/base/crds/full) the limits.

The result maps a type to its fields, in Go's order: `{"DAGTask": {"name": ["string", flags, limits]}}`. A
type is one word of Go's, `[]T`, `{}T` (a map with text as keys), or a name. Flags: `o` left out when empty,
`p` a pointer, `r` required by the CRD, `x` without a schema in the CRD. Limits use the words of JSON schema;
those of a list's elements stand under `items`, the keys of a list that is a map under `keys`.
"""

import json
import re
import sys
from pathlib import Path

import yaml

ROOTS = ("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow")
CUSTOM = {
    "AnyString", "Item", "Plugin", "Object", "Amount", "ParallelSteps", "Time", "MicroTime", "Duration",
    "IntOrString", "Quantity", "FieldsV1",
}  # fmt: skip
LIMITS = ("enum", "minimum", "maximum", "minLength", "maxLength", "pattern", "minItems", "maxItems")
FIELD = re.compile(r'^\s+(?:(\w+)\s+)?([\w.*\[\]]+)\s+`(?:.*\s)?json:"([^"]*)"')
SKIPPED = {"WorkflowStatus", "CronWorkflowStatus"}


def go_types(paths):
    """Return each struct's fields as (name, type, options), and each other type's meaning."""
    structs, others = {}, {}
    for path in paths:
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
        for name, body in re.findall(r"^type (\w+) struct \{\n(.*?)^\}", text, re.M | re.S):
            structs.setdefault(
                name, [FIELD.match(line).groups() for line in body.split("\n") if FIELD.match(line)]
            )
        structs |= {name: [] for name in re.findall(r"^type (\w+) struct ?\{\}$", text, re.M)}
        others |= dict(re.findall(r"^type (\w+) ((?:\[\]|map\[\w+\])?[\w.]+)$", text, re.M))
        others |= dict(re.findall(r"^\t(\w+) (string|int32|int64)$", text, re.M))
    return structs, others | {"UID": "string"}


class Reader:
    """Turns Go's types into ours, visiting each struct once; Argo and Kubernetes share some names."""

    def __init__(self, argo, kubernetes):
        self.sources, self.found = {"argo": argo, "core": kubernetes}, {}

    def word(self, go, origin):
        """Return our word for a type of Go's that a file of `origin` names."""
        if go.startswith("*"):
            return self.word(go[1:], origin)
        if go == "[]byte":
            return "bytes"
        if go.startswith("[]"):
            return "[]" + self.word(go[2:], origin)
        if match := re.match(r"map\[[\w.]+\](.*)", go):
            return "{}" + self.word(match[1], origin)
        package, _, name = go.rpartition(".")
        origin = "core" if package else origin
        structs, others = self.sources[origin]
        if name in CUSTOM:
            if name == "ParallelSteps":
                self.visit("WorkflowStep", origin)
            return name
        if name in structs:
            return self.visit(name, origin)
        return self.word(others[name], origin) if name in others else name

    def visit(self, name, origin):
        key = f"core.{name}" if origin == "core" and name in self.sources["argo"][0] else name
        if key not in self.found and name not in SKIPPED:
            self.found[key] = {}
            self.found[key] = self.fields(name, origin)
        return key

    def fields(self, name, origin):
        fields = {}
        for _, go, tag in self.sources[origin][0][name]:
            key, *options = tag.split(",")
            if not key:
                package, _, inner = go.lstrip("*").rpartition(".")
                fields |= self.fields(inner, "core" if package else origin)
                continue
            flags = ("o" if "omitempty" in options else "") + ("p" if go.startswith("*") else "")
            fields[key] = [self.word(go, origin), flags, {}]
        return fields


def limits(schema):
    found = {key: schema[key] for key in LIMITS if key in schema}
    if keys := schema.get("x-kubernetes-list-map-keys"):
        found["keys"] = keys
    if schema.get("x-kubernetes-list-type") == "set":
        found["keys"] = []
    return found


def overlay(types, word, schema, seen):
    """Note in the fields of a type what the CRD says of them."""
    if word.startswith(("[]", "{}")):
        inner = schema.get("items") if word[0] == "[" else schema.get("additionalProperties")
        if isinstance(inner, dict):
            overlay(types, word[2:], inner, seen)
        return
    if word == "ParallelSteps":
        overlay(types, "WorkflowStep", schema.get("items", {}), seen)
    if word not in types or "properties" not in schema:
        return
    for key, field in types[word].items():
        inner = schema["properties"].get(key)
        if inner is None:
            continue
        found = limits(inner)
        if (items := inner.get("items")) and field[0] not in ("[]ParallelSteps",) and limits(items):
            found["items"] = limits(items)
        if field[0] == "[]AnyString" or field[0] in CUSTOM:
            found.pop("pattern", None)
        flags = field[1]
        if key in schema.get("required", ()) and "r" not in flags:
            flags += "r"
        if "type" not in inner and "anyOf" not in inner and "x-kubernetes-int-or-string" not in inner:
            flags += "x" if "x" not in flags else ""
        before = seen.get((word, key))
        if before is not None and before != (found, flags):
            assert before[0] == found, f"{word}.{key} has two meanings"
            flags = flags.replace("r", "")  # what one place requires, Go writes in full
        seen[word, key] = (found, flags)
        field[1], field[2] = flags, {**field[2], **found}
        overlay(types, field[0], inner, seen)


def main():
    argo, api, machinery = map(Path, sys.argv[1:])
    own = sorted((argo / "pkg/apis/workflow/v1alpha1").glob("*.go"))
    paths = [
        path
        for path in own
        if not path.name.endswith(("_test.go", ".pb.go")) and "generated" not in path.name
    ]
    core = [machinery / "pkg/apis/meta/v1/types.go", api / "core/v1/types.go", api / "policy/v1/types.go"]
    reader = Reader(go_types(paths), go_types(core))
    for root in ROOTS:
        reader.visit(root, "argo")
    seen = {}
    for root in ROOTS:
        crd = argo / f"manifests/base/crds/full/argoproj.io_{root.lower()}s.yaml"
        document = yaml.load(crd.read_text(), yaml.CSafeLoader)
        schema = document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        overlay(reader.found, root, schema, seen)
    types = {
        name: {key: field[: 3 if field[2] else 2 if field[1] else 1] for key, field in fields.items()}
        for name, fields in sorted(reader.found.items())
    }
    rows = ",\n".join(
        f"{json.dumps(name)}:{json.dumps(fields, separators=(',', ':'))}" for name, fields in types.items()
    )
    target = Path(__file__).parents[2] / "dsl" / "argo" / "types.json"
    target.write_text("{\n" + rows + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
