"""Passes in equal batches."""

from __future__ import annotations

import math
import statistics

import deep_kit
import pytest
import tiny
import torch
from torch import nn

from deepunlearn_cli.engine.pictures import cut
from deepunlearn_cli.methods.retrain import Retrain

TOTALS = [1, 2, 3, 15, 16, 17, 31, 32, 33, 48, 100, 255, 256, 257, 512, 513, 1222, 2052, 38_250, 42_500]
SIZES = [1, 2, 3, 7, 16, 48, 64, 128, 256, 500, 65_536]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("total", TOTALS)
def test_batches_are_as_few_as_may_be_and_equal(total: int, size: int) -> None:
    bounds = list(cut(total, size))
    sizes = [end - start for start, end in bounds]
    assert len(sizes) == math.ceil(total / size)
    assert [start for start, _ in bounds] == [0, *(end for _, end in bounds[:-1])]
    assert bounds[-1][1] == total
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True), "the larger ones come first"


def test_a_pass_over_nothing_has_no_batch() -> None:
    assert list(cut(0, 16)) == []


@pytest.mark.parametrize(("total", "size"), [(48, 16), (42_496, 256), (5, 1)])
def test_a_multiple_is_cut_as_ever(total: int, size: int) -> None:
    assert list(cut(total, size)) == [(start, start + size) for start in range(0, total, size)]


@pytest.mark.parametrize("count", [1, 2, 3, 16, 17, 33, 48])
def test_a_pass_holds_every_picture_once_in_so_many_batches_as_it_counts(count: int) -> None:
    part = tiny.part(tiny.pixels(), range(count))
    for shuffle in (True, False):
        batches = list(part.batches(16, shuffle=shuffle))
        assert [len(batch.y) for batch in batches] == [end - start for start, end in cut(count, 16)]
        assert len(batches) == part.count(16)
        positions = [position for batch in batches for position in batch.position.tolist()]
        assert sorted(positions) == list(range(count))
        assert all(batch.y.equal(part.labels[batch.position]) for batch in batches)


def test_endless_passes_are_cut_alike() -> None:
    shown = tiny.part(tiny.pixels(), range(17)).endless(8)
    assert [len(next(shown).y) for _ in range(6)] == [6, 6, 5] * 2


def test_the_first_are_the_first() -> None:
    part = tiny.part(tiny.pixels(), range(5, 25))
    assert part.first(3).indices.tolist() == [5, 6, 7]
    assert part.first(99).indices.tolist() == part.indices.tolist()
    assert part.pick(torch.tensor([2, 0])).indices.tolist() == [7, 5]


def accuracies(count: int, size: int, seeds: int, **more: float) -> list[float]:
    """Test accuracy of a model for each seed, trained on `count` pictures in batches of `size`."""
    shown = deep_kit.pixels(600, 120.0)
    found = []
    for seed in range(seeds):
        task = deep_kit.task(shown, seed, retain=range(count), val=range(600, 600 + deep_kit.TEST))
        model = Retrain.build({"lr": 0.3, "batch_size": size} | more).unlearn(nn.Module(), task)
        found.append(deep_kit.accuracy(model, task.val))
    return found


def check_that_more_pictures_do_no_harm(size: int, added: list[int], seeds: int, epochs: int) -> None:
    before = accuracies(512, size, seeds, epochs=epochs)
    spread = max(before) - min(before)
    for more in added:
        after = statistics.mean(accuracies(512 + more, size, seeds, epochs=epochs))
        assert abs(after - statistics.mean(before)) <= spread, f"{more} more: {before}, then {after}"


def test_four_more_pictures_do_no_harm() -> None:
    """In batches of 128 and a rest of 4 they cost a quarter of the accuracy."""
    check_that_more_pictures_do_no_harm(128, [4], seeds=3, epochs=8)


@pytest.mark.slow
@pytest.mark.parametrize("size", [64, 128])
def test_a_few_more_pictures_do_no_harm(size: int) -> None:
    check_that_more_pictures_do_no_harm(size, [1, 2, 4, 8], seeds=5, epochs=12)
