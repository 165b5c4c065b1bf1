"""The key of a server: drawn at the start, shown once, kept as its hash alone."""

import hmac
import re
import secrets
from hashlib import sha256
from pathlib import Path

from graft.errors import SettingError, must

SIGN = "sha256:"
_LINE = re.compile(r"sha256:([0-9a-f]{64})")


def fingerprint(key: str) -> str:
    """Return the sha-256 of a key in hex; enough for keys of 256 random bits, which no list of words has."""
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


class Keys:
    """The hashes of the keys that open a server."""

    def __init__(self, hashes: tuple[str, ...]) -> None:
        self.hashes = hashes

    def opens(self, key: str) -> bool:
        """Say whether a key is right, in a time that tells nothing of how much of it is."""
        asked = fingerprint(key)
        return sum(hmac.compare_digest(asked, one) for one in self.hashes) > 0


def drawn() -> tuple[Keys, str]:
    """Return a new key's hash, and the key to be shown once."""
    key = secrets.token_urlsafe(32)
    return Keys((fingerprint(key),)), key


def kept(file: Path) -> tuple[Keys, str | None]:
    """Return the keys whose hashes a file holds; where there is none, draw a key, write its hash and return it too.

    A line is ``sha256:`` and 64 hex digits; blank lines and those that begin with ``#`` are passed over. Raises
    SettingError.
    """
    do = "Name a new file, or write `sha256:` and the output of `printf %s KEY | sha256sum` into it"
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        keys, key = drawn()
        _write(file, keys.hashes[0])
        return keys, key
    except (OSError, UnicodeDecodeError):
        raise SettingError(must("--key-file", "a text file that can be read", str(file), do)) from None
    lines = [one.strip() for one in text.splitlines() if one.strip() and not one.startswith("#")]
    found = [_LINE.fullmatch(one) for one in lines]
    if not lines or None in found:
        raise SettingError(must("--key-file", "a file with the hash of a key on each line", str(file), do))
    return Keys(tuple(one[1] for one in found if one is not None)), None


def _write(file: Path, hash_: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600, exist_ok=False)
        file.write_text(f"{SIGN}{hash_}\n", "utf-8")
    except OSError as error:
        do = "Take a file in a folder that can be written"
        raise SettingError(must("--key-file", "a file that can be written", f"{file}: {error.strerror}", do)) from None
