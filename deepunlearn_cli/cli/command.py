"""What every command shares: its common options, its failures turned into exit codes, its result printed."""

from __future__ import annotations

import functools
import inspect
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deepunlearn_cli.cli import outputs
from deepunlearn_cli.cli.console import Console, Result
from deepunlearn_cli.cli.failing import meant
from deepunlearn_cli.cli.help_text import fitted, reflowed
from deepunlearn_cli.cli.parameter import Command, option, typed
from deepunlearn_cli.cli.unfold import parameter, unfolded
from deepunlearn_cli.core.errors import ExitCode, Failure, Unagreed, UsageFailure
from deepunlearn_cli.core.plugins import Notice
from deepunlearn_cli.core.typed import LARGEST, shortened
from deepunlearn_cli.system import streams
from deepunlearn_cli.system.stopping import Stopped, Watch

if TYPE_CHECKING:
    from deepunlearn_cli.cli.progress import Bars
    from deepunlearn_cli.core.fields import Declared
    from deepunlearn_cli.core.rows import IndexRow
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.store import Store
    from deepunlearn_cli.system.cluster import Cluster

FEW = 3  # ids named of many
DEFAULT_STORE = Path("deepunlearn-store")
HOW = {
    ExitCode.HUNG_UP: "hung up",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.TERMINATED: "terminated",
}

StoreOption = Annotated[
    Path,
    option(
        "--store",
        metavar="DIR",
        envvar="DEEPUNLEARN_STORE",
        help="Folder of the checkpoint store.",
        rich_help_panel="Common",
    ),
]
JsonOption = Annotated[
    bool, option("--json", help="One JSON object per line on stdout.", rich_help_panel="Common")
]
QuietOption = Annotated[
    bool, option("--quiet", "-q", help="No progress and no notes.", rich_help_panel="Common")
]
ForceOption = Annotated[bool, option("--force", help="Write over files that are there.")]
DebugOption = Annotated[bool, option("--debug", help="Show tracebacks.", rich_help_panel="Common")]


@dataclass(frozen=True)
class Session:
    """The common options of one call, and the doors they open."""

    store_path: Path
    console: Console
    debug: bool = False
    typed: str = "deepunlearn"  # the whole call

    def store(self, *, create: bool = False) -> Store:
        """The store, which must exist unless `create`."""
        from deepunlearn_cli.store import Store

        return Store.open(self.store_path, create=create)

    def rows(self, store: Store) -> list[IndexRow]:
        """Every run's row; what cannot be read is left out, and told."""
        rows = store.rows()
        if left := sorted(store.index.unread):
            few = ", ".join(left[:FEW]) + (", ..." if len(left) > FEW else "")
            what = f"left out: {len(left)} run{'s' * (len(left) > 1)} that cannot be read ({few})"
            self.console.warn(f"{what}; `deepunlearn verify` says what is wrong")
        return rows

    @contextmanager
    def runner(
        self,
        device: str = "auto",
        *,
        jobs: int | None = 1,
        create: bool = True,
        cluster: Cluster | None = None,
    ) -> Iterator[Runner]:
        """A runner that reports to this console and makes so many runs at a time (None: as many as fit)."""
        from deepunlearn_cli.cli.progress import Bars
        from deepunlearn_cli.execution.pool import PoolRunner
        from deepunlearn_cli.execution.runner import Runner

        store = self.store(create=create)
        with Bars(self.console) as bars, ExitStack() as stack:
            if cluster:
                from deepunlearn_cli.execution.cluster import on_cluster

                yield stack.enter_context(on_cluster(cluster, store, device, bars, jobs))
            else:
                yield Runner(store, device, bars) if jobs == 1 else PoolRunner(store, device, bars, jobs)

    def bars(self) -> Bars:
        """Progress for work that is not a run."""
        from deepunlearn_cli.cli.progress import Bars

        return Bars(self.console)


Body = Callable[..., Result]


def register(
    app: typer.Typer,
    name: str,
    *examples: str,
    declared: type[Declared] | None = None,
    cls: type[Command] = Command,
    keeps: bool = False,
) -> Callable[[Body], Body]:
    """Make a command of `body(session, ...) -> Result`; `examples` end its help.

    A parameter whose type is a `Bundle` is unfolded into the options that it holds. Every field of `declared`
    that the body does not take itself becomes an option; it gets them as `params`.

    Files that it is to write (`outputs.OUTPUTS`) are looked at before it begins: one that is there wants
    --force or somebody's consent, unless the body `keeps` what is in it or sees to that itself.
    """

    def decorate(body: Body) -> Body:
        epilog = "\n\n".join(["Examples:", *map(fitted, examples)])
        command = _with_common_options(body, declared, keeps=keeps)
        app.command(name, cls=cls, help=reflowed(body), epilog=epilog)(command)
        return body

    return decorate


def _with_common_options(body: Body, declared: type[Declared] | None, *, keeps: bool) -> Callable[..., None]:
    own, folded = unfolded(body, declared)
    if asks := not keeps and any(one.name in outputs.OUTPUTS for one in own):
        own = [*own, parameter("force", ForceOption, False)]

    @functools.wraps(body)
    def command(ctx: typer.Context, **options: Any) -> None:
        store = options.pop("store")
        # what a variable says holds for the next command too
        named = getattr(ctx.get_parameter_source("store"), "name", "") == "COMMANDLINE"
        console = Console(options.pop("json"), options.pop("quiet"), store if named else None)
        session = Session(store, console, options.pop("debug"), typed())
        given = dict(options)
        if asks:
            del options["force"]
        made = {one.name: one.take(options) for one in folded}

        def work() -> Result:
            _check_numbers(given)
            _check_outputs(given, asks=asks)
            return body(session, **options, **made)

        raise typer.Exit(int(_guarded(session, work)))

    every = [_CONTEXT, *own, *_COMMON]
    command.__signature__ = inspect.Signature(every)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in every}
    return command


def _check_numbers(given: Mapping[str, Any]) -> None:
    """Refuse numbers that are none, and those that no machine holds, whatever the option."""
    for name, value in given.items():
        for one in value if isinstance(value, list | tuple) else (value,):
            if isinstance(one, int | float) and not -LARGEST <= one <= LARGEST:
                option = f"--{name.replace('_', '-')}"
                raise UsageFailure(
                    f"{option} {shortened(one)} is no number to work with", f"{option} takes finite numbers"
                )


def _check_outputs(given: Mapping[str, Any], *, asks: bool) -> None:
    outputs.check_apart(given)
    for name, path, there in outputs.checked(given):
        if there and asks and not given.get("dry_run"):
            outputs.agree(name, path, force=given["force"])


_CONTEXT = parameter("ctx", typer.Context, inspect.Parameter.empty)
_COMMON = [
    parameter("store", StoreOption, DEFAULT_STORE),
    parameter("json", JsonOption, False),
    parameter("quiet", QuietOption, False),
    parameter("debug", DebugOption, False),
]


def _guarded(session: Session, work: Callable[[], Result]) -> ExitCode:
    """Do the work and print its result; every way to end has its exit code."""
    watch = Watch()
    try:
        with watch.raising():
            return _ended(session, work, watch)
    except (KeyboardInterrupt, Stopped):  # between the end of the work and that of the watch
        return _stopped(watch).code


def _ended(session: Session, work: Callable[[], Result], watch: Watch) -> ExitCode:
    try:
        with noticing(session.console):
            result = work()
        return _shown(session, result)
    except (Exception, KeyboardInterrupt, Stopped) as error:  # noqa: BLE001 - nothing may end in a traceback unasked
        if session.debug:
            traceback.print_exc()
        failure = _stopped(watch) if watch.number else meant(error)
        if isinstance(failure, Unagreed):
            failure = failure.of(session.typed)
        session.console.fail(failure)
        return failure.code


def _shown(session: Session, result: Result) -> ExitCode:
    try:
        session.console.show(result)
    except OSError as error:
        streams.give_up()
        return ExitCode(unwritten(error, result.code, session.console))
    return result.code


def unwritten(error: OSError, code: int, console: Console = Console()) -> int:  # noqa: B008 - it is frozen
    """Say that stdout took not everything, unless its reader (`head`, say) has just seen enough.

    Returns:
        The exit code: what there was to say keeps its own, if it has one.
    """
    if isinstance(error, BrokenPipeError):
        return code
    hint = "what was made is in the store; the same command shows it"
    console.fail(Failure(f"stdout cannot be written: {error.strerror}", hint))
    return code or ExitCode.UNEXPECTED


@contextmanager
def noticing(console: Console) -> Iterator[None]:
    """What is to be known of plug-ins, said as this console says things, each once."""
    told: set[str] = set()
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if not issubclass(category, Notice):
                usual(message, category, *where, **more)
            elif (text := str(message)) not in told:
                told.add(text)
                console.warn(text)

        warnings.simplefilter("always", Notice)
        warnings.showwarning = show
        yield


def _stopped(watch: Watch) -> Failure:
    code = ExitCode(128 + (watch.number or 0))
    failure = Failure(f"{HOW[code]}; the store is clean", "the same command goes on where this one stopped")
    failure.code = code
    return failure
