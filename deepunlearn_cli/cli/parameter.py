"""Typer's options and arguments, as all commands of this project declare them."""

from __future__ import annotations

from typing import Any

import typer


def option(*names: str, **settings: Any) -> Any:
    """An option; its variable DEEPUNLEARN_<COMMAND>_<OPTION> works, but does not crowd the help."""
    return typer.Option(*names, **{"show_envvar": "envvar" in settings, **settings})


def argument(**settings: Any) -> Any:
    """An argument, likewise."""
    return typer.Argument(**{"show_envvar": False, **settings})
