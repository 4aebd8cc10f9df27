"""Which room may import what (`deepunlearn_cli` only; heavy libraries are fenced by ruff)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "deepunlearn_cli"
BASE = {"errors", "registry", "fields", "recipe", "locks", "specs"}
WORK = BASE | {"data", "models", "engine", "methods", "attacks", "metrics", "store", "compose"}
MAY = {
    "errors": set(),
    "registry": BASE,
    "fields": BASE,
    "recipe": BASE,
    "locks": set(),
    "specs": set(),
    "machine": set(),
    "crew": {"machine"},
    "store": BASE | {"store"},
    "metrics": BASE,
    "removal": BASE | {"metrics"},
    "data": BASE | {"data"},
    "models": BASE | {"engine"},
    "engine": BASE | {"engine", "machine"},
    "methods": BASE | {"methods", "engine"},
    "intervals": BASE,
    "attacks": BASE | {"attacks", "metrics", "intervals"},
    "tables": BASE | {"tables", "metrics", "intervals", "removal"},
    "figures": BASE,
    "pages": BASE | {"tables", "figures", "removal"},
    "saved": BASE,
    "audit": WORK | {"intervals", "runner"},
    "shadows": WORK | {"runner"},
    "compose": BASE | {"data", "methods", "attacks"},
    "checkpoint": BASE,
    "workshop": BASE | {"data", "models", "engine", "store"},
    "library": BASE | {"methods", "engine"},
    "making": WORK | {"library", "workshop"},
    "runner": WORK | {"making", "workshop"},
    "fleet": BASE | {"crew", "runner", "store"},
    "foreign": WORK | {"checkpoint", "making", "runner"},
    "adopt": WORK | {"checkpoint", "making", "runner", "foreign"},
    "presets": BASE | {"methods"},
    "sweep": WORK | {"adopt", "crew", "presets", "runner"},
    "bench": WORK,
    "distances": WORK | {"runner", "tables"},
    "unrolling": WORK | {"bench", "campaign"},
    "campaign": WORK | {"adopt", "bench", "runner", "sweep"},
    "plans": set(),
    "doctor": {"engine", "models"},
}


def rooms_imported(path: Path) -> set[str]:
    """Rooms of this package that a file imports, in functions and for typing too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "deepunlearn_cli":
            found |= {f"deepunlearn_cli.{name.name}" for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    inside = {name.split(".")[1] for name in found if name.startswith("deepunlearn_cli.")}
    return inside - {"__version__"}


def files(room: str) -> list[Path]:
    folder = PACKAGE / room
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [PACKAGE / f"{room}.py"]


@pytest.mark.parametrize("room", MAY)
def test_room_keeps_its_fence(room: str) -> None:
    assert files(room)
    for path in files(room):
        assert rooms_imported(path) <= MAY[room] | {room}, path.name


def test_every_room_has_a_fence() -> None:
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")}
    assert rooms - {"__init__", "__main__", "cli"} == set(MAY)


@pytest.mark.parametrize("room", ["methods", "attacks"])
def test_residents_do_not_know_each_other(room: str) -> None:
    """A resident's own arithmetic may lie beside it, under its name with an underscore."""
    residents = [path.stem for path in files(room) if not path.stem.startswith("_")]
    for path in files(room):
        text = path.read_text("utf-8")
        others = [other for other in residents if other != path.stem.removeprefix("_")]
        assert not [other for other in others if f"deepunlearn_cli.{room}.{other}" in text], path.name
