"""The server's life: models loaded, a socket bound, the address and the key printed, signals obeyed."""

import logging
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from graft.errors import SettingError, must
from graft.serving.http import keys as keyring
from graft.serving.http import memory
from graft.serving.http.house import House
from graft.serving.http.keeping import Keeping
from graft.serving.http.keys import Keys
from graft.serving.http.prepare import sources
from graft.serving.http.settings import Place

FULL = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
SPARE = 256
"""Files that stay free for everything but connections."""
FRAMEWORK = "graft.serving.http.app"
BACKLOG = 2048
IDLE = 30
"""Seconds that a connection may be idle between requests."""
GRACE = 30
"""Seconds in which a server that is stopped answers what it was asked."""
SWITCH = 0.001
"""Seconds between turns of Python's threads: a fifth of the usual, for the loop to be heard beside decoding."""


class Patient(HttpToolsProtocol):
    """HTTP/1.1, with a limit to how long the head of a request may take: who never ends it is cut off."""

    seconds = 15.0
    most = 1 << 20
    """Connections that may be open at once."""
    _timer: Any = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request; one connection too many is told so and closed."""
        if len(self.connections) >= self.most:
            transport.write(FULL)
            transport.close()
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Wait anew where a further request begins."""
        if self._timer is None and (self.cycle is None or self.cycle.response_complete):
            self._wait()
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """End the wait: the body has a limit of its own."""
        self._end()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the wait."""
        self._end()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._timer = self.loop.call_later(self.seconds, self.transport.close)

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Leaving(uvicorn.Server):
    """A server that says that it is leaving before it does."""

    def __init__(self, config: uvicorn.Config, house: House) -> None:
        super().__init__(config)
        self.house = house

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to leave at a signal; a second one does not wait."""
        self.house.leaving = True
        super().handle_exit(sig, frame)


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
    answer(house, place, keys, bound)


def opened(place: Place) -> tuple[Keys | None, str | None, socket.socket]:
    """Return who may ask, the key where it is new, and a socket that does not listen yet. Raises SettingError."""
    keys, key = _keys(place)
    _check_tls(place)
    return keys, key, _bound(place)


def loaded(models: Sequence[str], place: Place, *, runtime: str, say: Callable[[str], None]) -> House:
    """Return the models, ready to answer. Raises SettingError, ArtifactError."""
    memory.frugal()
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
    """Say where the server is, and the key where it is new: this once."""
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


def answer(house: House, place: Place, keys: Keys | None, bound: socket.socket) -> None:
    """Answer requests until a signal comes."""
    from graft.serving.http.app import built

    sys.setswitchinterval(SWITCH)
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("graft.serve").setLevel(logging.INFO)
    # Of the class, since uvicorn makes one for each connection.
    kind = type("Patient", (Patient,), {"seconds": place.limits.body_seconds, "most": _most_connections()})
    config = uvicorn.Config(
        built(house, place, keys),
        http=kind,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=IDLE,
        timeout_graceful_shutdown=GRACE,
        ssl_certfile=place.certificate,
        ssl_keyfile=place.private_key,
        ws="none",
    )
    Leaving(config, house).run(sockets=[bound])


def _most_connections() -> int:
    """Raise the limit of open files as far as this process may, and return how many connections that allows."""
    try:
        import resource
    except ImportError:
        return Patient.most
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else max(soft, Patient.most)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(16, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE)


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
