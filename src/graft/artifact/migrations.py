"""From older formats of graft.json to today's, one function a step; the number rises with every change of shape."""

from collections.abc import Callable
from typing import Any

FORMAT = 1

STEPS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""``STEPS[n]`` turns a manifest of format n into one of format n + 1."""


def migrate(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest in today's format."""
    for number in range(int(manifest["format"]), FORMAT):
        manifest = {**STEPS[number](manifest), "format": number + 1}
    return manifest
