"""Files that commands write: what a user has is not destroyed, and that is said before any work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli_kit import TRAIN, bench, call, ok, refused

from deepunlearn_cli.core.whole import write_whole


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ok(*TRAIN, "--out", "orig.pt", "--store", "store")
    return tmp_path


ULIRA = (
    "attack",
    "ulira",
    "--method",
    "ft",
    "--dataset",
    "digits",
    "--model",
    "resnet-tiny",
    "--splits",
    "4",
)


def unlearned(*words):
    return call("unlearn", "--method", "ga", "--ckpt", "orig.pt", "--store", "store", *words)


def runs():
    return ok("runs", "-q", "--store", "store").lines


@pytest.mark.parametrize("name", ["ledger.jsonl", "ledger.head", "sealed", "purposes/of.pt"])
def test_what_a_store_records_is_never_an_output(place, name):
    said = unlearned("--out", f"store/{name}", "--force")
    assert (said.code, "belongs to the store" in said.err) == (2, True)


def test_an_input_is_never_written_over(place):
    (place / "link.pt").symlink_to("orig.pt")
    os.link("orig.pt", "hard.pt")
    before, made = (place / "orig.pt").read_bytes(), runs()
    for name in ("orig.pt", "./orig.pt", "link.pt", "hard.pt", str(place / "orig.pt")):
        said = unlearned("--out", name, "--force")
        assert said.code == 2
        assert "is an input" in said.err
    assert (place / "orig.pt").read_bytes() == before
    assert runs() == made


@pytest.mark.parametrize("name", ["dir.pt", "no/x.pt", "x" * 300 + ".pt", "mine.pt", "orig.pt/x.pt"])
def test_what_cannot_be_written_is_told_before_training(place, name):
    (place / "dir.pt").mkdir()
    (place / "mine.pt").write_bytes(b"mine")
    made = runs()
    said = call(*TRAIN[:-1], "epochs=2", "--out", name, "--store", "store")
    assert said.code == 2, said.err
    assert runs() == made
    assert (place / "mine.pt").read_bytes() == b"mine"


def test_force_writes_over_a_file_and_the_same_run_need_not_be_forced(place):
    ok(*TRAIN, "--out", "orig.pt", "--store", "store")
    (place / "mine.pt").write_bytes(b"mine")
    assert unlearned("--out", "mine.pt").code == 2
    assert unlearned("--out", "mine.pt", "--force").code == 0
    assert (place / "mine.pt").read_bytes() != b"mine"


def test_a_model_in_the_way_is_written_over_without_being_made_again(place):
    """The cure as printed, then the same command: a file, and no run more."""
    train = (*TRAIN, "--out", "my model.pt", "--store", "store")
    made = ok(*TRAIN, "--store", "store").lines
    (place / "my model.pt").write_text("another")
    (cure,) = re.findall("hint: (rm .*)", refused(*train, code=2, says=("is there already",)))
    subprocess.run(cure, shell=True, check=True)
    assert ok(*train, "-q").lines == made
    assert (place / "my model.pt").stat().st_size > 1000


@pytest.mark.parametrize("command", ["rank", "report", "report --table scores"])
def test_reports_write_over_nothing_unasked(place, command):
    ok("unlearn", "--method", "ga", "--ckpt", "orig.pt", "--store", "store")
    (place / "mine.md").write_text("mine")
    run = next((place / "store" / "runs").glob("??/*/recipe.json"))
    for name, force in (
        ("mine.md", []),
        ("store/store.json", ["--force"]),
        (run, ["--force"]),
        (run.parent / "new", []),
    ):
        said = call(*command.split(), "--out", name, *force, "--store", "store")
        assert said.code == 2, said.err
    assert (place / "mine.md").read_text() == "mine"
    assert ok("verify", "--store", "store").code == 0


def test_a_table_is_not_written_over_the_figures_it_is_made_of(tmp_path):
    csv = tmp_path / "figures.csv"
    csv.write_text("dataset,model,method,seed,RA,FA,TA\nd,m,retrain,0,1,1,1\nd,m,ga,0,1,1,1\n")
    before = csv.read_bytes()
    said = call("report", "--from", csv, "--table", "scores", "--out", csv, "--force")
    assert said.code == 2
    assert csv.read_bytes() == before


def test_exported_tables_are_not_written_over_unasked(place):
    words = ("export", "--out", "figures", "--store", "store")
    ok(*words)
    (place / "figures" / "runs.csv").write_text("mine")
    assert call(*words).code == 2
    assert (place / "figures" / "runs.csv").read_text() == "mine"
    assert call(*words, "--force").code == 0
    assert call("export", "--out", "store/runs", "--store", "store").code in (0, 2)
    assert ok("verify", "--store", "store").code == 0


KILLED = """
import os, signal, sys
from pathlib import Path
from deepunlearn_cli.core import whole
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
os.link = die
whole.write_whole(Path(sys.argv[1]), b"x" * 1_000_000)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs files without names")
def test_a_killed_writer_leaves_nothing(tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path / "x.pt")]
    assert subprocess.run(command, check=False).returncode == -9
    assert list(tmp_path.iterdir()) == []


def test_written_whole(tmp_path):
    for content in (b"one", b"two"):
        write_whole(tmp_path / "x", content)
        assert (tmp_path / "x").read_bytes() == content
    (tmp_path / "link").symlink_to("x")
    write_whole(tmp_path / "link", b"three")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "x").read_bytes() == b"three"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "x"]
    write_whole(tmp_path / os.devnull, b"nothing")


def test_two_outputs_are_two_files(tmp_path: Path) -> None:
    place = bench(tmp_path)
    for one, other, name in (
        ("--export", "--out", "e.jsonl"), ("--figure", "--out", "f.svg"), ("--figure", "--export", "./x/../f.svg"),
    ):  # fmt: skip
        (tmp_path / "x").mkdir(exist_ok=True)
        words = (*ULIRA, one, tmp_path / name, other, tmp_path / Path(name).name, "--dry-run")
        place.refused(*words, code=2, says=("are both", one))
    scores = ("attack", "umia", place.ids["ft"], "--samples", tmp_path / "s.csv", "--out", tmp_path / "s.csv")
    place.refused(*scores, code=2, says=("are both",))


def test_what_is_written_on_lies_in_no_store(tmp_path: Path) -> None:
    place = bench(tmp_path)
    for file in (
        place.store / "runs" / "x.jsonl",
        place.store / "store.json",
        place.store / "data" / "x.jsonl",
    ):
        place.refused(*ULIRA, "--export", file, code=2, says=("belongs to the store",))
    place.refused(*ULIRA, "--export", tmp_path / "no" / "x.jsonl", code=2, says=("does not exist",))


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no /proc")
def test_a_folder_that_takes_no_file_is_seen_before_training(tmp_path: Path) -> None:
    place = bench(tmp_path)
    train = ("train", "--dataset", "digits", "--model", "resnet-tiny", "--seeds", "5", "-p", "epochs=1")
    place.refused(*train, "--out", "/proc/x.pt", code=2, says=("/proc/x.pt", "cannot be written"))


@pytest.mark.parametrize("form", ["journal:", "sqlite:///"])
def test_a_database_is_looked_at_like_other_outputs(tmp_path: Path, form: str) -> None:
    place = bench(tmp_path)
    sweep = ("sweep", place.ids["original"], "--method", "ga", "--trials", "1")
    (tmp_path / "plan.toml").write_text('datasets = ["digits"]\nmodels = ["resnet-tiny"]\nmethods = ["ga"]\n')
    for words in (sweep, ("bench", tmp_path / "plan.toml")):
        address = f"{form}{tmp_path / 'no' / 'x.db'}"
        place.refused(*words, "--database", address, code=2, says=("its folder does not exist",))
        for name in ("runs/x.db", "data/x.db", "studies/all.journal", "sealed"):
            address = f"{form}{place.store / name}"
            place.refused(*words, "--database", address, code=2, says=("belongs to the store",))
    assert not (tmp_path / "no").exists()


def test_links_in_a_circle_are_no_output(tmp_path: Path) -> None:
    place = bench(tmp_path)
    (tmp_path / "loop.md").symlink_to("loop.md")
    for words in (("report", "--out"), ("rank", "--out"), ("certify", "keygen", "--out")):
        place.refused(*words, tmp_path / "loop.md", code=2, says=("loop.md",))
