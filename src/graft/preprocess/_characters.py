"""Text into the characters of its words, as ELMo's published networks number them.

From AllenNLP's ``ELMoCharacterMapper``: a word is its UTF-8 bytes between a begin and an end, filled up to 50; every
number is one higher than its byte, since 0 is kept for padding in the table of characters.
"""

from dataclasses import dataclass

import numpy as np

from graft.preprocess._words import PAD, PIECES, Encoded

BEGIN_TEXT, END_TEXT, BEGIN_WORD, END_WORD, FILL = 257, 258, 259, 260, 261


@dataclass(frozen=True, kw_only=True)
class Characters:
    """How words are written as rows of characters."""

    per_word: int = 50
    """Characters of a word, its begin and end included; longer words lose their end."""

    def row(self, word: str) -> np.ndarray:
        """Return one word, int32 (per word,)."""
        return self._row([byte + 1 for byte in word.encode("utf-8", "replace")[: self.per_word - 2]])

    def _row(self, inside: list[int]) -> np.ndarray:
        row = np.full(self.per_word, FILL, np.int32)
        row[: len(inside) + 2] = [BEGIN_WORD, *inside, END_WORD]
        return row

    def encode(self, text: str, max_length: int) -> Encoded:
        """Return a text, int32 (max_length, per word): the sign for its beginning, its words, the sign for its end.

        A text that is too long loses its last words, not the sign for its end. Rows after the end are -1. Nothing is
        ever unknown.
        """
        words = PIECES.findall(text)
        rows = [self._row([BEGIN_TEXT]), *(self.row(word) for word in words[: max_length - 2]), self._row([END_TEXT])]
        array = np.full((max_length, self.per_word), PAD, np.int32)
        array[: len(rows)] = rows
        return Encoded(array, len(words) + 2, 0)
