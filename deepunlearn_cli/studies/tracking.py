"""Runs of the store in MLflow, written afterwards: nothing is tracked while a method runs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.extras import need
from deepunlearn_cli.core.room import is_full, room_for
from deepunlearn_cli.core.shared import Progress
from deepunlearn_cli.reporting.flat import CurveRow, curve_rows, run_row
from deepunlearn_cli.store import Run, Store

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from deepunlearn_cli.core.rows import IndexRow

ID = "deepunlearn.id"  # the tag by which a run is known, so that it is not written twice
EMPTY = 1 << 20  # bytes of MLflow's database with nothing in it, about
MOST = 1000  # metrics that MLflow takes at a time
STATES = {"done": "FINISHED", "failed": "FAILED"}


def address(where: str) -> str:
    """What MLflow writes to: an address as it is, of a folder (made if missing) the SQLite file in it."""
    if "://" in where:
        return where
    folder = Path(where).expanduser().resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if not (file := folder / "mlflow.db").exists():
        _begin(file)
    return f"sqlite:///{file}"


def _begin(file: Path) -> None:
    """MLflow's empty database, which is there whole or not at all: MLflow refuses half of one for good."""
    from mlflow.tracking import MlflowClient

    draft = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with room_for(file, EMPTY):
            MlflowClient(tracking_uri=f"sqlite:///{draft}").search_experiments(max_results=1)
        draft.replace(file)
    finally:
        for left in file.parent.glob(f"{draft.name}*"):
            left.unlink()


def check_installed() -> None:
    """Raises `UsageFailure` where MLflow is not installed."""
    need("mlflow", "mlflow", "--to mlflow needs")


def log_all(store: Store, rows: Sequence[IndexRow], where: str, progress: Progress) -> tuple[int, int]:
    """Write runs with their curves, an experiment per dataset, model and forget set.

    Args:
        where: a folder, or an address that MLflow takes (`sqlite:///...`, `http://...`).

    Returns:
        How many were written, and how many were there.

    Raises:
        UsageFailure: MLflow cannot write there.
    """
    from mlflow.exceptions import MlflowException

    try:
        client = _client(where)
        experiments = {name: _experiment(client, name, where) for name in sorted({*map(_pair, rows)})}
        known = {name: _known(client, number) for name, number in experiments.items()}
        fresh = [row for row in rows if row["id"] not in known[_pair(row)]]
        for done, row in enumerate(fresh, start=1):
            _log(client, experiments[_pair(row)], row, store)
            progress(done, len(fresh), "exporting")
    except (MlflowException, OSError) as error:
        if is_full(error):
            raise
        text = str(error).splitlines()[0]
        raise UsageFailure(f"MLflow cannot write to {where}: {text}", "name another place") from None
    return len(fresh), len(rows) - len(fresh)


def _client(where: str) -> MlflowClient:
    import logging

    from mlflow.tracking import MlflowClient

    logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells of every table that it makes
    return MlflowClient(tracking_uri=address(where))


def _pair(row: IndexRow) -> str:
    return f"{row['dataset']} {row['model']} {row['forget_label'] or ''}".strip()


def _experiment(client: MlflowClient, name: str, where: str) -> str:
    """The number of an experiment, made if missing; with a folder, files of its runs belong there too."""
    if found := client.get_experiment_by_name(name):
        return str(found.experiment_id)
    files = None if "://" in where else (Path(where).expanduser().resolve() / "artifacts").as_uri()
    return str(client.create_experiment(name, artifact_location=files))


def _known(client: MlflowClient, experiment: str) -> set[str]:
    """Ids of the finished runs of an experiment: one that was killed on the way is written again."""
    ids, token = set(), None
    while True:
        page = client.search_runs([experiment], max_results=MOST, page_token=token)
        ids |= {run.data.tags.get(ID, "") for run in page if run.info.status in STATES.values()}
        if not (token := page.token):
            return ids


def _log(client: MlflowClient, experiment: str, row: IndexRow, store: Store) -> None:
    flat = run_row(row)
    start = int((row["created"] or 0) * 1000)  # ms since 1970
    tags = {ID: row["id"], "kind": row["kind"], "setting": row["setting"], "target": row["target"]}
    name = f"{row['name']} seed {row['seed']}"
    made = client.create_run(experiment, start_time=start, tags=tags, run_name=name)
    number = made.info.run_id
    for key, value in (("seed", row["seed"]), ("name", row["name"]), *row["params"].items()):
        client.log_param(number, key, value)
    curves = curve_rows(row["id"], Run(row["id"], store.place(row["id"])).log())
    for batch in _batches(_metrics(flat, curves, start)):
        client.log_batch(number, metrics=batch)
    client.set_terminated(number, STATES[row["status"]], end_time=start + int(1000 * (row["seconds"] or 0)))


def _metrics(flat: dict[str, Any], curves: Iterable[CurveRow], time: int) -> list[Any]:
    from mlflow.entities import Metric

    figures = {name.partition(".")[2]: value for name, value in flat.items() if name.startswith("score.")}
    figures |= {name: flat[f"fact.{name}"] for name in ("seconds", "work")}
    numbers = {name: value for name, value in figures.items() if isinstance(value, (int, float))}
    final = [Metric(name, float(value), time, 0) for name, value in numbers.items()]
    return final + [Metric(f"curve.{one['name']}", one["value"], time, one["step"]) for one in curves]


def _batches(metrics: list[Any]) -> Iterable[list[Any]]:
    return (metrics[start : start + MOST] for start in range(0, len(metrics), MOST))
