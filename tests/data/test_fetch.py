"""Downloads appear whole or not at all; archives write nothing outside of their place."""

from __future__ import annotations

import hashlib
import io
import os
import socket
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pennyweight.core.errors import DataError
from pennyweight.data.fetch import ABANDONED_S, PUBLISHED, Remote, fetch, unpack

CONTENT = bytes(range(256)) * 1000


class Files(BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == "/absent":
            self.send_error(404)
            return
        self.send_response(200)
        if self.path != "/unmeasured":
            self.send_header("Content-Length", "many" if self.path == "/strange" else str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:1000] if self.path == "/cut" else CONTENT)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(Files, "asked", [], raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()
        thread.join()


def remote(*addresses: str, content: bytes = CONTENT) -> Remote:
    return Remote("file.bin", addresses, hashlib.sha256(content).hexdigest())


def test_a_file_with_the_right_hash_arrives(server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = fetch(remote(f"{server}/whole"), tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "file.bin"
    assert path.read_bytes() == CONTENT
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("page", "total_bytes"), [("whole", len(CONTENT)), ("unmeasured", 0)])
def test_a_download_is_told_to_its_last_byte(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str, total_bytes: int
) -> None:
    monkeypatch.setattr("pennyweight.data.fetch.PIECE_BYTES", 100_000)
    told: list[tuple[str, int, int]] = []
    fetch(remote(f"{server}/{page}"), tmp_path, lambda *facts: told.append(facts))
    assert {(file, total) for file, _, total in told} == {("file.bin", total_bytes)}
    received = [count for _, count, _ in told]
    assert len(set(received)) >= 3
    assert received == sorted(received)
    # Without a total, pooch says no more than how many whole pieces came.
    assert received[-1] == (total_bytes or 300_000)


def test_a_file_that_lies_there_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "file.bin").write_bytes(CONTENT)
    assert fetch(remote("http://127.0.0.1:9/none"), tmp_path).read_bytes() == CONTENT


def test_the_next_address_is_tried_when_one_fails(server: str, tmp_path: Path) -> None:
    assert fetch(remote(f"{server}/absent", f"{server}/whole"), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("page", ["absent", "cut"])
def test_what_did_not_arrive_whole_leaves_nothing(server: str, tmp_path: Path, page: str) -> None:
    with pytest.raises(DataError, match=rf"file.bin could not be fetched\n  {server}/{page}: "):
        fetch(remote(f"{server}/{page}"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_file_than_the_published_one_is_refused(server: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"SHA256 hash .* does not match"):
        fetch(remote(f"{server}/whole", content=b"published"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_went_wrong_is_not_taken_for_another_file(server: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="many") as caught:
        fetch(remote(f"{server}/strange"), tmp_path)
    assert "hash" not in str(caught.value)


def test_every_address_is_asked_once(server: str, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        fetch(remote(f"{server}/absent", f"{server}/cut", f"{server}/whole", content=b"published"), tmp_path)
    assert Files.asked == ["/absent", "/cut", "/whole"]


def test_without_a_network_every_address_is_listed(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(DataError) as caught:
            fetch(remote(f"{address}/one", f"{address}/two"), tmp_path)
    assert f"{address}/one: " in str(caught.value)
    assert f"{address}/two: " in str(caught.value)


def test_every_published_file_has_an_address_that_ends_in_its_name_and_a_sha256() -> None:
    for remotes in PUBLISHED.values():
        for published in remotes:
            assert len(bytes.fromhex(published.sha256)) == 32
            assert published.addresses
            assert all(address.endswith("/" + published.file) for address in published.addresses)


@pytest.mark.realdata
def test_the_published_hashes_are_those_of_the_official_files(real_data: Path) -> None:
    for name, folder in (("mnist", "MNIST/raw"), ("fashion-mnist", "FashionMNIST/raw")):
        for published in PUBLISHED[name]:
            content = (real_data / folder / published.file).read_bytes()
            assert hashlib.sha256(content).hexdigest() == published.sha256


def tar(path: Path, *members: tuple[str, bytes | tarfile.TarInfo]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members:
            entry = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            entry.name = name
            if isinstance(content, bytes):
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
            else:
                archive.addfile(entry)
    return path


def zipped(path: Path, *members: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def link(target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    entry = tarfile.TarInfo()
    entry.type, entry.linkname = kind, target
    return entry


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder for the archive, with a neighbour that must not change."""
    (tmp_path / "place").mkdir()
    (tmp_path / "neighbour").write_text("mine")
    return tmp_path / "place"


GOOD = (("set/a", b"1"), ("set/deep/b", b"22"), ("readme.txt", b"left out"))


def test_the_folder_of_an_archive_is_unpacked_beside_it(place: Path) -> None:
    for archive in (tar(place / "a.tar.gz", *GOOD), zipped(place / "b.zip", *GOOD)):
        folder = unpack(archive, "set", 1 << 20)
        found = {path.relative_to(place).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert found == {"set/a", "set/deep/b"}
        assert (folder / "deep/b").read_bytes() == b"22"
        assert not (place / "readme.txt").exists()
        for path in sorted(folder.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        folder.rmdir()


EVIL_NAMES = ["../neighbour", "set/../../neighbour", "/tmp/evil", "set/..", "..\\neighbour", "C:\\evil", "set/C:evil"]


@pytest.mark.parametrize("name", EVIL_NAMES)
def test_a_member_that_points_outside_is_refused_and_writes_nothing(place: Path, name: str) -> None:
    for archive in (tar(place / "a.tar.gz", *GOOD, (name, b"evil")), zipped(place / "b.zip", *GOOD, (name, b"evil"))):
        with pytest.raises(DataError, match="points outside"):
            unpack(archive, "set", 1 << 20)
        archive.unlink()
    assert list(place.iterdir()) == []
    assert (place.parent / "neighbour").read_text() == "mine"


@pytest.mark.parametrize(
    "evil",
    [
        (("set/evil", link("../../neighbour")),),
        (("set/evil", link("../neighbour", tarfile.LNKTYPE)),),
        (("set/evil", link("", tarfile.FIFOTYPE)),),
        (("set/evil", link("", tarfile.CHRTYPE)),),
        (("set/evil", link("..")), ("set/evil/neighbour", b"evil")),
    ],
)
def test_links_and_devices_are_refused(place: Path, evil: tuple[tuple[str, bytes | tarfile.TarInfo], ...]) -> None:
    archive = tar(place / "a.tar.gz", *GOOD, *evil)
    with pytest.raises(DataError, match="not a plain file"):
        unpack(archive, "set", 1 << 20)
    assert list(place.iterdir()) == [archive]
    assert (place.parent / "neighbour").read_text() == "mine"


def test_an_archive_that_holds_too_much_is_refused(place: Path) -> None:
    big = ("set/big", bytes(2 << 20))
    for archive in (tar(place / "a.tar.gz", big), zipped(place / "b.zip", big)):
        assert archive.stat().st_size < 1 << 14
        with pytest.raises(DataError, match="more than 1,048,576 bytes"):
            unpack(archive, "set", 1 << 20)
        archive.unlink()
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_truncated_archive_is_an_error_and_leaves_nothing(place: Path, name: str, share: float) -> None:
    noise = hashlib.shake_256(b"noise").digest(50_000)
    archive = (zipped if name.endswith("zip") else tar)(place / name, ("set/a", noise), ("set/b", noise))
    content = archive.read_bytes()
    archive.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(archive, "set", 1 << 20)
    assert list(place.iterdir()) == [archive]


def test_what_killed_processes_left_is_swept_and_what_others_unpack_now_is_not(place: Path) -> None:
    for name in (".set.1.part", ".set.2.part", ".other.3.part"):
        (place / name).mkdir()
        (place / name / "a").write_bytes(b"1")
    long_ago = time.time() - 2 * ABANDONED_S
    for name in (".set.1.part", ".other.3.part"):
        os.utime(place / name, (long_ago, long_ago))
    archive = tar(place / "a.tar.gz", *GOOD)
    unpack(archive, "set", 1 << 20)
    assert {path.name for path in place.iterdir()} == {"a.tar.gz", "set", ".set.2.part", ".other.3.part"}


def test_a_file_and_a_folder_of_one_name_are_an_error(place: Path) -> None:
    archive = tar(place / "a.tar.gz", ("set/a", b"1"), ("set/a/b", b"1"))
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack(archive, "set", 1 << 20)
    assert list(place.iterdir()) == [archive]
