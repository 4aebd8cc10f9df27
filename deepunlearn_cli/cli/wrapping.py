"""Text in lines of a width, broken between words."""

from __future__ import annotations

import re
from collections.abc import Callable

from rich.cells import cell_len, chop_cells

NUMBER = re.compile(r"[+\-±]?\.?\d[\d.,%±≈*–+\-]*[.,;:)]?")
NAME = re.compile(r"[(@A-Za-z][A-Za-z_]{0,11}")  # what a number belongs to: `RA 99.1%`, `seed 3`
COMMAND = re.compile(r"([^\s`]*`[^`\n]*`\S*)")  # to be copied
ARGUMENT = re.compile(r"(?:'[^']*'|\"[^\"]*\"|[^\s'\"])+")
SETTING = re.compile(r"([A-Za-z_][\w.]*=)(\S+)")  # name and value, each whole where they have to be parted
ON = " \\"  # at the end of a shell's line that goes on
SOFT = re.compile(r"(?<=[/=,:;&?_.\-])")  # where what is too long for a whole line is broken first

Units = Callable[[str], list[str]]


def wrapped(text: str, width: int) -> list[str]:
    """Lines no wider than `width`; a word that is wider itself is broken where it must be."""
    return [part for line in text.split("\n") for part in _lines(line, max(1, width), _units)]


def prose(text: str, width: int) -> list[str]:
    """Sentences in lines; a command between backticks is on one, or broken as a shell reads it."""
    return [part for line in text.split("\n") for part in _lines(line, max(1, width), _words)]


def longest(text: str) -> int:
    """The width of the longest piece that is not broken."""
    units = (unit for line in text.split("\n") for unit in _units(line))
    return max((cell_len(part) for unit in units for part in _parted(unit)), default=0)


def _parted(word: str) -> list[str]:
    setting = SETTING.fullmatch(word)
    return list(setting.groups()) if setting else [word]


def _lines(line: str, width: int, units: Units) -> list[str]:
    if cell_len(line) <= width:
        return [line]
    lines = [""]
    for unit in units(line):
        if lines[-1] and cell_len(lines[-1]) + 1 + cell_len(unit) <= width:
            lines[-1] += f" {unit}"
        elif lines[-1]:
            lines.append(unit)
        else:
            lines[-1] = unit
    return [part for one in lines for part in _broken(one, width)]


def _units(line: str) -> list[str]:
    """Words, a number with the name before it."""
    units: list[str] = []
    for word in line.split(" "):
        if units and NUMBER.fullmatch(word) and NAME.fullmatch(units[-1]):
            units[-1] += f" {word}"
        else:
            units.append(word)
    return units


def _words(line: str) -> list[str]:
    """Words and commands."""
    parts = COMMAND.split(line)
    return [word for place, one in enumerate(parts) for word in ([one] if place % 2 else one.split())]


def _broken(line: str, width: int) -> list[str]:
    """A line that is one unit and too long: between its words, behind its signs, or anywhere."""
    if cell_len(line) <= width:
        return [line]
    if " " in line and "`" in line:
        return _continued(ARGUMENT.findall(line), width)
    if " " in line:
        return [part for word in line.split(" ") for part in _broken(word, width)]
    if len(parts := _parted(line)) > 1:
        return [one for part in parts for one in _broken(part, width)]
    lines = [""]
    for piece in SOFT.split(line):
        if cell_len(lines[-1]) + cell_len(piece) <= width:
            lines[-1] += piece
        else:
            lines += chop_cells(piece, width)
    return [one for one in lines if one]


def _continued(words: list[str], width: int) -> list[str]:
    """A command in lines that a shell takes as one, its words whole."""
    lines = [words[0]]
    for word in words[1:]:
        if cell_len(f"{lines[-1]} {word}{ON}") <= width:
            lines[-1] += f" {word}"
        else:
            lines[-1] += ON
            lines.append(f"  {word}")
    return lines
