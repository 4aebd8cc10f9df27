"""Rooms of residents."""

from __future__ import annotations

import pytest
from room_kit import residents

from deepunlearn_cli.attacks import ATTACKS
from deepunlearn_cli.core.errors import NotFound
from deepunlearn_cli.data import FAMILIES
from deepunlearn_cli.methods import METHODS


@pytest.mark.parametrize("room", [METHODS, ATTACKS, FAMILIES], ids=lambda room: room.noun)
def test_every_resident_can_be_had_by_its_name(room):
    names = room.names()
    assert names == residents(room)
    for name in names:
        assert issubclass(room.get(name), room.base)
        assert room.public_name(name) == name
        assert room.get(name.upper()) is room.get(name)


@pytest.mark.parametrize("room", [METHODS, ATTACKS, FAMILIES], ids=lambda room: room.noun)
def test_aliases_lead_to_the_public_name(room):
    given = [alias for name in room.names() for alias in getattr(room.get(name), "aliases", ())]
    assert sorted(room.aliases()) == sorted(given), "no two residents share an alias"
    assert not set(given) & set(room.names())
    for alias, name in room.aliases().items():
        assert room.public_name(alias.upper()) == name
    assert METHODS.public_name("NG+") == "ngplus"


def test_unknown_names_are_not_found_with_suggestions():
    with pytest.raises(NotFound, match="'mgs'") as failure:
        METHODS.get("mgs")
    assert "msg" in failure.value.hint
    assert "deepunlearn methods" in failure.value.hint
