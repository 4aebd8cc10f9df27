"""Index rows and records made up for tests."""

from __future__ import annotations

from typing import Any

from rich.cells import cell_len

from deepunlearn_cli.cli.fitting import fitted
from deepunlearn_cli.reporting.records import Record, records
from deepunlearn_cli.reporting.table import Table

WIDTH = 100  # columns of a terminal that tables must fit

TITLES = {
    "msg": "MSG",
    "ft": "FT",
    "ct": "CT",
    "kde": "KDE",
    "do-nothing": "do nothing",
    "retrain": "retrained",
}


def run(name: str, seed: int = 0, *, scores: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """An index row of a model run; ids tell name, seed, pair and params."""
    row: dict[str, Any] = {
        "attempt": 0,
        "kind": "train" if name == "retrain" else "unlearn",
        "name": name,
        "seed": seed,
        "params": {},
        "setting": "s0",
        "dataset": "digits",
        "model": "resnet-small",
        "forget": "f0",
        "forget_label": "random:0.1",
        "precision": "fp32",
        "status": "done",
        "reason": "",
        "created": 1.0,
        "target": "" if name == "retrain" else f"original-{seed}",
        "seconds": 10.0,
        "work": 5.0,
        "device": "cpu",
        "shared": False,
        "scores": {"RA": 0.99, "FA": 0.9, "VA": 0.9, "TA": 0.9} if scores is None else scores,
    } | changes
    row.setdefault("base", f"{name}-{seed}-{row['setting']}-{row['params']}")
    row.setdefault("id", f"{row['base']}#{row['attempt']}")
    return row


def attack(target: dict[str, Any], accuracy: float, **changes: Any) -> dict[str, Any]:
    """An index row of a U-MIA on `target`."""
    params = {"against": "test", "cv": "kfold", "folds": 10} | changes.pop("params", {})
    scores = {"accuracy": accuracy, "accuracy_low": accuracy - 0.02, "accuracy_high": accuracy + 0.02}
    row = run("umia", kind="attack", target=target["id"], params=params, scores=scores)
    row["base"] = row["id"] = f"attack-{target['id']}-{params}"
    return row | changes


def cell(
    name: str, losses: list[float], umia: list[float] | None = None, **changes: Any
) -> list[dict[str, Any]]:
    """Rows of one method, a seed each: test accuracy lower by `losses`, attacked with `umia` accuracy."""
    accuracies = [{"RA": 0.99, "FA": 0.9, "VA": 0.9, "TA": 0.9 - loss} for loss in losses]
    runs = [run(name, seed, scores=scores, **changes) for seed, scores in enumerate(accuracies)]
    return runs + [attack(one, accuracy) for one, accuracy in zip(runs, umia or [], strict=False)]


def joined(rows: list[dict[str, Any]]) -> list[Record]:
    """Records of rows, with this module's titles."""
    return records(rows, TITLES)


def by_label(table: Table, where: str | None = None) -> dict[str, Any]:
    """Rows by what people read in them, of one pair or of all."""
    return {row["label"]: row for row in table.rows if where in (None, row["pair"])}


def width(table: Table) -> int:
    """Columns that a table takes on a terminal, which must show it in one piece with all its columns."""
    pieces, notes = fitted(table, WIDTH)
    assert len(pieces) == 1, pieces
    assert not any("not shown here" in note for note in notes), notes
    return max(cell_len(line) for text in pieces[0] for line in text.split("\n"))
