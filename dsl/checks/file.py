"""Checks of the author's file as text: statements that chain nothing, unused tasks, work at import, secrets.

Nothing runs here; what a name of the module means is looked up in the module that was loaded.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from dsl.author import DAG, Chain, Chainable, Task
from dsl.checks.secret import plaintext_secrets
from dsl.codes import Code
from dsl.diagnostics import Diagnostic, Related
from dsl.load import module_of
from dsl.location import Location
from dsl.operand import Operand
from dsl.tree import nodes_of, tree_of
from dsl.uses import root

_WORK = """subprocess.run subprocess.call subprocess.check_call subprocess.check_output subprocess.Popen
    subprocess.getoutput os.system os.popen time.sleep urllib.request.urlopen urllib.request.urlretrieve
    requests.get requests.post requests.put requests.patch requests.delete requests.head requests.request
    httpx.get httpx.post httpx.put httpx.patch httpx.delete httpx.head httpx.request
    shutil.rmtree shutil.copy shutil.copytree shutil.move os.remove os.makedirs os.mkdir"""
"""Calls that wait for something outside, or change it."""
_WRITES = ("write_text", "write_bytes", "unlink", "mkdir", "rmdir", "touch")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True)
class AuthoredFile:
    """A DAG file: its path, its tree, and what the names of its module mean."""

    path: str
    tree: ast.Module
    names: Mapping[str, object]
    has_nodes: bool
    """Whether any of its DAGs has a node."""

    @cached_property
    def imported(self) -> Mapping[str, str]:
        """What each name that an import binds stands for, as a dotted name."""
        found = {}
        for node in nodes_of(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    bound = alias.asname or alias.name.partition(".")[0]
                    found[bound] = alias.name if alias.asname else bound
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        return found

    @cached_property
    def at_import(self) -> tuple[ast.stmt, ...]:
        """The statements that run when the file is loaded, those in blocks too, in order."""
        return tuple(_running(self.tree.body))

    def dotted(self, node: ast.expr) -> str:
        """Return the dotted name that an expression means by the imports of the file, "" if by none."""
        if isinstance(node, ast.Attribute):
            base = self.dotted(node.value)
            return f"{base}.{node.attr}" if base else ""
        return self.imported.get(node.id, "") if isinstance(node, ast.Name) else ""

    def place(self, node: ast.AST) -> Location:
        """Return where a part of the file stands."""
        return Location.of_node(self.path, node)


def authored_file(dags: Sequence[DAG]) -> AuthoredFile:
    """Return the file of DAGs that was loaded; one without a text that can be parsed has nothing in it."""
    path = dags[0].location.path
    try:
        tree = tree_of("".join(linecache.getlines(path)))
    except (SyntaxError, ValueError, RecursionError):
        tree = ast.Module([], [])
    module = module_of(path)
    return AuthoredFile(path, tree, vars(module) if module else {}, any(dag.nodes for dag in dags))


def idle_statement(file: AuthoredFile) -> Iterator[Diagnostic]:
    """A statement that only names tasks chains nothing."""
    for statement in file.at_import:
        if not isinstance(statement, ast.Expr):
            continue
        value = statement.value
        if isinstance(value, ast.Tuple) and any(_is_chain(file, part) for part in value.elts):
            if ends := [part for part in value.elts if not _is_chain(file, part)]:
                text = ast.unparse(ends[0])
                message = f"the comma ends the chain, which does not hold {text}"
                hint = "put what stands side by side into brackets: [a, b] >> c"
                yield Diagnostic(Code.COMMA_IN_CHAIN, file.place(statement), message, hint)
            continue
        for part in _side_by_side(value):
            if what := _idle(file, part):
                hint = f"call it, as in {what}(), or chain it with >>"
                message = f"this statement names the task {what}, and makes no node of it"
                yield Diagnostic(Code.IDLE_TASK, file.place(part), message, hint)


def unused_function(file: AuthoredFile) -> Iterator[Diagnostic]:
    """A task that its own file never mentions again is in no DAG."""
    tasks = _tasks(file)
    names = {node.id for node in nodes_of(file.tree) if isinstance(node, ast.Name)}
    operands = (node for node in nodes_of(file.tree) if isinstance(node, ast.BinOp | ast.List | ast.Tuple))
    for part in (part for node in operands for part in ast.iter_child_nodes(node)):
        names |= {part.value} if isinstance(part, ast.Constant) and isinstance(part.value, str) else set()
    for node in tasks if file.has_nodes else ():
        if node.name not in names:  # its name as a text is one of `__all__`, or a mistake that is told
            message = f"the task {node.name} is in no DAG"
            yield Diagnostic(Code.UNUSED_FUNCTION, _name_place(file, node), message, "chain it, or remove it")


def redefined_task(file: AuthoredFile) -> Iterator[Diagnostic]:
    """A second function of a name takes the place of the first, and no DAG can name that one any more."""
    mentions = [(node.id, node.lineno) for node in nodes_of(file.tree) if isinstance(node, ast.Name)]
    last: dict[str, ast.FunctionDef] = {}
    for node in reversed(_tasks(file)):
        later = last.get(node.name)
        last[node.name] = node
        if later and not any(n == node.name and node.lineno < at < later.lineno for n, at in mentions):
            related = (Related("replaced here", _name_place(file, later)),)
            message = f"the task {node.name} is replaced by another of its name"
            place = _name_place(file, node)
            yield Diagnostic(Code.REDEFINED_TASK, place, message, "rename one of them", related)


def work_at_import(file: AuthoredFile) -> Iterator[Diagnostic]:
    """A DAG file is loaded for every command, on every machine that looks at it."""
    for node in _evaluated(file.at_import):
        if not isinstance(node, ast.Call):
            continue
        name = file.dotted(node.func)
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        opens = isinstance(node.func, ast.Name) and node.func.id == "open" and _opens_to_write(node)
        if name in _WORK.split() or opens or (method in _WRITES and not name):
            message = f"{name or method or 'open'} runs whenever this file is loaded"
            hint = 'do it in a task, or below `if __name__ == "__main__":`'
            yield Diagnostic(Code.WORK_AT_IMPORT, file.place(node), message, hint)


def plaintext_secret(file: AuthoredFile) -> Iterator[Diagnostic]:
    """What stands in the file is read by all who read its repository, and perhaps its manifests."""
    for node, what in plaintext_secrets(file.tree):
        message = f"{what} stands in the file"
        hint = "keep it in a Secret of the cluster, let the task read it there, and replace this one"
        yield Diagnostic(Code.PLAINTEXT_SECRET, file.place(node), message, hint)


def _running(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements and those of their blocks, without what only a script does."""
    for statement in body:
        if isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test):
            yield from _running(statement.orelse)
            continue
        yield statement
        if not isinstance(statement, (*_FUNCTIONS, ast.ClassDef)):
            for part in (statement, *getattr(statement, "handlers", [])):
                for name in ("body", "orelse", "finalbody"):
                    yield from _running(getattr(part, name, []))


def _evaluated(statements: tuple[ast.stmt, ...]) -> Iterator[ast.AST]:
    """Yield the expressions that statements evaluate themselves, none in the body of a function."""
    pending: list[ast.AST] = [one for one in statements if not isinstance(one, (*_FUNCTIONS, ast.ClassDef))]
    while pending:
        node = pending.pop()
        if not isinstance(node, _FUNCTIONS):
            yield node
            pending += [part for part in ast.iter_child_nodes(node) if not isinstance(part, ast.stmt)]


def _is_ours(file: AuthoredFile, node: ast.expr) -> bool:
    """Whether an expression starts with a task, a node, a chain or a source of this module."""
    start = root(node)
    return isinstance(start, ast.Name) and isinstance(file.names.get(start.id), Chainable | Operand)


def _is_chain(file: AuthoredFile, node: ast.expr) -> bool:
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.RShift | ast.LShift):
        return False
    return any(_is_ours(file, side) or _is_chain(file, side) for side in (node.left, node.right))


def _side_by_side(node: ast.expr) -> Iterator[ast.expr]:
    """Yield what stands in lists and tuples, or the expression itself if it is neither."""
    if isinstance(node, ast.List | ast.Tuple):
        for part in node.elts:
            yield from _side_by_side(part)
    else:
        yield node


def _idle(file: AuthoredFile, node: ast.expr) -> str:
    """Return the task that a statement names without making a node of it, nothing if it does make one."""
    call = node.func if isinstance(node, ast.Call) else node
    attribute = call.attr if isinstance(call, ast.Attribute) else ""
    name = call.value if isinstance(call, ast.Attribute) else call
    if not isinstance(name, ast.Name) or not isinstance(file.names.get(name.id), Task):
        return ""
    bare = not isinstance(node, ast.Call)
    return name.id if attribute in ("partial", "override") or (bare and not isinstance(name, Chain)) else ""


def _tasks(file: AuthoredFile) -> list[ast.FunctionDef]:
    """Return the tasks that the file defines, in order."""
    functions = [node for node in file.tree.body if isinstance(node, ast.FunctionDef)]
    return [node for node in functions if any(_is_of_dsl(file, part) for part in node.decorator_list)]


def _is_of_dsl(file: AuthoredFile, decorator: ast.expr) -> bool:
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return file.dotted(function).startswith("dsl.task")


def _name_place(file: AuthoredFile, node: ast.FunctionDef) -> Location:
    """Return where the name of a function stands."""
    column = node.col_offset + len("def ")
    name = ast.Name(node.name, lineno=node.lineno, end_lineno=node.lineno, col_offset=column)
    name.end_col_offset = column + len(node.name.encode())
    return file.place(name)


def _opens_to_write(node: ast.Call) -> bool:
    modes = [*node.args[1:2], *(keyword.value for keyword in node.keywords if keyword.arg == "mode")]
    return any(isinstance(m, ast.Constant) and set(str(m.value)) & set("wax+") for m in modes)


FILE_CHECKS = (idle_statement, unused_function, redefined_task, work_at_import, plaintext_secret)
