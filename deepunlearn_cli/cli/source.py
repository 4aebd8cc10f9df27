"""What tables are made of: the runs of a store, or a file of figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

from deepunlearn_cli.cli.filters import Filter, kept, nothing
from deepunlearn_cli.cli.only import Only
from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.core.plugins import is_name
from deepunlearn_cli.reporting.titles import of_plugins, told_apart

if TYPE_CHECKING:
    from deepunlearn_cli.cli.command import Session
    from deepunlearn_cli.cli.finding import Runs
    from deepunlearn_cli.core.rows import IndexRow
    from deepunlearn_cli.core.shared import Outputs
    from deepunlearn_cli.evaluation.removal import Removal
    from deepunlearn_cli.reporting.records import PairKey, Record
    from deepunlearn_cli.reporting.table import Row
    from deepunlearn_cli.store import Store
    from deepunlearn_cli.studies.distances import Distances


@dataclass
class Source:
    """What tables are made of; everything is read when a table first needs it.

    `only` are the filters that runs must pass; `among` are the ids of the model runs that count, None for all
    that somebody asked for, and `asked` others that somebody asks for now. `database` is where the sweeps'
    studies are, unless they are in the store; `files` take the place of the store: a CSV of figures, or what
    `bench --export` wrote.
    """

    session: Session
    only: Only = field(default_factory=Only)
    among: Collection[str] | None = None
    asked: Collection[str] = ()
    database: str | None = None
    files: Sequence[Path] = ()

    @cached_property
    def file(self) -> Path | None:
        """The CSV of figures, if that is what there is.

        Raises:
            UsageFailure: a CSV among several files.
        """
        from deepunlearn_cli.store.lines import is_figures

        tables = [file for file in self.files if not is_figures(file)]
        if tables and len(self.files) > 1:
            raise UsageFailure(f"{tables[0]} is a CSV, or nothing known", "give a CSV alone; exports add up")
        return tables[0] if tables else None

    @cached_property
    def store(self) -> Store:
        """The store; or a passing one of what the files say."""
        if not self.files:
            return self.session.store()
        from deepunlearn_cli.cli.told import opened

        self._passing = TemporaryDirectory(prefix="deepunlearn-figures-")
        return opened(self.files, Path(self._passing.name), self.session.console)

    @cached_property
    def runs(self) -> Runs:
        """Every run of the store."""
        from deepunlearn_cli.cli.finding import Runs

        return Runs(self.store, self.session.rows(self.store))

    @cached_property
    def filters(self) -> list[Filter]:
        """What runs must pass."""
        return self.only.filters(self.runs)

    @cached_property
    def records(self) -> list[Record]:
        """Every model run with its attacks, and what models said at hand; or every row of the file.

        Raises:
            NotFound: filters left none; the message says which, and of how many.
        """
        from deepunlearn_cli.reporting.outputs import Reader
        from deepunlearn_cli.reporting.records import is_model, records

        if self.file:
            return self._figures()
        attacks = [row for row in self.runs.rows if row["kind"] == "attack"]
        models = self._wanted([row for row in self.runs.rows if is_model(row)])
        reader = Reader(partial(_outputs, self.store), partial(_reduced, self.store))
        known = titles() | of_plugins(models)
        found = records([*attacks, *self._restated(self.left(models))], known, reader, class_counts())
        for one in found if self.files else ():
            one.exported = ", ".join(map(str, self.files))
        return found

    def left(self, rows: Sequence[IndexRow]) -> list[IndexRow]:
        """What the filters leave of these rows, controls beside methods.

        Raises:
            NotFound: nothing; the message says which filter took the last, and of how many.
        """
        if rows and not (found := kept(rows, self.filters, table=True)).rows:
            raise nothing(found)
        return found.rows if rows else []

    def _restated(self, rows: Sequence[IndexRow]) -> list[IndexRow]:
        """Runs of weights from elsewhere stand beside models retrained as was said of these weights last."""
        from deepunlearn_cli.cli.restated import settings

        last = settings(self.runs.rows, self.store)
        return [cast("IndexRow", {**row, "setting": last.get(row["id"], row["setting"])}) for row in rows]

    @cached_property
    def uliras(self) -> list[IndexRow]:
        """Every U-LiRA of the store."""
        return [
            r for r in self.runs.rows if (r["kind"], r["name"], r["status"]) == ("attack", "ulira", "done")
        ]

    def _figures(self) -> list[Record]:
        from deepunlearn_cli.methods import METHODS
        from deepunlearn_cli.reporting.csv_records import read

        assert self.file
        self.only.check_figures()
        named = self.only.method.split(",") if self.only.method else None
        known = {*METHODS.names(), *METHODS.aliases()}
        methods = named and [METHODS.public_name(n) if n.lower() in known else n for n in named]
        return read(self.file, titles(), self.only.dataset, self.only.model, class_counts(), methods)

    def _wanted(self, rows: Sequence[IndexRow]) -> list[IndexRow]:
        """The model runs that a plan or a person asked for, by methods that there are; others are told."""
        if self.among is not None:
            rows = [row for row in rows if row["id"] in self.among]
        known = titles() | of_plugins(rows)
        strangers = Counter(row["name"] for row in rows if _is_strange(row, known))
        for name, count in strangers.items():
            self.session.console.warn(f"left out: {count} runs of {name}, which is no method of this version")
        rows = [row for row in rows if not _is_strange(row, known)]
        return rows if self.among is not None else self._asked_for(rows)

    def _asked_for(self, rows: Sequence[IndexRow]) -> list[IndexRow]:
        """Without what only searches made."""
        from deepunlearn_cli.execution import origins

        asked = {*self.asked, *self.store.asked.all()}
        chosen = [row for row in rows if row.get("chosen") and row["id"] not in asked]
        if not chosen:
            return list(rows)
        names, run = sorted({row["name"] for row in chosen}), chosen[-1]
        if self.files:
            what = (
                f"left out: {len(chosen)} runs of {', '.join(names)} that searches made and nobody asked for"
            )
            self.session.console.note(what)
            ids = {row["id"] for row in chosen}
            return [row for row in rows if row["id"] not in ids]
        preset = self.store.studies / f"{run['chosen']}.toml"
        spelt = origins.spelling(self.store.find(run["id"]).recipe)
        use = f"unlearn {run['target']} --method {spelt} --forget {quote(run['forget_label'] or '')}"
        self.session.console.note(
            f"left out: {len(chosen)} runs of {', '.join(names)} that searches made and nobody asked for; "
            f"`deepunlearn {use} --preset {quote(str(preset))}` does, of one"
        )
        ids = {row["id"] for row in chosen}
        return [row for row in rows if row["id"] not in ids]

    @cached_property
    def removals(self) -> dict[str, Removal]:
        """By run id: what models say of classes that they were to forget as a whole."""
        from deepunlearn_cli.evaluation.removal import removals

        ids: dict[PairKey, list[str]] = {}
        for record in self.records:
            if record.usable:
                ids.setdefault(record.pair_key, []).append(record.id)
        return {
            run_id: removal
            for group in ids.values()
            for run_id, removal in removals(
                {run_id: partial(_left, self.store, run_id) for run_id in group},
                partial(_classes, self.store, group[0]),
            ).items()
        }

    @cached_property
    def distances(self) -> Distances:
        """How far models lie apart in their weights."""
        from deepunlearn_cli.studies.distances import distances

        with self.session.runner("cpu", create=False) as runner:
            return distances(self.records, runner, self.only.model)

    @cached_property
    def sweeps(self) -> Sequence[Row]:
        """A row per study; of those that have some of the runs, where these are given."""
        from deepunlearn_cli.sweep import summaries

        rows = {row["study"]: row for row in summaries(self.store.studies, self.database)}
        if self.among is not None:
            ours = {(record.dataset, record.model) for record in self.records}
            rows = {name: row for name, row in rows.items() if (row["dataset"], row["model"]) in ours}
        found = kept([_as_run(row) for row in rows.values()], self.filters)
        if rows and not found.rows:
            raise nothing(found)
        return [rows[row["id"]] for row in found.rows]


def _as_run(study: Row) -> IndexRow:
    """A study as the run that its best setting would give, for filters of runs."""
    start = study["originals"][0] if study["originals"] else ""
    asked = {"id": study["study"], "kind": "unlearn", "name": study["method"], "target": start}
    told = {"params": study["params"] or {}, "forget_label": study["forget"], "seed": None}
    return cast("IndexRow", {**study, **asked, **told, "forget": "", "precision": None})


def _is_strange(row: IndexRow, known: Collection[str]) -> bool:
    """Whether a run was unlearned by what is no method here: nobody knows if it is a control."""
    return row["kind"] == "unlearn" and row["name"] not in known


def _outputs(store: Store, run_id: str) -> Outputs:
    return store.find(run_id).outputs()


def _left(store: Store, run_id: str) -> Outputs:
    """What is left of a run's outputs: nothing, where a purge took them."""
    with suppress(NotFound):
        return _outputs(store, run_id)
    return {}


def _reduced(store: Store, run_id: str) -> Mapping[str, Any]:
    reduced: Mapping[str, Any] = store.find(run_id).elsewhere.get("reduced", {})
    return reduced


def _classes(store: Store, run_id: str) -> Sequence[str]:
    from deepunlearn_cli import data

    with suppress(NotFound):  # the pictures are gone, and numbers will do
        return data.load_dataset(store.find(run_id).recipe.data["fingerprint"], store.data).classes
    return ()


def titles() -> dict[str, str]:
    """What people read, by public name of a method here."""
    from deepunlearn_cli.methods import METHODS

    return {name: kind.title for name, kind in METHODS.residents().items()}


def title(name: str) -> str:
    """The same of one method that is here, a plug-in too."""
    from deepunlearn_cli.methods import METHODS

    own = METHODS.needed(name).title
    return told_apart({name: own})[name] if is_name(name) else own


def class_counts() -> dict[str, int]:
    """The number of classes, by dataset that has always the same."""
    from deepunlearn_cli.data import list_families

    return {row["name"]: row["classes"] for row in list_families() if row["classes"]}
