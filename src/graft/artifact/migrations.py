"""From older formats of graft.json to today's, one function a step; the number rises with every change of shape."""

from collections.abc import Callable
from typing import Any

from graft.errors import ArtifactError, must

FORMAT = 3


def _beside(manifest: dict[str, Any]) -> dict[str, Any]:
    """From 1 to 2: what stands beside the network's features is listed, and no longer only said to be there."""
    if manifest.pop("joined", False):
        raise ArtifactError(
            must("The model", "one that this version can load", "a joined probe of format 1", "Fit again")
        )
    return {**manifest, "beside": {"features": []}}


def _doubt(manifest: dict[str, Any]) -> dict[str, Any]:
    """From 2 to 3: a model may say what it does not know; one of format 2 cannot."""
    return {**manifest, "doubt": None}


STEPS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _beside, 2: _doubt}
"""``STEPS[n]`` turns a manifest of format n into one of format n + 1."""


def migrate(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest in today's format."""
    for number in range(int(manifest["format"]), FORMAT):
        manifest = {**STEPS[number](manifest), "format": number + 1}
    return manifest
