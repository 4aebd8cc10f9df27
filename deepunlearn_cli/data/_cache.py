"""The decoded datasets below `home`.

`<fingerprint>/{images.npy,labels.npy,meta.json}` holds the content, `sources/<key>.json` says which content
a source (family, argument, image size, state of its files) was decoded to, and the `place` of files of the
user's. Everything is written whole or not at all.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap

from deepunlearn_cli.core.errors import NotFound, StoreCorrupt
from deepunlearn_cli.core.npy import map_array, read_array
from deepunlearn_cli.core.plugins import Notice
from deepunlearn_cli.core.room import full, reserve, room_for
from deepunlearn_cli.core.shared import Progress
from deepunlearn_cli.data import _readers, _seal
from deepunlearn_cli.data._dataset import (
    Dataset,
    Indices,
    Pixels,
    channel_statistics,
    fingerprint,
    header,
)
from deepunlearn_cli.data._entry import Meta, Source, entry_of, sealed
from deepunlearn_cli.data._family import Plan
from deepunlearn_cli.data._record import LOCK, purged_of
from deepunlearn_cli.data._sources import entries
from deepunlearn_cli.data._staging import publish, staging, write_atomically
from deepunlearn_cli.data._withheld import masked_about, withheld
from deepunlearn_cli.system.locks import hold
from deepunlearn_cli.system.rights import may_write

CURE = "name the dataset again (`--dataset ...`): it is decoded once more"
MISSING = FileNotFoundError, NotADirectoryError, IsADirectoryError  # a file of a folder
SPARE = 1 << 26  # bytes left free on the disk beside a dataset


def find(home: Path, key: str) -> Dataset | None:
    """The dataset decoded earlier from the source with this key; None if there is none, or a damaged one."""
    try:
        entry = entry_of(_source(home, key), Source)
        about, folder = _about(entry), home / entry["fingerprint"]
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None
    dataset = _read(folder)
    if dataset is None and folder.is_dir():
        _tell(folder)
    return dataset and replace(dataset, **about)


def load_whole(folder: Path) -> Dataset | None:
    """The dataset in a folder, every byte compared with its fingerprint (or what is left); None if not."""
    dataset = _read(folder)
    if dataset is None:
        return None
    purged = purged_of(folder.parent, folder.name)
    left = fingerprint(head_of(dataset), dataset.images, dataset.labels, dataset.purged)
    return dataset if left == (purged.rest if purged else folder.name) else None


def _tell(folder: Path) -> None:
    if not may_write(folder.parent):
        raise _damaged(folder)
    warnings.warn(f"the decoded pictures in {folder} were damaged: decoded again", Notice, stacklevel=4)


def _damaged(folder: Path) -> StoreCorrupt:
    return StoreCorrupt(f"the decoded dataset in {folder} is damaged", CURE)


def load_dataset(fingerprint: str, home: Path) -> Dataset:
    """The decoded dataset with this fingerprint (64 hex digits); its source is not needed.

    Raises:
        NotFound: it was never decoded here.
        StoreCorrupt: its files are damaged.
    """
    if not (home / fingerprint).is_dir():
        raise NotFound(f"no decoded dataset {fingerprint[:16]} in {home}", CURE)
    dataset = _read(home / fingerprint)
    if dataset is None:
        raise _damaged(home / fingerprint)
    return dataset


def decoded_from(home: Path, place: str) -> set[str]:
    """Fingerprints of all that files of the user's at this place were ever decoded to."""
    return {entry["fingerprint"] for _, entry in entries(home) if entry.get("place") == place}


def keep(home: Path, plan: Plan, keys: Iterable[str], progress: Progress, place: str = "") -> Dataset:
    """Decode `plan`, of files of the user's at `place`, into `home`, known from then on under `keys`.

    Raises:
        UsageFailure: a picture cannot be used.
        DiskFull: the disk is too small.
    """
    with staging(home) as folder:
        images = _decode(folder / "images.npy", plan, progress)
        with room_for(folder / "labels.npy", plan.labels.nbytes):
            np.save(folder / "labels.npy", plan.labels)
        facts = _facts(plan, images)
        name = fingerprint(facts["header"], images, plan.labels)
        with hold(home / LOCK):
            purged = withheld(home, name, facts["header"], images, plan, place)
            about = masked_about(plan.about, purged)
            facts |= about
            _seal.write(folder, facts["header"], images, plan.labels, purged)
            del images
            (folder / "meta.json").write_text(json.dumps(sealed(facts)), "utf-8")
            publish(folder, home / name, lambda place: _read(place) is not None)
            for key in keys:
                entry = {"fingerprint": name, "place": place, **about}
                write_atomically(_source(home, key), json.dumps(sealed(entry)).encode())
            _describe(home / name / "meta.json", facts)
    return replace(load_dataset(name, home), **about)


def _source(home: Path, key: str) -> Path:
    return home / "sources" / f"{key}.json"


def _decode(path: Path, plan: Plan, progress: Progress) -> Pixels:
    shape = (len(plan.labels), *plan.shape)
    needed = int(np.prod(shape)) + SPARE
    free = shutil.disk_usage(path.parent).free
    if free < needed:
        raise full(path.parent.parent, needed)
    with room_for(path, needed):
        images = open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
        reserve(path)
    plan.fill(images, progress)
    images.flush()
    return images


def _facts(plan: Plan, images: Pixels) -> dict[str, Any]:
    given = (plan.mean, plan.std)
    mean, std = given if plan.mean else channel_statistics(images[: plan.train_size])
    facts = vars(plan) | {"classes": list(plan.classes), "mean": list(mean), "std": list(std)}
    return {"header": header(images.shape, facts), **plan.about}


def _describe(path: Path, facts: dict[str, Any]) -> None:
    """The same pictures by the newest names of their source: the folder may be from another."""
    text = json.dumps(sealed(facts)).encode()
    if path.read_bytes() != text:
        write_atomically(path, text)


def _about(entry: dict[str, Any]) -> dict[str, Any]:
    """What is known of a source; `KeyError` for an entry of an earlier version of a source of the user's."""
    told = {"name": entry["name"], "paths": tuple(entry["paths"])}
    if "numbers" not in entry and ":" not in entry["name"]:
        return told  # a public dataset: there is nothing more to know
    lists = {name: tuple(entry[name]) for name in ("numbers", "left_out")}
    return told | lists | {name: entry[name] for name in ("uncounted", "split_folders")}


def _read(folder: Path) -> Dataset | None:
    """The dataset in a folder; None if a file is missing or not what was decoded.

    Raises:
        OSError: a file cannot be read, which is no proof of damage: not permitted, too many open files.
    """
    try:
        reading = _readers.share(path := folder / "images.npy")
    except MISSING:
        return None
    dataset = None
    try:
        dataset = _read_shared(folder)
    finally:
        if dataset is None:
            _readers.leave(path, reading)
    if dataset:
        _readers.leave_with(dataset.images, path, reading)
    return dataset


def _read_shared(folder: Path) -> Dataset | None:
    purged = purged_of(folder.parent, folder.name)
    try:
        meta = entry_of(folder / "meta.json", Meta)
        head = meta["header"]
        images = _mapped(folder / "images.npy", tuple(head["shape"]))
        labels: Indices = read_array(folder / "labels.npy")
        if labels.shape != images.shape[:1] or labels.dtype != np.int64:
            return None
        sound = _seal.is_sound(folder, head, images, labels, purged)
        dataset = _dataset(folder.name, meta, images, labels) if sound else None
        return replace(dataset, purged=purged.index) if dataset and purged else dataset
    except (*MISSING, ValueError, KeyError, TypeError, EOFError):
        return None


def _mapped(path: Path, shape: tuple[int, ...]) -> Pixels:
    images = map_array(path)
    if images.dtype != np.uint8 or images.shape != shape:
        raise ValueError(path)
    if path.stat().st_size != images.offset + images.nbytes:
        raise ValueError(path)
    return images


def _dataset(name: str, meta: dict[str, Any], images: Pixels, labels: Indices) -> Dataset:
    head = meta["header"]
    return Dataset(
        fingerprint=name,
        images=images,
        labels=labels,
        train_size=head["train_size"],
        classes=tuple(head["classes"]),
        mean=tuple(head["mean"]),
        std=tuple(head["std"]),
        flip=head["flip"],
        pad=head["pad"],
        **_told(meta),
    )


def head_of(dataset: Dataset) -> dict[str, Any]:
    """The header that a dataset's fingerprint covers."""
    facts = vars(dataset)
    lists = {name: list(facts[name]) for name in ("classes", "mean", "std")}
    return header(dataset.images.shape, facts | lists)


def _told(meta: dict[str, Any]) -> dict[str, Any]:
    try:
        return _about(meta)
    except KeyError:  # of an earlier version: whose numbers these are, nobody knows
        told = {"name": meta["name"], "paths": tuple(meta["paths"])}
        return told | {"uncounted": "it was decoded by an earlier version: name the dataset again"}
