"""Typer's options, arguments and commands, as this project declares them."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from deepunlearn_cli.cli.console import Console
from deepunlearn_cli.cli.environment import takes_variable
from deepunlearn_cli.core.errors import ExitCode, UsageFailure

# the command, as it was typed
given: ContextVar[tuple[str, ...]] = ContextVar("given", default=("deepunlearn",))


def typed() -> str:
    """The command as it was typed, for a shell."""
    return shlex.join(given.get())


WORD = re.compile(r"[a-z][a-z0-9_-]*")  # what a metavar has in small letters is typed as it stands


def option(*names: str, **settings: Any) -> Any:
    """An option; help does not tell of its variable DEEPUNLEARN_<COMMAND>_<OPTION> each time.

    The words of a metavar such as `best|FILE` are completed.
    """
    words = [word for word in str(settings.get("metavar") or "").split("|") if WORD.fullmatch(word)]
    if words and not {"autocompletion", "is_flag"} & settings.keys():
        settings["autocompletion"] = completer(words)
    return typer.Option(*names, **{"show_envvar": "envvar" in settings, **_own(settings)})


def completer(names: Iterable[str]) -> Callable[[str], list[str]]:
    """Shell completion from a list of names."""
    known = list(names)
    return lambda incomplete: [name for name in known if name.startswith(incomplete)]


def argument(**settings: Any) -> Any:
    """An argument, likewise."""
    return typer.Argument(**{"show_envvar": False, **_own(settings)})


def _own(settings: dict[str, Any]) -> dict[str, Any]:
    """What we do otherwise than Typer: brackets in help are no markup; whoever opens a file looks at it."""
    text = settings.get("help")
    return {"readable": False} | settings | ({"help": text.replace("[", r"\[")} if text else {})


def _settle(parameters: list[Any], prefix: str) -> list[Any]:
    """Typer's own options too (help, completion): no type behind a flag, no variable where none may be."""
    for parameter in parameters:
        if isinstance(parameter, TyperOption):
            parameter.metavar = "" if parameter.is_flag else parameter.metavar
            parameter.allow_from_autoenv = takes_variable(prefix, flag=parameter.is_flag)
    return parameters


def _with_one_control(args: list[str]) -> list[str]:
    """`--control REF` as `--retrained REF`; where two values follow, they are meant as files of scores."""
    if "--control" in args:
        place = args.index("--control")
        two = len(args) > place + 2 and not args[place + 2].startswith("-")
        return args if two else [*args[:place], "--retrained", *args[place + 1 :]]
    return [re.sub("^--control=", "--retrained=", word) for word in args]


class Command(TyperCommand):
    """A command whose parameters are settled by this project's rules.

    Where a command takes both, `--control` with a single value is `--retrained`: of saved scores (`--scores`)
    a control is two files, of runs it is one model.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As click does."""
        given.set(("deepunlearn", *ctx.command_path.split()[1:], *args))
        names = {name for parameter in self.params for name in parameter.opts}
        scores = any(word == "--scores" or word.startswith("--scores=") for word in args)
        if "--retrained" in names and not scores:
            args = _with_one_control(args)
        return super().parse_args(ctx, args)

    def get_params(self, ctx: Any) -> list[Any]:
        """Every parameter, the help option included."""
        return _settle(super().get_params(ctx), ctx.auto_envvar_prefix or "")


class Family(Command):
    """A command with others behind it: `sweep --method msg` searches, `sweep list` lists searches.

    Attributes:
        below: the application that holds those.
    """

    below: ClassVar[typer.Typer]

    @cached_property
    def _group(self) -> Any:
        return typer.main.get_command(self.below)

    @property
    def commands(self) -> dict[str, Any]:
        """Those behind it, by name."""
        return dict(self._group.commands)

    def make_context(self, info_name: Any, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """The context of the command meant: the first word decides."""
        if args and args[0] in self.commands:
            above = self._group.make_context(info_name, [], parent, resilient_parsing=True)
            return self.commands[args[0]].make_context(args[0], args[1:], parent=above, **extra)
        meant = get_close_matches(args[0], self.commands, n=1) if args else []
        if meant and not extra.get("resilient_parsing") and not Path(args[0]).exists():
            here = super().make_context(info_name, [], parent, resilient_parsing=True)
            here.fail(f"No such command '{args[0]}'. Did you mean '{meant[0]}'?")
        return super().make_context(info_name, args, parent, **extra)


def _path_of(error: Exception) -> str:
    """The command that could not be parsed, as it is called."""
    return str(getattr(getattr(error, "ctx", None), "command_path", "deepunlearn"))


class Group(TyperGroup):
    """A group of commands, likewise; what it cannot parse is told as JSON to who asked for JSON."""

    def main(  # type: ignore[override]
        self, args: Any = None, *, standalone_mode: bool = True, **settings: Any
    ) -> Any:
        """As click does, one error object on stderr in the place of a box."""
        words = list(sys.argv[1:] if args is None else args)
        if not standalone_mode or "--json" not in words:
            return super().main(args, standalone_mode=standalone_mode, **settings)
        try:
            code = super().main(args, standalone_mode=False, **settings)
        except Exception as error:  # click's own are typer's secret: `format_message` tells them
            if not hasattr(error, "format_message"):
                raise
            text = " ".join(error.format_message().split())
            Console(json=True).fail(UsageFailure(text, f"{_path_of(error)} --help lists what there is"))
            code = ExitCode.USAGE
        sys.exit(int(code or 0))

    def get_params(self, ctx: Any) -> list[Any]:
        """Every parameter, the help option included."""
        return _settle(super().get_params(ctx), ctx.auto_envvar_prefix or "")
