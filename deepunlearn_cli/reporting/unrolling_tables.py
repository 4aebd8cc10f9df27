"""The study of Unrolling SGD in tables: e against v over steps and across runs, and what gamma buys.

Source: Thudi et al. 2022, Unrolling SGD (arXiv 2109.13398).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from deepunlearn_cli.reporting.columns import spread_text
from deepunlearn_cli.reporting.spreads import spread
from deepunlearn_cli.reporting.table import UNKNOWN, Column, Fields, Row, Table, field_column

Rows = Sequence[Row]

SETTING = ("dataset", "model", "pretrain", "lr", "gamma")
LAST = ("v", "v_amnesiac", "v_original", "sigma", "e")  # read after the last step
LEAST = 3  # points of a correlation


def pearson(x: Sequence[float], y: Sequence[float]) -> float:
    """Correlation of two series; NaN for fewer than three points, or where one does not vary."""
    if len(x) < LEAST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    return float(np.corrcoef(x, y)[0, 1])


def spearman(x: Sequence[float], y: Sequence[float]) -> float:
    """Correlation of the ranks, ties at their mean rank."""
    from scipy.stats import rankdata

    return pearson(rankdata(x).tolist(), rankdata(y).tolist())


def unrolling_tables(runs: Rows) -> list[Table]:
    """Three tables: by setting, across runs, and by gamma against none.

    `runs` are rows of `unrolling.rows`: settings, `TA`, `TA_retrained`, and `readings` over steps.
    """
    return [_by_setting(runs), _across(runs), _by_gamma(runs)]


def _by_setting(runs: Rows) -> Table:
    rows = [_setting(group) for group in _grouped(runs, SETTING)]
    columns = [
        *_setting_columns(runs, ("lr", "gamma")),
        Column("runs", lambda row: str(row["n"]), right=True),
        _spread_column("TA", "TA", 1, 100),
        Column("v", _with_deviation, right=True),
        *(_mean_column(name, title) for name, title in HEADERS.items()),
        _spread_column("r", "r(e,v)", 2),
    ]
    notes = [
        "v: |w - w_retrained| of Single-grad, v amn. of Amnesiac, v orig. of the original (do nothing); "
        "sigma, e: top Hessian eigenvalue (its mean over training) and unlearning error; means over seeds; "
        "start: new weights, or so many epochs of training on everything",
        "r(e,v): Pearson over the steps of a run, which is high for any two things that grow from 0 "
        "(--json: Spearman, and the same against v of the original)",
        _reading(rows),
    ]
    return Table("deepunlearn.unrolling.setting/1", "Unrolling SGD by setting", columns, rows, notes)


HEADERS = {"v_amnesiac": "v amn.", "v_original": "v orig.", "sigma": "sigma", "e": "e"}


def _setting(group: Rows) -> Fields:
    errors = [name for name in group[0]["readings"][-1] if name == "e" or name.startswith("e_")]
    last = {name: [(run["id"], run["readings"][-1][name]) for run in group] for name in (*LAST, *errors)}
    scores = {name: [(run["id"], run[name]) for run in group] for name in ("TA", "TA_retrained")}
    over = {name: [(run["id"], how(run)) for run in group] for name, how in OVER_STEPS.items()}
    figures = {**last, **scores, **over}
    spreads = {k: value for name, ones in figures.items() for k, value in spread(ones).fields(name).items()}
    return {name: group[0][name] for name in SETTING} | {"n": len(group)} | spreads


def _over_steps(measure: Callable[..., float], against: str) -> Callable[[Row], float]:
    def correlation(run: Row) -> float:
        return measure(*([reading[name] for reading in run["readings"]] for name in ("e", against)))

    return correlation


OVER_STEPS = {
    "r": _over_steps(pearson, "v"),
    "rho": _over_steps(spearman, "v"),
    "r_original": _over_steps(pearson, "v_original"),
    "rho_original": _over_steps(spearman, "v_original"),
}


def _reading(rows: Sequence[Row]) -> str:
    worse = sum(row["v_mean"] > row["v_original_mean"] for row in rows)
    known = [row["r_mean"] for row in rows if math.isfinite(row["r_mean"])]
    span = f"mean r {min(known):.2f} to {max(known):.2f}; " if known else ""
    return (
        f"in short: over steps {span}Single-grad ends farther from the retrained model than the original "
        f"itself in {worse} of {len(rows)} settings"
    )


def _across(runs: Rows) -> Table:
    """Correlations of final readings over runs: all of a pair and start, and those of one learning rate."""
    whole = _grouped(runs, ("dataset", "model", "pretrain"))
    single = _grouped(runs, ("dataset", "model", "pretrain", "lr"))
    rows = [_correlated(group, None) for group in whole]
    rows += [_correlated(group, group[0]["lr"]) for group in single]
    columns = [
        *_setting_columns(runs, ()),
        Column("lr", lambda row: "all" if row["lr"] is None else f"{row['lr']:g}", right=True),
        Column("runs", lambda row: str(row["n"]), right=True),
        *(_number_column(name, title) for name, title in CORRELATIONS.items()),
    ]
    notes = [
        "final e against final v over runs that differ in seed, gamma (and lr): Pearson r, Spearman rho; "
        "lr^1: e with the first power of the learning rate; v orig.: the original's own distance"
    ]
    return Table("deepunlearn.unrolling.across/1", "e against v across runs", columns, rows, notes)


CORRELATIONS = {
    "r": "r(e,v)",
    "rho": "rho(e,v)",
    "r_power1": "r lr^1",
    "rho_power1": "rho lr^1",
    "r_original": "r(e,v orig.)",
    "rho_original": "rho(e,v orig.)",
}


def _correlated(group: Rows, lr: float | None) -> Fields:
    last = [run["readings"][-1] for run in group]
    column = {name: [one[name] for one in last] for name in ("e", "e_power1", "v", "v_original")}
    named = {name: group[0][name] for name in ("dataset", "model", "pretrain")}
    row = named | {"lr": lr, "n": len(group), "runs": [run["id"] for run in group]}
    for name, measure in (("r", pearson), ("rho", spearman)):
        row[name] = measure(column["e"], column["v"])
        row[f"{name}_power1"] = measure(column["e_power1"], column["v"])
        row[f"{name}_original"] = measure(column["e"], column["v_original"])
    return row


def _by_gamma(runs: Rows) -> Table:
    """What a penalty changes against none, seed by seed."""
    rows = []
    for group in _grouped(runs, ("dataset", "model", "pretrain", "lr")):
        plain = {run["seed"]: run for run in group if run["gamma"] == 0}
        rows += [_gain(one, plain) for one in _grouped(group, SETTING) if one[0]["gamma"] and plain]
    columns = [
        *_setting_columns(runs, ("lr", "gamma")),
        _spread_column("dTA", "dTA", 1, 100),
        *(_spread_column(name, title, 2) for name, title in GAINS.items()),
        Column("v lower", lambda row: f"{row['lower']}/{row['n']}", right=True),
    ]
    lower = sum(row["v_mean"] < 1 for row in rows)
    both = sum(row["v_mean"] < 1 and row["e_mean"] < 1 for row in rows)
    notes = [
        "against gamma 0 of the same seed: test accuracy in points, the others as ratios (below 1 is lower)",
        f"in short: the penalty lowers mean v in {lower} and both v and e in {both} of {len(rows)} settings",
    ]
    return Table("deepunlearn.unrolling.gamma/1", "What the SD penalty changes", columns, rows, notes)


GAINS = {"v": "v", "v_amnesiac": "v amn.", "v_original": "v orig.", "sigma": "sigma", "e": "e"}


def _gain(penalised: Rows, plain: Mapping[int, Row]) -> Fields:
    pairs = [(run, plain[run["seed"]]) for run in penalised if run["seed"] in plain]
    ratios = {
        name: [(run["id"], run["readings"][-1][name] / one["readings"][-1][name]) for run, one in pairs]
        for name in GAINS
    }
    figures = {"dTA": [(run["id"], run["TA"] - one["TA"]) for run, one in pairs], **ratios}
    spreads = {k: value for name, ones in figures.items() for k, value in spread(ones).fields(name).items()}
    lower = sum(ratio < 1 for _, ratio in ratios["v"])
    return {name: penalised[0][name] for name in SETTING} | {"n": len(pairs), "lower": lower} | spreads


def _grouped(runs: Rows, names: Sequence[str]) -> list[list[Row]]:
    """Runs by what they share in these settings, in order."""
    groups: dict[tuple[object, ...], list[Row]] = {}
    for run in sorted(runs, key=lambda run: (*(run[name] for name in SETTING), run["seed"])):
        groups.setdefault(tuple(run[name] for name in names), []).append(run)
    return list(groups.values())


def _setting_columns(runs: Rows, names: Sequence[str]) -> list[Column]:
    """The settings that tell rows apart; dataset and model only where there are several."""
    several = [name for name in ("dataset", "model") if len({run[name] for run in runs}) > 1]
    texts = [field_column(name) for name in several]
    start = Column("start", lambda row: f"{row['pretrain']} ep" if row["pretrain"] else "new")
    return [*texts, start] + [
        Column(name, lambda row, name=name: f"{row[name]:g}", right=True)  # type: ignore[misc]
        for name in names
    ]


def _spread_column(name: str, title: str, digits: int, scale: float = 1) -> Column:
    return Column(title, lambda row: spread_text(row, name, digits, scale), right=True)


def _mean_column(name: str, title: str) -> Column:
    """A mean to three digits; --json has its deviation."""
    return Column(title, lambda row: f"{row[f'{name}_mean']:.3g}", right=True)


def _with_deviation(row: Row) -> str:
    """The mean v and its deviation to three digits, below 0.1 to two: tables fit 100 columns."""
    mean = row["v_mean"]
    size = math.floor(math.log10(mean)) if 0 < mean < math.inf else 0
    return spread_text(row, "v", max(0, (2 if size >= -1 else 1) - size))


def _number_column(name: str, title: str) -> Column:
    return Column(title, lambda row: UNKNOWN if math.isnan(row[name]) else f"{row[name]:.2f}", right=True)
