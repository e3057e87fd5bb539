"""A folder of files that is whole or not there, and that takes the place of nothing but an older one of its kind."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from pennyweight.core.errors import UsageError
from pennyweight.core.files import DRAFT, read_within, writing
from pennyweight.core.text import visible

MANIFEST = "export.json"
"""The file in an exported folder that tells what was exported, and the checksum of every file."""

MANIFEST_MAX_BYTES = 1 << 20

BUILT = ("*.o", "*.obj", "*.exe")
"""What a compiler leaves beside the sources, and whose loss is none; beside these a program of the network's name."""

NAMED = 5
"""So many files are named in an error."""


def check_folder(folder: Path) -> None:
    """Raises UsageError where an export may not take the place of what is at `folder`.

    It may where nothing is there or an empty folder, or an export as it was written, with what a compiler made of it.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise UsageError(f"{visible(folder)} is no folder", hint="choose another --out")
    if folder.resolve() == Path.cwd():
        raise UsageError("an export does not take the place of the folder that you are in", hint="name one in it")
    if not folder.exists() or not any(folder.iterdir()):
        return
    try:
        facts = json.loads(read_within(folder, MANIFEST, MANIFEST_MAX_BYTES))
        sums, name = dict(facts["files"]), str(facts["name"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        raise UsageError(
            f"{visible(folder)} exists, and nothing that was exported is in it",
            hint="choose another --out, or empty the folder",
        ) from None
    strange = _strange(folder, sums, name)
    if strange:
        more = " and others" if len(strange) > NAMED else ""
        raise UsageError(
            f"{visible(folder)} holds what the last export did not write: "
            f"{', '.join(visible(each) for each in strange[:NAMED])}{more}",
            hint="move these to another place, or choose another --out",
        )


def write_folder(folder: Path, files: Mapping[str, str], facts: Mapping[str, Any]) -> None:
    """Write ASCII files by their paths, and a manifest with `facts`, among them the `name`, in the place of an older
    export.

    Raises UsageError as `check_folder`, RunError where the disk refuses; the older one is then still there.
    """
    check_folder(folder)
    contents = {name: text.encode("ascii") for name, text in files.items()}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    contents[MANIFEST] = (json.dumps({**facts, "files": sums}, indent=1) + "\n").encode("ascii")
    ending = f"{os.getpid()}.{secrets.token_hex(4)}{DRAFT}"
    draft, old = (folder.with_name(f".{folder.name}.{way}.{ending}") for way in ("new", "old"))
    with writing(folder):
        try:
            for name, content in contents.items():
                path = draft / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            if folder.exists():
                folder.rename(old)
            try:
                draft.rename(folder)
            except OSError:
                if old.exists():
                    old.rename(folder)
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _strange(folder: Path, sums: Mapping[str, Any], name: str) -> list[str]:
    """The files in the folder that are not in the manifest, or not as it says."""
    found = []
    for path in sorted(folder.rglob("*")):
        told = path.relative_to(folder).as_posix()
        if told in (MANIFEST, name) or any(fnmatch(path.name, pattern) for pattern in BUILT):
            continue
        if path.is_dir() and not path.is_symlink():
            continue
        try:
            same = sums.get(told) == hashlib.sha256(read_within(folder, told, 1 << 30)).hexdigest()
        except OSError:
            same = False
        if not same:
            found.append(told)
        if len(found) > NAMED:
            break
    return found
