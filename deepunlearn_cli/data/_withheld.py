"""Pictures that were purged and are decoded again, as their source still holds them: they stay blank."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from deepunlearn_cli.data._dataset import Indices, Pixels, fingerprint
from deepunlearn_cli.data._digests import digest_of
from deepunlearn_cli.data._record import Purged, Record, masked, read_record, write_record

if TYPE_CHECKING:
    from pathlib import Path

    from deepunlearn_cli.data._family import Plan

Names = Sequence[tuple[str, ...]]  # of every picture its keyed names


def withheld(
    home: Path, name: str, head: dict[str, Any], images: Pixels, plan: Plan, place: str
) -> Purged | None:
    """What of newly decoded pictures was purged before: it is made blank again, and known for it.

    Args:
        name: fingerprint of the pictures as they were decoded.
        place: of files of the user's.

    Raises:
        StoreCorrupt: the record of what was purged is damaged.
    """
    record = read_record(home)
    if record is None:
        return None
    known = record.datasets.get(name)
    if known is None:
        names = names_of({"place": place, **plan.about}, record, len(images))
        gone = record.known_in([digest_of(picture) for picture in images], images.shape[1:], names)
        if not gone:
            return None
        known = described(record, head, images, plan.labels, gone, names)
        write_record(home, record.with_(name, known))
    images[known.index] = 0
    images.flush()  # type: ignore[attr-defined]
    return known


def described(
    record: Record,
    head: dict[str, Any],
    images: Pixels,
    labels: Indices,
    gone: Iterable[int],
    names: Names,
    before: Purged | None = None,
) -> Purged:
    """What a record says of pictures of a dataset that are to be blank, while they are still there.

    Args:
        before: what was purged of the dataset already.
    """
    new = sorted(gone)
    blank = np.array(sorted({*new, *(before.indices if before else ())}), dtype=np.int64)
    return Purged(
        shape=images.shape[1:],
        indices=tuple(new),
        pictures=tuple(record.mark(digest_of(images[index])) for index in new),
        names=tuple(names[index] for index in new),
        rest=fingerprint(head, images, labels, blank),
    )


def names_of(source: Mapping[str, Any], record: Record, count: int) -> Names:
    """The keyed names of a source's pictures: its place, else its name, with their paths or numbers."""
    which = source["paths"] or source.get("numbers") or range(count)
    return [(record.name_mark(source["place"] or source["name"], one),) for one in which]


def masked_about(about: dict[str, Any], purged: Purged | None) -> dict[str, Any]:
    """What is known of a source, less the paths of what was purged."""
    return about | {"paths": masked(about["paths"], purged.indices if purged else ())}
