"""A server's statistics, asked for over the network: what `graft watch --log ADDRESS` compares with training."""

import json
import os
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

from graft.doubt.judging import Doubt
from graft.errors import DataError, must
from graft.serving.drift import fingerprint

KEY = "GRAFT_KEY"
"""Environment variable that holds the server's key: a command line is seen by others."""
SECONDS = 30
MOST = 8 << 20
"""Bytes of an answer."""


def is_address(source: str) -> bool:
    """Say whether something is a server's address rather than a file."""
    return source.startswith(("http://", "https://"))


def statistics(address: str, doubt: Doubt) -> bytes:
    """Return the statistics of the model with these doubts from a server of it.

    Raises DataError where it cannot be asked, or serves no such model.
    """
    base = address.rstrip("/")
    wanted = fingerprint(doubt)
    for one in _told(f"{base}/models").get("models", ()):
        if not one.get("abstains"):
            continue
        content = _asked(f"{base}/models/{quote(str(one['name']), safe='')}/drift")
        if _plain(content, base).get("model") == wanted:
            return content
    do = "Give the model folder that it serves, or restart it with this one"
    raise DataError(must("--log", "the address of a server of this model", f"{base}, of others", do))


def _told(address: str) -> dict[str, Any]:
    return _plain(_asked(address), address)


def _plain(content: bytes, address: str) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise DataError(must("--log", "the address of `graft serve`", address, "Give the one that it printed"))
    return found


def _asked(address: str) -> bytes:
    headers = {"Authorization": f"Bearer {os.environ[KEY]}"} if os.environ.get(KEY) else {}
    request = urllib.request.Request(address, headers=headers)  # noqa: S310 - http or https, as was checked
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as reply:  # noqa: S310
            content: bytes = reply.read(MOST)
    except urllib.error.HTTPError as error:
        do = f"Set {KEY} to its key" if error.code == 401 else "Ask `graft serve` of this version"
        raise DataError(must("--log", "a server that answers", f"status {error.code} of {address}", do)) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise DataError(must("--log", "a server that answers", f"{address} ({reason})", "Start it first")) from None
    return content
