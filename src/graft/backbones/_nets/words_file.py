"""Reads vocabularies: one word a line, a JSON list, or fastai's pickled list, which is read without unpickling.

``pickletools`` takes a pickle apart and runs nothing of it; what is more than a plain list of strings is refused.
"""

import json
import pickletools
from pathlib import Path

from graft.errors import WeightsError, must

STRINGS = frozenset({"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE"})
KEPT = frozenset({"MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"})
TAKEN = frozenset({"BINGET", "LONG_BINGET", "GET"})
IDLE = frozenset({"PROTO", "FRAME", "MARK", "STOP"})


def _wrong(path: Path, got: str) -> WeightsError:
    do = "Give one word a line, a JSON list, or fastai's itos file"
    return WeightsError(must(f"The vocabulary {str(path)!r}", "a list of words", got, do))


def read_words(path: Path) -> tuple[str, ...]:
    """Return the words of a .txt, .json or .pkl file in order. Raises WeightsError."""
    if not path.is_file():
        raise _wrong(path, "no such file")
    content = path.read_bytes()
    if path.suffix == ".pkl":
        return pickled_words(content, path)
    try:
        text = content.decode("utf-8")
        words = json.loads(text) if path.suffix == ".json" else text.removesuffix("\n").split("\n")
    except ValueError as error:
        raise _wrong(path, str(error)) from error
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise _wrong(path, "something else")
    return tuple(words)


def pickled_words(content: bytes, path: Path) -> tuple[str, ...]:
    """Return the strings of a pickled list; nothing of the pickle is run. Raises WeightsError for anything else."""
    memo: list[str | None] = []
    slots: dict[int, str | None] = {}
    words: list[str] = []
    lists = 0
    top: str | None = None
    try:
        for operation, argument, _ in pickletools.genops(content):
            name = operation.name
            if name in STRINGS:
                top = str(argument)
                words.append(top)
            elif name in KEPT:
                slots[len(memo) if name == "MEMOIZE" else int(str(argument))] = top
                memo.append(top)
            elif name in TAKEN:
                top = slots.get(int(str(argument)))
                if top is None:
                    raise _wrong(path, "a pickle that refers to something other than a string")
                words.append(top)
            elif name in ("EMPTY_LIST", "LIST") and not lists and not words:
                lists, top = 1, None
            elif name not in IDLE and name not in ("APPEND", "APPENDS"):
                raise _wrong(path, f"a pickle with {name}, which is more than strings in a list")
    except (ValueError, UnicodeDecodeError, IndexError) as error:
        if isinstance(error, WeightsError):
            raise
        raise _wrong(path, f"a pickle that cannot be read ({error})") from error
    if not lists or not words:
        raise _wrong(path, "a pickle without such a list")
    return tuple(words)
