"""Vocabularies as text, JSON and pickled lists; a pickle is taken apart and never run."""

import json
import pickle
from collections import defaultdict

import pytest

from graft.backbones._nets.words_file import read_words
from graft.errors import WeightsError

WORDS = ["xxunk", "xxpad", "Grüße", "银行", "", "a", "a", "x" * 300, *(f"w{i}" for i in range(3000))]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickled_list_is_read_whatever_its_protocol(protocol, tmp_path):
    (path := tmp_path / "itos.pkl").write_bytes(pickle.dumps(WORDS, protocol))
    assert list(read_words(path)) == WORDS


def test_text_and_json_are_read(tmp_path):
    (text := tmp_path / "vocab.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
    (data := tmp_path / "vocab.json").write_text(json.dumps(WORDS), "utf-8")
    assert list(read_words(text)) == list(read_words(data)) == WORDS


class Harm:
    def __repr__(self):
        return "Harm()"

    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize(
    "thing",
    [
        Harm(),
        ["a", Harm()],
        {"a": 1},
        ["a", 1],
        ["a", ["b"]],
        ("a", "b"),
        [],
        "a",
        ["a", b"b"],
        ["a", None],
        defaultdict(int),
        [str],
    ],
    ids=repr,
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_what_is_more_than_a_list_of_strings_is_refused_and_not_run(thing, protocol, tmp_path, capsys):
    (path := tmp_path / "itos.pkl").write_bytes(pickle.dumps(thing, protocol))
    with pytest.raises(WeightsError, match="must be a list of words") as caught:
        read_words(path)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.pkl", b""),
        ("a.pkl", b"nonsense"),
        ("a.pkl", pickle.dumps(WORDS, 4)[:-50]),
        ("a.txt", b"\xff\xfe\x00"),
        ("a.json", b"{"),
        ("a.json", b'{"a": 1}'),
        ("a.json", b'["a", 1]'),
        ("a.json", b"[]"),
    ],
)
def test_what_cannot_be_read_is_said(name, content, tmp_path):
    (path := tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match="must be a list of words"):
        read_words(path)
    with pytest.raises(WeightsError, match="no such file"):
        read_words(tmp_path / "none.txt")
