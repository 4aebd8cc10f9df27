"""Recipes: what a run is the answer to, as plain data; their keys; and the random streams of a seed.

The key of a recipe is the hash of its canonical JSON, in which each input stands as its own key. Names
that only people read (`labels`) and places are not part of it, so the same question has the same key on
every machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, TypedDict

from deepunlearn_cli.core.names import encoded
from deepunlearn_cli.core.typed import Count, Fraction, Mistyped, Named, Rule, Seed, Text, check

PRECISIONS = FP32, BF16 = "fp32", "bf16"
SCHEMA = 1
TRAINING = 2  # revision of training from scratch; 1: each pass ended in a batch of what was left over
DO_NOTHING, RETRAIN = "do-nothing", "retrain"  # the methods that are controls: what others are held against
CONTROLS = (DO_NOTHING, RETRAIN)
FORGOTTEN = "forgotten"  # in the data part of a recipe: the forget sets of earlier requests
ID_LENGTH = 16  # hex digits; 64 bits keep 100,000 runs apart with probability 1 - 3e-10


def canonical(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def stream_seed(seed: int, name: str) -> int:
    """The seed (63 bits) of a named random stream, e.g. `init`, `order/retain`, `noise`.

    It depends on the run's seed and the stream's name only: two runs that differ in a hyperparameter see
    the same batches, and an original and its retrained model start from the same weights.
    """
    digest = hashlib.sha256(f"deepunlearn/{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


class CanaryPart(TypedDict):
    """Canaries in the data part of a recipe: whose forget set carries how much noise."""

    forget: Text
    share: float
    noise: float
    seed: Seed


class Pictures(TypedDict, total=False):
    """The part of a recipe that says which pictures, as far as code reads it; see `Recipe.data`."""

    fingerprint: Text
    val_share: Fraction
    split_seed: Seed
    augment: bool
    mean: list[float]
    std: list[float]
    channels: Count
    interpolation: str
    tracked: Text
    forgotten: list[Text]
    canary: CanaryPart


Setting = str | bool | float | None


class NamedParams(TypedDict, total=False):
    """Hyperparameters that tables tell attacks apart by."""

    feature: Setting
    against: Setting
    cv: Setting
    folds: Setting
    statistic: Setting


Params = Annotated[Mapping[str, Any], Named(NamedParams, Any)]


class Labels(TypedDict, total=False):
    """Names for people, as far as code reads them; see `Recipe.labels`."""

    dataset: str
    forget: str
    forgotten: list[str]
    tracked: str
    file: str
    method: str
    study: str
    preset: str
    training: str
    chosen: Annotated[list[str], Rule("a search and a run", lambda value: len(value) == 2)]


class Written(TypedDict):
    """A recipe as a file holds it; see `Recipe`."""

    kind: Text
    name: Text
    revision: int
    params: Params
    seed: Seed
    data: Pictures
    forget: Text | None
    model: str
    precision: str
    inputs: Mapping[str, Written]
    attempt: Seed
    labels: Labels


@dataclass(frozen=True)
class Recipe:
    """One question with one answer.

    Attributes:
        kind: `train` (original, retrain), `checkpoint` (weights from elsewhere), `unlearn`, `trial` (of a
            sweep: unlearned, judged without test data, not kept), `attack` or `lockstep` (an original and
            its retrained model trained side by side, of which only readings are kept).
        name: public name of what acts: `original`, `retrain`, a method, an attack.
        revision: of that actor's code.
        params: its hyperparameters, less those added later that are at their default (`core/fields.py`).
        seed: of the run's random streams.
        data: fingerprint and split of the dataset (`fingerprint`, `val_share`, `split_seed`); of a trial
            also its `judge`, the attack that its score is made with; of tracked training, and of all that
            starts from it, `tracked`, the SHA-256 of the forget set that was tracked; of training with
            canaries, and of all that starts from it, `canary`: their forget set, share, noise and seed; of
            what follows earlier requests `forgotten`, the SHA-256 of their forget sets, newest first.
        forget: SHA-256 of the forget set, or None for an original.
        model: public name of the architecture.
        precision: `fp32` or `bf16`.
        inputs: recipes whose runs this one starts from.
        attempt: 0, or the number of a repetition asked for with `--force`.
        labels: names for people (dataset, forget set, `forgotten` ones newest first); not part of the key.
    """

    kind: str
    name: str
    revision: int = 1
    params: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)
    forget: str | None = None
    model: str = ""
    precision: str = FP32
    inputs: Mapping[str, Recipe] = field(default_factory=dict)
    attempt: int = 0
    labels: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def key(self) -> str:
        """The run's id: the first 16 hex digits of the SHA-256 of the canonical JSON."""
        hashed = self.to_json() | {"inputs": {name: recipe.key for name, recipe in self.inputs.items()}}
        del hashed["labels"]
        return hashlib.sha256(encoded(canonical(hashed))).hexdigest()[:ID_LENGTH]

    @property
    def base(self) -> Recipe:
        """The same question without its attempt number."""
        return replace(self, attempt=0)

    @property
    def repeats(self) -> bool:
        """Whether batches come in the same order in every epoch: tracked training and its retrained model."""
        return "tracked" in self.data and self.kind in ("train", "lockstep")

    @property
    def forgotten(self) -> tuple[str, ...]:
        """SHA-256 of the forget sets of earlier requests, newest first; they are not retained."""
        return tuple(self.data.get(FORGOTTEN, ()))

    @property
    def random_seed(self) -> int:
        """The seed of its random streams: one of its own for each request that follows others.

        Noise that an earlier request left in the weights must not come again: what is proved of noisy
        descent (`core/guarantee.py`) takes noise for granted that no start depends on.
        """
        if self.kind in ("train", "attack") or not self.forgotten:
            return self.seed
        return stream_seed(self.seed, f"request/{len(self.forgotten) + 1}")

    @cached_property
    def root(self) -> Recipe:
        """The training or checkpoint that everything here started from."""
        parent = self.inputs.get("target") or self.inputs.get("original")
        return parent.root if parent else self

    @cached_property
    def setting(self) -> str:
        """What runs must share to be compared: data, split, architecture, precision and training of the root.

        Seeds, forget sets and methods may differ. A checkpoint from elsewhere carries the training that its
        retrained model gets in `params["training"]`. Revision 1 of a training goes unsaid, as it always did.
        """
        root = self.root
        pictures = {name: value for name, value in root.data.items() if name != FORGOTTEN}
        shared = [pictures, root.model, root.precision, root.params.get("training", dict(root.params))]
        revision = TRAINING if root.kind == "checkpoint" else root.revision
        shared += [revision] if revision > 1 else []
        return hashlib.sha256(encoded(canonical(shared))).hexdigest()[:ID_LENGTH]

    def to_json(self) -> dict[str, Any]:
        """The whole recipe as plain data, inputs included: a run can be made from this and a store alone."""
        return {
            "schema": SCHEMA,
            "kind": self.kind,
            "name": self.name,
            "revision": self.revision,
            "params": dict(self.params),
            "seed": self.seed,
            "data": dict(self.data),
            "forget": self.forget,
            "model": self.model,
            "precision": self.precision,
            "inputs": {name: recipe.to_json() for name, recipe in self.inputs.items()},
            "attempt": self.attempt,
            "labels": dict(self.labels),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Recipe:
        """The recipe that `to_json` wrote.

        Raises:
            Mistyped: not one, naming the key and what is wanted there.
        """
        check(data, Written)
        return cls._made(data)

    @classmethod
    def _made(cls, data: Mapping[str, Any]) -> Recipe:
        named = {name: value for name, value in data.items() if name != "schema"}
        if foreign := sorted(named.keys() - Written.__annotations__.keys()):
            raise Mistyped(foreign[0], named[foreign[0]], "a key of recipes")
        return cls(**named | {"inputs": {name: cls._made(one) for name, one in data["inputs"].items()}})
