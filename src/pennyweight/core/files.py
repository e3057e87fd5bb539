"""Files that are whole or not there: what is written replaces the old one only when all of it is on the disk."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pennyweight.core.errors import RunError

DRAFT = ".draft"
"""How the name of a file ends that is not yet whole: `.NAME.PROCESS.RANDOM.draft`."""

STALE_S = 24 * 3600
"""No file takes so long to be written: an older draft belongs to nobody."""


def write_bytes(path: Path, content: bytes) -> None:
    """Replace the file at `path` by `content`, atomically; its folder is made where it is missing.

    Of several that write it at once, one is the last, and the file is whole. Raises OSError (a full disk, say) with
    the old file untouched and nothing left behind. A device or a pipe is written to, not replaced.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        path.write_bytes(content)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}{DRAFT}")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
    with suppress(OSError):  # not every system opens a folder
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_json(path: Path, facts: Any) -> None:
    """Replace the file at `path` by `facts` as JSON, atomically. Numbers that are not finite raise ValueError."""
    write_bytes(path, (json.dumps(facts, indent=1, allow_nan=False) + "\n").encode())


def read_within(folder: Path, name: str, limit_bytes: int) -> bytes:
    """The content of the file called `name` in `folder`.

    Raises OSError for what is no regular file, lies outside of the folder (as a link may) or is larger than the limit.
    """
    try:
        path = (folder / name).resolve(strict=True)
    except RuntimeError as error:  # a link to itself, before Python 3.13
        raise OSError("it is a link to itself") from error
    if not path.is_relative_to(folder.resolve()):
        raise OSError("it is a link to what lies outside of the folder")
    if not path.is_file():
        raise OSError("it is no regular file")
    with path.open("rb") as file:
        content = file.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise OSError(f"it is larger than {limit_bytes:,} bytes")
    return content


def sweep(folder: Path) -> None:
    """Remove from `folder` the drafts that killed processes left there."""
    for draft in folder.glob(f".*{DRAFT}"):
        with suppress(OSError):
            if time.time() - draft.lstat().st_mtime > STALE_S or not _lives(draft.name):
                draft.unlink()


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Turns what the disk refuses into a RunError."""
    try:
        yield path
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
        raise RunError(
            f"{path} cannot be written: {error.strerror or error}",
            hint="make room on the disk" if full else "choose another folder, or see who may write there",
        ) from error


@contextmanager
def held_alone(path: Path) -> Iterator[None]:
    """Holds the file at `path`, which is made where it is missing, against every other process, dead ones excepted.

    Raises RunError where another process holds it.
    """
    with writing(path), path.open("ab") as file:
        try:
            _lock(file.fileno())
        except OSError as error:
            raise RunError(
                f"another process is at work in {path.parent}", hint="let it end, or choose another folder"
            ) from error
        yield


def _lock(descriptor: int) -> None:
    """Lock an open file until it is closed or the process ends. Raises OSError where it is locked."""
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lives(draft: str) -> bool:
    """Whether the process that began a draft may be at work on it still."""
    named = re.search(rf"\.(\d+)\.[0-9a-f]{{8}}{re.escape(DRAFT)}$", draft)
    if named is None or os.name != "posix":  # elsewhere a signal, even none, may end the process
        return True
    try:
        os.kill(int(named[1]), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
