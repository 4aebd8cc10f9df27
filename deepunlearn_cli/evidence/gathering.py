"""What a store knows of a model that a certificate is to be about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepunlearn_cli import data
from deepunlearn_cli.checkpoints import file as checkpoints
from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.core.guarantee import Guarantee
from deepunlearn_cli.core.preparation import BILINEAR
from deepunlearn_cli.core.recipe import RETRAIN, Recipe
from deepunlearn_cli.evidence import digests
from deepunlearn_cli.evidence.commitment import Shown
from deepunlearn_cli.evidence.failures import DoesNotMatch
from deepunlearn_cli.evidence.policy import ACCURACIES
from deepunlearn_cli.evidence.standing import Standing
from deepunlearn_cli.evidence.statement import Subject
from deepunlearn_cli.execution import forgetting, references
from deepunlearn_cli.store.manifest import sha256_of
from deepunlearn_cli.store.requests import of_audit
from deepunlearn_cli.store.run import WEIGHTS

if TYPE_CHECKING:
    from deepunlearn_cli.store import Run, Store
    from deepunlearn_cli.store.chain import Entry

EARLIER = "/request "  # behind the name of an audit that asks about a request before


@dataclass(frozen=True)
class Pictures:
    """The pictures of a request.

    Attributes:
        digests: SHA-256 of each that is still there, decoded.
        purged: how many are not: nothing tells any more what they showed.
        fingerprint: of the data that they are from; `forget` is the digest of the list of them.
        shown: how a picture becomes such bytes.
    """

    digests: tuple[bytes, ...]
    purged: int
    fingerprint: str
    forget: str
    shown: Shown


@dataclass(frozen=True)
class Certified:
    """The model that a certificate is to be about: its run, and its digests."""

    run: Run
    subject: list[Subject]

    @property
    def recipe(self) -> Recipe:
        """What made it."""
        return self.run.recipe

    @property
    def exact(self) -> bool:
        """Whether it was trained anew without the pictures: then nothing better can stand beside it."""
        return self.recipe.name == RETRAIN


def certified(ref: str, standing: Standing, store: Store) -> Certified:
    """The model that a run id or a file stands for; it must be one that carried out the request.

    Raises:
        NotFound, UsageFailure: there is no such run or file, or it is none of the request's.
        DoesNotMatch: a file with other tensors than all of the request's models.
    """
    if checkpoints.looks_like_file(ref):
        return _of_file(Path(ref), standing, store)
    run = store.find(ref)
    if run.id not in standing.runs:
        raise UsageFailure(
            f"run {run.id} did not carry out request {standing.request.id!r}",
            f"these did: {', '.join(standing.runs)}",
        )
    _check_usable(run)
    tensors = digests.of_tensors(run.weights())
    return Certified(run, _subject(WEIGHTS, sha256_of(run.path / WEIGHTS), tensors))


def _of_file(path: Path, standing: Standing, store: Store) -> Certified:
    tensors = digests.of_tensors(checkpoints.read(path).weights)
    for key in standing.runs:
        run = store.get(key)
        if run and run.status == "done" and digests.of_tensors(run.weights()) == tensors:
            return Certified(run, _subject(path.name, sha256_of(path.expanduser()), tensors))
    raise DoesNotMatch(
        f"{path} holds none of the models that carried out request {standing.request.id!r}",
        f"these runs did: {', '.join(standing.runs)}",
    )


def _check_usable(run: Run) -> None:
    if run.status != "done":
        raise UsageFailure(f"run {run.id} failed: it made no usable model", f"deepunlearn show {run.id}")


def _subject(name: str, file: str, tensors: str) -> list[Subject]:
    return [
        {"name": name, "digest": {"sha256": file}},
        {"name": "tensors", "digest": {"sha256": tensors}},
    ]


def pictures_of(recipe: Recipe, store: Store) -> Pictures:
    """The pictures that a model was to forget, from the store's decoded data.

    Raises:
        NotFound, StoreCorrupt: the data or the forget set are not there, or damaged.
        UsageFailure: all of its pictures were purged.
    """
    dataset = data.load_dataset(recipe.data["fingerprint"], store.data)
    forget = data.load_forget(str(recipe.forget), store.data)
    known, purged = _digests(forget, dataset)
    if not known:
        raise UsageFailure(
            f"all {purged} pictures of the request were purged: a certificate commits to what each of them "
            "showed, and nothing tells that any more",
            "certify a request before its pictures are purged; `deepunlearn requests` has what was done",
        )
    height, width, channels = dataset.image_shape
    how = str(recipe.data.get("interpolation", BILINEAR))
    shown = Shown(height=height, width=width, channels=channels, interpolation=how)
    return Pictures(known, purged, dataset.fingerprint, str(recipe.forget), shown)


def _digests(forget: data.ForgetSet, dataset: data.Dataset) -> tuple[tuple[bytes, ...], int]:
    """SHA-256 of each picture of a forget set that is still there, and how many were purged."""
    import numpy as np

    gone = np.isin(forget.indices, dataset.purged)
    known = data.claim_of(forget, dataset)["pictures"]
    left = tuple(bytes.fromhex(one) for one, away in zip(known, gone, strict=True) if not away)
    return left, int(gone.sum())


def chain_of(recipe: Recipe, store: Store) -> tuple[tuple[bytes, ...], int]:
    """All pictures of a model's requests, where it is not the first: SHA-256 each, and how many were purged.

    Raises:
        NotFound, StoreCorrupt: a forget set of one of them is not there, or damaged.
    """
    behind = forgetting.chain(recipe, store.data).requests
    if len(behind) < 2:
        return (), 0
    dataset = data.load_dataset(recipe.data["fingerprint"], store.data)
    every = data.union([data.load_forget(one.sha256, store.data) for one in behind])
    return _digests(every, dataset)


def earlier_of(recipe: Recipe, entries: Sequence[Entry], store: Store) -> list[dict[str, Any]]:
    """What is said of each request that a model carried out before: no hash of its forget set.

    `not_asked` is how many of its pictures were purged before the model, or its retrained one, was made: no
    audit could ask about it.
    """
    told = []
    for one in forgetting.chain(recipe, store.data).requests[:-1]:
        known = [request.id for request in of_audit(entries, [one.run], one.sha256)]
        said = {"number": one.number, "requests": known, "pictures": one.count, "method": one.method}
        gone = _purged_from(recipe, one.sha256, store)
        told.append(said | ({"not_asked": gone} if gone else {}))
    return told


def parts_of(recipe: Recipe, store: Store) -> dict[str, str]:
    """What a model is to be asked about, by what an audit's name has behind it: the forget sets' digests.

    The newest request; where there were others before, each of them (`/request 1`) and all (`/all requests`),
    but for those whose pictures were purged before: nothing can be asked about them.
    """
    behind = forgetting.chain(recipe, store.data)
    earlier = {f"{EARLIER}{one.number}": one.sha256 for one in behind.requests[:-1]}
    if behind.union and earlier:
        earlier["/all requests"] = behind.union
    asked = {name: one for name, one in earlier.items() if not _purged_from(recipe, one, store)}
    return {"": str(recipe.forget), **asked}


def _purged_from(recipe: Recipe, sha256: str, store: Store) -> int:
    """Pictures of an earlier request, or of all, about which nothing can be asked any more."""
    return references.purged_from(recipe, _forget_set(sha256, recipe, store), store)


def _forget_set(sha256: str, recipe: Recipe, store: Store) -> data.ForgetSet:
    """One of a model's forget sets, or their union, which is kept only once an attack has asked about it."""
    behind = [one.sha256 for one in forgetting.chain(recipe, store.data).requests]
    if sha256 in behind:
        return data.load_forget(sha256, store.data)
    return data.union([data.load_forget(one, store.data) for one in behind])


def before_of(certified: Certified, standing: Standing, store: Store) -> Run | None:
    """The run of the model before, where the store has it."""
    start = certified.recipe.inputs.get("original")
    if start is not None:
        return store.get(start.key)
    entry = standing.request.runs.get(certified.run.id)
    return _found(str(entry.details.get("ckpt", "")), store) if entry else None


def _found(ref: str, store: Store) -> Run | None:
    try:
        return store.find(ref)
    except (NotFound, UsageFailure):  # a file, say, that may have moved
        return None


def before_part(run: Run | None) -> dict[str, Any]:
    """What is said of the model before."""
    if run is None:
        return {"tensors": None, "made": "unknown"}
    made = "elsewhere" if run.recipe.kind == "checkpoint" else "here"
    known = digests.of_tensors(run.weights()) if WEIGHTS in run.files else None
    return {"tensors": known, "made": made, "model": run.recipe.model}


def method_part(certified: Certified) -> dict[str, Any]:
    """What is said of how the model was made; no seed: noise of a guarantee could be drawn again from it."""
    from deepunlearn_cli.methods import METHODS

    recipe, facts = certified.recipe, certified.run.facts
    actor = METHODS.known(recipe.name)
    promise = Guarantee.of(facts)
    return {
        "name": recipe.name,
        "title": getattr(actor, "title", recipe.name),
        "exact": certified.exact,
        "revision": recipe.revision,
        "params": dict(recipe.params),
        "precision": recipe.precision,
        "code": facts.get("code"),
        "guarantee": {"epsilon": promise.epsilon, "delta": promise.delta} if promise else None,
    }


def tool_part(run: Run) -> dict[str, Any]:
    """Versions and device that a model was made with."""
    names = {"version": "deepunlearn", "torch": "torch", "device": "device", "threads": "threads"}
    return {title: run.facts.get(name) for name, title in names.items()}


def accuracies_of(run: Run | None) -> Mapping[str, float | None]:
    """Shares that a model answered rightly, by part; nothing of a model that is not known."""
    return {name: run.scores.get(name) for name in ACCURACIES} if run else {}


def lost(before: Mapping[str, float | None], after: Mapping[str, float | None]) -> dict[str, float]:
    """How much of each accuracy is gone, where both are known."""
    pairs = ((name, before.get(name), after.get(name)) for name in ACCURACIES)
    return {name: one - other for name, one, other in pairs if one is not None and other is not None}
