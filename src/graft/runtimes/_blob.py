"""Compiled networks on disk: one file each, written in one step, refused where a byte has changed."""

import os
import platform
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np

from graft.types import digest


@cache
def machine() -> str:
    """Return what decides how this machine computes: architecture, processor name and instruction sets, hashed."""
    info = Path("/proc/cpuinfo")
    told = [platform.machine(), platform.processor()]
    if info.exists():
        wanted = ("model name", "flags", "Features", "CPU part")
        lines = info.read_text("utf-8", "replace").split("\n\n", 1)[0].splitlines()
        told += [line for line in lines if line.startswith(wanted)]
    return digest(*told)[:16]


def blob_path(
    cache: Path,
    runtime: str,
    version: str,
    precision: str,
    example: np.ndarray,
    batch: int,
    *,
    axes: int = 0,
) -> Path:
    """Return the file for one compiled network: everything that it depends on, weights apart, is in its name."""
    shape = (*["any"] * axes, *example.shape[1 + axes :])
    rows = "any" if axes and batch > 1 else str(batch)
    about = digest(machine(), version, str(example.dtype), repr(shape), rows)
    return cache / f"{runtime}-{precision}-{about[:16]}.blob"


def load(path: Path) -> bytes | None:
    """Return what ``save`` wrote, or None where it is absent or changed."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return content[32:] if sha256(content[32:]).digest() == content[:32] else None


def save(path: Path, content: bytes) -> None:
    """Write a blob in one step, behind its sha-256. Raises OSError, and then leaves nothing behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(dir=path.parent, prefix=".blob-")
    try:
        with os.fdopen(number, "wb") as file:
            file.write(sha256(content).digest())
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
