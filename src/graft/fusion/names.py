"""Which of the names that a person gave are columns of the table, and which are descriptors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from graft import data
from graft.errors import DataError, SettingError, must, unknown_name
from graft.preprocess import descriptors
from graft.types import Example

LIST = "graft list descriptors"


@dataclass(frozen=True)
class Named:
    """What is to stand beside the network's features."""

    columns: tuple[str, ...] = ()
    descriptors: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, columns first."""
        return (*self.columns, *self.descriptors)

    def __bool__(self) -> bool:
        """Whether anything was named."""
        return bool(self.columns or self.descriptors)


def named(names: Sequence[str], columns: Sequence[str], modality: str) -> Named:
    """Return what the names mean for a table with such further columns; a column goes before a descriptor.

    Raises SettingError for a name that is given twice, UnknownNameError with the nearest for one that is neither.
    """
    twice = next((one for one in names if names.count(one) > 1), None)
    if twice is not None:
        raise SettingError(must("--with (beside in Python)", "names that differ", f"{twice!r} twice", "Leave one out"))
    known = descriptors.of_modality(modality)
    for name in names:
        if name not in columns and name not in known:
            what = f"--with for {modality}: a further column or a descriptor"
            raise unknown_name(what, name, (*columns, *known), LIST)
    return Named(tuple(one for one in names if one in columns), tuple(one for one in names if one not in columns))


def filled(examples: Sequence[Example], values: Mapping[str, object], columns: Sequence[str]) -> tuple[Example, ...]:
    """Return the examples with values for the columns that they come without.

    Raises UnknownNameError for a value of a column that the model does not take, SettingError where it takes none.
    """
    for name in values:
        if not columns:
            raise SettingError(must("--with-value (values in Python)", "left out", name, "The model takes no columns"))
        if name not in columns:
            raise unknown_name("--with-value: a column that the model takes", name, columns, "graft show")
    given = {name: data.cells_of(name, [value])[0] for name, value in values.items()}
    return tuple(replace(one, columns={**given, **one.columns}) if given else one for one in examples)


def columns_needed(examples: Sequence[Example], columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that an example, or more, comes without."""
    return tuple(name for name in columns if any(name not in one.columns for one in examples))


def refuse_incomplete(examples: Sequence[Example], columns: Sequence[str]) -> None:
    """Raise DataError where an example comes without a column that a model takes."""
    lacking = columns_needed(examples, columns)
    if lacking:
        listed = " and ".join(map(repr, lacking))
        first = next(one for one in examples if any(name not in one.columns for name in lacking))
        do = f"Give a table with {listed}, or values with --with-value {lacking[0]}=... (columns in Python)"
        wanted = f"given with the columns {' and '.join(map(repr, columns))}, which the model takes"
        raise DataError(must("The inputs", wanted, f"{first.source!r} without {listed}", do))
