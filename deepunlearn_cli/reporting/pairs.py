"""Pairs: the runs of one dataset, model and forget set, with the retrained models they are compared with."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote

from deepunlearn_cli.core.errors import Failure, NotFound
from deepunlearn_cli.core.recipe import CONTROLS, RETRAIN
from deepunlearn_cli.evaluation.metrics import at_chance
from deepunlearn_cli.reporting.records import CLASSES, PairKey, Record
from deepunlearn_cli.reporting.table import Fields

Runs = dict[int, Record]  # by seed
MethodKey = tuple[str, str]  # method and config

FEWEST = 2  # classes that there can be
NOTES = 5  # of one sort before the rest is counted


@dataclass(frozen=True)
class Pair:
    """One dataset, model and forget set. `methods` holds the runs per method and config, one per seed.

    The controls are among them; `retrained` holds the usable retrained models. `older` counts runs that a
    newer one of the same method, config and seed replaced.
    """

    key: PairKey
    label: str
    retrained: Runs
    methods: dict[MethodKey, Runs]
    older: int

    @property
    def place(self) -> Fields:
        """Dataset, model and forget set; `setting` only where that of several pairs is the same."""
        run, (_, mark, setting) = self.any, self.label.rpartition(" #")
        about = {"dataset": run.dataset, "model": run.model, "forget": run.forget_label}
        return {**about, "setting": f"#{setting}" if mark else ""}

    @property
    def any(self) -> Record:
        """Some record, for what all share."""
        return next(self.runs())

    def runs(self) -> Iterator[Record]:
        """Every run, method by method."""
        for runs in self.methods.values():
            yield from runs.values()

    @property
    def has_starts(self) -> bool:
        """Whether it is known what its models start from, or would be in another file."""
        return any(run.start or run.file or run.ulira is not None for run in self.runs())

    def unusable(self, control: str = RETRAIN) -> list[Record]:
        """The models of a control that are there and of no use: the same command makes them no better."""
        return [run for run in self.methods.get((control, ""), {}).values() if not run.usable]

    def command(self, control: str = RETRAIN) -> str:
        """What makes the models of a control that are missing, or tells why those that are there are none."""
        return self._from_afar(self._command(control))

    def cure(self, control: str = RETRAIN) -> str:
        """The same within a sentence: a command between backticks is to be copied."""
        said = self._command(control)
        return said if self.any.file else self._from_afar(f"`{said}`")

    def _from_afar(self, said: str) -> str:
        """Of what was exported the store is elsewhere."""
        wrote = self.any.exported
        return f"in the store that {wrote} came from: {said}" if wrote else said

    def _command(self, control: str) -> str:
        run, seeds = self.any, {record.seed for record in self.runs()}
        bad = [] if run.file else self.unusable(control)  # whoever has a file can put its rows right
        known = self.methods.get((control, ""), {})
        there = {seed for seed, one in known.items() if one.usable or not run.file}
        if bad and there >= seeds:
            return f"deepunlearn show {bad[0].id}"
        listed = ",".join(map(str, sorted(seeds - there or seeds)))
        if run.file:
            return f"{run.file} needs a usable row of method {control} for seed {listed}"
        place = f"--dataset {quote(run.dataset)} --model {quote(run.model)}"
        if run.ulira is not None:
            return f"deepunlearn attack ulira --method {control} {place}"
        started = {one.start: one.seed in there for one in self.runs() if one.start}
        starts = " ".join([key for key, done in started.items() if not done] or started)
        asked = quote(run.request or run.forget_label)
        if not starts:
            return f"deepunlearn train --role {RETRAIN} {place} --forget {asked} --seeds {listed}"
        return f"deepunlearn unlearn {starts} --method {control} --forget {asked}"


def pairs(records: Sequence[Record]) -> list[Pair]:
    """Records by pair, in an order that does not depend on theirs.

    Raises:
        NotFound: no records.
    """
    if not records:
        raise NotFound(
            "no unlearned or retrained model matches",
            "deepunlearn runs lists the store; deepunlearn bench quick fills it",
        )
    groups: dict[PairKey, list[Record]] = defaultdict(list)
    for record in records:
        groups[record.pair_key].append(record)
    labels = _labels({key: group[0] for key, group in groups.items()})
    made = [_pair(key, labels[key], group) for key, group in groups.items()]
    return sorted(made, key=lambda pair: (pair.label, pair.key))


def _labels(samples: dict[PairKey, Record]) -> dict[PairKey, str]:
    """Names for people; pairs of equal names (other training, precision or split) get their hash too."""
    plain = {key: f"{r.dataset} {r.model} {r.forget_label}".rstrip() for key, r in samples.items()}
    count = Counter(plain.values())
    return {
        key: name if count[name] == 1 else f"{name} #{key[0][:4]}{key[1][:4]}" for key, name in plain.items()
    }


def _pair(key: PairKey, label: str, group: Sequence[Record]) -> Pair:
    methods: dict[MethodKey, Runs] = defaultdict(dict)
    for record in group:
        runs = methods[record.method, record.config]
        known = runs.setdefault(record.seed, record)
        if (record.created, record.id) > (known.created, known.id):
            runs[record.seed] = record
    ordered = {method: dict(sorted(methods[method].items())) for method in sorted(methods)}
    retrained = {seed: run for seed, run in ordered.get((RETRAIN, ""), {}).items() if run.usable}
    return Pair(key, label, retrained, ordered, len(group) - sum(map(len, ordered.values())))


def is_control(method: MethodKey) -> bool:
    """Whether the runs are the do-nothing control or the retrained models."""
    return method[0] in CONTROLS


def no_retrain(pair: Pair) -> Failure:
    """What to raise where a pair cannot be compared."""
    why = by_reason({run.seed: run.fault for run in pair.unusable()})
    return NotFound(
        f"no usable retrained model for {pair.label}{f': seed {why}' if why else ''}", pair.command()
    )


def with_retrained(every: Sequence[Pair]) -> list[Pair]:
    """The pairs that have a retrained model to be compared with.

    Raises:
        NotFound: none has.
    """
    compared = [pair for pair in every if pair.retrained]
    if not compared:
        raise no_retrain(every[0])
    return compared


def left_out(every: Sequence[Pair]) -> list[str]:
    """A note for each pair without a retrained model, with the command that makes it."""
    bare = (pair for pair in every if not pair.retrained)
    return shortened([f"left out: {p.label} has no usable retrained model; {p.cure()}" for p in bare])


def common_notes(every: Sequence[Pair]) -> list[str]:
    """What a reader of any table of these pairs must know."""
    older = sum(pair.older for pair in every)
    styles = {run.umia_cv for pair in every for run in pair.runs()} - {""}
    notes = [f"{older} older runs of the same method, configuration and seed are left out"] if older else []
    if len(styles) > 1:
        notes.append(
            f"U-MIA was cross-validated in several ways ({', '.join(sorted(styles))}): compare with care"
        )
    return [*notes, *_steered(every), *_assumed(every)]


def by_reason(reasons: Mapping[int, str]) -> str:
    """Seeds without a usable model, each reason once: `0, 1 (diverged), 2 (not run)`."""
    seeds: dict[str, list[str]] = {}
    for seed, why in reasons.items():
        seeds.setdefault(why, []).append(str(seed))
    return ", ".join(f"{', '.join(ours)} ({why})" for why, ours in seeds.items())


def unpaired(compared: Sequence[Pair], what: str) -> list[str]:
    """A note for each pair with seeds that no retrained model stands beside, which `what` leaves out."""
    notes = []
    for pair in compared:
        lone = sorted({run.seed for run in pair.runs() if run.usable} - set(pair.retrained))
        if lone:
            seeds = f"seed {', '.join(map(str, lone))} on {pair.label}"
            notes.append(f"{what} leaves out {seeds}: no usable retrained model; {pair.cure()}")
    return shortened(notes)


def _assumed(every: Sequence[Pair]) -> list[str]:
    """Where a model might be at chance, or not be, and nobody knows how many classes there are."""
    doubtful = (
        run
        for pair in every
        for run in pair.runs()
        if run.classes is None and run.RA is not None and at_chance(run.RA, FEWEST)
    )
    names = sorted({run.dataset for run in doubtful})
    cure = "; a column classes says it" if names and every[0].any.file else ""
    return [
        f"number of classes not known: {name}; {CLASSES} are assumed where a model may be at chance{cure}"
        for name in names
    ]


def _steered(every: Sequence[Pair]) -> list[str]:
    """Validation data are no held-out data for a method that reads them."""
    titles = {run.title for pair in every for run in pair.runs() if "val" in (run.facts.get("reads") or ())}
    if not titles:
        return []
    several = "reads" if len(titles) == 1 else "read"
    return [
        f"{', '.join(sorted(titles))} {several} the validation set by design: RetDev and Indisc judge on "
        "test data, which no method sees; VA and an attack against val are not held out there"
    ]


def identity(record: Record) -> Fields:
    """Who a row is about, for machines."""
    return {
        "label": record.label,
        "method": record.method,
        "config": record.config,
        "control": record.method in CONTROLS,
    }


def shortened(notes: Sequence[str]) -> list[str]:
    """The first few notes of one sort, and how many more there are."""
    more = len(notes) - NOTES
    return [*notes[:NOTES], f"... and {more} more of this sort (--json has all)"] if more > 0 else list(notes)
