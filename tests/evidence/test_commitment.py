"""A commitment says nothing of pictures to who has no salt, and everything to who holds a proof."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from deepunlearn_cli.evidence import commitment, merkle

SALT = bytes(range(32))
FORGOTTEN = [hashlib.sha256(f"forgotten {n}".encode()).digest() for n in range(11)]
RETAINED = [hashlib.sha256(f"retained {n}".encode()).digest() for n in range(50)]


@pytest.fixture
def made():
    return commitment.commit(SALT, FORGOTTEN)


def test_every_forgotten_picture_has_a_proof(made):
    for picture in FORGOTTEN:
        assert made.proof(SALT, picture).root() == made.root


def test_no_retained_picture_has_one(made):
    assert [made.proof(SALT, picture) for picture in RETAINED] == [None] * len(RETAINED)


def test_no_proof_is_turned_into_one_of_another_picture(made):
    proof = made.proof(SALT, FORGOTTEN[3])
    for picture in (*RETAINED, *FORGOTTEN[:3]):
        assert replace(proof, picture=picture).root() != made.root
        for other in FORGOTTEN:
            key = made.proof(SALT, other).key
            assert replace(proof, picture=picture, key=key).root() != made.root


@pytest.mark.parametrize("field", ["index", "path", "key"])  # the size is the certificate's to say
def test_a_proof_that_was_changed_leads_elsewhere(field, made):
    proof = made.proof(SALT, FORGOTTEN[5])
    value = getattr(proof, field)
    other = value + 1 if isinstance(value, int) else value[::-1]
    assert replace(proof, **{field: other}).root() != made.root


def test_without_the_salt_a_guess_is_not_confirmed(made):
    """All that the certificate and a neighbour's proof hold, against all that a guesser can compute."""
    proof = made.proof(SALT, FORGOTTEN[0])
    shown = {made.root, proof.key, *proof.path}
    for picture in FORGOTTEN[1:]:
        leaf = commitment._sealed(proof.key, picture)  # with the key of the proof that somebody else holds
        for guess in (picture, leaf, hashlib.sha256(picture).digest()):
            assert not {guess, merkle.leaf_hash(guess)} & shown
    assert commitment.commit(b"\0" * 32, FORGOTTEN).root != made.root
    assert merkle.root(sorted(FORGOTTEN)) != made.root


def test_the_order_of_pictures_does_not_show():
    assert commitment.commit(SALT, FORGOTTEN[::-1]) == commitment.commit(SALT, FORGOTTEN)


def test_equal_pictures_are_leaves_of_their_own():
    twice = commitment.commit(SALT, [*FORGOTTEN, FORGOTTEN[0]])
    assert len(set(twice.leaves)) == 12
    assert twice.proof(SALT, FORGOTTEN[0]).root() == twice.root


def test_salts_are_drawn_anew():
    drawn = {commitment.new_salt() for _ in range(100)}
    assert len(drawn) == 100
    assert {len(salt) for salt in drawn} == {32}


def test_what_is_keyed_depends_on_salt_purpose_and_text():
    made = {
        commitment.keyed(salt, purpose, text)
        for salt in (SALT, SALT[::-1])
        for purpose in ("run", "data")
        for text in ("a", "b")
    }
    assert len(made) == 8
