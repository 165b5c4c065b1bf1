"""Random views of a text, decided by a seed alone: a few words left out or exchanged with their neighbours."""

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np

from graft.preprocess import _augment_names, _text_synonyms

SHARE = 0.1
"""Of the words that are left out; at least one where there are three or more."""
FEWEST = 3
"""Words below which a text stays as it is: each of them may be what it means."""
TOKENS = "tokens"
SPOILT = "spoilt"
_OF_SYNONYMS = 3
"""The number of their generator."""
PRESETS: dict[str, tuple[str, ...]] = {"none": (), "auto": ("drop", "swap"), "words": ("drop", "swap")}


def _drop(words: list[str], rng: np.random.Generator) -> list[str]:
    keep = rng.random(len(words)) >= SHARE
    if keep.all():
        keep[rng.integers(len(words))] = False
    return [word for word, kept in zip(words, keep, strict=True) if kept] or words


def _swap(words: list[str], rng: np.random.Generator) -> list[str]:
    first = int(rng.integers(len(words) - 1))
    return [*words[:first], words[first + 1], words[first], *words[first + 2 :]]


CHANGES: dict[str, Callable[[list[str], np.random.Generator], list[str]]] = {"drop": _drop, "swap": _swap}
NAMES = {
    "drop": "about a tenth of the words left out (at least one)",
    "swap": "two neighbouring words exchanged",
    TOKENS: "about a tenth of the tokens left out, never the first or last",
    SPOILT: "its letters exchanged with one another: for measuring doubt, not for training",
}
"""Every change with a line for the help, in the order in which they are applied (Wei and Zou 2019, "EDA")."""


def augmentations() -> Mapping[str, str]:
    """Return every name that ``--augment`` takes for texts, presets first, each with one line of help."""
    return _augment_names.listed(PRESETS, NAMES)


@lru_cache(maxsize=64)
def check_augmentation(text: str) -> tuple[str, ...]:
    """Return the changes that ``text`` names, in their order. Raises SettingError with the nearest name.

    A file of synonyms stands there by the hash of what it holds.
    """
    rest, file = _text_synonyms.parted(text)
    found = _augment_names.chosen(rest, PRESETS, NAMES)
    return found if file is None else (*found, f"synonyms {_text_synonyms.read(file)[1]}")


def augment(text: str, augmentation: str, seed: int) -> str:
    """Return one random view of a text; one of fewer than three words between spaces stays as it is."""
    words = text.split()
    file = _text_synonyms.parted(augmentation)[1]
    if file is not None and words:
        words = _text_synonyms.exchange(words, file, np.random.default_rng((seed % 2**64, _OF_SYNONYMS)))
        text = " ".join(words)
    for number, name in enumerate(CHANGES):
        if name in check_augmentation(augmentation) and len(words) >= FEWEST:
            # A generator of the change's own, so that adding a change leaves what the others draw.
            words = CHANGES[name](words, np.random.default_rng((seed % 2**64, number)))
            text = " ".join(words)
    if SPOILT in check_augmentation(augmentation):
        text = _without_sense(text, np.random.default_rng((seed % 2**64, list(NAMES).index(SPOILT) + 1)))
    return text


def _without_sense(text: str, rng: np.random.Generator) -> str:
    """Return a text with its letters exchanged, the blanks where they were."""
    places = [place for place, letter in enumerate(text) if not letter.isspace()]
    found = list(text)
    for place, taken in zip(places, rng.permutation(places), strict=True):
        found[place] = text[taken]
    return "".join(found)


def without_some(ids: np.ndarray, augmentation: str, seed: int) -> np.ndarray:
    """Return token ids int32 (tokens, ...) with some left out where ``augmentation`` says so; what follows moves up.

    The first and the last are kept, since many networks begin and end a text with tokens of their own.
    """
    if TOKENS not in check_augmentation(augmentation):
        return ids
    count = int(np.count_nonzero(ids.reshape(len(ids), -1)[:, 0] >= 0))
    keep = np.random.default_rng((seed % 2**64, list(NAMES).index(TOKENS))).random(len(ids)) >= SHARE
    keep[[0, max(0, count - 1)]] = True
    kept = ids[:count][keep[:count]]
    found = np.full_like(ids, -1)
    found[: len(kept)] = kept
    return found
