"""What a client asks, in any of the ways that /predict takes: a form, JSON, or the bytes of an input themselves."""

import asyncio
import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.requests import ClientDisconnect, Request

from graft import data
from graft.errors import DataError
from graft.serving.http import multipart
from graft.serving.http.faults import Refused
from graft.serving.http.served import Input
from graft.serving.http.settings import Limits

HOW = (
    'Send a form with `file` or `text`, JSON such as {"text": "..."} or {"data": "BASE64"}, '
    "or the bytes of one input with their own type"
)
NEAREST = 10
"""Examples beside one answer."""
KEYS = {"text", "data", "name", "columns"}
"""Of an input in JSON."""
RAW = ("application/octet-stream", "text/plain", "image/", "audio/", "video/")


@dataclass
class Asked:
    """The inputs of a request and what they are called in the answer."""

    inputs: list[Input] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    model: str | None = None

    def add(self, content: bytes, name: str | None = None, cells: Mapping[str, str | None] | None = None) -> None:
        """Add one input, with the cells of further columns."""
        self.inputs.append(Input(content, cells=cells or {}))
        self.names.append(name or f"input {len(self.inputs)}")


def count(text: str | None) -> int:
    """Return how many nearest examples ``?nearest=`` asks for, 0 without it. Raises Refused."""
    if text is None:
        return 0
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text[:4]) <= NEAREST or len(text) > 4:
        raise Refused(400, f"nearest must be a number from 1 to {NEAREST}. Got another value. Send such as nearest=3.")
    return int(text)


async def body(request: Request, limits: Limits) -> bytes:
    """Return the body of a request in memory. Raises Refused for one that is too large or too slow."""
    told = request.headers.get("content-length", "0")
    sentence = f"A request must have at most {limits.bytes:,} bytes. Got more. Send less at once."
    too_large = Refused(413, sentence, {"connection": "close"})
    if not told.isdecimal() or int(told) > limits.bytes:
        raise too_large
    pieces, size = [], 0
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for piece in request.stream():
                size += len(piece)
                if size > limits.bytes:
                    raise too_large
                pieces.append(piece)
    except TimeoutError:
        sentence = f"The body must come within {limits.body_seconds:g} s. Got a part of it. Send it faster, or less."
        raise Refused(408, sentence, {"connection": "close"}) from None
    except ClientDisconnect:
        raise Refused(400, "The body must come whole. Got a part of it. Send it again.") from None
    return b"".join(pieces)


def asked(content: bytes, content_type: str, limits: Limits) -> Asked:
    """Return what a body of this type asks. Raises Refused."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return _form(multipart.read(content, content_type, 2 * limits.inputs))
    if kind == "application/json":
        return _json(parsed(content))
    if not kind.startswith(RAW):
        got = f"the type {kind[:80]}" if kind else "no type"
        raise Refused(415, f"The body must be of a type that is known. Got {got}. {HOW}.")
    if not content:
        raise Refused(400, f"The body must hold an input. Got nothing. {HOW}.")
    found = Asked()
    found.add(content)
    return found


def parsed(content: bytes) -> dict[str, Any]:
    """Return a JSON object. Raises Refused."""
    try:
        plain = json.loads(content)
    except (ValueError, RecursionError):
        raise Refused(400, f"The body must be JSON. Got something else. {HOW}.") from None
    if not isinstance(plain, dict):
        raise Refused(400, f"The body must be a JSON object. Got another value. {HOW}.")
    return plain


def _form(parts: list[multipart.Part]) -> Asked:
    found, cells = Asked(), {}
    for part in parts:
        if part.name == "model":
            found.model = part.content.decode("utf-8", "replace")
        elif part.name == "columns":
            cells = _cells(parsed(part.content))
        elif part.name in ("file", "files", "text"):
            found.add(part.content, part.file)
        else:
            raise Refused(400, f"A form's fields must be file, text, columns or model. Got {part.name[:60]!r}. {HOW}.")
    if not found.inputs:
        raise Refused(400, f"A form must hold an input. Got none. {HOW}.")
    found.inputs = [replace(one, cells=cells) for one in found.inputs]
    return found


def _json(plain: dict[str, Any]) -> Asked:
    model, items = plain.pop("model", None), plain.pop("inputs", None)
    if model is not None and not isinstance(model, str):
        raise Refused(400, f"model must be a name. Got another value. {HOW}.")
    if items is None:
        items = [plain] if plain else []
    elif plain or not isinstance(items, list):
        raise Refused(400, f"inputs must be a list, and stand alone beside model. Got something else. {HOW}.")
    if not items:
        raise Refused(400, f"The body must hold an input. Got none. {HOW}.")
    found = Asked(model=model)
    for item in items:
        _one(found, item)
    return found


def _one(found: Asked, item: object) -> None:
    if isinstance(item, str):
        item = {"text": item}
    if not isinstance(item, dict) or len(item.keys() & {"text", "data"}) != 1 or item.keys() - KEYS:
        raise Refused(400, f"An input must have text or data, and perhaps name and columns. Got another. {HOW}.")
    value, name = item.get("text", item.get("data")), item.get("name")
    if not isinstance(value, str) or not (name is None or isinstance(name, str)):
        raise Refused(400, f"text, data and name must be strings. Got another value. {HOW}.")
    cells = _cells(item.get("columns", {}))
    found.add(encoded(value) if "text" in item else decoded(value), name, cells)


def _cells(plain: object) -> dict[str, str | None]:
    """Return the cells of further columns as a table would hold them. Raises Refused."""
    if not isinstance(plain, dict):
        raise Refused(400, 'columns must be an object such as {"price": 3.5}. Got another value. Name each column.')
    return {name: cells(name, [value])[0] for name, value in plain.items()}


def cells(name: str, values: list[Any]) -> list[str | None]:
    """Return values of one column as a table would hold them. Raises Refused."""
    try:
        return list(data.cells_of(name[:60], values))
    except DataError as error:
        raise Refused(400, str(error)) from None


def encoded(text: str) -> bytes:
    """Return a text as UTF-8. Raises Refused for half a character."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise Refused(400, "A text must be of whole characters. Got half of one. Send it again.") from None


def decoded(text: str) -> bytes:
    """Return what base64 holds, a ``data:`` address included. Raises Refused."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(400, "data must be base64. Got something else. Encode the bytes of the file.") from None
