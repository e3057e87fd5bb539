"""CIFAR-10's official files: Python pickles, read without running anything that they say.

A pickle is a program for a machine with a stack. This reader is such a machine, and not Python's: it knows the opcodes
that a batch needs and refuses all others. They build texts, numbers, tuples, lists, dicts whose keys are texts, and
one kind of object: an array of bytes. A name in a pickle is never looked up; the four that an array of bytes is
pickled with are words here, each with its own rule.
"""

from __future__ import annotations

import pickle
import pickletools
from typing import TYPE_CHECKING, Any

import numpy as np

from pennyweight.core.errors import DataError
from pennyweight.data.images import LabelledImages, Part

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 32
PIXEL_BYTES = SIDE * SIDE * 3
BATCHES = 5
CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""As published on https://www.cs.toronto.edu/~kriz/cifar.html; `batches.meta` says the same."""

FILE_LIMIT_BYTES = 256 << 20
"""An official batch has 31 MB."""

OPCODE_LIMIT = 500_000
"""An official batch has about 30,000 opcodes: some for each label and file name, few for all pixels together."""

NAMES = {
    "numpy.core.multiarray _reconstruct",
    "numpy._core.multiarray _reconstruct",
    "numpy ndarray",
    "numpy dtype",
    "_codecs encode",
}
"""What an array of bytes is pickled with (`encode`: Python 3 writes bytes so for Python 2)."""

VALUES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES"),
}
"""The opcodes whose argument is a value as it stands."""


def read_cifar10(folder: Path) -> LabelledImages:
    """CIFAR-10 from `data_batch_1` … `data_batch_5` and `test_batch` in `folder`: 32x32x3, ten classes.

    A training batch may be missing; `notes` says which. Raises DataError for a file that is no such pickle.
    """
    present = [number for number in range(1, BATCHES + 1) if (folder / f"data_batch_{number}").is_file()]
    if not present:
        raise DataError(f"{folder}: none of data_batch_1 … data_batch_{BATCHES} lies there")
    batches = [_read_batch(folder / f"data_batch_{number}")[0] for number in present]
    missing = [f"data_batch_{number}" for number in range(1, BATCHES + 1) if number not in present]
    count = sum(map(len, batches))
    notes = []
    if missing:
        notes.append(f"without {', '.join(missing)}: {count:,} of 50,000 training images")
    test, test_title = _read_batch(folder / "test_batch")
    if test_title.startswith("training"):
        notes.append(f"test_batch holds {test_title}, not the published test images")
    return LabelledImages(
        "cifar10",
        Part(np.concatenate([batch.images for batch in batches]), np.concatenate([batch.labels for batch in batches])),
        test,
        _class_names(folder / "batches.meta"),
        origin=str(folder),
        notes=tuple(notes),
    )


def _read_batch(path: Path) -> tuple[Part, str]:
    """The pictures of one file, and what it calls itself, such as `training batch 1 of 5`."""
    record = _read_record(path)
    data: Any = record.get("data")
    labels: Any = record.get("labels")
    faults = []
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != PIXEL_BYTES:
        faults.append(f"`data` must be an array of bytes (count, {PIXEL_BYTES})")
    if not isinstance(labels, list) or not all(
        type(label) is int and 0 <= label < len(CLASS_NAMES) for label in labels
    ):
        faults.append(f"`labels` must be a list of numbers 0 … {len(CLASS_NAMES) - 1}")
    elif not faults and len(data) != len(labels):
        faults.append(f"{len(data):,} images have {len(labels):,} labels")
    if faults:
        raise DataError(f"{path}: not a batch of CIFAR-10: " + "; ".join(faults))
    planes = data.reshape(-1, 3, SIDE, SIDE)
    part = Part(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), np.array(labels, np.int64))
    title = record.get("batch_label")
    return part, _text(title) if isinstance(title, (bytes, str)) else ""


def _class_names(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        return CLASS_NAMES
    names = _read_record(path).get("label_names")
    if not isinstance(names, list) or len(names) != len(CLASS_NAMES) or not all(type(n) in (bytes, str) for n in names):
        raise DataError(f"{path}: `label_names` must be a list of {len(CLASS_NAMES)} names")
    return tuple(map(_text, names))


def _text(word: bytes | str) -> str:
    """Python 2 wrote its texts as bytes."""
    return word.decode("latin-1") if isinstance(word, bytes) else word


def _read_record(path: Path) -> dict[str, Any]:
    """The dict in a pickle, its keys as text.

    Raises DataError where there is anything in it but plain values and arrays of bytes.
    """
    if (size_bytes := path.stat().st_size) > FILE_LIMIT_BYTES:
        raise DataError(f"{path}: {size_bytes:,} bytes, the limit is {FILE_LIMIT_BYTES:,}")
    try:
        record = _unpickled(path.read_bytes())
    except MemoryError:
        reason = "it asks for more memory than there is"
    # On bytes that are no pickle, pickletools raises nearly anything.
    except Exception as error:
        reason = (str(error) or type(error).__name__)[:200]
    else:
        if isinstance(record, dict):
            return record
        reason = f"it holds no dict but {type(record).__name__}"
    raise DataError(f"{path}: refused: {reason}", hint="fetch the official cifar-10-python.tar.gz again")


def _unpickled(content: bytes) -> object:
    """What a pickle builds of plain values and arrays of bytes.

    Nothing is hashed but texts, and no value is compared, copied or written out as a whole: however deep values nest
    or often they are shared, an opcode costs its own length. Raises pickle.UnpicklingError for what is not admitted,
    and nearly anything for bytes that are no pickle.
    """
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}
    argument: Any
    left_bytes = len(content)

    def popped(start: int) -> list[Any]:
        values = stack[start:]
        del stack[start:]
        return values

    for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        if count >= OPCODE_LIMIT:
            raise pickle.UnpicklingError(f"it has more than {OPCODE_LIMIT:,} opcodes")
        match opcode.name:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case "NONE":
                stack.append(None)
            case "NEWTRUE" | "NEWFALSE":
                stack.append(opcode.name == "NEWTRUE")
            case value if value in VALUES:
                stack.append(argument)
            case "BINSTRING" | "SHORT_BINSTRING":
                stack.append(argument.encode("latin-1"))
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "MARK":
                marks.append(len(stack))
            case "TUPLE":
                stack.append(tuple(popped(marks.pop())))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(popped(-int(opcode.name[-1]))))
            case "EMPTY_LIST":
                stack.append([])
            case "LIST":
                stack.append(popped(marks.pop()))
            case "APPEND":
                item = stack.pop()
                stack[-1].append(item)
            case "APPENDS":
                items = popped(marks.pop())
                stack[-1].extend(items)
            case "EMPTY_DICT":
                stack.append({})
            case "DICT":
                stack.append(_dict(popped(marks.pop())))
            case "SETITEM":
                entry = _dict(popped(-2))
                stack[-1].update(entry)
            case "SETITEMS":
                entries = _dict(popped(marks.pop()))
                stack[-1].update(entries)
            case "GLOBAL" | "STACK_GLOBAL":
                title = argument or " ".join(popped(-2))
                if title not in NAMES:
                    raise pickle.UnpicklingError(f"it names {title[:80]!r}, and an array of bytes needs no such thing")
                stack.append(title)
            case "REDUCE":
                title, arguments = popped(-2)
                made = _called(title, arguments)
                left_bytes -= len(made) if isinstance(made, bytes) else 0
                if left_bytes < 0:
                    raise pickle.UnpicklingError("it makes more bytes than it has")
                stack.append(made)
            case "BUILD":
                before, state = popped(-2)
                stack.append(_filled(before, state))
            case other:
                raise pickle.UnpicklingError(f"it uses {other}, and a batch needs no such thing")
    return stack.pop()


def _dict(items: list[Any]) -> dict[str, Any]:
    """Keys and values in turn as a dict."""
    keys = items[::2]
    if not all(type(key) in (bytes, str) for key in keys):
        raise pickle.UnpicklingError("it has a dict with a key that is no text")
    return dict(zip(map(_text, keys), items[1::2], strict=True))


def _called(title: object, arguments: object) -> object:
    """What one of NAMES makes of its arguments: an array still without its bytes, the type of a byte, or bytes."""
    match title, arguments:
        case "numpy.core.multiarray _reconstruct" | "numpy._core.multiarray _reconstruct", ("numpy ndarray", *_):
            return np.empty(0, np.uint8)
        case "numpy dtype", ("u1" | b"u1" | "|u1" | b"|u1", *_):
            return np.dtype(np.uint8)
        case "_codecs encode", (str() as text, *_):
            return text.encode("latin-1")
    raise pickle.UnpicklingError("it makes something else than bytes (u1) and arrays of them")


def _filled(before: object, state: object) -> object:
    """What `_called` made, with its state; numpy's words about the byte order of a byte change nothing."""
    match before, state:
        case np.dtype(), _:
            return before
        case np.ndarray(), (_, (int() as count, int() as width), np.dtype(), bool() as by_columns, bytes() as content):
            if min(count, width) < 0 or count * width != len(content):
                raise pickle.UnpicklingError(f"it has an array whose shape does not fit its {len(content):,} bytes")
            return np.frombuffer(content, np.uint8).reshape((count, width), order="F" if by_columns else "C")
    raise pickle.UnpicklingError("it has an array of something else than rows of bytes")
