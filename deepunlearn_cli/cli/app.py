"""The application: its commands, each loaded when it is called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any

import typer

from deepunlearn_cli import __version__
from deepunlearn_cli.cli import shells
from deepunlearn_cli.cli.attack_group import AttackGroup
from deepunlearn_cli.cli.environment import PREFIX
from deepunlearn_cli.cli.parameter import Command, Group

HELP = "Remove training data from image classifiers, prove how well it worked, compare the methods."


@dataclass(frozen=True)
class Shelved:
    """A command, or a group of some, that may not be loaded: help and completion know it by its help alone.

    Attributes:
        help: the first paragraph of its help.
        files: those of this room that make it.
    """

    help: str
    files: tuple[str, ...]


# in the order of `--help`; of each command the files that add it to `app`, or to another application below
COMMANDS = {
    "train": Shelved(
        "Train an original model, or the retrained one that is its exact reference.", ("train",)
    ),
    "unlearn": Shelved("Remove the forget set from a trained model.", ("unlearn",)),
    "sweep": Shelved(
        "Tune a method's hyperparameters so that it behaves like retraining.", ("sweep", "sweeps")
    ),
    "attack": Shelved(
        "Attack a model: does it still betray the forgotten data?", ("attack", "probe", "ulira")
    ),
    "rank": Shelved(
        "Rank the methods in the store by retention deviation and by indiscernibility (Table 1).", ("rank",)
    ),
    "report": Shelved(
        "Run-time efficiency (Table 2), scores, studies by forget size and of removed classes, or sweeps.",
        ("report",),
    ),
    "bench": Shelved(
        "Train, search, unlearn, attack and rank as a plan says; what is in the store is not made again.",
        ("bench",),
    ),
    "requests": Shelved(
        "List deletion requests and how far each is; with ID, all that the ledger says of it.", ("requests",)
    ),
    "certify": Shelved(
        "Sign what was done about a request and what an audit found, for others to check without this store.",
        ("certify", "certificates"),
    ),
    "runs": Shelved("List the runs in the store, newest last; a pipe gets their ids.", ("runs",)),
    "show": Shelved("Show a run: its recipe, scores, facts, inputs, training log and files.", ("show",)),
    "verify": Shelved(
        "Check every file of the store (or of the runs given) against its SHA-256; exit 7 if one differs.",
        ("verify",),
    ),
    "replay": Shelved(
        "Make runs again in a scratch store and compare weights, outputs and scores with the store's.",
        ("replay",),
    ),
    "prune": Shelved(
        "Remove runs from the store; runs that others were made from are kept unless those go too.",
        ("prune",),
    ),
    "purge": Shelved(
        "Remove what holds the pictures of a deletion request from the store, for good.", ("purge",)
    ),
    "export": Shelved("Write runs with their curves for other tools, offline.", ("export",)),
    "store": Shelved("Two stores: compare them, merge them.", ("stores",)),
    "methods": Shelved("List the methods, or show one with its hyperparameters.", ("methods",)),
    "check": Shelved(
        "Examine a method as this project's tests do: does it do what it declares, and nothing else?",
        ("check",),
    ),
    "attacks": Shelved("List the attacks, or show one with its options.", ("attacks",)),
    "datasets": Shelved("List the datasets and where their files come from, or show one.", ("datasets",)),
    "models": Shelved("List the built-in models and the forms that name any other.", ("models",)),
    "guide": Shelved("Read the guide: list its pages, or show one.", ("guide",)),
    "doctor": Shelved(
        "Check Python, libraries (torch with torchvision above all), device, store and disk.", ("doctor",)
    ),
}


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
