"""Who is using a shelf: a shared lock that the kernel gives back when a process dies, so that eviction spares it."""

import os
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows, where open files cannot be removed anyway
    fcntl = None  # type: ignore[assignment]

NAME = "lock"
NONE = -1


def share(folder: Path) -> int:
    """Mark a shelf as in use; return what ``release`` takes. A folder that cannot be locked is used without."""
    number = _take(folder, exclusive=False)
    return NONE if number is None else number


def seize(folder: Path) -> int | None:
    """Take a shelf that nobody uses, for removal; None where somebody does."""
    return _take(folder, exclusive=True)


def _take(folder: Path, *, exclusive: bool) -> int | None:
    """Return the open lock file, None where another holds it, NONE where the disk knows no locks."""
    if fcntl is None:
        return NONE
    how = fcntl.LOCK_EX | fcntl.LOCK_NB if exclusive else fcntl.LOCK_SH
    for _ in range(100):
        try:
            number = os.open(folder / NAME, os.O_CREAT | os.O_RDWR, 0o644)
        except OSError:
            return NONE
        try:
            fcntl.flock(number, how)
            # Between opening and locking, an eviction may have removed this very file.
            if os.fstat(number).st_ino == (folder / NAME).stat().st_ino:
                return number
        except FileNotFoundError:
            with suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            os.close(number)
            return None if isinstance(error, BlockingIOError) else NONE
        os.close(number)
    return None


def release(number: int) -> None:
    """Give a lock back."""
    if number != NONE:
        os.close(number)
