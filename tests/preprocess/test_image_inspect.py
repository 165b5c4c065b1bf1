"""What the header tells: one finding a fact, severity by what Graft does with it, never an exception."""

import numpy as np
import pytest
from PIL import Image as Picture

from graft.preprocess._image_inspect import exif_orientation, sniff
from graft.preprocess.image import Image

RECIPE = Image()


def kinds(content, source="x"):
    return {finding.kind: finding.severity for finding in RECIPE.inspect(content, source).findings}


def test_an_ordinary_photo_has_no_findings(photo, encode):
    facts = RECIPE.inspect(encode(photo(30, 40), "JPEG"), "some/where/Photo 1.JPG")
    assert facts.format == "JPEG"
    assert facts.shape == (30, 40)
    assert facts.findings == ()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("a.jpg", True),
        ("a.webp", True),
        ("a.heic", True),
        ("a.png", False),
        ("A.PNG", False),
        ("array 3", False),
        ("a", False),
        ("a.2024", False),
        ("dir.jpg/a", False),
    ],
)
def test_wrong_extension(photo, encode, source, found):
    facts = RECIPE.inspect(encode(photo(9, 9)), source)
    assert [finding.kind for finding in facts.findings] == ["wrong_extension"] * found
    for finding in facts.findings:
        assert finding.files == (source,)
        assert finding.severity == "warning"
        assert finding.details == {"format": "PNG", "suffix": "." + source.rpartition(".")[2].lower()}
        assert "PNG" in finding.message


@pytest.mark.parametrize(
    ("mode", "name", "expected"),
    [
        ("L", "JPEG", {"greyscale": "note"}),
        ("L", "PNG", {"greyscale": "note"}),
        ("L", "TIFF", {"greyscale": "note"}),
        ("LA", "PNG", {"alpha": "note", "greyscale": "note"}),
        ("RGBA", "PNG", {"alpha": "note"}),
        ("RGBA", "WEBP", {"alpha": "note"}),
        ("RGBA", "TIFF", {"alpha": "note"}),
        ("RGBA", "AVIF", {"alpha": "note"}),
        ("CMYK", "JPEG", {"cmyk": "warning"}),
        ("CMYK", "TIFF", {"cmyk": "warning"}),
        ("I;16", "PNG", {"greyscale": "note", "sixteen_bit": "note"}),
        ("I;16", "TIFF", {"greyscale": "note", "sixteen_bit": "note"}),
        ("F", "TIFF", {"greyscale": "note", "sixteen_bit": "note"}),
        ("P", "PNG", {}),
        ("RGB", "BMP", {}),
    ],
)
def test_modes_are_noticed(encode, mode, name, expected):
    if mode in ("I;16", "F"):
        kind = np.uint16 if mode == "I;16" else np.float32
        picture = Picture.fromarray(np.arange(100, dtype=kind).reshape(10, 10))
    else:
        rgba = np.full((10, 10, 4), 90, np.uint8)
        rgba[:5] = 200
        picture = Picture.fromarray(rgba if "A" in mode else rgba[..., :3]).convert(mode)
    content = encode(picture, name, **({"lossless": True} if name == "WEBP" else {}))
    assert kinds(content) == expected


def test_a_transparent_palette_is_noticed(encode):
    picture = Picture.new("P", (4, 4))
    assert kinds(encode(picture, "PNG", transparency=0)) == {"alpha": "note"}
    assert kinds(encode(picture, "GIF", transparency=0)) == {"alpha": "note"}


def test_zero_bytes_and_zero_pixels(craft_png):
    assert kinds(b"") == {"zero_size": "error"}
    assert kinds(craft_png(0, 5, 8, 2, b"")) == {"zero_size": "error"}


def test_an_error_is_told_besides_a_wrong_extension(photo, encode):
    content = encode(photo(50, 50))
    assert kinds(content[:-20], "a.jpg") == {"unreadable": "error", "wrong_extension": "warning"}
    assert kinds(b"GIF89a", "a.jpg") == {"unreadable": "error", "wrong_extension": "warning"}


def test_what_it_is_instead_is_named():
    assert "a HEIC file" in RECIPE.inspect(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a.heic").findings[0].message
    assert "a PDF file" in RECIPE.inspect(b"%PDF-1.4", "a.png").findings[0].message
    assert "b'<html>" in RECIPE.inspect(b"<html></html>", "a.png").findings[0].message
    assert sniff(b"P6nonsense") == "unknown"


def test_findings_are_plain_data(photo, encode):
    import json

    content = encode(Picture.fromarray(photo(9, 9)).convert("CMYK"), "JPEG")
    for finding in RECIPE.inspect(content, "a.png").findings + RECIPE.inspect(b"", "b").findings:
        assert json.loads(json.dumps(finding.to_json()))["files"] in (["a.png"], ["b"])
        assert "a.png" not in finding.message


@pytest.mark.parametrize(
    "block",
    [b"", b"II", b"II*\0\x08\0\0\0", b"XX*\0\x08\0\0\0\1\0", b"II*\0\xff\xff\xff\xff\0\0", b"MM\0*\0\0\0\x08\xff\xff"],
)
def test_a_broken_exif_block_means_upright(block):
    assert exif_orientation(block) == 1


def test_both_byte_orders_of_exif():
    little = b"II*\0\x08\0\0\0\x01\0" + b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"
    big = b"MM\0*\0\0\0\x08\0\x01" + b"\x01\x12\0\x03\0\0\0\x01\0\x08\0\0"
    assert exif_orientation(little) == 6
    assert exif_orientation(big) == 8
    assert exif_orientation(big.replace(b"\x08\0\0", b"\x09\0\0")) == 1
