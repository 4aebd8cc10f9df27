from __future__ import annotations

import numpy as np
import pytest

from deepunlearn_cli.reporting.letters import abridged, letters, runs


def matrix(size, *pairs):
    """Symmetric, of the pairs that are told apart."""
    table = np.zeros((size, size), dtype=bool)
    for one, other in pairs:
        table[one, other] = table[other, one] = True
    return table.tolist()


@pytest.mark.parametrize(
    ("apart", "spelt"),
    [
        (matrix(0), []),
        (matrix(1), [""]),
        (matrix(3), ["a", "a", "a"]),
        (matrix(2, (0, 1)), ["", ""]),
        (matrix(3, (0, 2)), ["a", "ab", "b"]),
        (matrix(3, (0, 1)), ["a", "b", "ab"]),
        (matrix(4, (0, 2), (0, 3), (1, 2), (1, 3)), ["a", "a", "b", "b"]),
    ],
)
def test_letters_by_hand(apart, spelt):
    assert letters(apart) == spelt


@pytest.mark.parametrize("seed", range(20))
def test_two_share_a_letter_if_and_only_if_they_are_not_told_apart(seed):
    rng = np.random.default_rng(seed)
    table = rng.random((12, 12)) < rng.random()
    table = (np.triu(table, 1) | np.triu(table, 1).T).tolist()
    found = letters(table)
    for one in range(12):
        for other in range(one + 1, 12):
            assert bool(set(found[one]) & set(found[other])) is not table[one][other]


def test_more_groups_than_letters_are_numbered():
    """Thirty pairs, each told from all others."""
    table = np.ones((60, 60), dtype=bool)
    for one in range(0, 60, 2):
        table[one, one + 1] = table[one + 1, one] = False
    found = letters(table.tolist())
    assert found[:2] == ["a", "a"]
    assert found[-1] == "d1"
    assert len(set(found)) == 30


def test_runs_break_where_somebody_is_told_apart():
    table = matrix(4, (0, 2), (1, 3))
    assert runs(table, range(4)) == [[0, 1], [2, 3]]
    assert runs(table, [3, 2, 1, 0]) == [[3, 2], [1, 0]]
    assert runs(matrix(3, (0, 2)), [2, 1, 0]) == [[2, 1], [0]]


@pytest.mark.parametrize(
    ("spelt", "text"),
    [
        ("", ""),
        ("a", "a"),
        ("abc", "abc"),
        ("abcd", "a\u2013d"),
        ("abdefgi", "abd\u2013gi"),
        ("yza1b1", "yza1b1"),
    ],
)
def test_many_letters_are_shown_by_their_ends(spelt, text):
    assert abridged(spelt) == text
