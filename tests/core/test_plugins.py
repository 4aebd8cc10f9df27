"""Plug-ins: named, loaded, told apart by their code, and what is wrong with one in a line."""

from __future__ import annotations

import re
import sys
import warnings
from dataclasses import replace

import pytest
from plugin_kit import ATTACK, DATASET, HEAD, MARK, METHOD, installed, unaware, written

from deepunlearn_cli.attacks import ATTACKS
from deepunlearn_cli.core import plugins
from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.core.source import code_of
from deepunlearn_cli.data import FAMILIES
from deepunlearn_cli.methods import METHODS

ROOMS = {METHODS: (METHOD, "Mine"), ATTACKS: (ATTACK, "Median"), FAMILIES: (DATASET, "Squares")}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with unaware():
        yield tmp_path


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.noun)
def test_every_way_to_name_one_gives_the_same_name(room, home):
    text, name = ROOMS[room]
    written(home / "mine.py", text)
    site = home / "site"
    written(site / "pack" / "mine.py", text)
    installed(site, "pack", f"{room.noun}s", quick=f"pack.mine:{name}")
    sys.path.append(str(site))
    named = [
        "./mine.py",
        f"mine.py:{name}",
        str(home / "mine.py"),
        f"mine:{name}",
        f"pack.mine:{name}",
        "quick",
    ]
    names = {room.public_name(one) for one in named}
    assert len(names) == 1
    assert re.fullmatch(rf"{name}@[0-9a-f]{{8}}", public := names.pop())
    assert issubclass(room.get("quick"), room.base)
    assert room.known(public) is room.get(public)
    assert room.spelling(public) == "./mine.py"
    assert room.residents().keys() == set(room.names()), "no resident came in"


def test_the_name_follows_the_code_and_what_it_imports_from_beside_itself(home):
    written(home / "helper.py", "LIMIT = 3\n", head="")
    text = ("from helper import LIMIT\n", METHOD)
    first = METHODS.public_name(str(written(home / "mine.py", *text)))
    assert METHODS.public_name(str(written(home / "mine.py", *text, "\n# a word\n"))) == first
    said = METHOD.replace("Steps of Adam", "A few steps\n    of Adam")
    assert METHODS.public_name(str(written(home / "mine.py", text[0], said))) == first
    other = METHODS.public_name(str(written(home / "mine.py", text[0], METHOD.replace("0.001", "0.002"))))
    assert other != first
    assert METHODS.get(other)().lr == 0.002
    written(home / "mine.py", *text)
    written(home / "helper.py", "LIMIT = 4\n", head="")
    third = METHODS.public_name(str(home / "mine.py"))
    assert len({first, other, third}) == 3
    assert sys.modules[METHODS.get(third).__module__].LIMIT == 4
    assert {METHODS.known(one) is None for one in (first, other, third)} == {False}


def test_code_is_what_runs():
    text = b'"""Doc\n\nof two."""\nx = 1  # a\n\n# b\ny = """a  \n\n# no comment\n"""\n'
    assert code_of(text) == b'x = 1\ny = """a  \n\n# no comment\n"""'
    assert code_of(text.replace(b"a  \n", b"a\n")) != code_of(text), (
        "a text within the code counts to the letter"
    )
    accented = 'def f():\n    "é"\n    return "é" # é\n'.encode()
    assert code_of(accented) == 'def f():\n    return "é"'.encode()
    assert code_of(b"x = (\n") == b"x = (\n"


def test_two_classes_of_one_name_are_two_plugins(home):
    written(home / "a" / "mine.py", METHOD)
    written(home / "b" / "mine.py", METHOD.replace("0.001", "0.01"))
    names = [METHODS.public_name(f"{folder}/mine.py:Mine") for folder in "ab"]
    assert names[0] != names[1]
    assert [METHODS.get(name)().lr for name in names] == [0.001, 0.01]


def test_a_helper_of_the_same_name_elsewhere_is_refused(home):
    for folder in "ab":
        written(home / folder / "helper.py", f"WHERE = {folder!r}\n", head="")
        written(home / folder / "mine.py", "import helper\n", METHOD)
    METHODS.get("a/mine.py")
    with pytest.raises(
        UsageFailure, match=r"it imports helper, for which Python takes .*a/helper.py, not"
    ) as failure:
        METHODS.get("b/mine.py")
    assert "rename helper.py" in failure.value.hint


def test_what_a_hash_does_not_follow_is_told(home):
    written(home / "hidden.py", "LIMIT = 3\n", head="")
    written(
        home / "mine.py", "import importlib\nimportlib.import_module('hid' + 'den')\nimport numpy\n", METHOD
    )
    with pytest.warns(plugins.Notice, match="mine.py imports hidden"):
        kind = METHODS.get("./mine.py")
    assert plugins.of(kind).loose == ("hidden", "numpy")


TOP = HEAD.count("\n") + 1  # the first line behind it
BROKEN = {
    "syntax": ("x = (\n", TOP, "SyntaxError"),
    "name": ("x = 1\ny = nobody\n", TOP + 1, "NameError: name 'nobody'"),
    "module": ("import nobody_has_this\n", TOP, "No module named 'nobody_has_this'"),
    "exit": ("import sys\nsys.exit(3)\n", TOP + 1, "SystemExit: 3"),
    "base": ("class Thing:\n    pass\n\n\n" + METHOD, TOP, "Thing is no Method"),
    "two": (METHOD + METHOD.replace("class Mine", "class Other"), TOP + 1, "several in one file"),
    "none": ("x = 1\n", 1, "no class here is a Method"),
    "control": (
        METHOD.replace('title = "Mine"', 'title = "Mine"\n    control = True'),
        TOP + 1,
        "control = True",
    ),
    "no dataclass": (METHOD.replace("@dataclass(frozen=True)\n", "\n"), TOP + 2, "is no dataclass"),
    "no work": (METHOD.partition("    def work")[0], TOP + 1, "has no work"),
    "no title": (METHOD.replace('    title = "Mine"\n', ""), TOP + 1, "does not say its title"),
    "default": (METHOD.replace("0.001,", "9.0,"), TOP + 1, "lr=9.0 is not a number from 1e-05 to 0.1"),
    "cost": (METHOD.replace("return n.retain", "pass"), TOP + 1, "work(n) that gives None"),
    "failing cost": (
        METHOD.replace("return n.retain", "return n.nothing"),
        TOP + 15,
        "no attribute 'nothing'",
    ),
}


@pytest.mark.parametrize(("text", "line", "says"), BROKEN.values(), ids=BROKEN)
def test_a_broken_one_is_told_of_with_file_and_line(home, text, line, says):
    written(home / "mine.py", text)
    named = "./mine.py:Thing" if "Thing" in text else "./mine.py"
    with pytest.raises(UsageFailure) as failure:
        METHODS.get(named)
    message = failure.value.message
    assert says in message
    assert f"mine.py:{line}: " in message
    assert "\n" not in message + failure.value.hint
    assert failure.value.hint


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("./nobody.py", "there is no file nobody.py"),
        ("./mine.py:Nobody", "mine.py has no Nobody"),
        ("nobody_has_this:Mine", "there is no module nobody_has_this"),
        ("mine:Nobody", "mine.py has no Nobody"),
        ("Mine@12345678", "is a plug-in, and nobody named it here"),
    ],
)
def test_what_is_not_there_is_not_found(home, named, says):
    written(home / "mine.py", METHOD)
    with pytest.raises(NotFound, match=re.escape(says)) as failure:
        METHODS.get(named)
    assert failure.value.hint


def test_residents_have_one_name(home):
    written(home / "mine.py", "from deepunlearn_cli.methods.msg import MaskSmallGradients\n", METHOD)
    for named in ("./mine.py:MaskSmallGradients", "deepunlearn_cli.methods.retrain:Retrain"):
        with pytest.raises(UsageFailure, match="deepunlearn's own"):
            METHODS.get(named)


def test_what_a_file_prints_is_for_people(home, capsys):
    written(home / "mine.py", "print('hello')\n", METHOD)
    METHODS.get("./mine.py")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "hello\n")
    assert not list(home.rglob("__pycache__"))


def test_a_recipe_cannot_have_anything_imported(home):
    mark = home / "mark"
    written(home / "mine.py", MARK.format(mark=str(mark)), METHOD)
    for name in ("./mine.py", f"{home}/mine.py:Mine", "mine:Mine", "os:system", "Mine@12345678", "", "a\nb"):
        assert METHODS.known(name) is None
        with pytest.raises(NotFound):
            METHODS.needed(name)
    assert not mark.exists()


def test_other_code_than_a_recipe_names_is_not_taken_for_it(home):
    name = METHODS.public_name(str(written(home / "mine.py", METHOD)))
    with unaware():
        METHODS.get(str(written(home / "mine.py", METHOD.replace("0.001", "0.002"))))
        with pytest.raises(NotFound, match="the plug-in Mine with other code than it has here"):
            METHODS.needed(name)


def test_a_worker_may_load_what_its_owner_was_told_of_and_nothing_else(home):
    written(home / "other.py", METHOD.replace("Mine", "Other"))
    name = METHODS.public_name(str(written(home / "mine.py", METHOD)))
    granted = plugins.grants()
    with unaware():
        assert METHODS.known(name) is None
        plugins.grant(granted)
        assert METHODS.known(name)().lr == 0.001
        assert [one.name for one in plugins.loaded(METHODS.group)] == [name]
        assert plugins.grants() == granted, "for workers of workers"


def test_entry_points_are_found_without_being_imported(home):
    mark = home / "mark"
    written(home / "site" / "pack.py", MARK.format(mark=str(mark)), METHOD)
    installed(home / "site", "pack", "methods", quick="pack:Mine")
    sys.path.append(str(home / "site"))
    assert list(METHODS.installed()) == ["quick"]
    assert METHODS.is_plugin("quick")
    with pytest.raises(NotFound, match="'quik'") as failure:
        METHODS.get("quik")
    assert "did you mean quick" in failure.value.hint
    assert not mark.exists()
    assert plugins.of(METHODS.get("quick")).source == "pack 1.0 (pack:Mine)"
    assert mark.exists()


def test_a_resident_keeps_its_name_and_the_other_is_told_of(home):
    written(home / "site" / "pack.py", METHOD)
    installed(home / "site", "pack", "methods", msg="pack:Mine", **{"ng+": "pack:Mine"})
    sys.path.append(str(home / "site"))
    for name, own in (("msg", "msg"), ("ng+", "ngplus")):
        with pytest.warns(
            plugins.Notice, match=re.escape(f"{name} is deepunlearn's own; the method that pack 1.0")
        ):
            assert METHODS.public_name(name) == own
    assert list(METHODS.namesakes()) == ["msg"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert METHODS.known("msg") is METHODS.residents()["msg"], "a store's names need no word"


def test_two_packages_that_offer_one_name_are_refused(home):
    for package in ("one", "two"):
        written(home / "site" / f"{package}.py", METHOD)
        installed(home / "site", package, "methods", quick=f"{package}:Mine")
    sys.path.append(str(home / "site"))
    with pytest.raises(UsageFailure, match=r"one 1.0 \(one:Mine\), two 1.0 \(two:Mine\)"):
        METHODS.get("quick")
    assert METHODS.get("two:Mine")().lr == 0.001


def test_a_broken_resident_harms_itself_only(home, monkeypatch):
    room = replace(METHODS, package="room_of_tests")
    written(home / "room_of_tests" / "__init__.py", head="")
    written(home / "room_of_tests" / "good.py", METHOD)
    written(home / "room_of_tests" / "bad.py", "x = (\n", head="")
    written(home / "room_of_tests" / "both.py", METHOD, METHOD.replace("class Mine", "class Other"))
    monkeypatch.syspath_prepend(home)
    assert room.names() == ["bad", "both", "good"]
    assert list(room.residents()) == ["good"]
    assert room.get("good")().lr == 0.001
    assert {name: failure.message for name, failure in room.faults().items()} == {
        "bad": "method bad: room_of_tests/bad.py:1: SyntaxError: '(' was never closed",
        "both": "method both: room_of_tests/both.py must define one Method, not Mine, Other",
    }
    with pytest.raises(UsageFailure, match=r"bad.py:1: SyntaxError"):
        room.get("bad")
    assert room.known("bad") is None
