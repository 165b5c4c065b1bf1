"""Videos for image networks: frames prepared as pictures are, views of all frames alike, features of what moves."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image as Picture

import clips
from graft.errors import ArtifactError, SettingError
from graft.preprocess import sheet
from graft.preprocess._video_features import motion
from graft.preprocess.audio import Audio
from graft.preprocess.image import Image
from graft.preprocess.text import Text
from graft.preprocess.video import Video

SPEC = Video(image=Image(size=(32, 32), resize=36), frames=6)


@pytest.fixture(scope="module")
def clip():
    return clips.encoded(clips.moving(colour=(230, 40, 40)))


def kinds(content, source="a.mp4", spec=SPEC):
    return {one.kind: one for one in spec.inspect(content, source).findings}


def test_a_frame_is_prepared_as_a_picture_is(clip):
    decoded = SPEC.decode(clip)
    assert decoded.shape == (6, 48, 64, 3)
    fitted = SPEC.fit(decoded)
    assert fitted.shape == SPEC.shape == (6, 3, 32, 32)
    for frame, seen in zip(decoded, fitted, strict=True):
        assert np.array_equal(seen, SPEC.image.fit(frame))


def test_one_frame_is_a_picture(clip):
    one = dataclasses.replace(SPEC, frames=1)
    fitted = one.fit(one.decode(clip))
    assert fitted.shape == one.shape == (3, 32, 32)
    assert len(one.simple_features(fitted)) == 964 + 18 + 3
    assert one.miniature(fitted).shape == (3, 32, 32)


def test_a_view_changes_all_frames_alike():
    """Of a film of one picture every view must again be a film of one picture."""
    still = np.repeat(clips.moving(1), 6, axis=0)
    views = [SPEC.augmented(still, "photos,blur,noise,erasing,perspective,randaugment", seed) for seed in range(6)]
    for view in views:
        assert (view == view[0]).all()
        assert view.shape == SPEC.shape
    assert len({view.tobytes() for view in views}) == 6
    assert np.array_equal(views[0], SPEC.augmented(still, "photos,blur,noise,erasing,perspective,randaugment", 0))


def test_mirroring_is_not_automatic():
    assert "flip" not in SPEC.check_augmentation("auto")
    assert "flip" in SPEC.check_augmentation("photos")
    assert SPEC.check_augmentation("none") == ()
    with pytest.raises(SettingError, match="'flip'"):
        SPEC.check_augmentation("flpi")
    assert set(SPEC.augmentations()) == set(Image.augmentations())


def test_simple_features_tell_where_something_moves():
    spec = dataclasses.replace(SPEC, frames=8)
    toward = []
    for sign in (1, -1):
        frames = clips.moving(8, start=(24, 32 - sign * 18), step=(0, 5 * sign))
        toward.append(spec.fit(frames))
    there, back = (spec.simple_features(one) for one in toward)
    assert len(there) == 982 + 3 * 8
    moved = [motion(one) for one in toward]
    assert moved[0][16] > 0.2  # the slope of x over the time
    assert moved[1][16] < -0.2
    np.testing.assert_allclose(moved[0][:16], moved[1][:16], atol=0.02)
    np.testing.assert_allclose(there[:964], back[:964], atol=0.1)
    still = motion(spec.fit(np.repeat(clips.moving(1), 8, axis=0)))
    assert (still[:16] == 0).all()
    assert np.abs(still[16:18]).max() == 0


def test_near_duplicates_have_near_hashes_and_others_not(clip):
    again = clips.encoded(clips.moving(colour=(230, 40, 40)), "webm", "libvpx", rate=12)
    other = clips.encoded(clips.moving(start=(5, 40), step=(2, -1), seed=5))
    rows = [SPEC.miniature(SPEC.fit(SPEC.decode(one))) for one in (clip, again, other)]
    hashes = SPEC.perceptual_hashes(np.stack(rows))
    apart = [int(hashes[0] ^ one).bit_count() for one in hashes[1:]]
    assert apart[0] <= 10
    assert apart[1] > 14


def test_the_picture_is_a_sheet_of_four_frames_in_reading_order():
    content = clips.encoded(clips.grey_levels([20] * 6 + [90] * 6 + [160] * 6 + [230] * 6))
    with Picture.open(io.BytesIO(SPEC.picture(content, 128))) as picture:
        assert picture.size == (97, 97)  # two frames of 48 and a line between them
        seen = np.asarray(picture.convert("L"), float)
    found = [seen[:46, :46], seen[:46, 51:], seen[51:, :46], seen[51:, 51:]]
    np.testing.assert_allclose([one.mean() for one in found], [20, 90, 160, 230], atol=6)
    assert seen[48, 10] > 180


def test_a_sheet_repeats_what_there_is_too_little_of():
    assert sheet(np.arange(2)[:, None, None] * np.ones((1, 3, 4))).shape == (6, 8)
    assert sheet(np.ones((1, 3, 4, 3))).shape == (3, 4, 3)
    assert sheet(np.arange(8)[:, None, None]).tolist() == [[0, 2], [5, 7]]
    assert sheet(np.zeros((4, 100, 50, 3), np.uint8)).shape == (202, 102, 3)


def test_it_goes_before_networks_of_images_and_no_others():
    image = Image(size=(299, 299), resize=333, interpolation="bilinear")
    assert Video.taking(image).image == image
    assert Video.taking(SPEC) is SPEC
    for other in (Text(), Audio()):
        with pytest.raises(SettingError, match="video or images"):
            Video.taking(other)


def test_limits_and_settings_reach_the_frames():
    assert SPEC.limited(max_pixels=5).image.max_pixels == 5
    assert SPEC.chosen({"frames": "4", "pooling": "max"}) == dataclasses.replace(SPEC, frames=4, pooling="max")
    assert SPEC.chosen({}) == SPEC
    with pytest.raises(SettingError, match="frames must be from 1"):
        SPEC.chosen({"frames": 0})
    with pytest.raises(SettingError, match="pooling"):
        SPEC.chosen({"pooling": "median"})
    with pytest.raises(SettingError, match="'frames'"):
        SPEC.chosen({"frame": 4})
    with pytest.raises(SettingError, match="max_seconds"):
        Video(max_seconds=0)


def test_json_holds_how_a_frame_is_prepared():
    told = SPEC.to_json()
    assert told["image"]["resize"] == 36
    assert Video.from_json(told) == SPEC
    with pytest.raises(ArtifactError):
        Video.from_json({**told, "image": {**told["image"], "recipe": 99}})
    with pytest.raises(ArtifactError):
        Video.from_json({**told, "image": 3})


def test_what_is_odd_is_said(clip):
    assert kinds(clip) == {}
    assert "MP4 video" in kinds(clip, "a.webm")["wrong_extension"].message
    assert kinds(clip, "a.mov") == {}
    assert kinds(clips.marked(clip, clips.QUARTER))["rotation_flag"].severity == "note"
    assert kinds(clips.encoded(clips.moving(1)))["one_frame"].severity == "warning"
    small = SPEC.limited(max_pixels=100)
    assert kinds(clip, spec=small)["too_large"].severity == "error"
    assert SPEC.inspect(clip, "a.mp4").shape == (24, 48, 64)
    assert SPEC.inspect(clips.marked(clip, clips.QUARTER), "a.mp4").shape == (24, 64, 48)
