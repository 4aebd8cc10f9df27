"""`deepunlearn attack NAME`: every attack on one model, beside its controls, with an answer.

An attack's command follows from its declaration (`attacks/NAME.py`): nothing here knows one by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deepunlearn_cli.attacks import OneModel, on_one_model
from deepunlearn_cli.cli.app import attack_app
from deepunlearn_cli.cli.attack_group import ADDERS
from deepunlearn_cli.cli.audit_rows import SavedFiles, advice, audit_row, audited_files, audited_table
from deepunlearn_cli.cli.bundles import FileData, Models, Running
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.completing import complete_models_of_store
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.listing import plan_table
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.cli.per_sample import Judged, PerSample
from deepunlearn_cli.cli.showing import Showing
from deepunlearn_cli.cli.unfold import Bundle
from deepunlearn_cli.cli.verdict import VerdictOptions, code_of
from deepunlearn_cli.core.errors import ExitCode, UsageFailure
from deepunlearn_cli.reporting.answers import answers

if TYPE_CHECKING:
    from deepunlearn_cli.attacks import Rule
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.data import Dataset
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.studies.audit import Audited

SAVED = "Saved scores"
CONTROLS = (
    "The same attack on the retrained model and on the do-nothing control stands beside it. The verdict says "
    "whether the model is equivalent to the retrained one, within a tolerance, by a worst case: accuracy at "
    "every threshold, AUC, and the true positive rate at 1 % false positives from both ends, on all samples."
)


class SavedScores(Bundle):
    """Files that take the place of runs."""

    scores: Annotated[
        Path | None,
        option(
            metavar="FILE",
            help="The forget set's logits and labels, or losses (npz, npy, text).",
            rich_help_panel=SAVED,
        ),
    ] = None
    control: Annotated[
        tuple[Path, Path] | None,
        option(
            metavar="FILE FILE",
            help="The retrained model's scores: forget, then unseen samples.",
            rich_help_panel=SAVED,
        ),
    ] = None

    original: Annotated[
        tuple[Path, Path] | None,
        option(
            metavar="FILE FILE",
            help="The same of the model before unlearning: would doing nothing pass?",
            rich_help_panel=SAVED,
        ),
    ] = None

    def check(self, targets: Sequence[str], against: str | None, retrained: str | None) -> None:
        """Refuse what belongs to files with runs, and the other way round.

        Raises:
            UsageFailure: saying what goes with what.
        """
        if self.scores and targets:
            raise UsageFailure("--scores audits files, and a run was given too", "give one or the other")
        if self.scores and against is None:
            raise UsageFailure("--scores needs unseen samples beside it", "--against FILE has their scores")
        if self.scores and retrained:
            raise UsageFailure("--retrained belongs to runs", "--control FILE FILE has its scores")
        for name, given in (("control", self.control), ("original", self.original)):
            if given and not self.scores:
                more = "; --retrained REF names another" if name == "control" else ""
                raise UsageFailure(f"--{name} belongs to --scores", f"runs find theirs in the store{more}")


Retrained = Annotated[
    str | None,
    option(
        metavar="REF",
        help="A model that you retrained without the forget set, to compare with; --control REF is the same.",
        autocompletion=complete_models_of_store,
    ),
]
Against = Annotated[
    str | None,
    option(
        metavar="test|val|class|FILE",
        help="Where unseen samples come from; with --scores a file. (default: test)",
    ),
]
DrawSeed = Annotated[
    int, option(metavar="SEED", help="Seed of the balanced draw and of whatever else the attack draws.")
]


def _command(attack: type[OneModel]) -> Callable[..., Result]:
    def command(
        session: Session,
        params: Mapping[str, Any],
        *,
        models: Models,
        against: Against = None,
        retrained: Retrained = None,
        draw_seed: DrawSeed = 0,
        verdict: VerdictOptions,
        saved: SavedScores,
        per_sample: PerSample,
        showing: Showing,
        file: FileData,
        running: Running,
    ) -> Result:
        from deepunlearn_cli.checkpoints import asked, control

        rule = verdict.rule(attack)
        per_sample.check()
        showing.check()
        saved.check(models.named, against, retrained)
        if saved.scores:
            files = SavedFiles((saved.scores, Path(against or "")), saved.control, saved.original)
            return showing.shown(audited_files(attack.build(params), rule, per_sample, files, draw_seed))
        hyper = _built(attack, params, against)
        read = file.read(models.named, session)
        with running.runner_for(read, session) as runner:
            starts = [asked.resolve(ref, runner, file.wanted()) for ref in read]
            for start, _ in starts if retrained else ():
                control.beside(retrained or "", start, runner)
            attacks = [one for pair in starts for one in asked.attacks(*pair, hyper, draw_seed)]
            if running.dry_run:
                return Result(tables=[plan_table(runner, attacks)])
            return showing.shown(_audited(runner, hyper, attacks, rule, per_sample))

    how = (inspect.getdoc(attack) or "").partition("\n\n")[0]
    command.__doc__ = f"{attack.title}: {attack.question}\n\n{how}\n\n{CONTROLS}"
    return command


def _built(attack: type[OneModel], params: Mapping[str, Any], against: str | None) -> OneModel:
    """The attack, with where its unseen samples come from.

    Raises:
        UsageFailure: from nowhere that it knows.
    """
    choices = [str(one) for one in attack.domains()["against"].choices]
    if against not in (None, *choices):
        raise UsageFailure(
            f"--against {against} is neither {', '.join(choices[:-1])} nor {choices[-1]}",
            "a file of scores goes with --scores FILE",
        )
    return attack.build({**params, **({"against": against} if against else {})})


def _audited(
    runner: Runner, attack: OneModel, attacks: Sequence[Recipe], rule: Rule, per_sample: PerSample
) -> Result:
    from deepunlearn_cli.checkpoints import requested
    from deepunlearn_cli.studies.audit import audit

    requested.check(runner.store)
    audited, failed = audit(runner, attacks, rule)
    rows = [audit_row(one, rule) for one in audited]
    tables = [audited_table(rows, attack, rule)] if rows else []
    judged = [
        Judged(row, one.findings, one.control, _dataset(runner, one))
        for row, one in zip(rows, audited, strict=True)
        if one.answer
    ]
    tables += per_sample.tables(attack.name(), attack.title, judged, _classes(runner, audited))
    code = ExitCode.PARTLY_FAILED if failed else code_of(rule, rows)
    ids = [one.run.id for one in audited if one.answer]
    told = requested.audited(runner.store, attack.name(), rule.metrics, rows)
    return Result(tables=tables, ids=ids, notes=answers(rows) + advice(rows) + told, code=code)


def _dataset(runner: Runner, audited: Audited) -> Dataset:
    from deepunlearn_cli.data import load_dataset

    return load_dataset(audited.run.recipe.data["fingerprint"], runner.store.data)


def _classes(runner: Runner, audited: Sequence[Audited]) -> Sequence[str]:
    fingerprints = {one.run.recipe.data["fingerprint"] for one in audited}
    return _dataset(runner, audited[0]).classes if len(fingerprints) == 1 else ()


def _examples(name: str) -> list[str]:
    attack = f"deepunlearn attack {name}"
    return [
        f"{attack} 3f9c",
        f"{attack} --ckpt clean.pt --tolerance 0.05    # exit 4 on FAIL",
        f"{attack} --ckpt clean.pt --gate --format junit --out umia.xml",
        f"{attack} v3.pt    # of requests in a row: each, and all",
        f"{attack} 3f9c --by class --top 10 --samples exposed.csv",
        f"{attack} 3f9c --against class    # of a removed class",
        f"{attack} --scores forget.npz --against test.npz --fail-above 0.55",
        f"deepunlearn unlearn --method all --ckpt orig.pt | {attack} -",
    ]


def add(app: typer.Typer, name: str, attack: type[OneModel]) -> None:
    """Make a command of an attack."""
    register(app, name, *_examples(name), declared=attack)(_command(attack))


ADDERS[OneModel] = add
for _name, _attack in on_one_model().items():
    add(attack_app, _name, _attack)
