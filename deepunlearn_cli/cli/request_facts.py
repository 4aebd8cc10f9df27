"""What the page of one request says, gathered from a store: its run, the models beside it, attacks on it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.attacks import ATTACKS, OneModel, Rule
from deepunlearn_cli.core.errors import Failure, UsageFailure
from deepunlearn_cli.core.recipe import DO_NOTHING, RETRAIN
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.reporting.request_page import Audit, Model, RequestFacts
from deepunlearn_cli.store.ledger import AUDITED, RECEIVED, STATES, UNLEARNED, Ledger, moment
from deepunlearn_cli.store.requests import of_audit

if TYPE_CHECKING:
    from deepunlearn_cli.cli.command import Session
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.data import ForgetSet
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.store import Run
    from deepunlearn_cli.store.requests import Request
    from deepunlearn_cli.studies.audit import Evidences

BEFORE, AFTER, RETRAINED = "before", "after", "retrained without the pictures"


def gathered(session: Session, ref: str) -> RequestFacts:
    """The facts of a run that has forgotten something.

    Raises:
        NotFound: no such run.
        UsageFailure: it has forgotten nothing.
    """
    with session.runner("cpu", create=False) as runner:
        run = runner.store.find(ref)
        if not run.recipe.forget or run.recipe.kind == "attack":
            what = f"{run.recipe.kind} {run.recipe.name}"
            raise UsageFailure(
                f"run {run.id} ({what}) has forgotten nothing, so there is no request to write a page of",
                "deepunlearn runs --kind unlearn lists those that have",
            )
        return _facts(runner, run)


def _facts(runner: Runner, run: Run) -> RequestFacts:
    from deepunlearn_cli import __version__, data
    from deepunlearn_cli.execution import chains, recipes

    recipe = run.recipe
    assert recipe.forget
    forget = data.load_forget(recipe.forget, runner.store.data)
    kind = METHODS.known(recipe.name)
    entries = Ledger(runner.store.root).entries()
    requests = of_audit(entries, [run.id], recipe.forget)
    audits = _audits(runner, run, requests)
    settings = recipes.hyperparameters(recipe)
    before = _original(runner, recipe)
    return RequestFacts(
        request=", ".join(one.id for one in requests),
        dates=_dates(run, audits, requests),
        forget=forget.spec,
        pictures=len(forget),
        forget_sha256=recipe.forget,
        data=f"{recipe.labels.get('dataset', '')}, {recipe.model}, seed {recipe.seed}",
        method=kind.title if kind else recipe.name,
        how=_how(kind),
        exact=recipe.name == RETRAIN,
        before=_model(BEFORE, before, _scores_before(runner, before, forget)),
        after=_model(AFTER, run, run.scores),
        retrained=_reference(runner, recipe, forget),
        earlier=chains.specs(recipe)[1:],
        settings={name: _short(value) for name, value in settings.items()},
        cost=_cost(run.facts),
        ta_gap=_test_gap(before, run),
        audits=audits,
        lost=_lost(runner, run),
        hashes=_hashes(run) | ({"Head of the ledger": entries[-1].digest} if requests else {}),
        warnings=[str(one) for one in run.facts.get("warnings", ())],
        made_by=f"deepunlearn {__version__}, store {runner.store.root.resolve().name}, run {run.id}",
    )


def _how(kind: type[Any] | None) -> str:
    """What a method does: the first sentence of its own account, less where it comes from."""
    told = (inspect.getdoc(kind) or "").partition("\n\n")[0] if kind else ""
    return " ".join(told.split())


def _dates(run: Run, audits: Sequence[Audit], requests: Sequence[Request]) -> list[tuple[str, str]]:
    """What happened when: as the ledger tells it, else as the runs themselves do."""
    made = {UNLEARNED: _moment(run.facts.get("created")), AUDITED: audits[0].at if audits else ""}
    told: dict[str, str] = {}
    for request in requests:
        known = {RECEIVED: request.received} | {one: request.when(one) or "" for one in STATES[1:]}
        told |= {state: _utc(when) for state, when in known.items() if when}
    return [(state.capitalize(), when) for state in STATES if (when := told.get(state) or made.get(state))]


def _utc(when: str) -> str:
    """A day as it is, a time of the ledger as people read it."""
    day, _, time = when.partition("T")
    return f"{day} {time.removesuffix('Z').removesuffix('+00:00')} UTC" if time else day


def _moment(created: float | None) -> str:
    """When a run was made, as people read it."""
    return "" if created is None else _utc(moment(created))


def _original(runner: Runner, recipe: Recipe) -> Run | None:
    """The model that was there before, of an unlearned one or of one trained anew."""
    start = recipe.inputs.get("original")
    return runner.store.get((start or _anew(recipe)).key)


def _anew(recipe: Recipe) -> Recipe:
    """The training of which a retrained model is the reference."""
    from dataclasses import replace

    labels = {name: value for name, value in recipe.labels.items() if name != "forget"}
    return replace(recipe, name="original", forget=None, attempt=0, labels=labels)


def _scores_before(runner: Runner, before: Run | None, forget: ForgetSet) -> Mapping[str, Any]:
    """Accuracies of the model before, on the parts of the model after."""
    from deepunlearn_cli.execution import recipes

    if before is None:
        return {}
    with suppress(Failure):
        if judged := runner.store.get(recipes.unlearned(before.recipe, DO_NOTHING, forget).key):
            return judged.scores
    return before.scores


def _reference(runner: Runner, recipe: Recipe, forget: ForgetSet) -> Model | None:
    """The retrained model of the same seed, unless it is the one that the page is about."""
    from deepunlearn_cli.execution import references

    start = recipe.inputs.get("original")
    if start is None:
        return None
    found = references.of(start, forget, runner.store)
    made = runner.store.get(found.key) if found else None
    return _model(RETRAINED, made, made.scores) if made else None


def _model(title: str, run: Run | None, scores: Mapping[str, Any]) -> Model:
    if run is None:
        return Model(title, "not in this store")
    return Model(title, run.id, _weights(run), {part: scores.get(part) for part in ("RA", "FA", "TA")})


def _weights(run: Run) -> str:
    """SHA-256 of the file of weights, as it was sealed; nothing where none is kept."""
    from deepunlearn_cli.store import manifest
    from deepunlearn_cli.store.run import WEIGHTS

    with suppress(*manifest.UNREADABLE):
        return str(manifest.sealed_files(run.path)[WEIGHTS]["sha256"])
    return ""


def _cost(facts: Mapping[str, Any]) -> dict[str, str]:
    told = {
        "Took": "" if facts.get("seconds") is None else f"{facts['seconds']:.1f} s",
        "Work": "" if facts.get("work") is None else f"{facts['work']:.2f} epochs of training",
        "Made on": str(facts.get("device") or ""),
        "Versions": f"deepunlearn {facts.get('version', '')}, torch {facts.get('torch', '')}",
    }
    return {name: value for name, value in told.items() if value}


def _test_gap(before: Run | None, after: Run) -> tuple[float, float, float] | None:
    """Test accuracy after less before, paired over the same pictures; None where outputs are gone."""
    from deepunlearn_cli.evaluation.intervals import accuracy_gap

    with suppress(Failure, KeyError):
        if before:
            return accuracy_gap(before.outputs()["test"], after.outputs()["test"])
    return None


def _audits(runner: Runner, run: Run, requests: Sequence[Request]) -> list[Audit]:
    """The audits that the ledger counts; else the newest attack of each name, by the usual tolerance.

    Of one that cannot be recalled, for what it went by was purged, the ledger has what was found.
    """
    from deepunlearn_cli.studies.audit import Evidences, stripped

    told = [one.details for request in requests for one in request.audits(run.id)]
    read = Evidences(runner)
    found = []
    for one in told:
        if _on_one_model(one["attack"]):
            attack = runner.store.find(one["attacks"][0])
            gone = stripped(attack, runner)
            found.append(_remembered(attack, one) if gone else _audit(runner, attack, _rule(one), read))
    if found:
        return found
    left = [one for one in _attacks(runner, run) if not stripped(one, runner)]
    rules = [(one, Rule(ATTACKS.needed(one.recipe.name).metrics())) for one in left]
    return [_audit(runner, one, rule, read) for one, rule in rules]


def _lost(runner: Runner, run: Run) -> list[str]:
    """Attacks that were made, and cannot be recalled any more."""
    from deepunlearn_cli.studies.audit import stripped

    gone = [one for one in _attacks(runner, run) if stripped(one, runner)]
    return [ATTACKS.needed(one.recipe.name).title for one in gone]


def _remembered(attack: Run, told: Mapping[str, Any]) -> Audit:
    """An audit as the ledger tells it, with the attack's own sizes where it tells none."""
    size = attack.scores.get("n", 0)
    row = {"n_forget": size, "n_unseen": size, **told}
    return Audit(ATTACKS.needed(attack.recipe.name).title, row, _moment(attack.facts.get("created")))


def _rule(details: Mapping[str, Any]) -> Rule:
    """The rule that an audit of the ledger went by."""
    return Rule(tuple(details["metrics"]), details["tolerance"], details["fail_above"])


def _audit(runner: Runner, attack: Run, rule: Rule, read: Evidences) -> Audit:
    from deepunlearn_cli.cli.audit_rows import audit_row
    from deepunlearn_cli.studies.audit import recalled

    row = audit_row(recalled(runner, attack, rule, read), rule)
    title = ATTACKS.needed(attack.recipe.name).title
    return Audit(title, row, _moment(attack.facts.get("created")))


def _on_one_model(name: str) -> bool:
    kind = ATTACKS.known(name)
    return kind is not None and issubclass(kind, OneModel)


def _attacks(runner: Runner, run: Run) -> list[Run]:
    """The newest attack of each name on what this request asked for: not on earlier ones, or on all."""
    asked = {"kind": "attack", "target": run.id, "forget": run.recipe.forget}
    rows = [row for row in runner.store.rows(**asked) if row["status"] == "done"]
    newest = {row["name"]: row["id"] for row in rows}
    named = sorted(newest, key=lambda name: (name != "umia", name))
    return [runner.store.find(newest[name]) for name in named if _on_one_model(name)]


def _hashes(run: Run) -> dict[str, str]:
    """What binds the page to the store: the pictures, the code, and what says it all of the run."""
    import hashlib

    from deepunlearn_cli.store import manifest

    recipe = run.recipe
    sealed = (run.path / manifest.MANIFEST).read_bytes()
    told = {
        "Pictures, decoded": recipe.data.get("fingerprint", ""),
        "Code of the method": run.facts.get("code", ""),
        "Manifest of the run": hashlib.sha256(sealed).hexdigest(),
    }
    return {name: str(value) for name, value in told.items() if value}


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
