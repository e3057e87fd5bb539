"""Files that are whole or not there: what is written replaces the old one only when all of it is on the disk."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

DRAFT = ".draft"
"""How the name of a file ends that is not yet whole. One that lies about is what a killed process left."""


def write_bytes(path: Path, content: bytes) -> None:
    """Replace the file at `path` by `content`, atomically; its folder is made where it is missing.

    Raises OSError (a full disk, say) with the old file untouched and nothing left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}{DRAFT}")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise


def write_json(path: Path, facts: Any) -> None:
    """Replace the file at `path` by `facts` as JSON, atomically. Numbers that are not finite raise ValueError."""
    write_bytes(path, (json.dumps(facts, indent=1, allow_nan=False) + "\n").encode())
