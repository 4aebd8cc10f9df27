"""Runs that are still to be made, counted by kind, and what they may take."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from deepunlearn_cli.core.fields import Domain
from deepunlearn_cli.execution.capacity import BATCH, peaks
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.methods._method import Sizes
from deepunlearn_cli.studies.pace import Like, Pace

if TYPE_CHECKING:
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.studies.throughput import Speed, Throughput

ORIGINALS, RETRAINED, NOTHING = "originals", "retrained", "do nothing"
TRIALS, CONFIRMATIONS, MODELS = "search trials", "confirmations", "models"
ATTACKS, AGAIN = "attacks", "timed again"


class RunsToMake(TypedDict):
    """Runs of one kind on one dataset and model.

    Attributes:
        runs: all of them; `there`: how many the store holds.
        epochs: mean work of one, in epochs of training.
        pictures: that the others train on, in equivalents of a forward and a backward pass.
        evaluated: the same of the passes in which finished models look at their pictures; attacks read what
            these passes gave. None, both, where nobody knows how many pictures there are.
        seconds: what the others may take, as many at a time as are to be made (None: unknown).
        peak_memory: bytes that one of them adds to a process, at most.
        peak_device_memory: bytes that one of them takes of a GPU, at most.
    """

    dataset: str
    model: str
    kind: str
    runs: int
    there: int
    epochs: float
    pictures: float | None
    evaluated: float | None
    seconds: float | None
    peak_memory: int | None
    peak_device_memory: int | None


@dataclass(frozen=True)
class Batch:
    """Runs of one kind that are alike: how many, and how many are there."""

    kind: str
    like: Like
    runs: int
    there: int = 0


@dataclass(frozen=True)
class Counts:
    """How many pictures a dataset has for training (retain and forget), and in all parts; those for tests."""

    training: int
    every: int
    test: int

    def evaluated(self, like: Like) -> float:
        """Of one run's evaluation, in training's equivalents: trials leave test pictures out."""
        if like.kind == "attack":
            return 0.0
        return (self.every - (self.test if like.kind == "trial" else 0)) / 3


def rows(
    batches: Iterable[Batch],
    dataset: str,
    model: str,
    runner: Runner,
    counts: Counts | None = None,
    throughput: Throughput | None = None,
) -> Iterator[RunsToMake]:
    """Batches by kind; seconds by the throughput where it is given, but of attacks, which train nothing."""
    done = runner.store.rows(status="done")
    pace, known = Pace(done, runner.width([])), list(batches)
    for kind in dict.fromkeys(batch.kind for batch in known if batch.runs):
        ours = [batch for batch in known if batch.kind == kind and batch.runs]
        runs, missing = sum(b.runs for b in ours), [b for b in ours if b.there < b.runs]
        place = (ours[0].like.dataset, model)
        pictures, evaluated = _pictures(missing, counts)
        seconds = _total(missing, [pace.each(batch.like) for batch in missing])
        speed = throughput.of(dataset, model) if throughput else None
        if speed and kind != ATTACKS:
            seconds = _at(speed, missing, counts)
        yield {
            "dataset": dataset,
            "model": model,
            "kind": kind,
            "runs": runs,
            "there": sum(batch.there for batch in ours),
            "epochs": sum(batch.runs * batch.like.epochs for batch in ours) / runs,
            "pictures": pictures,
            "evaluated": evaluated,
            "seconds": seconds,
            "peak_memory": peaks(done, "peak_memory").get(place) if missing else None,
            "peak_device_memory": peaks(done, "peak_device_memory").get(place) if missing else None,
        }


def with_startup(rows: Iterable[RunsToMake], runner: Runner) -> list[RunsToMake]:
    """Rows with what a command waits for before its first run: once, in the first row with known seconds."""
    known = [one for row in runner.store.rows(status="done") if (one := row.get("startup")) is not None]
    waiting = statistics.median(known) if known else 0.0
    told = list(rows)
    for place, row in enumerate(told):
        if waiting and row["seconds"] and row["there"] < row["runs"]:
            told[place] = {**row, "seconds": row["seconds"] + waiting}
            break
    return told


def _total(missing: Sequence[Batch], each: Sequence[float | None]) -> float | None:
    """None where one of them is not known: a part would pass for the whole."""
    known = [(b.runs - b.there) * one for b, one in zip(missing, each, strict=True) if one is not None]
    return sum(known) if len(known) == len(missing) else None


def _pictures(missing: Sequence[Batch], counts: Counts | None) -> tuple[float | None, float | None]:
    """Of runs that are to be made: trained on, and evaluated."""
    if counts is None:
        return None, None
    trained = sum((b.runs - b.there) * b.like.epochs * counts.training for b in missing)
    return trained, sum((b.runs - b.there) * counts.evaluated(b.like) for b in missing)


def _at(speed: Speed, missing: Sequence[Batch], counts: Counts | None) -> float | None:
    """Seconds of runs that are to be made; evaluation looks at many pictures at a time."""
    if counts is None:
        return None
    return sum(
        (b.runs - b.there)
        * (
            speed.seconds(b.like.epochs * counts.training, b.like.batch)
            + speed.seconds(counts.evaluated(b.like), BATCH)
        )
        for b in missing
    )


class Load(NamedTuple):
    """What one run takes: epochs of training, in steps of `batch` pictures."""

    epochs: float
    batch: float = BATCH


def load_of(method: str, params: Mapping[str, Any], sizes: Sizes) -> Load:
    """What a method takes with such hyperparameters."""
    epochs = METHODS.needed(method).build(params).work(sizes) / sizes.training
    return Load(epochs, float(params.get("batch_size") or BATCH))


def mean_load(method: str, domains: Mapping[str, Domain], usual: Mapping[str, Any], sizes: Sizes) -> Load:
    """The same, of what a search draws before it knows anything: the mean over its space."""
    from deepunlearn_cli import sweep

    return joined([load_of(method, {**usual, **point}, sizes) for point in sweep.draws(domains)])


def joined(loads: Sequence[Load]) -> Load:
    """The mean of several: as many epochs, and as many steps."""
    steps = mean(one.epochs / one.batch for one in loads)
    epochs = mean(one.epochs for one in loads)
    return Load(epochs, epochs / steps if steps else BATCH)


def mean(values: Iterable[float]) -> float:
    """The mean, 0 of nothing."""
    known = list(values)
    return sum(known) / max(1, len(known))
