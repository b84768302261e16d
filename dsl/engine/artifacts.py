"""The artifact store: keys in, files and folders out, and back.

A key below `inputs/` is a file of the user's own: leaves get copies of it. What leaves left is linked, and
has to stay as it was. A file that another takes the key of is set aside: a run that is taken up needs it.
"""

from __future__ import annotations

import errno
import gzip
import itertools
import os
import re
import shutil
import stat
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from dsl.engine.contents import is_of, stamp_of
from dsl.engine.copies import copy_alike, copy_file, copy_folder, remove
from dsl.engine.journal import FileNote
from dsl.engine.links import copy_kept, drop_empty, entries, leads_out, settle
from dsl.engine.stamps import Stamps

_INPUTS = "inputs"
"""What keys of the user's own files begin with."""


class ArtifactError(ValueError):
    """An artifact cannot be read or written; the message becomes part of its leaf's."""


class Unusable(ArtifactError):
    """An artifact is not supplied, or cannot be put in place; the message is all of its leaf's."""


class Store:
    """Artifacts in a folder: `<root>/<key>` is a file, or a folder for a prefix. May be used by many threads.

    An object store has no folders: beside an object `a` it may have one `a/b`. The later of the two is apart,
    in `<root>/inputs`, where no key leads, and there in a folder by the number of parts of its key, so that
    none of those is below another.

    Beside it, in `aside`, are files that were replaced, by their inode, and what is not whole yet.
    """

    def __init__(self, root: Path, inputs: Path) -> None:
        self.root = root
        self.inputs = inputs
        self._aside = root.with_name("aside")
        self._aside.mkdir(parents=True, exist_ok=True)
        self._replaced = {path.name for path in self._aside.iterdir()}
        self._has_apart = (root / _INPUTS).is_dir()
        self._tickets = itertools.count()
        self._moving = threading.Lock()
        self._stamps = Stamps()
        self._spoiled: set[Path] = set()
        self._unnoted: list[Path] = []

    def path(self, key: str) -> Path:
        """Return where a key is. Raises ArtifactError for a key that leads out of the store."""
        if not self._has_apart:
            return self._plain(key)
        found = [path for path in self.places(key) if path.exists()]
        return next((path for path in found if path.is_file()), found[0] if found else self._plain(key))

    def places(self, key: str) -> list[Path]:
        """Return where leaves may have left something of a key. Raises ArtifactError as `path` does."""
        plain = self._plain(key)
        if not plain.is_relative_to(self.root):
            return []
        return [plain, *(self._all_apart(plain) if self._has_apart else ())]

    def _plain(self, key: str) -> Path:
        parts = PurePosixPath(key.strip("/")).parts
        if not parts or ".." in parts:
            raise ArtifactError(f"key {key!r} leads out of the store")
        if parts[0] == _INPUTS:
            return self.inputs.joinpath(*parts[1:])
        return self.root.joinpath(*parts)

    def _apart(self, plain: Path) -> Path:
        inside = plain.relative_to(self.root)
        return self.root / _INPUTS / str(len(inside.parts)) / inside

    def _all_apart(self, plain: Path) -> list[Path]:
        """Return where all may be that has the key of a place, or is in a folder, and is apart."""
        if not self._has_apart:
            return []
        inside = plain.relative_to(self.root)
        return [others / inside for others in sorted((self.root / _INPUTS).glob("*"))]

    def _room(self, source: Path, plain: Path) -> Path:
        """Return where there is room for what has the key of a place."""
        is_below = not plain.parent.is_dir() and any(above.is_file() for above in plain.parents)
        is_taken = is_below or not _fits(source, plain)
        if is_taken or self._has_apart:
            apart = self._apart(plain)
            if _fits(source, apart) and (is_taken or apart.exists()):
                self._has_apart = True
                return apart
        return plain

    def fetch(self, artifact: Mapping[str, Any], target: Path, *, link: bool, is_own: bool = True) -> bool:
        """Put an artifact at `target`: a copy that its reader may change. Tarballs are unpacked.

        What is at a place that is not its reader's own, but on a volume, stays if it is a folder: Argo
        renames what it has fetched onto the place, which replaces files alone
        (workflow/executor/executor.go:unpack, v4.1.2).

        With `link` what a leaf left is linked instead; return whether it was. `changed` tells of the place
        that the link leads to, and is to be asked when its reader has ended. Copies keep their permissions
        then: a mode lets others read what the init container of a pod wrote, and an executable nobody asked
        for would be a result.

        Raises:
            ArtifactError: there is nothing under its key and it is not optional, there is a folder on a
                volume, or a link would lead to what a reader has changed.
            OSError: it cannot be read or written.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        if artifact.get("raw") is not None:
            target.write_text(str(artifact["raw"].get("data") or ""), encoding="utf-8")
            if not link:
                target.chmod(0o666)
                _set_mode(target, artifact)
            return False
        if not any(location in artifact for location in ("s3", "raw")):
            if artifact.get("optional"):
                return False
            raise Unusable(f"required artifact '{artifact.get('name')}' not supplied")
        source = self.path(str((artifact.get("s3") or {}).get("key") or ""))
        self._note_taken()
        if not source.exists():
            if not artifact.get("optional"):
                raise ArtifactError("The specified key does not exist.")
            target.mkdir(exist_ok=True)
            return False
        if torn := self._torn(source):
            where = PurePosixPath(*torn.relative_to(self.root).parts[2:])
            why = "of two keys one is below the other, which no folder can hold; choose another for one"
            raise ArtifactError(f"{where}: {why}")
        if not is_own and target.is_dir():
            raise Unusable(f"rename to {artifact.get('path')}: file exists")
        if source.is_file() and (unpack := _unpacker(artifact, source)):
            _unpacked(source, target, unpack)
        elif link and source.is_relative_to(self.root):
            if changed := self._still_spoiled(source):
                raise ArtifactError(f"{changed.name} was changed in place by a task that read it")
            remove(target)
            target.symlink_to(source.resolve())
            return True
        elif link:
            copy_alike(source, target)
        else:
            if not is_own:  # a link on a volume may lead anywhere
                target.unlink(missing_ok=True)
            _copy(source, target)
        if not link:
            _set_mode(target, artifact)
        return False

    def _torn(self, source: Path) -> Path | None:
        """Return the place of a file that is apart and so not in a folder that has its key, if any."""
        apart = self._all_apart(source) if source.is_dir() and source.is_relative_to(self.root) else []
        return next((path for folder in apart for path in folder.rglob("*") if path.is_file()), None)

    def changed(self, place: Path) -> Path | None:
        """Return a file, at or below a place of the store, that its reader has changed, if any."""
        changed = self._stamps.changed(self.root / place.relative_to(self.root.resolve()))
        if changed:
            self._spoiled.add(changed)
        return changed

    def _still_spoiled(self, source: Path) -> Path | None:
        """Return a file, at or below a place, that some reader has changed and no leaf has left anew."""
        below = [path for path in list(self._spoiled) if path.is_relative_to(source)]
        return next((path for path in below if self._stamps.changed(path)), None)

    def _note_taken(self) -> None:
        while self._unnoted:
            with suppress(IndexError):  # another thread has it
                place = self._unnoted.pop()
                if place.is_relative_to(self.root):
                    self._stamps.note(place, self.root)

    def keep(
        self,
        source: Path,
        key: str,
        archive: Mapping[str, Any] | None,
        *,
        name: str = "",
        is_own: bool = True,
    ) -> tuple[Path, list[Path]]:
        """Move what a leaf left at `source` to `key`, packed unless `archive` says `none`.

        `name` is what a zip calls it. Empty folders are nothing where it is not packed. What is not its own
        alone, but on a volume or a hard link, is copied. Links become what they lead to, but in a tarball.
        Return the place of the key, and where in it the files and folders of this leaf are.

        Raises:
            ArtifactError: the key is below `inputs/` or leads out of the store.
            OSError: there is no room, or a link cannot be followed.
        """
        target = self._plain(key)
        if not target.is_relative_to(self.root):
            raise ArtifactError(f"key {key!r} is below inputs/, which is read only")
        with self._new() as spare:
            made = spare
            if archive is not None and archive.get("zip") is not None:
                _zip(source, made, name or source.name)
            elif archive is None or archive.get("none") is None:
                _pack(source, made, archive or {})
            elif is_own and settle(source, spare):
                made = source
            else:
                copy_kept(source, made)
            if not made.is_file():
                drop_empty(made)
                if not made.exists():
                    return target, []
            with self._moving:
                target = self._room(made, target)
                placed = list(self._move(made, target))
                for path in placed:
                    self._stamps.note(path, self.root)
        return target, placed

    @contextmanager
    def _new(self) -> Iterator[Path]:
        """Give a place for what is not whole yet; what stays there is removed."""
        place = self._aside / f"new-{next(self._tickets)}"
        try:
            yield place
        finally:
            remove(place)

    def _move(self, source: Path, target: Path) -> Iterator[Path]:
        """Rename; a folder is added to what is there, and a file that is replaced set aside."""
        if source.is_dir() and target.is_dir():
            for entry in sorted(source.iterdir()):
                yield from self._move(entry, self._room(entry, target / entry.name))
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        self._set_aside(target)
        try:
            source.rename(target)
        except OSError:  # another file system
            with self._new() as made:
                shutil.move(source, made)
                made.rename(target)
        yield target

    def _set_aside(self, target: Path) -> None:
        for path in [target] if target.is_file() else [path for path in target.rglob("*") if path.is_file()]:
            name = str(path.stat().st_ino)
            path.rename(self._aside / name)
            self._replaced.add(name)
        remove(target)

    # --- for a run that is taken up ---

    def is_aside(self, note: FileNote) -> bool:
        """Whether a file was replaced and can be put back. An inode alone may be another file's by now."""
        name = str(note[1])
        if name not in self._replaced:
            return False
        stamp = stamp_of(os.fspath(self._aside / name))
        return stamp is not None and is_of(stamp, note)

    def set_aside(self, place: Path) -> None:
        """Set a file aside, unless it is on another file system, and no folder for it. Raises OSError."""
        with self._moving:
            try:
                self._set_aside(place)
            except OSError as wrong:
                if wrong.errno != errno.EXDEV:
                    raise
            folders = place.parents if place.is_relative_to(self.root) else ()
            with suppress(OSError):  # there is something in it
                for folder in itertools.takewhile(self.root.__ne__, folders):
                    folder.rmdir()

    def put_back(self, inode: int, target: Path) -> None:
        """Put a file that was replaced where it was, and set aside what is there now. Raises OSError."""
        name = str(inode)
        with self._moving:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._set_aside(target)
            (self._aside / name).rename(target)
            self._replaced.discard(name)

    def drop(self, notes: Iterable[FileNote]) -> None:
        """Remove those of some files that were replaced."""
        self._drop([str(note[1]) for note in notes if self.is_aside(note)])

    def sweep(self, inodes: Iterable[int]) -> None:
        """Remove all that is aside but files that were replaced and that somebody may need."""
        self._drop(self._replaced and self._replaced.difference(map(str, inodes)))

    def _drop(self, names: Collection[str]) -> None:
        for name in names:
            remove(self._aside / name)
        self._replaced.difference_update(names)

    def copy(self, key: str, target: Path) -> None:
        """Copy what is under a key to another place. Raises OSError and ArtifactError."""
        remove(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy(self.path(key), target)

    def restore(self, source: Path, key: str) -> None:
        """Put a copy of a file or folder under a key, unless there is something. Raises OSError."""
        with self._moving:
            target = self._room(source, self._plain(key))
        if target.exists():
            return
        with self._new() as made:
            _copy(source, made)
            with self._moving:
                target.parent.mkdir(parents=True, exist_ok=True)
                made.rename(target)
                self._stamps.note(target, self.root)

    def take(self, places: Iterable[Path]) -> None:
        """Take up what a leaf of a former run left; it is looked at when somebody reads of the store."""
        self._unnoted += places


def _fits(source: Path, place: Path) -> bool:
    """Whether a place is free, or has a file for a file or a folder for a folder."""
    return not place.exists() or place.is_dir() == source.is_dir()


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        copy_folder(source, target)
    else:
        copy_file(source, target)
        target.chmod(0o600)


def _set_mode(target: Path, artifact: Mapping[str, Any]) -> None:
    """Give an input the mode that it asks for, also what is in it (executor.go:chmod, v4.1.2)."""
    if artifact.get("mode") is None:
        return
    mode, below = int(artifact["mode"]), target.rglob("*") if artifact.get("recurseMode") else ()
    for path in (*below, target):
        path.chmod(mode)


def _unpacker(artifact: Mapping[str, Any], source: Path) -> Callable[[Path, Path], None] | None:
    """Return what unpacks a file: a zip where the artifact says so, a tarball also if it looks like one."""
    archive = artifact.get("archive") or {}
    if archive.get("none") is not None:
        return None
    if archive.get("zip") is not None:
        return _unzip
    return _untar if archive.get("tar") is not None or _is_tarball(source) else None


def _is_tarball(source: Path) -> bool:
    """Whether a file is a tarball that is not empty (executor.go:isTarball, v4.1.2)."""
    try:
        with tarfile.open(source, "r:gz") as tarball:
            return tarball.next() is not None
    except (EOFError, OSError, tarfile.TarError, zlib.error):
        return False


def _unpacked(source: Path, target: Path, unpack: Callable[[Path, Path], None]) -> None:
    """Unpack beside the target; an archive of one file becomes that file, of one folder that folder."""
    aside = Path(tempfile.mkdtemp(prefix="argosy-", dir=target.parent))  # no name that is somebody's
    try:
        aside.chmod(0o755)
        unpack(source, aside)
        entries = list(aside.iterdir())
        remove(target)
        (entries[0] if len(entries) == 1 else aside).rename(target)
    finally:
        remove(aside)


def _unzip(source: Path, aside: Path) -> None:
    try:
        with zipfile.ZipFile(source) as archive:
            archive.extractall(aside)
            for member in archive.infolist():
                if not member.is_dir():
                    path = aside / member.filename.lstrip("/")
                    path.chmod(member.external_attr >> 16 & 0o777 or 0o666)
    except (zipfile.BadZipFile, OSError) as wrong:
        raise Unusable(f"zip: {wrong}") from None


def _zip(source: Path, target: Path, name: str) -> None:
    """Put a file, or the files of a folder, into a zip that says neither modes nor times (util/archive).

    Links become what they lead to.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, mode, *_ in entries(source):
            if stat.S_ISREG(mode):
                inside = str(PurePosixPath(name, path.relative_to(source)))
                spelled = os.fsencode(inside).decode(errors="backslashreplace")
                if spelled != inside:
                    raise ArtifactError(f"zip: the name of {spelled} is not UTF-8")
                member = zipfile.ZipInfo(inside)
                member.external_attr = 0o666 << 16
                member.compress_type, member.file_size = zipfile.ZIP_DEFLATED, path.stat().st_size
                with path.open("rb") as file, archive.open(member, "w") as packed:
                    shutil.copyfileobj(file, packed)


def _untar(source: Path, aside: Path) -> None:
    """Unpack a tarball, which is always compressed, as Argo does (executor.go:untar, v4.1.2)."""
    try:
        with tarfile.open(source, "r:gz") as tarball:
            members = unpacked_members(tarball)
            if hasattr(tarfile, "data_filter"):
                tarball.extractall(aside, members, filter="data")
            else:  # Python before 3.11.4
                tarball.extractall(aside, members)
    except (gzip.BadGzipFile, EOFError, tarfile.TarError, zlib.error) as wrong:
        raise Unusable(_why_no_tarball(wrong)) from None


def _why_no_tarball(wrong: Exception) -> str:
    """Return what Go says of it."""
    if "not a gzip file" in str(wrong).lower():
        return "gzip: invalid header"
    is_short = isinstance(wrong, EOFError) or re.search("truncated|unexpected end", str(wrong))
    return "unexpected EOF" if is_short else "archive/tar: invalid tar header"


def unpacked_members(tarball: tarfile.TarFile) -> list[tarfile.TarInfo]:
    """Return the files, folders and links in a tarball.

    Raises Unusable when one would be made outside of its folder.
    """
    members = [each for each in tarball.getmembers() if each.isreg() or each.isdir() or each.issym()]
    for member in members:
        if leads_out("", member.name.lstrip("/")):
            raise Unusable(f"illegal file path: {member.name}{'/' * member.isdir()}")
        if member.issym() and leads_out(member.name, member.linkname):
            raise Unusable(f"illegal symlink target: {member.name} -> {member.linkname}")
    return members


def _pack(source: Path, target: Path, archive: Mapping[str, Any]) -> None:
    level = (archive.get("tar") or {}).get("compressionLevel")
    with tarfile.open(target, "w:gz", compresslevel=6 if level is None else int(level)) as tarball:
        _add(source, tarball)


def _add(source: Path, tarball: tarfile.TarFile) -> None:
    """Put a file, or what a folder holds below its name, into a tarball, links as links."""
    top = source.resolve()
    for path in (entry.path for entry in entries(top, follow=False) if entry.is_kept):
        tarball.add(path, source.name / path.relative_to(top), recursive=False)
