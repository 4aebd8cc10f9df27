"""Which folders of a picture folder are its parts and which its classes; never a guess."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from deepunlearn_cli.core.errors import Failure, UsageFailure
from deepunlearn_cli.data._listing import EXTENSIONS, File, Survey, shown, summary

LAYOUT = "expected PATH/CLASS/*.jpg, or PATH/train/CLASS/*.jpg with PATH/test/CLASS/*.jpg"
TRAIN = {"train", "training", "trainset", "train_set", "train-set", "trn"}
TEST = {"test", "testing", "testset", "test_set", "test-set", "tst"}
OTHER = {"val", "valid", "validation", "validate", "dev", "eval", "evaluation", "holdout", "unlabeled"}
WAYS_OUT = "--split-folders TRAIN,TEST names the parts, --classes a,b,c the classes"


class Parts(NamedTuple):
    """Folders of the training part and of the test part; none of either where a test part is drawn."""

    train: tuple[str, ...] = ()
    test: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """The folders, training first."""
        return (*self.train, *self.test)


def parts_of(folder: Path, found: Survey, asked: str | None, classes: Sequence[str]) -> Parts:
    """The parts of a folder: as asked for, or by the usual words in any case.

    Raises:
        UsageFailure: folders that are not there, and names that leave a doubt.
    """
    below = _below(found, 0)
    if asked is not None:
        return _asked(folder, below, asked)
    if classes and set(below) <= set(classes):
        return Parts()  # somebody said that these are classes, whatever they are called
    train, test = ([name for name in below if name.lower() in words] for words in (TRAIN, TEST))
    if len(train) == len(test) == 1 and not _flat(found, (*train, *test)):
        return Parts(tuple(train), tuple(test))
    if train or test or any(name.lower() in OTHER for name in below):
        raise _doubtful(folder, found, below, train, test)
    return Parts()


def check_classes(folder: Path, found: Survey, parts: Parts, classes: Sequence[str]) -> None:
    """Refuse what looks like classes and is something else, unless somebody named the classes.

    Raises:
        UsageFailure: one class only; folders called like parts, or the same folders below every class.
    """
    for part in parts.all or ("",):
        files = inner(found.files, part)
        names = sorted({path.partition("/")[0] for path in files if "/" in path})
        place = folder / part
        if len(names) == 1:
            raise _one_class(place, names[0], files)
        inside = _inside(files)
        repeated = set.intersection(*inside.values()) if inside else set()
        called = sorted(n for n in repeated if n.lower() in TRAIN | TEST | OTHER)
        if not classes and (len(repeated) > 1 or called):
            raise UsageFailure(
                f"every folder in {place} holds the folders {shown(sorted(repeated))}: it is not plain which "
                "are the classes",
                "--classes a,b,c says so; or csv:FILE, a table of path and label",
            )


def left_out(found: Survey, parts: Parts) -> tuple[str, ...]:
    """What of a folder is in no part, for people; then files that are no pictures."""
    if not parts.all:
        return summary(found.others)
    counts: dict[str, int] = defaultdict(int)
    for file in found.files:
        top = file.path.partition("/")[0]
        if top not in parts.all:
            counts[f"{top}/" if "/" in file.path else "beside the parts"] += 1
    outside = tuple(f"{name} ({count} pictures)" for name, count in sorted(counts.items()))
    within = [path for path in found.others if path.partition("/")[0] in parts.all]
    return outside + summary(within)


def inner(files: Iterable[File], part: str) -> list[str]:
    """The paths of the pictures of a part, below it; of all where there are no parts."""
    prefix = f"{part}/" if part else ""
    return [file.path.removeprefix(prefix) for file in files if file.path.startswith(prefix)]


def imagefolder_order(found: Survey, part: str) -> list[str]:
    """The paths below a part as torchvision's ImageFolder counts them: hidden ones too, its endings only.

    By class, then by folder, then by name (`torchvision.datasets.folder.make_dataset`).
    """
    prefix = f"{part}/" if part else ""
    every = [*(file.path for file in found.files), *found.others]
    below = [path.removeprefix(prefix) for path in every if path.startswith(prefix)]
    counted = [path for path in below if "/" in path and path.lower().endswith(EXTENSIONS)]
    return [prefix + path for path in sorted(counted, key=_counted)]


def _counted(path: str) -> tuple[str, str, str]:
    folder, _, name = path.rpartition("/")
    return path.partition("/")[0], folder, name


def _below(found: Survey, depth: int) -> list[str]:
    """Names of the folders at the top that hold pictures, sorted."""
    split = (file.path.split("/") for file in found.files)
    return sorted({path[depth] for path in split if len(path) > depth + 1})


def _flat(found: Survey, parts: Iterable[str]) -> list[str]:
    """Those of some folders that hold pictures and no folders with some."""
    deep = {file.path.split("/")[0] for file in found.files if file.path.count("/") > 1}
    return [part for part in parts if part not in deep]


def _asked(folder: Path, below: Sequence[str], asked: str) -> Parts:
    train, comma, test = asked.partition(",")
    parts = Parts(tuple(train.split("+")), tuple(test.split("+")))
    hint = f"--split-folders train,test, say; train+val,test joins two. {folder} holds {shown(below)}"
    if not comma or "" in parts.all or len(set(parts.all)) < len(parts.all):
        raise UsageFailure(f"--split-folders {asked} does not name two parts", hint)
    lacking = [name for name in parts.all if name not in below]
    if lacking:
        raise UsageFailure(f"--split-folders {asked}: no pictures in {folder}/{shown(lacking)}", hint)
    return parts


def _doubtful(
    folder: Path, found: Survey, below: Sequence[str], train: Sequence[str], test: Sequence[str]
) -> Failure:
    """Names that sound like parts, and are not one of each."""
    if flat := _flat(found, (*train, *test)):
        return UsageFailure(
            f"{folder / flat[0]} is called like a part, and holds pictures but no folders of classes",
            f"put them into folders of their classes ({LAYOUT}); or, if it is a class, "
            f"--classes {quote(','.join(below))}; or csv:FILE, a table of path and label",
        )
    if len(train) == 1 and not test:
        others = [name for name in below if name.lower() in OTHER]
        cure = f"--split-folders {train[0]},{others[0]} takes {others[0]}/ for it; or " if others else ""
        return UsageFailure(
            f"{folder} has {train[0]}/ but no test/",
            f"{cure}add test/, or name {folder / train[0]} to have a test part drawn from it",
        )
    if len(test) == 1 and not train:
        cure = f"add train/, or name {folder / test[0]} to have a test part drawn from it"
        return UsageFailure(f"{folder} has {test[0]}/ but no train/", cure)
    return UsageFailure(
        f"{folder} holds folders that are called like parts: {shown(below)}",
        WAYS_OUT.replace("TRAIN,TEST", quote(",".join(below[:2]))).replace("a,b,c", quote(",".join(below))),
    )


def _one_class(place: Path, name: str, files: Sequence[str]) -> Failure:
    inner = sorted({path.split("/")[1] for path in files if path.count("/") > 1})
    cure = f"its classes may be one level down: --dataset {quote(f'folder:{place / name}')}"
    return UsageFailure(
        f"{place} holds one class only, {name}: there is no telling one class apart",
        cure if len(inner) > 1 else LAYOUT,
    )


def _inside(files: Sequence[str]) -> dict[str, set[str]]:
    """By class, the folders within it."""
    inside: dict[str, set[str]] = defaultdict(set)
    for path in files:
        steps = path.split("/")
        if len(steps) > 1:
            inside[steps[0]] |= set(steps[1:-1][:1])
    return inside
