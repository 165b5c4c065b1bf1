"""The server under attack and overload: every part prints a line and says whether it held. Needs the extra ``serve``.

``python -m benchmarks.siege model.onnx photos/ --minutes 10 --mutations 10000 --connections 10000`` is the whole of it;
in the place of the folder of photos a table of texts will do.
"""

import argparse
import asyncio
import json
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import psutil

from benchmarks import mutations
from benchmarks.texts import contents

PATIENCE = 40.0
"""Seconds after which a request counts as hanging: more than twice what any of the server's limits takes."""
NEAR = 0.05
"""Probabilities of batches in bfloat16 may differ by this much from those of single ones."""


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    """0 where the connection was closed without an answer."""
    head: bytes
    body: bytes


@dataclass
class Target:
    """A server that is to be attacked."""

    port: int
    key: str | None
    name: str
    process: psutil.Process
    texts: bool = False
    """Whether it takes texts, not photos."""

    def post(self, content: bytes, path: str = "/predict") -> bytes:
        """Return a request with one input."""
        kind = "application/json" if self.texts else "image/jpeg"
        content = json.dumps({"text": content.decode()}).encode() if self.texts else content
        key = f"Authorization: Bearer {self.key}\r\n" if self.key else ""
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{key}Content-Type: {kind}\r\n"
        return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content

    async def ask(self, request: bytes, patience: float = PATIENCE) -> Reply:
        """Return the answer to one request on a connection of its own. Raises TimeoutError for one that hangs."""
        async with asyncio.timeout(patience):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(request)
                return await read(reader)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                return Reply(0, b"", b"")
            finally:
                writer.close()

    def memory(self) -> float:
        """Return the resident megabytes of the process and those below it."""
        return sum(one.memory_info().rss for one in (self.process, *self.process.children(recursive=True))) / 1e6


async def read(reader: asyncio.StreamReader) -> Reply:
    """Return one answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    size = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    body = await reader.readexactly(int(size)) if size else b""
    return Reply(int(head.split(b" ", 2)[1]), head, body)


@contextmanager
def served(model: Path, *more: str, texts: bool = False) -> Iterator[Target]:
    """Start a server in a process of its own; it is stopped at the end."""
    words = [sys.executable, "-m", "graft", "serve", f"net={model}", "--port", "0", "--json", *more]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        told = json.loads(process.stdout.readline())
        port = int(told["address"].rstrip("/").rpartition(":")[2])
        yield Target(port, told["key"], "net", psutil.Process(process.pid), texts)
    finally:
        process.terminate()
        process.wait(60)


def offline(model: Path, inputs: list[bytes]) -> list[dict[str, float]]:
    """Return the probabilities of each photo's most probable classes, without a server."""
    from graft.serving.http.metrics import Metrics
    from graft.serving.http.served import Input, Outcome, load
    from graft.serving.http.settings import Limits

    one = load("net", model, limits=Limits(), metrics=Metrics())
    found = []
    for content in inputs:
        (outcome,) = one.work([Input(content)])
        assert isinstance(outcome, Outcome)
        found.append({top["label"]: top["probability"] for top in one.answer(outcome)["top"]})
    one.close()
    return found


def right(reply: Reply, wanted: dict[str, float]) -> bool:
    """Say whether an answer is the offline one, but for the roundings of batches."""
    (told,) = json.loads(reply.body)["predictions"]
    return abs(told["probability"] - wanted.get(told["label"], -1.0)) <= NEAR


async def capacity(target: Target, inputs: list[bytes], seconds: float) -> float:
    """Return how many requests a second are answered when 16 clients wait for each answer."""
    until, count = time.perf_counter() + seconds, 0

    async def client(number: int) -> None:
        nonlocal count
        while time.perf_counter() < until:
            reply = await target.ask(target.post(inputs[(number + count) % len(inputs)]))
            count += reply.status == 200

    await asyncio.gather(*(client(number) for number in range(16)))
    return count / seconds


async def overload(target: Target, inputs: list[bytes], wanted: list[dict[str, float]], seconds: float) -> bool:
    """Ask twice as much as can be answered: all else is 503 with Retry-After, no answer is wrong, memory is flat."""
    rate = 2 * await capacity(target, inputs, min(5.0, seconds))
    statuses: Counter[int] = Counter()
    wrong = unsaid = 0
    memory: list[float] = []

    async def one(number: int) -> None:
        nonlocal wrong, unsaid
        try:
            reply = await target.ask(target.post(inputs[number % len(inputs)]))
        except TimeoutError:
            statuses[-1] += 1
            return
        statuses[reply.status] += 1
        if reply.status == 200:
            wrong += not right(reply, wanted[number % len(inputs)])
        elif reply.status == 503:
            unsaid += b"retry-after:" not in reply.head.lower()

    start, count, tasks = time.perf_counter(), 0, set[asyncio.Task[None]]()
    while (now := time.perf_counter() - start) < seconds:
        while count < now * rate:
            tasks.add(asyncio.create_task(one(count)))
            count += 1
        tasks = {task for task in tasks if not task.done()}
        if len(memory) < now:
            memory.append(target.memory())
        await asyncio.sleep(0.005)
    await asyncio.gather(*tasks)
    quarter = max(1, len(memory) // 4)
    first, last = (float(np.median(part)) for part in (memory[quarter : 2 * quarter] or memory, memory[-quarter:]))
    held = set(statuses) <= {200, 503} and not wrong and not unsaid and last <= 1.1 * first and statuses[200] > 0
    print(
        f"overload: {seconds / 60:.1f} minutes at {rate:.0f} requests/s, n = {count:,}: {statuses[200]:,} answered, "
        f"{wrong} wrong, {statuses[503]:,} times 503 ({unsaid} without Retry-After), others "
        f"{sum(n for status, n in statuses.items() if status not in (200, 503))}; "
        f"memory {first:.0f} MB after a quarter, {last:.0f} MB at the end"
    )
    return held


async def leaving(target: Target, inputs: list[bytes], crowd: int = 32) -> bool:
    """Send SIGTERM while requests are half sent and others are worked on: each that was begun is answered."""
    begun = []
    for number in range(crowd):
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        request = target.post(inputs[number % len(inputs)])
        writer.write(request[: len(request) if number % 2 else -10])
        begun.append((reader, writer, b"" if number % 2 else request[-10:]))
    # Until the server has read the heads; what has not reached it is not accepted.
    await asyncio.sleep(1.0)
    more = [asyncio.create_task(target.ask(target.post(inputs[0]))) for _ in range(crowd)]
    await asyncio.sleep(0.02)
    target.process.send_signal(signal.SIGTERM)
    answered = 0
    for reader, writer, rest in begun:
        writer.write(rest)
        async with asyncio.timeout(PATIENCE):
            answered += (await read(reader)).status == 200
        writer.close()
    await asyncio.wait(more)
    late = Counter(0 if one.exception() else one.result().status for one in more)
    ended = target.process.wait(40) is not None or not target.process.is_running()
    print(f"SIGTERM: {answered} of {crowd} begun requests answered; sent just before it: {dict(late)}; ended: {ended}")
    return answered == crowd and ended and set(late) <= {0, 200, 503}


async def killed(target: Target, inputs: list[bytes]) -> bool:
    """Kill the worker: another takes its place."""
    before = target.process.children()
    before[0].kill()
    start = time.perf_counter()
    reply = Reply(0, b"", b"")
    while reply.status != 200 and time.perf_counter() - start < 60:
        try:
            reply = await target.ask(target.post(inputs[0]), 30)
        except (TimeoutError, OSError):
            await asyncio.sleep(0.1)
    fresh = {one.pid for one in target.process.children()} - {one.pid for one in before}
    print(f"SIGKILL of the worker: answered again after {time.perf_counter() - start:.1f} s by another: {bool(fresh)}")
    return reply.status == 200 and bool(fresh)


async def mutated(target: Target, inputs: list[bytes], count: int, seed: int = 0) -> bool:
    """Send so many changed requests: no 500, none that hangs."""
    statuses: Counter[int] = Counter()
    bad: list[tuple[str, bytes]] = []
    waiting = islice(mutations.requests(inputs, target.name, target.key, seed), count)

    async def client() -> None:
        for kind, request in waiting:
            try:
                status = (await target.ask(request)).status
            except TimeoutError:
                status = -1
            statuses[status] += 1
            if (status >= 500 and status != 503) or status == -1:
                bad.append((kind, request))

    await asyncio.gather(*(client() for _ in range(64)))
    alive = (await target.ask(target.post(inputs[0]))).status == 200
    told = ", ".join(f"{'closed' if status == 0 else status}: {n}" for status, n in sorted(statuses.items()))
    print(f"mutations: n = {count:,}: {told}; failures {len(bad)}; alive: {alive}")
    for kind, request in bad[:3]:
        print(f"  {kind}: {request[:300]!r}")
    return not bad and alive


async def crowded(target: Target, inputs: list[bytes], count: int) -> bool:
    """Open so many connections that say nothing or half a head: others are answered, and the idle are cut off."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(count, hard - 200)
    before = target.memory()
    held: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    refused = 0
    for place in range(0, count, 100):
        some = await asyncio.gather(
            *(asyncio.open_connection("127.0.0.1", target.port) for _ in range(min(100, count - place))),
            return_exceptions=True,
        )
        for one in some:
            if isinstance(one, BaseException):
                refused += 1
                continue
            one[1].write(b"POST /predict HTTP/1.1\r\nHost: 127" if len(held) % 2 else b"")
            held.append(one)
    during = target.memory()
    start = time.perf_counter()
    reply = await target.ask(target.post(inputs[0]))
    took = time.perf_counter() - start
    async with asyncio.timeout(90):
        await asyncio.gather(*(reader.read() for reader, _ in held), return_exceptions=True)
    for _, writer in held:
        writer.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    print(
        f"connections: {len(held):,} open at once, {refused} refused; another was answered {reply.status} in "
        f"{took:.2f} s; all cut off after {time.perf_counter() - start:.0f} s; memory {before:.0f} -> {during:.0f} MB"
    )
    return reply.status == 200 and refused == 0


async def slow(target: Target, inputs: list[bytes], crowd: int) -> bool:
    """Have clients send a byte now and then: they are cut off, and others are answered meanwhile."""

    async def drip() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        request = target.post(inputs[0])
        begun = len(request) - len(inputs[0]) // 2
        writer.write(request[:begun])
        # So that a short one, too, would take longer than the server has patience.
        pause = max(0.2, PATIENCE / (len(request) - begun))

        async def more() -> None:
            for place in range(begun, len(request)):
                writer.write(request[place : place + 1])
                await asyncio.sleep(pause)

        task = asyncio.create_task(more())
        try:
            async with asyncio.timeout(PATIENCE):
                return (await read(reader)).status
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError):
            return 0
        finally:
            task.cancel()
            writer.close()

    drips = [asyncio.create_task(drip()) for _ in range(crowd)]
    await asyncio.sleep(0.3)
    start = time.perf_counter()
    reply = await target.ask(target.post(inputs[0]))
    took = time.perf_counter() - start
    statuses = Counter(await asyncio.gather(*drips))
    print(f"slow clients: {crowd}: {dict(statuses)}; another was answered {reply.status} in {took:.2f} s meanwhile")
    return set(statuses) == {408} and reply.status == 200


def main() -> int:
    """Run all parts; the exit code is 1 where one did not hold."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path, help="an ONNX file of `graft export`, of photos or texts")
    parser.add_argument(
        "inputs", type=Path, help="a folder with JPEG photos, also below, or a table with a column text"
    )
    parser.add_argument("--minutes", type=float, default=1.0, help="of overload")
    parser.add_argument("--mutations", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    inputs, texts = contents(asked.inputs), not asked.inputs.is_dir()
    wanted = offline(asked.model, inputs)
    held = {}
    with served(asked.model, "--queue", "64", texts=texts) as target:
        held["overload"] = asyncio.run(overload(target, inputs, wanted, 60 * asked.minutes))
        held["mutations"] = asyncio.run(mutated(target, inputs, asked.mutations, asked.seed))
        held["connections"] = asyncio.run(crowded(target, inputs, asked.connections))
        held["slow clients"] = asyncio.run(slow(target, inputs, 50))
        held["SIGTERM"] = asyncio.run(leaving(target, inputs))
    with served(asked.model, "--workers", "1", texts=texts) as target:
        held["SIGKILL"] = asyncio.run(killed(target, inputs))
    print("held: " + ", ".join(f"{name} {'yes' if good else 'NO'}" for name, good in held.items()))
    return 0 if all(held.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
