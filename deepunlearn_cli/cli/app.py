"""The application: commands are added to it by their own files."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

from deepunlearn_cli import __version__
from deepunlearn_cli.cli.attack_group import AttackGroup
from deepunlearn_cli.cli.environment import PREFIX
from deepunlearn_cli.cli.parameter import Group

HELP = "Remove training data from image classifiers, prove how well it worked, compare the methods."

app = typer.Typer(
    name="deepunlearn",
    cls=Group,
    help=HELP,
    epilog="`deepunlearn guide` lists the pages of the guide; every command has --help.",
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": PREFIX},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
attack_app = typer.Typer(
    cls=AttackGroup, help="Attack a model: does it still betray the forgotten data?", no_args_is_help=True
)
store_app = typer.Typer(cls=Group, help="Two stores: compare them, merge them.", no_args_is_help=True)

sweep_app = typer.Typer(cls=Group)  # what stands behind `sweep`, beside a search itself

COMMANDS = (  # files, in the order of `--help`; probe and ulira belong to `attack`, sweeps to `sweep`
    "train", "unlearn", "sweep", "sweeps", "attack", "probe", "ulira", "rank", "report", "bench",
    "requests", "runs", "show", "verify", "prune", "export", "stores",
    "methods", "check", "attacks", "datasets", "models", "guide", "doctor",
)  # fmt: skip


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


app.add_typer(attack_app, name="attack")
app.add_typer(store_app, name="store")

for command in COMMANDS:
    import_module(f"deepunlearn_cli.cli.{command}")
