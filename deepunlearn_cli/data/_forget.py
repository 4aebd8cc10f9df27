"""Forget sets: which training pictures are to be forgotten, by rule or by list."""

from __future__ import annotations

import hashlib
import io
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from unicodedata import normalize

import numpy as np

from deepunlearn_cli.core.errors import Failure, NotFound, StoreCorrupt, UsageFailure, unknown
from deepunlearn_cli.core.npy import read_arrays
from deepunlearn_cli.core.specs import EXTREMES, HARDEST, SPLIT_SEED, together
from deepunlearn_cli.data._dataset import Dataset, Indices
from deepunlearn_cli.data._entries import Entry, offending, read_entries, to_indices
from deepunlearn_cli.data._hardness import Ask, extreme
from deepunlearn_cli.data._listing import shown
from deepunlearn_cli.data._splits import Split, draw, set_apart
from deepunlearn_cli.data._staging import write_atomically
from deepunlearn_cli.system.rights import is_refusal

FORMS = (
    "random:0.1 · random:0.1:SEED · random:0.1:{seed} · class:3 · class:3:0.5 · indices:FILE · hardest:0.1 · "
    "easiest:0.1 · hardest:0.1:FILE[:COLUMN]"
)


_unwritten: dict[Path, ForgetSet] = {}  # by the file that a store which may only be read has not


@dataclass(frozen=True, eq=False)
class ForgetSet:
    """A set of training pictures.

    Attributes:
        spec: what was asked for, for people.
        indices: int64, sorted; `forget_of` gives the order in which a split holds them.
        sha256: hex, over the sorted indices written as decimal lines.
    """

    spec: str
    indices: Indices
    sha256: str

    def __len__(self) -> int:
        return len(self.indices)


def forget_set(
    spec: str,
    dataset: Dataset,
    split: Split,
    *,
    seed: int = SPLIT_SEED,
    ask: Ask | None = None,
    gone: Sequence[ForgetSet] = (),
) -> ForgetSet:
    """The forget set that `spec` describes, a part of `split.train`.

    Args:
        spec: `random:FRACTION[:SEED]` draws from all of the training part, `class:CLASS[:FRACTION]` from a
            class (its name, else its number), `indices:FILE` lists indices or, for folders, relative paths,
            `hardest:FRACTION[:FILE[:COLUMN]]` (or `easiest`) goes by scores of memorisation.
        dataset: where classes and paths are looked up.
        split: the parts of the dataset.
        seed: of the draw, unless the spec gives one.
        ask: a model's own scores (N,), the higher the harder; None where there is no model yet.
        gone: what was forgotten before: rules that draw do so from what is left; lists and whole classes
            name what they name.

    Raises:
        UsageFailure: the spec, or entries of the file, cannot be used; the message names them.
        NotFound: no such file or class.
    """
    form, _, argument = spec.partition(":")
    rules = {"random": _random, "class": _class, "indices": _listed}
    left = left_of(split, gone)
    if form not in (*rules, *EXTREMES) or not argument:
        raise UsageFailure(f"--forget {spec} is none of the known forms", FORMS)
    if form in EXTREMES:
        text, _, file = argument.partition(":")
        share, hard = _fraction(text, spec), form == HARDEST
        chosen = extreme(spec, dataset, left, ask, share=share, file=file, hard=hard)
    else:
        chosen = rules[form](argument, dataset, split, left, seed)
    if len(chosen) == 0:
        raise UsageFailure(
            f"--forget {spec} holds no training picture", "raise the fraction, or name another class"
        )
    if not len(np.setdiff1d(left.train, chosen)):
        all_of_it = "all that is left" if gone else "the whole training part"
        raise UsageFailure(f"--forget {spec} is {all_of_it}: nothing is left to retain", "forget less")
    return forget_by_index(spec, chosen)


def forget_from(spec: str, indices: Sequence[int], dataset: Dataset, split: Split) -> ForgetSet:
    """A forget set that a checkpoint file carries; `spec` is its name for people.

    Raises:
        UsageFailure: indices that are repeated, or not of the training part.
    """
    listed = [int(index) for index in indices]
    fault = _fault(listed, {index: index for index in listed}, dataset, split, Path(spec))
    if fault or not listed or len(listed) >= len(split.train):
        raise fault or UsageFailure(f"the checkpoint's forget set {spec} holds no picture, or all", FORMS)
    return forget_by_index(spec, np.array(listed, dtype=np.int64))


def forget_of(split: Split, forget: ForgetSet) -> Indices:
    """The forget set's indices in order: scikit-learn's for a random draw, else the training part's."""
    return _arranged(split, forget)[1]


def retain_of(split: Split, forget: ForgetSet) -> Indices:
    """The training part less the forget set: scikit-learn's order for a random draw, else its own."""
    return _arranged(split, forget)[0]


def save_forget(forget: ForgetSet, home: Path) -> Path:
    """Keep a forget set as `<home>/forget/<sha256>.npz`; does nothing if it is there.

    Where nothing may be written it is kept for this process alone: what only plans needs no more.
    """
    path = forget_place(home, forget.sha256)
    if path.exists():
        return path
    content = io.BytesIO()
    np.savez_compressed(content, indices=forget.indices, spec=np.array(forget.spec))
    try:
        write_atomically(path, content.getvalue())
    except OSError as error:
        if not is_refusal(error):
            raise
        _unwritten[path] = forget
    return path


def load_forget(sha256: str, home: Path) -> ForgetSet:
    """The forget set kept under this SHA-256 (hex).

    Raises:
        NotFound: it is not there.
        StoreCorrupt: the file is damaged.
    """
    path = forget_place(home, sha256)
    if path in _unwritten:
        return _unwritten[path]
    if not path.is_file():
        raise NotFound(f"no forget set {sha256[:16]} in {path.parent}", "give it again with --forget")
    try:
        kept = read_arrays(path, ("spec", "indices"))
        forget = forget_by_index(str(kept["spec"]), kept["indices"].astype(np.int64))
    except PermissionError:
        raise
    except (OSError, ValueError, KeyError, TypeError):
        forget = None
    if forget is None or forget.sha256 != sha256:
        raise StoreCorrupt(f"forget set {path} is damaged", "remove the file and give --forget again")
    return forget


def forget_place(home: Path, sha256: str) -> Path:
    """Where the forget set of a digest is kept, whether it is there or not."""
    return home / "forget" / f"{sha256}.npz"


def forget_by_index(spec: str, chosen: Indices) -> ForgetSet:
    """The forget set of these distinct indices of training pictures; `spec` is its name for people."""
    indices = np.sort(chosen)
    lines = "".join(f"{index}\n" for index in indices.tolist())
    return ForgetSet(spec, indices, hashlib.sha256(lines.encode()).hexdigest())


def _arranged(split: Split, forget: ForgetSet) -> tuple[Indices, Indices]:
    # Orders follow from the set, not from its spec: runs know a forget set by its hash alone, and the same
    # set given as a list must give the same run. The benchmark's draw is recognised by drawing it again.
    retain, drawn = draw(split.train, len(forget), split.seed)
    if np.array_equal(np.sort(drawn), forget.indices):
        return retain, drawn
    chosen = np.isin(split.train, forget.indices)
    return split.train[~chosen], split.train[chosen]


def left_of(split: Split, gone: Sequence[ForgetSet]) -> Split:
    """The split, its training part less what was forgotten before, in its order."""
    if not gone:
        return split
    kept = ~np.isin(split.train, np.concatenate([one.indices for one in gone]))
    return replace(split, train=split.train[kept])


def union(sets: Sequence[ForgetSet], spec: str = "") -> ForgetSet:
    """All pictures of several forget sets as one; `spec` is its name for people."""
    every = np.unique(np.concatenate([one.indices for one in sets]))
    return forget_by_index(spec or together([one.spec for one in sets]), every)


def parts_of(split: Split, forget: ForgetSet, earlier: Sequence[ForgetSet] = ()) -> dict[str, Indices]:
    """What is left of the training part: `retain` and `forget`, and what earlier requests forgot.

    `forgotten` has the pictures of earlier requests that this one does not name again; it is missing where
    there are none. The order of `retain` follows from all that was forgotten, in however many requests.
    """
    every = union([forget, *earlier]) if earlier else forget
    parts = {"retain": retain_of(split, every), "forget": forget_of(split, forget)}
    before = np.setdiff1d(every.indices, forget.indices)
    return parts | ({"forgotten": split.train[np.isin(split.train, before)]} if len(before) else {})


def _random(argument: str, _dataset: Dataset, _split: Split, left: Split, seed: int) -> Indices:
    share, colon, named = argument.partition(":")
    if colon and not named.isdecimal():
        raise UsageFailure(
            f"--forget random:{argument}: {named!r} is not a seed", "write random:FRACTION:SEED"
        )
    return set_apart(left.train, _fraction(share, f"random:{argument}"), int(named) if colon else seed)[1]


def _class(argument: str, dataset: Dataset, split: Split, left: Split, seed: int) -> Indices:
    label = _label(argument, dataset)
    name, colon, share = argument.rpartition(":")
    if label is None and colon:
        label = _label(name, dataset)
    else:
        share = ""
    if label is None:
        by = "by name" if any(one.isdecimal() for one in dataset.classes) else "by name or number"
        known = f"{dataset.num_classes} classes, {by}: {shown(dataset.classes, 10)}"
        raise unknown("class", name if colon else argument, dataset.classes, f"{dataset.name} has {known}")
    drawn_from = left.train if share else split.train
    members = drawn_from[dataset.labels[drawn_from] == label]
    return set_apart(members, _fraction(share, f"class:{argument}"), seed)[1] if share else members


def _label(name: str, dataset: Dataset) -> int | None:
    """The number of a class: by its name; by the number itself only where no class is called by a number."""
    forms = [normalize("NFC", known) for known in dataset.classes]
    if normalize("NFC", name) in forms:
        return forms.index(normalize("NFC", name))
    if any(known.isdecimal() for known in forms):
        return None
    return int(name) if name.isdecimal() and int(name) < dataset.num_classes else None


def _fraction(text: str, spec: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 < share < 1:
        raise UsageFailure(f"--forget {spec}: {text!r} is not a fraction between 0 and 1", FORMS)
    return share


def _listed(argument: str, dataset: Dataset, split: Split, _left: Split, _seed: int) -> Indices:
    file = Path(argument).expanduser()
    listed = read_entries(file)
    indices = to_indices(listed, dataset, file)
    given = dict(zip(indices, listed.entries, strict=True))
    fault = _fault(indices, given, dataset, split, file)
    if fault:
        raise fault
    return np.array(indices, dtype=np.int64)


def _fault(
    indices: list[int], given: dict[int, Entry], dataset: Dataset, split: Split, file: Path
) -> Failure | None:
    """What is wrong with indices; `given` has them as the file does."""
    last = len(dataset) - 1
    outside: list[Entry] = [index for index in indices if not 0 <= index <= last]
    if outside:
        return offending(file, outside, f"not from 0 to {last}", f"{dataset.name} has {last + 1} pictures")
    twice = [given[index] for index, count in Counter(indices).items() if count > 1]
    if twice:
        return offending(file, twice, "given more than once", "name every picture once")
    return _not_trained(indices, given, split, file)


def _not_trained(indices: list[int], given: dict[int, Entry], split: Split, file: Path) -> Failure | None:
    tested, in_val = set(split.test.tolist()), set(split.val.tolist())
    wrong = [given[index] for index in indices if index in tested]
    if wrong:
        cure = "leave them out; if your model was trained on them, give the test part yourself"
        return offending(file, wrong, "of the test part, never trained on", cure)
    wrong = [given[index] for index in indices if index in in_val]
    if wrong:
        cure = "--val-share 0 trains on all of the official training part"
        return offending(file, wrong, "of the validation part, not trained on", cure)
    return None
