"""The group `attack`: besides its own commands one for every attack of the user's that a line names."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from typing import Any

import typer

from deepunlearn_cli.cli.parameter import Command, Group
from deepunlearn_cli.core.errors import Failure

Adder = Callable[[typer.Typer, str, Any], object]
ADDERS: dict[type, Adder] = {}  # by base class of an attack, what makes a command of it; filled by its file
ANY = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


class AttackGroup(Group):
    """A group that makes commands of the plug-ins that are called: help and completion load none."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The commands here, those that are broken too, and what installed packages offer."""
        from deepunlearn_cli.attacks import ATTACKS

        own = super().list_commands(ctx)
        return [*own, *(name for name in (*ATTACKS.names(), *ATTACKS.installed()) if name not in own)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command here; of any other attack one that stands for it in help."""
        return super().get_command(ctx, cmd_name) or (_stand_in(cmd_name) if _is_known(cmd_name) else None)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that a line calls."""
        if args and super().get_command(ctx, args[0]) is None and _is_known(args[0]):
            return args[0], _called(args[0], args), args[1:]
        return super().resolve_command(ctx, args)


def _is_known(name: str) -> bool:
    from deepunlearn_cli.attacks import ATTACKS

    return name in ATTACKS.names() or ATTACKS.is_plugin(name)


def _stand_in(name: str) -> Any:
    from deepunlearn_cli.attacks import ATTACKS
    from deepunlearn_cli.core.plugins import origin_of

    entries = ATTACKS.installed().get(name, [])
    why = f"Of {origin_of(entries[0])}." if entries else "It cannot be loaded: a call says why."
    return _alone(lambda: None, name, why)


def _called(name: str, args: Sequence[str]) -> Any:
    """The command of an attack, loaded; or one that tells why it cannot be."""
    from deepunlearn_cli.attacks import ATTACKS
    from deepunlearn_cli.cli.command import noticing
    from deepunlearn_cli.cli.console import Console
    from deepunlearn_cli.core.loading import broken

    console = Console(json="--json" in args)
    app = typer.Typer(add_completion=False)
    try:
        with noticing(console):
            kind = ATTACKS.get(name)
        for base, add in ADDERS.items():
            if issubclass(kind, base):
                add(app, name, kind)
        return typer.main.get_command(app)
    except Failure as failure:
        return _alone(_teller(console, failure, debug="--debug" in args), name)
    except Exception as error:  # noqa: BLE001 - fields of the user's that are no options
        wrong = broken(f"attack {name}: its fields make no options", error)
        return _alone(_teller(console, wrong, debug="--debug" in args), name)


def _teller(console: Any, failure: Failure, *, debug: bool) -> Any:
    def tell() -> None:
        if debug:
            traceback.print_exception(failure)
        console.fail(failure)
        raise typer.Exit(int(failure.code))

    return tell


def _alone(body: Any, name: str, help: str | None = None) -> Any:
    app = typer.Typer(add_completion=False)
    app.command(name, cls=Command, help=help, context_settings=ANY)(body)
    return typer.main.get_command(app)
