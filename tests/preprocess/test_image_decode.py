"""Odd and broken images: each mode, format and rotation is decoded right, each broken file refused in a sentence."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Picture
from PIL import ImageOps

from graft.errors import UnreadableInputError
from graft.preprocess.image import Image

RECIPE = Image(size=(32, 32), resize=36)
SENTENCE = r"^[A-Z][^\n]* must be [^\n]*\. Got [^\n]*\. [A-Z][^\n]*\.$"


@pytest.fixture(scope="module")
def pixels(photo):
    return photo(50, 70, seed=1)


@pytest.mark.parametrize(
    ("name", "options", "tolerance"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("PPM", {}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("JPEG", {"quality": 95}, 3),
        ("JPEG", {"quality": 95, "progressive": True}, 3),
        ("JPEG", {"quality": 95, "subsampling": 0}, 3),
        ("WEBP", {"quality": 95}, 3),
        ("GIF", {}, 9),
        ("AVIF", {"quality": 95}, 3),
        ("JPEG2000", {}, 1),
    ],
)
def test_formats(pixels, encode, name, options, tolerance):
    content = encode(pixels, name, **options)
    decoded = RECIPE.decode(content)
    assert decoded.shape == (50, 70, 3)
    assert decoded.dtype == np.uint8
    assert np.abs(decoded.astype(int) - pixels).mean() <= tolerance
    facts = RECIPE.inspect(content, "x")
    assert facts.format == name
    assert facts.shape == (50, 70)


def test_jpeg_decodes_as_pillow_does(pixels, encode):
    content = encode(pixels, "JPEG", quality=80)
    with Picture.open(io.BytesIO(content)) as picture:
        assert np.abs(RECIPE.decode(content).astype(int) - np.asarray(picture)).max() <= 1


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "YCbCr", "I;16", "I", "F"])
def test_modes(photo, encode, mode):
    grey = photo(40, 60)[..., 0]
    expected = np.repeat(grey[..., None], 3, -1)
    if mode == "I;16":
        content = encode(Picture.fromarray(grey.astype(np.uint16) * 257), "PNG")
    elif mode == "I":
        content = encode(Picture.fromarray(grey.astype(np.int32) * 257), "TIFF")
    elif mode == "F":
        content = encode(Picture.fromarray(grey.astype(np.float32) / 255), "TIFF")
    else:
        picture = Picture.fromarray(expected).convert(mode)
        expected = np.asarray(picture.convert("RGB"))
        content = encode(picture, "TIFF" if mode in ("CMYK", "YCbCr") else "PNG")
    decoded = RECIPE.decode(content)
    assert decoded.shape == (40, 60, 3)
    assert np.abs(decoded.astype(int) - expected).max() <= 1


def test_floats_and_integers_beyond_their_range_are_scaled(encode):
    values = np.linspace(-2, 6, 100, dtype=np.float32).reshape(10, 10)
    values[0, 0] = np.nan
    decoded = RECIPE.decode(encode(Picture.fromarray(values), "TIFF"))
    assert decoded[-1, -1, 0] == 255
    assert decoded[0, 1, 0] <= 3
    flat = RECIPE.decode(encode(Picture.fromarray(np.full((4, 4), 70_000, np.int32)), "TIFF"))
    assert flat.shape == (4, 4, 3)


def test_sixteen_bit_colour_is_scaled_not_clipped(craft_png):
    values = np.linspace(0, 65535, 8 * 3).astype(">u2").reshape(1, 8, 3)
    content = craft_png(8, 1, 16, 2, b"\0" + values.tobytes())
    decoded = RECIPE.decode(content)
    assert np.abs(decoded.astype(int) - values.astype(int) / 257).max() <= 1
    assert [finding.kind for finding in RECIPE.inspect(content, "a.png").findings] == ["sixteen_bit"]


def test_cmyk_jpeg(pixels, encode):
    picture = Picture.fromarray(pixels).convert("CMYK")
    content = encode(picture, "JPEG", quality=95)
    expected = np.asarray(picture.convert("RGB"))
    assert np.abs(RECIPE.decode(content).astype(int) - expected).mean() < 3


def test_transparent_parts_are_white(encode):
    rgba = np.zeros((10, 10, 4), np.uint8)
    rgba[:, 5:] = (200, 0, 0, 255)
    for name in ("PNG", "WEBP", "TIFF"):
        decoded = RECIPE.decode(encode(rgba, name, **({"lossless": True} if name == "WEBP" else {})))
        assert (decoded[:, :5] == 255).all()
        assert (decoded[:, 5:] == (200, 0, 0)).all()
    palette = Picture.fromarray(rgba).quantize(4)
    assert (RECIPE.decode(encode(palette, "PNG"))[:, :5] == 255).all()
    keyed = encode(Picture.new("RGB", (4, 4), (9, 9, 9)), "PNG", transparency=(9, 9, 9))
    assert (RECIPE.decode(keyed) == 255).all()
    half = encode(np.full((4, 4, 4), (0, 0, 0, 128), np.uint8))
    assert np.abs(RECIPE.decode(half).astype(int) - 127).max() <= 1


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(pixels, encode, name, orientation):
    exif = Picture.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if name == "WEBP" else {} if name in ("PNG", "TIFF") else {"quality": 95}
    content = encode(pixels, name, exif=exif.tobytes() if name != "TIFF" else exif, **options)
    upright = Picture.fromarray(pixels)
    upright.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(upright))
    decoded = RECIPE.decode(content)
    assert decoded.shape == expected.shape
    assert np.abs(decoded.astype(int) - expected).mean() < 3
    facts = RECIPE.inspect(content, "x")
    assert facts.shape == expected.shape[:2]
    assert [finding.kind for finding in facts.findings] == ["exif_rotation"] * (orientation != 1)


@pytest.mark.parametrize("name", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first_is_taken(encode, name):
    frames = [Picture.new("RGB", (20, 10), colour) for colour in ("red", "lime", "blue")]
    content = encode(frames[0], name, save_all=True, append_images=frames[1:])
    assert np.abs(RECIPE.decode(content).astype(int) - (255, 0, 0)).max() <= 2
    assert [finding.kind for finding in RECIPE.inspect(content, "x").findings] == ["animated"]


def refused(content):
    """Return why; inspect must have seen it too, or decode must be the first that can."""
    with pytest.raises(UnreadableInputError, match=SENTENCE) as caught:
        RECIPE.decode(content)
    return str(caught.value)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000"])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6, 0.9])
def test_truncated_files_are_refused(photo, encode, name, kept):
    content = encode(photo(200, 300, seed=2), name)
    refused(content[: int(len(content) * kept)])


@pytest.mark.parametrize("progressive", [False, True])
def test_a_truncated_jpeg_never_gives_half_a_picture(encode, progressive):
    noisy = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = encode(noisy, "JPEG", progressive=progressive)
    scan = content.index(b"\xff\xda")
    for end in [*range(2, len(content), 97), *range(len(content) - 9, len(content))]:
        refused(content[:end])
        # An end marker put behind the cut does not make it whole; a progressive one is then merely coarser.
        if not progressive and scan < end < len(content) - 9:
            refused(content[:end] + b"\xff\xd9")


def test_a_truncated_jpeg_with_a_whole_thumbnail_is_seen_in_the_header(pixels, encode):
    thumbnail = encode(pixels, "JPEG")
    content = encode(pixels, "JPEG")
    holder = b"\xff\xe1" + struct.pack(">H", 2 + 6 + len(thumbnail)) + b"Exif\0\0" + thumbnail
    whole = content[:2] + holder + content[2:]
    assert RECIPE.decode(whole).shape == (50, 70, 3)
    cut = whole[:-40]
    assert [finding.kind for finding in RECIPE.inspect(cut, "a.jpg").findings] == ["unreadable"]
    assert "ends before the picture" in refused(cut)


def test_what_cameras_write_after_the_picture_is_harmless(pixels, encode):
    content = encode(pixels, "JPEG")
    expected = RECIPE.decode(content)
    assert np.array_equal(RECIPE.decode(content + b"trailer" * 50), expected)
    # Padding before the end marker makes libjpeg complain; the picture is whole.
    assert np.array_equal(RECIPE.decode(content[:-2] + b"\0\0\0" + content[-2:]), expected)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xd9",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"RIFF\0\0\0\0WEBP",
        b"BM",
        b"II*\0",
        b"P6 ",
        b"hello, this is a text\n" * 10,
        b"<html><body>404</body></html>",
        b"%PDF-1.7\n",
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        bytes(1000),
    ],
)
def test_what_is_no_image_is_refused(content):
    message = refused(content)
    facts = RECIPE.inspect(content, "a.jpg")
    assert facts.findings[0].severity == "error"
    assert facts.findings[0].kind == ("zero_size" if not content else "unreadable")
    assert facts.findings[0].message == message


def bombs(craft_png, encode):
    yield "PNG", craft_png(30_000, 30_000, 8, 2, b"\0" * 100)
    small = encode(np.zeros((8, 8, 3), np.uint8), "JPEG")
    at = small.index(b"\xff\xc0")
    yield "JPEG", small[: at + 5] + struct.pack(">HH", 30_000, 30_000) + small[at + 9 :]
    gif = encode(np.zeros((8, 8), np.uint8), "GIF")
    yield "GIF", gif[:6] + struct.pack("<HH", 30_000, 30_000) + gif[10:]
    bmp = encode(np.zeros((8, 8, 3), np.uint8), "BMP")
    yield "BMP", bmp[:18] + struct.pack("<ii", 30_000, -30_000) + bmp[26:]
    webp = b"VP8X" + struct.pack("<IB3x", 10, 0) + (16_382).to_bytes(3, "little") * 2  # 16,383 x 16,383
    yield "WEBP", b"RIFF" + struct.pack("<I", len(webp) + 4) + b"WEBP" + webp
    yield "PPM", b"P6 30000 30000 255\n" + bytes(100)
    tiff = encode(np.zeros((8, 8, 3), np.uint8), "TIFF")
    wide = struct.pack("<HHII", 256, 4, 1, 8)
    high = struct.pack("<HHII", 257, 4, 1, 8)
    assert wide in tiff
    assert high in tiff
    yield (
        "TIFF",
        tiff.replace(wide, wide[:8] + struct.pack("<I", 30_000)).replace(high, high[:8] + struct.pack("<I", 30_000)),
    )


def test_a_decompression_bomb_is_refused_before_decoding(craft_png, encode, monkeypatch):
    limit = Picture.MAX_IMAGE_PIXELS
    for name, content in bombs(craft_png, encode):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            message = refused(content)
            facts = RECIPE.inspect(content, "x")
        assert "--max-pixels" in message, name
        assert (facts.format, facts.findings[0].kind) == (name, "too_large")
    assert limit == Picture.MAX_IMAGE_PIXELS


def test_a_webp_canvas_that_no_frame_can_fill_is_refused():
    chunk = b"VP8X" + struct.pack("<IB3x", 10, 2) + (6_000_000).to_bytes(3, "little") + (23).to_bytes(3, "little")
    assert "makes no sense" in refused(b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk)


def test_a_gif_frame_larger_than_its_screen_counts(encode):
    gif = encode(np.zeros((8, 8), np.uint8), "GIF")
    at = gif.index(b"\x2c", 13)
    crafted = gif[: at + 5] + struct.pack("<HH", 60_000, 60_000) + gif[at + 9 :]
    assert RECIPE.inspect(crafted, "x").shape == (60_000, 60_000)
    assert "--max-pixels" in refused(crafted)


def test_the_limit_can_be_raised_beyond_pillow_own(encode, monkeypatch):
    monkeypatch.setattr(Picture, "MAX_IMAGE_PIXELS", 100)
    content = encode(np.full((40, 40, 3), 7, np.uint8))
    assert (RECIPE.decode(content) == 7).all()
    with pytest.raises(UnreadableInputError, match="at most 1,000 pixels"):
        Image(max_pixels=1000).decode(content)


def test_a_compressed_text_bomb_in_a_png_is_refused_or_left_alone(craft_png, chunk):
    bomb = zlib.compress(bytes(200_000_000), 9)
    for kind, head in ((b"zTXt", b"key\0\0"), (b"iCCP", b"name\0\0"), (b"iTXt", b"key\0\x01\0\0\0")):
        content = craft_png(2, 2, 8, 0, b"\0\x05\x05" * 2, chunk(kind, head + bomb))
        try:
            assert (RECIPE.decode(content) == 5).all()
        except UnreadableInputError:
            continue


def test_a_huge_exif_block(pixels, encode):
    exif = Picture.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "x" * 60_000
    content = encode(pixels, "JPEG", exif=exif.tobytes())
    assert RECIPE.decode(content).shape == (70, 50, 3)
    block = b"MM\0*\0\0\0\x08\xff\xff" + b"\x01\x12\0\x09" * 50
    holder = b"\xff\xe1" + struct.pack(">H", 8 + len(block)) + b"Exif\0\0" + block
    plain = encode(pixels, "JPEG")
    assert RECIPE.decode(plain[:2] + holder + plain[2:]).shape == (50, 70, 3)


@pytest.mark.parametrize(
    "name", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000", "APNG", "CMYK", "PALETTE"]
)
def test_any_change_of_bytes_gives_a_picture_or_the_one_error(photo, encode, name):
    pixels = photo(24, 33, seed=5)
    exif = Picture.Exif()
    exif[0x0112] = 3
    if name == "APNG":
        frames = [Picture.fromarray(photo(24, 33, seed=k)) for k in range(3)]
        content = encode(frames[0], "PNG", save_all=True, append_images=frames[1:])
    elif name == "CMYK":
        content = encode(Picture.fromarray(pixels).convert("CMYK"), "JPEG")
    elif name == "PALETTE":
        content = encode(Picture.fromarray(pixels).quantize(8), "PNG", transparency=2)
    else:
        content = encode(pixels, name, **({"exif": exif.tobytes()} if name in ("JPEG", "PNG", "WEBP") else {}))
    recipe = Image(size=(32, 32), resize=36, max_pixels=1_000_000)

    # Most changes should hit the header, where the parsers are.
    place = st.one_of(st.integers(0, min(len(content), 120) - 1), st.integers(0, len(content) - 1))

    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(
        st.lists(st.tuples(place, st.integers(0, 255)), max_size=6),
        st.one_of(st.just(len(content)), st.integers(0, len(content))),
        st.binary(max_size=8),
    )
    def check(changes, end, tail):
        mutated = bytearray(content)
        for at, value in changes:
            mutated[at] = value
        mutated = bytes(mutated[:end]) + tail
        facts = recipe.inspect(mutated, "a.png")
        try:
            decoded = recipe.decode(mutated)
        except UnreadableInputError as error:
            assert "\n" not in str(error)
            return
        assert all(finding.severity != "error" for finding in facts.findings)
        assert decoded.dtype == np.uint8
        assert decoded.ndim == 3
        assert decoded.shape[2] == 3
        assert decoded.shape[:2] == facts.shape
        fitted = recipe.fit(decoded)
        assert fitted.shape == (3, 32, 32)
        assert fitted.dtype == np.uint8

    check()


@settings(max_examples=200, deadline=None, database=None, derandomize=True)
@given(
    st.sampled_from([b"", b"\xff\xd8\xff\xe1", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"P5\n"]),
    st.binary(max_size=200),
)
def test_any_bytes_at_all(start, rest):
    try:
        assert RECIPE.decode(start + rest).shape[2] == 3
    except UnreadableInputError:
        assert RECIPE.inspect(start + rest, "x").format
