"""The files of a published network in the layout of the Hugging Face hub: a package, a folder, or the hub itself."""

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from graft.backbones._catalog import entries, package_of
from graft.backbones._weights import hub_file, no_weights, package_file
from graft.errors import GraftError, WeightsError, must

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
Find = Callable[[str], Path | None]
"""From the name of a file that belongs to a network to where it lies."""


def is_folder(name: str) -> bool:
    """Return whether the name is that of a folder with a ``config.json``."""
    return (Path(name).expanduser() / "config.json").is_file()


def in_folder(folder: Path) -> Find:
    """Return what finds the files of a folder."""
    return lambda file: folder / file if (folder / file).is_file() else None


def files_of(name: str, family: str) -> tuple[Find, str]:
    """Return what finds a network's files, and where they come from."""
    package = package_of(name, family)
    folder = package_file(package) if package else None
    source = f"package:{package.partition(':')[0]}" if package else ""
    if folder is None and is_folder(name):
        folder = Path(name).expanduser().absolute()
        source = f"folder:{folder}"
    if folder is not None:
        return in_folder(folder), source
    repository = str(entries().get(name, {}).get("hub", name))

    @cache
    def fetched(file: str) -> Path | None:
        try:
            return hub_file(repository, file, name)
        except GraftError:
            if file == "config.json":
                raise
            return None

    return fetched, f"hub:{repository}"


def required(find: Find, file: str, name: str) -> Path:
    """Return where a file lies that a network cannot do without. Raises WeightsError."""
    found = find(file)
    if found is None:
        raise WeightsError(must(f"the folder of {name}", f"one with a {file}", "none", "Give another folder"))
    return found


def json_of(file: Path) -> Any:
    """Return what a JSON file holds. Raises WeightsError."""
    try:
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(must(str(file), "a JSON file", str(error), "Fetch it again")) from error


def weight_files(find: Find, name: str) -> list[Path]:
    """Return the files that hold the weights: one, or the parts that an index names. Raises WeightsError."""
    for single in ("model.safetensors", "pytorch_model.bin"):
        if (file := find(single)) is not None:
            return [file]
        if (index := find(f"{single}.index.json")) is not None:
            parts = sorted(set(json_of(index)["weight_map"].values()))
            return [required(find, str(part), name) for part in parts]
    raise no_weights(name)
