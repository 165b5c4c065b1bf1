"""Text into numbers of whole words: what is looked up in which order, signs for capitals, unknown words."""

import numpy as np
import pytest

from graft.errors import SettingError
from graft.preprocess._words import Words, signs_of

PLAIN = ("the", "do", "n't", "know", "well", "bank", "Bank", "-", "1,000", "card", ".", "?", "'s", "well-known")
FASTAI = (
    *("xxunk", "xxpad", "xxbos", "xxmaj", "xxup", "xxrep", "xxwrep"),
    *("4", "5", "!", "the", "bank", "so", "o", "my", "card", "do", "n't"),
)
OLD = ("_unk_", "_pad_", "t_up", "tk_rep", "tk_wrep", "4", "!", "the", "bank", "xbos")


def spelt(words, text, length=20):
    encoded = words.encode(text, length)
    assert encoded.ids.dtype == np.int32
    assert encoded.ids.shape == (length,)
    kept = encoded.ids[: encoded.tokens]
    assert (kept >= 0).all()
    assert (encoded.ids[encoded.tokens :] == -1).all()
    return [words.vocabulary[number] for number in kept]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("the Bank", ["the", "Bank"]),
        ("THE BANK", ["the", "bank"]),
        ("Don't know?", ["do", "n't", "know", "?"]),
        ("don’t", ["do", "n't"]),
        ("the bank's card.", ["the", "bank", "'s", "card", "."]),
        ("well-known", ["well-known"]),
        ("card-well", ["card", "-", "well"]),
        ("1,000 cards", ["1,000"]),
        ("  \n\t ", []),
        ("", []),
        ("zebra", []),
    ],
)
def test_the_order_of_looking_up(text, found):
    assert spelt(Words(vocabulary=PLAIN), text) == found


def test_unknown_words_are_counted_and_left_out():
    encoded = Words(vocabulary=PLAIN).encode("the zebra and the quagga", 10)
    assert encoded.unknown == 3
    assert encoded.ids.tolist() == [0, 0, *[-1] * 8]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The BANK", ["xxbos", "xxmaj", "the", "xxup", "bank"]),
        ("I do", ["xxbos", "xxunk", "do"]),
        ("soooo", ["xxbos", "xxunk", "xxrep", "4", "o"]),
        ("the!!!!!", ["xxbos", "the", "xxrep", "5", "!"]),
        ("my my my my card", ["xxbos", "xxwrep", "4", "my", "card"]),
        ("so so so", ["xxbos", "so", "so", "so"]),
        ("Don't", ["xxbos", "xxmaj", "do", "n't"]),
        ("zebra", ["xxbos", "xxunk"]),
        ("", ["xxbos"]),
    ],
)
def test_fastais_signs(text, found):
    assert spelt(Words(vocabulary=FASTAI, signs="fastai"), text) == found


def test_the_signs_of_the_first_version():
    words = Words(vocabulary=OLD, signs="fastai_0.7")
    assert spelt(words, "The BANK!!!! zebra") == ["xbos", "the", "t_up", "bank", "tk_rep", "4", "!", "_unk_"]


def test_a_long_text_is_cut_and_says_so():
    encoded = Words(vocabulary=PLAIN).encode("the card " * 30, 7)
    assert encoded.tokens == 60
    assert encoded.ids.tolist() == [0, 9, 0, 9, 0, 9, 0]


def test_composed_and_decomposed_spellings_are_one_word():
    assert spelt(Words(vocabulary=("über",)), "u\u0308ber") == ["über"]


def test_the_signs_are_known_by_the_vocabulary():
    assert [signs_of(one) for one in (PLAIN, FASTAI, OLD)] == ["none", "fastai", "fastai_0.7"]


def test_wrong_settings_are_refused():
    with pytest.raises(SettingError, match="at least one word"):
        Words(vocabulary=())
    with pytest.raises(SettingError, match="'xxunk'"):
        Words(vocabulary=PLAIN, signs="fastai")


def test_equal_words_keep_their_first_number():
    assert Words(vocabulary=("a", "b", "a")).encode("a", 2).ids.tolist() == [0, -1]
