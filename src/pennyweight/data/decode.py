"""One untrusted image file made into upright grey or RGB pixels of eight bits, and pixels made into a PNG."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from io import BytesIO
from threading import Condition
from typing import TYPE_CHECKING

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from pennyweight.data.images import Pixels
from pennyweight.data.resize import MODES, stretched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "JPEG2000")
"""The formats that are opened, as Pillow names them; none of them starts another program."""

PIXEL_LIMIT = 89_478_485
"""A picture of more pixels is refused before it is decoded: Pillow's own limit, a quarter of a GiB at 24 bits."""

WHITE_LEVELS = (255, 4_095, 65_535)
"""What white may be in a picture of whole numbers: full scale of 8, 12 and 16 bits."""

SPARE_DETAIL = 2
"""JPEG is decoded to at least this many times the sides asked for, so that the filter still has pixels to average."""

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by its EXIF orientation (CIPA DC-008, tag 0x0112)."""


class Room:
    """Bounds how many pixels are decoded at once, by all threads together."""

    def __init__(self, pixels: int) -> None:
        self._left = pixels
        self._changed = Condition()

    @contextmanager
    def taken(self, pixels: int) -> Iterator[None]:
        """Waits until there is room for so many pixels, and keeps it for the `with` block."""
        with self._changed:
            self._changed.wait_for(lambda: self._left >= pixels)
            self._left -= pixels
        try:
            yield
        finally:
            with self._changed:
                self._left += pixels
                self._changed.notify_all()


ROOM = Room(PIXEL_LIMIT)
"""Pictures that are decoded at once have no more pixels together than a single one may have, on any number of cores."""


class UndecodableError(Exception):
    """A file that gives no picture; `str()` is the reason. Whoever reads a folder lists it and goes on."""


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Silences Pillow's warnings; those of decompression bombs become errors.

    Wrap it once around all threads that call `measure` and `decode`: Python keeps one list of filters for all of them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def measure(path: Path) -> tuple[int, int, int]:
    """`(height, width, channels)` that `decode` would give, from the file's header alone.

    Raises UndecodableError.
    """
    with _opened(path) as picture:
        width, height = picture.size
        # Pillow turns a TIFF, and its size, by itself.
        if picture.format != "TIFF" and _orientation(picture) >= 5:
            width, height = height, width
        return height, width, 1 if _is_grey(picture) else 3


def decode(path: Path, input_shape: tuple[int, int, int] | None = None) -> Pixels:
    """The picture in a file as uint8 `(height, width, channels)`: 1 channel for a grey one, 3 for a coloured one.

    With an `input_shape` it is stretched and recoloured as `resize` says. EXIF orientation is applied, transparency is
    laid on white, of several frames the first is taken. Deeper pixels are scaled to eight bits: whole numbers from
    the smallest of 8, 12 and 16 bits that holds the brightest, beyond 16 from their own maximum (cameras store 12 bits
    in files of 16; its own maximum would make every dark picture bright), floats from [0, 1] if they lie there, else
    as whole numbers.
    Raises UndecodableError, whatever is wrong with the file.
    """
    with _opened(path) as picture:
        if input_shape is not None:
            side = SPARE_DETAIL * max(input_shape[:2])
            picture.draft(MODES[input_shape[2]], (side, side))
        with _upright(picture) as plain:
            return stretched(plain, input_shape or (plain.height, plain.width, len(plain.getbands())))


def decode_within(path: Path, side_max: int) -> Pixels:
    """The picture in a file as `decode` gives it, shrunk in proportion where a side is longer than `side_max` pixels.

    Raises UndecodableError.
    """
    with _opened(path) as picture:
        picture.draft(None, (side_max, side_max))
        with _upright(picture) as plain:
            share = min(1.0, side_max / max(plain.size))
            height, width = (max(1, round(share * side)) for side in (plain.height, plain.width))
            return stretched(plain, (height, width, len(plain.getbands())))


def encode_png(pixels: Pixels) -> bytes:
    """The PNG file of a picture `(height, width, channels)` of 1 or 3 channels."""
    file = BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(file, "PNG")
    return file.getvalue()


@contextmanager
def _upright(picture: Image.Image) -> Iterator[Image.Image]:
    """The picture decoded, as `_plain` gives it, turned upright; room is kept for it in the `with` block."""
    with ROOM.taken(picture.width * picture.height):
        picture.load()
        turn = TURNS.get(_orientation(picture))
        plain = _plain(picture)
        yield plain if turn is None else plain.transpose(turn)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The picture with its header read; whatever goes wrong, here or in the body, is an UndecodableError."""
    try:
        with path.open("rb") as file, Image.open(file, formats=FORMATS) as picture:
            if picture.width * picture.height > PIXEL_LIMIT:
                raise UndecodableError(f"{picture.width:,} x {picture.height:,} pixels, the limit is {PIXEL_LIMIT:,}")
            yield picture
    except UndecodableError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UndecodableError(f"more than {PIXEL_LIMIT:,} pixels") from error
    except UnidentifiedImageError as error:
        raise UndecodableError(_not_an_image(path)) from error
    except OSError as error:
        raise UndecodableError(error.strerror or str(error)) from error
    except MemoryError as error:
        raise UndecodableError("there is not enough memory to decode it") from error
    # Pillow's readers raise anything at all on bytes that they do not expect: struct.error, KeyError, SyntaxError …
    except Exception as error:
        raise UndecodableError(f"corrupt image: {error or type(error).__name__}") from error


def _not_an_image(path: Path) -> str:
    return "not an image that can be opened, or a corrupt one" if path.stat().st_size else "empty file"


def _orientation(picture: Image.Image) -> int:
    try:
        return int(picture.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:
        return 1  # EXIF is no part of the picture: a corrupt block costs the orientation and nothing else


def _is_grey(picture: Image.Image) -> bool:
    if picture.palette is not None:
        entry = len(picture.palette.rawmode or picture.palette.mode)
        colours = np.frombuffer(bytes(picture.palette.palette), np.uint8)
        colours = colours[: len(colours) // entry * entry].reshape(-1, entry)[:, :3]
        return bool((colours == colours[:, :1]).all())
    return picture.mode in {"1", "L", "LA", "La"} or _is_deep(picture)


def _is_deep(picture: Image.Image) -> bool:
    return picture.mode[0] in "IF"


def _plain(picture: Image.Image) -> Image.Image:
    """The loaded picture as `L` where it is grey and as `RGB` where it is coloured, on white."""
    if _is_deep(picture):
        return _eight_bits(picture)
    mode = "L" if _is_grey(picture) else "RGB"
    if not picture.has_transparency_data:
        return picture.convert(mode)
    picture = picture.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert(mode)


def _eight_bits(picture: Image.Image) -> Image.Image:
    levels = np.nan_to_num(np.asarray(picture).astype(np.float32), posinf=0.0, neginf=0.0)
    brightest = float(levels.max())
    whites = (1, *WHITE_LEVELS) if picture.mode == "F" else WHITE_LEVELS
    white = next((white for white in whites if brightest <= white), brightest)
    transparent = picture.info.get("transparency")
    if transparent is not None:
        levels[levels == transparent] = white
    return Image.fromarray((levels.clip(0, white) * (255 / white)).round().astype(np.uint8))
