"""Tokenizers of our own, whole words and ELMo's characters, written as JSON as the library's tokenizers are."""

import json
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import numpy as np

from graft.errors import SettingError, must
from graft.preprocess._characters import Characters
from graft.preprocess._words import PAD, Words
from graft.registry import build

BEGIN = '{"graft": '
"""How the JSON of these tokenizers begins, and no other."""
KINDS: dict[str, type[Words] | type[Characters]] = {"words": Words, "characters": Characters}


def written(tokenizer: Words | Characters) -> str:
    """Return a tokenizer as JSON."""
    kind = next(name for name, cls in KINDS.items() if isinstance(tokenizer, cls))
    return json.dumps({"graft": kind, **asdict(tokenizer)}, ensure_ascii=False)


@lru_cache(maxsize=8)
def made(tokenizer: str) -> Words | Characters | None:
    """Return the tokenizer that ``written`` wrote, or None for any other text. Raises SettingError."""
    if not tokenizer.startswith(BEGIN):
        return None
    try:
        settings: dict[str, Any] = json.loads(tokenizer)
        kind = KINDS[settings.pop("graft")]
    except (ValueError, KeyError) as error:
        got = f"something else ({error})"
        raise SettingError(must("tokenizer", "the JSON of a tokenizer", got, "Fit again")) from error
    return build(kind, settings, "tokenizer")


def row(tokenizer: str) -> tuple[int, ...]:
    """Return the shape of one token: () for a number, (characters,) where it is spelt out."""
    own = made(tokenizer)
    return (own.per_word,) if isinstance(own, Characters) else ()


def knows_any(text: str, tokenizer: str) -> bool:
    """Say whether anything is left of a text; only vocabularies of whole words can know nothing of it."""
    own = made(tokenizer)
    return not isinstance(own, Words) or own.encode(text, 1).tokens > 0


def single(ids: np.ndarray) -> np.ndarray:
    """Return one number a token, int32 (tokens,): spelt-out words by a hash of their characters, padding as -1."""
    if ids.ndim == 1:
        return ids
    places = np.arange(1, ids.shape[1] + 1, dtype=np.uint64)
    # Odd factors that differ from place to place: the same letters in another order are another word.
    factors = (places * np.uint64(0x9E3779B97F4A7C15)) | np.uint64(1)
    summed = ((ids.astype(np.int64) + 2).astype(np.uint64) * factors).sum(axis=1, dtype=np.uint64)
    return np.where(ids[:, 0] >= 0, (summed >> np.uint64(33)).astype(np.int32), PAD).astype(np.int32)
