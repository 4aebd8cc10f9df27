"""The audit on the page of a request: its figures beside their controls, and why it ended as it did."""

from __future__ import annotations

from deepunlearn_cli.reporting.meaning import (
    BEST,
    FIGURES,
    UNINFORMATIVE,
    decided,
    figure_of,
    measured,
    number,
    settled_by,
    side_of,
)
from deepunlearn_cli.reporting.page_style import listed, table, text
from deepunlearn_cli.reporting.table import UNKNOWN, Row

AT_BEST = ", each model's; the gap where two differ most"


def audit_section(title: str, at: str, row: Row) -> str:
    """What an attack found: every figure beside its controls, what decided, what would settle it."""
    sizes = f"{row['n_forget']:,} deleted pictures against {row['n_unseen']:,} that the model never saw"
    against = {
        "retrained": "compared with a model of the same seed that was trained without them",
        "holdout": "compared with guessing, for want of a retrained model",
        "guessing": "compared with guessing, as was asked",
    }[row["reference"]]
    when = f", {at}" if at else ""
    return "\n".join(
        [
            "<h2>What an attack finds</h2>",
            f"<p>{text(f'{title}{when}: {sizes}; {against}.')}</p>",
            f'<div class="wide">{_figures(row)}</div>',
            f"<p>{text(_reason(row))}</p>",
            listed(_cures(row)),
        ]
    )


def who_would_pass(row: Row) -> str:
    """Who would have passed: what the same rule says of the model before."""
    if row["uninformative"]:
        return f"But {UNINFORMATIVE}."
    if row["do_nothing"] is None:
        return "Whether the model before, unchanged, would have passed too is not known."
    if row["do_nothing"] == "PASS":
        return "The model before, unchanged, would have passed."
    return f"The model before, unchanged, would not have passed: it gets {row['do_nothing']}."


def _reason(row: Row) -> str:
    one = decided(row)
    if one is None or one["gap_low"] is None or row["few"]:
        return "There are too few pictures for an answer."
    side = f" So {side_of(one['metric'], one['gap'])}." if row["verdict"] == "FAIL" else ""
    claim = " A guarantee of the method was found broken." if (row["claim"] or {}).get("broken") else ""
    return f"What decided: {measured(row, nothing='model before')}.{side}{claim}"


def _cures(row: Row) -> list[str]:
    return settled_by(row) if row["verdict"] == "INCONCLUSIVE" else []


def _figures(row: Row) -> str:
    """Every figure of the model, its control and the model before, the gap and what is allowed."""
    control = "retrained" if row["reference"] == "retrained" else "guessing"
    heads = ["figure", "this model", control, "model before", "gap (90 %)", "allowed", "answer"]
    lines = []
    for one in row["figures"]:
        nothing = figure_of(row.get("do_nothing_figures") or (), one["metric"])
        ends = (
            UNKNOWN
            if one["gap_low"] is None
            else f"{one['gap']:+.3f} ({one['gap_low']:+.3f} to {one['gap_high']:+.3f})"
        )
        before = number(nothing["value"] if nothing else None)
        name = FIGURES.get(one["metric"], one["metric"]) + (AT_BEST if one["metric"] == BEST else "")
        told = [name, number(one["value"]), number(one["control"]), before, ends, f"±{one['limit']:g}"]
        lines.append([*told, one["verdict"]])
    return table(heads, lines)
