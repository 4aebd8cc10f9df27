"""Listings of picture folders, quick enough to be made on every start (60,000 files in half a second)."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.names import encoded, printable

# the extensions of torchvision's ImageFolder
EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
# what Pillow may read besides, by its version and plugins
MORE = (
    ".jfif", ".jpe", ".gif", ".apng", ".avif", ".heic", ".heif", ".jp2", ".j2k", ".jxl", ".tga", ".dib",
    ".pbm", ".pnm", ".qoi",
)  # fmt: skip
# folders that network drives, desktops and zip programs make beside the pictures
SYSTEM = {"@eadir", "#recycle", "@recycle", "@__thumb", "$recycle.bin", "__macosx", "lost+found"}
NOISE = {".ds_store", "thumbs.db", "desktop.ini"}  # not worth a word
SHOWN = 3  # files named of each kind that is left out
NAMED = 5  # files named in an error


class File(NamedTuple):
    """A file: path relative to the listed folder (with `/`), bytes, time of last change in nanoseconds."""

    path: str
    size: int
    changed: int


class Survey(NamedTuple):
    """A folder's pictures, name by name in sorted order, and the paths of all that is left out."""

    files: list[File]
    others: list[str]


def listing(folder: Path, extensions: tuple[str, ...] = EXTENSIONS) -> list[File]:
    """All pictures below a folder, name by name in sorted order; hidden files and folders are left out.

    Raises:
        UsageFailure: as `survey`.
    """
    return _walked(folder, extensions).files


def survey(folder: Path) -> Survey:
    """Everything below a folder; pictures are what Pillow reads here, hidden and system files aside.

    Raises:
        UsageFailure: a folder that cannot be read, links that lead nowhere or round in circles.
    """
    return _walked(folder, (*EXTENSIONS, *MORE))


def digest(files: Iterable[File]) -> str:
    """SHA-256 (hex) of a listing: it changes with any name, size or time of change."""
    lines = "\n".join(f"{file.path}\0{file.size}\0{file.changed}" for file in files)
    return hashlib.sha256(encoded(lines)).hexdigest()


def summary(others: Iterable[str]) -> tuple[str, ...]:
    """What is left out, for people: how many files of each kind, and the first of them."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for path in others:
        if PurePosixPath(path).name.lower() not in NOISE:
            kinds[_kind(path)].append(path)
    return tuple(f"{len(paths)} {kind} ({shown(paths, SHOWN)})" for kind, paths in sorted(kinds.items()))


def shown(names: Sequence[str], most: int = NAMED) -> str:
    """The first names of many, for people."""
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def _kind(path: str) -> str:
    parts = PurePosixPath(path).parts
    if system := next((part for part in parts if part.lower() in SYSTEM), None):
        return f"in {system}"
    if any(part.startswith(".") for part in parts):
        return "hidden"
    return PurePosixPath(path).suffix.lower() or "without an ending"


def _walked(folder: Path, extensions: tuple[str, ...]) -> Survey:
    walk = _Walk(extensions)
    try:
        walk.visit(str(folder), "", frozenset({os.path.realpath(folder)}), aside=False)
    except OSError as error:
        raise UsageFailure(
            f"cannot read {printable(str(error.filename))}: {error.strerror}", "check its permissions"
        ) from None
    walk.check(folder)
    return Survey(walk.files, walk.others)


class _Walk:
    """What was met on the way through a folder."""

    def __init__(self, extensions: tuple[str, ...]) -> None:
        self.extensions = extensions
        self.files: list[File] = []
        self.others: list[str] = []
        self.dangling: list[str] = []
        self.circles: list[str] = []
        self._readable: tuple[str, ...] | None = None

    def visit(self, folder: str, prefix: str, above: frozenset[str], *, aside: bool) -> None:
        """Take up a folder; `above` holds the real paths on the way to it, `aside` what is left out whole."""
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda e: e.name)
        for entry in entries:
            name = prefix + entry.name
            hidden = aside or entry.name.startswith(".") or entry.name.lower() in SYSTEM
            if entry.is_symlink() and not os.path.exists(entry.path):  # noqa: PTH110 - no Path for each file
                self.dangling += [] if hidden else [name]
            elif entry.is_dir():
                self._enter(entry, name, above, aside=hidden)
            elif hidden or not self._is_picture(entry.name):
                self.others.append(name)
            else:
                facts = entry.stat()
                self.files.append(File(name, facts.st_size, facts.st_mtime_ns))

    def check(self, folder: Path) -> None:
        """Refuse links that lead nowhere or round in circles."""
        if self.dangling:
            raise UsageFailure(
                f"{len(self.dangling)} links in {folder} lead nowhere: {shown(self.dangling)}",
                "mend or remove them: the pictures that they stand for would be missing",
            )
        if self.circles:
            raise UsageFailure(
                f"{len(self.circles)} links in {folder} lead round in circles: {shown(self.circles)}",
                "remove them: each leads back to a folder that holds it",
            )

    def _enter(self, entry: os.DirEntry[str], name: str, above: frozenset[str], *, aside: bool) -> None:
        if not entry.is_symlink():
            self.visit(entry.path, f"{name}/", above | {entry.path}, aside=aside)
            return
        real = os.path.realpath(entry.path)
        held = {os.path.realpath(one) for one in above}
        if real in held or any(one.startswith(f"{real}{os.sep}") for one in held):
            self.circles += [] if aside else [name]
        else:
            self.visit(entry.path, f"{name}/", above | {real}, aside=aside)

    def _is_picture(self, name: str) -> bool:
        ending = os.path.splitext(name)[1].lower()  # noqa: PTH122 - no Path for each file
        if ending not in self.extensions:
            return False
        return ending in EXTENSIONS or ending in self._read_here()

    def _read_here(self) -> tuple[str, ...]:
        """Endings that this Pillow reads."""
        if self._readable is None:
            from PIL import Image

            Image.init()
            known = Image.registered_extensions()
            self._readable = tuple(ending for ending in MORE if known.get(ending) in Image.OPEN)
        return self._readable
