"""SSD on digits, trained as the demonstration trains them: what it selects must not cost what is retained."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
import pytest
import tiny
import torch
from torch import nn

from deepunlearn_cli import unlearn
from deepunlearn_cli.engine.device import streams
from deepunlearn_cli.engine.pictures import Pictures, Pixels
from deepunlearn_cli.engine.predict import error
from deepunlearn_cli.engine.task import Task
from deepunlearn_cli.methods import METHODS
from deepunlearn_cli.methods.retrain import Retrain
from deepunlearn_cli.models import Shape, build

TRAINING, TEST = 1222, 360
MOST_LOST = 0.02  # of test accuracy: with the forgotten left out of the last batch it was up to 0.16


@cache
def pixels() -> Pixels:
    from sklearn.datasets import load_digits

    raw = load_digits()
    images = np.rint(raw.images * (255 / 16)).astype(np.uint8)[..., None]
    return Pixels(images, raw.target, tiny.CPU, mean=(0.5,), std=(0.5,))


def fresh(seed: int, stream: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build("resnet-tiny", Shape(10, 1, 8))


def task(seed: int, forget: int) -> Task:
    order, stream = np.random.RandomState(seed).permutation(1797), streams(seed)
    ends = np.split(order[: TRAINING + TEST], [TRAINING - forget, TRAINING])
    parts = {
        name: Pictures(pixels(), where, order=stream(f"order/{name}"), moves=stream(f"augment/{name}"))
        for name, where in zip(("retain", "forget", "test"), ends, strict=True)
    }
    return Task(parts, device=tiny.CPU, stream=stream, fresh=partial(fresh, seed), classes=10)


@cache
def original(seed: int) -> nn.Module:
    whole = task(seed, 61)
    whole.parts["retain"] = whole.train
    return unlearn(nn.Module(), Retrain.build({"epochs": 30, "batch_size": 64}), whole)


@pytest.mark.slow
@pytest.mark.parametrize("forget", [61, 122])
@pytest.mark.parametrize("seed", range(5))
def test_it_costs_no_test_accuracy(seed: int, forget: int) -> None:
    given = task(seed, forget)
    before = error(original(seed), given.parts["test"], given)
    after = error(unlearn(original(seed), METHODS.get("ssd")(), given), given.parts["test"], given)
    assert before < 0.05
    assert after < before + MOST_LOST
