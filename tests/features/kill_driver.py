"""Run by tests in a process of its own: forks children that extract, kill themselves, or fill one store together."""

import json
import os
import resource
import signal
import sys
import traceback
from hashlib import sha256
from pathlib import Path

import numpy as np
from tiny_backbone import backbone, examples

from graft import features
from graft.errors import StoreError

N = 60
RECORD = 4 * 4 * 4 * 2
WRITES = ((1, 0.0), (1, 0.4), (2, 0.4), (9, 0.4), (10, 0.4), (11, 1.0), (12, 0.0))
"""Of the calls of os.write, in turn: data, keys, and data and keys of the hashes."""


def extract(root, *, delay=0.0, views=2, n=N, progress=lambda *_: None):
    given, hashes = examples(n)
    store = features.Store(Path(root))
    found = features.extract(
        given,
        hashes,
        backbone=backbone(delay=delay),
        cut=1,
        views=views,
        augmentation="photos",
        runtime="torch:float32",
        also=("perceptual_hash",),
        store=store,
        progress=progress,
    )
    values = [found.activations.read(np.arange(n), view) for view in range(views)]
    hashed = sha256(np.stack(values).tobytes() + found.perceptual_hashes.tobytes()).hexdigest()
    return {"sha": hashed, "computed": found.computed, "reused": found.reused, "failed": len(found.failed)}


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def killed_in_progress(root, at):
    def progress(what, done, total):
        if done >= at:
            die()

    extract(root, progress=progress)


def killed_in_write(root, call, share):
    """Die in the given call of os.write, after a share of its bytes."""
    real, calls = os.write, []

    def write(number, content):
        calls.append(1)
        if len(calls) == call:
            real(number, bytes(content)[: int(len(content) * share)])
            die()
        return real(number, content)

    os.write = write
    extract(root)


def killed_in_choice(root):
    from graft.runtimes import _memory

    _memory.remember = lambda *_: die()
    extract(root)


def limited(root, size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    try:
        extract(root)
    except StoreError as error:
        return {"error": str(error)}
    return {"error": None}


def memory(root, n):
    """Extract and read n inputs of 12 kB each in random order; return the growth of the peak in bytes."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    given, hashes = examples(n)
    net = backbone(side=64)
    store = features.Store(Path(root), limit_bytes=10**9)
    found = features.extract(given, hashes, backbone=net, cut=0, store=store)
    order = np.random.default_rng(0).permutation(n)
    total = sum(int(found.activations.read(order[i : i + 32]).sum()) for i in range(0, n, 32))
    store.close()
    store = features.Store(Path(root), limit_bytes=10**9)
    again = features.extract(given, hashes, backbone=net, cut=0, store=store)
    assert total == sum(int(again.activations.read(order[i : i + 32]).sum()) for i in range(0, n, 32))
    return {"peak": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024, "computed": again.computed}


def forked(function, *arguments, **settings):
    """Start a function in a child; return what waits for its result, None where it was killed."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writing, json.dumps(function(*arguments, **settings)).encode())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(writing)

    def wait():
        with os.fdopen(reading, "rb") as pipe:
            content = pipe.read()
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
        return None if os.WIFSIGNALED(status) else json.loads(content)

    return wait


def kills(base):
    """Kill at many points, and run again each time."""
    whole = forked(extract, f"{base}/whole")()
    points = {
        "choice": (killed_in_choice,),
        "start": (killed_in_progress, 1),
        "middle": (killed_in_progress, N // 2),
        "end": (killed_in_progress, N),
        **{f"write {call} {share}": (killed_in_write, call, share) for call, share in WRITES},
    }
    found = {}
    for name, (function, *arguments) in points.items():
        root = f"{base}/{name.replace(' ', '-')}"
        died = forked(function, root, *arguments)() is None
        keys = sum(
            p.stat().st_size // 40
            for p in Path(root).glob("shelves/*/*.keys")
            if (p.parent / "shelf.json").exists() and "weights" in (p.parent / "shelf.json").read_text()
        )
        found[name] = {"died": died, "stored": keys, **forked(extract, root)()}
    return {"whole": whole, "points": found}


def together(base):
    """Two processes fill one store at once."""
    whole = forked(extract, f"{base}/whole", n=300)()
    waiting = [forked(extract, f"{base}/both", delay=0.004, n=300) for _ in range(2)]
    both = [wait() for wait in waiting]
    return {"whole": whole, "both": both, "after": forked(extract, f"{base}/both", n=300)()}


def flat(base):
    return {n: forked(memory, f"{base}/{n}", n)() for n in (1000, 10000)}


def full(base):
    root = f"{base}/full"
    stopped = forked(limited, root, 20 * RECORD + 7)()
    return {"stopped": stopped, "again": forked(extract, root)(), "whole": forked(extract, f"{base}/whole")()}


if __name__ == "__main__":
    print(json.dumps({"kills": kills, "together": together, "flat": flat, "full": full}[sys.argv[1]](sys.argv[2])))
