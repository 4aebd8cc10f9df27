"""The row of a run: what the index holds of it, and what tables are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NotRequired, TypedDict

from deepunlearn_cli.core.recipe import Params
from deepunlearn_cli.core.typed import Amount, Named, Number, Seed, Share, Time


class NamedScores(TypedDict, total=False):
    """Scores that tables reason about: shares, or None where they could not be measured."""

    RA: Share | None
    FA: Share | None
    VA: Share | None
    TA: Share | None
    NA: Share | None
    OA: Share | None
    accuracy: Share | None
    indiscernibility: Share | None
    by_split: Sequence[Share | None]


Scores = Annotated[Mapping[str, Any], Named(NamedScores, float | None)]
"""What was measured, by name: numbers, and of U-LiRA a list of them."""


class IndexRow(TypedDict):
    """A run in one flat row of strict JSON data, as its manifest seals it.

    Fields that came later are missing from the rows of older runs. Every declared fact (`core.facts`) is
    there under its name; those that code reasons about are named here.

    Attributes:
        id: the run's key; `base` that of its first attempt.
        target: id of the run that it attacks or starts from, or empty; `earlier` of the checkpoint that a
            track goes back to.
        setting: what runs must share to be compared (`Recipe.setting`).
        method: of an attack on a method as a whole (U-LiRA), its name.
        forget: SHA-256 of the forget set, None for an original; `forget_label` is its spec.
        forgotten: SHA-256 of the forget sets of earlier requests, newest first; `forgotten_labels` are their
            specs, `after` the methods that carried them out, and `settings` a digest of how.
        augment: whether training pictures were augmented.
        status: `done` or `failed`, for a `reason`; `created` in seconds since 1970.
        scores: by name, shares (0..1) and whatever else an attack tells.
        seconds: wall time of the method; `work` in epochs of training; on what `device`, `shared` with other
            runs or not. `elapsed` is the wall time of the whole run, `jobs` the processes at work at a time,
            `startup` what the first run of a process waited for; `node` of a cluster where it was made.
        reads: the parts of the data that its method saw.
        chosen: the study whose search made it, of what that search had chosen.
        approximate: whether its track did not meet the method's assumptions.
        inputs: ids of the runs that it was made from.
    """

    id: str
    base: str
    target: str
    attempt: Seed
    kind: str
    name: str
    seed: Seed
    params: Params
    setting: str
    dataset: str
    model: str
    forget: str | None
    forget_label: str | None
    precision: str
    status: str
    reason: NotRequired[str | None]
    created: Time | None
    scores: Scores
    seconds: NotRequired[Amount | None]
    work: NotRequired[Amount | None]
    device: NotRequired[str | None]
    shared: NotRequired[bool | None]
    method: NotRequired[str | None]
    augment: NotRequired[bool | None]
    reads: NotRequired[Sequence[str] | None]
    approximate: NotRequired[bool | None]
    chosen: NotRequired[str | None]
    elapsed: NotRequired[Amount | None]
    node: NotRequired[str | None]
    startup: NotRequired[Amount | None]
    jobs: NotRequired[int | None]
    classes: NotRequired[Number | None]
    title: NotRequired[str | None]
    peak_memory: NotRequired[Amount | None]
    peak_device_memory: NotRequired[Amount | None]
    earlier: NotRequired[str]
    forgotten: NotRequired[Sequence[str]]
    forgotten_labels: NotRequired[Sequence[str]]
    after: NotRequired[str]
    settings: NotRequired[str]
    inputs: NotRequired[Sequence[str]]
