"""Files that leaves left in; hard links to them in the folder of the run out, and none to what is gone.

What is shown is on a list: what is not, the user put there, and it stays.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from dsl.engine.copies import remove

_LIST = Path(".argosy", "shown.json")


def show(files: Mapping[str, str], tasks: Iterable[str], out: Path) -> None:
    """Show files, and no others of a run, by their paths below `out`; folders end in `/` and have no file.

    Where there is no list all that is in the folders `tasks` was shown. Raises OSError, and then too when all
    is shown but what has the path of something that no run has shown, which stays as it is.
    """
    listed = _listed(out)
    known = set(listed if listed is not None else _found(out, tasks))
    _hide(out, known - files.keys())
    taken = _taken(files, known, out)
    shown = {path: source for path, source in files.items() if path not in taken}
    if listed is None or shown.keys() - known:
        _write(out, known | shown.keys())
    for path, source in shown.items():
        target = f"{out}/{path}"
        if path.endswith("/"):
            Path(target).mkdir(parents=True, exist_ok=True)
        else:
            _link(source, target)
    if known - shown.keys():
        _write(out, shown)
    if first := next(iter(taken), ""):
        raise OSError(f"{out / first} was made by no run and has the name of a result; move it away")


def shown_files(out: Path, folders: Collection[str]) -> dict[str, list[Path]]:
    """Return the files and folders that a run shows right in each of some folders, by name."""
    listed = _listed(out)
    names: dict[str, set[str]] = {folder: set() for folder in folders}
    for path in _found(out, folders) if listed is None else listed:
        folder, _, rest = path.partition("/")
        if rest and folder in names:
            names[folder].add(rest.partition("/")[0])
    places = {folder: [out / folder / name for name in sorted(found)] for folder, found in names.items()}
    return {folder: [path for path in paths if path.exists()] for folder, paths in places.items()}


def _taken(files: Iterable[str], known: Collection[str], out: Path) -> dict[str, None]:
    """Return the paths at which something else is; folders come before what is in them."""
    taken: dict[str, None] = {}
    for path in files:
        plain = path.rstrip("/")
        if plain[: plain.rfind("/") + 1] in taken or not _is_free(f"{out}/{plain}", path, known):
            taken[path] = None
    return taken


def _is_free(place: str, path: str, known: Collection[str]) -> bool:
    """Whether there is nothing at a place, what a run has shown there, or a folder where one shall be."""
    try:
        is_folder = stat.S_ISDIR(os.lstat(place).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True
    return is_folder if path.endswith("/") else path in known and not is_folder


def hide(tasks: Collection[str], out: Path) -> None:
    """Show nothing more in some folders. Raises OSError."""
    listed = _listed(out)
    if listed is None:
        for task in tasks:
            remove(out / task)
    elif gone := {path for path in listed if path.partition("/")[0] in tasks}:
        _hide(out, gone)
        _write(out, [path for path in listed if path not in gone])


def entries(source: str, path: str) -> Iterator[tuple[str, str]]:
    """Yield what is to be shown, at a path, of a file, or of a folder and all in it."""
    if not os.path.isdir(source):  # noqa: PTH112 - texts: this is done for every file of a run
        yield path, source
        return
    yield f"{path}/", ""
    for name in sorted(entry.name for entry in os.scandir(source)):
        yield from entries(f"{source}/{name}", f"{path}/{name}")


def _listed(out: Path) -> list[str] | None:
    """Return the list, None where there is none, or a power failure has left nothing of it."""
    try:
        return list(map(str, json.loads((out / _LIST).read_text(encoding="ascii"))))
    except (FileNotFoundError, ValueError):
        return None


def _write(out: Path, paths: Iterable[str]) -> None:
    aside = out / _LIST.with_suffix(".part")
    aside.write_text(json.dumps(list(paths)), encoding="ascii")
    aside.replace(out / _LIST)


def _found(out: Path, tasks: Iterable[str]) -> Iterator[str]:
    for task in tasks:
        for folder, folders, names in os.walk(out / task):
            below = os.path.relpath(folder, out)
            yield f"{below}/"
            yield from (f"{below}/{name}" for name in names)
            yield from (f"{below}/{name}" for name in folders if (Path(folder) / name).is_symlink())


def _hide(out: Path, paths: Iterable[str]) -> None:
    for path in sorted(paths, reverse=True):  # a folder after what is in it
        place = out / path
        if path.endswith("/"):
            with suppress(OSError):  # it holds something of the user's
                place.rmdir()
        elif place.is_symlink() or not place.is_dir():
            remove(place)


def _link(source: str, target: str) -> None:
    """Put a hard link at a place, or a copy where links cannot reach."""
    with suppress(OSError):
        if os.path.samefile(target, source):  # noqa: PTH121 - as above
            return
    remove(Path(target))
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
