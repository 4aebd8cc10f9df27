"""The application: its commands, each loaded when it is called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated, Any

import typer

from deepunlearn_cli import __version__
from deepunlearn_cli.cli import shells
from deepunlearn_cli.cli.attack_group import AttackGroup
from deepunlearn_cli.cli.environment import PREFIX
from deepunlearn_cli.cli.parameter import Command, Group
from deepunlearn_cli.cli.shelf import COMMANDS

HELP = "Remove training data from image classifiers, prove how well it worked, compare the methods."


class Shelf(Mapping[str, Any]):
    """Every command by name, loaded when it is asked for."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = _load(name)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class Application(Group):
    """The group of all commands, which loads the one that a line calls."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands: Any = Shelf()

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in the order of help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """What stands for a command in help and completion."""
        return Command(cmd_name, help=COMMANDS[cmd_name].help) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that a line calls, with its name and the words behind it."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, self.commands[name] if found else None, rest


shells.mend()
app = typer.Typer(
    name="deepunlearn",
    cls=Application,
    help=HELP,
    epilog="`deepunlearn guide` lists the pages of the guide; every command has --help.",
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": PREFIX},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
attack_app = typer.Typer(
    name="attack",
    cls=AttackGroup,
    help=COMMANDS["attack"].help,
    no_args_is_help=True,
    add_completion=False,
)
store_app = typer.Typer(
    name="store", cls=Group, help=COMMANDS["store"].help, no_args_is_help=True, add_completion=False
)
GROUPS = {"attack": attack_app, "store": store_app}

sweep_app = typer.Typer(cls=Group)  # what stands behind `sweep`, beside a search itself
certify_app = typer.Typer(cls=Group)  # and behind `certify`


def _load(name: str) -> Any:
    """A command, with all that stands behind it."""
    for file in COMMANDS[name].files:
        import_module(f"deepunlearn_cli.cli.{file}")
    if name in GROUPS:
        return typer.main.get_command(GROUPS[name])
    alone = typer.Typer(add_completion=False)
    alone.registered_commands = [one for one in app.registered_commands if one.name == name]
    return typer.main.get_command(alone)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"deepunlearn {__version__}")
        raise typer.Exit


@app.callback(help=HELP)
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """What stands before any command."""
