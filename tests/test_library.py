"""The library on a user's own module and tensors."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from deepunlearn_cli import make_task, unlearn
from deepunlearn_cli.core.errors import UsageFailure
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
