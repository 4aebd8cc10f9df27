"""Who may do what with a file: modes that follow the folder's, and messages that say whose it is."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from deepunlearn_cli.core.errors import UsageFailure, unknown

PRIVATE = ".private"  # ends the name of what stays its owner's in a shared folder too
SHARE = "its owner can open it to a group: deepunlearn store share --group GROUP"


def forbidden(error: PermissionError, path: Path | None = None) -> UsageFailure:
    """What an operating system's refusal means: which path, whose it is, who asked."""
    place = Path(path or os.fsdecode(error.filename or "?"))
    return UsageFailure(f"{_me()} may not use {place}{_whose(place)}", SHARE)


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
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        raise UsageFailure(f"{folder} is on a disk that is read-only", "--store DIR makes runs elsewhere")
    raise forbidden(PermissionError(), folder)


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
