"""FlatBuffers, read with every bound checked and written (https://flatbuffers.dev/internals: "FlatBuffers Internals").

A table is its fields by number, as a schema lists them. What is read may be hostile: whatever points outside the file
raises GraphError, and nothing is copied that the file does not hold.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pennyweight.core.errors import GraphError

Fields = dict[int, "Scalar | Vector | str | Fields | list[Fields]"]
"""What a table holds, to be written: None of it may be a default, which a reader assumes where a field is absent."""


MAX_TABLES = 100_000
MAX_TEXT_BYTES = 1_000
"""No vector of tables is read that is longer, and of no string more: many fields of a file may point to the same bytes,
so that a small file can promise a great deal."""


class Scalar(NamedTuple):
    """A number to be written, in a format of `struct`: b, B, h, H, i, I, q or f."""

    format: str
    value: float


class Vector(NamedTuple):
    """Numbers to be written, of one type; the first lies at a multiple of `alignment`."""

    values: npt.NDArray[Any]
    alignment: int = 4


@dataclass(frozen=True, slots=True)
class Table:
    """A table in a file's bytes. Methods take the number of a field, and what it is where it is absent."""

    content: memoryview
    position: int

    @staticmethod
    def root(content: memoryview, identifier: bytes) -> Table:
        """The table that a file begins with. Raises GraphError for a file of another kind."""
        if bytes(content[4:8]) != identifier:
            raise GraphError(f"it does not begin as a file of kind {identifier.decode()}")
        return _table(content, 0)

    def number(self, field: int, format: str, default: float = 0) -> Any:
        """A number in a format of `struct`."""
        position = self._position(field)
        return _unpack(self.content, position, format) if position else default

    def table(self, field: int) -> Table | None:
        """A table."""
        position = self._position(field)
        return _table(self.content, position) if position else None

    def tables(self, field: int) -> list[Table]:
        """A vector of tables; empty where it is absent."""
        start, count = self._vector(field, 4)
        if count > MAX_TABLES:
            raise GraphError(f"it has a list of {count:,} things; this program reads {MAX_TABLES:,}")
        return [_table(self.content, start + 4 * index) for index in range(count)]

    def array(self, field: int, dtype: str) -> npt.NDArray[Any]:
        """A vector of numbers of a little-endian NumPy type, as a view of the file; empty where it is absent."""
        start, count = self._vector(field, np.dtype(dtype).itemsize)
        return np.frombuffer(self.content, dtype, count, start) if count else np.empty(0, dtype)

    def text(self, field: int) -> str:
        """A string, or its beginning where it is long; bytes that are no UTF-8 become escapes."""
        start, count = self._vector(field, 1)
        return bytes(self.content[start : start + min(count, MAX_TEXT_BYTES)]).decode(errors="backslashreplace")

    def _position(self, field: int) -> int:
        """Where a field lies; 0 where it is absent."""
        vtable = self.position - _unpack(self.content, self.position, "i")
        if 4 + 2 * field + 2 > _unpack(self.content, vtable, "H"):
            return 0
        offset = _unpack(self.content, vtable + 4 + 2 * field, "H")
        return self.position + offset if offset else 0

    def _vector(self, field: int, item_bytes: int) -> tuple[int, int]:
        """Where the first item of a vector lies, and how many there are."""
        position = self._position(field)
        if not position:
            return 0, 0
        start = position + _unpack(self.content, position, "I")
        count = _unpack(self.content, start, "I")
        if count * item_bytes > len(self.content) - start - 4:
            raise _damaged(start)
        return start + 4, count


def _table(content: memoryview, position: int) -> Table:
    return Table(content, position + _unpack(content, position, "I"))


def _unpack(content: memoryview, position: int, format: str) -> Any:
    if not 0 <= position <= len(content) - struct.calcsize(f"<{format}"):
        raise _damaged(position)
    return struct.unpack_from(f"<{format}", content, position)[0]


def _damaged(position: int) -> GraphError:
    return GraphError(
        f"it is cut off or damaged: something is said to lie at byte {position:,}", hint="fetch or export it again"
    )


def build(root: Fields, identifier: bytes) -> bytes:
    """The bytes of a file that begins with this table."""
    content = bytearray(4) + identifier
    _point(content, 0, _add_table(content, root))
    return bytes(content)


def _add_table(content: bytearray, fields: Fields) -> int:
    """Append a table, its vtable before it and all that it points to behind it; returns where it lies."""
    offsets, size = {}, 4
    for number, value in sorted(fields.items(), key=lambda item: -_inline_bytes(item[1])):
        length = _inline_bytes(value)
        size += -size % length
        offsets[number] = size
        size += length
    count = max(fields, default=-1) + 1
    _align(content, 8, ahead=4 + 2 * count)
    vtable = len(content)
    content += struct.pack(f"<{2 + count}H", 4 + 2 * count, size, *(offsets.get(number, 0) for number in range(count)))
    position = len(content)
    content += struct.pack("<i", position - vtable) + bytes(size - 4)
    for number, value in fields.items():
        at = position + offsets[number]
        if isinstance(value, Scalar):
            struct.pack_into(f"<{value.format}", content, at, value.value)
        elif isinstance(value, dict):
            _point(content, at, _add_table(content, value))
        elif isinstance(value, list):
            _point(content, at, _add_tables(content, value))
        else:
            _point(content, at, _add_vector(content, value))
    return position


def _inline_bytes(value: object) -> int:
    return struct.calcsize(f"<{value.format}") if isinstance(value, Scalar) else 4


def _add_tables(content: bytearray, tables: Sequence[Fields]) -> int:
    _align(content, 4)
    position = len(content)
    content += struct.pack("<I", len(tables)) + bytes(4 * len(tables))
    for index, fields in enumerate(tables):
        _point(content, position + 4 + 4 * index, _add_table(content, fields))
    return position


def _add_vector(content: bytearray, value: Vector | str) -> int:
    items = value.encode() if isinstance(value, str) else value.values.tobytes()
    _align(content, 4 if isinstance(value, str) else value.alignment, ahead=4)
    position = len(content)
    content += struct.pack("<I", len(items) if isinstance(value, str) else value.values.size) + items
    if isinstance(value, str):
        content.append(0)
    return position


def _align(content: bytearray, to: int, *, ahead: int = 0) -> None:
    """Append zeros until `ahead` bytes more end at a multiple of `to`."""
    content += bytes(-(len(content) + ahead) % to)


def _point(content: bytearray, at: int, position: int) -> None:
    struct.pack_into("<I", content, at, position - at)
