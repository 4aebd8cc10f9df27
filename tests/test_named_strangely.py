"""Names from outside are bytes: they survive every border, and act nowhere that they are written to."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_kit import call, ok
from PIL import Image

from deepunlearn_cli.core.names import encoded, guarded, in_json, unguarded
from deepunlearn_cli.reporting.csv_rows import lines
from deepunlearn_cli.reporting.formats import render
from deepunlearn_cli.reporting.table import Column, Table

LATIN = b"caf\xe9"  # no UTF-8
HOSTILE = (LATIN, b"dog:dog:$x_1$[red]b[/red]", b"=cmd|' C'!A0", b"a\x1b[31mb\nc\td")
ACTING = ("=1+1", "+1", "-x", "@a", "'=1", "''=x", "'", "''", "plain", "it's", "", "'plain")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("names")
    draw = np.random.default_rng(0)
    for number, name in enumerate(HOSTILE):
        folder = home / os.fsdecode(b"p\xe9cs") / os.fsdecode(name)
        folder.mkdir(parents=True)
        for one in range(30):
            picture = draw.integers(0, 60, (8, 8)).astype(np.uint8)
            picture[4 * (number // 2) :, 4 * (number % 2) :][:4, :4] += 150
            with (folder / os.fsdecode(b"f%02d\xff.png" % one)).open("wb") as file:
                Image.fromarray(picture).save(file, "PNG")
    (home / "forget.txt").write_bytes(b"".join(LATIN + b"/f%02d\xff.png\n" % one for one in range(4)))
    return home


@pytest.mark.slow
def test_a_folder_whose_names_are_no_text_goes_all_the_way(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("DEEPUNLEARN_STORE", str(place / "store"))
    pictures, net = os.fsdecode(b"folder:p\xe9cs"), ("--model", "resnet-tiny", "-p", "epochs=8")
    whole = f"class:{os.fsdecode(LATIN)}"
    train = ("train", "--dataset", pictures, *net, "-p", "batch_size=16", "--val-share", "0", "-q")
    original, retrained = ok(*train, "--role", "both", "--forget", whole).lines
    ft = ("unlearn", original, "--method", "ft", "-p", "epochs=1", "-q")
    (run,) = ok(*ft, "--out", "clean.pt").lines
    (other,) = ok(*ft, "--forget", "indices:forget.txt").lines
    assert ok("show", other, "--json").json[0]["recipe"]["labels"]["forget"] == "indices:forget.txt"
    (attack,) = ok("attack", "umia", "clean.pt", "--samples", "s.csv", "-q").lines
    assert os.fsdecode(LATIN) in ok("show", run, "--json").json[0]["classes"]
    looks = ("runs", "rank", "report", "verify", "datasets", f"show {run}", f"show {attack}", f"report {run}",
             "report --table classes", "report --table scores --format csv --out t.csv",
             "report --format html --out page.html", "export --to csv --out flat")  # fmt: skip
    for words in looks:
        said = ok(*words.split())
        assert "\x1b" not in said.out + said.err
    assert b"\x1b" not in Path("page.html").read_bytes()
    assert ok(*train, "--role", "both", "--forget", whole).lines == [original, retrained]


def test_a_preset_keeps_the_bytes_of_a_name(tmp_path: Path) -> None:
    from deepunlearn_cli.sweep import presets

    told = {"forget": f"class:{os.fsdecode(LATIN)}", "datasets": ["a\x1b\n\u2028"]}
    made = presets.Preset("ft", 1, {"lr": 0.1}, told, [], "p.toml")
    presets.write(made, tmp_path / "p.toml")
    assert LATIN in (tmp_path / "p.toml").read_bytes()
    assert presets.parse(tmp_path / "p.toml").provenance == told


@pytest.mark.parametrize("name", ACTING)
def test_a_guard_against_spreadsheets_comes_off_again(tmp_path: Path, name: str) -> None:
    assert unguarded(guarded(name)) == name
    row = {"dataset": name or "d", "model": "m", "method": name or "x", "seed": 0, "RA": 1, "FA": 1, "TA": 1}
    text = render(Table("t/1", "", [Column("dataset", lambda row: row["dataset"])], [row]), "csv")
    (tmp_path / "f.csv").write_text(text)
    (line,) = lines(tmp_path / "f.csv")
    assert line.cells["dataset"] == row["dataset"]
    assert not text.splitlines()[1].startswith(("=", "+", "-", "@"))


def test_json_stays_json_whatever_its_stream_takes() -> None:
    row = {"name": f"{os.fsdecode(LATIN)} \u00e9 \U0001f436 \x9b31m \u202e \u2028"}
    for encoding in ("utf-8", "ascii", "latin-1"):
        text = in_json(render(Table("t/1", "", [], [row]), "jsonl"), encoding)
        assert json.loads(text.encode(encoding).decode(encoding))["name"] == row["name"]
        assert not {"\x9b", "\u202e", "\u2028"} & set(text)


@pytest.mark.parametrize("format", ["markdown", "github", "latex", "html", "csv", "tsv"])
def test_nothing_acts_in_any_part_of_a_table(format: str) -> None:
    name = "a\x1b[31m\u202e\x7f\u2028b\nc"
    row = {"name": name, "said": {name: 0.5}, "list": [name]}
    table = Table("t/1", name, [Column(name, lambda row: row["name"])], [row], notes=[name])
    assert not set("\x1b\u202e\x7f\u2028") & set(render(table, format))


def test_nothing_acts_in_a_page() -> None:
    from deepunlearn_cli.reporting.pages import _section

    pytest.importorskip("matplotlib")
    name = 'a\x1b[31m\u202e"><script>'
    table = Table("t/1", name, [Column(name, lambda row: row["name"])], [{"name": name}], notes=[name])
    text = _section(table, [])
    assert not {"\x1b", "\u202e"} & set(text)
    assert "<script>" not in text


def test_json_has_no_delete() -> None:
    assert json.loads(in_json(json.dumps("a\x7f"))) == "a\x7f"
    assert "\x7f" not in in_json(json.dumps("a\x7f"))


def test_keys_take_every_text() -> None:
    assert encoded("plain \u00e9") == "plain \u00e9".encode()
    assert encoded(os.fsdecode(LATIN)) == LATIN
    assert encoded("\ud800") != encoded("\ud801")


@pytest.mark.parametrize("name", ["$x_1$", "$", "a$b$ $\\frac{$", "\x1b[31m", "<b>&", os.fsdecode(LATIN)])
def test_names_in_figures_are_names(name: str) -> None:
    pytest.importorskip("matplotlib")
    from deepunlearn_cli.reporting.figures import answer_map, inline

    row: dict[str, Any] = {"label": name, "said": {name: 0.5, "other": 0.5}, "removed": [name]}
    assert ET.fromstring(inline(answer_map([row], name), "a map"))


def test_names_in_html_and_latex_are_escaped() -> None:
    name = "<script>$x_1$ & 50% #_{}~^\\"
    table = Table("t/1", "", [Column(name, lambda row: row["name"])], [{"name": name}])
    assert "<script>" not in render(table, "html")
    latex = render(table, "latex")
    for sign in "$&%#_{}":
        assert f"\\{sign}" in latex


def test_a_list_that_is_no_text_is_still_refused(tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_bytes(b"\x00\x01\xff")
    said = call("train", "--dataset", "digits", "--model", "resnet-tiny", "--forget",
                f"indices:{tmp_path / 'f.txt'}", "--store", tmp_path / "s")  # fmt: skip
    assert said.code == 2
    assert "it is not text" in said.err
