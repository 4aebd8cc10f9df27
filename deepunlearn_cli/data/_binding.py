"""Forget sets bound to what their pictures show: they survive another order, other names, other files.

A picture is known by the SHA-256 of its decoded bytes; its path tells equal ones apart, and its position
those that have no path. A position alone names another picture as soon as one is added or removed.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, NotRequired, TypedDict

from deepunlearn_cli.core.typed import Digest, Mistyped, Seed, Text
from deepunlearn_cli.data._dataset import Dataset
from deepunlearn_cli.data._digests import GONE, digest_of, digests_of
from deepunlearn_cli.data._forget import ForgetSet
from deepunlearn_cli.data._record import read_record


class ClaimedForget(TypedDict):
    """A forget set as a file carries it; the lists are of the same length.

    Attributes:
        spec: its name for people.
        indices: positions in the dataset that it was drawn from.
        pictures: SHA-256 (hex) of each decoded picture; files of version 0.2 and before have none.
        paths: of the pictures, where they have some.
        named: whether somebody asked for it, or a default filled it in.
    """

    spec: Text
    indices: list[Seed]
    pictures: NotRequired[list[Digest]]
    paths: NotRequired[list[str]]
    named: NotRequired[bool]


def check_claim(claim: ClaimedForget) -> None:
    """See that the lists of a claim are of one length, and not empty.

    Raises:
        Mistyped: they are not.
    """
    if not claim["indices"]:
        raise Mistyped("forget.indices", [], "a list of pictures")
    for name, given in (("pictures", claim.get("pictures")), ("paths", claim.get("paths"))):
        if given is not None and len(given) != len(claim["indices"]):
            raise Mistyped(f"forget.{name}", given, f"a list of {len(claim['indices'])}, as its indices")


class Located(NamedTuple):
    """Where the pictures of a claim are in a dataset, and the names of those that are nowhere."""

    indices: list[int]
    missing: list[str]


def claim_of(forget: ForgetSet, dataset: Dataset, *, named: bool = True) -> ClaimedForget:
    """A forget set bound to its pictures."""
    indices = [int(index) for index in forget.indices]
    claim = ClaimedForget(spec=forget.spec, indices=indices, named=named)
    digests = digests_of(dataset) if len(dataset.purged) else None
    claim["pictures"] = [
        (digests[index] if digests else digest_of(dataset.images[index])).hex() for index in indices
    ]
    if dataset.paths:
        claim["paths"] = [dataset.paths[index] for index in indices]
    return claim


def locate(claim: ClaimedForget, dataset: Dataset) -> Located:
    """Find a claim's pictures in a dataset that may have changed since: by content, path, then position.

    `KeyError` or `ValueError` where the claim is not bound to pictures.
    """
    wanted = [bytes.fromhex(one) for one in claim["pictures"]]
    places: dict[bytes, list[int]] = {digest: [] for digest in wanted}
    for place, digest in enumerate(digests_of(dataset)):
        if digest in places:
            places[digest].append(place)
    for digest, gone in _purged(wanted, dataset).items():
        places[digest] += gone
    paths = claim.get("paths") or [""] * len(wanted)
    located = Located([], [])
    for digest, path, index in zip(wanted, paths, claim["indices"], strict=True):
        left = places[digest]
        if not left:
            located.missing.append(_missed(path, index, dataset))
            continue
        chosen = min(left, key=lambda place: (_path(dataset, place) != path, place != index, place))
        left.remove(chosen)
        located.indices.append(chosen)
    return located


def twins(forget: ForgetSet, dataset: Dataset) -> list[tuple[int, int]]:
    """(forgotten, other): pictures outside a forget set that are equal, byte for byte, to one in it."""
    digests, ours = digests_of(dataset), set(forget.indices.tolist())
    first = {digests[index]: index for index in sorted(ours, reverse=True) if digests[index] != GONE}
    return [
        (first[digest], place)
        for place, digest in enumerate(digests)
        if digest in first and place not in ours
    ]


def name_of(index: int, dataset: Dataset) -> str:
    """A picture's name for people: its path, else its number as people count."""
    return _path(dataset, index) or f"picture {dataset.number_of(index)}"


def _purged(wanted: list[bytes], dataset: Dataset) -> dict[bytes, list[int]]:
    """Where pictures were, by digest, that were purged since: their places are kept."""
    file = getattr(dataset.images, "filename", None)
    home = Path(file).parent.parent if file and len(dataset.purged) else None
    record = read_record(home) if home else None
    if record is None:
        return {}
    purged = record.datasets[dataset.fingerprint]
    places: dict[str, list[int]] = {}
    for mark, index in zip(purged.pictures, purged.indices, strict=True):
        places.setdefault(mark, []).append(index)
    return {digest: places.get(record.mark(digest), []) for digest in {*wanted}}


def _missed(path: str, index: int, dataset: Dataset) -> str:
    if not path:
        return f"picture {index}"
    return f"{path} (another picture now)" if path in dataset.paths else path


def _path(dataset: Dataset, index: int) -> str:
    return dataset.paths[index] if dataset.paths else ""
