"""Text into numbers of a vocabulary of whole words, for word vectors and AWD-LSTM.

The rule, in this order, for each piece of text between white space, punctuation apart: the word as it is; the word in
small letters; its parts, where it is a contraction (``don't`` -> ``do`` + ``n't``, as Stanford's tokenizer and spaCy
write it) or joined by other signs (``well-known``). What is still not found is the vocabulary's word for unknown ones,
or, where the vocabulary has none, is left out of the text.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Literal

import numpy as np

from graft.errors import SettingError, must
from graft.preprocess._chinese import segment

PAD = -1
"""What padding holds in every array of numbers of words or characters."""
PIECES = re.compile(r"\w+(?:['.,\-/]\w+)*|[^\w\s]")
CONTRACTION = re.compile(r"(.+?)(n't|'s|'re|'ve|'ll|'d|'m)", re.IGNORECASE)
PARTS = re.compile(r"\w+|[^\w\s]")
REPEATED = re.compile(r"(\S)\1{3,}")
MANY = 4
"""So many equal words, or characters of a word, in a row are written once, with a sign and their number."""


@dataclass(frozen=True)
class Signs:
    """The words that stand for how something is written, in the vocabularies of one version of fastai."""

    begin: str
    unknown: str
    capitals: str
    """Before a word that is all capitals."""
    capital: str | None
    """Before a word that begins with a capital."""
    characters: str
    """Before the number of a repeated character, and that character."""
    words: str
    """Before the number of a repeated word, and that word."""


SIGNS: Mapping[str, Signs] = {
    "fastai": Signs("xxbos", "xxunk", "xxup", "xxmaj", "xxrep", "xxwrep"),
    "fastai_0.7": Signs("xbos", "_unk_", "t_up", None, "tk_rep", "tk_wrep"),
}
"""From fastai's ``text.core`` (versions 1 and 2) and ``text.py`` (0.7)."""


@dataclass(frozen=True)
class Encoded:
    """One text in numbers."""

    ids: np.ndarray
    """int32, of the longest length that was asked for, -1 after the end."""
    tokens: int
    """Numbers that the whole text would have: where it is more than ``ids`` is long, the text was cut."""
    unknown: int
    """Words that the vocabulary does not have."""


@dataclass(frozen=True, kw_only=True)
class Words:
    """A vocabulary, and how text is brought into it."""

    vocabulary: tuple[str, ...]
    """Words in the order of their numbers."""
    signs: Literal["none", "fastai", "fastai_0.7"] = "none"
    """Which signs for capitals and repetitions stand in the vocabulary, and so in the text."""
    chinese: bool = False
    """Whether text is cut into words by jieba."""

    def __post_init__(self) -> None:
        """Check the settings. Raises SettingError."""
        if not self.vocabulary:
            raise SettingError(must("vocabulary", "at least one word", "none", "Give a file that has some"))
        if self.signs != "none":
            wanted = SIGNS[self.signs].unknown
            if wanted not in self._numbers:
                do = "Take signs none, or the vocabulary that belongs to the weights"
                raise SettingError(must("vocabulary", f"one with {wanted!r}", "one without", do))

    @cached_property
    def _numbers(self) -> dict[str, int]:
        numbers: dict[str, int] = {}
        for number, word in enumerate(self.vocabulary):
            numbers.setdefault(word, number)
        return numbers

    @cached_property
    def _signs(self) -> Signs | None:
        return SIGNS.get(self.signs)

    def encode(self, text: str, max_length: int) -> Encoded:
        """Return a text's numbers, cut at the end to ``max_length``. Raises NotInstalledError without jieba."""
        ids: list[int] = []
        unknown = 0
        for found in self._found(text):
            ids += found or ()
            if found is None:
                unknown += 1
                if self._signs is not None:
                    ids.append(self._numbers[self._signs.unknown])
        array = np.full(max_length, PAD, np.int32)
        array[: len(ids)] = ids[:max_length]
        return Encoded(array, len(ids), unknown)

    def _found(self, text: str) -> Iterator[tuple[int, ...] | None]:
        """Yield the numbers of each word, or None for an unknown one."""
        text = unicodedata.normalize("NFC", text).replace("’", "'")
        pieces = segment(text) if self.chinese else PIECES.findall(text)
        signs = self._signs
        if signs is None:
            yield from (self._look(piece) for piece in pieces)
            return
        if signs.begin in self._numbers:
            yield (self._numbers[signs.begin],)
        for piece, run in groupby(pieces):
            times = sum(1 for _ in run)
            # Four question marks are a repeated character, four words a repeated word.
            if times >= MANY:
                sign = signs.words if piece[0].isalnum() else signs.characters
                yield from (self._look(one) for one in (sign, str(times), *self._cased(piece, signs)))
            else:
                for _ in range(times):
                    yield from (self._look(one) for one in self._cased(piece, signs))

    @staticmethod
    def _cased(piece: str, signs: Signs) -> Iterator[str]:
        """Yield a word in small letters, after the signs for its capitals and for characters that are repeated."""
        for part in _runs(piece, signs):
            if len(part) > 1 and part.isupper():
                yield signs.capitals
            elif len(part) > 1 and signs.capital is not None and part[0].isupper() and part[1:].islower():
                yield signs.capital
            yield part.lower()

    def _look(self, word: str) -> tuple[int, ...] | None:
        """Return the numbers of one word, or None."""
        for one in (word, word.lower()):
            if one in self._numbers:
                return (self._numbers[one],)
        split = CONTRACTION.fullmatch(word)
        parts = list(split.groups()) if split else PARTS.findall(word)
        if len(parts) < 2:
            return None
        found = [self._look(part) for part in parts]
        if all(one is None for one in found):
            return None
        return tuple(number for one in found if one is not None for number in one)


def _runs(piece: str, signs: Signs) -> Iterator[str]:
    """Yield a word's parts, each run of a repeated character written as its sign, its number and the character."""
    place = 0
    for run in REPEATED.finditer(piece):
        if run.start() > place:
            yield piece[place : run.start()]
        yield from (signs.characters, str(len(run.group())), run.group(1))
        place = run.end()
    if place < len(piece):
        yield piece[place:]


def signs_of(vocabulary: tuple[str, ...]) -> Literal["none", "fastai", "fastai_0.7"]:
    """Return whose signs a vocabulary has."""
    known = set(vocabulary)
    if "xxunk" in known:
        return "fastai"
    return "fastai_0.7" if "_unk_" in known else "none"
