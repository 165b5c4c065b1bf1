"""Every error that Graft raises on purpose; each is also the builtin that a caller would expect.

GraftError
├── SettingError           (ValueError)        a setting has a value that cannot be used
├── UnknownNameError       (LookupError)       no backbone, strategy, head, ... of that name
├── DataError              (ValueError)        the data as a whole cannot be used
├── UnreadableInputError   (ValueError)        one input cannot be decoded; it is set aside
├── WeightsError           (ValueError)        weights are absent, changed, or of the wrong shape
├── ArtifactError          (ValueError)        a model folder is absent, changed, or too new
├── ContractError          (ValueError)        a compressed model loses more than it may
├── StoreError             (OSError)           the activation store cannot be written or read
├── LockedError            (PermissionError)   the test part was asked for a second time
├── NotInstalledError      (ImportError)       an extra package is needed
└── DivergenceError        (ArithmeticError)   training diverged at every rate that was tried
"""

from collections.abc import Iterable
from difflib import get_close_matches


class GraftError(Exception):
    """Base of all errors that Graft raises on purpose; its text is one clear message for a person."""


class SettingError(GraftError, ValueError):
    """A setting has a value that cannot be used."""


class UnknownNameError(GraftError, LookupError):
    """A name that no registry or catalogue knows."""


class DataError(GraftError, ValueError):
    """The data as a whole cannot be used."""


class UnreadableInputError(GraftError, ValueError):
    """One input cannot be decoded; callers set it aside and go on."""


class WeightsError(GraftError, ValueError):
    """Pretrained weights are absent, changed, or of the wrong shape."""


class ArtifactError(GraftError, ValueError):
    """A model folder is absent, changed, or written by a newer Graft."""


class ContractError(GraftError, ValueError):
    """A compressed model loses more on the locked test items than it may."""


class StoreError(GraftError, OSError):
    """The activation store cannot be written or read."""


class LockedError(GraftError, PermissionError):
    """The test part was asked for a second time."""


class NotInstalledError(GraftError, ImportError):
    """A package that only an extra brings is needed."""


class DivergenceError(GraftError, ArithmeticError):
    """Training diverged at every learning rate that was tried."""


def must(what: str, wanted: str, got: object, do: str) -> str:
    """Return the one form that Graft's messages have: ``X must be A. Got B. Do C.``."""
    return f"{what} must be {wanted}. Got {got}. {do.rstrip('.')}{'' if do.endswith('?') else '.'}"


def unknown_name(kind: str, name: str, known: Iterable[str], list_command: str) -> UnknownNameError:
    """Return the error for an unknown name, with the nearest known names suggested."""
    known = sorted(known)
    # ``epocs`` is near ``optimisation.epochs`` by its last part alone.
    last = {one.rpartition(".")[2]: one for one in known}
    close = get_close_matches(name, {*known, *last}, n=3, cutoff=0.5)
    near = list(dict.fromkeys(one if one in known else last[one] for one in close))
    if near:
        do = f"Did you mean {' or '.join(repr(one) for one in near)}? `{list_command}` lists all"
    elif len(known) <= 12:
        do = f"Take one of {', '.join(known)}"
    else:
        do = f"`{list_command}` lists all {len(known)}"
    return UnknownNameError(must(kind, "a known name", repr(name), do))
