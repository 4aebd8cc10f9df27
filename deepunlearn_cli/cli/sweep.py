"""`deepunlearn sweep`: tune methods against the retrained model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from deepunlearn_cli.cli import options as o
from deepunlearn_cli.cli.app import app
from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.listing import plan_table
from deepunlearn_cli.cli.parameter import option
from deepunlearn_cli.core.errors import ExitCode, UsageFailure

if TYPE_CHECKING:
    from deepunlearn_cli.core.errors import Failure
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.sweep import Order, Search, StudyProgress, TunedMethod

PANEL = "Search"


def _samplers(incomplete: str) -> list[str]:
    from deepunlearn_cli.sweep import SAMPLERS

    return [name for name in SAMPLERS if name.startswith(incomplete)]


@register(
    app,
    "sweep",
    "deepunlearn sweep --method msg --ckpt 3f9c --trials 100",
    "deepunlearn runs --kind train --name original | deepunlearn sweep --method all --ckpt - --workers 4",
    "deepunlearn sweep --method ft,ct --ckpt orig.pt --timeout 2h --storage postgresql://user:word@host/db",
    "deepunlearn sweep --method msg --ckpt orig.pt -p epochs=3 --out msg.toml",
)
def sweep(
    session: Session,
    method: o.Methods,
    ckpt: o.Refs,
    trials: Annotated[
        int, option(help="Complete trials to reach; what is there counts.", rich_help_panel=PANEL)
    ] = 100,
    timeout: Annotated[
        str | None,
        option(help="Begin no trial after 90s, 10m, 1h30m; then choose.", rich_help_panel=PANEL),
    ] = None,
    sampler: Annotated[
        str,
        option(
            help="tpe (on the norm of the four losses), nsga3 (the paper's) or random.",
            autocompletion=_samplers,
            rich_help_panel=PANEL,
        ),
    ] = "tpe",
    sampler_seed: Annotated[int, option(help="Of the sampler.", rich_help_panel=PANEL)] = 0,
    confirm: Annotated[
        int,
        option(help="Best settings to run again on fresh seeds before the choice.", rich_help_panel=PANEL),
    ] = 3,
    max_failures: Annotated[
        int, option(help="Failed trials in a row that end a search (exit 6).", rich_help_panel=PANEL)
    ] = 10,
    study: Annotated[str, option(help="A name that starts a study of its own.", rich_help_panel=PANEL)] = "",
    storage: Annotated[
        str | None,
        option(
            help="postgresql://, mysql://, sqlite:///FILE, journal:FILE; machines may share it. "
            "(default: a journal in the store)",
            rich_help_panel=PANEL,
        ),
    ] = None,
    workers: Annotated[
        int, option(help="Processes that search, with the threads divided.", rich_help_panel=o.RUNNING)
    ] = 1,
    p: o.Params = None,
    out: Annotated[
        Path | None, option(help="Also write the preset to this file (.toml).", rich_help_panel=o.RUNNING)
    ] = None,
    forget: o.Forget = None,
    dataset: o.FileDataset = None,
    model: o.FileModel = None,
    val_share: o.ValShare = None,
    split_seed: o.SplitSeed = None,
    image_size: o.ImageSize = None,
    device: o.Device = "auto",
    offline: o.Offline = False,
    dry_run: o.DryRun = False,
) -> Result:
    """Tune a method's hyperparameters so that it behaves like retraining.

    A trial is judged on every original by how far RA, FA and VA are from its retrained model's (made if
    missing) and by a U-MIA on validation pictures; test pictures are not touched. The best few are run again
    on fresh seeds, and the choice is made on those. It is kept as a preset, and its model as a run.
    """
    from deepunlearn_cli import sweep as sweeps
    from deepunlearn_cli.checkpoints import refs

    search = sweeps.Search(sampler, sampler_seed, study)
    fixed = _fixed(method, o.read_params(p))
    counts = {"trials": (trials, 1), "workers": (workers, 1), "max-failures": (max_failures, 1)}
    _check(counts | {"confirm": (confirm, 0)}, search, list(fixed), out)
    seconds = o.read_duration(timeout) if timeout else None
    wanted = refs.Wanted(dataset, model, forget, val_share, split_seed, image_size, offline=offline)
    given = [refs.read_ref(ref, wanted, session.store_path / "data") for ref in o.read_refs(ckpt)]
    with session.runner(
        device, jobs=workers, create=any(not isinstance(ref, str) for ref in given)
    ) as runner:
        starts = [refs.original(refs.resolve(ref, runner, wanted)) for ref in given]
        if dry_run:
            plan = plan_table(runner, sweeps.references(starts))
            return Result(tables=[plan], notes=[f"and up to {trials} trials each of {', '.join(fixed)}"])
        asked = tuple(sweeps.questions(runner, starts, search, fixed))
        deadline = time.time() + seconds if seconds else None
        root = str(runner.store.root)
        order = sweeps.Order(asked, root, storage, device, trials, deadline, max_failures)
        given_up = sweeps.search(order, workers, runner, _teller(runner))
        tuned, failures = sweeps.conclude(order, runner, confirm, session.console.note)
        return _result(session, order, tuned, [*given_up, *failures], out)


def _fixed(method: str, given: dict[str, str]) -> dict[str, dict[str, str]]:
    """The methods to tune, each with the hyperparameters that stay as given."""
    from deepunlearn_cli import sweep as sweeps

    names = sweeps.tunable() if method == "all" else o.read_methods(method)
    for name in names:
        if name not in sweeps.tunable():
            raise UsageFailure(
                f"{name} has no hyperparameters to tune", f"methods with some: {', '.join(sweeps.tunable())}"
            )
    return o.params_for(names, given)


def _check(counts: dict[str, tuple[int, int]], search: Search, methods: list[str], out: Path | None) -> None:
    from deepunlearn_cli.sweep import check_sampler

    check_sampler(search.sampler)
    for name, (value, least) in counts.items():
        if value < least:
            raise UsageFailure(f"--{name} {value} is not {least} or more", f"--{name} {least}, say")
    if out and len(methods) > 1:
        raise UsageFailure("--out takes one preset, and this makes several", "they are kept in the store too")
    if out and (out.suffix != ".toml" or not out.absolute().parent.is_dir()):
        raise UsageFailure(f"--out {out} is no .toml file in a folder that exists", "--out msg.toml, say")


def _teller(runner: Runner) -> Callable[[StudyProgress], None]:
    """Progress to whoever reports; silence where nobody shows searches."""
    return getattr(runner.reporter, "standing", lambda _: None)


def _result(
    session: Session,
    order: Order,
    tuned: Sequence[TunedMethod],
    failures: Sequence[Failure],
    out: Path | None,
) -> Result:
    """Candidates of every method, ids of the chosen models; a failure of the only method is that failure."""
    from deepunlearn_cli.reporting.sweeps import candidates_table
    from deepunlearn_cli.sweep import presets

    if failures and len(order.questions) == 1:
        raise failures[0]
    for failure in (*failures, *(failure for one in tuned for failure in one.failures)):
        session.console.warn(f"{failure.message}; {failure.hint}")
    if out:
        presets.write(tuned[0].preset, out)
    rows = [row for one in tuned for row in _rows(one)]
    code = ExitCode.PARTLY_FAILED if failures or any(one.failures for one in tuned) else ExitCode.OK
    ids = [run.id for one in tuned for run in one.runs]
    return Result(tables=[candidates_table(rows)], ids=ids, notes=_notes(order, tuned, out), code=code)


def _rows(tuned: TunedMethod) -> Iterator[dict[str, Any]]:
    about = {"study": tuned.question.key, "method": tuned.question.method, "trials": tuned.trials}
    about["tuned"] = [*tuned.question.domains, *tuned.question.fixed]
    for candidate in tuned.candidates:
        runs = [run.id for run in tuned.runs] if candidate.chosen else []
        yield about | asdict(candidate) | {"preset": str(tuned.path), "runs": runs}


def _notes(order: Order, tuned: Sequence[TunedMethod], out: Path | None) -> list[str]:
    behind = [f"{one.question.method} {one.trials}" for one in tuned if one.trials < order.wanted]
    return [
        *(
            [f"short of {order.wanted} trials: {', '.join(behind)}; the same command goes on"]
            if behind
            else []
        ),
        *([f"wrote {out}"] if out else []),
        "use them: deepunlearn unlearn --method NAME --ckpt REF --preset best",
    ]
