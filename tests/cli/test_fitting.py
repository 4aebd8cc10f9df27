"""Tables on terminals: nothing is broken within itself, no line is too wide, and what is left out is told."""

from __future__ import annotations

import random
import re
import string
from pathlib import Path

import golden_tables
import pytest
from cli_kit import bench, call, ok, on_terminal
from fitting_kit import faults, lines_of

from deepunlearn_cli.cli.wrapping import prose, wrapped
from deepunlearn_cli.reporting.formats import render
from deepunlearn_cli.reporting.table import Column, Table

GOLDEN = Path(__file__).with_name("golden")
LETTERS = string.ascii_lowercase


def table_of(draw: random.Random) -> Table:
    """A table of whatever shape."""
    columns = [
        Column(
            " ".join(_word(draw, 9) for _ in range(draw.randint(1, 2))),
            lambda row, place=place: row["cells"][place],
            right=draw.random() < 0.4,
            spare=draw.random() < 0.2,
        )
        for place in range(draw.randint(1, 9))
    ]
    keys = [
        Column(name, lambda row, name=name: row[name]) for name in ("dataset", "model")[: draw.randint(0, 2)]
    ]
    rows = [_row(draw, len(columns)) for _ in range(draw.randint(1, 4))]
    return Table("x/1", _word(draw, 30), columns, rows, ["a note of words"], keys, draw.choice((1, 2)))


def _row(draw: random.Random, columns: int) -> dict[str, object]:
    few = {"dataset": draw.choice(("digits", "mnist")), "model": draw.choice(("resnet-tiny", "tinyvit"))}
    return {**few, "cells": [_cell(draw) for _ in range(columns)]}


def _cell(draw: random.Random) -> str:
    if draw.random() < 0.3:
        return f"{draw.random():.3f}±{draw.random():.3f}"
    words = [_word(draw, 24 if draw.random() < 0.2 else 8) for _ in range(draw.randint(0, 6))]
    return draw.choice((" ", " ", "\n")).join(words)


def _word(draw: random.Random, most: int) -> str:
    return "".join(draw.choice(LETTERS) for _ in range(draw.randint(1, most)))


@pytest.mark.parametrize("seed", range(60))
def test_no_word_is_broken_and_no_line_is_too_wide(seed):
    table = table_of(random.Random(seed))
    for width in (12, 20, 33, 47, 60, 80, 100, 140):
        assert faults(table, width) == []


@pytest.mark.parametrize("width", [80, 100, 140])
def test_tables_are_as_they_were(width):
    assert golden_tables.page(width) == (GOLDEN / f"{width}.txt").read_text("utf-8")


@pytest.mark.parametrize("width", [24, 40, 60, 80, 100, 140, 200])
def test_real_tables_break_nothing(width):
    assert [fault for table in golden_tables.tables() for fault in faults(table, width)] == []


def _column(header, name="", **traits):
    return Column(header, lambda row: row[name or header], **traits)


def test_ids_are_as_short_as_tells_them_apart():
    ids = ["0123456789abcdef", "0123456789ffffff"]
    rows = [{"id": one, "what": "word " * 5} for one in ids]
    table = Table("x/1", "", [_column("id", id=True), _column("what")], rows)
    assert [line.split()[0] for line in lines_of(table, 36)[3:] if line.startswith("0")] == [
        "0123456789a",
        "0123456789f",
    ]
    assert any(line.startswith(ids[0]) for line in lines_of(table, 80))


def test_what_all_rows_share_is_told_once():
    rows = [{"name": name, "same": "a-long-word-of-thirty-letters"} for name in ("one-thing", "another")]
    table = Table("x/1", "", [_column("name"), _column("same")], rows)
    lines = lines_of(table, 32)
    assert "every row: same" in lines
    assert lines.count("a-long-word-of-thirty-letters") == 1
    assert all(len(line) <= 32 for line in lines)


def test_keys_become_letters_with_a_legend():
    rows = [{"dataset": one, "method": "ft", "n": one[0]} for one in ("folder:pictures/of/cats", "digits")]
    table = Table("x/1", "", [_column("method"), _column("n")], rows, (), [_column("dataset")])
    lines = lines_of(table, 30)
    assert "A: folder:pictures/of/cats" in lines
    assert "B: digits" in lines
    assert any(line.split() == ["A", "ft", "f"] for line in lines)


def test_a_pipe_has_every_key_and_people_those_that_differ():
    rows = [{"dataset": "digits", "model": one, "n": "1"} for one in ("a", "b")]
    table = Table("x/1", "", [_column("n")], rows, (), [_column("dataset"), _column("model")])
    assert render(table, "tsv").split("\n") == ["dataset\tmodel\tn", "digits\ta\t1", "digits\tb\t1"]
    lines = lines_of(table, 80)
    assert lines[1].split() == ["model", "n"]
    assert "every row: dataset digits" in lines


def test_what_can_be_spared_is_left_out_and_told():
    rows = [{"name": word, "more": "1234567890123456"} for word in ("one-thing", "another-thing")]
    rows[1]["more"] = "6543210987654321"
    table = Table("x/1", "", [_column("name"), _column("more", right=True, spare=True)], rows)
    assert any("not shown here: more" in line for line in lines_of(table, 30))
    assert not any("not shown here" in line for line in lines_of(table, 40))


def test_what_does_not_fit_side_by_side_comes_in_pieces_that_repeat_the_first_column():
    rows = [
        {"method": name, **{str(n): f"0.{n}{n}{n}±0.{n}{n}{n}{len(name)}" for n in range(8)}}
        for name in ("ft", "msg")
    ]
    table = Table("x/1", "", [_column("method"), *(_column(str(n), right=True) for n in range(8))], rows)
    lines = lines_of(table, 60)
    assert sum(line.startswith("method") for line in lines) == 3
    assert sum(line.startswith("msg") for line in lines) == 3


@pytest.mark.parametrize("width", [1, 5, 20, 80])
def test_a_table_without_rows_is_its_header(width):
    table = Table("x/1", "", [_column("a"), _column("b")], [], (), [_column("c")])
    assert faults(table, width) == []
    assert "".join(lines_of(table, 80)).startswith("a  b")


def test_numbers_stay_with_their_names():
    assert wrapped("RA 99.1% FA 98.0% VA 7.0%", 12) == ["RA 99.1%", "FA 98.0%", "VA 7.0%"]


def test_a_command_in_a_sentence_is_copied_as_it_is():
    said = "no model; `deepunlearn train --role retrain --forget 'class: 3' --seeds 0-9`; then again"
    lines = prose(said, 44)
    assert all(len(line) <= 44 for line in lines)
    begin = next(n for n, line in enumerate(lines) if line.startswith("`"))
    end = next(n for n, line in enumerate(lines) if "`;" in line)
    command = "\n".join(lines[begin : end + 1]).replace("\\\n", "").strip("`;")
    assert " ".join(command.split()) == "deepunlearn train --role retrain --forget 'class: 3' --seeds 0-9"
    assert prose(said, 72)[1].startswith("`deepunlearn train")


@pytest.mark.parametrize(
    "words", [("methods",), ("methods", "msg"), ("datasets",), ("attacks",), ("models",)]
)
def test_lists_fit(words):
    assert ok(*words).out  # what any test prints is looked at at every width


@pytest.mark.slow
def test_the_cure_in_a_warning_is_a_line_of_its_own_on_a_terminal(tmp_path):
    """A shell takes it as it is copied; in a pipe the warning stays one line."""
    place = bench(tmp_path)
    words = ("unlearn", "--method", "ft,singlegradient", "--ckpt", place.ids["original"], "--dry-run")
    words = (*words, "--store", place.store)
    code, _, err = on_terminal(*words, cwd=tmp_path, width=60)
    assert code == 6
    (cure,) = [line for line in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", err).split("\n") if "hint: " in line]
    assert "`deepunlearn train " in cure
    (warning,) = [line for line in call(*words).err.splitlines() if line.startswith("warning")]
    assert cure.removeprefix("hint: ") in warning
