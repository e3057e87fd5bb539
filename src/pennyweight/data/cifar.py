"""CIFAR-10's official files: Python pickles, read without running anything that they say.

A pickle is a program. This reader first walks over its opcodes, then lets it build lists, dicts, strings, integers and
one kind of object: an array of bytes. Nothing of numpy is admitted for that; the names that such an array is
pickled with stand for closures below, which look at what they are given and build plain values. Any other name is
refused before it is looked up.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

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

SHARING_LIMIT = 30
"""How often a pickle may refer back to a value: n times make tuples of tuples that take 3 ** (n / 3) steps to hash."""


def read_cifar10(folder: Path) -> LabelledImages:
    """CIFAR-10 from `data_batch_1` … `data_batch_5` and `test_batch` in `folder`: 32x32x3, ten classes.

    A training batch may be missing; `notes` says which. Raises DataError for a file that is no such pickle.
    """
    present = [number for number in range(1, BATCHES + 1) if (folder / f"data_batch_{number}").is_file()]
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
    return part, _text(record.get("batch_label", ""))


def _class_names(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        return CLASS_NAMES
    names = _read_record(path).get("label_names")
    if not isinstance(names, list) or len(names) != len(CLASS_NAMES) or not all(type(n) in (bytes, str) for n in names):
        raise DataError(f"{path}: `label_names` must be a list of {len(CLASS_NAMES)} names")
    return tuple(map(_text, names))


def _text(word: object) -> str:
    """Python 2 wrote its texts as bytes."""
    return word.decode("latin-1") if isinstance(word, bytes) else str(word)


def _read_record(path: Path) -> dict[str, Any]:
    """The dict in a pickle, its keys as text.

    Raises DataError where there is anything in it but plain values and arrays of bytes.
    """
    if (size_bytes := path.stat().st_size) > FILE_LIMIT_BYTES:
        raise DataError(f"{path}: {size_bytes:,} bytes, the limit is {FILE_LIMIT_BYTES:,}")
    content = path.read_bytes()
    try:
        _check_opcodes(content)
        record = _ArrayUnpickler(io.BytesIO(content), encoding="bytes").load()
    except (MemoryError, RecursionError):
        reason = "it asks for more memory than there is"
    # A pickle that is no pickle can make its reader raise nearly anything.
    except Exception as error:
        reason = str(error) or type(error).__name__
    else:
        if isinstance(record, dict):
            return {
                _text(key): value.array if isinstance(value, _ByteArray) else value for key, value in record.items()
            }
        reason = f"it holds no dict but {type(record).__name__}"
    raise DataError(f"{path}: refused: {reason}", hint="fetch the official cifar-10-python.tar.gz again")


def _check_opcodes(content: bytes) -> None:
    """Refuses what would make the unpickler itself work or allocate beyond reason, before it starts."""
    shared = 0
    for count, (opcode, argument, _) in enumerate(pickletools.genops(content)):
        if count >= OPCODE_LIMIT:
            raise pickle.UnpicklingError(f"it has more than {OPCODE_LIMIT:,} opcodes")
        if opcode.name.endswith("PUT") and int(str(argument)) > OPCODE_LIMIT:
            raise pickle.UnpicklingError(f"it asks for {argument:,} memo places")
        shared += opcode.name.endswith("GET") or opcode.name == "DUP"
        if shared > SHARING_LIMIT:
            raise pickle.UnpicklingError(f"it refers back to its values more than {SHARING_LIMIT} times")


class _ArrayUnpickler(pickle.Unpickler):
    """Builds plain values and arrays of bytes."""

    def find_class(self, module: str, name: str) -> Callable[..., object] | str:
        # Fresh closures every time: whatever a pickle may hang on them is gone with it.
        match module, name:
            case (("numpy.core.multiarray" | "numpy._core.multiarray"), "_reconstruct"):
                return lambda *_: _ByteArray()
            case "numpy", "ndarray":
                return "numpy.ndarray"  # only ever an argument, never called
            case "numpy", "dtype":
                return lambda kind, *_: _ByteType(kind)
            case "_codecs", "encode":
                return lambda text, _: text.encode("latin-1")
        raise pickle.UnpicklingError(f"it names {f'{module}.{name}'[:80]!r}, and an array of bytes needs no such thing")

    def persistent_load(self, pid: object) -> object:
        raise pickle.UnpicklingError("it refers to something outside of itself")


class _ByteType:
    """Stands where the pickle has numpy's dtype; of one byte without a sign, or refused."""

    __slots__ = ()

    def __init__(self, kind: object) -> None:
        if kind not in ("u1", b"u1", "|u1", b"|u1"):
            raise pickle.UnpicklingError("it has an array of something else than bytes (u1)")

    def __setstate__(self, state: object) -> None:
        """A byte has no byte order and no fields; numpy's words about them change nothing."""


class _ByteArray:
    """Stands where the pickle has a numpy array, until its shape and bytes are known."""

    __slots__ = ("array",)

    def __init__(self) -> None:
        self.array: npt.NDArray[np.uint8] = np.empty(0, np.uint8)

    def __setstate__(self, state: tuple[object, ...]) -> None:
        _, shape, kind, column_major, content = state
        if type(kind) is not _ByteType or type(content) is not bytes or type(shape) is not tuple:
            raise pickle.UnpicklingError("it has an array of something else than bytes")
        if not all(type(length) is int and length >= 0 for length in shape) or math.prod(shape) != len(content):
            raise pickle.UnpicklingError(f"it has an array whose shape does not fit its {len(content):,} bytes")
        flat = np.frombuffer(content, np.uint8)
        self.array = flat.reshape(shape[::-1]).T if column_major else flat.reshape(shape)
