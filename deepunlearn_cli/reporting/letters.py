"""Letters: two methods of a ranking share one if, and only if, they cannot be told apart.

A compact letter display (Piepho 2004, *An algorithm for a letter-based representation of all-pairwise
comparisons*). A method that is told apart from all others has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from string import ascii_lowercase

Apart = Sequence[Sequence[bool]]  # by places in the ranking, symmetric


def letters(apart: Apart) -> list[str]:
    """The letters of each method, from the best to the worst."""
    alike = sorted(_cover(apart))
    return ["".join(_letter(i) for i, group in enumerate(alike) if one in group) for one in range(len(apart))]


def abridged(spelt: str) -> str:
    """Letters as people read them: four or more in a row by their ends, from `a` to `d`."""
    found, here = "", ""
    for letter in spelt:
        if here and ord(letter) != ord(here[-1]) + 1:
            found, here = found + _ends(here), ""
        here += letter
    return found + _ends(here)


def _ends(row: str) -> str:
    return f"{row[0]}\u2013{row[-1]}" if len(row) > 3 else row


def runs(apart: Apart, order: Sequence[int]) -> list[list[int]]:
    """The methods in `order`, cut into runs within which nobody is told apart from anybody."""
    found: list[list[int]] = []
    for one in order:
        if found and not any(apart[one][other] for other in found[-1]):
            found[-1].append(one)
        else:
            found.append([one])
    return found


def _cover(apart: Apart) -> list[list[int]]:
    """Groups of methods that cannot be told apart from each other, such that each such pair is in one."""
    groups: list[list[int]] = []
    for one, other in combinations(range(len(apart)), 2):
        if not apart[one][other] and not any(one in group and other in group for group in groups):
            groups.append(_grown([one, other], apart))
    return groups


def _grown(group: list[int], apart: Apart) -> list[int]:
    for one in range(len(apart)):
        if one not in group and not any(apart[one][other] for other in group):
            group.append(one)
    return sorted(group)


def _letter(number: int) -> str:
    again, place = divmod(number, len(ascii_lowercase))
    return ascii_lowercase[place] + (str(again) if again else "")
