"""Tables of models from elsewhere whose training was said anew: which setting their runs are of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from deepunlearn_cli.core.recipe import RETRAIN

if TYPE_CHECKING:
    from deepunlearn_cli.core.rows import IndexRow
    from deepunlearn_cli.store import Store


def settings(rows: Sequence[IndexRow], store: Store) -> dict[str, str]:
    """By run id, the setting that follows from what was said last of the weights that it goes back to.

    Only of runs of which something else was said when they were made; a retrained model that the user brought
    for such a one goes with it.
    """
    last = _said_last(rows, store)
    if not last:
        return {}
    targets = {row["id"]: row["target"] for row in rows}
    old = {row["setting"]: last[row["id"]] for row in rows if row["id"] in last}
    found = {}
    for row in rows:
        if (root := _root(row["id"], targets)) in last:
            found[row["id"]] = last[root]
        elif (row["kind"], row["name"]) == ("checkpoint", RETRAIN) and row["setting"] in old:
            found[row["id"]] = old[row["setting"]]
    return found


def _said_last(rows: Sequence[IndexRow], store: Store) -> dict[str, str]:
    """By id of a checkpoint, the setting of what was said of its weights since, where that is another."""
    from deepunlearn_cli.execution import references

    ours = [row for row in rows if (row["kind"], row["name"]) == ("checkpoint", references.CHECKPOINT)]
    shared = Counter(row["params"].get("sha256") for row in ours)
    found = {}
    for row in ours:
        run = store.get(row["id"]) if shared[row["params"].get("sha256")] > 1 else None
        last = references.said_last(run.recipe, store) if run else None
        if last and last.setting != row["setting"]:
            found[row["id"]] = last.setting
    return found


def _root(run: str, targets: Mapping[str, str | None]) -> str:
    """The run that a run goes back to, as far as the store has the way."""
    while before := targets.get(run):
        run = before
    return run
