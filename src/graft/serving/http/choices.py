"""Which runtime was the fastest on this machine, remembered, so that only a first start measures it."""

import json
import os
import platform
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from graft.places import cache_folder

FORMAT = 2
KEPT = 64
"""Choices that stay, those used last."""


@dataclass(frozen=True)
class Choice:
    """How a network is to be run."""

    runtime: str
    """``openvino`` or ``onnxruntime``."""
    precision: str
    batch: int
    """The most inputs at once that make it faster."""
    why: str


def remembered(network: str, wish: str) -> Choice | None:
    """Return what was chosen for a network of this version; None where nothing was, or something else is installed."""
    try:
        found = Choice(**json.loads(_file(network, wish).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    known = found.runtime in ("openvino", "onnxruntime") and found.precision in ("bfloat16", "float32")
    return found if known and isinstance(found.batch, int) and 0 < found.batch <= 64 else None


def remember(network: str, wish: str, choice: Choice) -> None:
    """Keep a choice where the cache can be written."""
    file = _file(network, wish)
    work = file.with_name(f".{file.name}-{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        work.write_text(json.dumps(asdict(choice)), "utf-8")
        work.replace(file)
        for old in sorted(file.parent.glob("*.json"), key=lambda one: one.stat().st_mtime, reverse=True)[KEPT:]:
            old.unlink(missing_ok=True)
    except OSError:
        # A server in a container may have no place to write: it measures again at its next start.
        return


def _file(network: str, wish: str) -> Path:
    """Return where the choice for a network lies; the name holds all that it depends on."""
    facts = [FORMAT, network, wish, _processor(), os.cpu_count(), *map(_version, ("openvino", "onnxruntime"))]
    return cache_folder() / "serve" / "choices" / f"{sha256(json.dumps(facts).encode()).hexdigest()[:32]}.json"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("flags") or line.startswith("Features"):
                return sha256(line.encode()).hexdigest()
    except OSError:
        return platform.processor()
    return platform.processor()
