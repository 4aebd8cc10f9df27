"""Where studies are kept: a journal file beside the runs, or whatever Optuna accepts."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepunlearn_cli.core.errors import Failure, UsageFailure
from deepunlearn_cli.store.line_kinds import JOURNAL_HEAD
from deepunlearn_cli.sweep.address import scrubbed, shown
from deepunlearn_cli.system.rights import follow, make_folder

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

JOURNAL = "journal:"
ALL = "all.journal"  # of a store: derived (`collection.py`)
HEAD = JOURNAL_HEAD.encode()  # as Optuna and we write them
TORN = "torn"  # suffix of the copies that are kept of journals before they are mended
FORMS = "postgresql://, mysql://, sqlite:///FILE or journal:FILE"
COLUMNS = "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c"
TRIES, PAUSE = 3, 0.5  # two machines that create the tables at the same moment: one of them tries again


def open_storage(address: str) -> BaseStorage:
    """Optuna's storage behind `journal:FILE` or a database URL.

    Raises:
        UsageFailure: malformed, unreachable, or a driver is missing. No password is ever shown.
    """
    check_address(address)
    if address.startswith(JOURNAL):
        return _journal(Path(address.removeprefix(JOURNAL)).expanduser())
    return _database(address)


def check_address(address: str) -> None:
    """Refuse an address that is none, or a file that is something else, without making anything.

    Raises:
        UsageFailure: saying so.
    """
    if address.startswith(JOURNAL):
        check_journal(Path(address.removeprefix(JOURNAL)).expanduser())
    elif "://" not in address:
        raise UsageFailure(f"--database {shown(address)!r} is not an address", f"--database takes {FORMS}")
    elif file := file_of(address):
        _check_sqlite(file)


def file_of(address: str) -> Path | None:
    """The file that a journal or an SQLite database is; None for a server's, and for one in memory."""
    scheme, _, rest = address.partition(":")
    if address.startswith(JOURNAL):
        return Path(rest).expanduser()
    file = rest.removeprefix("///").partition("?")[0]
    return Path(file) if scheme.startswith("sqlite") and file not in ("", "//", ":memory:") else None


def journal_of(folder: Path, name: str) -> str:
    """Address of a study's own journal in a store's folder of studies."""
    return f"{JOURNAL}{journal_file(folder, name)}"


def journal_file(folder: Path, name: str) -> Path:
    """The file of a study's own journal."""
    return folder / f"{name}.journal"


def journals(folder: Path) -> list[Path]:
    """The journals of a store's studies, without what is collected from them."""
    return sorted(path for path in folder.glob("*.journal") if path.name != ALL)


def made(address: str) -> bool:
    """Whether there is such a storage, as far as can be told without making it: servers are taken to be."""
    file = file_of(address)
    return file is None or file.is_file()


def _check_sqlite(file: Path) -> None:
    """Refuse a database of something else, beside whose tables Optuna would put its own, and what is none.

    Raises:
        UsageFailure: it has tables, and none of Optuna's; or it is no SQLite database.
    """
    if not file.is_file() or not file.stat().st_size:
        return
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
            found = {*database.execute(COLUMNS)}
    except sqlite3.OperationalError:  # busy, or not for us to read: whoever opens it says so
        return
    except sqlite3.DatabaseError:
        raise UsageFailure(f"{file} is no database; it was left as it was", "choose another file") from None
    if found and ("version_info", "library_version") not in found:
        raise UsageFailure(
            f"{file} is a database of something else; it was left as it was", "choose another file"
        )


def _journal(path: Path) -> BaseStorage:
    from optuna.storages import JournalStorage

    try:
        check_journal(path)
        make_folder(path.parent)
        storage = JournalStorage(_backend(path))
        follow(path)
        return storage
    except OSError as error:
        raise UsageFailure(f"cannot write the journal {path}: {error.strerror}", "choose another") from None
    except Exception as error:  # noqa: BLE001 - Optuna asserts, indexes and unpacks what the lines say
        raise UsageFailure(
            f"{path} is not an Optuna journal ({type(error).__name__})", "choose another file"
        ) from None


def check_journal(path: Path) -> None:
    """Refuse a file that is something else: it is neither mended nor written to.

    Only its first line tells; a first line that a killed process left unfinished counts as far as it goes.

    Raises:
        UsageFailure: it is no journal.
        OSError: it cannot be read.
    """
    if path.exists() and not _is_journal(path):
        raise UsageFailure(f"{path} is not an Optuna journal; it was left as it is", "choose another file")


def _is_journal(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        line = file.readline()
    return is_entry(line) if line.endswith(b"\n") else not line or line.startswith(HEAD)


def is_entry(line: bytes) -> bool:
    """Whether a line is one of a journal's."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(entry, dict) and {"op_code", "worker_id"} <= entry.keys()


def _backend(path: Path) -> JournalFileBackend:
    from optuna.storages.journal import JournalFileBackend

    lock = _lock(path)
    return _unhurried(path, lock) if lock else JournalFileBackend(str(path))


def _unhurried(path: Path, lock: JournalFileOpenLock) -> JournalFileBackend:
    """Optuna's journal file, without its wait for the disk after each line: there are eight to a trial.

    Closing the file shows a line to everybody. What a power failure may take are the last lines: their trials
    are made again, from the store, which does wait for the disk.
    """
    from optuna.storages.journal import JournalFileBackend

    class Unhurried(JournalFileBackend):
        def append_logs(self, logs: list[dict[str, Any]]) -> None:
            lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
            lock.acquire()
            try:
                _append(path, lines.encode())
            finally:
                lock.release()

    return Unhurried(str(path), lock_obj=lock)


def _lock(path: Path) -> JournalFileOpenLock | None:
    """A lock that dies with its owner; None (Optuna's own, which others break after 30 s) without `flock`."""
    try:
        import fcntl
    except ImportError:
        return None
    from optuna.storages.journal import JournalFileOpenLock

    class Flock(JournalFileOpenLock):
        _descriptor = -1

        def acquire(self) -> bool:
            self._close()  # an interrupt between `acquire` and `release` must not lock us out ourselves
            self._descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o666)
            follow(Path(f"{path}.lock"))
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            _mend(path)
            return True

        def release(self) -> None:
            self._close()

        def _close(self) -> None:
            if self._descriptor >= 0:
                descriptor, self._descriptor = self._descriptor, -1
                os.close(descriptor)

    return Flock(str(path))


def _append(path: Path, lines: bytes) -> None:
    """All of the lines or, on a full disk, none of them."""
    with path.open("ab", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        try:
            written = file.write(lines)
            if written < len(lines):
                file.write(lines[written:])  # says why it does not fit
        except OSError:
            file.truncate(size)
            raise


def _mend(path: Path) -> None:
    """Cut a last line that was never finished: Optuna would refuse the whole file once a line follows it.

    A copy of the file as it was stays beside it. What is no journal is refused (`check_journal`).
    """
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        if file.read(1) in (b"", b"\n"):
            return
        check_journal(path)
        _keep_copy(path)
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


def _keep_copy(path: Path) -> None:
    names = (path.with_name(f"{path.name}.{number}.{TORN}") for number in count())
    aside = next(name for name in names if not name.exists())
    try:
        shutil.copy2(path, aside)
    except OSError:
        aside.unlink(missing_ok=True)
        raise


def _database(address: str) -> BaseStorage:
    from optuna.storages import RDBStorage

    for attempt in range(TRIES):
        try:
            return RDBStorage(address, engine_kwargs={"pool_pre_ping": True})
        except ImportError as error:
            raise _no_driver(address, error) from None
        except Exception as error:  # noqa: BLE001 - drivers raise what they like; the last one is told
            if attempt == TRIES - 1:
                raise _unreachable(address, error) from None
            time.sleep(PAUSE)
    raise AssertionError("unreachable")


def _no_driver(address: str, error: ImportError) -> Failure:
    kind = address.partition(":")[0].partition("+")[0]
    lacking = error.name or scrubbed(str(error), address)
    return UsageFailure(
        f"--database {kind}:// needs a library that is not installed: {lacking}",
        f"pip install 'deepunlearn[{kind}]'" if kind == "postgresql" else f"install a driver for {kind}",
    )


def _unreachable(address: str, error: Exception) -> Failure:
    reason: Any = getattr(error, "orig", None) or error
    lines = [line.strip() for line in scrubbed(str(reason), address).splitlines() if line.strip()]
    said = lines[0] if lines else type(reason).__name__
    return UsageFailure(f"cannot use --database {shown(address)}: {said}", f"--database takes {FORMS}")
