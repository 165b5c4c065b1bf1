"""Processes that answer behind one address, and the one that watches them: a worker that dies is replaced."""

import json
import logging
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from graft.errors import GraftError, SettingError, must
from graft.serving.http.keys import Keys
from graft.serving.http.prepare import network, sources
from graft.serving.http.settings import GRACE, Limits, Place
from graft.serving.http.start import loaded, opened, tell

LOG = logging.getLogger("graft.serve")
PATHS = ("certificate", "private_key", "key_file", "keep")
SOON = 10.0
"""A worker that dies sooner than these seconds after it was ready is replaced ever later."""
LATEST = 30.0
Event = tuple[str, "Worker | None", Any]


@dataclass
class Worker:
    """One process, which dies with the one that watches it: it ends when its standard input does."""

    process: subprocess.Popen[str]
    events: "queue.SimpleQueue[Event]"
    began: float = field(default_factory=time.monotonic)
    ready: bool = False

    def listen(self) -> None:
        """Pass on what the worker says, and its end."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with suppress(ValueError):
                self.events.put(("ready", self, json.loads(line)))
        self.events.put(("end", self, self.process.wait()))


def supervise(
    models: Sequence[str],
    place: Place,
    count: int,
    *,
    runtime: str,
    say: Callable[[str], None],
    ready: Callable[[dict[str, Any]], None] | None,
) -> None:
    """Serve models by ``count`` processes until a signal comes. Raises SettingError, ArtifactError."""
    keys, key, bound = opened(place)
    for source in sources(list(models)):
        # Once, not once a worker.
        network(source, say)
    order = {
        "models": list(models),
        "place": {name: str(one) if isinstance(one, Path) else one for name, one in asdict(place).items()},
        "runtime": runtime,
        "hashes": list(keys.hashes) if keys else None,
    }
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING, stream=sys.stderr)
    LOG.setLevel(logging.INFO)
    events: queue.SimpleQueue[Event] = queue.SimpleQueue()
    before = {one: signal.signal(one, lambda *_: events.put(("leave", None, None))) for one in _signals()}
    crew = Crew(order, bound, events)
    try:
        crew.run(count, lambda versions: tell(place, bound, key, versions, say=say, ready=ready))
    finally:
        bound.close()
        crew.end()
        for one, handler in before.items():
            signal.signal(one, handler)


class Crew:
    """The workers of a server."""

    def __init__(self, order: dict[str, Any], bound: socket.socket, events: "queue.SimpleQueue[Event]") -> None:
        self.order, self.bound, self.events = order, bound, events
        self.workers: list[Worker] = []
        self.wait = 0.0

    def run(self, count: int, tell: Callable[[dict[str, str]], None]) -> None:
        """Start them, and replace those that die, until a signal comes; ``tell`` is called once all are ready.

        Raises SettingError where one never becomes ready: what it said itself stands above.
        """
        told = False
        for _ in range(count):
            self.start()
        while True:
            kind, worker, what = self.events.get()
            if kind == "leave":
                return
            if kind == "start":
                self.start()
            elif kind == "ready" and worker is not None:
                worker.ready, worker.began = True, time.monotonic()
                if not told and all(one.ready for one in self.workers):
                    told = True
                    tell(what["models"])
            elif kind == "end" and worker is not None:
                self.workers.remove(worker)
                if not told:
                    raise SettingError(must("a worker", "ready to answer", f"exit code {what}", "See what it said"))
                self.replaced(worker, what)

    def start(self) -> None:
        """Start one."""
        process = subprocess.Popen(
            [sys.executable, "-m", "graft.serving.http.workers"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=[self.bound.fileno()],
        )
        one = Worker(process, self.events)
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps({**self.order, "socket": self.bound.fileno()}) + "\n")
            process.stdin.flush()
        self.workers.append(one)
        threading.Thread(target=one.listen, daemon=True).start()

    def replaced(self, worker: Worker, code: int) -> None:
        """Start another in the place of one that died; later and later where they die at once."""
        why = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        early = not worker.ready or time.monotonic() - worker.began < SOON
        self.wait = min(LATEST, max(0.5, 2 * self.wait)) if early else 0.0
        LOG.warning("a worker died (%s); another takes its place in %.1f s", why, self.wait)
        timer = threading.Timer(self.wait, self.events.put, [("start", None, None)])
        timer.daemon = True
        timer.start()

    def end(self) -> None:
        """Have them answer what they were asked, and wait until they have."""
        for one in self.workers:
            one.process.terminate()
        until = time.monotonic() + GRACE + 5
        for one in self.workers:
            try:
                one.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                one.process.kill()


def _signals() -> tuple[signal.Signals, ...]:
    return (signal.SIGINT, signal.SIGTERM)


def work() -> int:
    """Answer as the watching process has it on standard input, until it or a signal ends this."""
    order = json.loads(sys.stdin.readline())
    plain: dict[str, Any] = {name: Path(one) if name in PATHS and one else one for name, one in order["place"].items()}
    place = Place(**{**plain, "limits": Limits(**plain["limits"])})
    bound = socket.socket(fileno=order["socket"])
    keys = Keys(tuple(order["hashes"])) if order["hashes"] is not None else None

    def orphaned() -> None:
        sys.stdin.read()
        os.kill(os.getpid(), signal.SIGTERM)

    def say(sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)

    try:
        house = loaded(order["models"], place, runtime=order["runtime"], say=say)
    except GraftError as error:
        say(str(error))
        return 1
    threading.Thread(target=orphaned, daemon=True).start()
    print(json.dumps({"models": {one.name: one.version for one in house.models.values()}}), flush=True)
    from graft.serving.http.answering import answer

    answer(house, place, keys, bound)
    return 0


if __name__ == "__main__":
    sys.exit(work())
