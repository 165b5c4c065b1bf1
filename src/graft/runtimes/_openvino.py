"""OpenVINO's library, imported when it is asked for and without its telemetry; brings no torch."""

import sys
from functools import cache
from typing import Any


@cache
def library() -> Any:
    """Import OpenVINO without its telemetry, which otherwise sends an event as it is imported."""
    name = "openvino_telemetry"
    if name in sys.modules or "openvino" in sys.modules:
        import openvino

        return openvino
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        import openvino
    finally:
        del sys.modules[name]
    return openvino


@cache
def core() -> Any:
    """Return the one core of this process."""
    return library().Core()
