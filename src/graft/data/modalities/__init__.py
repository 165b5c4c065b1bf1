"""What tells the files of one modality from others, one file each; the readers ask here and nowhere else."""

from collections.abc import Iterable
from functools import cache
from os import PathLike
from os.path import splitext

from graft.data.modalities._base import Modality
from graft.registry import Registry

REGISTRY: Registry[Modality] = Registry(__name__, "modality", Modality)
HEAD_BYTES = 64


@cache
def _all() -> dict[str, type[Modality]]:
    return {name: REGISTRY.get(name) for name in REGISTRY.names()}


@cache
def _by_suffix() -> dict[str, str]:
    return {suffix: name for name, one in _all().items() for suffix in one.suffixes}


def by_name(name: str) -> str | None:
    """Return the modality that a file's name promises, or None: ``a.JPG`` -> ``image``."""
    return _by_suffix().get(splitext(name)[1].lower())  # noqa: PTH122 - as below


def by_content(path: str | PathLike[str]) -> str | None:
    """Return the modality that a file's first bytes show, or None; also None where it cannot be opened."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a Path for each of 100,000 names would cost more than the read
            return by_head(file.read(HEAD_BYTES))
    except (OSError, ValueError):
        return None


def of_file(name: str, path: str | PathLike[str]) -> str | None:
    """Return the modality of a file: by its name, or by its first bytes where no name or only words tell."""
    named = by_name(name)
    if named is None or is_written(named):
        return by_content(path) or named
    return named


def by_head(head: bytes) -> str | None:
    """Return the modality of a file that begins with these bytes, or None."""
    return next((name for name, one in _all().items() if one.recognises(head)), None)


@cache
def written() -> str | None:
    """Return the modality whose inputs stand as words in a cell, or None."""
    return next((name for name, one in _all().items() if one.written), None)


@cache
def is_written(name: str) -> bool:
    """Say whether inputs of the modality may be given as words. Raises UnknownNameError."""
    return REGISTRY.get(name).written


def plural(names: Iterable[str] = ()) -> str:
    """Return what files of these modalities (default: all that are known) are called: ``images``."""
    return " or ".join(REGISTRY.get(name).plural for name in (names or REGISTRY.names()))


__all__ = [
    "HEAD_BYTES",
    "REGISTRY",
    "Modality",
    "by_content",
    "by_head",
    "by_name",
    "is_written",
    "of_file",
    "plural",
    "written",
]
