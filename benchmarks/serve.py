"""The server against the bare runtime, and against LitServe with the same ONNX file where that is at hand."""

import argparse
import asyncio
import json
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

from benchmarks import texts

SECONDS = 4.0
WINDOW = 1.5
"""Seconds of each turn, where the server and the bare runtime take turns."""
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


def _post(path: str, kind: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def raw(path: str, content: bytes) -> bytes:
    """Return a request whose body is a photo."""
    return _post(path, "image/jpeg", content)


def form(path: str, content: bytes) -> bytes:
    """Return a request whose body is a form with a photo."""
    body = b'--xx\r\nContent-Disposition: form-data; name="request"; filename="a.jpg"\r\n'
    body += b"Content-Type: image/jpeg\r\n\r\n" + content + b"\r\n--xx--\r\n"
    return _post(path, "multipart/form-data; boundary=xx", body)


def text(path: str, content: bytes) -> bytes:
    """Return a request whose body is a text, as JSON."""
    return _post(path, "application/json", json.dumps({"text": content.decode()}).encode())


class Bare:
    """The runtime in this process, as fast as it goes: alone, and with the decoding that every input needs."""

    def __init__(self, file: Path, contents: list[bytes]) -> None:
        from graft.serving.http.metrics import Metrics
        from graft.serving.http.runners import OpenVino, throughput
        from graft.serving.http.served import load
        from graft.serving.http.settings import Limits

        self.served = load(file.stem, file, limits=Limits(), metrics=Metrics())
        self.runner, exported = self.served.runner, self.served.exported
        print(f"runtime: {self.served.why}")
        # Texts of like length beside each other, so that a batch pads little: a server takes them as they come.
        self.contents = sorted(contents, key=len) if exported.varies else contents
        found = [self.runner]
        if self.runner.name.startswith("openvino"):
            precision = self.runner.name.partition(" ")[2]
            found += [OpenVino(exported, precision, batch) for batch in ((1, 8, 32) if exported.varies else (1, 4, 8))]
        rates = [statistics.median(throughput(one, exported.noise(), 0.3) for _ in range(3)) for one in found]
        self.best = found[int(np.argmax(rates))]
        told = ", ".join(f"{one.batch}: {rate:.0f}" for one, rate in zip(found, rates, strict=True))
        print(f"inputs/s by batch: {told}; the best batch is {self.best.batch}")
        size = self.best.batch
        self.ready = [self.taken(range(start, start + size)) for start in range(0, max(1, len(contents) - size), size)]

    def taken(self, numbers: range) -> np.ndarray:
        """Return inputs as the network takes them."""
        from graft.serving.http.lengths import padded
        from graft.serving.http.served import Input

        contents = [self.contents[one % len(self.contents)] for one in numbers]
        arrays = [self.served.fitted(Input(content=one), 0, 1).array for one in contents]
        return padded(arrays, self.served.preprocess.shape) if self.served.exported.varies else np.stack(arrays)

    def alone(self) -> list[float]:
        """Return the seconds of decoding and running single inputs, one after another."""
        times = []
        for number in range(320):
            start = time.perf_counter()
            self.runner.run(self.taken(range(number, number + 1)))
            times.append(time.perf_counter() - start)
        return times[20:]

    def rate(self, seconds: float, *, decoding: bool) -> float:
        """Return inputs a second at the best batch on all cores, one more thread decoding than the runtime runs."""
        threads, batch = self.best.lanes + decoding, self.best.batch
        start = time.perf_counter()

        def turn(place: int) -> int:
            count = 0
            while time.perf_counter() - start < seconds:
                turns = count // batch + place * len(self.ready) // threads
                first = batch * (turns % len(self.ready))
                self.best.run(self.taken(range(first, first + batch)) if decoding else self.ready[first // batch])
                count += batch
            return count

        with ThreadPoolExecutor(threads) as pool:
            return sum(pool.map(turn, range(threads))) / (time.perf_counter() - start)


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


def compare(bare: Bare, port: int, requests: list[bytes], rounds: int) -> None:
    """Print the server at 32 at once beside the bare runtime, measured in turn, so that a busy machine hits both."""
    import psutil

    me = psutil.Process()
    rows = []
    for _ in range(rounds):
        network, whole = bare.rate(WINDOW, decoding=False), bare.rate(WINDOW, decoding=True)
        before, start = sum(me.cpu_times()[:2]), time.perf_counter()
        rate, _, bad = load(port, requests, 32, WINDOW)
        # The client's own share of the cores, which a client on another machine would leave to the server.
        share = (sum(me.cpu_times()[:2]) - before) / (time.perf_counter() - start) / (os.cpu_count() or 1)
        rows.append((network, whole, rate, rate / (1 - share), share, bad))
    table = np.array(rows)
    network, whole, rate, freed, share = (float(np.median(table[:, column])) for column in range(5))
    print(
        f"medians of {rounds} rounds of {WINDOW:g} s: bare network {network:.0f}/s, bare with decoding {whole:.0f}/s, "
        f"server at 32 {rate:.0f}/s, {freed:.0f}/s without the client's {100 * share:.0f} % of the cores; "
        f"failed {int(table[:, 5].sum())}"
    )
    for what, column in (("bare network", 0), ("bare with decoding", 1)):
        for name, own in (("server", 2), ("server, client apart", 3)):
            ratios = table[:, own] / table[:, column]
            low, middle, high = np.quantile(ratios, [0.0, 0.5, 1.0])
            print(f"{name} / {what}: {middle:.2f} ({low:.2f} to {high:.2f}, n = {rounds} rounds)")


def main() -> None:
    """Print the table."""
    import psutil

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="an ONNX file of `graft export`, of photos or texts")
    parser.add_argument(
        "inputs", type=Path, help="a folder with JPEG photos, also below, or a table with a column text"
    )
    parser.add_argument("--litserve", type=Path, help="the python of an environment with litserve and graft")
    parser.add_argument("--rounds", type=int, default=8, help="in which server and bare runtime take turns")
    asked = parser.parse_args()
    if asked.litserve and not asked.inputs.is_dir():
        parser.error("the application for LitServe takes photos: give a folder of them")
    contents = texts.contents(asked.inputs)
    requests = [(raw if asked.inputs.is_dir() else text)("/predict", one) for one in contents]
    words = [sys.executable, "-m", "graft", "serve", str(asked.file), "--no-key", "--port", str(PORT)]
    for start in ("first", "second"):
        server, ready = started(words, "Serving")
        print(f"{start} start: ready in {ready:.1f} s")
        if start == "first":
            stop(server)
    peers: list[subprocess.Popen[str]] = []
    try:
        bare = Bare(asked.file, contents)
        alone = bare.alone()
        own = measure("graft", PORT, requests)
        print(
            f"p99 of a single request / p99 of decoding and one call: {own[0] / float(np.percentile(alone, 99)):.2f} "
            f"(medians: decoding and one call {1e3 * statistics.median(alone):.1f} ms, n = {len(alone)})"
        )
        compare(bare, PORT, requests, asked.rounds)
        memory = psutil.Process(server.pid).memory_info().rss
        size = asked.file.stat().st_size
        print(f"resident after all this: {memory / 1e6:.0f} MB (the file has {size / 1e6:.0f})")
        if asked.litserve:
            home = Path(__file__).with_name("peers") / "litserve_app.py"
            forms = [form("/predict", one) for one in contents]
            for workers in (1, 2):
                port = PORT + workers
                words = [str(asked.litserve), str(home), str(asked.file), str(port), str(workers)]
                peers.append(started(words, "startup complete")[0])
                time.sleep(1)  # it says so before it listens
                theirs = measure(f"litserve {workers}", port, forms)
                # Its processes look for work all the time, on the cores that the other is measured on.
                stop(peers[-1])
                # Again right after it, since a busy machine hits both.
                own = measure("graft", PORT, requests)
                told = ", ".join(f"{crowd} at once {own[crowd] / theirs[crowd]:.2f}" for crowd in (1, 8, 32))
                print(f"graft / litserve with {workers} processes for the network: {told}")
    finally:
        for one in (server, *peers):
            stop(one)


if __name__ == "__main__":
    main()
