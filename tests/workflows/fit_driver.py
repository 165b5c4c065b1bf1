"""Run by a test in a process of its own: forks children that run ``graft fit`` and kill themselves on the way."""

import contextlib
import io
import json
import os
import pkgutil
import shutil
import signal
import sys
import time
import traceback
from hashlib import sha256
from importlib import import_module
from pathlib import Path

import timm  # noqa: F401
import torch
from tensorboard.summary.writer import event_file_writer  # noqa: F401

import graft
from graft import api, cli
from graft.artifact import folder as artifact
from graft.cli import fit as command
from graft.selection.journal import Journal
from graft.training import checkpoint
from graft.types import Listener
from quick_fit import TUNE

# What every child would import otherwise.
for found in pkgutil.walk_packages(graft.__path__, "graft."):
    if not found.name.endswith("__main__"):
        import_module(found.name)


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def fit(photos, out, seed=0, listener=None):
    """Run the command line; return what must be the same again."""
    torch.set_num_threads(1)
    command.watching = lambda quiet: contextlib.nullcontext(listener or Listener())
    sys.argv = ["graft", "fit", photos, "--out", out, "--json", "--seed", str(seed), *TUNE]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        cli.main()
    return {**identity(out), "test": json.loads(printed.getvalue())["test"]}


def identity(out):
    manifest = api.show(out)
    notes = [note for rung in manifest["rungs"] for note in rung["notes"]]
    weights = sha256((Path(out) / "weights.safetensors").read_bytes()).hexdigest()
    return {"weights": weights, "taken up": any("taken up again" in note for note in notes)}


def listening(sentence="", progress=0, of=""):
    """A listener that dies at a sentence, or when so much is done of something."""

    def seen(what, done, total):
        if of in what and progress and done >= progress:
            die()

    def said(text):
        if sentence and sentence in text:
            die()

    return Listener(seen, said)


def after_epoch(number):
    def epoch(self, strategy, record):
        if record["epoch"] == number:
            die()

    Journal.epoch = epoch


def within_checkpoint(number):
    """Die between the tensors and the record that names them."""
    real, calls = checkpoint._durable, []

    def durable(part, final):
        calls.append(1)
        if len(calls) == number:
            die()
        real(part, final)

    checkpoint._durable = durable


def around_the_exchange(after):
    """Die just before or just after the new model takes the old one's place."""
    exchange = artifact._exchange
    artifact._exchange = lambda *folders: die(after and exchange(*folders))


def nothing():
    pass


POINTS = {
    "reading": ({"progress": 1, "of": "reading"}, nothing),
    "extraction begins": ({"progress": 1, "of": "to cut"}, nothing),
    "extraction goes on": ({"progress": 20, "of": "to cut"}, nothing),
    "probe done": ({"sentence": "linear_probe:"}, nothing),
    "activations at the cut": ({"progress": 15, "of": "partial"}, nothing),
    "in the first epoch": ({"progress": 1, "of": "training"}, nothing),
    "after the first epoch": ({}, lambda: after_epoch(1)),
    "after the second epoch": ({}, lambda: after_epoch(2)),
    "within a checkpoint": ({}, lambda: within_checkpoint(2)),
    "partial done": ({"sentence": "partial:"}, nothing),
    "model beside its place": ({}, lambda: around_the_exchange(False)),
    "model in its place": ({}, lambda: around_the_exchange(True)),
}


def forked(cache, function, *arguments, before=nothing, **settings):
    """Start a function in a child; return what waits for its result, None where it was killed."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.environ["GRAFT_CACHE"] = str(cache)
            before()
            found = function(*arguments, **settings)
            os.write(writing, json.dumps(found).encode())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(writing)

    def wait():
        with os.fdopen(reading, "rb") as pipe:
            content = pipe.read()
        _, status = os.waitpid(pid, 0)
        if os.WIFSIGNALED(status):
            return None
        return json.loads(content) if content else {"failed": os.waitstatus_to_exitcode(status)}

    return wait


def kills(photos, base):
    """Kill a fit at many points, over an older model; look at that one; then run again."""
    whole = forked(base / "whole-cache", fit, photos, str(base / "whole"))()
    older = forked(base / "older-cache", fit, photos, str(base / "older"), seed=1)()
    found = {"whole": whole, "older": older, "points": {}}
    for name, (words, before) in POINTS.items():
        home = base / name.replace(" ", "-")
        shutil.copytree(base / "older", home / "model")
        run = (home / "cache", fit, photos, str(home / "model"))
        died = forked(*run, before=before, listener=listening(**words))() is None
        found["points"][name] = {
            "died": died,
            "left": identity(home / "model"),
            "again": forked(*run)(),
        }
    return found


def together(photos, base):
    """Three fits at once on one cache: two of the same recipe, one of another seed; and each of them alone."""
    cache = base / "cache"
    waiting = []
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        waiting.append(forked(cache, fit, photos, str(base / name), seed=seed))
        time.sleep(0.05)
    both = [wait() for wait in waiting]
    alone = [forked(base / f"alone-{seed}", fit, photos, str(base / f"alone{seed}"), seed=seed)() for seed in (0, 1)]
    left = [str(one.relative_to(cache)) for one in cache.glob("runs/*")]
    return {"together": both, "alone": alone, "left": left}


if __name__ == "__main__":
    source, home = sys.argv[1], Path(sys.argv[2])
    print(json.dumps({"kills": kills(source, home / "kills"), "together": together(source, home / "together")}))
