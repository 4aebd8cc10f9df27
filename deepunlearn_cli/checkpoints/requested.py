"""What the ledger is told of a request: that it came, which models unlearned for it, how audits ended."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from shlex import quote
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.recipe import DO_NOTHING
from deepunlearn_cli.execution.references import CHECKPOINT
from deepunlearn_cli.store.ledger import AUDITED, RECEIVED, UNLEARNED, Entry, Ledger
from deepunlearn_cli.store.requests import check_about, of_run, requests_of
from deepunlearn_cli.store.run import WEIGHTS, plain

if TYPE_CHECKING:
    from deepunlearn_cli.checkpoints.refs import Start
    from deepunlearn_cli.core.recipe import Recipe
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

    def check(self, starts: Sequence[Start], wanted: Sequence[Recipe], store: Store) -> None:
        """See that the request may be carried out so.

        Raises:
            UsageFailure: several forget sets, another one or another model than before, or nothing unlearns.
            StoreCorrupt: the ledger does not hold.
        """
        if len({one.forget.sha256 for one in starts}) > 1:
            raise UsageFailure(
                f"request {self.id} is of one forget set, and these models have several",
                "name it with --forget, or give each model a request of its own",
            )
        if all(one.name == DO_NOTHING for one in wanted):
            raise UsageFailure(
                f"doing nothing carries out no request: {self.id} needs a method that unlearns",
                "--method retrain is the exact one; `deepunlearn methods` lists them",
            )
        self._admit(about(starts), Ledger(store.root).entries())

    def receive(self, starts: Sequence[Start], store: Store) -> None:
        """Record that the request came, once; `check` says what it raises."""
        told = about(starts)

        def admit(entries: Sequence[Entry]) -> None:
            self._admit(told, entries)

        details = {**told, "received": self.received, "note": self.note}
        Ledger(store.root).append(self.id, RECEIVED, details, unless=lambda _: True, admit=admit)

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
        return [
            f"request {self.id}: unlearned, says the ledger, by {', '.join(done)}; "
            f"`deepunlearn attack umia {done[-1]} --gate` audits it"
        ] if done else []  # fmt: skip

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
            "made": run.facts.get("created"),
            "note": self.note,
        }

        def known(entry: Entry) -> bool:
            return run.id in entry.details["runs"] and self.note in (None, entry.details.get("note"))

        ledger.append(self.id, UNLEARNED, details, unless=known)


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
        for request in of_run(entries, row["target"])
    ]


def _recorded(request: str, details: Mapping[str, Any], ledger: Ledger) -> str:
    try:
        ledger.append(request, AUDITED, details, unless=partial(_same, details))
    except UsageFailure as failure:
        return f"request {request}: the verdict is not recorded: {failure.message}"
    see = f"`deepunlearn requests {quote(request)}`"
    return f"request {request}: audited, {details['verdict']}, says the ledger: {see}"


FIGURES = (
    "verdict", "tolerance", "fail_above", "limit", "metric", "gap", "gap_low", "gap_high", "figures",
    "do_nothing", "uninformative", "reference", "needed", "few", "claim",
)  # fmt: skip


def _verdict(
    attack: str, metrics: Sequence[str], row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What is kept of an audit: the rule, the answer with its figures, and the attacks' runs."""
    controls = [one["id"] for one in rows if _is_control(one, row)]
    known = {name: row.get(name) for name in FIGURES}
    ids = {"run": row["target"], "attacks": [row["id"], *controls], "attack": attack}
    return {**ids, "metrics": list(metrics), **known}


def _is_control(one: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    alike = ("seed", "forget", "dataset", "model")
    return one.get("verdict") is None and one["id"] and all(one.get(name) == row.get(name) for name in alike)


def _same(details: Mapping[str, Any], entry: Entry) -> bool:
    """Whether an entry says the same: floats as they stand in the file."""
    return bool(entry.details == json.loads(json.dumps(plain(details))))


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
