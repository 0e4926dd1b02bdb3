"""The file of a SQLite store: where it may be, who may read it, what becomes of a corrupt one."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from resilient.errors import ConfigurationError
from resilient.stores.bytes_store import StoreFailed

Identity = tuple[int, int]
"""Device and inode: tells a file from another one that has its name later."""

_IS_POSIX = os.name == "posix"
MOST_CORRUPT = 3
"""Corrupt files that are kept; if there is one more, the disk is to blame."""

_BESIDE = ("-wal", "-shm", "-journal")


def checked_path(text: str, opens: str = "open_store") -> Path:
    """An absolute path where a store may be. opens: the function that was given the path.

    A directory that others can write to is refused, with or without the sticky bit: SQLite opens
    `-wal` and `-shm` beside its file by name, and others could have put them there before. A group
    counts as others, unless it is the user's own.
    Raises: ConfigurationError.
    """
    # SQLite itself follows links: what counts is where the file really is.
    path = Path(os.path.realpath(os.path.expanduser(text)))
    shown = f'{opens}("sqlite:///{text}")'
    if path.is_dir():
        raise ConfigurationError(f"{shown}: that is a directory; use the path of a file.")
    if not path.parent.is_dir():
        raise ConfigurationError(
            f"{shown}: there is no directory {path.parent}. Make it first: mkdir -m 700 …"
        )
    if not _IS_POSIX:
        return path
    remedy = "Use a directory of your own: mkdir -m 700 …"
    for folder in (path.parent, *path.parent.parents):
        facts = folder.stat()
        if facts.st_uid not in (0, os.geteuid()) and folder == path.parent and os.geteuid() != 0:
            raise ConfigurationError(f"{shown}: {folder} belongs to another user. {remedy}")
        # In a directory above, the sticky bit keeps others from moving what is ours.
        may_be_sticky = folder != path.parent
        if _others_write(facts) and not (may_be_sticky and facts.st_mode & stat.S_ISVTX):
            raise ConfigurationError(f"{shown}: others can write to {folder}. {remedy}")
    with contextlib.suppress(FileNotFoundError):
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise ConfigurationError(f"{shown}: that is no regular file; use the path of a file.")
        if facts.st_uid != os.geteuid() and os.geteuid() != 0:
            raise ConfigurationError(
                f"{shown}: it belongs to another user; use a file of your own."
            )
    return path


def make_private(path: Path, fill: Callable[[Path], None]) -> None:
    """See that the file is there, and that nobody else may read it.

    fill: makes of an empty file what a new one has to be.
    It is never opened here if it may be a database: closing it would end SQLite's locks on it, all
    those of this process.
    """
    try:
        facts = path.stat()
    except FileNotFoundError:
        _create(path, fill)
        return
    if _IS_POSIX and facts.st_mode & 0o077:
        path.chmod(0o600)
        for beside in _BESIDE:
            with contextlib.suppress(FileNotFoundError):
                Path(f"{path}{beside}").chmod(0o600)


def identity_of(path: Path) -> Identity | None:
    """Which file has this name now; None if none."""
    try:
        facts = os.stat(path)
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


def move_aside(path: Path, corrupt: Identity | None) -> Path | None:
    """Give a corrupt file another name, so that a new one can begin.

    corrupt: which file it is; if another has its name by now, somebody else was faster, and nothing
    is done.
    Raises: StoreFailed.
    """
    with _alone(path):
        if corrupt is None or identity_of(path) != corrupt:
            return None
        former = list(path.parent.glob(f"{path.name}.corrupt-*"))
        if sum(not name.name.endswith(_BESIDE) for name in former) >= MOST_CORRUPT:
            raise StoreFailed(
                f"the file is corrupt, as {MOST_CORRUPT} before it were: look at the disk, and "
                "delete the *.corrupt-* files"
            )
        aside = Path(f"{path}.corrupt-{int(time.time())}-{os.getpid()}-{len(former)}")
        try:
            # First the file: who opens its name now begins a new one, and SQLite ignores a -wal
            # that is not of its file.
            path.rename(aside)
            for beside in _BESIDE:
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{path}{beside}").rename(f"{aside}{beside}")
        except OSError as error:
            raise StoreFailed(
                f"the file is corrupt and can't be moved: {error.strerror}"
            ) from error
        return aside


def _others_write(facts: os.stat_result) -> bool:
    if facts.st_mode & stat.S_IWOTH:
        return True
    return bool(facts.st_mode & stat.S_IWGRP) and not _is_private(facts.st_gid)


def _is_private(group: int) -> bool:
    """Is it root's, or a group that has the user's name and nobody else in it?"""
    import grp
    import pwd

    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
        facts = grp.getgrgid(group)
    except KeyError:  # of a container, say, that knows no names
        return group == os.getegid() == os.geteuid()
    return group == 0 or (facts.gr_name == user and set(facts.gr_mem) <= {user})


def _create(path: Path, fill: Callable[[Path], None]) -> None:
    # It gets its name when it is complete, so that nobody sees half of it, and closed (see
    # make_private). mkstemp gives it the rights 0600.
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    os.close(handle)
    try:
        fill(Path(name))
        os.link(name, path)
    except FileExistsError:
        pass  # another process was faster
    except OSError:  # a file system without hard links
        if not path.exists():
            os.rename(name, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Only one process moves a file aside; a killed one leaves no lock behind."""
    if not _IS_POSIX:
        yield
        return
    import fcntl

    handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreFailed("the file is corrupt, and another process is at it") from error
        yield
    finally:
        os.close(handle)
