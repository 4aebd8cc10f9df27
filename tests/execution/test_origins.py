"""A run whose plug-in nobody named: what is said of it, and the command that makes it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plugin_kit import ATTACK, METHOD, unaware, written
from test_keys import FORGET, ORIGINAL

from deepunlearn_cli.core import plugins
from deepunlearn_cli.core.errors import NotFound
from deepunlearn_cli.core.fields import Declared
from deepunlearn_cli.execution import code, origins, recipes
from deepunlearn_cli.methods import METHODS


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with unaware():
        yield tmp_path


def made(home):
    name = METHODS.public_name(str(written(home / "my plug.py", METHOD)))
    return recipes.unlearned(ORIGINAL, name, FORGET, {"lr": 0.01}, augment=False)


def test_a_recipe_holds_the_name_and_people_read_the_place(home):
    run = made(home)
    assert run.name == METHODS.public_name("./my plug.py")
    assert run.labels["plugin"] == f"{home}/my plug.py:Mine"
    assert code.of(run) == plugins.of(METHODS.get(run.name)).code
    assert code.of(run).startswith(run.name.partition("@")[2])
    assert recipes.hyperparameters(run) == {"lr": 0.01}
    assert replace(run, labels={}).key == run.key, "the place is no part of the key"
    origins.check(run)


def test_labels_are_of_what_acts_now(home):
    run = made(home)
    for other in (
        recipes.unlearned(run, "ft", FORGET),
        recipes.attack(run, "umia"),
        recipes.retrained(run, FORGET),
    ):
        assert "plugin" not in other.labels
    from deepunlearn_cli.attacks import ATTACKS

    attack = recipes.attack(run, ATTACKS.public_name(str(written(home / "loud.py", ATTACK))))
    assert attack.labels["plugin"] == f"{home}/loud.py:Median"
    assert attack.inputs["target"].labels["plugin"] == f"{home}/my plug.py:Mine"


def test_making_it_says_what_is_missing_and_how_to_name_it(home):
    run = made(home)
    with unaware():
        assert recipes.actor_of(run) is Declared
        assert recipes.hyperparameters(run) == {"lr": 0.01}
        with pytest.raises(
            NotFound, match=f"run {run.key} must be made: method {run.name} is a plug-in"
        ) as failure:
            origins.check(run)
        assert failure.value.hint == (
            f"`deepunlearn unlearn {ORIGINAL.key} --method '{home}/my plug.py:Mine' --forget random:0.1 "
            "-p lr=0.01 --no-augment` loads it, if you trust its code"
        )
        (home / "my plug.py").unlink()
        with pytest.raises(NotFound, match=r"my plug.py:Mine is gone") as failure:
            origins.check(run)
        assert failure.value.hint.startswith("put it back; `deepunlearn unlearn")
        trial = replace(run, kind="trial", labels={})
        with pytest.raises(NotFound) as failure:
            origins.check(trial)
        assert failure.value.hint == "--method FILE.py:Mine loads it, if you trust its code"
