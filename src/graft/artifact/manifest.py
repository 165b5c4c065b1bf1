"""graft.json: what a model folder is, from what it was made and how it did; plain data with its own checksum."""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from graft.artifact.migrations import FORMAT, migrate
from graft.errors import ArtifactError, must

NAME = "graft.json"
REQUIRED = ("format", "task", "modality", "preprocess", "backbone", "cut", "head", "temperature", "files")
Manifest = dict[str, Any]


def canonical(data: Mapping[str, Any]) -> bytes:
    """Return the one byte form of JSON data that checksums are taken of."""
    return json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def seal(manifest: Mapping[str, Any]) -> Manifest:
    """Return the manifest as it is read again (lists for tuples), with its format number and checksum.

    Raises ValueError for what JSON cannot hold.
    """
    plain = {key: value for key, value in manifest.items() if key != "checksum"} | {"format": FORMAT}
    content = canonical(plain)
    return {**json.loads(json.dumps(plain)), "checksum": sha256(content).hexdigest()}


def write(folder: Path, manifest: Mapping[str, Any]) -> Manifest:
    """Seal the manifest and write it into the folder."""
    sealed = seal(manifest)
    text = json.dumps(sealed, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / NAME).write_text(text + "\n", "utf-8")
    return sealed


def read(folder: Path) -> Manifest:
    """Return the checked manifest of a model folder, migrated to today's format. Raises ArtifactError."""
    do = "Give a folder that `graft fit --out` wrote"
    file = folder / NAME
    if not file.is_file():
        raise ArtifactError(must("model", f"a folder with a {NAME}", str(folder), do))
    try:
        manifest = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        raise ArtifactError(must(str(file), "a JSON file", "something else: it was changed or cut off", do)) from None
    if not isinstance(manifest, dict):
        raise ArtifactError(must(str(file), "a JSON object", f"a {type(manifest).__name__}", do))
    version = manifest.get("format")
    if not isinstance(version, int) or version > FORMAT:
        do = "Install a newer graft-ml"
        raise ArtifactError(must(str(file), f"of format {FORMAT} or older", f"format {version!r}", do))
    told = manifest.pop("checksum", None)
    if told != _checksum(manifest):
        do = "Restore the folder from where it came, or fit again"
        raise ArtifactError(must(str(file), "unchanged since it was written", "another checksum", do))
    manifest = migrate(manifest)
    absent = [key for key in REQUIRED if key not in manifest]
    if absent:
        raise ArtifactError(must(str(file), "complete", f"no {', '.join(absent)}", do))
    return manifest


def _checksum(manifest: Manifest) -> str | None:
    try:
        return sha256(canonical(manifest)).hexdigest()
    except ValueError:  # a number that a changed byte made infinite, or half a character
        return None


def file_hash(file: Path) -> str:
    """Return the sha-256 of a file in hex, read in pieces."""
    state = sha256()
    with file.open("rb") as stream:
        while piece := stream.read(1 << 20):
            state.update(piece)
    return state.hexdigest()


def check_files(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Compare the hashes of the files that loading needs. Raises ArtifactError that names the changed one."""
    for name, told in manifest["files"].items():
        file = folder / name
        do = "Restore the folder from where it came, or fit again"
        if Path(name).name != name or not file.is_file():
            raise ArtifactError(must(str(file), "in the model folder", "nothing", do))
        if file_hash(file) != told:
            raise ArtifactError(must(str(file), "unchanged since it was written", "another sha-256", do))
