"""One untrusted file at a time: every mode comes out upright on white in eight bits, every fault as one error."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from time import sleep

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pennyweight.data.decode import PIXEL_LIMIT, ROOM, Room, UndecodableError, decode, measure, quiet_pillow

ORIENTATION = 0x0112


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quiet_pillow():
        yield


def photo(height: int = 48, width: int = 64) -> np.ndarray:
    """A smooth coloured picture without symmetry."""
    rows, columns = np.mgrid[0:height, 0:width]
    red, green, blue = 255 * rows / height, 255 * columns / width, 120 + 100 * np.sin(rows / 9 + columns / 5)
    return np.stack([red, green, blue], axis=2).astype(np.uint8)


def png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    whole = b"\x89PNG\r\n\x1a\n"
    for kind, body in chunks:
        whole += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return whole


@pytest.mark.parametrize("suffix", ["png", "bmp", "ppm", "tiff", "webp", "jp2"])
def test_a_lossless_file_gives_its_very_pixels(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"picture.{suffix}"
    Image.fromarray(photo()).save(path, **({"lossless": True} if suffix == "webp" else {}))
    assert np.array_equal(decode(path), photo())
    assert measure(path) == photo().shape


@pytest.mark.parametrize("suffix", ["jpg", "tiff", "png"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_comes_out_upright(orientation: int, suffix: str, tmp_path: Path) -> None:
    # What a camera held so would store: the inverse of the turn that CIPA DC-008 names for the viewer.
    stored = {
        1: lambda p: p,
        2: np.fliplr,
        3: lambda p: np.rot90(p, 2),
        4: np.flipud,
        5: lambda p: p.transpose(1, 0, 2),
        6: np.rot90,
        7: lambda p: np.rot90(p.transpose(1, 0, 2), 2),
        8: lambda p: np.rot90(p, -1),
    }[orientation](photo())
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / f"turned.{suffix}"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, **({"quality": 95} if suffix == "jpg" else {}))
    upright = decode(path)
    assert upright.shape == photo().shape
    assert np.abs(upright.astype(int) - photo()).mean() < 3
    assert measure(path) == photo().shape


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_laid_on_white(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "alpha.png"
    black = (0,) * (len(mode) - 1)
    picture = Image.new(mode, (3, 1))
    for column, alpha in enumerate([0, 128, 255]):
        picture.putpixel((column, 0), (*black, alpha))
    picture.save(path)
    assert decode(path)[0, :, 0].tolist() == [255, 127, 0]
    assert decode(path).shape == (1, 3, 3 if mode == "RGBA" else 1) == measure(path)


def test_a_transparent_palette_entry_becomes_white(tmp_path: Path) -> None:
    path = tmp_path / "palette.png"
    picture = Image.new("P", (2, 1))
    picture.putpalette([200, 0, 0, 0, 0, 200])
    picture.putpixel((1, 0), 1)
    picture.save(path, transparency=0)
    assert decode(path).tolist() == [[[255, 255, 255], [0, 0, 200]]]


def test_a_grey_palette_is_grey_and_a_coloured_one_coloured(tmp_path: Path) -> None:
    for name, palette, channels in (("grey", [9, 9, 9, 70, 70, 70], 1), ("red", [9, 9, 9, 70, 0, 0], 3)):
        path = tmp_path / f"{name}.png"
        picture = Image.new("P", (4, 4), 1)
        picture.putpalette(palette)
        picture.save(path)
        assert measure(path) == decode(path).shape == (4, 4, channels)


def test_one_bit_becomes_black_and_white(tmp_path: Path) -> None:
    path = tmp_path / "bits.png"
    Image.fromarray(np.array([[True, False]])).save(path)
    assert decode(path).tolist() == [[[255], [0]]]


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    path = tmp_path / "ink.tiff"
    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(path)
    assert decode(path)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("dtype", "levels", "expected"),
    [
        (np.uint16, [0, 32_768, 65_535], [0, 128, 255]),
        (np.uint16, [0, 2_048, 4_095], [0, 128, 255]),
        (np.uint16, [0, 30, 255], [0, 30, 255]),
        (np.int32, [-5, 32_768, 65_535], [0, 128, 255]),
        (np.int32, [0, 600_000, 1_000_000], [0, 153, 255]),
        (np.float32, [0.0, 0.5, 1.0], [0, 128, 255]),
        (np.float32, [0.0, 100.0, 255.0], [0, 100, 255]),
        (np.float32, [float("nan"), float("inf"), 0.5], [0, 0, 128]),
    ],
)
def test_deep_pixels_are_scaled_by_the_depth_that_holds_them(
    dtype: type, levels: list[float], expected: list[int], tmp_path: Path
) -> None:
    path = tmp_path / "deep.tiff"
    Image.fromarray(np.array([levels], dtype)).save(path)
    assert decode(path)[0, :, 0].tolist() == expected


def test_of_an_animation_the_first_frame_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "moving.gif"
    frames = [Image.new("L", (5, 4), shade) for shade in (10, 250)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert (decode(path) == 10).all()


@pytest.mark.parametrize("input_shape", [(8, 8, 3), (8, 8, 1), (16, 5, 3), (200, 300, 3)])
def test_a_big_jpeg_resized_while_decoding_equals_one_resized_after(
    input_shape: tuple[int, int, int], tmp_path: Path
) -> None:
    path = tmp_path / "big.jpg"
    Image.fromarray(photo(768, 1024)).save(path, quality=95)
    decoded = decode(path, input_shape)
    full = Image.open(path).convert("RGB" if input_shape[2] == 3 else "L")
    whole = np.asarray(full.resize((input_shape[1], input_shape[0]), Image.Resampling.BILINEAR)).reshape(input_shape)
    assert decoded.shape == input_shape
    assert np.abs(decoded.astype(int) - whole).mean() < 3


def zeros(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return png([(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1_000_000), 9)), (b"IEND", b"")])


@pytest.mark.parametrize("sides", [(10_000, 10_000), (20_000, 20_000), (2**31 - 1, 2**31 - 1)])
def test_a_decompression_bomb_is_refused_before_it_takes_memory(sides: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(zeros(*sides))
    tracemalloc.start()
    for work in (measure, decode):
        with pytest.raises(UndecodableError, match="pixels"):
            work(path)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 2**20


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"hello, I am no picture", "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        (b"\x89PNG\r\n\x1a\n", "not an image"),
    ],
)
def test_what_is_no_image_says_so(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(content)
    for work in (measure, decode):
        with pytest.raises(UndecodableError, match=reason):
            work(path)


def test_a_missing_file_is_undecodable_too(tmp_path: Path) -> None:
    with pytest.raises(UndecodableError, match="No such file"):
        decode(tmp_path / "gone.png")


@pytest.mark.parametrize("suffix", ["png", "jpg", "tiff", "bmp", "webp", "gif", "ppm", "jp2"])
def test_a_truncated_file_is_undecodable(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"cut.{suffix}"
    Image.fromarray(photo()).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UndecodableError):
        decode(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tiff", "bmp", "webp", "gif", "ppm", "jp2"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_gives_a_picture_or_the_one_error(suffix: str, data: st.DataObject, tmp_path: Path) -> None:
    path = tmp_path / f"damaged.{suffix}"
    Image.fromarray(photo(12, 16)).save(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        picture = decode(path, (6, 6, 3))
    except UndecodableError:
        return
    assert picture.shape == (6, 6, 3)
    assert picture.dtype == np.uint8


def test_a_picture_for_which_memory_is_short_is_not_called_corrupt(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "picture.png"
    Image.fromarray(photo()).save(path)

    def short(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", short)
    with pytest.raises(UndecodableError, match="not enough memory"):
        decode(path)


@given(st.lists(st.integers(0, 100), min_size=1, max_size=40))
@settings(deadline=None, max_examples=30)
def test_threads_together_never_take_more_than_the_room_and_all_are_served(wanted: list[int]) -> None:
    room, lock = Room(100), Lock()
    taken, most = 0, 0

    def work(pixels: int) -> None:
        nonlocal taken, most
        with room.taken(pixels):
            with lock:
                taken += pixels
                most = max(most, taken)
            sleep(0)
            with lock:
                taken -= pixels

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, wanted))
    assert most <= 100
    assert taken == 0


def test_a_picture_waits_until_there_is_room_for_its_pixels(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    Image.fromarray(photo()).save(path)
    with ThreadPoolExecutor(1) as threads:
        with ROOM.taken(PIXEL_LIMIT - photo()[..., 0].size + 1):
            waiting = threads.submit(decode, path)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.1)
        assert np.array_equal(waiting.result(), photo())


def test_odd_images_turned_by_exif_look_like_the_upright_one(real_data: Path) -> None:
    folder = real_data / "odd_images"
    upright = decode(folder / "hopper.ppm", (32, 32, 3)).astype(int)
    for name in ("hopper.bmp", "hopper.webp", "hopper.jpg", "hopper_idat_after_image_end.png"):
        assert np.abs(decode(folder / name, (32, 32, 3)) - upright).mean() < 4, name
    for orientation in (3, 5, 7):
        turned = decode(folder / f"hopper_orientation_{orientation}.jpg", (32, 32, 3))
        assert np.abs(turned - upright).mean() < 4, orientation
