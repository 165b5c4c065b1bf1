"""Where Graft keeps what it can compute again."""

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """Return where caches go: GRAFT_CACHE, else XDG_CACHE_HOME/graft, else the system's usual place."""
    if named := os.environ.get("GRAFT_CACHE"):
        return Path(named).expanduser()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base).expanduser() / "graft"
    return Path(platformdirs.user_cache_dir("graft", appauthor=False))
