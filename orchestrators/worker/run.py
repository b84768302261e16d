"""The program in the pod of a Python task: environment in; a result folder, a value text, an exit status out.

It runs in any image with Python 3.8, so it imports the standard library only. It knows neither Argo nor its
caller: all it reads and writes is below ARGOSY_ROOT. What it leaves appears at once, after success.
"""

from __future__ import annotations

import copy
import inspect
import json
import linecache
import os
import re
import shutil
import sys
import traceback
import types
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

NUMBERS = ("index", "attempt", "partition_id", "partition_count")
TEXTS = ("run_id", "run_type", "data_interval_start", "data_interval_end")


class Failure(Exception):
    """Why the partition failed, the exit status that says so, and the author's part of the traceback."""

    def __init__(self, what: str, status: int = 1, trace: str = "") -> None:
        self.what, self.status, self.trace = what, status, trace


class Item:
    """One element of the partition; `files` are its own, by input, and the first gives it its name."""

    def __init__(self, position: int, index: int, fields: list[str]) -> None:
        self.position, self.index, self.fields, self.name = position, index, fields, ""
        self.files: dict[int, Path] = {}

    def __str__(self) -> str:
        return f"item {self.index} ({(self.name or ''.join(self.fields[:1]) or str(self.index))[:80]})"


class Call:
    """One call of the function: for one item, or for all of them."""

    def __init__(self, label: str, number: int, name: str, items: list[Item], place: Path) -> None:
        self.label, self.number, self.name, self.items, self.place = label, number, name, items, place
        self.values: dict[str, Any] = {}
        self.outputs: dict[str, Path] = {}
        self.shown: dict[Path, Path] = {}


class Worker:
    """The task of this pod. `env` leaves the environment, so that the author's code does not see it."""

    def __init__(self) -> None:
        self.env = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("ARGOSY_")}
        self.root = Path(self.env.get("ARGOSY_ROOT", "/argosy")).absolute()
        self.task: dict[str, Any] = json.loads(self.env["ARGOSY_TASK"])
        self.each, self.work = self.task["each"], self.root / "work"
        self.inputs: list[dict[str, Any]] = self.task.get("inputs") or []
        folders = self.env.get("ARGOSY_FOLDERS", "").split("\n")
        for source, folder in zip(self.inputs, folders):  # noqa: B905 - `strict` came with Python 3.10
            source.setdefault("dir", folder)
        self.output_dir = str(self.task.get("output_dir") or "")
        self.out = self.root / (self.env.get("ARGOSY_OUT") or self.task.get("out") or "out")
        self.aside = self.out.parent / f".{self.out.name}.partial"

    def run(self) -> None:
        """Do everything; raises Failure."""
        for former in (self.work, self.out, self.aside, self.root / "result", self.root / "items"):
            remove(former)
        self.work.mkdir(parents=True)
        self.function = self.load()
        parameters = inspect.signature(self.function).parameters
        self.accepts_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
        self.accepted = set(parameters)
        self.number = int(os.environ.get("PARTITION_ID") or 0) if self.each != "all" else 0
        calls = self.calls(self.items())
        owners: dict[str, Call] = {}
        for call in calls:
            call.values = self.values(call)
            for output in self.task.get("outputs") or []:
                name = named(output["naming"], call.name, call.number, call.values, call.label)
                own(owners, name, call)
                call.outputs[output["var"]] = call.place / "out" / name
        texts = self.run_all(calls)
        os.chdir(self.root)
        if self.each != "all":
            texts = [f"{call.number} {texts[k]}" for k, call in enumerate(calls)]
        if self.task.get("outputs") or self.output_dir:
            self.collect(calls, owners)
        if self.task.get("plans"):
            self.plan(json.loads(texts[0]))
        (self.work / "result").write_text("\n".join(texts), encoding="utf-8")
        (self.work / "result").replace(self.root / "result")
        if self.aside.exists():
            self.aside.rename(self.out)
        shutil.rmtree(self.work, ignore_errors=True)

    def plan(self, value: object) -> None:
        """Write the partitions of the nodes whose items are the elements of the value."""
        if not isinstance(value, list):
            raise Failure(
                f"the returned value is a {type(value).__name__}, and the next tasks map over a list"
            )
        forms, size = self.task["plans"]["forms"], self.task["plans"]["size"]
        lines = []
        for start in range(0, len(value), size):
            items = [
                "|".join(field(compact(item) if form == "json" else plain(item)) for form in forms)
                for item in value[start : start + size]
            ]
            lines.append(";".join([str(start), *items]))
        (self.root / "items").write_text("\n".join(lines), encoding="utf-8")

    def load(self) -> Callable[..., object]:
        """Execute the author's source as a module and return the function."""
        source: str = json.loads(self.env["ARGOSY_PROGRAM"])
        name = self.task.get("file") or f"<{self.task['function']}>"
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        sys.modules["argosy_task"] = module = types.ModuleType("argosy_task")
        try:
            exec(compile(source, name, "exec", dont_inherit=True), module.__dict__)
        except BaseException as error:
            raise account(error, "") from None
        function: Callable[..., object] = getattr(module, self.task["function"])
        return function

    def items(self) -> list[Item]:
        """Return the items of the partition line, or of the folders that are listed instead."""
        start, *texts = (self.env.get("ARGOSY_ITEMS") or "0").split(";")
        rows = [[json.loads(f'"{field}"') for field in text.split("|")] for text in texts]
        listed: dict[int, list[Path]] = {}
        for k, source in enumerate(self.inputs):
            if source["kind"] == "list":
                found = contents(self.root / source["dir"])
                listed[k] = sorted(found, key=lambda path: os.fsencode(path.name))
        if listed:
            rows = [[] for _ in range(max(map(len, listed.values())))]
            if any(len(found) != len(rows) for found in listed.values()):
                names = " and ".join(self.inputs[k]["var"] for k in listed)
                raise Failure(f"{names} differ in the number of files")
        items = [Item(k, int(start) + k, fields) for k, fields in enumerate(rows)]
        for item in items:
            for k, source in enumerate(self.inputs):
                if source["kind"] not in ("one", "dir"):
                    self.find(k, item, listed)
        return items

    def find(self, k: int, item: Item, listed: dict[int, list[Path]]) -> None:
        """Set the item's file of one input."""
        source = self.inputs[k]
        kind, column = source["kind"], source.get("column")
        value = (item.name or str(item.index)) if column is None else item.fields[column]
        shown = value.rstrip("/").rsplit("/", 1)[-1]
        folder = self.root / (source.get("dir") or "")
        if kind == "slot":
            path = folder / str(item.position) / "x"
        elif kind == "store":
            path = folder / value
        elif kind == "list":
            path = listed[k][item.position]
            shown = path.name
        else:
            shown = named(source.get("naming"), shown, item.index, self.fields([item]), str(item))
            path = folder / shown
        item.name = item.name or shown
        if not path.exists() or (kind == "slot" and path.is_dir() and not any(path.iterdir())):
            raise Failure(f"{item}: input file {shown} is missing")
        if path.name != shown:
            path = link(path, self.work / "named" / str(k) / str(item.position) / shown)
        item.files[k] = path

    def calls(self, items: list[Item]) -> list[Call]:
        """Return the calls that the partition needs, in order."""
        if self.each == "item":
            return [
                Call(f"{i}", i.index, i.name or f"{i.index}", [i], self.work / f"{i.index}") for i in items
            ]
        label = f"partition {self.number}" if self.each == "partition" else ""
        call = Call(label, self.number, str(self.number), items, self.work / "all")
        for source in self.inputs:
            if source["kind"] == "one":
                call.name = self.only(call, source).name
        return [call]

    def fields(self, items: list[Item]) -> dict[str, Any]:
        """Return the named fields: `items` as a list, the others as the value in which they agree."""
        found: dict[str, Any] = {}
        for column, field in enumerate(self.task.get("fields") or []):
            name = field["name"]
            if not name or any(column >= len(item.fields) for item in items):
                continue
            texts = [item.fields[column] for item in items]
            values = [json.loads(text) if field.get("json") else text for text in texts]
            if self.each != "item" and name == "items":
                found[name] = values
            elif values:
                found[name] = values[0]
        return found

    def values(self, call: Call) -> dict[str, Any]:
        """Return everything that the names and arguments of a call may use."""
        found: dict[str, Any] = {}
        for name in (*TEXTS, *NUMBERS, *(self.task.get("inject") or [])):
            text = os.environ.get(name.upper(), "")
            found[name] = int(text or 0) if name in NUMBERS else text
        found.update(index=call.number, attempt=int(self.env.get("ARGOSY_RETRIES") or 0) + 1)
        found.update(self.fields(call.items))
        found.update(copy.deepcopy(self.task.get("constants") or {}))
        for parameter, form in (self.task.get("values") or {}).items():
            for value in self.arrived(parameter, form, call):
                found[parameter] = value
        return found

    def arrived(self, parameter: str, form: Any, call: Call) -> list[Any]:  # noqa: ANN401 - JSON
        """Return the value of a parameter as the only element, or nothing when it is absent."""
        more = form if isinstance(form, dict) else {"form": form}
        optional, form = "default" in more, more["form"]
        text = self.env.get(f"ARGOSY_VALUE_{parameter}", "")
        if form in ("gather", "part"):
            path = self.root / "values" / more.get("of", parameter)
            text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if form == "gather":
            return [[value for _, value in decoded(json.loads(text))]] if text else []
        if form == "part":
            absent: list[Any] = more["default"]
            return [picked(json.loads(text), more["path"], parameter)] if text else absent
        if form == "text":
            return [text] if text or not optional else []
        if form == "json":
            return [json.loads(text)] if text else []
        if form == "json-text":
            try:
                return [json.loads(json.loads(text))] if text else []
            except ValueError:
                raise Failure(f"{parameter} is no JSON: {json.loads(text)}") from None
        pairs = decoded([text])
        if self.each == "item":
            mine = [value for n, value in pairs if n == call.number]
            return mine or [value for _, value in pairs[:1] if len(pairs) == 1]
        several = [value for _, value in pairs]
        return several if len(several) == 1 and form == "line" else [several] if several else []

    def run_all(self, calls: list[Call]) -> list[str]:
        """Return the value texts of all calls, `workers` at once; after a failure nothing more starts."""
        workers = min(self.task.get("workers") or 1, len(calls))
        if workers <= 1:
            return [self.run_one(call) for call in calls]
        if hasattr(os, "fork"):
            return forked(calls, self.run_one, workers)
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(lambda call: self.run_one(call, alone=False), calls))

    def run_one(self, call: Call, alone: bool = True) -> str:
        """Call the function and return its value text; raises Failure. Only threads are not alone."""
        prefix = call.label and f"{call.label}: "
        (call.place / "cwd").mkdir(parents=True)
        arguments = self.arguments(call)
        before = {shown: stamp(path.resolve()) for shown, path in call.shown.items()}
        if alone:
            os.chdir(call.place / "cwd")
        try:
            value = self.function(**arguments)
        except BaseException as error:
            raise account(error, prefix) from None
        for shown, path in call.shown.items():
            if stamp(path.resolve()) != before[shown]:
                raise Failure(f"{prefix}input file {shown.name} was changed in place")
        for var, path in call.outputs.items():
            if not os.path.lexists(path):
                raise Failure(f"{prefix}{var.upper()} ({path.name}) was not written")
        try:
            why = no_json(value, "the returned value")
        except RecursionError:
            why = "the returned value is nested too deeply"
        if why:
            raise Failure(prefix + why)
        text = json.dumps(value, allow_nan=False, separators=(",", ":"))
        if not any(hazard in text for hazard in "{$\x7f"):
            return text
        return re.sub(r'"(?:[^"\\]|\\.)*"', lambda literal: re.sub(r"[{$\x7f]", escaped, literal[0]), text)

    def arguments(self, call: Call) -> dict[str, Any]:
        """Return the keyword arguments; `call.shown` becomes the inputs by the path they are shown at."""
        task = self.task
        names = {field["name"] for field in task.get("fields") or []}
        names = names if self.accepts_all else names & self.accepted
        names.update(task.get("constants") or {}, task.get("values") or {}, task.get("inject") or [])
        arguments = {name: value for name, value in call.values.items() if name in names}
        by_variable: dict[str, list[int]] = {}
        for k, source in enumerate(self.inputs):
            by_variable.setdefault(source["var"], []).append(k)
        for var, own in by_variable.items():
            kind = self.inputs[own[0]]["kind"]
            if var == "input_files":
                arguments[var] = self.listed(call, own)
            elif kind == "one":
                arguments[var] = show(call, self.only(call, self.inputs[own[0]]), "in", own[0])
            elif kind == "dir" or self.each != "item":
                arguments[var] = self.filled(call, own, call.place / "dir" / var)
            else:
                arguments[var] = show(call, call.items[0].files[own[0]], "in", own[0])
        arguments.update(call.outputs)
        if self.output_dir:
            arguments[self.output_dir] = call.place / "out-dir"
        if call.outputs:
            (call.place / "out").mkdir(parents=True)
        if self.output_dir:
            (call.place / "out-dir").mkdir(parents=True)
        return arguments

    def only(self, call: Call, source: dict[str, Any]) -> Path:
        """Return the file of a folder that has the name known of it, or the only one there is."""
        folder, prefix = self.root / str(source["dir"]), call.label and f"{call.label}: "
        if source.get("naming"):
            values = self.fields(call.items)
            path = folder / named(source["naming"], str(self.number), self.number, values, call.label)
            if not path.exists():
                raise Failure(f"{prefix}input file {path.name} is missing")
            return path
        found = contents(folder)
        if len(found) != 1:
            raise Failure(f"{prefix}{source['var']} is to be one file, but there are {len(found)}")
        return found[0]

    def found(self, call: Call, k: int) -> list[tuple[str, Path]]:
        """Return the files of an input with the item, the partition or the folder that each is of."""
        source = self.inputs[k]
        if source["kind"] != "dir":
            return [(f"{item}", item.files[k]) for item in call.items]
        folder = self.root / source["dir"]
        if not source.get("prefix"):
            return [(folder.name, path) for path in contents(folder)]
        parts = [path for path in contents(folder) if path.is_dir() and not path.name.startswith(".")]
        return [(f"partition {part.name}", path) for part in parts for path in contents(part)]

    def listed(self, call: Call, own: list[int]) -> list[Path]:
        """Link all files of the inputs, those of one item side by side, and return the links."""
        places: dict[str, str] = {}
        return [
            show(call, path, places.setdefault(owner, f"list/{len(places)}"), k)
            for k in own
            for owner, path in self.found(call, k)
        ]

    def filled(self, call: Call, own: list[int], folder: Path) -> Path:
        """Link all files of the inputs into a folder, or into the one of their upstream in it."""
        owners: dict[Path, str] = {}
        for k in own:
            inside = folder / (self.inputs[k].get("within") or "")
            inside.mkdir(parents=True, exist_ok=True)
            for owner, path in self.found(call, k):
                place = inside / path.name
                if place in owners:
                    raise Failure(f'{owners[place]} and {owner} both hold "{path.name}"')
                owners[place] = owner
                call.shown[link(path, place)] = path
        return folder

    def collect(self, calls: list[Call], owners: dict[str, Call]) -> None:
        """Move all results into one folder beside the final one."""
        self.aside.mkdir(parents=True)
        for call in calls:
            for path in sorted((call.place / "out-dir").iterdir()) if self.output_dir else []:
                own(owners, path.name, call)
                move(path, self.aside / path.name)
            for path in call.outputs.values():
                move(path, self.aside / path.name)


def remove(path: Path) -> None:
    """Remove a file or folder that may not be there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif path.exists() or path.is_symlink():
        path.unlink()


def link(target: Path, place: Path) -> Path:
    """Make `place` a link to `target` and return it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target.resolve())
    return place


def show(call: Call, path: Path, folder: str, k: int) -> Path:
    """Link a file of input `k` into a call's folder, beside its companions, and return the link."""
    place = call.place / folder / path.name
    if place.is_symlink():
        place = call.place / f"{folder}-{k}" / path.name
    call.shown[place] = path
    return link(path, place)


def move(path: Path, place: Path) -> None:
    """Move a result; links in it become what they point to, for their targets stay behind. Raises Failure."""
    parts = [path, *(path.rglob("*") if path.is_dir() else ())]
    for part in parts:
        why = "" if part.is_file() or part.is_dir() else "is neither a file nor a folder"
        if part.is_symlink() and not part.exists():
            why = "is a link to nowhere"
        elif part.is_symlink() and part.resolve() in part.parent.resolve().joinpath("x").parents:
            why = "is a link to a folder that it is in"
        if why:
            raise Failure(f'"{part.relative_to(path.parent)}" {why}')
    try:
        if path.is_dir() and any(part.is_symlink() for part in parts):
            shutil.copytree(path, place)
        elif path.is_symlink():
            shutil.copy2(path, place)
        else:
            if path.is_dir() and not os.access(path, os.W_OK):  # it has an entry for the folder that it is in
                path.chmod(path.stat().st_mode | 0o200)
            shutil.move(str(path), str(place))
    except (OSError, shutil.Error) as wrong:
        raise Failure(f'"{path.name}" cannot be moved: {wrong}') from None


def stamp(path: Path) -> object:
    """Return size and times of change of a file, or of all in a folder; None when it vanished."""
    try:
        found = path.lstat()
        is_folder = path.is_dir() and not path.is_symlink()
        inner = {p.name: stamp(p) for p in path.iterdir()} if is_folder else None
        return found.st_size, found.st_mtime_ns, found.st_ctime_ns, inner
    except OSError:
        return None


def contents(folder: Path) -> list[Path]:
    """Return what is in a folder, by name; nothing if nobody made it."""
    return sorted(folder.iterdir()) if folder.is_dir() else []


def own(owners: dict[str, Call], name: str, call: Call) -> None:
    """Note whose result a name is; raises Failure when it has an owner."""
    if name in owners:
        if owners[name] is call:
            raise Failure(f'{call.label}: two outputs are "{name}"')
        both = f'items {owners[name].number} and {call.number} both write "{name}"'
        raise Failure(f"{both}: put the item into the file's name")
    owners[name] = call


def named(chain: str | None, name: str, index: int, values: dict[str, Any], label: str) -> str:
    """Return the name that a naming chain makes of a name; raises Failure when it is none."""
    for step in (chain or "name").split("/"):
        dot = name.rfind(".")
        cut = dot if 0 < dot < len(name) - 1 else len(name)
        words = {"name": name, "stem": name[:cut], "suffix": name[cut:], "index": str(index)}
        words.update({f"${key}": plain(value) for key, value in values.items() if f"${key}" in step})
        words["key"] = words.get("$key", str(index))
        try:
            name = "".join(unescaped(s[1:]) if s[:1] == "=" else words[s] for s in step.split(",") if s)
        except KeyError as missing:
            raise Failure(f"{label}: the output's name needs {missing.args[0]}, which is absent") from None
    if name in ("", ".", "..") or re.search("[/\0]", name) or len(os.fsencode(name)) > 255:
        raise Failure(f"{label}: {name!r} cannot be the name of a file")
    return name


def plain(value: object) -> str:
    """Return a value as the text that a shell task would get."""
    if value is None or isinstance(value, str):
        return value or ""
    return compact(value)


def compact(value: object) -> str:
    """Return a value as JSON without blanks."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def field(text: str) -> str:
    """Return a text as a field of a partition line: the body of a JSON string, safe among other fields."""
    return re.sub(r"[{$|;\x7f]", escaped, json.dumps(text)[1:-1])


def unescaped(text: str) -> str:
    r"""Undo octal escapes (`\0ooo`)."""
    return os.fsdecode(re.sub(rb"\\0([0-7]{1,3})", lambda found: bytes([int(found[1], 8)]), text.encode()))


def escaped(found: re.Match[str]) -> str:
    """Return the JSON escape of one character."""
    return f"\\u{ord(found[0]):04x}"


def picked(value: Any, path: list[Any], parameter: str) -> Any:  # noqa: ANN401 - JSON
    """Return what keys and indexes lead to, None for a key that is not there; raises Failure for no part."""
    for step in path:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
            value = value[step]
        else:
            raise Failure(f"{parameter} is a part of a value that has none at {json.dumps(step)}")
    return value


def decoded(texts: list[Any]) -> list[tuple[int, Any]]:
    """Return the values of value texts with their numbers, in order; Argo embeds objects as they are."""
    found: list[tuple[int, Any]] = []
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            found.append((position, text))
        elif re.match(r"\d+ ", text):
            lines = [line.partition(" ") for line in text.split("\n")]
            found += [(int(number), json.loads(value)) for number, _, value in lines]
        elif text:
            found.append((position, json.loads(text)))
    return found


def no_json(value: object, where: str) -> str:
    """Return why a value cannot be JSON, or nothing."""
    parts: list[tuple[object, str]] = []
    if isinstance(value, dict):
        if any(not isinstance(key, str) for key in value):
            return f"{where} has a key that is no str"
        parts = [(part, f"{where}[{key!r}]") for key, part in value.items()]
        parts += [(key, f"a key of {where}") for key in value]
    elif isinstance(value, (list, tuple)):
        parts = [(part, f"{where}[{k}]") for k, part in enumerate(value)]
    elif isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return f"{where} is {value}, which is no JSON"
    elif isinstance(value, str) and re.search("[\ud800-\udfff]", value):
        return f"{where} holds a lone surrogate"
    elif not (value is None or isinstance(value, (str, int, float))):
        kind = type(value)
        return f"{where} is of type {kind.__module__}.{kind.__qualname__}, which is no JSON"
    return next(filter(None, (no_json(part, place) for part, place in parts)), "")


def account(error: BaseException, prefix: str) -> Failure:
    """Return what happened in the author's code, with a traceback that has none of our own frames."""
    if isinstance(error, SystemExit):
        if not error.code:
            return Failure(f"{prefix}it ended Python by sys.exit; a task has to return")
        status = error.code if isinstance(error.code, int) else 1
        return Failure(
            f"{prefix}exit status {status}" if status == error.code else f"{prefix}{error}", status or 1
        )
    frames = error.__traceback__
    while frames and frames.tb_frame.f_code.co_filename == account.__code__.co_filename:
        frames = frames.tb_next
    trace = "".join(traceback.format_exception(type(error), error, frames))
    first = str(error).split("\n")[0]
    return Failure(f"{prefix}{type(error).__name__}{first and ': '}{first}", 1, trace)


def forked(calls: list[Call], run: Callable[[Call], str], workers: int) -> list[str]:
    """Return the value texts of the calls, each from a process of its own."""
    waiting = list(calls)
    running: dict[int, Call] = {}
    texts: dict[int, str] = {}
    failures: dict[int, Failure] = {}
    while running or (waiting and not failures):
        while waiting and len(running) < workers and not failures:
            sys.stdout.flush()
            sys.stderr.flush()
            process = os.fork()
            if not process:
                child(waiting[0], run)
            running[process] = waiting.pop(0)
        process, status = os.wait()
        if process not in running:
            continue
        call = running.pop(process)
        report = call.place / "report"
        if report.exists():
            text, *why = json.loads(report.read_text(encoding="utf-8"))
        else:
            signal, code = status & 127, status >> 8
            text, what = None, f"killed by signal {signal}" if signal else f"exit status {code}"
            why = [f"{call.label}: {what}", signal + 128 if signal else code]
        if text is None:
            failures[call.number] = Failure(*why)
        else:
            texts[call.number] = text
    if failures:
        raise failures[min(failures)]
    return [texts[call.number] for call in calls]


def child(call: Call, run: Callable[[Call], str]) -> None:
    """Make one call, leave a report and end this process."""
    try:
        report: list[object]
        try:
            report = [run(call)]
        except Failure as failure:
            report = [None, failure.what, failure.status, failure.trace]
        (call.place / "draft").write_text(json.dumps(report), encoding="utf-8")
        (call.place / "draft").rename(call.place / "report")
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)


def main() -> int:
    """Run the task of this pod; returns the exit status."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    worker = Worker()
    try:
        worker.run()
    except Failure as failure:
        sys.stdout.flush()
        sys.stderr.write(f"{failure.trace}argosy: {worker.task['node']}: {failure.what}\n")
        return failure.status or 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
