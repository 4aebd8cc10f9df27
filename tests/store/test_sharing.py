"""A store and its users: modes, groups, who may not read or write what."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import cli_kit
import pytest
import torch
from store_kit import FORK, recipe

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.execution.runner import Runner
from deepunlearn_cli.store import Store
from deepunlearn_cli.store.asked import by_choice
from deepunlearn_cli.store.ledger import Ledger
from deepunlearn_cli.system.locks import hold
from deepunlearn_cli.system.processes import ProcessPool
from deepunlearn_cli.system.rights import forbidden, is_refusal, share

GROUP = 3000
needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be two users"
)


@pytest.fixture
def root() -> Iterator[Path]:
    # pytest's own folders are their owner's alone, and are made so again by whoever else runs it
    with tempfile.TemporaryDirectory() as home:
        Path(home).chmod(0o755)
        yield Path(home) / "store"


@pytest.fixture(params=[0o022, 0o077, 0o002])
def umask(request) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}


def full(store: Store, seed: int = 0):
    weights, outputs = {"w": torch.ones(3)}, {"test": {"logits": torch.ones(2, 3).numpy()}}
    return store.put(recipe(seed), weights=weights, outputs=outputs, scores={}, facts={}, log=[{"a": 1}])


def as_user(number: int, work: Callable[[], None]) -> None:
    """Do the work as another user of the group, in a process of its own; it must succeed."""

    def dropped() -> None:
        os.umask(0o022)
        os.setgroups([GROUP])
        os.setgid(number)
        os.setuid(number)
        try:
            work()
        except BaseException:  # noqa: BLE001 (whatever it is, the parent must see that it failed)
            traceback.print_exc()
            os._exit(1)

    child = FORK.Process(target=dropped)
    child.start()
    child.join(60)
    assert child.exitcode == 0


def test_modes_follow_the_umask(root, umask):
    full(Store.open(root, create=True))
    for name, mode in modes(root).items():
        usual = 0o777 if (root / name).is_dir() else 0o666
        assert (name, mode) == (name, usual & ~umask)


def test_a_shared_store_is_its_groups_whatever_the_umask(root, umask):
    store = Store.open(root, create=True)
    full(store)
    share(root, None)
    full(store, seed=1)
    store.rows()
    for name, mode in modes(root).items():
        needed = 0o2070 if (root / name).is_dir() else 0o060
        assert (name, mode & needed) == (name, needed)


def test_share_on_the_command_line(root):
    said = cli_kit.ok("store", "share", "--store", root)
    assert "is open to group" in said.err
    assert stat.S_IMODE(root.stat().st_mode) & 0o2070 == 0o2070
    assert cli_kit.call("store", "share", "--group", "no-such-group", "--store", root).code == 3


def test_a_shared_store_decodes_for_its_group(root):
    cli_kit.ok("store", "share", "--store", root)
    cli_kit.ok("train", "--dataset", "digits", "--model", "resnet-tiny", "--dry-run", "--store", root)
    assert [name for name, mode in modes(root).items() if not mode & stat.S_IWGRP] == []


@needs_root
def test_two_users_make_and_remove_in_a_shared_store(root):
    store = Store.open(root, create=True)
    os.chown(root, 2001, GROUP)
    share(root, GROUP)
    as_user(2001, lambda: full(store))
    as_user(2002, lambda: full(store, seed=1))

    def check() -> None:
        assert Store.open(root, create=False).verify() == []
        store.remove([recipe().key, recipe(1).key])
        assert store.ids() == []

    as_user(2002, check)


@needs_root
def test_two_users_write_one_ledger_of_a_shared_store(root):
    book = Ledger(Store.open(root, create=True).root)
    os.chown(root, 2001, GROUP)
    share(root, GROUP)
    as_user(2001, lambda: book.append("a", "received", {}))
    as_user(2002, lambda: book.append("b", "received", {}))
    as_user(2001, lambda: book.append("c", "received", {}))
    assert [entry.request for entry in book.entries()] == ["a", "b", "c"]


@needs_root
def test_a_ledger_that_may_only_be_read_is_read_and_takes_no_entry(root):
    book = Ledger(Store.open(root, create=True).root)
    book.append("a", "received", {})

    def check() -> None:
        assert len(book.entries()) == 1
        with pytest.raises(UsageFailure, match="may not use") as failure:
            book.append("b", "received", {})
        assert failure.value.hint

    as_user(2002, check)
    book.path.chmod(0o600)

    def refused() -> None:
        with pytest.raises(UsageFailure, match=r"may not use .*ledger\.jsonl"):
            book.entries()

    as_user(2002, refused)


@needs_root
def test_what_may_not_be_read_is_not_corrupt(root):
    store = Store.open(root, create=True)
    run = full(store)
    (run.path / "weights.safetensors").chmod(0o600)

    def check() -> None:
        (problem,) = store.verify()
        assert (problem.file, problem.unread) == ("weights.safetensors", True)
        with pytest.raises(UsageFailure, match=r"may not use .*weights\.safetensors .*root's"):
            store.get(run.id).weights()
        assert cli_kit.call("verify", "--store", root).code == 6

    as_user(2002, check)


@needs_root
def test_a_foreign_shard_is_told_by_name(root):
    store = Store.open(root, create=True)
    full(store)

    def check() -> None:
        said = cli_kit.call("prune", recipe().key, "--yes", "--store", root)
        assert said.code == 2
        assert "may not use" in said.err
        assert "is root's" in said.err

    as_user(2002, check)


@needs_root
def test_a_store_that_may_only_be_read_serves_who_reads(root):
    cli_kit.ok(*cli_kit.TRAIN, "--store", root)
    cli_kit.ok("verify", "--store", root)  # imports what the other user's Python may not

    def check() -> None:
        for words in (("runs",), ("verify",), cli_kit.TRAIN, (*cli_kit.TRAIN, "--seeds", "0-2", "--dry-run")):
            assert cli_kit.call(*words, "--store", root).code == 0, words

    as_user(2002, check)


@needs_root
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_who_may_not_write_is_told_before_anything_is_made(root, jobs, monkeypatch):
    """Before data are decoded, and before a worker starts."""
    original = cli_kit.ok(*cli_kit.TRAIN, "--store", root).out.strip()
    words = ("unlearn", original, "--forget", "random:0.2", "-p", "epochs=1", "--store", root, "--method")
    cli_kit.ok(*words, "ga")
    monkeypatch.setattr(ProcessPool, "__init__", lambda *_: pytest.fail("a worker was started"))
    monkeypatch.setattr(Runner, "_make_whole", lambda *_: pytest.fail("a run was begun"))

    def check() -> None:
        said = cli_kit.call(*words, "ft,ct", "--jobs", jobs)
        assert said.code == 2, said
        assert f"may not use {root / 'runs'}" in said.err

    as_user(2002, check)


@needs_root
def test_a_lock_that_another_user_left_behind_is_no_obstacle(root):
    root.mkdir()
    root.chmod(0o777)
    lock = root / ".lock"
    lock.touch()
    lock.chmod(0o644)

    def check() -> None:
        with hold(lock) as locked:
            assert locked

    as_user(2002, check)


@needs_root
def test_what_is_there_is_given_where_nothing_may_be_written(root: Path) -> None:
    """A run that was made, a search's choice too, and plans for a forget set that nobody named before."""
    train = (*cli_kit.TRAIN, "--forget", "random:0.2")
    original = cli_kit.ok(*train, "--store", root).out.strip()
    store = Store.open(root, create=False)
    chosen = store.put(by_choice(recipe(), "ft-0"), scores={}, facts={})

    def check() -> None:
        before = modes(root)
        assert cli_kit.ok(*train, "--store", root).out.strip() == original
        store.asked.add([chosen])
        cli_kit.ok(*cli_kit.TRAIN, "--forget", "random:0.33", "--dry-run", "--store", root)
        assert modes(root) == before

    as_user(2002, check)


@needs_root
@pytest.mark.parametrize("closed", ["manifest.json", "..", "../.."])
def test_verify_goes_on_beside_what_may_not_be_read(root: Path, closed: str) -> None:
    store = Store.open(root, create=True)
    run = full(store)
    full(store, seed=1)
    (run.path / closed).resolve().chmod(0o600 if "json" in closed else 0o700)

    def check() -> None:
        said = cli_kit.call("verify", "--store", root)
        runs = cli_kit.call("runs", "--store", root)
        if closed == "../..":
            assert {said.code, runs.code} == {2}
            assert f"may not use {root / 'runs'}" in runs.err
        else:
            assert (said.code, run.id in said.out) == (6, True)
            assert recipe(1).key not in said.out
            assert recipe(1).key in runs.out

    as_user(2002, check)


@needs_root
def test_what_may_not_be_read_is_told_in_one_line_by_name(root: Path) -> None:
    Store.open(root, create=True)
    key = root.parent / "k.pem"
    cli_kit.ok("certify", "keygen", "--out", key)
    root.chmod(0o700)

    def check() -> None:
        for words in (("runs",), cli_kit.TRAIN):
            cli_kit.refused(*words, "--store", root, code=2, says=(f"may not use {root}", "store share"))
        words = ("certify", "x", "--request", "x", "--key", key, "--store", root.parent / "none")
        cli_kit.refused(*words, code=2, says=(f"may not use {key}", "ls -ld"))

    as_user(2002, check)


def test_a_disk_that_is_read_only_is_told_by_the_folder_of_a_draft(tmp_path: Path) -> None:
    error = OSError(errno.EROFS, "Read-only file system", str(tmp_path / ".staging-x"))
    assert is_refusal(error)
    assert forbidden(error).message == f"{tmp_path} is on a disk that is read-only"
    assert not is_refusal(OSError(errno.EIO, "Input/output error"))


def test_a_command_on_a_read_only_disk_ends_in_one_line(tmp_path: Path, monkeypatch) -> None:
    bench = cli_kit.bench(tmp_path)

    def mkdtemp(**_: object) -> str:
        raise OSError(errno.EROFS, "Read-only file system", str(bench.store / "data" / ".staging-x"))

    monkeypatch.setattr(tempfile, "mkdtemp", mkdtemp)
    train = ("train", "--dataset", cli_kit.small_npz(tmp_path / "x.npz"), "--model", "resnet-tiny")
    bench.refused(*train, code=2, says=("is on a disk that is read-only",))
