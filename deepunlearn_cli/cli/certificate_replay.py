"""`certify verify --replay`: the runs behind a certificate, made again and held against it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from deepunlearn_cli.core.errors import NotFound
from deepunlearn_cli.evidence import digests, proving
from deepunlearn_cli.evidence.checking import Check
from deepunlearn_cli.evidence.commitment import keyed
from deepunlearn_cli.evidence.failures import DoesNotMatch
from deepunlearn_cli.evidence.shelf import Secret, Shelf

if TYPE_CHECKING:
    from deepunlearn_cli.cli.command import Session
    from deepunlearn_cli.cli.replay import Code
    from deepunlearn_cli.evidence.checking import Read
    from deepunlearn_cli.execution.replay import Replayed
    from deepunlearn_cli.store import Run, Store


def replayed(session: Session, one: Read, code: Code, salt: Path | None, *, deep: bool) -> list[Check]:
    """Make the model and its audits again, in a scratch store, and compare bits.

    Args:
        deep: whether all that they were made from is made again too.

    Raises:
        NotFound: this is not the store that the certificate was made in, or runs are gone from it.
        DoesNotMatch: a run is not the certificate's, or came out otherwise.
    """
    from deepunlearn_cli.execution.remaking import Remaking
    from deepunlearn_cli.execution.replay import replay

    code.load()
    store = session.store()
    runs = _runs(one, store, salt)
    for run in runs.values():
        code.agree(run)
    with session.bars() as bars:
        answers = {name: replay(Remaking(run, store, deep), bars) for name, run in runs.items()}
    return [_held(name, answer, one) for name, answer in answers.items()]


def _runs(one: Read, store: Store, salt: Path | None) -> dict[str, Run]:
    """The runs that a certificate is of, by what they are: found by what its operator keeps of it."""
    secret, said = Shelf(store.root).secret(one.digest), one.statement["predicate"]
    salted = proving.salt_of(secret, salt, said["request"]["id"])
    found = {}
    for name, key in _named(secret).items():
        if keyed(salted, name, key) != said["keyed"].get(name):
            raise DoesNotMatch(
                f"run {key} is not the one that {one.path} is of ({name})", "another salt, or another store"
            )
        run = store.get(key)
        if run is None:
            raise NotFound(
                f"run {key}, which {one.path} is of, is not in this store", "`deepunlearn runs` lists"
            )
        found[name] = run
    _check_model(one, found["run"])
    return found


def _named(secret: Secret) -> dict[str, str]:
    return {"run": secret["run"], **{f"attack/{name}": key for name, key in secret["attacks"].items()}}


def _check_model(one: Read, run: Run) -> None:
    signed = {part["name"]: part["digest"]["sha256"] for part in one.statement["subject"]}
    if digests.of_tensors(run.weights()) != signed.get("tensors"):
        raise DoesNotMatch(f"run {run.id} has other weights than {one.path} says", "deepunlearn verify")


def _held(name: str, answer: Replayed, one: Read) -> Check:
    from deepunlearn_cli.execution.replay import explained
    from deepunlearn_cli.execution.sameness import DIFFERENT, EQUAL

    if answer.worst == DIFFERENT:
        wrong = next(each for each in answer.every if each.state == DIFFERENT)
        raise DoesNotMatch(
            f"run {wrong.run.id}, made again, is not what {one.path} is of: {'; '.join(wrong.notes)}",
            f"deepunlearn replay {wrong.run.id} shows by how much",
        )
    if answer.worst == EQUAL:
        return Check("replay", f"{name}: {answer.run.id} made again, every bit the same")
    return Check(
        "replay", f"{name}: {answer.run.id} made again, the same within rounding: {explained(answer.apart)}"
    )
