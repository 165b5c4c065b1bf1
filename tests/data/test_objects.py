"""Objects in memory: arrays and PIL images come back pixel by pixel; what is no picture is refused."""

import io

import numpy as np
import pytest
from PIL import Image

from graft import data
from graft.errors import DataError

RNG = np.random.default_rng(0)


def back(example):
    with Image.open(io.BytesIO(example.content)) as image:
        assert image.format == "PNG"
        return np.asarray(image)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 2), (5, 7, 3), (5, 7, 4)])
def test_arrays_are_kept_without_loss(shape):
    pixels = RNG.integers(0, 256, shape, dtype=np.uint8)
    (one,) = data.from_objects([pixels], ["a"]).examples
    np.testing.assert_array_equal(back(one), pixels)
    assert (one.source, one.label, one.path) == ("array 0", "a", None)


@pytest.mark.parametrize(
    ("value", "pixels"),
    [
        (np.array([[[0], [9]]], dtype=np.uint8), [[0, 9]]),
        (np.array([[0.0, 0.5, 1.0]]), [[0, 128, 255]]),
        (np.array([[0, 255]], dtype=np.int64), [[0, 255]]),
        (np.array([[True, False]]), [[255, 0]]),
    ],
)
def test_other_numbers_are_scaled(value, pixels):
    (one,) = data.from_objects([value]).examples
    assert back(one).tolist() == pixels and one.label is None


def test_one_array_is_many_inputs():
    found = data.from_objects(np.zeros((3, 4, 4, 3), np.uint8), np.array([0, 1, 1]))
    assert [(one.source, one.label) for one in found.examples] == [("array 0", "0"), ("array 1", "1"), ("array 2", "1")]
    assert found.modality == "image" and found.classes == ("0", "1")


def test_paths_and_pictures(tmp_path):
    grey = Image.fromarray(RNG.integers(0, 256, (4, 6), dtype=np.uint8))
    print_ = Image.new("CMYK", (3, 2), (0, 255, 255, 0))
    found = data.from_objects([str(tmp_path / "x.png"), tmp_path / "y.png", grey, print_])
    assert [one.source for one in found.examples] == [f"{tmp_path}/x.png", f"{tmp_path}/y.png", "image 2", "image 3"]
    assert [one.path for one in found.examples] == [tmp_path / "x.png", tmp_path / "y.png", None, None]
    np.testing.assert_array_equal(back(found.examples[2]), np.asarray(grey))
    assert back(found.examples[3]).shape == (2, 3, 3)


def test_a_turned_picture_is_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    Image.new("RGB", (6, 4)).save(out, "JPEG", exif=exif)
    (one,) = data.from_objects([Image.open(out)]).examples
    assert back(one).shape == (6, 4, 3)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (np.zeros((3, 8, 8), np.uint8), "shape (3, 8, 8). Move the channels last."),
        (np.zeros(8, np.uint8), "shape (8,). Reshape it."),
        (np.zeros((0, 4), np.uint8), "shape (0, 4). Reshape it."),
        (np.full((2, 2), 200.0), "200 to 200. Divide it by its largest value, or convert it to uint8."),
        (np.full((2, 2), np.nan), "nan to nan. Divide it by its largest value, or convert it to uint8."),
        (np.full((2, 2), 300), "300 to 300. Scale it to 0..255."),
        (np.full((2, 2), "x"), "dtype <U1. Convert it to uint8."),
        (None, "a NoneType. Give paths, arrays, PIL images or texts."),
    ],
)
def test_what_is_no_picture(value, sentence):
    with pytest.raises(DataError) as caught:
        data.from_objects([np.zeros((2, 2), np.uint8), value])
    assert " must be " in str(caught.value) and str(caught.value).partition(" Got ")[2] == sentence
    assert str(caught.value).startswith(("array 1", "Input 1"))


def test_labels_of_another_length():
    with pytest.raises(DataError, match=r"^y must be as long as X \(1\)\. Got 2 labels\. Give one label for each"):
        data.from_objects([np.zeros((2, 2), np.uint8)], ["a", "b"])
    with pytest.raises(DataError, match=r"^X must be a list of inputs\. Got one path\. Put it in a list\.$"):
        data.from_objects("x.png")
