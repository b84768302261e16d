"""Stage 3, second half: drafts in, the graph out. Nodes are resolved one by one, upstream first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import networkx as nx

from dsl import provenance
from dsl.author import DAG, Chainable, Element, FileOf, Node, Operand, Output, ParamReference
from dsl.codes import Code
from dsl.construct import keyword_of
from dsl.diagnostics import Diagnostic, Rejected
from dsl.domain import Domain, crossed, of_discovered, of_source, regrouped, zipped
from dsl.draft import Draft, Drafts, make_drafts
from dsl.encode import json_text
from dsl.function import Each
from dsl.graph import (
    Argument,
    Constant,
    Field,
    Graph,
    GraphNode,
    Join,
    NodeValue,
    RunParameter,
    RunValue,
    Written,
    knots,
    operands,
)
from dsl.location import Location
from dsl.names import did_you_mean
from dsl.reading import REQUIRED, Parameter, Role
from dsl.source import Items, Repartition, Source

Entries: TypeAlias = Sequence[tuple[Element, Location]]


def make_graph(dag: DAG) -> Graph:
    """Return the graph of a DAG, with a diagnostic for everything in it that is unsound."""
    drafts = make_drafts(dag)
    resolver = _Resolver(dag, drafts)
    resolver.resolve()
    names = {draft.id: draft.name for draft in drafts.sound.values()}
    problems = (*drafts.problems, *resolver.problems)
    return Graph(
        dag,
        drafts.options,
        resolver.digraph,
        drafts.waits,
        drafts.ids,
        names,
        tuple(resolver.sources),
        problems,
    )


class _Resolver:
    def __init__(self, dag: DAG, drafts: Drafts) -> None:
        self.dag = dag
        self.drafts = drafts
        self.problems: list[Diagnostic] = []
        self.nodes: dict[str, GraphNode] = {}
        self.digraph: nx.DiGraph[str] = nx.DiGraph()
        self.sources: list[tuple[str, str]] = []
        self.domains: dict[int, Domain | Rejected] = {}
        self.named: dict[str, int] = {}
        self.expansions: list[Source] = []

    def resolve(self) -> None:
        """Resolve every node whose upstreams are sound."""
        waits = self.drafts.waits
        broken = {node for knot in knots(waits) for node in knot}
        sound = waits.subgraph([node for node in waits if node not in broken])
        order = {node: position for position, node in enumerate(waits)}
        for node_id in nx.lexicographical_topological_sort(sound, key=order.__getitem__):
            draft = self.drafts.sound.get(node_id)
            if draft is None or any(before not in self.nodes for before in waits.predecessors(node_id)):
                continue
            try:
                node = self.node(draft)
            except Rejected as rejected:
                self.problems += rejected.diagnostics
                continue
            self.nodes[node_id] = node
            self.digraph.add_node(node_id, node=node)
            self.add_edges(draft, node)

    def node(self, draft: Draft) -> GraphNode:
        """Return one node, all of whose upstreams are resolved. Raises Rejected if it cannot be."""
        for name, value in draft.node.arguments.items():
            if isinstance(value, Source):
                raise _source_as_argument(draft, name)
        upstreams, entries = self.upstreams(draft), self.entries(draft)
        self.reject_hidden(draft)
        own = [w for source in entries for w in self.source_files(source)]
        files = provenance.reaching(upstreams, own)
        domain = self.domain(draft, upstreams, entries, files)
        each, reason = self.each(draft, domain, bool(entries), files)
        if each == "all":
            domain = None
        inputs = provenance.inputs_of(draft, each, domain, files, self.nodes, self.drafts.ids)
        if domain and each == "item" and inputs and all(i.kind == "one" and i.written.domain for i in inputs):
            each, reason = "partition", f"{inputs[0].upstream} writes one file per partition"
        if domain is None and each == "item" and not any(i.kind == "list" for i in inputs):
            each = "all"
        arguments = self.arguments(draft, each, domain, upstreams)
        outputs = provenance.outputs_of(draft, each, domain, inputs, arguments)
        written = provenance.written_by(draft, each, domain, inputs, outputs)
        if not provenance.has_worker(draft):
            provenance.check_bare(draft, each, domain, inputs, written)
        folder = next((parameter.name for parameter in draft.reading.of(Role.OUT_DIR)), None)
        self.check_conditions(draft, each, domain)
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
            outputs,
            folder,
            arguments,
            tuple(draft.node.conditions),
            written or files,
        )

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

    def source_domain(self, source: Source, keyword: str | None = None) -> Domain:
        """Return the domain of a source, the same one wherever it stands; its items are read once."""
        if id(source) not in self.domains:
            name = type(source).__name__
            self.named[name] = self.named.get(name, 0) + 1
            label = name if self.named[name] == 1 else f"{name}-{self.named[name]}"
            try:
                if isinstance(source, Items) and source.upstream is not None:
                    node_id = self.drafts.ids.get(id(source.upstream), "")
                    if not node_id:
                        raise _foreign(source)
                    self.check_discoverable(source, self.nodes[node_id])
                    self.domains[id(source)] = of_discovered(source, label, keyword or "item", node_id)
                else:
                    self.domains[id(source)] = of_source(source, label, keyword)
            except Rejected as rejected:
                self.domains[id(source)] = rejected
        found = self.domains[id(source)]
        if isinstance(found, Rejected):
            raise found
        if keyword and keyword not in found.columns:
            main = next(iter(found.columns))
            found.columns[keyword] = found.columns[main]
            if main in found.files:
                found.files[keyword] = found.files[main]
        return found

    def check_discoverable(self, source: Items, node: GraphNode) -> None:
        """Raise Rejected unless the node's value can be a list that the run knows."""
        if node.function.kind != "python" or node.is_mapped:
            what = "is mapped" if node.is_mapped else "is no Python task"
            message = f"Items({node.id}) needs one Python task that returns a list; {node.id} {what}"
            hint = "return the list from a @task that runs once"
            raise Rejected(Diagnostic(Code.UNSUPPORTED, source.location, message, hint))

    # -- what a node maps over

    def domain(
        self,
        draft: Draft,
        upstreams: Sequence[GraphNode],
        entries: Sequence[Source | Repartition],
        files: Sequence[Written],
    ) -> Domain | None:
        """Return the domain that a node maps over, or None if it runs once."""
        if len(entries) > 1:
            message = f"{draft.id} gets its items from {len(entries)} sources"
            hint = f"use one source with several patterns, or {draft.node.task.__name__}.override(task_id=…) per source"
            raise _rejected(draft, Code.TWO_SOURCES, message, hint)
        axes = [self.entry_domain(draft, entry, upstreams) for entry in entries]
        if not axes and (draft.node.expanded or self.maps(draft, upstreams, files)):
            axes = self.upstream_domains(draft, upstreams, files)
        names = []
        for keyword, value in draft.node.expanded.items():
            domain = self.expanded_domain(draft, keyword, value)
            names.append(keyword)
            if domain not in axes or draft.node.zipped:
                axes.append(domain)
        if draft.node.zipped and axes:
            incoming = 0 if draft.node.zipped == "zip" else len(axes) - len(names)
            names = [*(domain.name for domain in axes[: len(axes) - len(names)]), *names][incoming:]
            axes = [*axes[:incoming], zipped(axes[incoming:], names, draft.node.location)] if names else axes
        return crossed(axes, draft.node.location) if axes else None

    def entry_domain(
        self, draft: Draft, entry: Source | Repartition, upstreams: Sequence[GraphNode]
    ) -> Domain:
        """Return the domain of a source or Repartition that stands directly before a node."""
        if isinstance(entry, Source):
            return self.source_domain(entry)
        if id(entry) not in self.domains:
            files = provenance.reaching(upstreams, ())
            domains = {id(w.domain): w.domain for w in files}
            domain = next(iter(domains.values()), None)
            if len(domains) != 1 or domain is None or domain.discovered_by:
                message = "Repartition needs one mapped task before it, over items known at compile time"
                hint = "put it after a task that runs per item and writes files"
                raise Rejected(Diagnostic(Code.REPARTITION, entry.location, message, hint))
            names = provenance.names_of(files[0]) if files[0].each == "item" else None
            self.domains[id(entry)] = regrouped(entry, domain, names)
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
        return bool(
            self.key_parameters(draft, {id(n.domain): n.domain for n in upstreams if n.domain}.values())
        )

    def file_arguments(self, draft: Draft) -> list[GraphNode]:
        """Return the nodes whose files are arguments of file parameters."""
        roles = {name: parameter.role for name, parameter in draft.reading.named.items()}
        nodes = [_node(v) for name, v in draft.node.arguments.items() if roles.get(name) is Role.IN_FILE]
        return [self.nodes[self.drafts.ids[id(node)]] for node in nodes if node is not None]

    def key_parameters(self, draft: Draft, domains: Iterable[Domain]) -> list[str]:
        """Return the parameters that are keys of the domains and that no argument fills."""
        keys = {key for domain in domains for key in (*domain.keys, *domain.files)}
        taken = {*draft.node.arguments, *draft.node.expanded}
        return [
            p.name for p in draft.reading.of(Role.VALUE, Role.RUN) if p.name in keys and p.name not in taken
        ]

    def expanded_domain(self, draft: Draft, keyword: str, value: object) -> Domain:
        """Return the domain of one keyword of `.expand`."""
        if keyword not in draft.reading.named:
            raise _unknown_argument(draft, keyword)
        if isinstance(value, Node):
            node = self.nodes[self.drafts.ids[id(value)]]
            if node.domain is not None:
                return node.domain
            value = Items(value)
            value.location = draft.node.location
        elif not isinstance(value, Source):
            if isinstance(value, str | bytes | Mapping) or not hasattr(value, "__iter__"):
                message = f"{keyword}={value!r} is no list to expand over"
                hint = f"write {keyword}=[…], or .partial({keyword}=…) for one value"
                raise _rejected(draft, Code.NOT_JSON, message, hint)
            value = Items(list(value))
            value.location = draft.node.location
        self.expansions.append(value)
        return self.source_domain(value, keyword)

    # -- how often a node runs

    def each(
        self, draft: Draft, domain: Domain | None, has_source: bool, files: Sequence[Written]
    ) -> tuple[Each, str]:
        """Return whether a node runs per item, per partition or once, and why."""
        named = draft.node.expanded or has_source
        free = [p for p in draft.reading.parameters if p.name not in draft.node.arguments]
        roles = {p.role: p.name for p in reversed(free)}
        reads_item = Role.IN_FILE in roles or Role.ITEM in roles
        if draft.options.each is not None:
            if draft.options.each != "all" and domain is None and not named:
                message = f"{draft.id} has each={draft.options.each!r} but nothing mapped stands before it"
                raise _rejected(
                    draft, Code.INVALID_OPTION, message, "put a source before it, or remove each="
                )
            return draft.options.each, f"each={draft.options.each!r}"
        if (
            reads_item
            and Role.IN_DIR in roles
            and any(p.role is Role.IN_DIR and p.name not in draft.node.arguments for p in free)
        ):
            one = roles.get(Role.IN_FILE) or roles[Role.ITEM]
            message = f"{draft.id} reads both {one} and {roles[Role.IN_DIR]}"
            hint = 'read one of them, or say how often it runs: each="item", "partition" or "all"'
            raise _rejected(draft, Code.AMBIGUOUS_READING, message, hint)
        if domain is None:
            if reads_item and any(w.many for w in files):
                return "item", "it reads one file at a time of a folder"
            return "all", "it runs once"
        if Role.IN_FILES in roles or Role.ITEMS in roles:
            return "partition", f"it reads {roles.get(Role.IN_FILES) or roles[Role.ITEMS]}"
        if reads_item:
            return "item", f"it reads {roles.get(Role.IN_FILE) or roles[Role.ITEM]}"
        if Role.IN_DIR in roles and has_source:
            return "partition", f"it reads {roles[Role.IN_DIR]} directly after a source"
        keys = self.key_parameters(draft, [domain])
        if keys:
            once = set(keys) <= domain.constants
            return ("partition" if once else "item"), f"it reads the key {keys[0]}"
        if has_source or draft.node.expanded:
            return "item", "it stands directly after a source" if has_source else "it is expanded"
        return "item", "a file argument is mapped"

    # -- where arguments come from

    def arguments(
        self, draft: Draft, each: Each, domain: Domain | None, upstreams: Sequence[GraphNode]
    ) -> dict[str, Argument]:
        """Return where each parameter's value comes from. Raises Rejected for all that get none or too much."""
        found: dict[str, Argument] = {}
        wrong: list[Diagnostic] = []
        given = {**draft.node.arguments, **draft.node.expanded}
        known = draft.reading.named
        for name in given:
            if name not in known:
                wrong += _unknown_argument(draft, name).diagnostics
            elif name in draft.node.arguments and name in draft.node.expanded:
                message = f"{name} of {draft.id} is both fixed and expanded"
                place = _argument_place(draft, name)
                wrong.append(Diagnostic(Code.UNKNOWN_ARGUMENT, place, message, "remove one of them"))
            elif known[name].role in (Role.OUT_FILE, Role.OUT_DIR):
                message = f"{name} of {draft.id} is filled by the run"
                wrong.append(
                    Diagnostic(Code.UNKNOWN_ARGUMENT, draft.node.location, message, "name it by output=")
                )
        for parameter in draft.reading.parameters:
            try:
                argument = self.argument(draft, parameter, each, domain)
            except Rejected as rejected:
                wrong += rejected.diagnostics
                continue
            if argument is not None:
                found[parameter.name] = argument
            elif self.is_missing(draft, parameter, domain) and parameter.name not in given:
                wrong.append(self.missing(draft, parameter, upstreams))
        if wrong:
            raise Rejected(*wrong)
        return found

    def argument(
        self, draft: Draft, parameter: Parameter, each: Each, domain: Domain | None
    ) -> Argument | None:
        """Return where one parameter's value comes from, or None if it is a file or has no argument."""
        name, role = parameter.name, parameter.role
        many = each == "partition"
        if role in (Role.ITEM, Role.ITEMS) and name not in {*draft.node.arguments, *draft.node.expanded}:
            if domain is None:
                message = f"{draft.id} reads {name}, but no items reach it"
                raise _rejected(draft, Code.MISSING_ARGUMENT, message, "put a source before it")
            column = (
                name
                if name in domain.columns
                else "item"
                if "item" in domain.columns
                else next(iter(domain.columns))
            )
            return Field(column, many)
        if role in (Role.IN_FILE, Role.IN_FILES, Role.IN_DIR, Role.OUT_FILE, Role.OUT_DIR):
            return None
        if name in draft.node.arguments:
            return self.value(draft, name, draft.node.arguments[name], each, domain)
        if name in draft.node.expanded:
            return self.expanded_value(draft, name, draft.node.expanded[name], domain, many)
        if domain is not None and name in domain.columns:
            return None if name in domain.files else Field(name, many and name not in domain.constants)
        if role is Role.RUN:
            return RunValue(name)
        if parameter.default is not REQUIRED and draft.reading.body is not None:
            return self.value(draft, name, parameter.default, each, domain)
        return None

    def expanded_value(
        self, draft: Draft, name: str, value: object, domain: Domain | None, many: bool
    ) -> Argument:
        """Return where the value of a keyword of `.expand` comes from: a column, or a mapped node's own value."""
        node = self.nodes.get(self.drafts.ids.get(id(value), ""))
        if node is None or node.domain is None:
            return Field(name, many)
        if not node.reading.has_value:
            message = f"{name} is the value of {node.id}, which has none"
            raise _rejected(draft, Code.NO_VALUE, message, f'let {node.id} write "$RESULT_FILE"')
        if node.domain is not domain:
            message = f"{name} is one value of {node.id} per item, and {draft.id} combines them with other items"
            hint = "gather them in one task and expand over the list that it returns"
            raise _rejected(draft, Code.UNSUPPORTED, message, hint)
        return NodeValue(node.id, "line")

    def value(self, draft: Draft, name: str, value: object, each: Each, domain: Domain | None) -> Argument:
        """Return where the value of an argument comes from. Raises Rejected if it cannot be a value."""
        if isinstance(value, ParamReference):
            return RunParameter(value.name, isinstance(value.default, str))
        if isinstance(value, Node):
            value = Output(value, (), draft.node.location)
        if isinstance(value, Output):
            node = self.nodes[self.drafts.ids[id(value.node)]]
            if not node.reading.has_value:
                message = f"{name} is the value of {node.id}, which has none"
                raise _rejected(draft, Code.NO_VALUE, message, f'let {node.id} write "$RESULT_FILE"')
            gathers = node.is_mapped or node.each == "item"
            if gathers and value.path:
                message = (
                    f"{name} is a part of {node.id}'s value, which is a list of one value per {node.each}"
                )
                raise _rejected(draft, Code.NO_VALUE, message, "pass the whole list and pick in the task")
            if gathers and value.fallback and not isinstance(value.fallback[0], list):
                message = f"the default of {node.id}, which has one value per {node.each}, is no list"
                raise _rejected(draft, Code.NO_VALUE, message, "write .default([…])")
            return NodeValue(node.id, "gather" if gathers else "single", value.path, value.fallback)
        if isinstance(value, Chainable | FileOf):
            message = f"{name} of {draft.id} is a {type(value).__name__}, not a value"
            hint = f"write .expand({name}=…) to map over a source; annotate {name}: InFile for a file"
            raise Rejected(Diagnostic(Code.NOT_JSON, _argument_place(draft, name), message, hint))
        try:
            json_text(value)
        except ValueError as error:
            message = f"{name}={value!r:.60} is no JSON value: {error}"
            hint = "pass text, numbers, booleans, None, and lists and dicts of them"
            if _holds_node(value):
                message = f"{name} of {draft.id} holds a node inside a {type(value).__name__}"
                hint = "pass each node as an argument of its own"
            place = _argument_place(draft, name)
            raise Rejected(Diagnostic(Code.NOT_JSON, place, message, hint)) from None
        return Constant(value)

    def is_missing(self, draft: Draft, parameter: Parameter, domain: Domain | None) -> bool:
        """Whether a parameter that got no argument needs one."""
        is_file = domain is not None and parameter.name in domain.files
        return parameter.role is Role.VALUE and parameter.default is REQUIRED and not is_file

    def missing(self, draft: Draft, parameter: Parameter, upstreams: Sequence[GraphNode]) -> Diagnostic:
        """Return what to say of a parameter without a value."""
        name = parameter.name
        if any(node.domain and name in node.domain.keys for node in upstreams):
            message = f"{name} is a key of the items before {draft.id}, which runs once, after all of them"
            return Diagnostic(
                Code.UNKNOWN_KEY, draft.node.location, message, 'read items, or add each="item"'
            )
        message = f"{draft.id} gets no value for {name}"
        hint = f"call it: {draft.node.task.__name__}({name}=…), or give the parameter a default"
        keys = {key for node in upstreams if node.domain for key in node.domain.keys}
        keys |= {key for entry in self.entries(draft) for key in self.keys_of(entry)}
        if guess := did_you_mean(name, keys):
            hint = f"did you mean the key {guess!r}?"
        return Diagnostic(Code.MISSING_ARGUMENT, draft.node.location, message, hint)

    def keys_of(self, entry: Source | Repartition) -> tuple[str, ...]:
        """Return the keys of the items of a source or Repartition whose domain is known by now."""
        domain = self.domains.get(id(entry))
        return domain.keys if isinstance(domain, Domain) else ()

    # -- conditions and edges

    def check_conditions(self, draft: Draft, each: Each, domain: Domain | None) -> None:
        """Raise Rejected for a condition that does not have one value per task."""
        for condition, location in draft.node.conditions:
            for operand in operands(condition):
                node_of = operand if isinstance(operand, Node) else getattr(operand, "node", None)
                if not isinstance(node_of, Node):
                    if not isinstance(operand, Operand):
                        _check_constant(operand, location)
                    continue
                node = self.nodes[self.drafts.ids[id(node_of)]]
                if not node.reading.has_value:
                    message = f"the condition reads the value of {node.id}, which has none"
                    raise Rejected(Diagnostic(Code.NO_VALUE, location, message, 'write "$RESULT_FILE" there'))
                one_each = node.each == "partition" or (node.domain and set(node.domain.sizes) <= {1})
                if (node.is_mapped or node.each == "item") and not (
                    node.domain is domain and domain and one_each
                ):
                    message = f"{node.id} has many values, and the condition of {draft.id} needs one"
                    hint = "let a task reduce them to one value, or use size=1 on an aligned chain"
                    raise Rejected(Diagnostic(Code.CONDITION_VALUE, location, message, hint))

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
            value = value or any(self.drafts.ids.get(id(getattr(o, "node", o))) == before for o in asked)
            value = value or (node.domain is not None and node.domain.discovered_by == before)
            carries = "files" if reads else "value" if value else "order"
            location = self.drafts.waits.edges[before, draft.id]["location"]
            join, why = self.join(draft, upstream, node)
            self.digraph.add_edge(before, draft.id, join=join, carries=carries, reason=why, location=location)
        if node.domain is not None and isinstance(node.domain.origin, Source) and self.is_head(draft, node):
            self.sources.append((node.domain.name, node.id))

    def is_head(self, draft: Draft, node: GraphNode) -> bool:
        """Whether a node gets its items from the source itself, not along an aligned join."""
        return not any(self.nodes[b].domain is node.domain for b in self.drafts.waits.predecessors(draft.id))

    def join(self, draft: Draft, upstream: GraphNode, node: GraphNode) -> tuple[Join, str]:
        """Return how an edge connects the partitions of its ends, and why."""
        if node.domain is None:
            if upstream.domain is None:
                return "aligned", "one task after one task"
            return "gather", f"{node.id} runs once, after all partitions"
        if upstream.domain is None:
            return "scatter", f"every partition waits for {upstream.id}"
        gathers = any(
            isinstance(a, NodeValue) and a.node == upstream.id and a.form == "gather"
            for a in node.arguments.values()
        )
        if gathers:
            return "barrier", f"{node.id} takes the values of all partitions"
        if upstream.domain is node.domain:
            return "aligned", f"both map over {node.domain.name}"
        if node.domain.rows_in(upstream.domain) is not None and any(
            i.written.writer == upstream.id for i in node.inputs
        ):
            return "regroup", f"{node.domain.name} divides the files of {upstream.id} anew"
        return "barrier", f"{upstream.id} maps over {upstream.domain.name}, {node.id} over {node.domain.name}"


def _node(value: object) -> Node | None:
    return value.node if isinstance(value, FileOf) else value if isinstance(value, Node) else None


def _unknown_argument(draft: Draft, name: str) -> Rejected:
    known = [n for n, p in draft.reading.named.items() if p.role is not Role.RUN]
    guess = did_you_mean(name, known)
    hint = f"did you mean {guess!r}?" if guess else f"its parameters: {', '.join(known) or 'none'}"
    message = f"{draft.id} has no parameter {name!r}"
    return Rejected(Diagnostic(Code.UNKNOWN_ARGUMENT, _argument_place(draft, name), message, hint))


def _source_as_argument(draft: Draft, name: str) -> Rejected:
    message = f"{name} of {draft.id} is a source, which has many items"
    hint = f"write {draft.node.task.__name__}.expand({name}=…) to map over it"
    return Rejected(Diagnostic(Code.UNKNOWN_ARGUMENT, _argument_place(draft, name), message, hint))


def _argument_place(draft: Draft, name: str) -> Location:
    """Return where an argument stands in the call that made the node, or the call."""
    return keyword_of(draft.node.location, name)


def _holds_node(value: object) -> bool:
    """Whether a list or dict has a node or its value somewhere inside."""
    if isinstance(value, Mapping):
        return any(map(_holds_node, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_node, value))
    return isinstance(value, Chainable | Operand | FileOf)


def _check_constant(value: object, location: Location) -> None:
    """Raise Rejected unless a condition can compare with a value."""
    try:
        json_text(value)
    except ValueError as error:
        message = f"the condition compares with {value!r:.40}, which is no JSON value: {error}"
        hint = "compare with text, numbers, booleans or None"
        raise Rejected(Diagnostic(Code.NOT_JSON, location, message, hint)) from None


def _foreign(source: Items) -> Rejected:
    assert source.upstream is not None
    name = source.upstream.task.__name__
    message = f"{name} is a node of the DAG {source.upstream.dag.name!r}"
    hint = f"use the function {name} itself here"
    return Rejected(Diagnostic(Code.FOREIGN_NODE, source.location, message, hint))


def _rejected(draft: Draft, code: Code, message: str, hint: str) -> Rejected:
    return Rejected(Diagnostic(code, draft.node.location, message, hint))
