"""Who may do what with a file: modes that follow the folder's, and messages that say whose it is."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from shlex import quote

from deepunlearn_cli.core.errors import UsageFailure, unknown

PRIVATE = ".private"  # ends the name of what stays its owner's in a shared folder too
MARKER = "store.json"  # tells a store's folder
SHARE = "its owner can open it to a group: deepunlearn store share --group GROUP"
ELSEWHERE = "copy it to where it may be written, and name that place"


def is_refusal(error: BaseException) -> bool:
    """Whether an operating system did not let this user do something: by modes, or on a read-only disk."""
    return isinstance(error, PermissionError) or (isinstance(error, OSError) and error.errno == errno.EROFS)


def forbidden(error: OSError, path: Path | None = None) -> UsageFailure:
    """What a refusal means: which path, whose it is, who asked. Of a draft of ours the folder is told."""
    place = Path(path or os.fsdecode(error.filename or "?"))
    if place.name.startswith(".") and not os.path.lexists(place):
        place = place.parent
    if error.errno == errno.EROFS:
        return UsageFailure(f"{place} is on a disk that is read-only", ELSEWHERE)
    hint = SHARE if _in_store(place) else f"ls -ld {quote(str(place))}"
    return UsageFailure(f"{_me()} may not use {place}{_whose(place)}", hint)


def _in_store(place: Path) -> bool:
    """Whether a path is of a store, or of a folder that may be one: it does not let us look."""
    closed = os.path.isdir(place) and not os.access(place, os.R_OK | os.X_OK)  # noqa: PTH112 (Path.is_dir raises)
    return closed or any(os.path.exists(folder / MARKER) for folder in (place, *place.parents))  # noqa: PTH110


def may_write(folder: Path) -> bool:
    """Whether this user may make files in a folder."""
    return os.access(folder, os.W_OK | os.X_OK)


def check_writable(folder: Path) -> None:
    """Refuse, before anything is made, a folder in which this user may make nothing.

    Raises:
        UsageFailure: it says whose the folder is, or that its disk is read-only.
    """
    folder = next(one for one in (folder, *folder.parents) if one.exists())
    if may_write(folder):
        return
    raise forbidden(OSError(errno.EROFS if on_read_only(folder) else errno.EACCES, ""), folder)


def on_read_only(folder: Path) -> bool:
    """Whether nobody may write there: the disk is mounted so."""
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def is_shared(folder: Path) -> bool:
    """Whether what is made in a folder is to belong to the folder's group: setgid, and writable by it."""
    try:
        mode = folder.stat().st_mode
    except OSError:
        return False
    return bool(mode & stat.S_ISGID and mode & stat.S_IWGRP)


def follow(path: Path) -> Path:
    """Open a new file or folder to the group if its folder is shared; elsewhere the umask has decided."""
    if is_shared(path.parent):
        with suppress(PermissionError, FileNotFoundError):
            _open_to_group(path, path.parent.stat().st_mode)
    return path


def make_folder(folder: Path) -> Path:
    """Make a folder with its parents, each open to the group where its parent is."""
    if not folder.is_dir():
        if folder.parent != folder:
            make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        follow(folder)
    return folder


def group_id(name: str | None) -> int | None:
    """The number of a group; None where none is named. `NotFound` if there is no such group."""
    if name is None:
        return None
    import grp

    try:
        return int(name) if name.isdecimal() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise unknown("group", name, (one.gr_name for one in grp.getgrall())) from None


def share(root: Path, group: int | None) -> str:
    """Open a folder and all that is in it to a group, now and for what will be made there; None: its own.

    What is `PRIVATE` stays its owner's.

    Returns:
        The group's name.

    Raises:
        PermissionError: something in it is another user's, or the user is not of that group.
    """
    group = root.stat().st_gid if group is None else group
    for folder, _, files in os.walk(root):
        for path in (Path(folder), *(Path(folder, name) for name in files)):
            if path.is_symlink() or path.suffix == PRIVATE:
                continue
            if path.stat().st_gid != group:
                os.chown(path, -1, group)
            _open_to_group(path, stat.S_ISGID | stat.S_IRWXG)
    return _group(group)


def _open_to_group(path: Path, like: int) -> None:
    now = path.stat().st_mode
    if stat.S_ISDIR(now):
        mode = now | (like & (stat.S_IRWXG | stat.S_IRWXO)) | stat.S_ISGID
    else:
        mode = now | (like & (stat.S_IRGRP | stat.S_IWGRP | stat.S_IROTH))
    if stat.S_IMODE(mode) != stat.S_IMODE(now):
        path.chmod(stat.S_IMODE(mode))


def _whose(place: Path) -> str:
    """The nearest folder or file that says who may do what."""
    for path in (place, *place.parents):
        try:
            found = path.stat()
        except OSError:
            continue
        owner, group = _user(found.st_uid), _group(found.st_gid)
        which = "" if path == place else f"{path} "
        return f" ({which}is {owner}'s, group {group}, {stat.filemode(found.st_mode)})"
    return ""


def _me() -> str:
    return _user(os.geteuid()) if hasattr(os, "geteuid") else "this user"


def _user(number: int) -> str:
    try:
        import pwd

        return pwd.getpwuid(number).pw_name
    except (ImportError, KeyError):
        return f"user {number}"


def _group(number: int) -> str:
    try:
        import grp

        return grp.getgrgid(number).gr_name
    except (ImportError, KeyError):
        return str(number)
