"""The library on a user's own module and tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from deepunlearn_cli import audit, make_task, unlearn
from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.data import open_dataset
from deepunlearn_cli.methods import for_any_original


class Own(nn.Module):
    """Somebody's network: nothing in it is known to the tool."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU()
        )
        self.out = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.body(x).mean((2, 3)))


def data(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 4, (count,), generator=generator)
    return torch.randn(count, 1, 12, 10, generator=generator) + labels[:, None, None, None], labels


PARTS = {"retain": data(40, 0), "forget": data(10, 1), "val": data(12, 2)}


@pytest.mark.parametrize("name", for_any_original())
def test_every_method_works_on_it(name: str) -> None:
    torch.manual_seed(0)
    model = Own()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    first, second = (unlearn(model, name, make_task(model, **PARTS)) for _ in range(2))
    assert isinstance(first, Own)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    for key, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[key])


def test_a_module_that_cannot_be_reset_is_named_and_fresh_helps() -> None:
    class Odd(Own):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(8))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(self.body(x).mean((2, 3)) * self.scale)

    torch.manual_seed(0)
    with pytest.raises(UsageFailure, match="Odd"):
        unlearn(Odd(), "rni", make_task(Odd(), **PARTS))
    unlearn(Odd(), "rni", make_task(Odd(), fresh=Odd, **PARTS))
    unlearn(Odd(), "ft", make_task(Odd(), **PARTS))


@pytest.mark.parametrize(("x", "y"), [(0, 0), (5, 4)])
def test_parts_that_do_not_fit_are_refused(x: int, y: int) -> None:
    with pytest.raises(UsageFailure, match=f"forget holds {x} pictures and {y} labels"):
        make_task(Own(), retain=PARTS["retain"], forget=(torch.zeros(x, 1, 12, 10), torch.zeros(y).long()))


def test_arrays_are_as_good_as_tensors() -> None:
    arrays = {name: (x.numpy(), y.numpy().astype(np.int32)) for name, (x, y) in PARTS.items()}
    torch.manual_seed(0)
    model = Own()
    first, second = (unlearn(model, "ft", make_task(model, **parts)) for parts in (PARTS, arrays))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        (torch.zeros(5, 1, 12, 10, dtype=torch.uint8), torch.zeros(5).long(), "uint8"),
        (torch.zeros(5, 12, 10), torch.zeros(5).long(), r"\(5, 12, 10\)"),
        (torch.zeros(5, 1, 12, 10), torch.zeros(5), "labels are not whole"),
        (torch.zeros(5, 1, 12, 10), torch.full((5,), 4), "label 4 is none of the model's 4 classes"),
        (torch.zeros(5, 3, 12, 10), torch.zeros(5).long(), "does not work on 3x12x10"),
    ],
)
def test_what_the_model_does_not_take_is_refused_in_one_line(x, y, says) -> None:
    with pytest.raises(UsageFailure, match=says) as failure:
        make_task(Own(), retain=(x, y), forget=(x, y))
    assert "\n" not in failure.value.message


def test_a_model_in_eval_mode_comes_back_in_eval_mode() -> None:
    torch.manual_seed(0)
    model = Own().eval()
    clean = unlearn(model, "ft", make_task(model, **PARTS))
    assert not clean.training
    x = PARTS["val"][0]
    assert torch.allclose(clean(x)[:1], clean(x[:1]), atol=1e-5), "pictures of a batch do not meet"


def test_steps_see_moved_pictures_as_those_of_the_command_line_do(tmp_path) -> None:
    task = make_task(Own(), **PARTS)
    np.savez(tmp_path / "a.npz", x_train=np.zeros((50, 12, 10), np.uint8), y_train=np.arange(50) % 2)
    stored = open_dataset(f"npz:{tmp_path / 'a.npz'}", tmp_path)
    assert (task.retain.pixels.pad, task.retain.pixels.flip) == (stored.pad, stored.flip) == (1, False)
    assert task.retain.moving
    assert not make_task(Own(), **PARTS, augment=False).retain.moving


def learnt(keep: list[str]) -> tuple[nn.Module, dict[str, tuple[torch.Tensor, torch.Tensor]]]:
    """A network that knows some parts by heart, whose labels are drawn; and the parts."""
    drawn = torch.Generator().manual_seed(3)
    parts = {
        name: (torch.randn(count, 1, 12, 10, generator=drawn), torch.randint(0, 4, (count,), generator=drawn))
        for name, count in (("retain", 60), ("forget", 120), ("test", 120))
    }
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(120, 256), nn.ReLU(), nn.Linear(256, 4))
    x, y = (torch.cat([parts[name][side] for name in keep]) for side in (0, 1))
    descent = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(40):
        descent.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        descent.step()
    return model, parts


def test_an_audit_gives_its_verdict_as_an_object() -> None:
    original, parts = learnt(["retain", "forget"])
    retrained, _ = learnt(["retain"])
    original.eval()
    task = make_task(original, **parts)
    found = audit(original, task, retrained=retrained, original=original)
    assert (found.verdict, found.reference) == ("FAIL", "retrained")
    assert found.figures["accuracy"] > 0.8
    assert found.figures == found.original
    assert abs(found.retrained["accuracy"] - 0.5) < 0.15
    same = audit(retrained, task, retrained=retrained, tolerance=0.1)
    assert same.verdict == "PASS"
    assert not original.training
    assert retrained.training
    assert audit(original, task).reference == "holdout"


def test_an_audit_without_unseen_pictures_is_refused_and_seen_ones_are_told() -> None:
    torch.manual_seed(0)
    model = Own()
    bare = {name: PARTS[name] for name in ("retain", "forget")}
    with pytest.raises(UsageFailure, match="no unseen pictures"):
        audit(model, make_task(model, **bare))
    with pytest.raises(NotFound, match="umiaa"):
        audit(model, make_task(model, **PARTS), attack="umiaa")
    task = make_task(model, **PARTS)
    clean = unlearn(model, "kde", task)
    assert "read the val pictures" in audit(clean, task).warnings[-1]
