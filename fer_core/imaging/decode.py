"""Bytes in, upright RGB out: the only way a picture enters the project."""

import hashlib
import io
import re
import struct
import threading

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from fer_core.errors import BadInput

MAX_PIXELS = 50_000_000
"""Pictures with more pixels than this are refused before a single one is decoded."""

MAX_SIDE = 4096
"""Longer pictures are made this long while they are read; a face in them stays large enough."""

_READERS = (
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
    BmpImagePlugin,
    TiffImagePlugin,
    PpmImagePlugin,
    GifImagePlugin,
    AvifImagePlugin,
)
"""Only these readers see a stranger's bytes; Pillow knows 40 more, one of which starts a program."""

_FORMATS = tuple(
    name
    for name, (reader, _) in Image.OPEN.items()
    if getattr(reader, "__module__", "") in {plugin.__name__ for plugin in _READERS}
)
_READABLE = "A photo must be a JPEG, PNG, WebP, BMP, TIFF, PGM, GIF or HEIC file."
_ORIENTATION_TAG = 0x0112
_PHOTOMETRIC_TAG = 262
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation. Source: EXIF 2.32, tag 0x0112."""

_NETPBM = re.compile(rb"P([56])\s+(\d{1,6})\s+(\d{1,6})\s+255\s")
_OTHER_KINDS = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a zip archive or office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"<svg", "an SVG drawing"),
    (b"<!doctype", "a web page"),
    (b"<html", "a web page"),
    (b"\x1aE\xdf\xa3", "a video"),
    (b"RIFF", "a video or sound"),
)
_heif_lock = threading.Lock()


def decode_image(data: bytes, *, max_pixels: int = MAX_PIXELS, max_side: int | None = MAX_SIDE) -> np.ndarray:
    """Read a picture of any usual format.

    EXIF rotation is applied, transparency is laid on white, grey and CMYK become RGB, of an
    animation the first frame is taken. Of 16 bits the upper eight count; floating-point and
    32-bit TIFFs, which have no range of their own, are taken as 0..1 where all values lie there
    and stretched from their least to their greatest value otherwise. Colour profiles are ignored.

    Args:
        data: the file's bytes.
        max_pixels: the most pixels that the file's header may announce.
        max_side: longer pictures are shrunk to this many px; None leaves every size.

    Returns:
        (H, W, 3) uint8 0..255 RGB, upright.

    Raises:
        BadInput: the bytes are no readable picture, or it has too many pixels.
    """
    if not data:
        raise BadInput(f"{_READABLE} Received: an empty file (0 bytes). Choose another one.")
    ready = _netpbm(data, max_pixels, max_side)
    if ready is not None:
        return ready
    with _open(data, max_pixels) as picture:
        # A damaged file can raise nearly anything inside an image library (struct.error, KeyError,
        # SyntaxError, MemoryError…), and each of them means the same thing to a user.
        try:
            turn = _UPRIGHT.get(_orientation(picture))
            if max_side is not None and max(picture.size) > max_side:
                picture.draft(None, (max_side, max_side))
            picture.load()
            picture = _shrunk(_as_rgb(picture), max_side)
            if turn is not None:
                picture = picture.transpose(turn)
            return np.array(picture)
        except Exception as error:
            raise BadInput(
                "A photo must be complete and undamaged. "
                f"Received: a {picture.format or 'picture'} file of {len(data):,} bytes that breaks off or "
                "is damaged inside. Copy or download it again, or save it anew as JPEG."
            ) from error


def encode_png(image: np.ndarray) -> bytes:
    """PNG bytes, without loss, of an (H, W, 3) RGB or (H, W) grey uint8 picture."""
    return _encoded(image, "PNG", compress_level=3)


def encode_jpeg(image: np.ndarray, quality: int = 90) -> bytes:
    """JPEG bytes, quality 1..95, of an (H, W, 3) RGB or (H, W) grey uint8 picture."""
    return _encoded(image, "JPEG", quality=quality)


def pixel_id(image: np.ndarray) -> str:
    """The identity of a picture: the sha256 (64 hex digits) of its size and RGB pixels.

    A grey (H, W) picture has the identity of the RGB picture that looks the same.
    """
    _check(image)
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    height, width = image.shape[:2]
    digest = hashlib.sha256(f"{height}x{width}:".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def _open(data: bytes, max_pixels: int) -> Image.Image:
    """The picture with its header read and its pixels not yet, or BadInput."""
    formats = _FORMATS
    if data[4:8] == b"ftyp":
        formats += _heif_formats()
    try:
        picture = Image.open(io.BytesIO(data), formats=formats)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large("a picture with far more", max_pixels) from error
    except Exception as error:  # as in decode_image: a damaged header raises nearly anything
        raise BadInput(
            f"{_READABLE} Received: {_kind(data)} of {len(data):,} bytes. "
            "Its name may end in .jpg all the same: choose another file, or save the picture anew as JPEG."
        ) from error
    if picture.width * picture.height > max_pixels:
        size = f"{picture.width:,} x {picture.height:,} px"
        picture.close()
        raise _too_large(size, max_pixels)
    return picture


def _heif_formats() -> tuple[str, ...]:
    """HEIC's name in Pillow, where the library that reads it is installed."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return ()
    with _heif_lock:
        if "HEIF" not in Image.OPEN:
            register_heif_opener()
    return ("HEIF",)


def _too_large(size: str, max_pixels: int) -> BadInput:
    return BadInput(
        f"A photo has at most {max_pixels / 1e6:,.0f} million pixels. Received: {size}. "
        "Make it smaller in a photo program first."
    )


def _kind(data: bytes) -> str:
    """What a file that is no picture seems to be, in words."""
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for magic, words in _OTHER_KINDS:
        if start.startswith(magic.lower()):
            return words
    if data[4:8] == b"ftyp":
        return "a HEIC photo or a video that cannot be read here"
    if b"\0" not in data[:1024] and all(byte >= 32 or byte in b"\t\r\n\f" for byte in data[:1024]):
        return "a text file"
    return "an unknown or damaged file"


def _netpbm(data: bytes, max_pixels: int, max_side: int | None) -> np.ndarray | None:
    """A plain 8-bit PGM or PPM without Pillow (15 times faster: data sets hold them by the thousand)."""
    header = _NETPBM.match(data)
    if header is None:
        return None
    channels = 1 if header[1] == b"5" else 3
    width, height = int(header[2]), int(header[3])
    start, count = header.end(), width * height * channels
    ordinary = 0 < width * height <= max_pixels and (max_side is None or max(width, height) <= max_side)
    if not ordinary or len(data) - start < count:
        return None
    pixels = np.frombuffer(data, np.uint8, count, start).reshape(height, width, channels)
    return np.repeat(pixels, 3, axis=2) if channels == 1 else pixels.copy()


def _orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1..8; damaged EXIF data must not make a good photo unreadable."""
    try:
        return int(picture.getexif().get(_ORIENTATION_TAG, 1))
    except (OSError, ValueError, SyntaxError, KeyError, TypeError, struct.error):
        return 1


def _as_rgb(picture: Image.Image) -> Image.Image:
    """Any mode brought to 8-bit RGB."""
    if picture.mode.startswith("I;16") or picture.mode == "I" and picture.format in ("PPM", "PNG"):
        values = np.asarray(picture).astype(np.int64)
        return Image.fromarray(_positive(picture, (values >> 8).clip(0, 255).astype(np.uint8))).convert("RGB")
    if picture.mode in ("I", "F"):
        return Image.fromarray(_positive(picture, _stretched(np.asarray(picture)))).convert("RGB")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _positive(picture: Image.Image, grey: np.ndarray) -> np.ndarray:
    """Grey as seen: some TIFFs count from white to black (photometric interpretation 0)."""
    tags = getattr(picture, "tag_v2", {})
    return 255 - grey if tags.get(_PHOTOMETRIC_TAG) == 0 else grey


def _stretched(values: np.ndarray) -> np.ndarray:
    """Grey levels of numbers without a range of their own; not-a-number is black."""
    finite = np.isfinite(values)
    known = values[finite].astype(np.float64)
    if known.size == 0:
        return np.zeros(values.shape, np.uint8)
    low, high = float(known.min()), float(known.max())
    if 0 <= low and high <= 1:
        low, high = 0.0, 1.0
    grey = np.zeros(values.shape, np.uint8)
    grey[finite] = np.rint((known - low) * (255 / max(high - low, 1e-12)))
    return grey


def _shrunk(picture: Image.Image, max_side: int | None) -> Image.Image:
    if max_side is not None and max(picture.size) > max_side:
        picture.thumbnail((max_side, max_side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return picture


def _encoded(image: np.ndarray, format_name: str, **options: int) -> bytes:
    _check(image)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format_name, **options)
    return buffer.getvalue()


def _check(image: np.ndarray) -> None:
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.ndim == 3 and image.shape[2] != 3:
        raise BadInput(
            "A picture is (H, W, 3) or (H, W) uint8. "
            f"Received: shape={image.shape}, dtype={image.dtype}. Read it with decode_image."
        )
