"""What a purge removes, what it leaves and why, what it cannot reach; and its doing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from deepunlearn_cli.core.whole import write_whole
from deepunlearn_cli.reporting.purges import BEYOND, LOST, PLANNED, REMAINS, REMOVED, PurgeRow, line
from deepunlearn_cli.store.ledger import PURGED, Ledger, now
from deepunlearn_cli.store.run import OUTPUTS

if TYPE_CHECKING:
    from deepunlearn_cli.cli.purge_lines import Lines
    from deepunlearn_cli.cli.purgeable import Wanted
    from deepunlearn_cli.data import Erased, Erasure
    from deepunlearn_cli.execution.purging import Found, Touched
    from deepunlearn_cli.store import Store
    from deepunlearn_cli.store.ledger import Entry

SHORT = 16  # digits of a fingerprint that name a folder for people


@dataclass(frozen=True)
class Facts:
    """All that a purge has to do with.

    Attributes:
        models: whether models that know the pictures go too.
    """

    store: Store
    planned: Sequence[Erasure]
    found: Found
    lines: Sequence[Lines]
    models: bool

    def rows(self, erased: Erased | None) -> list[PurgeRow]:
        """What went, or (`erased` None) is to go; then what remains, and what is out of reach."""
        state = PLANNED if erased is None else REMOVED
        if not self.planned:
            return [*_ended(self.store, erased)]
        gone = [*self._pictures(state), *self._files(state, erased), *self._models(state)]
        return [*gone, *self._lost(), *self._left(), *self._beyond()]

    @cached_property
    def raw(self) -> list[Path]:
        """Files below `raw` in the store that go."""
        from deepunlearn_cli import data

        return data.raw_planned(self.store.data, self.planned, data.FAMILIES.residents())

    @cached_property
    def strange(self) -> list[Path]:
        """Files below the store that are none of its own and hold the pictures, as long as these exist."""
        from deepunlearn_cli import data

        own = {*self.raw}
        found = data.traces(self.store.root, self.store.data, self.planned)
        return sorted(path for path in found if path not in own)

    def _pictures(self, state: str) -> Iterator[PurgeRow]:
        for one in self.planned:
            where = f"data/{one.fingerprint[:SHORT]}"
            before = f"{one.name}; {len(one.gone)} went before" if one.gone else one.name
            yield line(state, "pictures", where, before, pictures=one.count, size=one.size)
            if one.twins:
                why = "equal, byte for byte, and not asked for: --with-duplicates takes them too"
                yield line(REMAINS, "pictures", where, why, pictures=len(one.twins))

    def _files(self, state: str, erased: Erased | None) -> Iterator[PurgeRow]:
        files = self.raw if erased is None else erased.files
        for path in files:
            size = path.stat().st_size if path.is_file() else None
            yield line(state, "file", str(path.relative_to(self.store.root)), "holds them too", size=size)
        for path in self.strange:
            why = "is none of the store's own, and holds bytes of them: delete it"
            yield line(REMAINS, "file", str(path.relative_to(self.store.root)), why)
        for one in self.lines:
            yield line(state, "lines", str(one.path), "their lines in a file of samples", pictures=one.count)

    def _models(self, state: str) -> Iterator[PurgeRow]:
        know, say = self.knowing, self.saying
        if know:
            why = "weights and outputs; figures stay" if self.models else "know them: --models takes them too"
            yield _of_runs(state if self.models else REMAINS, "models", know, why, max(t.knows for t in know))
        if say:
            why = (
                "logits and scores of them"
                if self.models
                else "said something of them: --models takes that too"
            )
            yield _of_runs(state if self.models else REMAINS, "outputs", say, why, max(t.says for t in say))

        if lost := self.found.unread:
            where = lost[0] if len(lost) == 1 else f"{len(lost)} runs"
            why = "cannot be read, and may hold something of them: deepunlearn verify"
            yield line(REMAINS, "damaged", where, why, runs=lost)

    @property
    def knowing(self) -> list[Touched]:
        """Models that were trained on the pictures and did not unlearn them."""
        return [one for one in self.found.touched if one.drops]

    @property
    def saying(self) -> list[Touched]:
        """Other runs that keep something of the pictures."""
        return [one for one in self.found.touched if one.says and not one.drops]

    def _lost(self) -> Iterator[PurgeRow]:
        if read := [one for one in self.found.touched if one.reads]:
            yield _of_runs(
                LOST, "runs", read, "made of them: cannot be made again", max(t.reads for t in read)
            )

    def _left(self) -> Iterator[PurgeRow]:
        yield line(
            REMAINS,
            "labels, positions",
            "data",
            "splits and forget sets of all other runs mean what they meant",
        )
        yield line(
            REMAINS, "fingerprint", "data", "SHA-256 over the dataset as it was: every recipe names it"
        )
        yield line(REMAINS, "keyed digests", "data/purged.json", "so that a source does not bring them back")
        yield line(
            REMAINS, "figures", "runs", "accuracies and verdicts; of unlearned models also the weights"
        )

    def _beyond(self) -> Iterator[PurgeRow]:
        from deepunlearn_cli import data

        for fingerprint, place in data.places(self.store.data, self.planned):
            there = bool(place) and Path(place).exists()
            why = (
                "delete them there yourself; named again, they stay blank here"
                if there
                else "is not there now"
            )
            if place:
                yield line(BEYOND, "source", place, why)
            else:
                yield line(
                    BEYOND, "source", "public", f"whoever has the dataset {fingerprint[:SHORT]} has them"
                )
        yield line(
            BEYOND,
            "files",
            "--out, --samples, --export",
            "a checkpoint names what it forgot, by digest",
        )
        yield line(
            BEYOND,
            "copies",
            "backups, snapshots",
            "other stores, nodes of a cluster, and what was merged, too",
        )
        yield line(
            BEYOND, "disk", "free blocks", "bytes were overwritten, but an SSD or a snapshot keeps old ones"
        )


def carry_out(facts: Facts, wanted: Wanted) -> Erased:
    """Do all of it; what was done already is not done again."""
    from deepunlearn_cli import data

    about = {"request": wanted.request, "at": now()}
    _ = facts.raw, facts.strange  # looked for while there is something to find
    erased = data.purge(facts.store.data, facts.planned, data.FAMILIES.residents(), about)
    if facts.models:
        for touched in facts.found.touched:
            _strip(touched, facts)
        facts.store.index.path.unlink(missing_ok=True)  # its free pages; it is derived
    for one in facts.lines:
        write_whole(one.path, one.text)
    if wanted.request:
        _record(facts, wanted)
    return erased


def _strip(one: Touched, facts: Facts) -> None:
    from deepunlearn_cli.cli.record import taken
    from deepunlearn_cli.store import stripping

    reduced = taken(one.run).reduced if OUTPUTS in one.run.files else {}
    if one.drops:
        stripping.strip(one.run, facts.store, one.drops, reduced)
    elif one.says:
        unnamed = one.run.recipe.kind == "attack"
        gone = next(p.indices for p in facts.planned if p.fingerprint == one.run.recipe.data["fingerprint"])
        left = stripping.without(one.run.outputs(), gone, unnamed=unnamed)
        stripping.replace_outputs(one.run, facts.store, left, reduced)


def _record(facts: Facts, wanted: Wanted) -> None:
    """Tell the ledger, once."""
    counts = {one.fingerprint: len(one.indices) for one in facts.planned}
    details = {"pictures": counts, "models": facts.models}

    def known(own: Sequence[Entry]) -> Entry | None:
        return next((one for one in own if one.event == PURGED and dict(one.details) == details), None)

    Ledger(facts.store.root).append(wanted.request, PURGED, details, known=known)


def _of_runs(state: str, what: str, touched: Sequence[Touched], why: str, pictures: int) -> PurgeRow:
    ids = [one.run.id for one in touched]
    where = ids[0] if len(ids) == 1 else f"{len(ids)} runs"
    size = sum(one.size for one in touched) if what == "models" and state != REMAINS else None
    return line(state, what, where, why, pictures=pictures, size=size, runs=ids)


def _ended(store: Store, erased: Erased | None) -> Iterator[PurgeRow]:
    """What a purge that was killed had left to do."""
    from deepunlearn_cli import data

    if erased is None:
        for name in data.unfinished(store.data):
            yield line(PLANNED, "pictures", f"data/{name[:SHORT]}", "a purge was killed")
        return
    for name, count in erased.pictures.items():
        if count:
            yield line(REMOVED, "pictures", f"data/{name[:SHORT]}", "a purge was killed", pictures=count)
