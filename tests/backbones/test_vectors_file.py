"""Files of word vectors in every usual form, and what is said of those that are not as they should be."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from graft.backbones._nets.vectors_file import VectorsFile
from graft.errors import WeightsError

GLOVE = Path(__file__).parents[3] / "shared/data/glove_small"
WORDS = ["the", ",", "5", "Grüße", "银行", ". . .", "new_york"]


def vectors(dimensions=4):
    return np.random.default_rng(0).normal(size=(len(WORDS), dimensions)).astype(np.float32)


def text(table, words=WORDS, end="\n"):
    return "".join(
        f"{word} {' '.join(map(repr, map(float, row)))}{end}" for word, row in zip(words, table, strict=True)
    )


def binary(table, words=WORDS, newline=b"\n"):
    head = f"{len(words)} {table.shape[1]}\n".encode()
    return head + b"".join(
        word.encode() + b" " + row.astype("<f4").tobytes() + newline for word, row in zip(words, table, strict=True)
    )


FORMS = {
    "glove": lambda t: text(t).encode(),
    "word2vec": lambda t: f"{len(WORDS)} {t.shape[1]}\n{text(t)}".encode(),
    "fasttext": lambda t: f"{len(WORDS)} {t.shape[1]}\n{text(t, end=' ' + chr(10))}".encode(),
    "windows": lambda t: text(t, end="\r\n").encode(),
    "unfinished line": lambda t: text(t).rstrip("\n").encode(),
    "binary": lambda t: binary(t, [word.replace(" ", "") for word in WORDS]),
    "binary without newlines": lambda t: binary(t, [word.replace(" ", "") for word in WORDS], newline=b""),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dimensions", [1, 4, 300])
def test_every_form_is_read(form, dimensions, tmp_path):
    table = vectors(dimensions)
    (path := tmp_path / "vectors").write_bytes(FORMS[form](table))
    with VectorsFile(path) as file:
        wanted = [word.replace(" ", "") for word in WORDS] if "binary" in form else WORDS
        assert list(file.words) == wanted
        assert file.dimensions == dimensions
        assert not file.cut
        assert file.doubled == 0
        np.testing.assert_array_equal(file.table(), table)
        np.testing.assert_array_equal(file.rows([4, 0, 4]), table[[4, 0, 4]])


def test_only_so_many_words_are_read_and_the_first_of_equal_ones_counts(tmp_path):
    table = vectors()
    (path := tmp_path / "v.txt").write_text(text(table, ["a", "b", "a", "c", "d", "e", "f"]))
    with VectorsFile(path, limit=3) as file:
        assert file.words == ("a", "b", "c")
        assert (file.cut, file.doubled) == (True, 1)
        np.testing.assert_array_equal(file.table(), table[[0, 1, 3]])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (b"\n\n", "a first line of b''"),
        (b"just a sentence\n", "a first line of b'just a sentence'"),
        (b"3 2\na 1 2\nb 1 2\n", "3 words long, as its header says. Got 2"),
        (b"1 2\na 1 2\nb 1 2\n", "1 words long, as its header says. Got more"),
        (b"2 3\na 1 2\nb 1 2\n", "3 numbers a word. Got 2 at word 1, 'a'"),
        (b"2 2\na 1 2 3\nb 1 2 3\n", "2 numbers a word. Got 3 at word 1, 'a 1'"),
        (b"a 1 2\nb 1\n", "2 numbers a word. Got 1 at word 2, 'b'"),
        (b"a 1 2\nb 1 2 3\n", "2 numbers a word. Got 3 at word 2, 'b 1'"),
        (b"0 50\n", "a header of 0 words"),
        (b"2 0\n", "2 words and 0 dimensions"),
        (b"a 1 2\nb 1 x\n", "2 numbers a line. Got something else at 'b'"),
        (b"a 1 2\nb nan 2\n", "finite numbers. Got NaN or infinity at 'b'"),
        (gzip.compress(b"a 1 2\n", mtime=0), "a gzip archive"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\x80\x04\x95abc", "a Python pickle"),
        ((793712314).to_bytes(4, "little") + b"\0" * 20, "fastText's own .bin"),
        (binary(vectors())[:-20], "7 words long, as its header says. Got 6"),
        (binary(vectors()) + b"more 123", "7 words long, as its header says. Got more"),
        (binary(vectors()).replace(b"7 4\n", b"7 5\n"), "as its header says"),
    ],
)
def test_what_is_wrong_is_one_clear_sentence(content, words, tmp_path):
    (path := tmp_path / "vectors").write_bytes(content)
    with pytest.raises(WeightsError) as caught, VectorsFile(path) as file:
        file.table()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(WeightsError, match=r"an existing file\. Got none"):
        VectorsFile(tmp_path / "none.txt")


@pytest.mark.real_data
@pytest.mark.skipif(not GLOVE.is_dir(), reason="the GloVe vectors of ../shared/data are not here")
def test_published_vectors_are_read_and_alike_words_are_near():
    plain, headed = sorted(GLOVE.glob("glove*.txt"))
    with VectorsFile(plain) as one, VectorsFile(headed) as other:
        assert (len(one.words), one.dimensions) == (5000, 50)
        assert one.words == other.words
        table = one.table()
        np.testing.assert_array_equal(table, other.table())
        words = one.words
    lines = plain.read_text("utf-8").splitlines()
    np.testing.assert_array_equal(table, np.loadtxt([one.split(" ", 1)[1] for one in lines], dtype=np.float32))
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    for word, near in (("ethiopia", "eritrea"), ("wickets", "overs"), ("cooking", "ingredients"), ("ferry", "dock")):
        nearest = np.argsort(-(unit @ unit[words.index(word)]))[:8]
        assert near in {words[place] for place in nearest}
