"""Stage 3, second half: drafts in, the graph out. Nodes are resolved one by one, upstream first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import networkx as nx

from dsl import provenance
from dsl.argument import NodeValue
from dsl.author import DAG, Element, Node, foreign
from dsl.bare import add_names, check_bare
from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Rejected
from dsl.domain import (
    Axis,
    Domain,
    crossed,
    named_axis,
    of_discovered,
    of_source,
    own_axis,
    regrouped,
    zipped,
)
from dsl.draft import Draft, Drafts, make_drafts
from dsl.frequency import check_fit, each_of, key_parameters
from dsl.graph import Graph, GraphNode, Written, join_of, knots, operands
from dsl.operand import FileOf, Operand, Output
from dsl.outputs import check_folder, names_of, outputs_of, written_by
from dsl.reading import Role
from dsl.source import Items, Repartition, Source
from dsl.values import (
    Resolved,
    arguments_of,
    check_conditions,
    check_discoverable,
    part_expanded,
    path_as_file,
    source_as_argument,
    unknown_argument,
    unknown_arguments,
)


def make_graph(dag: DAG) -> Graph:
    """Return the graph of a DAG, with a diagnostic for everything in it that is unsound."""
    drafts = make_drafts(dag)
    resolver = _Resolver(dag, drafts)
    resolver.resolve()
    names = {draft.id: draft.name for draft in drafts.sound.values()}
    functions = {drafts.ids[id(node)]: node.task.fn for node in dag.nodes}
    problems = (*drafts.problems, *resolver.problems)
    return Graph(
        dag,
        drafts.options,
        resolver.digraph,
        drafts.waits,
        drafts.ids,
        names,
        functions,
        tuple(resolver.sources),
        problems,
    )


class _Resolver:
    def __init__(self, dag: DAG, drafts: Drafts) -> None:
        self.dag = dag
        self.drafts = drafts
        self.problems: list[Diagnostic] = []
        self.nodes: dict[str, GraphNode] = {}
        self.resolved = Resolved(self.nodes, drafts.ids)
        self.digraph: nx.DiGraph[str] = nx.DiGraph()
        self.sources: list[tuple[str, str]] = []
        self.domains: dict[int, Domain | Rejected] = {}
        self.named: dict[str, int] = {}

    def resolve(self) -> None:
        """Resolve every node whose upstreams are sound."""
        waits = self.drafts.waits
        broken = {node for knot in knots(waits) for node in knot}
        sound = waits.subgraph([node for node in waits if node not in broken])
        order = {node: position for position, node in enumerate(waits)}
        for node_id in nx.lexicographical_topological_sort(sound, key=order.__getitem__):
            draft = self.drafts.sound.get(node_id)
            if draft is None:
                continue
            if draft.mistaken or any(before not in self.nodes for before in waits.predecessors(node_id)):
                self.problems += unknown_arguments(draft)
                continue
            try:
                node = self.node(draft)
            except Rejected as rejected:
                self.problems += rejected.diagnostics
                continue
            self.nodes[node_id] = node
            self.digraph.add_node(node_id, node=node)
            self.add_edges(draft, node)
        self.look_at_other_sources()

    def look_at_other_sources(self) -> None:
        """Find what is wrong with sources of which no node is sound."""
        for link in self.dag.links:
            source = link.upstream
            if isinstance(source, Source) and id(source) not in self.domains:
                if isinstance(source, Items) and source.upstream is not None:
                    continue
                try:
                    self.source_domain(source)
                except Rejected as rejected:
                    self.problems += rejected.diagnostics

    def node(self, draft: Draft) -> GraphNode:
        """Return one node, all of whose upstreams are resolved. Raises Rejected if it cannot be."""
        self.reject_arguments(draft)
        upstreams, entries = self.upstreams(draft), self.entries(draft)
        self.reject_hidden(draft)
        own = [w for source in entries for w in self.source_files(source)]
        files = provenance.reaching(upstreams, own)
        draft = replace(draft, keywords=_keywords(upstreams))
        axis = self.axis(draft, upstreams, entries, files)
        domain = axis.domain if axis else None
        draft = replace(draft, keywords=axis.keywords if axis else {})
        files = (*files, *self.expanded_files(draft))
        each, reason = each_of(draft, domain, bool(entries), files)
        if each == "all":
            domain = None
        inputs = provenance.inputs_of(draft, each, domain, files, self.nodes, self.drafts.ids)
        alone = inputs and all(i.kind == "one" and i.written.domain for i in inputs)
        if domain and each == "item" and alone and draft.options.each is None:
            each, reason = "partition", f"{inputs[0].upstream} writes one file per partition"
        if domain is None and each == "item" and not any(i.kind == "list" for i in inputs):
            each = "all"
        check_folder(draft, each, domain, inputs)
        keys = partial(self.keys_before, draft, upstreams)
        arguments = arguments_of(draft, each, domain, self.resolved, keys)
        check_fit(draft, each, domain, inputs, arguments)
        written_names = outputs_of(draft, each, domain, inputs, arguments)
        written = written_by(draft, each, domain, inputs, written_names)
        if not provenance.has_worker(draft.function):
            check_bare(draft, each, domain, inputs, written, self.drafts.options.storage)
            add_names(draft, domain, written)
        folder = next((parameter.name for parameter in draft.reading.of(Role.OUT_DIR)), None)
        check_conditions(draft, domain, self.resolved)
        return GraphNode(
            draft.id,
            draft.node.location,
            draft.function,
            draft.options,
            draft.reading,
            each,
            reason,
            domain,
            inputs,
            written_names,
            folder,
            arguments,
            tuple(draft.node.conditions),
            written or files,
            draft.keywords if domain else {},
        )

    def reject_arguments(self, draft: Draft) -> None:
        """Raise Rejected for sources where one value is taken, and for constants where a file is."""
        wrong: list[Diagnostic] = []
        files = (Role.IN_FILE, Role.IN_FILES, Role.IN_DIR)
        for name, value in draft.node.arguments.items():
            parameter = draft.reading.named.get(name)
            if isinstance(value, Source):
                wrong.append(source_as_argument(draft, name))
            elif parameter and parameter.role in files and not isinstance(value, Operand | Element | FileOf):
                wrong.append(path_as_file(draft, name, value))
        if wrong:
            raise Rejected(*wrong)

    # -- what stands before a node

    def upstreams(self, draft: Draft) -> list[GraphNode]:
        """Return the nodes that stand before a node in chains, directly or before its Repartition."""
        found: dict[str, GraphNode] = {}
        for element, _ in draft.incoming:
            behind = self.before(element) if isinstance(element, Repartition) else [element]
            for node in behind:
                if isinstance(node, Node):
                    node_id = self.drafts.ids[id(node)]
                    found[node_id] = self.nodes[node_id]
        return list(found.values())

    def entries(self, draft: Draft) -> list[Source | Repartition]:
        """Return the sources and Repartitions that stand directly before a node."""
        found = {id(e): e for e, _ in draft.incoming if isinstance(e, Source | Repartition)}
        return list(found.values())

    def before(self, element: Element) -> list[Element]:
        """Return what stands directly before a source or Repartition."""
        return [upstream for upstream, _ in self.drafts.before.get(id(element), ())]

    def source_files(self, entry: Source | Repartition) -> tuple[Written, ...]:
        """Return the files of a source; a Repartition has none of its own."""
        if isinstance(entry, Repartition):
            return ()
        return provenance.source_files(self.source_domain(entry))

    def source_domain(self, source: Source) -> Domain:
        """Return the domain of a source, the same one wherever it stands; its items are read once."""
        if id(source) not in self.domains:
            try:
                self.domains[id(source)] = self.read(source)
            except Rejected as rejected:
                self.domains[id(source)] = rejected
        found = self.domains[id(source)]
        if isinstance(found, Rejected):
            raise found
        return found

    def read(self, source: Source, keyword: str | None = None) -> Domain:
        """Return a new domain of a source, whose item is called `keyword`. Raises Rejected if it has none."""
        name = type(source).__name__
        self.named[name] = self.named.get(name, 0) + 1
        label = name if self.named[name] == 1 else f"{name}-{self.named[name]}"
        if not isinstance(source, Items) or not isinstance(source.upstream, Node):
            return of_source(source, label, keyword)
        node_id = self.drafts.ids.get(id(source.upstream), "")
        if not node_id:
            raise Rejected(foreign(source.upstream, source.location))
        check_discoverable(source, self.nodes[node_id])
        return of_discovered(source, label, keyword or "item", node_id)

    # -- what a node maps over

    def axis(
        self,
        draft: Draft,
        upstreams: Sequence[GraphNode],
        entries: Sequence[Source | Repartition],
        files: Sequence[Written],
    ) -> Axis | None:
        """Return what a node maps over, by the names that it has for it, or None if it runs once."""
        if len(entries) > 1:
            message = f"{draft.id} gets its items from {len(entries)} sources"
            own = f"{draft.node.task.__name__}.override(task_id=…)"
            hint = f"use one source with several patterns, or {own} per source"
            raise _rejected(draft, Code.TWO_SOURCES, message, hint)
        domains = [self.entry_domain(entry) for entry in entries]
        if not domains and (draft.node.expanded or self.maps(draft, upstreams, files)):
            domains = self.upstream_domains(draft, upstreams, files)
        axes = [self.known_axis(draft, upstreams, domain) for domain in domains]
        labels = [domain.name for domain in domains]
        for keyword, value in draft.node.expanded.items():
            axis = self.expanded_axis(draft, upstreams, keyword, value)
            same = [index for index, other in enumerate(axes) if other.domain is axis.domain]
            labels.append(keyword)
            if same and not draft.node.zipped:
                other = axes[same[0]]
                axes[same[0]] = Axis(other.domain, {**other.names, **axis.names})
            else:
                axes.append(axis)
        if draft.node.zipped and axes:
            incoming = 0 if draft.node.zipped == "zip" else len(domains)
            if labels[incoming:]:
                axes[incoming:] = [zipped(axes[incoming:], labels[incoming:], draft.node.location)]
        return crossed(axes, draft.node.location) if axes else None

    def known_axis(self, draft: Draft, upstreams: Sequence[GraphNode], domain: Domain) -> Axis:
        """Return a domain by the names that the nodes before a node have for it and that it does not take."""
        mapped = [*upstreams, *self.file_arguments(draft), *self.expanded_nodes(draft)]
        known = _keywords(node for node in mapped if node.domain is domain)
        return own_axis(domain, {n: c for n, c in known.items() if n not in draft.node.expanded})

    def entry_domain(self, entry: Source | Repartition) -> Domain:
        """Return the domain of a source or Repartition that stands directly before a node."""
        if isinstance(entry, Source):
            return self.source_domain(entry)
        if id(entry) not in self.domains:
            behind = [node for node in self.before(entry) if isinstance(node, Node)]
            upstreams = [self.nodes[self.drafts.ids[id(node)]] for node in behind]
            files = provenance.reaching(upstreams, ())
            domains = {id(w.domain): w.domain for w in files}
            domain = next(iter(domains.values()), None)
            if len(domains) != 1 or domain is None or domain.discovered_by:
                message = "Repartition needs one mapped task before it, over items known at compile time"
                hint = "put it after a task that runs per item and writes files"
                raise Rejected(Diagnostic(Code.REPARTITION, entry.location, message, hint))
            names = names_of(files[0]) if files[0].each == "item" else None
            mapped = [node for node in upstreams if node.domain is domain]
            self.domains[id(entry)] = regrouped(entry, own_axis(domain, _keywords(mapped)), names)
        found = self.domains[id(entry)]
        if isinstance(found, Rejected):
            raise found
        return found

    def upstream_domains(
        self, draft: Draft, upstreams: Sequence[GraphNode], files: Sequence[Written]
    ) -> list[Domain]:
        """Return the domains that come along `>>` or through file arguments; more than one is an error."""
        found: list[Domain] = []
        bound = self.file_arguments(draft)
        writers = [node for node in (*upstreams, *bound) if any(w.writer == node.id for w in node.written)]
        relevant = [w.domain for w in files if w.domain] if writers else [node.domain for node in upstreams]
        for domain in (*relevant, *(node.domain for node in bound)):
            if domain is not None and domain not in found:
                found.append(domain)
        if len(found) > 1:
            facts = " and ".join(domain.name for domain in found)
            message = f"{draft.id} reads items of {facts} at once"
            hint = "map both over one source, or read input_dir"
            raise _rejected(draft, Code.NO_COMMON_SOURCE, message, hint)
        return found

    def maps(self, draft: Draft, upstreams: Sequence[GraphNode], files: Sequence[Written]) -> bool:
        """Whether a node without a source of its own runs per item or partition of its upstreams."""
        if draft.options.each is not None:
            return draft.options.each != "all"
        roles = {p.role for p in draft.reading.parameters if p.name not in draft.node.arguments}
        if roles & {Role.IN_FILE, Role.IN_FILES, Role.ITEM, Role.ITEMS}:
            return True
        given = self.file_arguments(draft)
        if given:
            return any(node.is_mapped for node in given)
        if Role.IN_DIR in roles:
            return False
        return bool(key_parameters(draft, {id(n.domain): n.domain for n in upstreams if n.domain}.values()))

    def file_arguments(self, draft: Draft) -> list[GraphNode]:
        """Return the nodes whose files are arguments of file parameters."""
        roles = {name: parameter.role for name, parameter in draft.reading.named.items()}
        nodes = [_node(v) for name, v in draft.node.arguments.items() if roles.get(name) is Role.IN_FILE]
        return [self.nodes[self.drafts.ids[id(node)]] for node in nodes if node is not None]

    def expanded_nodes(self, draft: Draft) -> list[GraphNode]:
        """Return the nodes that are keywords of `.expand`."""
        nodes = [_node(value) for value in draft.node.expanded.values()]
        return [self.resolved.of(node) for node in nodes if node is not None]

    def expanded_files(self, draft: Draft) -> list[Written]:
        """Return the files of sources that are keywords of `.expand`."""
        found = []
        for keyword, value in draft.node.expanded.items():
            if isinstance(value, Source):
                axis = named_axis(self.source_domain(value), keyword)
                if (column := axis.names[keyword]) in axis.domain.files:
                    found.append(Written(None, axis.domain, "item", keyword, column, ()))
        return found

    def expanded_axis(
        self, draft: Draft, upstreams: Sequence[GraphNode], keyword: str, value: object
    ) -> Axis:
        """Return what a node maps over by one keyword of `.expand`."""
        if keyword not in draft.reading.named:
            raise unknown_argument(draft, keyword)
        if isinstance(value, FileOf) and draft.reading.named[keyword].role is not Role.IN_FILE:
            message = f"{keyword} of {draft.id} is a file, not a value"
            raise _rejected(draft, Code.NOT_JSON, message, f"annotate {keyword}: InFile")
        if isinstance(value, Node | FileOf):
            node = self.resolved.of(value.node if isinstance(value, FileOf) else value)
            if node.domain is not None:
                return self.known_axis(draft, upstreams, node.domain)
            value = Items(value.node if isinstance(value, FileOf) else value)
        elif not isinstance(value, Source):
            if isinstance(value, Operand):
                raise part_expanded(draft, keyword, value)
            if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__iter__"):
                message = f"{keyword}={value!r} is no list to expand over"
                hint = f"write {keyword}=[…], or .partial({keyword}=…) for one value"
                raise _rejected(draft, Code.NOT_JSON, message, hint)
            value = Items(list(value))
        else:
            return named_axis(self.source_domain(value), keyword)
        value.location = draft.node.location
        return own_axis(self.read(value, keyword), {})

    def keys_before(self, draft: Draft, upstreams: Sequence[GraphNode]) -> set[str]:
        """Return the keys of the items that stand before a node in chains."""
        keys = {key for node in upstreams if node.domain for key in (*node.domain.keys, *node.keywords)}
        return keys | {key for entry in self.entries(draft) for key in self.keys_of(entry)}

    def keys_of(self, entry: Source | Repartition) -> tuple[str, ...]:
        """Return the keys of the items of a source or Repartition whose domain is known by now."""
        domain = self.domains.get(id(entry))
        return domain.keys if isinstance(domain, Domain) else ()

    # -- edges

    def reject_hidden(self, draft: Draft) -> None:
        """Raise Rejected for a source in mid-chain after nodes that wrote files."""
        for element, location in draft.incoming:
            behind = self.before(element) if isinstance(element, Source) else []
            nodes = [self.nodes[self.drafts.ids[id(node)]] for node in behind if isinstance(node, Node)]
            wrote = [node.id for node in nodes if any(w.writer == node.id for w in node.written)]
            if wrote:
                message = f"the files of {', '.join(wrote)} do not pass through {type(element).__name__}"
                hint = "to divide them anew write Repartition(size=…) in its place"
                raise Rejected(Diagnostic(Code.SOURCE_IN_CHAIN, location, message, hint))

    def add_edges(self, draft: Draft, node: GraphNode) -> None:
        """Add an edge for every node that this one waits for."""
        for before in self.drafts.waits.predecessors(draft.id):
            upstream = self.nodes[before]
            reads = any(before in (i.written.writer, i.written.passed_on_by) for i in node.inputs)
            value = any(isinstance(a, NodeValue) and a.node == before for a in node.arguments.values())
            asked = [o for condition, _ in draft.node.conditions for o in operands(condition)]
            read = {id(o.node if isinstance(o, Output) else o) for o in asked}
            value = value or any(self.drafts.ids.get(one) == before for one in read)
            value = value or (node.domain is not None and node.domain.discovered_by == before)
            carries = "files" if reads else "value" if value else "order"
            location = self.drafts.waits.edges[before, draft.id]["location"]
            join, why = join_of(upstream, node)
            self.digraph.add_edge(before, draft.id, join=join, carries=carries, reason=why, location=location)
        if node.domain is not None and isinstance(node.domain.origin, Source) and self.is_head(draft, node):
            self.sources.append((node.domain.name, node.id))

    def is_head(self, draft: Draft, node: GraphNode) -> bool:
        """Whether a node gets its items from the source itself, not along an aligned join."""
        return not any(self.nodes[b].domain is node.domain for b in self.drafts.waits.predecessors(draft.id))


def _keywords(nodes: Iterable[GraphNode]) -> dict[str, str]:
    """Return what nodes call columns of their domains that have another name."""
    return {name: column for node in nodes for name, column in node.keywords.items()}


def _node(value: object) -> Node | None:
    return value.node if isinstance(value, FileOf) else value if isinstance(value, Node) else None


def _rejected(draft: Draft, code: Code, message: str, hint: str) -> Rejected:
    return Rejected(Diagnostic(code, draft.node.location, message, hint))
