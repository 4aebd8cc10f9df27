"""Finding runs in a store: by dataset, model, method, setting and hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.cli.filters import Filter, listed, values
from deepunlearn_cli.core.conditions import Condition, read_condition
from deepunlearn_cli.core.errors import Failure, UsageFailure, unknown
from deepunlearn_cli.core.fields import Declared, Domain
from deepunlearn_cli.core.plugins import class_of, is_name
from deepunlearn_cli.core.recipe import CONTROLS, PRECISIONS
from deepunlearn_cli.core.rows import IndexRow

if TYPE_CHECKING:
    from deepunlearn_cli.store import Store

ALL = "all"  # methods
TRAINING = "training."  # before a hyperparameter of the original's training
OF_RUNS = {
    "seed": Domain(int, 0, "of the run"),
    "precision": Domain(str, PRECISIONS[0], "of the run", choices=PRECISIONS),
    "augment": Domain(bool, True, "whether the method saw augmented pictures"),
    "forget": Domain(str, "", "the forget set's spec"),
}
SHORTEST = 4  # hex digits of a setting


class Runs:
    """The runs of a store, each with what it is about and what it started from."""

    def __init__(self, store: Store, rows: Sequence[IndexRow]) -> None:
        self.store, self.rows = store, rows

    @cached_property
    def _by_id(self) -> Mapping[str, IndexRow]:
        return {row["id"]: row for row in self.rows}

    def by_dataset(self, spec: str | None) -> list[Filter]:
        """Runs labelled so, or made of what this spec names."""
        from deepunlearn_cli import data

        if spec is None:
            return []
        names, prints = {spec}, set[str]()
        with suppress(Failure):  # no spec, but perhaps a label
            label, prints = data.known_as(spec, self.store.data)
            names |= set() if ":" in label else {label}
        settings = {setting for setting, one in self._fingerprints.items() if one in prints} if prints else ()

        def keeps(row: IndexRow) -> bool:
            return row["dataset"] in names or row["setting"] in settings

        return [Filter(f"--dataset {spec}", keeps, values("dataset"))]

    def by_model(self, name: str | None) -> list[Filter]:
        """Runs of an architecture, by any name that a training takes."""
        from deepunlearn_cli import models

        if name is None:
            return []
        names = {name}
        with suppress(Failure):
            names.add(models.pinned(name))
        return [Filter(f"--model {name}", lambda row: row["model"] in names, values("model"))]

    def by_method(self, text: str | None) -> list[Filter]:
        """Runs of methods, and attacks on them.

        Raises:
            NotFound: no such method, with suggestions.
        """
        if text in (None, ALL):
            return []
        names = self._named(text)

        def there(rows: Sequence[IndexRow]) -> str:
            return listed("methods there", {self.method(row) for row in rows})

        return [Filter(f"--method {text}", lambda row: self.method(row) in names, there, controls=False)]

    def _named(self, text: str | None) -> set[str]:
        """Public names of methods; of plug-ins here or in the runs also their class, whatever its code."""
        from deepunlearn_cli.methods import METHODS

        names: set[str] = set()
        for name in (text or "").split(","):
            stored = {
                own for own in map(self.method, self.rows) if is_name(own) and name in (own, class_of(own))
            }
            names |= stored if stored and not METHODS.is_own(name) else {METHODS.public_name(name)}
        return names

    def by_setting(self, text: str | None) -> list[Filter]:
        """Runs of a setting, by the first digits of its hash, by a run of it, or as tables tell pairs apart.

        Raises:
            UsageFailure: no hash.
        """
        if text is None:
            return []
        wanted = text.lower()
        if wanted.startswith("#"):
            first, second = wanted[1:5], wanted[5:]
            return [
                Filter(
                    f"--setting {text}",
                    lambda row: row["setting"].startswith(first) and (row["forget"] or "").startswith(second),
                    _settings,
                )
            ]
        if len(wanted) < SHORTEST or set(wanted) - set("0123456789abcdef"):
            raise UsageFailure(
                f"--setting {text} is no hash of a setting: {SHORTEST} hex digits or more",
                "`deepunlearn show RUN --json` tells a run's setting; --setting RUN takes it",
            )
        of_run = {row["setting"] for row in self.rows if row["id"].startswith(wanted)}
        hashes = {row["setting"] for row in self.rows if row["setting"].startswith(wanted)} or of_run
        return [Filter(f"--setting {text}", lambda row: row["setting"] in hashes, _settings)]

    def by_conditions(self, given: Sequence[str], method: str | None) -> list[Filter]:
        """Runs whose hyperparameters meet every condition.

        Raises:
            UsageFailure: a condition of another form, a name that there is not, or a value of another type.
        """
        return [self._by_condition(read_condition(text), method) for text in given]

    def method(self, row: IndexRow) -> str:
        """The method that a run is of, or attacks; what it is called where it is of none."""
        return row.get("method") or self.subject(row)["name"]

    def subject(self, row: IndexRow) -> IndexRow:
        """The model run that an attack is on; any other run itself."""
        target = self._by_id.get(row["target"]) if row["kind"] == "attack" else None
        return self.subject(target) if target else row

    def root(self, row: IndexRow) -> IndexRow | None:
        """The training, or checkpoint from elsewhere, that a run started from; None where it is gone."""
        if not row["target"]:
            return row
        target = self._by_id.get(row["target"])
        return self.root(target) if target else None

    @cached_property
    def _fingerprints(self) -> Mapping[str, str]:
        """Of the pictures, by setting, which they are a part of: one recipe of each is read."""
        samples = {row["setting"]: row["id"] for row in self.rows}
        return {
            setting: str(self.store.find(run).recipe.data.get("fingerprint", ""))
            for setting, run in samples.items()
        }

    def _by_condition(self, condition: Condition, method: str | None) -> Filter:
        name, said = condition.name, f"--where '{condition.text}'"
        domains = _domains(method)
        if name not in _domains(None) and TRAINING + name in domains:
            condition, name = _renamed(condition, TRAINING + name), TRAINING + name
        if name not in domains:
            failure = unknown("hyperparameter", name, domains, _names(domains, method))
            raise UsageFailure(f"{said}: {failure.message}", failure.hint)
        condition.check(domains[name])
        general = name in OF_RUNS or name.startswith(TRAINING)

        def keeps(row: IndexRow) -> bool:
            known, domain = self._known(row, name)
            return domain is not None and condition.holds(known, domain)

        def there(rows: Sequence[IndexRow]) -> str:
            return listed(f"{name} there", {known for row in rows if (known := self._known(row, name)[0])})

        return Filter(said, keeps, there, controls=general)

    def _known(self, row: IndexRow, name: str) -> tuple[Any, Domain | None]:
        """The value of a name in a run, and what it is declared as; None where the run has none."""
        subject = self.subject(row)
        if name in OF_RUNS:
            return subject.get("forget_label" if name == "forget" else name), OF_RUNS[name]
        if name.startswith(TRAINING):
            root = self.root(subject)
            return _value(root, name.removeprefix(TRAINING)) if root else (None, None)
        return _value(subject, name)


def _value(row: IndexRow, name: str) -> tuple[Any, Domain | None]:
    actor = _actor(row)
    params = row["params"].get("training", row["params"]) if row["kind"] == "checkpoint" else row["params"]
    return {**actor.added(), **params}.get(name), actor.domains().get(name)


def _actor(row: IndexRow) -> type[Declared]:
    """What made a model run and declares its hyperparameters; nothing where the code is gone."""
    from deepunlearn_cli.execution.recipes import TRAINER
    from deepunlearn_cli.methods import METHODS

    if row["kind"] in ("train", "checkpoint", "lockstep") or not row["target"]:
        return TRAINER
    return METHODS.known(row["name"]) or Declared


def _methods(text: str | None) -> list[str]:
    """Public names of the methods that were named; of all where none was."""
    from deepunlearn_cli.methods import METHODS

    if text is None or text == ALL:
        return METHODS.names()
    return [name if is_name(name) else METHODS.public_name(name) for name in text.split(",")]


def _domains(method: str | None) -> dict[str, list[Domain]]:
    """What may be asked for, by name, with what it is declared as by each method that has it."""
    from deepunlearn_cli.execution.recipes import TRAINER
    from deepunlearn_cli.methods import METHODS

    actors = [METHODS.known(name) or Declared for name in _methods(method) if name not in CONTROLS]
    found: dict[str, list[Domain]] = {name: [domain] for name, domain in OF_RUNS.items()}
    for actor in actors:
        for name, domain in actor.domains().items():
            found.setdefault(name, []).append(domain)
    return found | {f"{TRAINING}{name}": [domain] for name, domain in TRAINER.domains().items()}


def _renamed(condition: Condition, name: str) -> Condition:
    return Condition(condition.text, name, condition.operator, condition.value)


def _names(domains: Mapping[str, Any], method: str | None) -> str:
    own = [name for name in domains if not name.startswith(TRAINING) and name not in OF_RUNS]
    every = "`deepunlearn methods NAME` shows a method's" if method is None else f"{method} takes: "
    listed = "" if method is None else ", ".join(own) or "none"
    return f"{every}{listed}; {TRAINING}NAME is of the original's training"


def _settings(rows: Sequence[IndexRow]) -> str:
    return listed("settings there", {f"{row['setting']} ({row['dataset']} {row['model']})" for row in rows})
