"""Stage 4: whether a task can read files that a container task left when it failed.

Our own programs move results into place as their last step. An argv has no such step, and Argo stores what a
failed attempt wrote, so only those may read it that run after success.
"""

from __future__ import annotations

from collections.abc import Iterator

import networkx as nx

from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Related
from dsl.graph import Graph
from dsl.provenance import has_worker

_AFTER_SUCCESS = ("all_success", "none_failed", "none_failed_min_one_success", "all_skipped")
"""Rules under which a node does not run when an upstream failed."""


def unfinished_files(graph: Graph) -> Iterator[Diagnostic]:
    """A node that forgives a failure would read what a container task wrote until it failed."""
    strict = {node.id for node in graph if node.options.trigger_rule in _AFTER_SUCCESS}
    for node in graph:
        writers = dict.fromkeys(files.written.writer for files in node.inputs)
        for writer in (name for name in writers if name and not has_worker(graph.node(name).function)):
            waits = graph.digraph.subgraph({*strict, writer})
            if node.id in strict and nx.has_path(waits, writer, node.id):
                continue
            message = f"{node.id} may run after the container task {writer} failed, and read what that left"
            hint = f"make {writer} a @task.shell, or remove the trigger_rule= that forgives its failure"
            related = (Related(f"{writer} writes them", graph.node(writer).location),)
            yield Diagnostic(Code.UNFINISHED_FILES, node.location, message, hint, related)
