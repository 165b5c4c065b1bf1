"""A person's file of synonyms: a group of words or phrases a line, parted by commas; any may stand for any other."""

from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import numpy as np

from graft.errors import SettingError, must

NAME = "synonyms="
"""How an augmentation that names a file begins."""


def parted(augmentation: str) -> tuple[str, str | None]:
    """Return an augmentation without its file of synonyms, and the file's path where it names one."""
    words = [word.strip() for word in augmentation.split(",")]
    files = [word[len(NAME) :] for word in words if word.lower().startswith(NAME)]
    if len(files) > 1:
        raise SettingError(must("augment", "with one file of synonyms", ", ".join(files), "Put them into one file"))
    rest = [word for word in words if not word.lower().startswith(NAME)]
    return ",".join(rest) or "none", files[0] if files else None


@lru_cache(maxsize=8)
def read(path: str) -> tuple[dict[str, tuple[str, ...]], str]:
    """Return the other members of each word's group, and the hash of the file. Raises SettingError."""
    do = "Write a group a line, such as: quick, fast, rapid"
    try:
        content = Path(path).read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        got = f"{path!r} ({error.strerror})"
        raise SettingError(must("The file of synonyms", "one that can be read", got, do)) from error
    except UnicodeDecodeError as error:
        raise SettingError(must("The file of synonyms", "in UTF-8", repr(path), "Save it again as UTF-8")) from error
    others: dict[str, tuple[str, ...]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        group = [word.strip() for word in line.split(",") if word.strip()]
        if len(group) < 2:
            got = f"{line.strip()[:40]!r} in line {number} of {path}"
            raise SettingError(must("A group of synonyms", "two words or more, parted by commas", got, do))
        for word in group:
            more = [one for one in group if one.casefold() != word.casefold()]
            others[word.casefold()] = (*others.get(word.casefold(), ()), *more)
    if not others:
        raise SettingError(must("The file of synonyms", "one with a group in it", f"none in {path}", do))
    return others, sha256(content).hexdigest()[:16]


def exchange(words: list[str], path: str, rng: np.random.Generator) -> list[str]:
    """Return the words, about every second one that has synonyms (one at least) exchanged for one of them."""
    others, _ = read(path)
    known = [place for place, word in enumerate(words) if others.get(_bare(word))]
    chosen = [place for place in known if rng.random() < 0.5]
    if known and not chosen:
        chosen = [known[int(rng.integers(len(known)))]]
    found = list(words)
    for place in chosen:
        word, options = words[place], others[_bare(words[place])]
        new = options[int(rng.integers(len(options)))]
        core = word.strip(MARKS)
        found[place] = word.replace(core, new.capitalize() if core[:1].isupper() else new, 1)
    return found


MARKS = ".,;:!?\"'()[]"
"""What may stand around a word, and stays."""


def _bare(word: str) -> str:
    return word.strip(MARKS).casefold()
