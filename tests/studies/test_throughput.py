"""What a plan takes by pictures per second: counted from declared work, on any dataset, on several cards."""

from __future__ import annotations

import pytest
from cli_kit import call, ok, small_npz

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.execution.pool import _Batch
from deepunlearn_cli.execution.runner import Runner
from deepunlearn_cli.studies import plan_file as plans
from deepunlearn_cli.studies.bench import Bench
from deepunlearn_cli.studies.throughput import read

PLAN = """
datasets = ["cifar10"]
models = ["resnet-tiny"]
methods = ["ft", "do-nothing", "retrain"]
seeds = "0-1"
[training]
epochs = 2
[params.ft]
epochs = 1
"""


def told(*words):
    """Rows of the kinds, and of the pairs."""
    rows = ok("bench", *words, "--dry-run", "--json").json
    kinds = {row["kind"]: row for row in rows if "kind" in row}
    return kinds, [row for row in rows if "seconds_on_cards" in row]


def test_pictures_are_counted_part_by_part_from_declared_work(tmp_path):
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN)
    kinds, (pair,) = told(plan, "--throughput", "1000", "--store", tmp_path / "store")
    assert kinds["originals"]["pictures"] == 2 * 2 * 42_500
    assert kinds["retrained"]["pictures"] == pytest.approx(2 * 2 * 38_250)
    assert kinds["models"]["pictures"] == pytest.approx(2 * 38_250)
    assert kinds["do nothing"]["pictures"] == 0
    assert kinds["models"]["evaluated"] == 2 * 60_000 / 3, "each looks at all pictures once, forward only"
    assert kinds["originals"]["seconds"] == pytest.approx((2 * 2 * 42_500 + 2 * 20_000) / 1000)
    total = sum(row["pictures"] + row["evaluated"] for row in kinds.values())
    assert pair["pictures"] == pytest.approx(total)
    assert pair["seconds"] == pytest.approx(total / 1000)


def test_the_prediction_counts_what_runs_then_count(tmp_path):
    """Pictures of the forecast against samples that the runs' own counters saw."""
    plan, store = tmp_path / "plan.toml", tmp_path / "store"
    spec = small_npz(tmp_path / "some.npz")
    plan.write_text(PLAN.replace("cifar10", spec).replace("[training]", "tables = []\n[training]"))
    kinds, _ = told(plan, "--throughput", "1000", "--store", store)
    ok("bench", plan, "--store", store)
    rows = ok("runs", "--store", store, "--json").json
    for kind, name in (("originals", "original"), ("retrained", "retrain"), ("models", "ft")):
        made = [row for row in rows if row["name"] == name and row["kind"] in ("train", "unlearn")]
        counted = 170 * sum(row["work"] for row in made)  # of 200 pictures 30 are for validation
        assert kinds[kind]["pictures"] == pytest.approx(counted, rel=0.02)
    after, _ = told(plan, "--throughput", "1000", "--store", store)
    assert sum(row["pictures"] for row in after.values()) == 0


def test_an_original_of_which_nothing_is_to_be_made_is_not_to_be_made(tmp_path):
    """In a second sitting there are figures, and no weights of originals."""
    plan, spec = tmp_path / "plan.toml", small_npz(tmp_path / "some.npz")
    plan.write_text(PLAN.replace("cifar10", spec).replace("[training]", "tables = []\n[training]"))
    figures = tmp_path / "figures.jsonl"
    ok("bench", plan, "--store", tmp_path / "one", "--export", figures)
    second = tmp_path / "second.jsonl"
    ok("bench", plan, "--store", tmp_path / "two", "--resume-from", figures, "--export", second)
    kinds, _ = told(plan, "--throughput", "1000", "--store", tmp_path / "three", "--resume-from", second)
    assert kinds["models"]["there"] == 2
    assert sum(row["runs"] - row["there"] for row in kinds.values()) == 0


def test_trials_leave_test_pictures_out(tmp_path):
    plan = tmp_path / "plan.toml"
    plan.write_text(
        PLAN.replace("[params.ft]\nepochs = 1\n", "[sweep]\ntrials = 2\noriginals = 1\nconfirm = 0\n")
    )
    kinds, _ = told(plan, "--throughput", "1000", "--store", tmp_path / "store")
    assert kinds["search trials"]["evaluated"] == 2 * 50_000 / 3


@pytest.mark.slow
def test_the_paper_takes_hours_per_pair_by_the_throughput_of_each_model(tmp_path):
    words = ("--throughput", "resnet18=300000,tinyvit=60000", "--cards", "8", "--store", tmp_path / "store")
    _, pairs = told("paper", *words)
    hours = {(row["dataset"], row["model"]): row for row in pairs}
    assert len(hours) == 10
    assert all(row["seconds_on_cards"] == pytest.approx(row["seconds"] / 8) for row in pairs)
    small, large = hours["cifar10", "resnet18"], hours["cifar10", "tinyvit"]
    assert large["seconds"] == pytest.approx(5 * small["seconds"])
    assert hours["all", ""]["seconds"] == pytest.approx(
        sum(row["seconds"] for row in pairs if row["dataset"] != "all")
    )
    said = ok("bench", "paper", "--dry-run", *words)
    assert "8 cards" in said.out


@pytest.mark.slow
def test_a_dataset_of_larger_pictures_has_a_figure_of_its_own(tmp_path):
    speeds = "300000,utkface/resnet18=3000"
    _, pairs = told("paper", "--throughput", speeds, "--store", tmp_path / "store")
    of = {(row["dataset"], row["model"]): row for row in pairs}
    assert of["utkface", "resnet18"]["seconds"] == pytest.approx(of["utkface", "resnet18"]["pictures"] / 3000)
    assert of["mnist", "tinyvit"]["seconds"] == pytest.approx(of["mnist", "tinyvit"]["pictures"] / 300000)


@pytest.mark.slow
def test_a_model_without_a_figure_is_unknown_and_no_part_passes_for_the_whole(tmp_path):
    _, pairs = told("paper", "--throughput", "resnet18=300000", "--store", tmp_path / "store")
    assert {row["seconds"] is None for row in pairs if row["model"] == "tinyvit"} == {True}
    assert [row["seconds"] for row in pairs if row["dataset"] == "all"] == [None]


@pytest.mark.parametrize("text", ["", "fast", "-1", "0", "nan", "inf", "a=1,a=2", "=3", "resnet18=", "5@", "5@0", "5@2.5",
                                  "5@64,6@64", "5,6@64", "5@64,6", "a=5@64,a=6", "5@9999999", "5@" + "9" * 5000, "1e-300@64,1@256", "1e300"])  # fmt: skip
def test_what_is_no_throughput_is_refused(text):
    with pytest.raises(UsageFailure, match="throughput"):
        read(text)


def test_small_steps_take_longer_for_each_picture():
    speed = read("a=1000@100,a=500@20").of("", "a")
    assert speed
    assert speed.seconds(1000, 100) == pytest.approx(1)
    assert speed.seconds(1000, 20) == pytest.approx(2)
    assert speed.seconds(1000, 50) == pytest.approx(1000 / 50 * (0.025 + 50 * 0.00075))
    assert read("1000").of("cifar10", "a") == read("1000@64").of("", "b")


def test_a_plan_is_slower_with_small_steps(tmp_path):
    """Originals in steps of 128, the method in steps of 64: each by the speed of its own."""
    plan = tmp_path / "plan.toml"
    text = PLAN.replace("epochs = 2", "epochs = 2\nbatch_size = 128").replace("epochs = 1", "batch_size = 64")
    plan.write_text(text)
    words = ("--store", tmp_path / "store")
    kinds, _ = told(plan, "--throughput", "1000@256,500@64", *words)
    even, _ = told(plan, "--throughput", "1000@256,1000@64", *words)
    b = (256 / 1000 - 64 / 500) / 192
    a = 64 / 500 - 64 * b
    models, originals = kinds["models"], kinds["originals"]
    assert models["pictures"] == even["models"]["pictures"]
    expected = models["pictures"] / 500 + models["evaluated"] / 1000
    assert models["seconds"] == pytest.approx(expected)
    expected = originals["pictures"] * (a / 128 + b) + originals["evaluated"] / 1000
    assert originals["seconds"] == pytest.approx(expected)
    assert kinds["models"]["seconds"] > even["models"]["seconds"]


@pytest.mark.parametrize(
    "words",
    [
        ("quick", "--throughput", "1000"),
        ("quick", "--dry-run", "--cards", "2"),
        ("quick", "--dry-run", "--throughput", "resnet18=1000"),
        ("unrolling", "--dry-run", "--throughput", "1000"),
        ("paper", "--dry-run", "--dataset", "digits"),
    ],
)
def test_figures_that_would_go_unheard_are_refused(words, tmp_path):
    assert call("bench", *words, "--store", tmp_path / "store").code == 2


def test_another_dataset_takes_the_place_of_the_plans(tmp_path):
    spec = small_npz(tmp_path / "some.npz")
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN)
    kinds, _ = told(plan, "--dataset", spec, "--throughput", "1000", "--store", tmp_path / "store")
    assert kinds["originals"]["dataset"] != "cifar10"
    assert 0 < kinds["originals"]["pictures"] < 2 * 2 * 42_500


def test_the_short_cell_is_small_and_of_random_forgetting():
    plan = plans.load("cifar10-short")
    assert "delete" not in plan.method_names
    assert set(plans.load("paper").method_names) < set(plan.method_names)
    assert plan.tuning
    assert (plan.tuning.trials, plan.tuning.originals) == (20, 1)


def test_whole_seeds_come_first(tmp_path):
    """One at a time in the order of asking; several at a time a seed after another, trainings one ahead."""
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN.replace("cifar10", "digits"))
    from deepunlearn_cli.store import Store

    runner = Runner(Store.open(tmp_path / "store", create=True))
    bench = Bench(plans.load(str(plan)), runner, (0, 1), "fp32")
    wanted = bench.with_attacks(bench.judged({}))
    assert [(one.root.seed, one.kind == "attack") for one in wanted] == [
        (seed, attack) for seed in (0, 1) for _ in range(3) for attack in (False, True)
    ]
    batch = _Batch(runner, wanted, runner.plan(wanted))  # type: ignore[arg-type]
    made = []
    while (one := batch.queue.pop()) is not None:
        batch.queue.settle(one.key)
        made.append((one.root.seed, one.kind))
    models = [one for one in made if one[1] != "attack"]
    assert models[:4] == [(0, "train"), (0, "train"), (1, "train"), (1, "train")]
    rest = [seed for seed, kind in made if kind != "train"]
    assert rest == sorted(rest), "attacks of the first seed come before models of the next"
