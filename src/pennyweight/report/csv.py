"""Tables as comma-separated values (RFC 4180), for spreadsheets and data frames."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pennyweight.core.errors import PennyweightError
from pennyweight.core.files import write_bytes

FORMULA_START = re.compile(r"""^(?=[\t\r\n])|(?<![^;,\t\r\n])(?=[\s"']*[=+@\uff1d\uff0b\uff0d\uff20-])""")
"""Where a spreadsheet may see a formula in a text: at its begin, and after what some locales part cells by, whatever
quotes are around it; the four signs have full-width forms too. An apostrophe there makes it text (OWASP, "CSV
Injection")."""


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Replace the file at `path`, atomically, by a table of the rows in UTF-8; its columns are all keys as they come.

    None and numbers that are not finite are empty cells. An interval, and quartiles, are written as two columns,
    `…_low` and `…_high`, figures in a row as 0.5 0.75, any other sequence as a shape, such as 32x32x3. What is within
    an object has columns of its own, `choice.network` for instance. Every text is between quotation marks.
    Raises PennyweightError where the file cannot be written.
    """
    flat = [_flat(row) for row in rows]
    columns = dict.fromkeys(column for row in flat for column in row)
    lines: list[list[Any]] = [list(columns), *([row.get(column) for column in columns] for row in flat)]
    page = "".join(",".join(map(_cell, line)) + "\r\n" for line in lines)
    try:
        write_bytes(path, page.encode(errors="backslashreplace"))
    except OSError as error:
        raise _refused(path, error.strerror or str(error)) from error


def write_tables(path: Path, main: Sequence[Mapping[str, Any]], **others: Sequence[Mapping[str, Any]]) -> None:
    """Write `main` to `path`, and each other table that has rows beside it: `confusion` of a.csv to a-confusion.csv.

    Raises PennyweightError where a file cannot be written.
    """
    for name, rows in others.items():
        if rows:
            write_csv(path.with_stem(f"{path.stem}-{name.replace('_', '-')}"), rows)
    write_csv(path, main)


def check_writable(path: Path) -> None:
    """Raises PennyweightError where it can be seen beforehand that no file can be written at `path`."""
    if path.is_dir():
        raise _refused(path, "it is a folder")
    folder = path.absolute().parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise _refused(path, f"{folder} is no folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _refused(path, f"you may not write into {folder}")


def _refused(path: Path, why: str) -> PennyweightError:
    return PennyweightError(f"{path} cannot be written: {why}", hint="choose another file: --csv table.csv")


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in row.items():
        match value:
            case None | [_, _] if key.endswith(("interval", "quartiles")):
                flat[f"{key}_low"], flat[f"{key}_high"] = value or (None, None)
            case Mapping():
                flat |= {f"{key}.{name}": each for name, each in value.items()}
            case _:
                flat[key] = value
    return flat


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case float():
            return repr(value) if math.isfinite(value) else ""
        case list() | tuple():
            return _cell((" " if any(isinstance(each, float) for each in value) else "x").join(map(str, value)))
        case bool() | int():
            return str(value)
        case _:
            text = FORMULA_START.sub("'", str(value)).replace('"', '""')
            return f'"{text}"'
