"""Which U-MIA run a table quotes of a model, of the several that there may be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from deepunlearn_cli.core.rows import IndexRow

Kind = tuple[str, str]  # of a U-MIA: what it is against, and the feature that it looks at

PAPERS: Kind = ("test", "loss")  # the attack that ranks


def quoted_attacks(
    rows: Iterable[IndexRow], newest: Mapping[str, str | None]
) -> dict[str, dict[Kind, IndexRow]]:
    """The U-MIA run to quote of each kind, by model run: k-fold before shuffle, then the newest.

    `newest` has the forget set of models that carried out several requests: attacks on others are not quoted.
    """
    quoted: dict[str, dict[Kind, IndexRow]] = defaultdict(dict)
    for row in rows:
        asked = newest.get(row["target"], row["forget"])
        if row["name"] == "umia" and row["status"] == "done" and row["forget"] == asked:
            of_run, kind = quoted[row["target"]], _kind(row["params"])
            of_run[kind] = max(of_run[kind], row, key=_preference) if kind in of_run else row
    return quoted


def _kind(params: Mapping[str, Any]) -> Kind:
    """Figures of another feature, or against other samples, are another measure."""
    return params.get("against", PAPERS[0]), params.get("feature", PAPERS[1])


def _preference(row: IndexRow) -> tuple[bool, float, str]:
    return row["params"].get("cv") == "kfold", row["created"] or 0.0, row["id"]
