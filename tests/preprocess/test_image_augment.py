"""Augmented views: the seed alone decides, labels stay, names are checked."""

import numpy as np
import pytest
import torch

from graft.errors import SettingError
from graft.preprocess import _image_change as change
from graft.preprocess._image_augment import CHANGES, MOVES, NAMES, PRESETS, augmentations, check_augmentation, crop_box
from graft.preprocess.image import Image

RECIPE = Image(size=(64, 80), resize=90)
ALL = ",".join(NAMES)


@pytest.fixture(scope="module")
def pixels(photo):
    grain = np.random.default_rng(4).integers(0, 60, (140, 180, 3), dtype=np.uint8)
    return (photo(140, 180, seed=4) // 2 + grain).astype(np.uint8)


@pytest.mark.parametrize("name", [*augmentations(), ALL, "photos,erasing", "digits, noise"])
def test_a_view_is_decided_by_its_seed_alone(pixels, name):
    np.random.seed(1)
    torch.manual_seed(1)
    before = pixels.copy()
    states = np.random.get_state()[1].copy(), torch.get_rng_state()
    views = [RECIPE.augmented(pixels, name, seed) for seed in range(8)]
    assert np.array_equal(np.random.get_state()[1], states[0])
    assert torch.equal(torch.get_rng_state(), states[1])
    np.random.seed(2)
    again = [RECIPE.augmented(pixels, name, seed) for seed in range(8)]
    for view, other in zip(views, again, strict=True):
        assert view.shape == (3, 64, 80)
        assert view.dtype == np.uint8
        assert view.flags.c_contiguous
        assert np.array_equal(view, other)
    assert np.array_equal(pixels, before)
    different = sum(not np.array_equal(views[0], view) for view in views[1:])
    assert different >= 2 if name != "none" else different == 0


def test_none_is_view_zero(pixels):
    assert np.array_equal(RECIPE.augmented(pixels, "none", 3), RECIPE.fit(pixels))


def test_any_integer_is_a_seed(pixels):
    for seed in (-1, 0, 2**63, 2**64 - 1):
        assert RECIPE.augmented(pixels, "photos", seed).shape == (3, 64, 80)


def test_adding_a_change_leaves_what_the_others_draw(pixels):
    for seed in range(6):
        crop = RECIPE.augmented(pixels, "crop", seed)
        both = RECIPE.augmented(pixels, "crop,flip", seed)
        assert np.array_equal(both, crop) or np.array_equal(both, crop[..., ::-1])


def test_presets_are_safe_for_labels():
    assert "flip" not in PRESETS["digits"] + PRESETS["documents"]
    assert "crop" not in PRESETS["digits"] + PRESETS["documents"]
    assert set(PRESETS) == {"none", "auto", "photos", "digits", "documents"}
    assert set(MOVES) | set(CHANGES) | {"crop"} == set(NAMES)
    assert set().union(*PRESETS.values()) <= set(NAMES)
    assert all(augmentations().values())
    assert Image.augmentations() == augmentations()
    assert Image.check_augmentation("digits") == check_augmentation("digits")


def test_no_view_is_upside_down_or_on_its_side():
    # Dark above, bright below: every view of a photo must still be so.
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[50:] = 255
    recipe = Image(size=(48, 48), resize=54)
    for name in PRESETS:
        for seed in range(40):
            view = recipe.augmented(pixels, name, seed).astype(int)
            assert view[:, -1].mean() >= view[:, 0].mean()
            assert abs(view[:, :, :8].mean() - view[:, :, -8:].mean()) < 90


def test_digits_stay_readable():
    # A six is a nine upside down and a mirrored six is no digit: the ring must stay at the lower left.
    pixels = np.zeros((28, 28, 3), np.uint8)
    pixels[14:22, 8:14] = 255
    recipe = Image(size=(56, 56), resize=56)
    for seed in range(40):
        view = recipe.augmented(pixels, "digits", seed)[0].astype(float)
        rows, columns = np.mgrid[:56, :56]
        assert (view * rows).sum() / view.sum() > 28
        assert (view * columns).sum() / view.sum() < 28
        assert view.sum() > 0.5 * recipe.fit(pixels)[0].sum()


def test_names_are_checked():
    assert check_augmentation("photos") == ("crop", "rotation", "flip", "colour")
    assert check_augmentation("blur, flip ,BLUR") == ("flip", "blur")
    assert check_augmentation("none") == ()
    for wrong, near in (("rotatoin", "rotation"), ("photo", "photos"), ("flip,blurr", "blur")):
        with pytest.raises(SettingError, match=f"Did you mean '{near}'"):
            check_augmentation(wrong)
    with pytest.raises(SettingError, match="Take any of none, auto, photos"):
        check_augmentation("xyzzy")
    with pytest.raises(SettingError, match="augment must be"):
        check_augmentation("")


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (2, 2)])
def test_every_shape_can_be_augmented(photo, shape):
    for name in ("photos", "digits", "documents", ALL):
        assert RECIPE.augmented(photo(*shape), name, 1).shape == (3, 64, 80)


def test_crops_lie_inside_and_have_the_promised_area():
    rng = np.random.default_rng(0)
    for height, width in ((100, 100), (300, 200), (90, 120)):
        for _ in range(200):
            top, left, high, wide = crop_box(height, width, (224, 224), rng)
            assert 0 <= top <= top + high <= height
            assert 0 <= left <= left + wide <= width
            assert high * wide >= 0.33 * height * width
            assert 0.7 < wide / high < 1.4


def test_a_plain_warp_changes_nothing_and_a_shift_shifts(pixels):
    assert np.array_equal(change.warped(pixels, np.eye(3)), pixels)
    matrix = np.eye(3)
    matrix[0, 2] = 18 / 180
    shifted = change.warped(pixels, matrix)
    assert np.array_equal(shifted[:, :-18], pixels[:, 18:])
    assert np.array_equal(shifted[:, -18:], pixels[:, :-19:-1])


def test_a_turn_is_a_turn_about_the_centre(photo):
    pixels = photo(61, 61, seed=9)
    matrix = change._turn(np.pi / 2)
    assert np.abs(change.warped(pixels, matrix).astype(int) - np.rot90(pixels)).max() <= 1


def test_a_tilt_moves_the_corners_and_leaves_no_black(photo):
    white = np.full((50, 70, 3), 255, np.uint8)
    for seed in range(20):
        matrix = change.perspective(np.random.default_rng(seed))
        corners = matrix @ np.array([[-0.5, 0.5, 0.5, -0.5], [-0.5, -0.5, 0.5, 0.5], [1, 1, 1, 1.0]])
        moved = np.abs(corners[:2] / corners[2]) - 0.5
        assert 0 < np.abs(moved).max() <= 0.0801
        assert (change.warped(white, matrix) == 255).all()


def test_tones(pixels):
    assert np.abs(change._toned(pixels, 1.0).astype(int) - pixels).max() <= 1
    assert change._toned(pixels, 0.8).mean() == pytest.approx(0.8 * pixels.mean(), rel=0.02)
    flat = change._toned(pixels, 1.0, 1.0, 0.0)
    assert np.abs(flat[..., 0].astype(int) - flat[..., 2]).max() <= 1
    calm = change._toned(pixels, 1.0, 0.5)
    assert calm.std() < 0.7 * pixels.std()
    # A change of hue leaves grey alone.
    grey = np.full((8, 8, 3), 120, np.uint8)
    assert np.abs(change._toned(grey, 1.0, 1.0, 1.0, 0.1).astype(int) - 120).max() <= 1


def test_every_randaugment_operation_keeps_shape_and_most_of_the_picture(pixels):
    for which in range(13):
        for strength in (-1 / 3, 0.0, 1 / 3):
            out = change._randaugment(pixels, which, strength)
            assert out.shape == pixels.shape
            assert out.dtype == np.uint8
            if strength == 0.0 and which < 11:
                assert np.abs(out.astype(int) - pixels).max() <= 1
    assert not np.array_equal(change._randaugment(pixels, 10, 1 / 3), pixels)


def test_noise_blur_and_erasing_do_what_they_say(pixels):
    rng = np.random.default_rng(3)
    noisy = change.noise(np.full((99, 99, 3), 128, np.uint8), rng)
    assert 0 < noisy.std() <= 12.5
    sharp = np.zeros((64, 64, 3), np.uint8)
    sharp[::2] = 255
    assert change.blur(np.ascontiguousarray(np.kron(sharp, np.ones((4, 1, 1), np.uint8))), rng).std() < 127
    shares = [(change.erasing(pixels, np.random.default_rng(k)) != pixels).any(-1).mean() for k in range(60)]
    assert 15 <= sum(share == 0 for share in shares) <= 45
    assert max(shares) <= 0.21
