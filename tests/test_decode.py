"""Bytes in, upright RGB out, or words that a lay person understands."""

import io
import struct
import time
import zlib

import numpy as np
import pytest
import skimage.data
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fer_core.errors import BadInput
from fer_core.imaging.decode import decode_image, encode_jpeg, encode_png, pixel_id

COLOURS = np.random.default_rng(3).integers(0, 256, (37, 53, 3), np.uint8)
"""Noise: no two rows or columns alike, so that a turn or flip shows."""


def saved(image: Image.Image | np.ndarray, name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, name, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return skimage.data.astronaut()


@pytest.mark.parametrize("name", ["PNG", "BMP", "TIFF", "PPM", "GIF", "WEBP"])
def test_lossless_formats_come_back_exactly(name):
    picture = COLOURS // 51 * 51 if name == "GIF" else COLOURS  # 216 colours fit into a GIF's 256
    data = saved(picture, name, **({"lossless": True} if name == "WEBP" else {}))
    decoded = decode_image(data)
    assert decoded.dtype == np.uint8 and decoded.flags.writeable
    np.testing.assert_array_equal(decoded, picture)


@pytest.mark.parametrize("name", ["JPEG", "WEBP", "AVIF"])
def test_lossy_formats_come_back_nearly(photo, name):
    decoded = decode_image(saved(photo, name, quality=90))
    assert np.abs(decoded.astype(int) - photo).mean() < 4


def test_heic_comes_back_nearly_and_upright(photo):
    heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    heif.from_bytes("RGB", photo.shape[1::-1], photo.tobytes()).save(buffer, quality=90, exif=exif.tobytes())
    decoded = decode_image(buffer.getvalue())
    assert np.abs(decoded.astype(int) - np.rot90(photo, -1)).mean() < 4


def test_grey_becomes_three_equal_channels():
    grey = COLOURS[..., 0]
    for name in ("PNG", "PPM", "TIFF", "BMP"):
        np.testing.assert_array_equal(decode_image(saved(grey, name)), np.repeat(grey[..., None], 3, 2))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(orientation):
    """Stored pictures are made by the inverse of what EXIF's table says a viewer must do."""
    stored = {
        1: COLOURS,
        2: COLOURS[:, ::-1],
        3: COLOURS[::-1, ::-1],
        4: COLOURS[::-1],
        5: COLOURS.transpose(1, 0, 2),
        6: np.rot90(COLOURS, 1),
        7: COLOURS[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(COLOURS, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(np.ascontiguousarray(stored), "PNG", exif=exif)
    np.testing.assert_array_equal(decode_image(data), COLOURS)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_does_not_spoil_a_good_photo(photo):
    jpeg = saved(photo, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff rubbish")
    assert decode_image(jpeg).shape == photo.shape


def test_transparency_lies_on_white():
    layer = np.zeros((2, 3, 4), np.uint8)
    layer[0] = [200, 0, 0, 255]
    layer[1] = [200, 0, 0, 0]
    decoded = decode_image(saved(layer, "PNG"))
    assert decoded[0, 0].tolist() == [200, 0, 0] and decoded[1, 0].tolist() == [255, 255, 255]
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "L").convert("P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    decoded = decode_image(saved(palette, "PNG", transparency=1))
    assert decoded.tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_sixteen_bits_are_scaled_by_their_whole_range():
    values = np.array([[0, 255, 256, 32768, 65535]], np.uint16)
    for name in ("PNG", "TIFF"):
        assert decode_image(saved(values, name))[0, :, 0].tolist() == [0, 0, 1, 128, 255]
    pgm = b"P5 5 1 65535\n" + values.astype(">u2").tobytes()
    assert decode_image(pgm)[0, :, 0].tolist() == [0, 0, 1, 128, 255]


def test_a_pgm_is_scaled_by_its_own_maximum():
    assert decode_image(b"P5 3 1 15\n\x00\x05\x0f")[0, :, 0].tolist() == [0, 85, 255]
    assert decode_image(b"P2 3 1 100\n0 50 100\n")[0, :, 0].tolist() == [0, 128, 255]


def test_float_tiffs_are_read_by_their_values():
    unit = np.array([[0.0, 0.2, 1.0]], np.float32)
    assert decode_image(saved(unit, "TIFF"))[0, :, 0].tolist() == [0, 51, 255]
    wide = np.array([[-10.0, np.nan, 0.0, 10.0, np.inf]], np.float32)
    assert decode_image(saved(wide, "TIFF"))[0, :, 0].tolist() == [0, 0, 128, 255, 0]


def test_a_negative_tiff_is_shown_positive():
    values = np.array([[0, 65535]], np.uint16)
    data = saved(values, "TIFF", tiffinfo={262: 0})
    assert decode_image(data)[0, :, 0].tolist() == [255, 0]


def test_cmyk_becomes_rgb():
    cmyk = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    red = decode_image(saved(cmyk, "JPEG", quality=95))[4, 4]
    assert red[0] > 230 and red[1] < 30 and red[2] < 30


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (9, 7), colour) for colour in ("red", "blue")]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (decode_image(data) == [255, 0, 0]).all()


def test_large_photos_are_shrunk_in_proportion(photo):
    large = np.tile(photo, (4, 2, 1))
    for name in ("JPEG", "PNG"):
        assert decode_image(saved(large, name), max_side=1000).shape == (1000, 500, 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode_image(saved(large, "JPEG", exif=exif), max_side=1000).shape == (500, 1000, 3)
    assert decode_image(saved(large, "PPM"), max_side=1000).shape == (1000, 500, 3)
    assert decode_image(saved(large, "PNG"), max_side=None).shape == (2048, 1024, 3)


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises a size and holds a handful of bytes."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(
    "data",
    [
        png_header(20_000, 20_000),
        png_header(8_000, 8_000),
        png_header(2**31 - 1, 2**31 - 1),
        b"P5 20000 20000 255\n" + b"\0" * 100,
        b"P6 999999 999999 255\n",
        b"BM" + struct.pack("<IHHIIiiHHIIIIII", 0, 0, 0, 54, 40, 20_000, 20_000, 1, 24, 0, 0, 0, 0, 0, 0),
        b"GIF89a" + struct.pack("<HHBBB", 60_000, 60_000, 0, 0, 0) + b",\0\0\0\0`\xea`\xea\0\x08\x01",
    ],
)
def test_a_bomb_is_refused_from_its_header(data):
    started = time.monotonic()
    with pytest.raises(BadInput, match="million pixels"):
        decode_image(data)
    assert time.monotonic() - started < 0.5


def test_a_real_picture_over_the_limit_says_its_size():
    with pytest.raises(BadInput, match="53 x 37 px"):
        decode_image(encode_png(COLOURS), max_pixels=53 * 37 - 1)
    assert decode_image(encode_png(COLOURS), max_pixels=53 * 37).shape == (37, 53, 3)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty file"),
        (b"Dear reader, this is a letter.\n" * 20, "a text file"),
        (b"emotion,pixels,Usage\n0,1 2 3,Training\n", "a text file"),
        (b"%PDF-1.7\n\x00\x01", "a PDF"),
        (b"PK\x03\x04\x14\0\0\0", "a zip"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"  <svg xmlns='x'/>", "SVG"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2", "a video"),
        (b"\0" * 5000, "unknown or damaged"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "a text file"),
    ],
)
def test_what_is_no_picture_is_named(data, words):
    with pytest.raises(BadInput, match=words) as refusal:
        decode_image(data)
    assert "Received:" in str(refusal.value)


def heic(photo: np.ndarray) -> bytes:
    heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    heif.from_bytes("RGB", photo.shape[1::-1], photo.tobytes()).save(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "GIF", "AVIF", "HEIC"])
def test_a_file_that_breaks_off_is_refused(photo, name):
    small = np.ascontiguousarray(photo[::4, ::4])
    data = heic(small) if name == "HEIC" else saved(small, name)
    for tenth in range(10):
        with pytest.raises(BadInput):
            decode_image(data[: len(data) * tenth // 10])


@given(st.binary(max_size=600))
@settings(max_examples=300, deadline=None)
def test_random_bytes_never_raise_anything_else(data):
    _picture_or_bad_input(data)


_WHOLE = {name: saved(COLOURS, name) for name in ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "GIF")}


@pytest.mark.filterwarnings("ignore")  # Pillow warns of damage that it can read past
@pytest.mark.parametrize("name", _WHOLE)
@given(data=st.data())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_flipped_bytes_never_raise_anything_else(name, data):
    damaged = bytearray(_WHOLE[name])
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, min(len(damaged), 700) - 1))] = data.draw(st.integers(0, 255))
    _picture_or_bad_input(bytes(damaged))


def _picture_or_bad_input(data: bytes) -> None:
    try:
        decoded = decode_image(data, max_pixels=1_000_000)
    except BadInput:
        return
    assert decoded.dtype == np.uint8 and decoded.ndim == 3 and decoded.shape[2] == 3


def test_encoding_goes_there_and_back(photo):
    np.testing.assert_array_equal(decode_image(encode_png(photo)), photo)
    np.testing.assert_array_equal(decode_image(encode_png(photo[..., 0]))[..., 1], photo[..., 0])
    assert np.abs(decode_image(encode_jpeg(photo, 95)).astype(int) - photo).mean() < 3
    assert len(encode_jpeg(photo, 50)) < len(encode_jpeg(photo, 95))
    with pytest.raises(BadInput, match="dtype=float64"):
        encode_png(photo / 255)


def test_the_identity_is_of_shape_and_pixels():
    """Golden value by hand: sha256 of the text 1x1: and the bytes 1 2 3, as sha256sum gives it."""
    one = np.array([[[1, 2, 3]]], np.uint8)
    assert pixel_id(one) == "a5a995b4deed12ed5752531221e051e103557f85bda34602eef2f3efea94c9c7"
    grey = COLOURS[..., 0]
    assert pixel_id(grey) == pixel_id(np.repeat(grey[..., None], 3, axis=2))
    assert pixel_id(COLOURS) != pixel_id(COLOURS.reshape(53, 37, 3))
    assert pixel_id(COLOURS) == pixel_id(np.asfortranarray(COLOURS))
    assert pixel_id(decode_image(encode_png(COLOURS))) == pixel_id(COLOURS)
