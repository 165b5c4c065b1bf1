"""From a model folder to the ONNX file that a server runs: exported once, by a process of its own, into the cache."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from graft import exemplars
from graft.doubt import kept
from graft.doubt.judging import Doubt
from graft.errors import ArtifactError, must
from graft.exemplars import Exemplars
from graft.places import cache_folder

MANIFEST = "graft.json"
NETWORK = "model.onnx"
SEAL = "model.sha256"
REPORT = "report.html"
KEPT = 8
"""Exported models that stay in the cache, those used last."""
SECONDS = 600


@dataclass(frozen=True)
class Source:
    """What is to be served under a name: a model folder, an exported file, or a folder with one."""

    name: str
    path: Path

    @property
    def folder(self) -> bool:
        """Whether it is a model folder, of which the network is still to be exported."""
        return (self.path / MANIFEST).is_file()

    @property
    def file(self) -> Path:
        """The file whose change is a new version."""
        if self.path.is_file():
            return self.path
        return self.path / (MANIFEST if self.folder else NETWORK)

    @property
    def report(self) -> Path | None:
        """The report of the fit, where there is one."""
        file = self.path / REPORT
        return file if file.is_file() else None

    def doubt(self, told: Mapping[str, Any]) -> Doubt | None:
        """Return what a model knows of what it does not know; None where it does not.

        It lies in the model folder, or beside an exported file, which says its hash: ``told`` is what the file says of
        itself. Raises ArtifactError where it is not the one that was written.
        """
        file = self._beside(kept.NAME, told)
        return None if file is None else kept.read(file)

    def exemplars(self, told: Mapping[str, Any]) -> Exemplars | None:
        """Return the training examples that a model keeps; None where it keeps none.

        Beside an exported file they may be left away: whoever serves it need not show them. Raises ArtifactError.
        """
        if not self.folder and not self._named(exemplars.NAME).exists():
            return None
        file = self._beside(exemplars.NAME, told)
        return None if file is None else exemplars.read(file)

    def _named(self, name: str) -> Path:
        return self.path / name if self.folder else self.file.with_name(f"{self.file.stem}.{name}")

    def _beside(self, name: str, told: Mapping[str, Any]) -> Path | None:
        """Return a file of the model, its hash compared; None where there is none. Raises ArtifactError."""
        do = "Restore the folder from where it came, or fit again" if self.folder else "Export the model again"
        file = self._named(name)
        try:
            wanted = self._wanted(name, told)
            if wanted is None:
                return None
            found = sha256(file.read_bytes()).hexdigest()
        except (OSError, ValueError) as error:
            raise ArtifactError(must("a model", f"whole, with its {file.name}", type(error).__name__, do)) from None
        if found != wanted:
            raise ArtifactError(must(f"the sha-256 of {file.name}", wanted[:12], found[:12], do))
        return file

    def _wanted(self, name: str, told: Mapping[str, Any]) -> str | None:
        """Return the hash of a file; None where there is none. Raises OSError, ValueError."""
        files = json.loads(self.file.read_text("utf-8")).get("files") if self.folder else told.get("files")
        found = files.get(name) if isinstance(files, dict) else None
        return found if isinstance(found, str) else None

    def stamp(self) -> tuple[int, int, int] | None:
        """Return what changes with the file; None where it is not there just now."""
        try:
            told = self.file.stat()
        except OSError:
            return None
        return told.st_mtime_ns, told.st_size, told.st_ino


def sources(words: list[str]) -> list[Source]:
    """Return what is to be served: ``folder`` under its own name, or ``name=folder``. Raises ArtifactError."""
    found: dict[str, Source] = {}
    for word in words:
        name, equals, place = word.partition("=")
        path = Path(place if equals else word)
        one = Source(name if equals else path.absolute().with_suffix("").name, path)
        do = "Give a folder that `graft fit --out` wrote, or a file of `graft export`"
        if not one.file.is_file():
            raise ArtifactError(must("MODEL", f"a folder with a {MANIFEST} or an ONNX file", str(path), do))
        if not one.name or any(not (letter.isalnum() or letter in "-_.") for letter in one.name):
            do = "Name it such as shoes=path/to/model"
            raise ArtifactError(must("the name of a model", "of letters, digits, - _ and .", repr(one.name), do))
        if one.name in found:
            do = f"Name one of them such as {one.name}-2={path}"
            raise ArtifactError(must("the name of a model", "given once", repr(one.name), do))
        found[one.name] = one
    return list(found.values())


def network(source: Source, say: Callable[[str], None]) -> Path:
    """Return the ONNX file of a source; that of a model folder is exported where the cache has it not.

    Raises ArtifactError where the folder is changed or cannot be exported.
    """
    if not source.folder:
        return source.file
    try:
        key = sha256(source.file.read_bytes()).hexdigest()
    except OSError as error:
        do = "Give a folder that can be read"
        raise ArtifactError(must(str(source.path), "a model folder", error.strerror, do)) from None
    home = cache_folder() / "serve" / key[:32]
    if not _whole(home):
        say(f"{source.name}: exporting it to ONNX, which is done once and may take a minute")
        start = time.perf_counter()
        _export(source.path, home)
        say(f"{source.name}: exported in {time.perf_counter() - start:.0f} s")
        _sweep(home)
    with suppress(OSError):
        os.utime(home)
    return home / NETWORK


def _whole(home: Path) -> bool:
    """Say whether an exported network is there as it was written."""
    try:
        told = (home / SEAL).read_text("ascii")
        state = sha256()
        for file in sorted(home.glob(f"{NETWORK}*")):
            state.update(file.read_bytes())
    except (OSError, ValueError):
        return False
    return told == state.hexdigest()


def _export(folder: Path, home: Path) -> None:
    """Export in another process: this one never imports torch."""
    work = home.with_name(f".{home.name}-{os.getpid()}")
    shutil.rmtree(work, ignore_errors=True)
    words = [sys.executable, "-m", "graft", "export", str(folder), "--format", "onnx", "--out", str(work / NETWORK)]
    try:
        work.mkdir(parents=True)
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=SECONDS)  # noqa: S603 - our own command
        if done.returncode or not (work / NETWORK).is_file():
            why = (done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
            do = "Try `graft export` on it"
            raise ArtifactError(must(str(folder), "a model that can be exported", f"this: {why}", do))
        state = sha256()
        for file in sorted(work.glob(f"{NETWORK}*")):
            state.update(file.read_bytes())
        (work / SEAL).write_text(state.hexdigest(), "ascii")
        shutil.rmtree(home, ignore_errors=True)
        work.rename(home)
    except (OSError, subprocess.TimeoutExpired) as error:
        do = "Free some space, or set GRAFT_CACHE to a folder that can be written"
        raise ArtifactError(must("the exported model", "written into the cache", error, do)) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _sweep(home: Path) -> None:
    """Remove the exported models that were not used for longest."""
    homes = [one for one in home.parent.iterdir() if one.is_dir() and not one.name.startswith(".")]
    for old in sorted(homes, key=lambda one: one.stat().st_mtime, reverse=True)[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
