"""Windows over a text that is longer than a network's input: equally long, overlapping, beginning at words."""

import math

OVERLAP = 0.25
"""Of a window, shared with the next one at least: what stands at an end is read once more with what surrounds it."""
SPARE = 0.9
"""Of the characters that as many tokens have on average: some places have more tokens than others."""


def number(tokens: int, length: int) -> int:
    """Return how many windows of ``length`` tokens read a text of so many tokens."""
    if tokens <= length:
        return 1
    own = length * SPARE
    return 1 + math.ceil((tokens - own) / (own * (1 - OVERLAP)))


def held(count: int, length: int) -> int:
    """Return how many tokens ``count`` windows of ``length`` tokens hold where none of them overlap."""
    return int(count * length * SPARE)


def window(text: str, place: int, count: int, share: float) -> str:
    """Return window ``place`` of ``count``, the first at the beginning, the last at the end.

    ``share`` of the text is what one window could hold if its tokens were spread evenly.
    """
    wide = max(1, min(len(text), int(len(text) * share * SPARE)))
    start = round((len(text) - wide) * place / (count - 1)) if count > 1 else 0
    found = text[start : start + wide]
    if start and not text[start - 1].isspace():
        # A word that was cut in two is another word; a text without blanks has none to begin at.
        head, blank, rest = found.partition(" ")
        found = rest if blank and rest.strip() and len(head) < len(found) // 2 else found
    return found if found.strip() else text[:wide]
