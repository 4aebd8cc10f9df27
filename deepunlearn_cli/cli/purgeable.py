"""What a purge is about: whose pictures, where they are, which runs have to do with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from deepunlearn_cli.core.errors import NotFound, UsageFailure
from deepunlearn_cli.store import requests
from deepunlearn_cli.store.ledger import AUDITED, UNLEARNED, Entry, Ledger

if TYPE_CHECKING:
    from deepunlearn_cli.core.recipe import Recipe
    from deepunlearn_cli.data import Erasure
    from deepunlearn_cli.execution.purging import Found
    from deepunlearn_cli.execution.runner import Runner
    from deepunlearn_cli.store import Store


@dataclass(frozen=True)
class Wanted:
    """Whose pictures are to go.

    Attributes:
        name: of the request or REF; empty for none, to end what a killed purge began.
        request: its ID in the ledger; empty where the ledger knows none.
        pictures: by fingerprint of the dataset, their indices.
    """

    name: str = ""
    request: str = ""
    pictures: Mapping[str, Collection[int]] = field(default_factory=dict)


def wanted(store: Store, request: str, ref: str, *, force: bool) -> Wanted:
    """The pictures of a request, or those that a model has forgotten.

    Raises:
        NotFound: no such request, run, file or forget set.
        UsageFailure: nothing was unlearned for it, or nobody audited the result and `force` is false.
    """
    if request:
        return _of_request(store, request, force=force)
    return _of_ref(store, ref, Ledger(store.root).entries(), force=force) if ref else Wanted()


def _of_request(store: Store, name: str, *, force: bool) -> Wanted:
    request = requests.find(requests.requests_of(Ledger(store.root).entries()), name)
    if not request.runs:
        raise UsageFailure(
            f"nothing was unlearned for request {request.id} yet",
            f"deepunlearn unlearn --request {quote(request.id)} --method msg --ckpt REF",
        )
    if not force and not request.when(AUDITED):
        raise _unaudited(f"request {request.id}", [*request.runs][-1])
    pictures: dict[str, set[int]] = {}
    for key, entry in request.runs.items():
        if run := store.get(key):
            _add(pictures, store, run.recipe, str(entry.details["forget"]["sha256"]))
    if not pictures:
        raise NotFound(
            f"no run of request {request.id} is in this store", "--store names the one that carried it out"
        )
    return Wanted(f"request {request.id}", request.id, pictures)


def _of_ref(store: Store, ref: str, entries: Sequence[Entry], *, force: bool) -> Wanted:
    from deepunlearn_cli.checkpoints.file import looks_like_file
    from deepunlearn_cli.execution import chains

    if looks_like_file(ref):
        return _of_file(store, ref, entries, force=force)
    run = store.find(ref)
    sets = chains.behind(run.recipe.inputs.get("target", run.recipe))
    if not sets:
        raise _nothing(f"run {run.id}")
    pictures: dict[str, set[int]] = {}
    for sha256 in sets:
        _add(pictures, store, run.recipe, sha256)
    return _checked(Wanted(run.id, _request_of(run.id, entries), pictures), run.id, store, entries, force)


def _of_file(store: Store, ref: str, entries: Sequence[Entry], *, force: bool) -> Wanted:
    from deepunlearn_cli import data
    from deepunlearn_cli.checkpoints.file import read
    from deepunlearn_cli.core.recipe import Recipe

    file = read(Path(ref))
    claim = file.claims.get("forget")
    recipe = Recipe.from_json(file.claims["recipe"]) if "recipe" in file.claims else None
    if recipe is None or not claim:
        raise UsageFailure(
            f"{ref} does not say what it has forgotten", "name the run: deepunlearn runs --kind unlearn"
        )
    if not recipe.forget:
        raise _nothing(ref)
    fingerprint = str(recipe.data["fingerprint"])
    dataset = data.load_dataset(fingerprint, store.data)
    located = data.locate(claim, dataset)
    if located.missing:
        raise NotFound(
            f"{len(located.missing)} pictures of {ref} are not in {dataset.name}: {located.missing[0]}",
            "purge the run: deepunlearn runs --kind unlearn",
        )
    pictures = {fingerprint: set(located.indices)}
    for sha256 in recipe.forgotten:
        _add(pictures, store, recipe, sha256)
    return _checked(
        Wanted(ref, _request_of(recipe.key, entries), pictures), recipe.key, store, entries, force
    )


def _add(pictures: dict[str, set[int]], store: Store, recipe: Recipe, sha256: str) -> None:
    from deepunlearn_cli import data

    indices = data.load_forget(sha256, store.data).indices.tolist()
    pictures.setdefault(str(recipe.data["fingerprint"]), set()).update(indices)


def _request_of(key: str, entries: Sequence[Entry]) -> str:
    """The newest request that a run was made for."""
    made = [e for e in entries if e.event == UNLEARNED and key in e.details["runs"]]
    return made[-1].request if made else ""


def _checked(wanted: Wanted, key: str, store: Store, entries: Sequence[Entry], force: bool) -> Wanted:
    told = any(e.event == AUDITED and e.request == wanted.request for e in entries if wanted.request)
    if not force and not told and not store.rows(kind="attack", target=key):
        raise _unaudited(f"run {key}", key)
    return wanted


def _nothing(what: str) -> UsageFailure:
    """What an original says that it is to forget is still in it: it is no word on what may be erased."""
    return UsageFailure(
        f"{what} has forgotten nothing",
        "name a model that was unlearned or retrained: deepunlearn runs --kind unlearn",
    )


def _unaudited(what: str, key: str) -> UsageFailure:
    return UsageFailure(
        f"{what} was not audited, and attacks that need the pictures cannot be made afterwards",
        f"`deepunlearn attack umia {key}` audits; --force purges all the same",
    )


def planned(store: Store, wanted: Wanted, *, with_duplicates: bool) -> list[Erasure]:
    """What goes from which decoded dataset, each once."""
    from deepunlearn_cli import data

    found: dict[str, Erasure] = {}
    for fingerprint, indices in wanted.pictures.items():
        for one in data.erasures(store.data, fingerprint, indices, with_duplicates=with_duplicates):
            known = found.get(one.fingerprint)
            found[one.fingerprint] = one.joined(known) if known else one
    return list(found.values())


def touched(runner: Runner, planned: Sequence[Erasure]) -> Found:
    """The runs that have to do with these pictures."""
    from deepunlearn_cli.execution import purging
    from deepunlearn_cli.store import Run

    purged = {one.fingerprint: set(one.indices) for one in planned}
    if not purged:
        return purging.Found()
    runs = [Run(key, runner.store.place(key)) for key in runner.store.ids()]
    return purging.search(runs, purged, runner.materials, runner.reporter.progress)
