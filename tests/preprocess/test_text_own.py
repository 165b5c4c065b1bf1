"""Tokenizers of our own as JSON: there and back, in the text's preprocessing, with hashes and lengths that fit."""

import json

import numpy as np
import pytest

from graft.errors import SettingError
from graft.preprocess import _text_own
from graft.preprocess._characters import Characters
from graft.preprocess._words import Words
from graft.preprocess.text import Text

WORDS = Words(vocabulary=("the", "card", "Karte", "银行"), chinese=False)
SPELT = Characters()


def fitted(spec, text):
    return spec.fit(spec.decode(text.encode()))


@pytest.mark.parametrize("tokenizer", [WORDS, SPELT])
def test_there_and_back(tokenizer):
    written = _text_own.written(tokenizer)
    assert _text_own.made(written) == tokenizer
    spec = Text(max_length=12, tokenizer=written)
    assert Text.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    found = fitted(spec, "the card the")
    assert found.shape == spec.shape == (12, *_text_own.row(written))
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, tokenizer.encode("the card the", 12).ids)


def test_other_tokenizers_are_left_alone():
    assert _text_own.made("") is None
    assert _text_own.made('{"version": "1.0"}') is None
    assert _text_own.row("") == ()
    with pytest.raises(SettingError, match="the JSON of a tokenizer"):
        _text_own.made('{"graft": "runes"}')
    with pytest.raises(SettingError, match="colour"):
        _text_own.made('{"graft": "words", "vocabulary": ["a"], "colour": 1}')


def test_lengths_hashes_and_features_count_words_whatever_they_are_made_of():
    for tokenizer in (WORDS, SPELT):
        spec = Text(max_length=16, tokenizer=_text_own.written(tokenizer))
        views = [fitted(spec, text) for text in ("the card", "the card", "card the", "the card the card the")]
        ends = 2 if tokenizer is SPELT else 0
        assert [len(spec.used(view)) for view in views] == [4, 4, 4, 8]
        small = np.stack([spec.miniature(view) for view in views])
        assert small.shape == (4, 16)
        assert (small >= 0).sum(axis=1).tolist() == [2 + ends, 2 + ends, 2 + ends, 5 + ends]
        hashes = spec.perceptual_hashes(small)
        assert hashes[0] == hashes[1] != hashes[2]
        features = np.stack([spec.simple_features(view) for view in views])
        np.testing.assert_array_equal(features[0], features[1])
        assert np.abs(features[0] - features[3]).max() > 0.01


def test_a_text_of_unknown_words_is_said():
    for tokenizer, kinds in ((WORDS, ["no_known_word"]), (SPELT, [])):
        spec = Text(max_length=16, tokenizer=_text_own.written(tokenizer))
        assert [one.kind for one in spec.inspect(b"zebra quagga", "a").findings] == kinds
        assert spec.inspect(b"the zebra", "b").findings == ()
    assert Text().inspect(b"zebra quagga", "c").findings == ()


def test_a_cut_text_is_said():
    spec = Text(max_length=4, tokenizer=_text_own.written(WORDS))
    found = spec.inspect(b"the card " * 10, "a").findings
    assert [(one.kind, one.details["lost"]) for one in found] == [("truncated", 16)]
    assert spec.inspect(b"the card", "b").findings == ()
