"""Chinese into words by jieba, and what is said where jieba is not installed."""

import sys
import tempfile
from pathlib import Path

import pytest

from graft.errors import NotInstalledError
from graft.preprocess import _chinese
from graft.preprocess._words import Words


def test_chinese_characters_are_recognised():
    assert _chinese.has_han("我的 card")
    assert not any(_chinese.has_han(text) for text in ("", "card", "カード", "카드", "، مرحبا"))


def test_text_is_cut_into_words(monkeypatch, tmp_path, capfd):
    pytest.importorskip("jieba", reason="jieba is not installed")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    _chinese._segmenter.cache_clear()
    assert _chinese.segment("我的银行卡 在 哪里?") == ["我", "的", "银行卡", "在", "哪里", "?"]
    words = Words(vocabulary=("银行卡", "的", "哪里"), chinese=True)
    encoded = words.encode("我的银行卡在哪里", 5)
    assert encoded.ids.tolist() == [1, 0, 2, -1, -1]
    assert encoded.unknown == 2
    assert list(Path(tmp_path).iterdir()) == [], "jieba leaves its dictionary behind"
    assert capfd.readouterr() == ("", "")


def test_without_jieba_the_extra_is_named(monkeypatch):
    _chinese._segmenter.cache_clear()
    monkeypatch.setitem(sys.modules, "jieba", None)
    with pytest.raises(NotInstalledError, match=r"graft-ml\[zh\]"):
        _chinese.segment("银行")
