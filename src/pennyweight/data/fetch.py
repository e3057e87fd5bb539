"""Published files brought from the network, and archives unpacked, without trusting either."""

from __future__ import annotations

import os
import shutil
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

import pooch
from requests.exceptions import RequestException

from pennyweight.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

OnDownload = Callable[[str, int, int], None]
"""Is told of a download while it runs: the file, the bytes that came, and of how many (0: the server did not say)."""

TIMEOUT_S = (5, 30)
"""How long a server may take to answer, and then between two pieces."""

PIECE_BYTES = 1 << 18

ABANDONED_S = 86_400
"""What an unpacking has not finished in a day was left by a process that was killed."""

MEMBER_LIMIT = 100_000
"""The largest published archive has 25,003 members."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A published file: its name, the addresses that serve it, and what it must hash to."""

    file: str
    addresses: tuple[str, ...]
    sha256: str


def _idx(prefixes: tuple[str, ...], **sha256: str) -> tuple[Remote, ...]:
    names = {
        "train_images": "train-images-idx3-ubyte.gz",
        "train_labels": "train-labels-idx1-ubyte.gz",
        "test_images": "t10k-images-idx3-ubyte.gz",
        "test_labels": "t10k-labels-idx1-ubyte.gz",
    }
    return tuple(Remote(names[key], tuple(prefix + names[key] for prefix in prefixes), sha256[key]) for key in names)


PUBLISHED: dict[str, tuple[Remote, ...]] = {
    # tensorflow/datasets: url_checksums/mnist.txt; the addresses also from torchvision's datasets/mnist.py.
    "mnist": _idx(
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        train_images="440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        train_labels="3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        test_images="8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        test_labels="f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
    # tensorflow/datasets: url_checksums/fashion_mnist.txt; the second address is that of keras.datasets.fashion_mnist.
    "fashion-mnist": _idx(
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        ),
        train_images="3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        train_labels="a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        test_images="346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        test_labels="67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
    # keras.datasets.cifar10 (`file_hash`).
    "cifar10": (
        Remote(
            "cifar-10-python.tar.gz",
            ("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
            "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        ),
    ),
    # tensorflow/datasets: url_checksums/svhn_cropped.txt.
    "svhn": (
        Remote(
            "train_32x32.mat",
            ("http://ufldl.stanford.edu/housenumbers/train_32x32.mat",),
            "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8",
        ),
        Remote(
            "test_32x32.mat",
            ("http://ufldl.stanford.edu/housenumbers/test_32x32.mat",),
            "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b",
        ),
    ),
    # The address of tensorflow_datasets' cats_vs_dogs; the checksum of gomlx/gomlx: examples/dogsvscats.
    "cats-vs-dogs": (
        Remote(
            "kagglecatsanddogs_5340.zip",
            (
                "https://download.microsoft.com/download/3/E/1/3E1C3F21-ECDB-4869-8368-6DEBA77B919F/"
                "kagglecatsanddogs_5340.zip",
            ),
            "b7974bd00a84a99921f36ee4403f089853777b5ae8d151c76a86e64900334af9",
        ),
    ),
}
"""The files of every named set, as published."""


def fetch(remote: Remote, folder: Path, on_download: OnDownload | None = None) -> Path:
    """The file `folder / remote.file`, downloaded unless it lies there with the right hash.

    Each address is tried in turn; a file appears under its name only once it is whole and its SHA-256 agrees.
    Raises DataError with one line for every address that failed.
    """
    pooch.get_logger().setLevel("WARNING")
    failures = []
    for address in remote.addresses:
        told = _Told(remote.file, on_download) if on_download else False
        downloader = pooch.HTTPDownloader(progressbar=told, chunk_size=PIECE_BYTES, timeout=TIMEOUT_S)
        known_hash = f"sha256:{remote.sha256}"
        try:
            pooch.retrieve(address, known_hash, fname=remote.file, path=folder, downloader=downloader)
            return folder / remote.file
        # pooch raises ValueError where the hash differs, and says so.
        except (RequestException, OSError, ValueError) as error:
            failures.append(f"{address}: {_reason(error)}")
    raise DataError(f"{remote.file} could not be fetched\n  " + "\n  ".join(failures))


def _reason(error: BaseException) -> str:
    """The innermost reason of a network error; the outer ones repeat addresses and objects."""
    inner = error
    while inner.__cause__ or inner.__context__:
        inner = inner.__cause__ or inner.__context__ or inner
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    return f"{type(inner).__name__}: {inner}"


class _Told:
    """Has the methods that pooch calls, and passes on what they say."""

    def __init__(self, file: str, on_download: OnDownload) -> None:
        self._file, self._on_download = file, on_download
        self._received_bytes = 0
        self.total = 0

    def update(self, count_bytes: int) -> None:
        received_bytes = self._received_bytes + count_bytes
        # pooch counts whole pieces, of which the last is shorter, and at the end the total once more.
        self._received_bytes = min(received_bytes, self.total) if self.total else received_bytes
        self._on_download(self._file, self._received_bytes, self.total)

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass


def unpack(archive: Path, folder: str, limit_bytes: int) -> Path:
    """The folder called `folder` in a tar or zip archive, unpacked beside the archive; it appears whole or not at all.

    Only plain files below `folder` are written. An archive with a member that points outside, with a link or a device
    below `folder`, with too many members or with more than `limit_bytes` is refused: DataError.
    """
    _sweep(archive.parent, folder)
    target = archive.parent / folder
    unfinished = archive.parent / f".{folder}.{os.getpid()}.part"
    try:
        unfinished.mkdir()
        left_bytes = limit_bytes
        for count, (name, size_bytes, open_member) in enumerate(_members(archive)):
            path = PurePosixPath(name.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts or ":" in name:
                raise DataError(f"{archive}: refused, for its member {name!r} points outside of the archive")
            if count >= MEMBER_LIMIT:
                raise DataError(f"{archive}: refused, for it has more than {MEMBER_LIMIT:,} members")
            left_bytes -= size_bytes
            if left_bytes < 0:
                raise DataError(f"{archive}: refused, for it holds more than {limit_bytes:,} bytes")
            if path.parts[:1] != (folder,) or len(path.parts) < 2:
                continue
            place = unfinished.joinpath(*path.parts[1:])
            place.parent.mkdir(parents=True, exist_ok=True)
            with open_member() as file, place.open("xb") as copy:
                shutil.copyfileobj(file, copy)
        try:
            unfinished.rename(target)
        except OSError:
            # Another process may have been faster; what lies there is then as good.
            if not target.is_dir():
                raise
    except (OSError, EOFError, ValueError, RuntimeError, tarfile.TarError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(
            f"{archive} cannot be unpacked: {error}", hint=f"fetch it again, or unpack {folder} by hand beside it"
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return target


def _sweep(place: Path, folder: str) -> None:
    """Removes what killed processes left of this folder."""
    for left in place.glob(f".{folder}.*.part"):
        with suppress(OSError):  # another process may be sweeping too
            if time.time() - left.stat().st_mtime > ABANDONED_S:
                shutil.rmtree(left)


def _members(archive: Path) -> Iterator[tuple[str, int, Callable[[], IO[bytes]]]]:
    """Name, size and opener of each member that is no folder."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                if not entry.is_dir():
                    yield entry.filename, entry.file_size, partial(opened.open, entry)
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            if not member.isdir():
                yield member.name, member.size, partial(_plain, tar, member)


def _plain(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(member) if member.isreg() else None
    if file is None:
        raise DataError(f"refused, for its member {member.name!r} is not a plain file")
    return file
