"""What a system, a disk or a library says when it fails: one line for people, and never a plea to report it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from cli_kit import Bench, bench, refused

from deepunlearn_cli.cli.failing import LIMITS, meant


@pytest.mark.parametrize(
    "number", [*LIMITS, errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ELOOP]
)
@pytest.mark.parametrize("path", [None, "/data/x"])
def test_a_system_that_fails_is_told_with_the_path_that_it_names(number: int, path: str | None) -> None:
    failure = meant(OSError(number, os.strerror(number), *([path] if path else [])))
    assert failure.hint
    assert "unexpected" not in failure.message
    assert "report" not in failure.hint
    assert "Errno" not in failure.message
    assert (path or "") in failure.message


@pytest.mark.parametrize("words", [
    ("runs", "--store", "~nobody-here/x"), ("certify", "policy", "~nobody-here/x"),
    ("certify", "verify", "~nobody-here/x"), ("store", "diff", "~nobody-here/x"),
    ("rank", "--out", "~nobody-here/x.md"), ("bench", "quick", "--dry-run", "--resume-from", "~nobody-here/x"),
])  # fmt: skip
def test_a_home_that_there_is_not_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words) -> None:
    place = bench(tmp_path)
    monkeypatch.chdir(tmp_path)
    store = () if "--store" in words else ("--store", place.store)
    refused(*words, *store, code=2, says=("~nobody-here",))


@pytest.mark.slow
def test_a_database_of_mlflow_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch) -> None:
    mlflow = pytest.importorskip("mlflow.tracking")
    place: Bench = bench(tmp_path)

    def full(client: object, **_: object) -> None:
        next(tmp_path.glob("runs/.*.part"), tmp_path / "runs" / ".mlflow.db.0.part").write_text("half")
        raise RuntimeError("(sqlite3.OperationalError) database or disk is full\n[SQL: CREATE TABLE ...]")

    monkeypatch.setattr(mlflow.MlflowClient, "search_experiments", full)
    words = ("export", "--to", "mlflow", "--out", tmp_path / "runs")
    place.refused(*words, code=1, says=("no room for", "mlflow.db", "bytes"))
    (tmp_path / "runs" / ".mlflow.db.0.part").unlink(missing_ok=True)
    assert not [*(tmp_path / "runs").iterdir()]
