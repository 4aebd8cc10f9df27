"""Rooms of residents."""

from __future__ import annotations

import pytest

from deepunlearn_cli.attacks import ATTACKS
from deepunlearn_cli.core.errors import NotFound
from deepunlearn_cli.data import FAMILIES
from deepunlearn_cli.methods import METHODS


@pytest.mark.parametrize(("room", "count"), [(METHODS, 25), (ATTACKS, 2), (FAMILIES, 9)])
def test_every_resident_can_be_had_by_its_name(room, count):
    names = room.names()
    assert len(names) == count
    for name in names:
        assert issubclass(room.get(name), room.base)
        assert room.public_name(name) == name
        assert room.get(name.upper()) is room.get(name)


def test_aliases_lead_to_the_public_name():
    assert METHODS.aliases() == {
        "ng+": "ngplus",
        "cf-k": "cfk",
        "eu-k": "euk",
        "nabla-tau": "nablatau",
        "l1-sparse": "l1sparse",
        "single-gradient": "singlegradient",
    }
    assert METHODS.public_name("NG+") == "ngplus"


def test_unknown_names_are_not_found_with_suggestions():
    with pytest.raises(NotFound, match="'mgs'") as failure:
        METHODS.get("mgs")
    assert "msg" in failure.value.hint
    assert "deepunlearn methods" in failure.value.hint
