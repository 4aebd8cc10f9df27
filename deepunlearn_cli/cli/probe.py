"""`deepunlearn attack NAME` for attacks that work on the model itself, beside its controls, with an answer.

As with the others, a command follows from the attack's declaration: nothing here knows one by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deepunlearn_cli.attacks import Probe, gap_interval, probes
from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli.app import attack_app
from deepunlearn_cli.cli.attack import DrawSeed, recipe_on
from deepunlearn_cli.cli.attack_group import ADDERS
from deepunlearn_cli.cli.audit_rows import about, advice
from deepunlearn_cli.cli.bundles import FileData, Models, Running
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.listing import plan_table
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.cli.verdict import VerdictOptions, code_of
from deepunlearn_cli.core.errors import ExitCode, UsageFailure
from deepunlearn_cli.reporting import probing

if TYPE_CHECKING:
    from deepunlearn_cli.attacks import Rule
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.studies.probing import Probed

CONTROLS = "The same attack on the retrained model and on the do-nothing control stands beside it."

Control = Annotated[
    str | None,
    option(
        metavar="REF",
        help="The model to compare with. (default: the retrained model of the same seed, if it is there)",
        autocompletion=o.complete_refs,
    ),
]


def _command(attack: type[Probe]) -> Callable[..., Result]:
    def command(
        session: Session,
        params: Mapping[str, Any],
        *,
        models: Models,
        control: Control = None,
        draw_seed: DrawSeed = 0,
        verdict: VerdictOptions,
        file: FileData,
        running: Running,
    ) -> Result:
        from deepunlearn_cli.checkpoints import refs

        rule = verdict.rule(attack)
        hyper = attack.build(params)
        _check(attack, control)
        read = file.read(models.named, session)
        other = file.read([control], session)[0] if control else None
        with running.runner_for(read, session) as runner:
            starts = [refs.resolve(ref, runner, file.wanted()) for ref in read]
            given = refs.resolve(other, runner, file.wanted()).recipe if other else None
            attacks = [recipe_on(start, hyper, draw_seed) for start in starts]
            if running.dry_run:
                return Result(tables=[plan_table(runner, attacks)])
            return _audited(runner, hyper, attacks, rule, given)

    how = (inspect.getdoc(attack) or "").partition("\n\n")[2]
    command.__doc__ = f"{attack.title}: {attack.question}\n\n{_first(attack)}\n\n{how}\n\n{CONTROLS}"
    return command


def _first(attack: type[Probe]) -> str:
    return (inspect.getdoc(attack) or "").partition("\n\n")[0]


def _check(attack: type[Probe], control: str | None) -> None:
    if control and attack.exact:
        raise UsageFailure(
            f"{attack.title} needs no model to compare with: its null is exact", "leave --control out"
        )


def _audited(
    runner: Runner,
    attack: Probe,
    attacks: Sequence[Recipe],
    rule: Rule,
    given: Recipe | None,
) -> Result:
    from deepunlearn_cli.checkpoints import requested
    from deepunlearn_cli.studies.probing import audit_itself

    requested.check(runner.store)
    audited, failed = audit_itself(runner, attacks, rule, given)
    rows = [_row(one, rule) for one in audited]
    tables = [probing.probe_table(rows, attack.name(), attack.heading(), attack.columns)] if rows else []
    code = ExitCode.PARTLY_FAILED if failed else code_of(rule, rows)
    ids = [one.run.id for one in audited if one.judgement]
    told = requested.audited(runner.store, attack.name(), rule.metrics, rows)
    return Result(tables=tables, ids=ids, notes=probing.answers(rows) + advice(rows) + told, code=code)


def _row(one: Probed, rule: Rule) -> dict[str, Any]:
    """Which model, the answer, and every score of the attack; of a control no answer."""
    judged = one.judgement
    low, high = gap_interval(judged.decided.gap) if judged else (None, None)
    return {
        **about(one.run),
        "verdict": judged.verdict if judged else None,
        "reference": judged.reference if judged else None,
        "metric": judged.decided.metric if judged else None,
        "tolerance": rule.tolerance,
        "fail_above": rule.fail_above,
        "gap": judged.decided.gap.value if judged else None,
        "gap_low": low,
        "gap_high": high,
        "p": judged.decided.p_value if judged else None,
        "needed": judged.needed if judged else None,
        "uninformative": one.uninformative if judged else None,
        **one.run.scores,
    }


def _examples(name: str) -> list[str]:
    attack = f"deepunlearn attack {name}"
    return [
        f"{attack} 3f9c",
        f"{attack} clean.pt --tolerance 0.05    # exit 4 on FAIL",
        f"deepunlearn unlearn --method all --ckpt orig.pt | {attack} -",
    ]


def add(app: typer.Typer, name: str, attack: type[Probe]) -> None:
    """Make a command of an attack."""
    register(app, name, *_examples(name), declared=attack)(_command(attack))


ADDERS[Probe] = add
for _name, _attack in probes().items():
    add(attack_app, _name, _attack)
