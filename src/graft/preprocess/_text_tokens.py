"""Words to tokens: a tokenizer of the `tokenizers` library kept as its JSON, or the bytes of the text themselves."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from graft.errors import SettingError, must
from graft.preprocess import _text_own

PADDING = -1
CHARACTERS = 64
"""Characters a token that are looked at, so that a very long text costs no more than the longest that is used."""
COUNTED = 200_000
"""Characters whose tokens are counted; of a longer text the rest is taken to be alike."""


@lru_cache(maxsize=8)
def _made(tokenizer: str, max_length: int | None) -> Any:
    """Return the tokenizer, cutting at ``max_length`` where one is given. Raises SettingError."""
    from tokenizers import Tokenizer

    try:
        made = Tokenizer.from_str(tokenizer)
    except Exception as error:  # the library raises bare exceptions
        got = f"something else ({str(error).partition(chr(10))[0]})"
        raise SettingError(must("tokenizer", "the JSON of a tokenizer", got, "Give its tokenizer.json")) from error
    made.no_padding()
    made.no_truncation()
    if max_length is not None:
        made.enable_truncation(max_length)
    return made


def tokens(text: str, tokenizer: str, max_length: int) -> np.ndarray:
    """Return token ids, int32 (max_length,), padded at the end with -1; what is longer is cut at its end.

    The tokens that begin and end a text are kept when it is cut. Raises SettingError for a tokenizer that is none.
    """
    found = np.full(max_length, PADDING, np.int32)
    text = text[: max_length * CHARACTERS]
    own = _text_own.made(tokenizer)
    if own is not None:
        return own.encode(text, max_length).ids
    if tokenizer:
        ids = _made(tokenizer, max_length).encode(text).ids
        found[: len(ids)] = ids
    else:
        content = np.frombuffer(text.encode("utf-8", "replace")[:max_length], np.uint8)
        found[: len(content)] = content
    return found


def tokens_of(texts: Sequence[str], tokenizer: str, max_length: int) -> list[np.ndarray]:
    """Return the token ids of several texts, each as ``tokens`` does."""
    if not tokenizer or _text_own.made(tokenizer) is not None:
        return [tokens(one, tokenizer, max_length) for one in texts]
    found = np.full((len(texts), max_length), PADDING, np.int32)
    cut = [one[: max_length * CHARACTERS] for one in texts]
    for row, one in zip(found, _made(tokenizer, max_length).encode_batch_fast(cut), strict=True):
        row[: len(one.ids)] = one.ids
    return list(found)


def count(text: str, tokenizer: str) -> int:
    """Return the number of tokens of a whole text; of a very long one it is estimated from its beginning."""
    if not tokenizer:
        return len(text.encode("utf-8", "replace"))
    part = text[:COUNTED]
    own = _text_own.made(tokenizer)
    tokens = own.encode(part, 4).tokens if own is not None else len(_made(tokenizer, None).encode(part).ids)
    return round(tokens * len(text) / max(1, len(part)))


def certainly_fits(text: str, max_length: int) -> bool:
    """Say whether a text is so short that its tokens need no counting: about one a byte at most, and four around it."""
    return len(text) * 4 + 4 <= max_length or len(text.encode("utf-8", "replace")) + 4 <= max_length
