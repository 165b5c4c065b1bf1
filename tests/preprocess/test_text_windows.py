"""Long texts: windows that read all of them, and inputs no longer than they need be."""

import numpy as np
import pytest

from graft import backbones
from graft.errors import ArtifactError, SettingError
from graft.preprocess import _text_augment, _text_windows
from graft.preprocess.text import Text

WORDS = [f"word{number}" for number in range(400)]
LONG = " ".join(WORDS)


def read(preprocess, content):
    return preprocess.windows(content.decode())


def test_windows_read_every_word_and_overlap():
    preprocess = Text(max_length=512, max_windows=32)
    windows = read(preprocess, LONG.encode())
    assert len(windows) > 5
    assert {word for one in windows for word in one.split()} >= set(WORDS[:-1])
    assert windows[0].startswith("word0 ") and windows[-1].endswith("word399")
    for one in windows:
        # Bytes are the tokens here: a window is never cut.
        assert len(one) <= 512
        assert one.split()[0] in WORDS


def test_one_window_where_it_is_enough_or_all_that_was_asked_for():
    assert read(Text(max_length=512, max_windows=8), b"a short text") == ["a short text"]
    assert read(Text(max_length=64), LONG.encode()) == [LONG]
    assert len(read(Text(max_length=64, max_windows=4), LONG.encode())) == 4
    assert _text_windows.number(512, 512) == 1
    assert _text_windows.number(513, 512) == 2


def test_a_text_without_blanks_has_windows_too():
    windows = read(Text(max_length=60, max_windows=8), ("字" * 100).encode())
    assert len(windows) == 8
    assert all(one == "字" * len(one) for one in windows)


def test_settings_are_checked():
    with pytest.raises(SettingError, match="max_windows must be 1 or more"):
        Text(max_windows=0)


def test_all_windows_are_fitted_and_padding_stands_behind_them():
    plain, preprocess = Text(max_length=64), Text(max_length=64, max_windows=5)
    content = b"one two three " * 12
    fitted = preprocess.fit(preprocess.decode(content))
    windows = read(preprocess, content)
    assert (fitted.shape, fitted.dtype, len(windows)) == ((5, 64), np.int32, 4)
    assert preprocess.used(fitted).shape == (4, 64)
    for row, window in zip(fitted, windows, strict=False):
        np.testing.assert_array_equal(row, plain.fit(plain.decode(window.encode())))
    assert (fitted[4:] == -1).all()
    short = preprocess.fit(preprocess.decode(b"short"))
    assert preprocess.used(short).shape == (1, 8) and (short[1:] == -1).all()
    # What tells near duplicates and simple features sees the last words too.
    other = preprocess.fit(preprocess.decode(content[:-6] + b"quite another end"))
    assert not np.array_equal(preprocess.simple_features(fitted), preprocess.simple_features(other))
    assert np.array_equal(plain.simple_features(fitted[0]), plain.simple_features(other[0]))


def test_tokens_are_left_out_of_every_window():
    preprocess = Text(max_length=64, max_windows=4)
    decoded = preprocess.decode(LONG.encode())
    plain, changed = preprocess.fit(decoded), preprocess.augmented(decoded, "tokens", 3)
    assert changed.shape == plain.shape
    assert all((changed >= 0).sum(axis=1) < (plain >= 0).sum(axis=1))
    np.testing.assert_array_equal(changed, preprocess.augmented(decoded, "tokens", 3))


def test_what_windows_leave_out_is_told():
    content = ("x" * 99 + " ").encode() * 10
    assert Text(max_length=64, max_windows=32).inspect(content, "a").findings == ()
    (few,) = Text(max_length=64, max_windows=4).inspect(content, "a").findings
    assert few.message == "It has 1,000 tokens; 4 windows of 64, spread evenly over it, are used."
    assert few.details == {"lost": 1000 - int(4 * 64 * 0.9), "unit": "tokens"}
    (first,) = Text(max_length=64).inspect(content, "a").findings
    assert first.details["lost"] == 936


def test_settings_of_windows_are_told_and_read_again():
    plain, several = Text(max_length=64), Text(max_length=64, max_windows=4)
    assert Text.from_json(several.to_json()) == several and Text.from_json(plain.to_json()) == plain
    assert (plain.to_json()["recipe"], several.to_json()["recipe"]) == (1, 2)
    with pytest.raises(ArtifactError, match="fit again"):  # one whose network never saw more than the first window
        Text.from_json({**several.to_json(), "recipe": 1})


def test_shortened_keeps_windows_that_are_needed():
    preprocess = Text(max_length=64, max_windows=8)
    assert preprocess.shortened([b"abc", b"a" * 21]) == Text(max_length=24, max_windows=2)
    assert preprocess.shortened([b"abc", b"a b " * 30]) == Text(max_length=64, max_windows=3)
    assert preprocess.shortened([]) == preprocess


def test_shortened_is_as_long_as_the_longest():
    preprocess = Text(max_length=256)
    short = preprocess.shortened([b"abc", b"a" * 21])
    assert short.max_length == 24
    for text in (b"abc", b"a" * 21):
        ids = preprocess.fit(preprocess.decode(text))
        np.testing.assert_array_equal(short.fit(short.decode(text)), ids[:24])
    assert preprocess.shortened([]) == preprocess
    assert preprocess.shortened([b"a" * 999]).max_length == 256


def test_a_backbone_takes_shorter_inputs_and_no_longer_ones():
    backbone = backbones.load("all-MiniLM-L6-v2", weights="random")
    short = backbone.given(backbone.preprocess.limited(max_length=32))
    assert short.shape(0) == (32,)
    assert short.shape(3) == (32, 385)
    assert short.shape(short.n_stages) == backbone.shape(backbone.n_stages) == (384,)
    with pytest.raises(SettingError, match=r"max_length must be at most 256 for all-MiniLM-L6-v2\. Got 300"):
        backbone.given(backbone.preprocess.limited(max_length=300))


def test_token_dropout_keeps_the_ends_and_the_order():
    ids = np.full(64, -1, np.int32)
    ids[:40] = np.arange(40)
    seen = [_text_augment.without_some(ids, "tokens", seed) for seed in range(200)]
    for one in seen:
        kept = one[one >= 0]
        assert kept[0] == 0 and kept[-1] == 39
        assert (np.diff(kept) > 0).all()
        assert (one[len(kept) :] == -1).all() and one.shape == ids.shape
    assert 34 < np.mean([(one >= 0).sum() for one in seen]) < 38
    np.testing.assert_array_equal(seen[3], _text_augment.without_some(ids, "tokens", 3))
    np.testing.assert_array_equal(ids, _text_augment.without_some(ids, "drop", 3))


def test_synonyms_come_from_a_file_and_what_it_holds_is_part_of_the_name(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text("# remarks\nquick, fast, rapid\ncard, bank card\n", "utf-8")
    name = f"synonyms={file}"
    seen = {_text_augment.augment("A Quick card, please!", name, seed) for seed in range(60)}
    words = ("Quick", "Fast", "Rapid"), ("card", "bank card")
    assert seen <= {f"A {a} {b}, please!" for a in words[0] for b in words[1]} - {"A Quick card, please!"}
    assert len(seen) == 5
    assert _text_augment.augment("nothing known", name, 1) == "nothing known"
    (named,) = _text_augment.check_augmentation(name)
    assert named.startswith("synonyms ") and str(tmp_path) not in named
    other = tmp_path / "other.txt"
    other.write_text("quick, fast\n", "utf-8")
    assert _text_augment.check_augmentation(f"drop,synonyms={other}")[0] == "drop"
    assert _text_augment.check_augmentation(f"synonyms={other}") != (named,)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "one that can be read"),
        (b"\xff\xfe\xfa", "in UTF-8"),
        (b"alone\n", "two words or more, parted by commas. Got 'alone' in line 1"),
        (b"# nothing\n", "one with a group in it"),
    ],
)
def test_a_file_of_synonyms_that_is_none(tmp_path, content, said):
    file = tmp_path / f"{len(said)}.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingError, match=said):
        Text.check_augmentation(f"synonyms={file}")
