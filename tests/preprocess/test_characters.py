"""Words into ELMo's characters: the published numbers, long words, long texts and padding."""

import numpy as np

from graft.preprocess._characters import Characters

SPEC = Characters()


def test_a_word_is_its_bytes_between_begin_and_end():
    # AllenNLP's own test has 259, then the bytes plus one, 260, and 261 up to fifty.
    assert SPEC.row("one").tolist() == [259, 112, 111, 102, 260, *[261] * 45]
    assert SPEC.row("ü").tolist()[:4] == [259, 0xC3 + 1, 0xBC + 1, 260]


def test_a_text_is_between_its_own_signs_and_padded_with_less_than_nothing():
    encoded = SPEC.encode("Hi, you", 7)
    assert encoded.tokens == 5
    assert encoded.ids.shape == (7, 50)
    assert encoded.ids.dtype == np.int32
    assert encoded.ids[0, :3].tolist() == [259, 257, 260]
    assert np.array_equal(encoded.ids[1], SPEC.row("Hi"))
    assert np.array_equal(encoded.ids[2], SPEC.row(","))
    assert encoded.ids[4, :3].tolist() == [259, 258, 260]
    assert (encoded.ids[5:] == -1).all()


def test_long_words_and_long_texts_lose_their_end_but_not_its_sign():
    long = SPEC.row("x" * 100)
    assert long[-1] == 260
    assert (long[1:-1] == ord("x") + 1).all()
    encoded = SPEC.encode("a b c d e f", 5)
    assert encoded.tokens == 8
    assert np.array_equal(encoded.ids[3], SPEC.row("c"))
    assert encoded.ids[4, 1] == 258


def test_no_text_is_only_the_signs():
    assert SPEC.encode("", 4).tokens == 2
