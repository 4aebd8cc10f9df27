"""Hyperparameters, declared once."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass

import pytest

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.fields import TRAINING_SHARE, Declared, Share, choice, flag, real, whole


@dataclass(frozen=True)
class Sample(Declared):
    lr: float = real(1e-2, 1e-5, 1e-1, log=True, zero=True, help="learning rate")
    epochs: int = whole(5, 1, TRAINING_SHARE, help="passes")
    folds: int = whole(10, 2, 100, help="folds", search=False)
    scope: str = choice("layer", ("layer", "global"), help="where")
    size: int = choice(64, (64, 128), help="pictures")
    rewind: bool = flag(False, help="go back")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("lr", "0.01", 0.01), ("lr", "1e-3", 1e-3), ("lr", "0", 0.0), ("lr", 0.1, 0.1), ("epochs", "5.0", 5),
        ("epochs", "5000", 5000), ("scope", "global", "global"), ("size", "128", 128), ("rewind", "true", True),
        ("rewind", "False", False), ("rewind", True, True),
    ],
)  # fmt: skip
def test_reads_texts_and_values(name, text, value):
    read = getattr(Sample.build({name: text}), name)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("lr", "x"), ("lr", "nan"), ("lr", "inf"), ("lr", "0.2"), ("lr", "-0.01"), ("lr", "1e-6"), ("lr", None),
        ("epochs", "5.5"), ("epochs", "0"), ("epochs", True), ("folds", 101), ("scope", "all"), ("size", "65"),
        ("rewind", "maybe"), ("rewind", 1),
    ],
)  # fmt: skip
def test_refuses_with_the_fields_name_and_the_default(name, bad):
    with pytest.raises(UsageFailure, match=f"^{name}={bad} is not") as failure:
        Sample.build({name: bad})
    assert f"-p {name}=" in failure.value.hint


def test_a_direct_construction_is_checked_too():
    with pytest.raises(UsageFailure, match="lr"):
        Sample(lr=5.0)


def test_generated_bad_values_are_refused():
    for name, domain in Sample.domains().items():
        with pytest.raises(UsageFailure, match=name):
            Sample.build({name: domain.invalid()})


def test_unknown_names_get_suggestions():
    with pytest.raises(UsageFailure, match="'epoch'") as failure:
        Sample.build({"epoch": 3})
    assert "epochs" in failure.value.hint


def test_values_are_plain_and_frozen():
    sample = Sample.build({"lr": "0.05"})
    assert sample.params() == {
        "lr": 0.05, "epochs": 5, "folds": 10, "scope": "layer", "size": 64, "rewind": False,
    }  # fmt: skip
    with pytest.raises(FrozenInstanceError):
        sample.lr = 1.0


@dataclass(frozen=True)
class Grown(Sample):
    warmup: int = whole(0, 0, 10, help="epochs", added=True)


def test_recipes_leave_an_added_field_out_at_its_default():
    assert Grown().values() == Sample().params() | {"warmup": 0}
    assert Grown().params() == Grown.build({"warmup": "0"}).params() == Sample().params()
    assert Grown(warmup=2).params() == Sample().params() | {"warmup": 2}
    assert Grown.build(Sample(lr=0.05).params()) == Grown(lr=0.05)
    assert Grown.added() == {"warmup": 0}


def test_words_for_people():
    domains = Sample.domains()
    assert domains["lr"].describe() == "a number from 1e-05 to 0.1 or 0"
    assert domains["lr"].space() == "1e-05 .. 0.1 (log)"
    assert domains["epochs"].describe() == "a whole number from 1 up"
    assert domains["epochs"].space() == "1 .. 20% of training"
    assert domains["folds"].space() == "fixed"
    assert domains["scope"].describe() == "one of layer, global"
    assert domains["rewind"].space() == "False | True"


@pytest.mark.parametrize(("epochs", "bound"), [(182, 37), (50, 10), (91, 19), (12, 3), (1, 1)])
def test_a_share_of_training_is_the_papers(epochs, bound):
    assert Share(0.2).resolve(epochs) == bound
