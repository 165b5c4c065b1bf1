"""From what the person names to examples: the readers tried in turn, and inputs that are only predicted."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

from graft.data import modalities
from graft.data.dataset import Dataset, SetAside, grouped, one_line, require_classes, several, shown
from graft.data.labels import joined, number, parted
from graft.data.readers import REGISTRY
from graft.data.readers._table import TableReader
from graft.errors import DataError, SettingError, must
from graft.registry import field_docs
from graft.types import Example, LabelForm

ENOUGH = 20
"""Examples below which labels that all differ say nothing."""
UNIQUE = 0.9
"""Share of different labels above which they are taken for ids."""


def read(  # noqa: PLR0913 - one flat list of what a person may name, all but the first by name
    source: str | Path,
    *,
    input_column: str | None = None,
    label_column: str | None = None,
    group_column: str | None = None,
    part_column: str | None = None,
    kept_columns: Sequence[str] = (),
    reader: str = "auto",
    min_classes: int = 2,
    form: LabelForm = "class",
) -> Dataset:
    """Return the labelled examples in a folder or table; the inputs themselves are not opened yet.

    The columns are for tables; the cells of ``kept_columns`` come with each example, where the table has
    them. ``reader`` forces one by its name. ``min_classes`` is 1 where a model is only judged.
    ``form`` is what the labels are: one class an input, a set of labels, or a number.
    Raises DataError (one sentence) for a source that cannot be used, SettingError for columns that a folder cannot
    have, UnknownNameError for an unknown reader.
    """
    path = Path(source)
    columns = {
        "input_column": input_column,
        "label_column": label_column,
        "group_column": group_column,
        "part_column": part_column,
    }
    given = {name: value for name, value in columns.items() if value is not None}
    if not _exists(path):
        raise DataError(_absent(path))
    name = reader if reader != "auto" else _choose(path)
    cls = REGISTRY.get(name)
    if (reader != "auto") and path.is_dir() != (name == "folder"):
        got = "a folder" if path.is_dir() else "a file"
        raise DataError(must(f"{shown(str(source))!r}", cls.takes, got, "Leave the reader to Graft"))
    unfit = [key for key in given if key not in field_docs(cls)]
    if unfit:
        do = "Leave it out, or give a table (CSV, JSON Lines, Parquet) with that column"
        got = f"{unfit[0]}={given[unfit[0]]!r}"
        raise SettingError(must(f"The columns of {cls.takes}", "left unnamed", got, do))
    more = {"form": form, "kept_columns": tuple(kept_columns)}
    settings: dict[str, object] = {**given, **{key: value for key, value in more.items() if key in field_docs(cls)}}
    dataset = in_form(REGISTRY.create(name, settings).read(path), form)
    require_classes(dataset.examples, dataset.set_aside, min_classes, dataset.source, form)
    if min_classes > 1 and form == "class" and "label_column" in field_docs(cls):
        _refuse_ids(dataset)
    return dataset


def in_form(dataset: Dataset, form: LabelForm) -> Dataset:
    """Return the dataset with its labels in the one spelling of their form; what is no number is set aside."""
    if form == dataset.form:
        return dataset
    kept: list[Example] = []
    bad: list[SetAside] = []
    for one in dataset.examples:
        label = one.label
        if label is not None:
            label = joined(parted(label)) if form == "set" else number(label)
        if label is None and one.label is not None:
            message = must("A label", "a number", repr(one.label), "Correct it, or ask for another task")
            bad.append(SetAside(one, "not_a_number", message))
        else:
            kept.append(replace(one, label=label))
    return replace(
        dataset,
        examples=tuple(kept),
        findings=(*dataset.findings, *grouped(bad)),
        set_aside=(*dataset.set_aside, *bad),
        form=form,
    )


def _refuse_ids(dataset: Dataset) -> None:
    """Raise DataError where nearly every example has a label of its own."""
    n, classes = len(dataset.examples), len(dataset.classes)
    if n >= ENOUGH and classes > UNIQUE * n:
        got = f"{classes:,} different ones in {n:,} rows ({several(dataset.classes)})"
        do = "Is this an id? Name another column with --label (label_column in Python)"
        raise DataError(must(f"The labels in {dataset.source!r}", "classes that examples share", got, do))


def texts(words: Iterable[str], modality: str) -> tuple[Example, ...]:
    """Return an unlabelled example for each text. Raises DataError where inputs of the modality are no words."""
    if not modalities.is_written(modality):
        wanted = f"files, since the model takes {modalities.plural([modality])}"
        raise DataError(must("The inputs", wanted, "text", "Name files or folders"))
    return tuple(Example(one_line(one), content=one.encode("utf-8", "surrogatepass")) for one in words)


def find_inputs(
    sources: Iterable[str | Path],
    modality: str = "image",
    *,
    input_column: str | None = None,
    kept_columns: Sequence[str] = (),
) -> tuple[Example, ...]:
    """Return unlabelled examples for files and (recursively) the files of a modality in folders, in the order given.

    A table gives an example a row, with the cells of ``kept_columns``, where it has them. Another file that is named
    outright is taken whatever it is called. Raises DataError for a path that does not exist, and where a folder holds
    none.
    """
    found: list[Example] = []
    for source in sources:
        path = Path(source)
        if path.is_dir():
            files = [one for one in _visible_files(path) if _is_of(one, modality)]
            if not files:
                wanted = f"a folder with {modalities.plural([modality])}"
                raise DataError(must(f"{shown(str(source))!r}", wanted, "none", "Check the path"))
            found += [Example(shown(str(one)), path=one) for one in files]
        elif _exists(path) and (table := _table(path)) is not None:
            found += table(input_column=input_column, kept_columns=tuple(kept_columns)).inputs(path)
        elif _exists(path):
            found.append(Example(shown(str(source)), path=path))
        else:
            raise DataError(_absent(path))
    return tuple(found)


def _table(path: Path) -> type[TableReader] | None:
    """Return the reader of a table, or None for a file of another kind."""
    readers = (REGISTRY.get(name) for name in REGISTRY.names())
    return next((one for one in readers if issubclass(one, TableReader) and one.accepts(path)), None)


def _is_of(path: Path, modality: str) -> bool:
    return modalities.of_file(path.name, path) == modality


def _visible_files(folder: Path) -> list[Path]:
    # rglob does not follow links to folders, so a loop of links cannot keep it.
    return sorted(
        one
        for one in folder.rglob("*")
        if one.is_file() and not any(part.startswith(".") for part in one.relative_to(folder).parts)
    )


def _choose(path: Path) -> str:
    for name in REGISTRY.names():
        if REGISTRY.get(name).accepts(path):
            return name
    takes = [REGISTRY.get(name).takes for name in REGISTRY.names()]
    wanted = f"{', '.join(takes[:-1])} or {takes[-1]}"
    got = f"a file ending in {path.suffix!r}" if path.is_file() else "something that is neither folder nor file"
    raise DataError(must(f"{shown(str(path))!r}", wanted, got, "Give one of these, or name the reader"))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long, or a folder on the way that may not be entered
        return False


def _absent(path: Path) -> str:
    parent = path.parent
    try:
        # A link that leads nowhere is there by name, and no better than none.
        siblings = [one.name for one in parent.iterdir() if one.name != path.name]
    except OSError:
        siblings = []
    near = get_close_matches(path.name, siblings, n=1, cutoff=0.6)
    do = f"Take {shown(str(parent / near[0]))!r}, the nearest name" if near else "Check the path"
    return must(f"{shown(str(path))!r}", "a path that exists", "nothing there", do)
