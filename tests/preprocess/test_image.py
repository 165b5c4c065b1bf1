"""The recipe of images: sizes, agreement with the reference, JSON, pictures for the report, threads."""

import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from graft.errors import ArtifactError, SettingError, UnreadableInputError
from graft.preprocess import REGISTRY
from graft.preprocess.image import Image

CLOTHING = Path(__file__).parents[3] / "shared" / "data" / "clothing"
RESAMPLING = {"bicubic": Picture.Resampling.BICUBIC, "bilinear": Picture.Resampling.BILINEAR}


def reference(pixels, resize, size, interpolation="bicubic"):
    """Pillow's resize of the short side and the centre, as torchvision and timm evaluate."""
    height, width = pixels.shape[:2]
    short = min(height, width)
    new = (int(resize * width / short), int(resize * height / short))
    resized = np.asarray(Picture.fromarray(pixels).resize(new, RESAMPLING[interpolation]))
    top, left = round((resized.shape[0] - size[0]) / 2), round((resized.shape[1] - size[1]) / 2)
    return resized[top : top + size[0], left : left + size[1]].transpose(2, 0, 1)


def test_the_registry_lists_it():
    assert "image" in REGISTRY.names()
    assert REGISTRY.get("image") is Image
    assert all(setting.doc for setting in REGISTRY.settings("image"))


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("shape", [(300, 400), (401, 300), (100, 90), (28, 28), (256, 256), (700, 900), (512, 400)])
def test_fit_agrees_with_pillow(photo, shape, interpolation):
    pixels = photo(*shape)
    fitted = Image(interpolation=interpolation).fit(pixels)
    expected = reference(pixels, 256, (224, 224), interpolation)
    assert fitted.shape == (3, 224, 224)
    assert fitted.dtype == np.uint8
    assert fitted.flags.c_contiguous
    # torch resizes the columns first, Pillow the rows, and each rounds in between.
    difference = np.abs(fitted.astype(int) - expected)
    assert difference.max() <= 3
    assert difference.mean() < 0.2


@pytest.mark.parametrize("shape", [(1100, 1500), (2500, 2100), (4200, 4300)])
def test_a_large_photo_is_decoded_at_reduced_scale_and_looks_the_same(photo, encode, shape):
    pixels = photo(*shape, seed=3)
    recipe = Image(size=(64, 64), resize=72)
    for name in ("JPEG", "PNG"):
        content = encode(pixels, name, **({"quality": 95} if name == "JPEG" else {"compress_level": 0}))
        decoded = recipe.decode(content)
        assert 2 * 72 <= min(decoded.shape[:2]) < min(shape)
        difference = np.abs(recipe.fit(decoded).astype(int) - reference(pixels, 72, (64, 64)))
        assert difference.mean() < 1
        assert difference.max() <= 6


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 1), (2, 3000), (7, 3), (300, 4000)])
def test_every_shape_fits(photo, encode, shape):
    recipe = Image()
    for name in ("PNG", "JPEG"):
        fitted = recipe.fit(recipe.decode(encode(photo(*shape), name)))
        assert fitted.shape == (3, 224, 224)


def test_the_middle_of_a_very_long_picture_stays_in_the_middle():
    # An odd and an even length: a bright middle on dark must come out symmetric.
    for width in (401, 402):
        pixels = np.zeros((20, width, 3), np.uint8)
        pixels[:, width // 2 - (1 - width % 2) : width // 2 + 1] = 255
        row = Image(size=(32, 32), resize=40).fit(pixels)[0, 16].astype(int)
        assert row.max() > 60
        assert np.abs(row - row[::-1]).max() <= 2


def test_other_sizes():
    pixels = np.zeros((100, 100, 3), np.uint8)
    recipe = Image(size=(96, 128), resize=128)
    assert recipe.shape == (3, 96, 128)
    assert recipe.fit(pixels).shape == (3, 96, 128)
    assert recipe.augmented(pixels, "photos", 1).shape == (3, 96, 128)


def test_a_picture_that_cannot_be_written_to_fits_without_a_warning(photo):
    pixels = photo(300, 300)
    expected = Image().fit(pixels)
    pixels.flags.writeable = False
    assert np.array_equal(Image().fit(pixels), expected)
    assert Image().augmented(pixels, "photos", 3).shape == (3, 224, 224)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"size": (224,)}, "size must be"),
        ({"size": (0, 4)}, "size must be"),
        ({"resize": 100}, "resize must be"),
        ({"max_pixels": 0}, "max_pixels must be"),
        ({"interpolation": "lanczos"}, "interpolation must be"),
        ({"resise": 100}, "Did you mean 'resize'"),
    ],
)
def test_wrong_settings(settings, word):
    with pytest.raises(SettingError, match=word):
        REGISTRY.create("image", settings)


def test_json_there_and_back():
    recipe = Image(size=(32, 48), resize=60, interpolation="bilinear", max_pixels=10_000)
    data = json.loads(json.dumps(recipe.to_json()))
    assert Image.from_json(data) == recipe
    assert data["recipe"] == 1


@pytest.mark.parametrize(
    "change", [{"recipe": 999}, {"modality": "text"}, {"size": 3}, {"other": 1}, {"resize": 1}, {"resize": "x"}]
)
def test_json_of_another_version_is_refused(change):
    with pytest.raises(ArtifactError, match="must be"):
        Image.from_json({**Image().to_json(), **change})


def test_a_picture_for_the_report(photo, encode):
    small = Image().picture(encode(photo(900, 600), "JPEG"), 120)
    with Picture.open(io.BytesIO(small)) as picture:
        assert picture.format == "WEBP"
        assert picture.size == (80, 120)
    assert len(small) < 10_000
    with pytest.raises(UnreadableInputError):
        Image().picture(b"not an image", 120)


def test_two_threads_give_what_one_gives(photo, encode):
    recipe = Image()
    contents = [encode(photo(300 + k, 280, seed=k), ("JPEG", "PNG", "TIFF", "WEBP")[k % 4]) for k in range(24)]

    def view(content):
        decoded = recipe.decode(content)
        return recipe.fit(decoded), recipe.augmented(decoded, "photos", 5)

    alone = [view(content) for content in contents]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(view, contents))
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one[0], other[0])
        assert np.array_equal(one[1], other[1])


@pytest.mark.real_data
@pytest.mark.skipif(not CLOTHING.is_dir(), reason="../shared/data/clothing is absent")
def test_real_photos_agree_with_pillow_end_to_end():
    recipe = Image()
    for path in sorted(CLOTHING.rglob("*.jpg"))[::60]:
        with Picture.open(path) as picture:
            expected = reference(np.asarray(picture.convert("RGB")), 256, (224, 224))
        content = path.read_bytes()
        assert not any(finding.severity == "error" for finding in recipe.inspect(content, str(path)).findings)
        assert np.abs(recipe.fit(recipe.decode(content)).astype(int) - expected).max() <= 1
