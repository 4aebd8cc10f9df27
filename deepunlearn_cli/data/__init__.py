"""Datasets, one file per family, decoded once to fingerprinted arrays of bytes; splits; forget sets.

May import: `core`, `system`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from deepunlearn_cli.core import plugins
from deepunlearn_cli.core.errors import Failure, NotFound, UsageFailure
from deepunlearn_cli.core.names import printable
from deepunlearn_cli.core.plugins import blamed
from deepunlearn_cli.core.shared import Progress
from deepunlearn_cli.core.specs import DEFAULT_FORGET, SPLIT_SEED, VAL_SHARE
from deepunlearn_cli.data._binding import ClaimedForget, check_claim, claim_of, locate, name_of, twins
from deepunlearn_cli.data._cache import decoded_from, find, keep, load_dataset
from deepunlearn_cli.data._canary import Canary, drawn, with_canaries
from deepunlearn_cli.data._checks import differences
from deepunlearn_cli.data._classes import arranged, read_classes, untrained
from deepunlearn_cli.data._dataset import Dataset
from deepunlearn_cli.data._digests import digest_of as picture_digest
from deepunlearn_cli.data._family import (
    NOTHING,
    Asked,
    Family,
    FileFamily,
    Plan,
    hold_out,
    raw_folder,
)
from deepunlearn_cli.data._forget import (
    FORMS,
    ForgetSet,
    forget_from,
    forget_of,
    forget_set,
    left_of,
    load_forget,
    parts_of,
    retain_of,
    save_forget,
    union,
)
from deepunlearn_cli.data._halves import draw_forget, halve
from deepunlearn_cli.data._hardness import Scores
from deepunlearn_cli.data._one_picture import decoded_picture, index_of
from deepunlearn_cli.data._pictures import INTERPOLATIONS, array_filler, resized_by
from deepunlearn_cli.data._purge import Erased, Erasure, erasures, places, purge, raw_planned, unfinished
from deepunlearn_cli.data._raw import without_raw
from deepunlearn_cli.data._record import read_record
from deepunlearn_cli.data._specs import (
    FAMILIES,
    PATHS,
    asks_to_import,
    is_named,
    kind_of,
    list_families,
    portable,
    split_spec,
)
from deepunlearn_cli.data._splits import Split, split
from deepunlearn_cli.data._traces import traces
from deepunlearn_cli.data._travel import is_here, named_in, packed, unpack

__all__ = [
    "DEFAULT_FORGET",
    "FAMILIES",
    "FORMS",
    "INTERPOLATIONS",
    "SPLIT_SEED",
    "VAL_SHARE",
    "Canary",
    "ClaimedForget",
    "Dataset",
    "Erased",
    "Erasure",
    "Family",
    "FileFamily",
    "ForgetSet",
    "Plan",
    "Scores",
    "Split",
    "array_filler",
    "asks_to_import",
    "check_claim",
    "check_spec",
    "claim_of",
    "decoded_picture",
    "differences",
    "draw_forget",
    "drawn",
    "erasures",
    "forget_from",
    "forget_of",
    "forget_set",
    "halve",
    "hold_out",
    "index_of",
    "is_here",
    "kind_of",
    "known_as",
    "left_of",
    "list_families",
    "load_dataset",
    "load_forget",
    "locate",
    "name_of",
    "named_in",
    "open_dataset",
    "packed",
    "parts_of",
    "picture_digest",
    "places",
    "portable",
    "purge",
    "raw_planned",
    "read_classes",
    "read_record",
    "retain_of",
    "save_forget",
    "split",
    "traces",
    "twins",
    "unfinished",
    "union",
    "unpack",
    "untrained",
    "with_canaries",
]

SIZE_LIMIT = 4096  # pixels
SHOW_GUIDE = "deepunlearn guide your-method"


def open_dataset(
    spec: str,
    home: Path,
    *,
    image_size: int | None = None,
    offline: bool = False,
    split_folders: str | None = None,
    classes: Sequence[str] = (),
    progress: Progress | None = None,
    interpolation: str | None = None,
) -> Dataset:
    """A dataset, decoded into `home` the first time and found there afterwards.

    Args:
        spec: `digits`, `cifar10`, ..., `folder:PATH`, `npz:FILE`, `csv:FILE`.
        home: folder of the decoded datasets (`<store>/data`).
        image_size: height and width in pixels; None for the dataset's own.
        offline: never touch the network.
        split_folders: `TRAIN,TEST`, of `folder:PATH`; None where the folders' names tell.
        classes: names in the order of the model's outputs; empty for the source's own order.
        progress: called now and then (see `core/shared.py`).
        interpolation: how pictures are resized (`INTERPOLATIONS`); None for bilinear.

    Raises:
        NotFound: no such family, folder or file, with what to do about it.
        UsageFailure: files that cannot be used as they are.
    """
    family = _family(spec, home, image_size, offline, Asked(split_folders, tuple(classes)))
    family.interpolation = interpolation or family.interpolation
    with resized_by(family.interpolation):
        return _opened(family, home, classes, progress or _silent)


def _opened(family: Family, home: Path, classes: Sequence[str], report: Progress) -> Dataset:
    with blamed(type(family)):
        known = find(home, family.key(family.stamp()))
    if known:
        return known
    with blamed(type(family)):
        family.fetch(report)
        keys = {family.key(family.stamp())} | ({family.key([])} if family.fixed else set())
        plan = _labelled(family, family.plan())
        kept = keep(home, arranged(plan, classes) if classes else plan, keys, report, _place(family))
    return without_raw(kept, home, family)


def _labelled(family: Family, plan: Plan) -> Plan:
    """A plan under the name that tables show: that of a plug-in tells it from all others."""
    if plugins.of(type(family)) is None:
        return plan
    if not isinstance(plan, Plan):
        raise UsageFailure(f"{family.label}.plan() gives a {type(plan).__name__}, not a Plan", SHOW_GUIDE)
    return replace(plan, name=family.label)


def known_as(spec: str, home: Path) -> tuple[str, set[str]]:
    """What runs on a dataset are found by.

    Args:
        spec: of any form that `open_dataset` takes.

    Returns:
        The name that runs are labelled with; and of files of the user's, whose names others may have too, the
        fingerprints of all that these very files were decoded to in `home`.

    Raises:
        NotFound, UsageFailure: no such family, or one without the path it takes.
    """
    family = _family(spec, home, None, offline=True)
    if not family.takes:
        return family.label, set()
    found = decoded_from(home, _place(family))
    with suppress(Failure):  # decoded before places were kept
        now = find(home, family.key(family.stamp()))
        found |= {now.fingerprint} if now else set()
    return family.label, found


def _place(family: Family) -> str:
    """Where files of the user's are; empty for public datasets."""
    return printable(str(Path(family.argument).expanduser().resolve())) if family.takes else ""


def check_spec(spec: str) -> None:
    """Refuse, before anything is written, a dataset that cannot exist.

    Raises:
        NotFound: no such family, or no such folder or file.
        UsageFailure: a family without the path it takes, or with one that it does not.
    """
    family = _family(spec, Path(), None, offline=True)
    if family.takes in PATHS and not Path(family.argument).expanduser().exists():
        raise NotFound(f"dataset {spec}: there is no {family.argument}", "check the path")


def _family(spec: str, home: Path, image_size: int | None, offline: bool, asked: Asked = NOTHING) -> Family:
    name, colon, argument = split_spec(spec)
    if image_size is not None and not 1 <= image_size <= SIZE_LIMIT:
        raise UsageFailure(f"--image-size {image_size} is not from 1 to {SIZE_LIMIT}", "--image-size 32, say")
    _check_path(spec, argument)
    if spec and not is_named(name) and Path(spec).expanduser().exists():
        table = "csv" if spec.lower().endswith(".csv") else "npz"
        form = table if Path(spec).expanduser().is_file() else "folder"
        raise NotFound(f"unknown dataset {spec!r}", f"--dataset {form}:{spec} takes it from disk")
    kind = FAMILIES.get(name)
    if kind.takes and not argument:
        raise UsageFailure(f"dataset {spec!r} does not say which", f"write {name}:{kind.takes}")
    if colon and not kind.takes:
        raise UsageFailure(f"dataset {name} takes nothing after a colon, not {argument!r}", f"write {name}")
    if asked.split_folders is not None and name.lower() != "folder":
        raise UsageFailure(f"--split-folders is of folder:PATH, not of {spec}", "leave it out")
    return kind(argument, raw_folder(home), image_size, offline, asked)


def _check_path(spec: str, argument: str) -> None:
    """Refuse what can be no path, such as a home of nobody or a name that is too long."""
    for text in (spec, argument):
        try:
            Path(text).expanduser().exists()
        except (OSError, RuntimeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UsageFailure(f"dataset {spec}: {reason}", "check the path") from None


def _silent(_done: float, _total: float, _text: str) -> None:
    pass
