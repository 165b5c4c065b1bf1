"""What every request goes through first: who asks, how often, from where; and what every answer carries."""

import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graft.serving.http.faults import Refused
from graft.serving.http.house import House
from graft.serving.http.keys import Keys
from graft.serving.http.settings import LOOPBACK, Place

LOG = logging.getLogger("graft.serve")
FREE = frozenset({
    "/", "/page.js", "/page.css", "/icon.svg", "/favicon.ico", "/health", "/ready", "/openapi.json", "/v2",
    "/v2/health/live", "/v2/health/ready",
})  # fmt: skip
"""Paths that need no key: the page itself, and what tells that the server is there."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; "
    "media-src blob:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
ADDRESSES = 4096
"""Clients whose rate is remembered, those seen last."""


Direct = Callable[[Request], Awaitable[Response]]
"""What answers a path without going through the framework, which takes longer than all the rest of a request."""


class Rates:
    """A bucket of requests for each address, which fills at a steady rate."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate, self.clock = rate, clock
        self.buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str) -> None:
        """Count one request. Raises Refused (429)."""
        if not self.rate:
            return
        now = self.clock()
        left, seen = self.buckets.pop(address, (2 * self.rate, now))
        left = min(max(1.0, 2 * self.rate), left + (now - seen) * self.rate)
        self.buckets[address] = (left - 1 if left >= 1 else left, now)
        if len(self.buckets) > ADDRESSES:
            self.buckets.popitem(last=False)
        if left < 1:
            wait = max(1, round((1 - left) / self.rate + 0.5))
            sentence = f"Requests must be at most {self.rate:g} a second. Got more. Wait {wait} s."
            raise Refused(429, sentence, {"retry-after": str(wait)})


class Gate:
    """An ASGI application around the routes."""

    def __init__(
        self, app: ASGIApp, *, place: Place, keys: Keys | None, house: House, direct: Mapping[str, Direct]
    ) -> None:
        self.app, self.place, self.keys, self.house, self.direct = app, place, keys, house, direct
        self.rates = Rates(place.limits.rate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or say why not; count it either way."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, told, where = time.perf_counter(), [0], ""

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                told[0] = message["status"]
                present = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(one for one in HEADERS if one[0] not in present)]
            await send(message)

        try:
            self._check(scope, Headers(scope=scope))
            direct = self.direct.get(scope["path"]) if scope["method"] == "POST" else None
            if direct is None:
                await self.app(scope, receive, counted)
            else:
                where = scope["path"]
                await (await direct(Request(scope, receive)))(scope, receive, counted)
        except Refused as refused:
            if not told[0]:
                await JSONResponse(refused.plain, refused.status, refused.headers)(scope, receive, counted)
        except Exception:
            LOG.exception("a request failed")
            if not told[0]:
                plain = Refused(500, "The server failed at this request. It has noted why.")
                await JSONResponse(plain.plain, 500)(scope, receive, counted)
        finally:
            route: Any = scope.get("route")
            where = where or getattr(route, "path", "") or "other"
            self.house.metrics.request(where, told[0], time.perf_counter() - start)

    def _check(self, scope: Scope, headers: Headers) -> None:
        """Raise Refused for who may not ask."""
        host = headers.get("host", "")
        if self.place.local and _name(host) not in LOOPBACK:
            # A page of another site whose name was made to point here.
            raise Refused(421, "The host must be that of this machine. Got another name. Ask at its address.")
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            raise Refused(403, "A page must be of this server to ask it. Got one of another. Ask from your own server.")
        client = scope.get("client")
        self.rates.take(client[0] if client else "")
        if self.keys is None or scope["path"] in FREE:
            return
        if not self.keys.opens(_key(headers)):
            sentence = "The key must be this server's. Got another or none. Send it as `Authorization: Bearer KEY`."
            raise Refused(401, sentence, {"www-authenticate": "Bearer"})


def _name(host: str) -> str:
    """Return a Host header without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if ":" in host else host


def _key(headers: Headers) -> str:
    kind, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if kind.lower() == "bearer" else headers.get("x-api-key", "")
