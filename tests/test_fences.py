"""Which room may import what: every room says so at its door, in the last sentence of its docstring.

Rooms form a ladder (no arrow runs back up) and files no circle, imports inside functions and for typing
included. Heavy libraries are fenced by ruff.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "deepunlearn_cli"
FILES = sorted(PACKAGE.rglob("*.py"))
EVERYTHING = "everything"


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_of(path): path for path in FILES}


@cache
def imported(path: Path) -> frozenset[str]:
    """Modules of this package that a file imports, in functions and for typing too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names if name.name in MODULES}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == PACKAGE.name:
            full = {f"{node.module}.{name.name}" for name in node.names}
            found |= {name if name in MODULES else node.module or "" for name in full}
    return frozenset(found - {module_of(path)})


def room_of(module: str) -> str:
    """The first name below the package; of the package's own `__init__` that name."""
    return ([*module.split(".")[1:], "__init__"])[0]


ROOMS = sorted({room_of(module) for module in MODULES} - {"__init__", "__main__"})


def door(room: str) -> str:
    """What a room says of itself."""
    path = PACKAGE / room / "__init__.py"
    text = (path if path.exists() else PACKAGE / f"{room}.py").read_text("utf-8")
    return ast.get_docstring(ast.parse(text)) or ""


@cache
def may_import(room: str) -> frozenset[str]:
    """The rooms that a door names behind `May import:`."""
    said = re.search(r"May import: (.*?)\.$", door(room), re.DOTALL | re.MULTILINE)
    assert said, f"{room} does not say what it may import"
    if said[1] == EVERYTHING:
        return frozenset(ROOMS) - {room}
    names = frozenset(re.findall(r"`(\w+)`", said[1]))
    assert names <= set(ROOMS), names
    return names


def circle(arrows: dict[str, frozenset[str]]) -> list[str]:
    """The nodes of some circle, or none."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("room", ROOMS)
def test_room_keeps_its_fence(room: str) -> None:
    for module, path in MODULES.items():
        if room_of(module) == room:
            rooms = {room_of(name) for name in imported(path)} - {room, "__init__"}
            assert rooms <= may_import(room), f"{module} imports {sorted(rooms - may_import(room))}"


def test_rooms_form_a_ladder() -> None:
    assert circle({room: may_import(room) for room in ROOMS}) == []


def test_no_circle_between_files() -> None:
    assert circle({module: imported(path) - {"deepunlearn_cli"} for module, path in MODULES.items()}) == []


def test_a_circle_is_named() -> None:
    assert set(circle({"a": frozenset("b"), "b": frozenset("c"), "c": frozenset("a")})) == set("abc")


def test_the_root_holds_few_modules() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 8


@pytest.mark.parametrize("room", ["methods", "attacks"])
def test_residents_do_not_know_each_other(room: str) -> None:
    """A resident's own arithmetic may lie beside it, under its name with an underscore."""
    residents = {m for m in MODULES if room_of(m) == room and "._" not in m and m.count(".") == 2}
    assert len(residents) > 1
    for module in residents:
        assert not imported(MODULES[module]) & residents, module
        beside = module.replace(f".{room}.", f".{room}._")
        assert beside not in MODULES or not imported(MODULES[beside]) & residents - {module}
