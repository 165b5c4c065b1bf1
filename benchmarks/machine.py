"""The machine in one line: figures mean nothing without it, and little while others use it."""

import os
import platform
import resource
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

PACKAGES = ("torch", "openvino", "onnxruntime", "timm")


def line() -> str:
    """Return processor, cores, memory, load and versions; a load that spoils timings is said so."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    busy = " - busy: timings are noise" if load > 0.3 * cores() else ""
    memory = psutil.virtual_memory().total / 2**30
    here = ", ".join([f"Python {platform.python_version()}", *(f"{name} {_version(name)}" for name in PACKAGES)])
    return f"{processor()}, {cores()} cores, {memory:.0f} GiB, load {load:.1f}{busy}; {here}"


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """Return the processor's name; clouds hide some of them, so its fast number formats are named too."""
    info = Path("/proc/cpuinfo")
    told = info.read_text("utf-8", "replace") if info.is_file() else ""
    name = next((one.partition(":")[2].strip() for one in told.splitlines() if one.startswith("model name")), "")
    fast = [word for word in ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_int8") if f" {word}" in told]
    return f"{name or platform.processor() or platform.machine()} ({' '.join(fast)})" if fast else name


def peak_bytes() -> int:
    """Return the most memory that this process has held, in bytes.

    Linux hands a child its parent's peak in ``getrusage``; ``VmHWM`` is the process's own.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for one in status.read_text("utf-8").splitlines():
            if one.startswith("VmHWM:"):
                return 1024 * int(one.split()[1])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
