"""What datasets are called: `digits`, `folder:PATH`, `./mine.py:NAME`; and the families that there are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from deepunlearn_cli.core.registry import Room
from deepunlearn_cli.data._family import Family, FamilyRow

FAMILIES = Room(__package__, Family, "dataset", "deepunlearn datasets")  # type: ignore[type-abstract]
PATHS = ("PATH", "FILE")  # what a family takes that is a place on a disk


def portable(spec: str) -> str:
    """A spec that means the same from any working directory: paths made absolute."""
    address = FAMILIES.address(spec)
    if address is None:
        name, colon, argument = spec.partition(":")
        return f"{name}:{Path(argument).expanduser().absolute()}" if colon else spec
    takes = FAMILIES.get(replace(address, rest="").place).takes
    rest = str(Path(address.rest).expanduser().absolute()) if takes in PATHS else address.rest
    return f"{address.place}:{rest}" if rest else address.place


def kind_of(spec: str) -> tuple[str, type[Family]]:
    """What a spec names, without what follows the colon, and its family.

    Raises:
        NotFound, UsageFailure: no such family; a plug-in that cannot be loaded.
    """
    name, _, _ = split_spec(spec)
    return name, FAMILIES.get(name)


def split_spec(spec: str) -> tuple[str, str, str]:
    """A spec's family, the colon if there is one, and what follows it."""
    address = FAMILIES.address(spec)
    if address is None:
        return spec.partition(":")
    rest = f":{address.rest}" if address.rest else ""
    return spec.removesuffix(rest), rest[:1], address.rest


def is_named(name: str) -> bool:
    """Whether there is a family of this name."""
    return name.lower() in FAMILIES.names() or FAMILIES.is_plugin(name)


def asks_to_import(spec: str) -> bool:
    """Whether a spec makes Python import code of the user's."""
    return FAMILIES.is_plugin(split_spec(spec)[0])


def list_families() -> list[FamilyRow]:
    """The families as plain rows, by name."""
    return [_row(name, kind) for name, kind in FAMILIES.residents().items()]


def _row(name: str, kind: type[Family]) -> FamilyRow:
    return {
        "name": f"{name}:{kind.takes}" if kind.takes else name,
        "summary": kind.summary,
        "size": kind.size,
        "classes": kind.classes,
        "source": kind.source,
    }
