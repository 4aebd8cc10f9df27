"""What the ledger is told of a request: that it came, which models unlearned for it, how audits ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from shlex import quote
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.checkpoints import refs
from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.recipe import DO_NOTHING
from deepunlearn_cli.execution.recipes import training_of
from deepunlearn_cli.execution.references import CHECKPOINT
from deepunlearn_cli.store.ledger import AUDITED, ORIGINS, RECEIVED, UNLEARNED, Entry, Ledger, kept, moment
from deepunlearn_cli.store.requests import RULE, check_about, of_audit, requests_of
from deepunlearn_cli.store.run import WEIGHTS

if TYPE_CHECKING:
    from deepunlearn_cli.checkpoints.refs import Ref, Start, Wanted
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.store import Run, Store


@dataclass(frozen=True)
class Asked:
    """A request as somebody typed it.

    Attributes:
        received: when it came, where somebody said so.
    """

    id: str
    received: str | None = None
    note: str | None = None

    def check(self, starts: Sequence[Start], store: Store) -> None:
        """See that the request may be carried out so.

        Raises:
            UsageFailure: several forget sets, or another one or another model than before.
            StoreCorrupt: the ledger does not hold.
        """
        if len({one.forget.sha256 for one in starts}) > 1:
            raise UsageFailure(
                f"request {self.id} is of one forget set, and these models have several",
                "name it with --forget, or give each model a request of its own",
            )
        self._admit(about(starts), Ledger(store.root).entries())

    def receive(self, starts: Sequence[Start], store: Store) -> None:
        """Record that the request came, once; `check` says what it raises."""
        told = about(starts)

        def admit(entries: Sequence[Entry]) -> None:
            self._admit(told, entries)

        details = {**told, "received": self.received, "note": self.note}
        Ledger(store.root).append(self.id, RECEIVED, details, known=_received, admit=admit)

    def unlearned(self, starts: Sequence[Start], runs: Sequence[Run], store: Store) -> list[str]:
        """Record the models that unlearned for it, each once.

        Returns:
            What to tell people.
        """
        ledger, done = Ledger(store.root), []
        for run in runs:
            if run.recipe.name != DO_NOTHING:
                self._unlearned(run, starts, ledger)
                done.append(run.id)
        return [self._told(done, requests_of(ledger.entries())[self.id].state)] if done else []

    def _told(self, done: Sequence[str], state: str) -> str:
        audit = f"; `deepunlearn attack umia {' '.join(done)} --gate` audits it" if state == UNLEARNED else ""
        return f"request {self.id}: {state}, says the ledger{audit}"

    def _admit(self, told: Mapping[str, Any], entries: Sequence[Entry]) -> None:
        check_about(requests_of(entries).get(self.id), told, self.received)

    def _unlearned(self, run: Run, starts: Sequence[Start], ledger: Ledger) -> None:
        start = _start_of(run.recipe, starts)
        details = {
            "runs": [run.id],
            "method": run.recipe.name,
            "forget": _forget(start),
            "ckpt": start.recipe.key,
            "weights": run.digest(WEIGHTS),
            "earlier": list(run.recipe.data.get("forgotten", ())),
            "made": moment(created) if (created := run.facts.get("created")) else None,
            "note": self.note,
        }

        def known(own: Sequence[Entry]) -> Entry | None:
            made = (one for one in own if one.event == UNLEARNED and run.id in one.details["runs"])
            return next((one for one in made if self.note in (None, one.details.get("note"))), None)

        ledger.append(self.id, UNLEARNED, details, known=known)


def about(starts: Sequence[Start]) -> dict[str, Any]:
    """What a request is about, without a name: how many pictures, their hash, which models."""
    return {"forget": _forget(starts[0]), "models": list(dict.fromkeys(_model(one.recipe) for one in starts))}


def check(store: Store) -> None:
    """See, before hours of an attack, that the ledger can take its verdict; `StoreCorrupt` if not."""
    Ledger(store.root).entries()


def audited(
    store: Store, attack: str, metrics: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Record the verdicts on runs that the ledger knows, each once.

    Args:
        attack: its public name.
        metrics: the figures that the verdict goes by.
        rows: audits as plain data: `id` of the attack, `target`, `verdict`, the rule and the figures.

    Returns:
        What to tell people; that it could not be recorded, where this user may not write.
    """
    ledger = Ledger(store.root)
    entries = ledger.entries()
    return [
        _recorded(request.id, _verdict(attack, metrics, row, rows), ledger)
        for row in rows
        if row.get("verdict")
        for request in of_audit(entries, _made_from(row["target"], store), row.get("forget"))
    ]


def _made_from(run: str, store: Store) -> list[str]:
    """A model and the unlearned ones that it was made from, the newest first."""
    found = store.get(run)
    recipe, keys = found.recipe if found else None, [run]
    while recipe and (recipe := recipe.inputs.get("original")) and recipe.forget:
        keys.append(recipe.key)
    return keys


def _recorded(request: str, details: Mapping[str, Any], ledger: Ledger) -> str:
    try:
        ledger.append(request, AUDITED, details, known=partial(_same, kept(details)))
    except UsageFailure as failure:
        return f"request {request}: the verdict is not recorded: {failure.message}"
    see = f"`deepunlearn requests {quote(request)}`"
    return f"request {request}: audited, {details['verdict']}, says the ledger: {see}"


def of_methods(
    runner: Runner,
    read: Sequence[Ref],
    wanted: Wanted,
    rows: Sequence[Mapping[str, Any]],
    metrics: Sequence[str],
) -> list[str]:
    """The same of an attack on many models of a method, for runs of that method with the settings tried.

    Args:
        read: the models that were named, and `wanted` what was said of them.
        rows: a method each.
    """
    runs = [refs.look_up(one, runner, wanted).recipe for one in read]
    told = [
        {**row, "target": run.key, "of": METHOD}
        for row in rows
        if row.get("verdict")
        for run in runs
        if _is_tried(run, runner.store.find(row["id"]).recipe)
    ]
    controls = [{**row, "target": None} for row in rows if row.get("verdict") is None]
    return audited(runner.store, ULIRA, metrics, [*told, *controls])


def _is_tried(run: Recipe, attack: Recipe) -> bool:
    """Whether an attack on many models was on such as this one: method, settings, training, architecture."""
    return any(
        (one.name, one.params, one.model) == (run.name, run.params, run.model)
        and one.data.get("fingerprint") == run.data.get("fingerprint")
        and training_of(one.root) == training_of(run.root)
        for one in attack.inputs.values()
    )


METHOD = "method"  # what a verdict is of, where it is not of the model itself
ULIRA = "ulira"
FIGURES = (
    "verdict", "tolerance", "fail_above", "limit", "metric", "gap", "gap_low", "gap_high", "figures",
    "do_nothing", "do_nothing_figures", "uninformative", "reference", "needed", "few", "claim", "of",
    "n_forget", "n_unseen",
)  # fmt: skip


def _verdict(
    attack: str, metrics: Sequence[str], row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What is kept of an audit: the rule, the answer with its figures, and the attacks' runs."""
    controls = [one["id"] for one in rows if _is_control(one, row)]
    known = {name: row.get(name) for name in FIGURES}
    ids = {
        "run": row["target"],
        "attacks": [row["id"], *controls],
        "attack": attack,
        "method": row["method"],
        "forget": row.get("forget"),
    }
    return {**ids, "metrics": list(metrics), **known}


def _is_control(one: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    alike = ("seed", "forget", "dataset", "model")
    return one.get("verdict") is None and one["id"] and all(one.get(name) == row.get(name) for name in alike)


def _received(own: Sequence[Entry]) -> Entry | None:
    return next((one for one in own if one.event == RECEIVED), None)


def _same(details: Mapping[str, Any], own: Sequence[Entry]) -> Entry | None:
    """The audit that says the same, in whichever store; None where it is not what the ledger says last."""
    for one in reversed(own):
        if one.event == UNLEARNED and details["run"] in one.details["runs"]:
            return None
        if one.event == AUDITED and all(one.details.get(name) == details[name] for name in ("run", *RULE)):
            told = {name: value for name, value in one.details.items() if name != ORIGINS}
            same = all(details.get(name) == value for name, value in told.items())
            return one if same else None  # an earlier version told less
    return None


def _forget(start: Start) -> dict[str, Any]:
    return {"count": len(start.forget), "sha256": start.forget.sha256}


def _model(recipe: Recipe) -> str:
    """What stands for a model: of weights from elsewhere their hash, whatever else is said of them later."""
    return str(recipe.params["sha256"]) if recipe.kind == CHECKPOINT else recipe.key


def _start_of(recipe: Recipe, starts: Sequence[Start]) -> Start:
    """What an unlearned model started from; of a retrained one the model that it takes the place of."""
    if start := recipe.inputs.get("original"):
        return next(one for one in starts if one.recipe.key == start.key)
    alike = [one for one in starts if (one.recipe.setting, one.recipe.seed) == (recipe.setting, recipe.seed)]
    return (alike or list(starts))[0]
