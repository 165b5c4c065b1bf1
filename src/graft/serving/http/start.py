"""The server's life: models loaded, a socket bound, the address and the key printed, signals obeyed."""

import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from graft.errors import SettingError, must
from graft.serving.http import keys as keyring
from graft.serving.http import memory
from graft.serving.http.house import House
from graft.serving.http.keeping import Keeping
from graft.serving.http.keys import Keys
from graft.serving.http.prepare import sources
from graft.serving.http.settings import Place

BACKLOG = 2048
"""Connections that wait to be taken."""
FRAMEWORK = "graft.serving.http.answering"


def serve(
    models: list[str | Path],
    *,
    place: Place | None = None,
    runtime: str = "auto",
    say: Callable[[str], None] = print,
    ready: Callable[[dict[str, Any]], None] | None = None,
) -> None:
    """Serve models until a signal comes; ``say`` is told the address and, once, the key, or ``ready`` as plain data.

    Raises SettingError, ArtifactError.
    """
    place = place or Place()
    keys, key, bound = opened(place)
    house = loaded([str(one) for one in models], place, runtime=runtime, say=say)
    versions = {one.name: one.version for one in house.models.values()}
    tell(place, bound, key, versions, say=say, ready=ready)
    from graft.serving.http.answering import answer

    answer(house, place, keys, bound)


def opened(place: Place) -> tuple[Keys | None, str | None, socket.socket]:
    """Return who may ask, the key where it is new, and a socket that does not listen yet. Raises SettingError."""
    keys, key = _keys(place)
    _check_tls(place)
    return keys, key, _bound(place)


def loaded(models: Sequence[str], place: Place, *, runtime: str, say: Callable[[str], None]) -> House:
    """Return the models, ready to answer. Raises SettingError, ArtifactError."""
    memory.frugal()
    # NumPy's threads wait for one another by spinning, on the cores that the network runs on. With one of them 382
    # requests a second were answered, 32 at once, with two 268 (2 cores, a model with its doubts).
    threadpool_limits(1, user_api="blas")
    found = sources(list(models))
    keeping = Keeping(place.keep, place.keep_most) if place.keep else None
    house = House(found, place.limits, runtime=runtime, keeping=keeping)
    # The web framework takes a second to load, in which the runtime compiles the networks.
    framework = threading.Thread(target=import_module, args=(FRAMEWORK,), name="graft-import")
    framework.start()
    try:
        house.open(say)
    finally:
        framework.join()
    memory.settle()
    return house


def tell(
    place: Place,
    bound: socket.socket,
    key: str | None,
    versions: Mapping[str, str],
    *,
    say: Callable[[str], None],
    ready: Callable[[dict[str, Any]], None] | None,
) -> None:
    """Say where the server is, which listens from now on, and the key where it is new: this once."""
    bound.listen(BACKLOG)
    host = f"[{place.host}]" if ":" in place.host else place.host
    address = f"http{'s' if place.certificate else ''}://{host}:{bound.getsockname()[1]}/"
    if ready is not None:
        ready({"address": address, "key": key, "models": dict(versions)})
        return
    say(f"Serving {', '.join(versions)} at {address}")
    if key is not None:
        say(f"Key, shown only now: {key}")
        # What is behind # stays in the browser.
        say(f"The page, with the key: {address}#{key}")


def _keys(place: Place) -> tuple[Keys | None, str | None]:
    """Return who may ask, and the key where it is new. Raises SettingError."""
    if place.open:
        if not place.local:
            do = "Leave --no-key out, or serve on 127.0.0.1"
            raise SettingError(must("a server without a key", "on this machine's own address", place.host, do))
        return None, None
    return keyring.kept(place.key_file) if place.key_file else keyring.drawn()


def _check_tls(place: Place) -> None:
    """Raise SettingError for files of TLS that are not both there."""
    given = [one for one in (place.certificate, place.private_key) if one is not None]
    absent = [str(one) for one in given if not one.is_file()]
    if len(given) == 1 or absent:
        got = ", ".join(absent) or "one of them"
        do = "Give --tls-cert and --tls-key"
        raise SettingError(must("the files of TLS", "a certificate and its private key", got, do))


def _bound(place: Place) -> socket.socket:
    """Return a socket that has its address, but does not listen yet. Raises SettingError where it cannot."""
    bound = socket.socket(socket.AF_INET6 if ":" in place.host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((place.host, place.port))
    except (OSError, OverflowError) as error:
        bound.close()
        do = "Take another --port or --host"
        got = f"{place.host}:{place.port} ({getattr(error, 'strerror', None) or error})"
        raise SettingError(must("the address", "one that can be listened on", got, do)) from None
    return bound
