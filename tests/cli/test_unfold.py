"""Bundles: several options that a command gets as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from deepunlearn_cli.cli.command import Session, register
from deepunlearn_cli.cli.console import Result
from deepunlearn_cli.cli.parameter import Group, option
from deepunlearn_cli.cli.unfold import Bundle
from deepunlearn_cli.core.fields import Declared, choice, whole


class Where(Bundle):
    """A place."""

    city: Annotated[str, option(help="Needed.")]
    street: Annotated[str | None, option(metavar="NAME", help="May be missing.")] = None


class Further(Where):
    """A place with more to it."""

    deep: Annotated[bool, option("--deep", help="A flag.")] = False


@dataclass(frozen=True)
class Hyper(Declared):
    """Declared values."""

    size: int = whole(3, 1, 9, help="how large")
    kind: str = choice("round", ("round", "square"), help="what shape")


def command(body: Any, declared: type[Declared] | None = None) -> typer.Typer:
    app = typer.Typer(cls=Group)
    app.callback()(lambda: None)
    register(app, "go", "deepunlearn go", declared=declared)(body)
    return app


def run(body: Any, *words: str, declared: type[Declared] | None = None) -> Any:
    return CliRunner().invoke(command(body, declared), ["go", *words])


def test_a_body_gets_its_bundles_whole_and_what_stands_between_them() -> None:
    def go(session: Session, where: Further, times: Annotated[int, option(help="So often.")] = 1) -> Result:
        """Go."""
        return Result(text=f"{vars(where)} {times}")

    assert run(go, "--city", "Rome", "--deep").output == "{'city': 'Rome', 'street': None, 'deep': True} 1\n"
    assert run(go, "--city", "Rome", "--street", "Via", "--times", "2").output.endswith(
        "'street': 'Via', 'deep': False} 2\n"
    )
    assert run(go).exit_code == 2, "a field without a default is required"


def test_declared_fields_become_options_that_the_body_gets_as_a_mapping() -> None:
    def go(
        session: Session, params: Mapping[str, Any], where: Where, size: Annotated[int, option()] = 5
    ) -> Result:
        """Go."""
        return Result(text=f"{dict(params)} {size} {where.city}")

    assert run(go, "--city", "Rome", declared=Hyper).output == "{'kind': 'round'} 5 Rome\n"
    assert run(go, "--city", "Rome", "--kind", "square", declared=Hyper).output.startswith(
        "{'kind': 'square'}"
    )
    assert run(go, "--city", "Rome", "--kind", "flat", declared=Hyper).exit_code == 2


@pytest.mark.parametrize("width", [80, 100])
def test_help_lists_the_options_of_a_bundle(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def go(session: Session, where: Further) -> Result:
        """Go."""
        return Result()

    monkeypatch.setenv("COLUMNS", str(width))
    shown = run(go, "--help").output
    assert all(text in shown for text in ("--city", "--street", "NAME", "--deep", "[required]"))
    assert max(map(len, shown.splitlines())) <= width
