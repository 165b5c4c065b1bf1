"""Texts: bytes to tokens, what is cut off, what is refused, and what is known of a text without a network."""

from dataclasses import replace

import numpy as np
import pytest

import tiny_transformers
from graft.errors import ArtifactError, SettingError, UnreadableInputError
from graft.preprocess.text import EXCERPT, PIECES, Text

WORDS = Text(max_length=12, tokenizer=tiny_transformers.tokenizer())


def tokens(text, spec=WORDS):
    return spec.fit(spec.decode(text.encode()))


def test_tokens_stand_between_their_marks_and_before_the_padding():
    found = tokens("Where is my card")
    assert found.dtype == np.int32
    assert found[:6].tolist() == [0, 4, 5, 6, 7, 2]
    assert (found[6:] == -1).all()


def test_a_long_text_is_cut_and_keeps_its_last_mark():
    found = tokens("card " * 50)
    assert (found >= 0).all()
    assert (found[0], found[-1]) == (0, 2)
    (finding,) = WORDS.inspect(b"card " * 50, "a").findings
    assert (finding.kind, finding.severity, finding.details["lost"]) == ("truncated", "warning", 40)
    assert finding.message == "It has 52 tokens; the first 12 are used."
    assert WORDS.inspect(b"card " * 10, "a").findings == ()


def test_without_a_tokenizer_the_bytes_are_the_tokens():
    found = tokens("aé", Text(max_length=8))
    assert found.tolist() == [97, 0xC3, 0xA9, -1, -1, -1, -1, -1]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_with_a_mark_are_read(encoding):
    np.testing.assert_array_equal(WORDS.fit(WORDS.decode("my card".encode(encoding))), tokens("my card"))
    assert WORDS.inspect("my card".encode(encoding), "a").findings == ()


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"", "nothing"),
        (b" \n\t\xe3\x80\x80\xe2\x80\x8b", "nothing but blanks"),
        (b"caf\xe9 au lait", "a byte that is not at 3"),
        ("my card".encode("utf-16-le"), "7 NUL characters among 14"),
    ],
)
def test_what_is_no_text_is_refused_in_one_sentence(content, got):
    with pytest.raises(UnreadableInputError) as caught:
        WORDS.decode(content)
    assert f". Got {got}. " in str(caught.value)
    (finding,) = WORDS.inspect(content, "a").findings
    assert (finding.severity, finding.message) == ("error", str(caught.value))


def test_a_few_nul_characters_are_left_out_and_told():
    content = b"where is my card" * 3 + b"\0"
    assert b"\0" not in WORDS.decode(content).tobytes()
    assert [one.kind for one in WORDS.inspect(content, "a").findings if one.kind == "nul"] == ["nul"]


def test_a_million_characters_are_one_input():
    content = b"card " * 200_000
    assert tokens(content.decode()).shape == (12,)
    (finding,) = WORDS.inspect(content, "a").findings
    assert finding.details["lost"] == 200_002 - 12 or abs(finding.details["lost"] - 199_990) < 20


def test_lengths_are_rounded_up_to_few_kinds():
    assert [len(WORDS.used(tokens(text))) for text in ("card", "where is my card", "card " * 50)] == [4, 8, 12]
    assert len(Text(max_length=6).used(np.zeros(6, np.int32))) == 6
    whole = [np.where(np.arange(256) < count, 0, -1) for count in range(1, 257)]
    counts = [len(Text().used(one)) for one in whole]
    assert sorted(set(counts)) == [*range(4, 33, 4), *range(40, 65, 8), *range(80, 129, 16), *range(160, 257, 32)]
    assert all(length >= count for count, length in enumerate(counts, 1))


def test_augmented_views_are_decided_by_the_seed_and_keep_short_texts():
    decoded = WORDS.decode(b"where is my card the transfer failed")
    one, same, other = (WORDS.augmented(decoded, "auto", seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    plain = WORDS.fit(decoded)
    assert any(not np.array_equal(view, plain) for view in (one, other))
    dropped = WORDS.augmented(decoded, "drop", 3)
    assert 3 <= (dropped >= 0).sum() < (plain >= 0).sum()
    swapped = WORDS.augmented(decoded, "swap", 3)
    assert sorted(swapped) == sorted(plain)
    assert not np.array_equal(swapped, plain)
    short = WORDS.decode(b"my card")
    np.testing.assert_array_equal(WORDS.augmented(short, "drop,swap", 5), WORDS.fit(short))
    with pytest.raises(SettingError, match=r"Did you mean 'drop'\?"):
        WORDS.check_augmentation("drp")


def test_near_texts_share_nearly_all_bits_and_others_do_not():
    base = "i still have not received my new card i ordered it over a week ago and nobody has answered me since then"
    spec = Text(max_length=128)
    texts = [base, base.replace("week", "month"), "please tell me how to top up my account by a bank transfer today"]
    hashes = Text.perceptual_hashes(np.stack([tokens(one, spec) for one in texts]))
    near, far = (int(hashes[0] ^ hashes[row]).bit_count() for row in (1, 2))
    assert near < 16 < far


def test_simple_features_tell_words_and_their_order():
    one, other, turned = (WORDS.simple_features(tokens(text)) for text in ("my card", "the transfer", "card my"))
    assert one.shape == (1025,)
    np.testing.assert_allclose(np.linalg.norm(one[:-1]), 1, rtol=1e-5)
    assert one[:-1] @ turned[:-1] > one[:-1] @ other[:-1]
    assert not np.array_equal(one, turned)
    assert np.isfinite(WORDS.simple_features(np.full(12, -1, np.int32))).all()


def test_what_the_report_shows():
    assert WORDS.excerpt(b"my card") == "my card"
    assert len(WORDS.excerpt(b"a" * 5000)) == EXCERPT + 1
    pieces = WORDS.pieces("где  my card".encode())
    assert [one for one, _ in pieces] == ["где  ", "my ", "card"]
    assert [without.decode() for _, without in pieces] == ["my card", "где  card", "где  my "]
    assert [one for one, _ in WORDS.pieces("我的卡".encode())] == ["我", "的", "卡"]
    assert len(WORDS.pieces(b"a " * 300)) == PIECES


def test_settings_are_checked():
    with pytest.raises(SettingError, match="max_length must be"):
        Text(max_length=2)
    with pytest.raises(SettingError, match="tokenizer must be the JSON of a tokenizer"):
        Text(tokenizer="{}").fit(Text().decode(b"a"))
    with pytest.raises(ArtifactError, match="a text recipe"):
        Text.from_json({**WORDS.to_json(), "recipe": 99})


@pytest.mark.parametrize("text", [WORDS, replace(WORDS, max_windows=3), Text(max_length=12)])
def test_many_texts_are_fitted_as_each_is(text):
    decoded = [text.decode(one.encode()) for one in ("one", "two words", "a much longer text " * 20, "ünï 中文")]
    for fitted, one in zip(text.fit_all(decoded), decoded, strict=True):
        np.testing.assert_array_equal(fitted, text.fit(one))
        assert fitted.dtype == np.int32
    assert list(text.fit_all([])) == []
