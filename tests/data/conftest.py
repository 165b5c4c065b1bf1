"""Folders of tiny pictures, and the real data where they lie beside the checkout."""

from collections.abc import Callable
from pathlib import Path

import pytest
from data_pictures import picture

REAL = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[dict[str, bytes | int | None]], Path]:
    """Return a maker of folders from {path: bytes, or the seed of a picture, or None for an empty folder}."""

    def make(files: dict[str, bytes | int | None]) -> Path:
        for name, content in files.items():
            path = tmp_path / "photos" / name
            if content is None:
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture(content) if isinstance(content, int) else content)
        return tmp_path / "photos"

    return make


@pytest.fixture
def real() -> Path:
    """Return the folder of the real data sets."""
    if not REAL.is_dir():
        pytest.skip(f"{REAL} is absent")
    return REAL
