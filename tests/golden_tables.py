"""A few tables of every shape, of made-up rows, as terminals of three widths show them.

python tests/golden_tables.py      rewrites tests/cli/golden
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from fitting_kit import lines_of
from synthetic import attack, cell, joined, run

from deepunlearn_cli.attacks import ATTACKS
from deepunlearn_cli.cli.listing import row_table
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.reporting import audits
from deepunlearn_cli.reporting.efficiency import efficiency_table
from deepunlearn_cli.reporting.rank import rank
from deepunlearn_cli.reporting.scores import scores_table
from deepunlearn_cli.reporting.sweeps import studies_table
from deepunlearn_cli.reporting.table import Table

WIDTHS = (80, 100, 140)
PLACE = {"dataset": "digits", "model": "resnet-tiny", "forget": "random:0.1"}


def tables() -> list[Table]:
    """Runs, rankings, scores of two pairs, times, an audit, searches, a method's card."""
    rows = pair() + pair(dataset="fashion-mnist", model="tinyvit", setting="s1")
    runs = [{**row, "id": _id(row["id"]), "created": 0} for row in pair() if row["seed"] < 2]
    return [
        row_table(runs[:8]),
        rank(joined(pair())),
        scores_table(joined(rows)),
        efficiency_table(joined(pair())),
        _audit(),
        studies_table(_studies()),
        _card(),
    ]


def page(width: int) -> str:
    """All of them at this width."""
    lines = [line.rstrip() for table in tables() for line in [f"{table.name}:", *lines_of(table, width), ""]]
    return "\n".join(lines) + "\n"


def pair(**changes: Any) -> list[dict[str, Any]]:
    """Five seeds of controls and methods, one with hyperparameters, attacked."""
    spread = [0.001 * seed for seed in range(5)]
    rows = cell("retrain", spread, [0.5 + one for one in spread], **changes)
    rows += cell("do-nothing", [0.02 + one for one in spread], [0.6 + one for one in spread], **changes)
    rows += cell("ft", [0.01 + one for one in spread], [0.55 + one for one in spread], **changes)
    for rate in (0.05, 0.00125):
        params = {"lr": rate, "batch_size": 128}
        ones = [run("msg", seed, params=params, scores=_scores(seed), **changes) for seed in range(5)]
        rows += [*ones, *(attack(one, 0.52 + spread[seed]) for seed, one in enumerate(ones))]
    return rows


def _scores(seed: int) -> dict[str, float]:
    return {"RA": 0.95, "FA": 0.8 + 0.01 * seed, "VA": 0.85, "TA": 0.86 - 0.01 * seed}


def _id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _card() -> Table:
    from deepunlearn_cli.cli.methods import card

    return card(METHODS.get("ft"))


def _audit() -> Table:
    kind = ATTACKS.needed("umia")
    about = {
        "dataset": "digits",
        "model": "resnet-tiny",
        "forget_label": "random:0.1",
        "source": "",
        "seed": 0,
    }
    counts = {"n": 140, "n_forget": 144, "n_unseen": 360, "left_out": 0, "class_matched": False}
    rows = []
    for method, verdict in (("ft", "INCONCLUSIVE"), ("retrain", None), ("do-nothing", None)):
        scores = dict.fromkeys((score.name for score in kind.columns), 0.53)
        ends = {f"{score.name}_{end}": 0.5 for score in kind.columns for end in ("low", "high")}
        answer = {
            "verdict": verdict,
            "uninformative": bool(verdict),
            "gap": 0.021,
            "gap_low": -0.03 if verdict else None,
            "gap_high": 0.072,
            "reference": "retrained" if verdict else None,
        }
        rows.append({**about, "method": method, "target": _id(method), **counts, **ends, **scores, **answer})
    return audits.audit_table(rows, kind.name(), kind().heading(), kind.columns)


def _studies() -> list[dict[str, Any]]:
    return [
        {
            "study": f"{method}-3f9c0000aa11bb2{number}",
            **PLACE,
            "method": method,
            "sampler": "tpe",
            "seed": 0,
            "trials": 100,
            "failed": number,
            "searched": 0.0123,
            "confirmed": 0.0345,
            "confirmed_sd": 0.0021,
            "state": "complete",
        }
        for number, method in enumerate(("msg", "nablatau"))
    ]


if __name__ == "__main__":
    folder = Path(__file__).parent / "cli" / "golden"
    folder.mkdir(exist_ok=True)
    for width in WIDTHS:
        (folder / f"{width}.txt").write_text(page(width), "utf-8")
