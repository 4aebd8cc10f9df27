"""Questions about work and data: what is declared, what is counted, and what really happens."""

from __future__ import annotations

from collections.abc import Iterator

from deepunlearn_cli.exam import tiny
from deepunlearn_cli.exam.answers import Beside, Wrong
from deepunlearn_cli.exam.candidate import Candidate, pairs, sizes
from deepunlearn_cli.exam.trial import Setting, Trial

NEAR = 0.05  # share by which declared and counted work may differ


def through_task(candidate: Candidate) -> str:
    """Does all that its models are shown go through the task, which counts it?"""
    for setting in (Setting(), candidate.many(tiny.MANY)):
        trial = candidate.seen(setting)
        watch, cost = trial.watch, trial.task.cost
        if watch.opaque:
            return "it uses torch.func: its own count of that is taken on trust"
        if watch.past and cost.forward < watch.forward:
            raise Wrong(
                f"{watch.past:,} samples went through the model past task.forward, and were not counted"
            )
        for way, done, counted in (
            ("forward", watch.forward, cost.forward),
            ("backward", watch.backward, cost.backward),
        ):
            if not _near(done, counted):
                raise Wrong(
                    f"{done:,} samples went {way} and {counted:,} were counted: task.step and task.gradients "
                    "count what goes back, task.teach what does not"
                )
    return ""


def cost(candidate: Candidate) -> str:
    """Is the work it declares the work that is counted, within 5 %?"""
    for setting in (Setting(), candidate.many(tiny.MANY), *_varied(candidate)):
        trial = _tried(candidate, setting)
        if trial is None:
            continue
        n = sizes(setting)
        declared, counted = candidate.build(setting).cost(n), trial.task.cost.work(n.training)
        if not _near(counted, declared):
            raise Wrong(f"`work` declares {declared:.3g} epochs, counted are {counted:.3g}{_with(setting)}")
    return ""


def data(candidate: Candidate) -> str:
    """Does it read the parts of the data that it declares, and no others?"""
    for setting in (Setting(), *_varied(candidate)):
        trial = _tried(candidate, setting)
        if trial is None:
            continue
        declared, read = set(candidate.build(setting).reads), trial.read
        if read - declared:
            raise Wrong(f"it reads {_and(read - declared)}, undeclared in `needs`{_with(setting)}")
        if declared - read:
            raise Wrong(f"it declares {_and(declared - read)} and never reads it{_with(setting)}")
        others = set().union(*(where for name, where in setting.counts.ranges().items() if name not in read))
        if trial.watch.shown & others:
            raise Wrong(
                f"{len(trial.watch.shown & others)} pictures of undeclared parts are shown{_with(setting)}"
            )
    return ", ".join(candidate.method.needs) or "it reads nothing"


def batches(candidate: Candidate) -> str:
    """Is no batch left out: is each pass taken to its end, and each picture of a part seen?"""
    declared = candidate.method.partly
    for counts in (tiny.MANY, tiny.HALF):
        trial = candidate.seen(candidate.many(counts))
        ranges = counts.ranges()
        bound = {one for name, where in ranges.items() if name not in declared for one in where}
        _check_passes(trial, bound)
        for name in sorted(trial.read - declared.keys()):
            _check_union(trial, name, set(ranges[name]))
    if not candidate.method.needs:
        raise Beside("it reads no pictures")
    return "; ".join(f"{name} in part: {why}" for name, why in declared.items())


def _check_passes(trial: Trial, bound: set[int]) -> None:
    for one in trial.watch.passes:
        if out := one.left_out & bound:
            total, taken = len(one.pictures), len(one.taken)
            how = "ended early" if taken < total and not one.open else "were taken from it and never shown"
            raise Wrong(f"{len(out)} of {total} pictures are left out of a pass: {taken} of them {how}")


def _check_union(trial: Trial, name: str, pictures: set[int]) -> None:
    """Every picture of a part is used as the others are: for gradients, if any of them is."""
    learned, shown = (seen & pictures for seen in (trial.watch.learned, trial.watch.shown))
    used = learned or shown
    if used and used < pictures:
        how = "made no gradient" if learned else "were never shown"
        raise Wrong(
            f"{len(pictures - used)} of {len(pictures)} {name} pictures {how} (`partly` tells of a part used "
            "in part by design)"
        )


def _varied(candidate: Candidate) -> Iterator[Setting]:
    """Every other value of the choices and flags, one at a time."""
    short = candidate.short()
    for name, domain in candidate.method.domains().items():
        values = (False, True) if domain.type is bool else domain.choices
        for value in values:
            if value != domain.default:
                yield Setting(params=pairs({**short, name: value}))


def _tried(candidate: Candidate, setting: Setting) -> Trial | None:
    """A run, or None where the method refuses these values."""
    try:
        return candidate.seen(setting)
    except Wrong:
        if not setting.params:
            raise
        return None


def _near(a: float, b: float) -> bool:
    return abs(a - b) <= NEAR * max(abs(a), abs(b))


def _and(names: set[str]) -> str:
    return " and ".join(sorted(names))


def _with(setting: Setting) -> str:
    """The hyperparameters of a setting in words."""
    said = " ".join(f"-p {name}={value}" for name, value in setting.params)
    return said and f" ({said})"
