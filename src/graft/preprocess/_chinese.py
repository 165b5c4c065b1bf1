"""Chinese text into words, by jieba (the extra ``zh``)."""

import logging
import tempfile
import warnings
from functools import cache
from typing import Any

from graft.errors import NotInstalledError, must


def has_han(text: str) -> bool:
    """Return whether a text has Chinese characters (the unified ideographs and their first extension)."""
    return any("一" <= one <= "鿿" or "㐀" <= one <= "䶿" for one in text)


@cache
def _segmenter() -> Any:
    """Return jieba's own segmenter with its dictionary read."""
    try:
        with warnings.catch_warnings():
            # Its sources have escape sequences that newer Pythons warn of, and it may ask for pkg_resources.
            warnings.simplefilter("ignore")
            import jieba
    except ImportError as error:
        do = "pip install 'graft-ml[zh]'"
        raise NotInstalledError(must("jieba", "installed to cut Chinese into words", "no package", do)) from error
    jieba.default_logger.setLevel(logging.WARNING)
    segmenter = jieba.Tokenizer()
    # It would leave its dictionary in the machine's folder for temporary files and, the next time, run what it finds
    # there through marshal: another user could have put something else in its place.
    with tempfile.TemporaryDirectory() as folder:
        segmenter.tmp_dir = folder
        segmenter.initialize()
    return segmenter


def segment(text: str) -> list[str]:
    """Return the words of a Chinese text in order, white space left out. Raises NotInstalledError without jieba."""
    return [word for word in _segmenter().cut(text) if not word.isspace()]
