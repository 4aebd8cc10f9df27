"""JSON files that carry a digest of themselves."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from deepunlearn_cli.core.typed import Digest, Number, Seed, Text, load


class Header(TypedDict):
    """What a fingerprint covers beside the bytes; see `Dataset`."""

    shape: list[Number]
    train_size: Seed
    classes: list[str]
    mean: list[float]
    std: list[float]
    flip: bool
    pad: Seed


class About(TypedDict):
    """What is known of a source beside its pictures; earlier versions knew less."""

    name: Text
    paths: list[str]
    numbers: NotRequired[list[int]]
    uncounted: NotRequired[str]
    left_out: NotRequired[list[str]]
    split_folders: NotRequired[str]


class Meta(About):
    """`meta.json` beside decoded pictures."""

    header: Header


class Source(About):
    """`sources/<key>.json`: what a source was decoded to."""

    fingerprint: Digest
    place: NotRequired[str]


class Erased(TypedDict):
    """What was purged of one dataset; see `Purged`."""

    shape: list[Number]
    indices: list[int]
    pictures: list[str]
    names: list[list[str]]
    rest: Digest
    requests: list[Mapping[str, Any]]


class Record(TypedDict):
    """`purged.json`."""

    salt: Text
    datasets: Mapping[str, Erased]


def entry_of(path: Path, kind: type) -> dict[str, Any]:
    """What a sealed JSON file says, of a declared kind.

    Raises:
        OSError, ValueError: it cannot be read, is of another kind, or not what was sealed.
    """
    entry: dict[str, Any] = load(path.read_text("utf-8"), kind)
    if "seal" in entry and sealed(entry)["seal"] != entry["seal"]:
        raise ValueError(path)
    return entry


def sealed(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry with a digest of itself."""
    plain = {name: value for name, value in entry.items() if name != "seal"}
    text = json.dumps(plain, sort_keys=True)
    return {**plain, "seal": hashlib.sha256(text.encode()).hexdigest()}
