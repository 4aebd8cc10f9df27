"""Several runs at a time: the same runs as one at a time, inputs first, whatever becomes of the workers."""

from __future__ import annotations

import os
import signal
import tempfile
from contextlib import nullcontext
from pathlib import Path

import pytest
import tiny
from cli_kit import LONG, TRAIN, call, ok, refused, running, until

from deepunlearn_cli import data
from deepunlearn_cli.core.errors import RunFailed
from deepunlearn_cli.core.recipe import Recipe
from deepunlearn_cli.execution import recipes
from deepunlearn_cli.execution.forgetting import forget_for
from deepunlearn_cli.execution.pool import PoolRunner, _Batch
from deepunlearn_cli.execution.runner import Outcome, Reporter, Runner, Step
from deepunlearn_cli.store import Run, Store
from deepunlearn_cli.system.locks import hold

EPOCH = {"epochs": 1, "batch_size": 256}
DIVERGING = {"epochs": 400, "lr": 0.1, "weight_decay": 0.0, "batch_size": 64}
SEEDS = ("train", "--dataset", "digits", "--model", "resnet-tiny", "--seeds", "0-3")


class Notes(Reporter):
    """Remembers what it was told, in order."""

    def __init__(self) -> None:
        self.count, self.said, self.failures = 0, [], []
        self.at_work: set[str] = set()
        self.moved: set[str] = set()

    def planned(self, count: int) -> None:
        self.count = count

    def started(self, recipe: Recipe) -> None:
        self.at_work.add(recipe.key)

    def progress(self, done: float, total: float, text: str, recipe: Recipe | None = None) -> None:
        assert recipe is None or recipe.key in self.at_work
        self.moved.add(recipe.key if recipe else "")

    def stopped(self, recipe: Recipe) -> None:
        self.at_work.remove(recipe.key)

    def finished(self, run: Run, made: bool) -> None:
        self.said.append((run.id, made))

    def failed(self, recipe: Recipe, failure: RunFailed) -> None:
        self.failures.append((recipe.key, failure.message))


def batch(root: Path) -> tuple[Store, list[Recipe]]:
    """Attacks on methods on originals of two seeds, one method that diverges, and one attack on it."""
    store = Store.open(root, create=True)
    runner = Runner(store, "cpu")
    digits = data.open_dataset("digits", store.data)
    scene = recipes.Scene(digits, "resnet-tiny", data.VAL_SHARE, data.SPLIT_SEED)
    forget = forget_for(scene.data, digits, "random:0.1", runner)
    starts = [recipes.original(scene, EPOCH, seed) for seed in (0, 1)]
    models = [recipes.unlearned(start, "ft", forget, EPOCH) for start in starts]
    bad = recipes.unlearned(starts[0], "ga", forget, DIVERGING)
    return store, [*models, bad, *(recipes.attack(one, "umia") for one in [*models, bad]), models[0]]


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> tuple[Store, list[Recipe], Notes, Outcome]:
    """The batch as one runner makes it, on one thread."""
    import torch

    torch.set_num_threads(1)
    store, recipes = batch(tmp_path_factory.mktemp("pool") / "alone")
    notes = Notes()
    return store, recipes, notes, Runner(store, "cpu", notes).ensure_all(recipes)


def test_a_pool_does_what_one_runner_does(tmp_path, alone) -> None:
    """Runs, bits, scores, failures, their order and their messages; at the same number of threads."""
    _, recipes, expected, reference = alone
    together, _ = batch(tmp_path / "together")
    notes = Notes()
    outcome = PoolRunner(together, "cpu", notes, 2).ensure_all(recipes)
    assert [run.id for run in outcome.runs] == [run.id for run in reference.runs]
    assert len(outcome.runs) == 5
    assert [r.key for r, _ in outcome.failures] == [r.key for r, _ in reference.failures]
    assert [str(f) for _, f in outcome.failures] == [str(f) for _, f in reference.failures]
    assert notes.failures == expected.failures
    assert len(notes.failures) == 2, "the method and the attack on it"
    assert notes.count == expected.count == 8
    assert sorted(key for key, made in notes.said if made) == sorted(
        key for key, made in expected.said if made
    )
    assert not notes.at_work
    for mine, theirs in zip(outcome.runs, reference.runs, strict=True):
        assert mine.scores == theirs.scores
        assert mine.facts.get("threads") == theirs.facts.get("threads")
        if mine.recipe.kind == "unlearn":
            assert tiny.same(mine.weights(), theirs.weights())
    place = {key: number for number, (key, made) in enumerate(notes.said) if made}
    for run in outcome.runs:
        assert all(place[needed.key] < place[run.id] for needed in run.recipe.inputs.values())
    assert together.verify() == []
    assert together.leftovers() == []


def test_a_batch_that_is_there_needs_no_worker(alone, monkeypatch) -> None:
    store, recipes, _, reference = alone
    notes, expected = Notes(), Notes()
    monkeypatch.setattr("deepunlearn_cli.system.processes.ProcessPool.start", None)
    outcome = PoolRunner(store, "cpu", notes, 2).ensure_all(recipes)
    again = Runner(store, "cpu", expected).ensure_all(recipes)
    assert outcome.runs == again.runs == reference.runs
    assert [str(f) for _, f in outcome.failures] == [str(f) for _, f in again.failures]
    assert notes.said == list(dict.fromkeys(expected.said)), "what was asked for twice is told once"
    assert notes.failures == expected.failures
    assert notes.count == expected.count


def workers_of(parent: int) -> list[int]:
    """Process ids of the workers below a process (and not of multiprocessing's resource tracker)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            is_child = int(stat.read_text().rpartition(")")[2].split()[1]) == parent
            if is_child and b"spawn_main" in stat.with_name("cmdline").read_bytes():
                found.append(int(stat.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


@pytest.mark.slow
def test_a_killed_worker_costs_one_run(tmp_path) -> None:
    store = tmp_path / "store"
    words = (*SEEDS[:-1], "0-1", "-p", "epochs=60", "--jobs", "2", "--store", store)
    with running(*words, cwd=tmp_path) as child:
        until(lambda: len(list(store.glob("runs/*/.*.lock"))) == 2)
        os.kill(workers_of(child.process.pid)[0], signal.SIGKILL)
        said = child.wait()
    assert said.code == 6, said
    assert len(said.lines) == 1
    assert "worker process was killed" in said.err
    assert "fewer --jobs" in said.err
    assert call("verify", "--store", store).code == 0
    assert ok("runs", "--store", store).lines == said.lines


def training(pid: int) -> bool:
    """Whether a process is inside the clock of a run."""
    return any(Path(tempfile.gettempdir()).glob(f"deepunlearn-busy-*/{pid}-*"))


@pytest.mark.parametrize(
    ("number", "code", "early"),
    [(signal.SIGINT, 130, False), (signal.SIGTERM, 143, True), (signal.SIGKILL, None, False)],
)
def test_stopping_a_pool_leaves_no_orphan_and_no_half_run(tmp_path, number, code, early) -> None:
    """`early`: while the workers still load their libraries."""
    store = tmp_path / "store"
    words = (*LONG, "--seeds", "0-3", "--jobs", "2", "--store", store)
    with running(*words, cwd=tmp_path) as child:
        until(lambda: len(list(store.glob("runs/*/.*.lock"))) == 2)
        workers = workers_of(child.process.pid)
        assert len(workers) == 2
        until(lambda: early or all(training(pid) for pid in workers))
        child.send(number)
        if code is None:
            child.process.join()
        else:
            said = child.wait()
            assert said.code == code, said
            assert said.out == ""
            assert "Traceback" not in said.err
            assert [line.split(":")[0] for line in said.err.splitlines()[-2:]] == ["error", "hint"]
        until(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in workers))
    assert not list(store.glob("runs/*/.*")), "something was left behind"
    assert ok("runs", "--store", store).lines == []


@pytest.mark.parametrize("held", [False, True], ids=["killed", "another process makes it"])
def test_what_a_killed_worker_held_is_let_go_of(tmp_path, held, monkeypatch) -> None:
    """A worker that loads a library may not hear in time that it is to stop."""
    store = Store.open(tmp_path / "store", create=True)
    recipe = Recipe("train", "original")
    left = store.runs / recipe.key[:2] / f".{recipe.key}-1-abcd"
    lock = left.with_name(f".{recipe.key}.lock")
    left.mkdir(parents=True)
    runner = PoolRunner(store, "cpu", None, 2)

    def killed(batch, pool, workers) -> None:
        batch.running[1] = recipe
        lock.touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(_Batch, "make", killed)
    monkeypatch.setattr(PoolRunner, "pool", lambda *_: nullcontext())
    with hold(lock) if held else nullcontext(), pytest.raises(KeyboardInterrupt):
        runner.made_by(2, [recipe], [Step(recipe, "make")])
    assert left.exists() == held
    assert not lock.exists()


@pytest.mark.parametrize("jobs", ["0", "-3", "two", "1.5"])
@pytest.mark.parametrize("words", [TRAIN, ("bench", "quick"), ("unlearn", "--method", "ft", "--ckpt", "abcd"),
                                   ("attack", "umia", "abcd")], ids=lambda words: words[0])  # fmt: skip
def test_bad_numbers_of_jobs(tmp_path, words, jobs) -> None:
    said = call(*words, "--jobs", jobs, "--store", tmp_path / "store")
    assert said.code == 2, said
    assert "--jobs" in said.err
    assert not (tmp_path / "store" / "runs").exists()


def test_jobs_come_from_the_environment_too(tmp_path) -> None:
    line = refused(*TRAIN, "--store", tmp_path / "store", env={"DEEPUNLEARN_JOBS": "0"}, code=2)
    assert "--jobs 0" in line
