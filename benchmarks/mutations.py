"""Requests that are nearly right: real ones, changed at random from a seed, for benchmarks/siege.py and the tests."""

import json
import random
from collections.abc import Callable, Iterator

HEAD = "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{more}Content-Type: {kind}\r\nContent-Length: {size}\r\n\r\n"
PATHS = ("/predict", "/predict", "/predict", "/explain", "/v2/models/{name}/infer", "/predict?model={name}")
VALUES: tuple[object, ...] = (
    None, True, -1, 0, 1e308, 2**63, "", "a", "\x00", "é" * 40, "../../etc/passwd", [], {}, [[[]]], ["a"] * 70, "====",
)  # fmt: skip


def requests(photos: list[bytes], name: str, key: str | None, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield kinds and requests for ever: changed pictures, JSON, forms and heads."""
    draw = random.Random(seed)
    more = f"Authorization: Bearer {key}\r\n" if key else ""
    kinds: tuple[Callable[[random.Random, list[bytes]], tuple[str, bytes]], ...] = (picture, plain, form, odd_form)
    while True:
        make = draw.choice(kinds)
        kind, body = make(draw, photos)
        path = draw.choice(PATHS).format(name=name)
        head = HEAD.format(path=path, more=more, kind=kind, size=len(body)).encode("utf-8", "replace")
        if draw.random() < 0.2:
            yield "head", bitten(draw, head, 3) + body
        else:
            yield make.__name__, head + body


def bitten(draw: random.Random, content: bytes, most: int) -> bytes:
    """Return some bytes with up to so many changes: other bits, pieces left out, doubled, or put elsewhere."""
    found = bytearray(content)
    for _ in range(draw.randint(1, most)):
        if not found:
            break
        place, size = draw.randrange(len(found)), draw.randint(1, max(1, len(found) // 20))
        match draw.randrange(5):
            case 0:
                found[place] ^= 1 << draw.randrange(8)
            case 1:
                found[place] = draw.choice((0, 10, 13, 34, 45, 127, 255))
            case 2:
                del found[place : place + size]
            case 3:
                found[place:place] = found[place : place + size]
            case _:
                found[place:place] = draw.randbytes(min(size, 64))
    return bytes(found)


def picture(draw: random.Random, photos: list[bytes]) -> tuple[str, bytes]:
    """Return a changed picture, or one that is cut off."""
    content = draw.choice(photos)
    if draw.random() < 0.2:
        content = content[: draw.randrange(len(content))]
    return draw.choice(("image/jpeg", "image/png", "application/octet-stream")), bitten(draw, content, 30)


def plain(draw: random.Random, photos: list[bytes]) -> tuple[str, bytes]:
    """Return JSON of the right keys with other values, or text that is no JSON any more."""
    keys = ("text", "data", "inputs", "model", "name", "outputs", "id", "shape", "datatype")
    told = {one: draw.choice(VALUES) for one in draw.sample(keys, draw.randint(0, 4))}
    if draw.random() < 0.3:
        told["inputs"] = [{one: draw.choice(VALUES) for one in draw.sample(keys, draw.randint(0, 5))}]
    content = json.dumps(told).encode("utf-8", "surrogatepass")
    return "application/json", bitten(draw, content, 3) if draw.random() < 0.5 else content


def form(draw: random.Random, photos: list[bytes]) -> tuple[str, bytes]:
    """Return a form with a picture, changed somewhere."""
    head = b'--xx\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    content = head + draw.choice(photos)[:4000] + b"\r\n--xx--\r\n"
    return "multipart/form-data; boundary=xx", bitten(draw, content, 4)


def odd_form(draw: random.Random, photos: list[bytes]) -> tuple[str, bytes]:
    """Return a form of many or odd parts."""
    names = ("file", "text", "model", "files", "x", "", "é", '"', "a" * 300)
    parts = [
        f'--xx\r\nContent-Disposition: form-data; name="{draw.choice(names)}"\r\n\r\n{draw.choice(VALUES)}\r\n'
        for _ in range(draw.choice((0, 1, 2, 200)))
    ]
    return f"multipart/form-data; boundary={draw.choice(('xx', 'xx', 'x', ''))}", "".join(
        (*parts, "--xx--\r\n")
    ).encode()
