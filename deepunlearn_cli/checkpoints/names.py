"""Weights by the names that training scripts gave them, brought to the names of a model at hand.

They are tried as they are first; then without the prefixes that wrappers put before them (DataParallel,
torch.compile, Lightning, averaging), and under the module in which a model may hold its network.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deepunlearn_cli.core.errors import UsageFailure

if TYPE_CHECKING:
    from torch import Tensor, nn

WRAPPED = {"_orig_mod", "module"}  # parts of a name that stand for a wrapper, wherever they are
COUNTER = "num_batches_tracked"  # of BatchNorm; early versions of torch had none
TRIED = 5  # prefixes, the most frequent ones


@dataclass(frozen=True)
class Named:
    """A file's weights under a model's names.

    Attributes:
        prefix: what was taken off the names, and `under` what was put before them.
        weights: by the model's names; tied ones and counters may be lacking.
        dropped: entries of the file that are no part of the model.
        missing, unexpected: names that keep the weights from fitting.
        shapes: by name, the shapes in the file and in the model, where they differ.
    """

    prefix: str
    under: str
    weights: Mapping[str, Tensor]
    dropped: Sequence[str]
    missing: Sequence[str]
    unexpected: Sequence[str]
    shapes: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]]

    @property
    def fits(self) -> bool:
        """Whether they can be loaded."""
        return not (self.missing or self.unexpected or self.shapes)

    @property
    def faults(self) -> int:
        """How far they are from fitting."""
        return len(self.missing) + len(self.unexpected) + len(self.shapes)


def named(weights: Mapping[str, Tensor], model: nn.Module) -> Named:
    """The reading of a file's names that fits a model, or else the one that comes closest.

    Raises:
        UsageFailure: the file holds the model twice, under two prefixes.
    """
    target = _Target(model)
    plain = target.read(weights, weights, "", "")
    if plain.fits:
        return plain
    readings = [plain, *_readings(weights, target)]
    fitting = [one for one in readings if one.fits]
    _check_one({tuple(map(id, one.weights.values())): one.prefix for one in fitting})
    return min(fitting or readings, key=lambda one: one.faults)


def _readings(weights: Mapping[str, Tensor], target: _Target) -> Iterator[Named]:
    for names in ({name: name for name in weights}, _unwrapped(weights)):
        for prefix in _prefixes(names.values(), target.names):
            rest = {name: weights[old] for old, name in names.items()}
            inner = {name.removeprefix(prefix): w for name, w in rest.items() if name.startswith(prefix)}
            for under in _prefixes(target.names, inner):
                yield target.read(weights, inner, prefix, under, rest)


def _check_one(prefixes: Mapping[tuple[int, ...], str]) -> None:
    if len(prefixes) < 2:
        return
    known = [prefix.rstrip(".") for prefix in prefixes.values()]
    raise UsageFailure(
        f"the file holds the model {len(known)} times, as {' and '.join(known)}",
        " or ".join(f"--weights-key {prefix}" for prefix in known),
    )


def _unwrapped(names: Iterable[str]) -> dict[str, str]:
    """Names without what wrappers put into the middle of them."""
    short = {name: ".".join(part for part in name.split(".") if part not in WRAPPED) for name in names}
    return short if len(set(short.values())) == len(short) else {}


def _prefixes(names: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """What may stand before the wanted names: nothing, and the most frequent beginnings."""
    known, found = set(wanted), Counter[str]()
    for name in names:
        parts = name.split(".")
        for cut in range(1, len(parts)):
            if ".".join(parts[cut:]) in known:
                found[".".join(parts[:cut]) + "."] += 1
    return ["", *(prefix for prefix, _ in found.most_common(TRIED))]


class _Target:
    """What a model asks of a file."""

    def __init__(self, model: nn.Module) -> None:
        self.state = model.state_dict()
        self.names = set(self.state)
        self.own = {name for name, _ in model.named_children()}
        self.own |= {name for name in self.names if "." not in name}
        self.twins = _twins(model)

    def read(
        self,
        every: Mapping[str, Tensor],
        inner: Mapping[str, Tensor],
        prefix: str,
        under: str,
        rest: Mapping[str, Tensor] | None = None,
    ) -> Named:
        """One reading: `inner` are the entries below the prefix, `rest` all of them under its names."""
        given = {under + name: value for name, value in inner.items()}
        weights = {name: given[name] for name in self.state if name in given}
        beyond = [name for name in given if name not in self.names]
        unexpected = [name for name in beyond if self._belongs(name, under)]
        outside = [name for name in (rest or every) if not name.startswith(prefix)]
        return Named(
            prefix=prefix,
            under=under,
            weights=weights,
            dropped=[*outside, *(name for name in beyond if name not in unexpected)],
            missing=[name for name in self.state if name not in given and not self._spared(name, given)],
            unexpected=unexpected,
            shapes={
                name: (tuple(value.shape), tuple(self.state[name].shape))
                for name, value in weights.items()
                if value.shape != self.state[name].shape
            },
        )

    def _belongs(self, name: str, under: str) -> bool:
        """Whether an entry that the model lacks would be a layer of it: beside its own, or one of a row."""
        first = name.removeprefix(under).split(".")[0]
        return first.isdigit() or first in self.own or bool(under and name.removeprefix(under) in self.names)

    def _spared(self, name: str, given: Mapping[str, Tensor]) -> bool:
        """Whether the model's own value is right where a file has none."""
        return name.endswith(COUNTER) or any(twin in given for twin in self.twins.get(name, ()))


def _twins(model: nn.Module) -> dict[str, set[str]]:
    """By name, the other names of the same weight."""
    groups: dict[int, set[str]] = {}
    for name, weight in model.named_parameters(remove_duplicate=False):
        groups.setdefault(id(weight), set()).add(name)
    return {name: group - {name} for group in groups.values() if len(group) > 1 for name in group}


def why_not(reading: Named, classes: int, size: int) -> tuple[str, str]:
    """What keeps weights from fitting, and what to do about it.

    Args:
        classes: of the dataset.
        size: height of its pictures in pixels.
    """
    if not reading.weights:
        return "no name in it is a name of the model", "give the --model that it was trained as"
    for name, (theirs, ours) in reading.shapes.items():
        if theirs[1:] == ours[1:] and ours[0] == classes:
            return f"it tells {theirs[0]} classes apart, the pictures have {classes}", _CLASSES
        if len(theirs) == 4 and theirs[2:] == ours[2:] and theirs[0] == ours[0] and theirs[1] in (1, 3):
            return _channels(name, theirs[1], ours[1])
    if reading.shapes and not (reading.missing or reading.unexpected):
        return _size(reading.shapes, size)
    return "it is of another architecture", "give the --model that it was trained as (`deepunlearn models`)"


_CLASSES = "give the pictures that it was trained on, all classes of them (--dataset)"


def _channels(name: str, theirs: int, ours: int) -> tuple[str, str]:
    cure = "--channels 3 shows grey pictures to a colour model" if (theirs, ours) == (3, 1) else ""
    return (
        f"{name} takes {theirs} channels, the pictures have {ours}",
        cure or "give the pictures that it was trained on",
    )


def _size(shapes: Mapping[str, tuple[tuple[int, ...], tuple[int, ...]]], size: int) -> tuple[str, str]:
    """Weights that differ with the picture size alone: position tables, layers behind a flattened map."""
    for theirs, ours in shapes.values():
        if len(theirs) == 3 and theirs[0] == ours[0] == 1 and theirs[2] == ours[2]:
            for extra in (1, 0, 2):  # tokens that are no patch
                sides = [(one - extra) ** 0.5 for one in (theirs[1], ours[1])]
                if all(side > 0 and side == int(side) for side in sides):
                    return _sized(f"--image-size {round(size * sides[0] / sides[1])}")
    return _sized("--image-size, as it was trained")


def _sized(cure: str) -> tuple[str, str]:
    return "it was trained on pictures of another size, or is of another architecture", f"give {cure}"
