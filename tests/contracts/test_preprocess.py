"""What every modality's preprocessing promises."""

import dataclasses
import io
import json

import numpy as np
import pytest
from PIL import Image as Picture

import clips
import sounds
from graft.errors import UnreadableInputError
from graft.preprocess import REGISTRY, Facts, Preprocess
from graft.preprocess._audio_waves import Waves
from graft.registry import describe


def image_samples() -> list[bytes]:
    rng = np.random.default_rng(0)
    contents = []
    for name, shape in (("PNG", (40, 50, 3)), ("JPEG", (300, 280, 3)), ("PNG", (28, 28))):
        out = io.BytesIO()
        Picture.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(out, name)
        contents.append(out.getvalue())
    return contents


def audio_samples() -> list[bytes]:
    stereo = np.stack([sounds.tone(300), sounds.tone(900)], axis=1)
    return [
        sounds.encoded(sounds.tone()),
        sounds.encoded(sounds.tone(rate=44_100, seconds=0.2), 44_100, "FLAC", "PCM_24"),
        sounds.encoded(stereo, 8000, "OGG"),
        sounds.encoded(np.zeros(800, np.float32)),
    ]


def text_samples() -> list[bytes]:
    return [b"Where is my card?", "我的卡在哪里？".encode(), b"a", ("long " * 500).encode()]


def video_samples() -> list[bytes]:
    return [
        clips.encoded(clips.moving()),
        clips.encoded(clips.moving(5, (300, 280)), "webm", "libvpx"),
        clips.encoded(clips.moving(1), "avi", "mpeg4"),
        clips.marked(clips.encoded(clips.moving(), times=[7 * number**2 for number in range(24)]), clips.QUARTER),
    ]


SAMPLES = {"audio": audio_samples, "image": image_samples, "text": text_samples, "video": video_samples}
"""A modality's readable inputs; a new modality adds its own here."""


FORMS: dict[str, Preprocess] = {
    "wave": Waves(seconds=0.5),
    "waves": Waves(seconds=0.5, windows=3, normalised=False),
    "fbank": Waves(features="fbank", seconds=1.015, bands=32),
    "log_mel": Waves(features="log_mel", seconds=1.0, bands=80, windows=2),
}
"""What else a modality's inputs become, by a name for the tests."""


@pytest.fixture(params=[*REGISTRY.names(), *FORMS])
def form(request):
    return request.param


@pytest.fixture
def spec(form) -> Preprocess:
    return FORMS[form] if form in FORMS else REGISTRY.create(form)


@pytest.fixture
def name(spec):
    return spec.modality


@pytest.fixture
def samples(name):
    assert name in SAMPLES, f"add samples of {name} to this file"
    return SAMPLES[name]()


def test_it_is_frozen_named_and_described(name, spec):
    assert REGISTRY.summary(name)
    assert spec == dataclasses.replace(spec)
    hash(spec)
    for one in dataclasses.fields(spec):
        assert one.kw_only
    assert all(setting.doc for setting in describe(type(spec)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(spec, dataclasses.fields(spec)[0].name, None)


def test_json_there_and_back(spec):
    data = json.loads(json.dumps(spec.to_json()))
    assert data["modality"] == spec.modality
    assert "recipe" in data
    assert {one.name for one in dataclasses.fields(spec)} <= set(data)
    assert type(spec).from_json(data) == REGISTRY.get(spec.modality).from_json(data) == spec


def test_samples_become_arrays_of_the_promised_shape(spec, samples):
    for content in samples:
        before = bytes(content)
        facts = spec.inspect(content, "sample")
        assert isinstance(facts, Facts)
        assert facts.format
        assert all(finding.severity != "error" for finding in facts.findings)
        decoded = spec.decode(content)
        views = [spec.fit(decoded), spec.augmented(decoded, "none", 0)]
        for view in views:
            assert view.shape == spec.shape
            assert view.dtype == np.dtype(spec.dtype)
            assert view.flags.c_contiguous
        assert np.array_equal(views[0], spec.fit(spec.decode(content)))
        assert content == before


def test_hash_features_and_picture(spec, samples):
    lengths = set()
    for content in samples:
        fitted = spec.fit(spec.decode(content))
        hashes = spec.perceptual_hashes(np.stack([spec.miniature(fitted)] * 2))
        assert hashes.dtype == np.uint64
        assert hashes[0] == hashes[1]
        features = spec.simple_features(fitted)
        assert features.dtype == np.float32
        assert features.ndim == 1
        assert np.isfinite(features).all()
        lengths.add(len(features))
        drawn = spec.picture(content, 64)
        assert bool(drawn) != bool(spec.excerpt(content)), "a picture or words, one of them"
        if drawn:
            with Picture.open(io.BytesIO(drawn)) as picture:
                assert picture.format in ("WEBP", "JPEG")
                assert max(picture.size) <= 64
    assert len(lengths) == 1


def test_what_is_not_used_is_padding(spec, samples):
    for content in samples:
        fitted = spec.fit(spec.decode(content))
        used = spec.used(fitted).copy()
        assert used.shape[spec.open_axes :] == fitted.shape[spec.open_axes :]
        inside = fitted[*map(slice, used.shape)]
        np.testing.assert_array_equal(inside, used)
        if spec.open_axes:
            inside[...] = -1
            assert (fitted == -1).all()


def test_auto_and_none_are_augmentations_everywhere(spec):
    assert spec.check_augmentation("auto")
    assert spec.check_augmentation("none") == ()


def test_pieces_are_what_can_be_left_out(spec, samples):
    for content in samples:
        for shown, without in spec.pieces(content):
            assert shown
            assert len(without) < len(content)


@pytest.mark.parametrize("content", [b"", b"\0", b"nonsense " * 100, bytes(range(256)) * 8])
def test_bad_content_is_one_error_and_a_finding(name, spec, content):
    if name == "text" and content.startswith(b"nonsense"):
        content = b" \t\n" * 100
    facts = spec.inspect(content, "bad")
    assert any(finding.severity == "error" and finding.files == ("bad",) for finding in facts.findings)
    for ask in (spec.decode, lambda content: spec.picture(content, 64)):
        with pytest.raises(UnreadableInputError) as caught:
            ask(content)
        assert "\n" not in str(caught.value)


def test_a_way_to_spoil_an_input_changes_it_and_is_decided_by_the_seed(spec, samples):
    if not spec.spoilt:
        pytest.skip("it says that it has none")
    assert spec.check_augmentation(spec.spoilt)
    decoded = spec.decode(samples[0])
    plain = spec.fit(decoded)
    found = [spec.augmented(decoded, spec.spoilt, seed) for seed in range(8)]
    for seed, one in enumerate(found):
        assert one.shape == spec.shape
        assert one.dtype == np.dtype(spec.dtype)
        assert np.isfinite(one).all()
        assert np.array_equal(one, spec.augmented(decoded, spec.spoilt, seed))
        assert not np.array_equal(one, plain)
    assert len({one.tobytes() for one in found}) > 1
