"""The server as the network sees it: connections, their limits, and what a signal does; brings the web framework."""

import logging
import socket
import sys
from contextlib import suppress
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from graft.serving.http.app import built
from graft.serving.http.house import House
from graft.serving.http.keys import Keys
from graft.serving.http.settings import GRACE, Place
from graft.serving.http.start import BACKLOG

FULL = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
SPARE = 256
"""Files that stay free for everything but connections."""
IDLE = 30
"""Seconds that a connection may be idle between requests."""
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


def answer(house: House, place: Place, keys: Keys | None, bound: socket.socket) -> None:
    """Answer requests until a signal comes."""
    sys.setswitchinterval(SWITCH)
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("graft.serve").setLevel(logging.INFO)
    # Whoever sends forms that are none must not be able to fill a disk with lines about them.
    logging.getLogger("python_multipart").setLevel(logging.ERROR)
    # Of the class, since uvicorn makes one for each connection.
    kind = type("Patient", (Patient,), {"seconds": place.limits.body_seconds, "most": _most_connections()})
    config = uvicorn.Config(
        built(house, place, keys),
        http=kind,
        log_level="error",
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
