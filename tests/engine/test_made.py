"""Pictures that a method makes, beside those of a dataset."""

from __future__ import annotations

import pytest
import tiny
import torch
from torch import Tensor

from deepunlearn_cli.engine.made import Enlarged, showing
from deepunlearn_cli.engine.pictures import Pixels

MADE = torch.arange(5 * tiny.SIZE**2 * 3).view(5, tiny.SIZE, tiny.SIZE, 3) / 7
LABELS = torch.tensor([2, 2, 1, 0, 1])


class Elsewhere(Pixels):
    """Pictures that do not lie on the device."""

    resident = False  # type: ignore[assignment]


def pixels(where: type[Pixels]) -> Pixels:
    near = tiny.pixels()
    return where(near.images, near.labels, tiny.CPU, mean=(0.5,) * 3, std=(0.25,) * 3, flip=True, pad=1)


def make(numbers: Tensor) -> Tensor:
    return MADE[numbers]


@pytest.mark.parametrize("where", [Pixels, Elsewhere])
def test_a_pass_has_all_pictures_and_moves_those_of_the_part_alone(where: type[Pixels]) -> None:
    of = pixels(where)
    part = Enlarged(tiny.part(of, range(10, 20)), make, LABELS)
    assert len(part) == 15
    batches = list(part.batches(6))
    assert [len(batch.y) for batch in batches] == [5, 5, 5]
    x, y, position = (torch.cat([getattr(b, name) for b in batches]) for name in ("x", "y", "position"))
    assert sorted(position.tolist()) == list(range(15))
    assert position.tolist() != sorted(position.tolist())
    made = position >= 10
    torch.testing.assert_close(x[made], of.shown(MADE[position[made] - 10]))
    assert torch.equal(y[made], LABELS[position[made] - 10])
    assert torch.equal(y[~made], of.labels[position[~made] + 10])
    clean = of.gather(position[~made] + 10)
    assert not torch.equal(x[~made], clean)
    still = torch.cat([b.x for b in part.batches(6, shuffle=False, augment=False)])
    torch.testing.assert_close(still, torch.cat([of.gather(torch.arange(10, 20)), of.shown(MADE)]))


def test_the_part_is_shown_as_it_would_be_without() -> None:
    """Bytes and the same numbers as floats give the same input, moved by the same draws."""
    alone, beside = tiny.part(tiny.pixels(), range(12)), tiny.part(tiny.pixels(), range(12))
    (plain,), (more,) = (p.batches(20) for p in (alone, Enlarged(beside, make, LABELS[:0])))
    assert torch.equal(plain.x, more.x)


def test_showing_takes_other_pictures_and_their_gradient() -> None:
    (batch,) = tiny.part(tiny.pixels(), range(5)).batches(5)
    rows = MADE.clone().requires_grad_()
    other = showing(batch, rows)
    assert other.moves is None
    assert other.y is batch.y
    torch.testing.assert_close(other.x, batch.pixels.shown(MADE))
    other.x.sum().backward()
    torch.testing.assert_close(rows.grad, torch.full_like(rows, 4 / 255))
    assert not torch.equal(batch.x, other.x)


def test_a_part_at_some_places() -> None:
    part = tiny.part(tiny.pixels(), range(10, 20))
    (batch,) = part.at(torch.tensor([3, 0, 9])).batches(5, shuffle=False, augment=False)
    assert torch.equal(batch.rows, part.pixels.images[[13, 10, 19]])
