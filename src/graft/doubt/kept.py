"""``doubt.safetensors``: written and read with numpy alone; its layout stands in the docstring of ``graft.doubt``."""

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from graft.arrays import opened
from graft.doubt.judging import Calibration, Doubt, Reference
from graft.doubt.likeness import KINDS, Likeness, Mahalanobis, Nearest
from graft.doubt.promise import Promise
from graft.errors import ArtifactError, must

NAME = "doubt.safetensors"
FORMAT = 1


def told(doubt: Doubt) -> dict[str, Any]:
    """Return what the file's metadata and graft.json say of it, plain JSON."""
    found = {
        "format": FORMAT,
        "score": doubt.likeness.name,
        "form": doubt.form,
        "unlike": {
            "above": doubt.above if np.isfinite(doubt.above) else None,
            "share": doubt.share,
            "n": len(doubt.calibration.unlike),
        },
        "abstain": doubt.abstain.to_json() if doubt.abstain else None,
        "facts": dict(doubt.facts),
    }
    if isinstance(doubt.likeness, Nearest):
        found["neighbours"] = doubt.likeness.neighbours
    return found


def write(folder: Path, doubt: Doubt) -> Path:
    """Write the file into a folder and return its path."""
    arrays = {f"{doubt.likeness.name}.{name}": one for name, one in doubt.likeness.arrays().items()}
    if doubt.narrowing is not None:
        arrays["narrowing"] = doubt.narrowing
    for home, value in (("calibration", doubt.calibration), ("reference", doubt.reference)):
        parts = {one.name: getattr(value, one.name) for one in fields(value)}
        arrays |= {f"{home}.{name}": one for name, one in parts.items() if one is not None}
    file = folder / NAME
    metadata = {"doubt": json.dumps(told(doubt), allow_nan=False)}
    save_file({name: np.ascontiguousarray(one) for name, one in arrays.items()}, file, metadata)
    file.chmod(0o644)
    return file


def read(file: Path) -> Doubt:
    """Return what a file holds. Raises ArtifactError where it is none, of a newer format, or not whole."""
    do = "Restore the folder from where it came, or fit again"
    what = "a safetensors file of a model's doubts"
    plain, arrays = opened(file, "doubt", FORMAT, name=str(file), what=what, do=do)
    try:
        return _doubt(plain, arrays)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ArtifactError(must(str(file), "whole", f"one without {error}", do)) from None


def _doubt(plain: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Doubt:
    def under(home: str) -> dict[str, np.ndarray]:
        return {name.partition(".")[2]: value for name, value in arrays.items() if name.partition(".")[0] == home}

    kind = KINDS[plain["score"]]
    own = under(plain["score"])
    likeness: Likeness = Nearest(own["bank"], int(plain["neighbours"])) if kind is Nearest else Mahalanobis(**own)
    above, promised = plain["unlike"]["above"], plain["abstain"]
    return Doubt(
        likeness=likeness,
        above=float("inf") if above is None else float(above),
        share=float(plain["unlike"]["share"]),
        form=plain["form"],
        calibration=Calibration(**under("calibration")),
        reference=Reference(**under("reference")),
        narrowing=arrays.get("narrowing"),
        abstain=Promise.from_json(promised) if promised else None,
        facts=plain["facts"],
    )
