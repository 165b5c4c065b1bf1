"""The server against the bare runtime, and against LitServe with the same ONNX file where that is at hand."""

import argparse
import asyncio
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np

SECONDS = 4.0
PORT = 8977


async def _client(port: int, request: bytes, until: float, times: list[float], bad: list[bytes]) -> None:
    """Send one request after another on one connection: little code, since it shares the cores with the server."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < until:
        start = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(size)
        times.append(time.perf_counter() - start)
        if not head.startswith(b"HTTP/1.1 200"):
            bad.append(head)
    writer.close()


def load(port: int, requests: list[bytes], crowd: int, seconds: float = SECONDS) -> tuple[float, list[float], int]:
    """Return requests a second, the seconds of each, and how many failed."""
    times: list[float] = []
    bad: list[bytes] = []

    async def all_of_them() -> None:
        until = time.perf_counter() + seconds
        await asyncio.gather(
            *(_client(port, requests[number % len(requests)], until, times, bad) for number in range(crowd))
        )

    start = time.perf_counter()
    asyncio.run(all_of_them())
    return len(times) / (time.perf_counter() - start), times, len(bad)


def raw(path: str, content: bytes) -> bytes:
    """Return a request whose body is a photo."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def form(path: str, content: bytes) -> bytes:
    """Return a request whose body is a form with a photo."""
    body = b'--xx\r\nContent-Disposition: form-data; name="request"; filename="a.jpg"\r\n'
    body += b"Content-Type: image/jpeg\r\n\r\n" + content + b"\r\n--xx--\r\n"
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=xx\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def bare(file: Path, photos: list[bytes]) -> dict[str, float]:
    """Return the runtime's own rates in this process: its best alone, and with decoding on as many threads."""
    from graft.preprocess.image import Image
    from graft.serving.http.exported import opened
    from graft.serving.http.runners import choose, throughput

    exported = opened(file)
    runner, why = choose(exported)
    print(f"runtime: {why}")
    spec = Image.from_json(exported.told["preprocess"])

    def one(content: bytes) -> None:
        runner.run(spec.fit_light(spec.decode(content))[None])

    for content in photos[:20]:
        one(content)
    alone = []
    for number in range(300):
        start = time.perf_counter()
        one(photos[number % len(photos)])
        alone.append(time.perf_counter() - start)
    until = time.perf_counter() + SECONDS

    def turn(place: int) -> int:
        count = 0
        while time.perf_counter() < until:
            one(photos[(place + count) % len(photos)])
            count += 1
        return count

    start = time.perf_counter()
    with ThreadPoolExecutor(runner.lanes + 1) as pool:
        rate = sum(pool.map(turn, range(runner.lanes + 1))) / (time.perf_counter() - start)
    return {
        "network alone": throughput(runner, exported.noise(), SECONDS / 2),
        "with decoding": rate,
        "p50": statistics.median(alone),
        "p99": float(np.percentile(alone, 99)),
    }


def started(words: list[str], mark: str) -> tuple[subprocess.Popen[str], float]:
    """Start a server and return it, and the seconds until it answers."""
    begin = time.perf_counter()
    # A session of its own, so that what it started in turn ends with it.
    process = subprocess.Popen(
        words, stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if mark in line:
            threading.Thread(target=process.stdout.read, daemon=True).start()
            return process, time.perf_counter() - begin
    raise SystemExit(f"{words[2]} did not start")


def stop(process: subprocess.Popen[str]) -> None:
    """End a server and all that it started."""
    process.terminate()
    try:
        process.wait(10)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def measure(name: str, port: int, requests: list[bytes]) -> dict[int, float]:
    """Print and return the rates at 1, 8 and 32 requests at once."""
    load(port, requests, 8, 1.0)
    rates = {}
    for crowd in (1, 8, 32):
        rate, times, bad = load(port, requests, crowd)
        rates[crowd] = rate
        p50, p99 = np.percentile(times, [50, 99])
        print(
            f"{name:<10} {crowd:>2} at once: {rate:7.1f} requests/s  p50 {1e3 * p50:6.1f} ms  p99 {1e3 * p99:6.1f} ms"
            f"  n={len(times)}  failed {bad}"
        )
        if crowd == 1:
            rates[0] = float(p99)
    return rates


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="an ONNX file of `graft export`, of photos")
    parser.add_argument("photos", type=Path, help="a folder with JPEG photos, also below")
    parser.add_argument("--litserve", type=Path, help="the python of an environment with litserve and graft")
    asked = parser.parse_args()
    photos = [one.read_bytes() for one in sorted(asked.photos.rglob("*.jpg"))[:64]]
    found = bare(asked.file, photos)
    print(
        f"bare runtime, best batch: {found['network alone']:.1f} inputs/s; "
        f"with decoding: {found['with decoding']:.1f}; "
        f"decode and one call: p50 {1e3 * found['p50']:.1f} ms, p99 {1e3 * found['p99']:.1f} ms (n=300)"
    )
    words = [sys.executable, "-m", "graft", "serve", str(asked.file), "--no-key", "--port", str(PORT)]
    server, ready = started(words, "Serving")
    try:
        import psutil

        own = measure("graft", PORT, [raw("/predict", one) for one in photos])
        memory = psutil.Process(server.pid).memory_info().rss
        size = asked.file.stat().st_size
        print(f"graft: ready in {ready:.1f} s, resident {memory / 1e6:.0f} MB (the file has {size / 1e6:.0f})")
    finally:
        stop(server)
    print(f"32 at once / bare with decoding: {own[32] / found['with decoding']:.2f}")
    print(f"32 at once / bare network alone: {own[32] / found['network alone']:.2f}")
    print(f"p99 alone / p99 of decode and one call: {own[0] / found['p99']:.2f}")
    if asked.litserve:
        words = [
            str(asked.litserve),
            str(Path(__file__).with_name("peers") / "litserve_app.py"),
            str(asked.file),
            str(PORT),
        ]
        peer, _ = started(words, "startup complete")
        try:
            theirs = measure("litserve", PORT, [form("/predict", one) for one in photos])
        finally:
            stop(peer)
        print(
            "graft / litserve: "
            + ", ".join(f"{crowd} at once {own[crowd] / theirs[crowd]:.2f}" for crowd in (1, 8, 32))
        )


if __name__ == "__main__":
    main()
