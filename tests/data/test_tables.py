"""CSV, JSON Lines and Parquet: columns, paths, labels, parts, and rows that are set aside."""

import json
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_pictures import picture

from graft import data
from graft.data import modalities
from graft.errors import DataError


@pytest.fixture
def home(tmp_path) -> Path:
    base = tmp_path / "tables"
    base.mkdir()
    for number in range(1, 5):
        (base / f"{number}.png").write_bytes(picture(number))
    (tmp_path / "up.png").write_bytes(picture(9))
    return base


def write(home: Path, rows: list[dict], kind: str) -> Path:
    path = home / f"list.{kind}"
    if kind == "csv":
        names = list(dict.fromkeys(name for row in rows for name in row))
        cells = [names, *([row.get(name) for name in names] for row in rows)]
        text = "\n".join(",".join('"' + str("" if c is None else c).replace('"', '""') + '"' for c in r) for r in cells)
        path.write_text(text, "utf-8")
    elif kind == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return path


KINDS = pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])


@KINDS
def test_every_kind_reads_the_same(home, kind):
    rows = [
        {"file_name": "1.png", "Class": "cat", "patient": "p1", "split": "train"},
        {"file_name": "../up.png", "Class": "dog", "patient": "p1", "split": "valid"},
        {"file_name": str(home / "3.png"), "Class": " dog ", "patient": None, "split": "TEST"},
        {"file_name": "4.png", "Class": "cat", "patient": "p2", "split": None},
    ]
    found = data.read(write(home, rows, kind), group_column="patient")
    assert [(one.source, one.label, one.group, one.part) for one in found.examples] == [
        ("1.png", "cat", "p1", "train"),
        ("../up.png", "dog", "p1", "val"),
        (str(home / "3.png"), "dog", None, "test"),
        ("4.png", "cat", "p2", None),
    ]
    assert [one.read() for one in found.examples] == [picture(1), picture(9), picture(3), picture(4)]
    assert found.notes == (
        "took column 'file_name' as the path and 'Class' as the label",
        "took the parts from column 'split'",
    )
    assert found.modality == "image" and not found.findings


@KINDS
def test_columns_by_name(home, kind):
    rows = [{"a": "1.png", "b": "x", "path": "no"}, {"a": "2.png", "b": "y", "path": "no"}]
    assert data.read(write(home, rows, kind), input_column="a", label_column="b").classes == ("x", "y")


@KINDS
def test_missing_files_and_labels_are_set_aside(home, kind):
    rows = [
        {"path": "1.png", "label": "a"},
        {"path": "gone.png", "label": "a"},
        {"path": None, "label": "a"},
        {"path": "2.png", "label": None},
        {"path": "3.png", "label": "NaN"},
        {"path": "4.png", "label": "none"},
    ]
    found = data.read(write(home, rows, kind))
    assert [(one.source, one.label) for one in found.examples] == [("1.png", "a"), ("4.png", "none")]
    assert [(one.example.source, one.kind) for one in found.set_aside] == [
        ("gone.png", "missing_file"),
        (f"list.{kind} row 3", "missing_file"),
        ("2.png", "missing_label"),
        ("3.png", "missing_label"),
    ]
    assert [(one.kind, len(one.files), one.severity) for one in found.findings] == [
        ("missing_file", 2, "error"),
        ("missing_label", 2, "error"),
    ]
    assert found.findings[0].message == "2 files, such as: Row 2 names a file that is not there."


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_labels_that_are_numbers(home, kind):
    labels = [3, 4, 4, 3] if kind == "jsonl" else [3.0, 4.0, math.nan, 3.0]
    rows = [{"path": f"{n}.png", "label": label} for n, label in enumerate(labels, 1)]
    assert data.read(write(home, rows, kind)).classes == ("3", "4")


@KINDS
def test_a_guessed_part_column_of_other_words_is_passed_over_and_a_named_one_refused(home, kind):
    rows = [{"path": "1.png", "label": "a", "fold": "0"}, {"path": "2.png", "label": "b", "fold": "1"}]
    source = write(home, rows, kind)
    found = data.read(source)
    assert [one.part for one in found.examples] == [None, None]
    assert found.notes[1] == "passed over column 'fold', which does not say train, val or test: '0', '1'"
    with pytest.raises(DataError) as caught:
        data.read(source, part_column="fold")
    assert str(caught.value) == (
        "Column 'fold' must be train, val or test in every row. Got '0', '1'. Correct it or leave it out."
    )


@KINDS
def test_errors_of_columns(home, kind):
    source = write(home, [{"what": "1.png", "kind": "a"}, {"what": "2.png", "kind": "b"}], kind)
    with pytest.raises(DataError) as caught:
        data.read(source)
    assert str(caught.value) == (
        f"'list.{kind}' must be a table whose first row names its columns, one of them a path or a text "
        "(path, filepath, file, text, texts, ...). Got columns 'what', 'kind'. Name the column with "
        "--input (input_column in Python)."
    )
    with pytest.raises(DataError) as caught:
        data.read(source, input_column="what", label_column="kinds")
    assert str(caught.value) == (
        f"The label column of 'list.{kind}' must be one of 'kind'. Got 'kinds'. Take 'kind', the nearest name."
    )


@KINDS
def test_all_labels_missing(home, kind):
    source = write(home, [{"path": "1.png", "label": "nan"}, {"path": "2.png", "label": ""}], kind)
    with pytest.raises(DataError) as caught:
        data.read(source)
    assert str(caught.value) == (
        f"'list.{kind}' must be a table with a file and a label in its rows. "
        "Got 2 rows without a label in column 'label'. Fill in that column."
    )


@KINDS
def test_all_paths_missing(home, kind):
    source = write(home, [{"path": "x/1.png", "label": "a"}, {"path": "x/2.png", "label": "b"}], kind)
    with pytest.raises(DataError) as caught:
        data.read(source)
    assert str(caught.value) == (
        f"'list.{kind}' must be a table with a file and a label in its rows. "
        f"Got 2 rows, none of whose files exist (the first: 'x/1.png'). Give paths relative to '{home}'."
    )


@KINDS
def test_one_class(home, kind):
    source = write(home, [{"path": "1.png", "label": "a"}, {"path": "no.png", "label": "b"}], kind)
    with pytest.raises(DataError) as caught:
        data.read(source)
    assert str(caught.value) == (
        f"The data in '{source}' must be at least 2 classes with readable files. Got 1 class ('a') after 1 set aside "
        "(1 missing_file), the first 'no.png'. Mend or replace what was set aside."
    )


@KINDS
def test_a_table_of_files_of_no_known_kind(home, kind):
    for name in ("a.dat", "b.dat"):
        (home / name).write_text("words")
    source = write(home, [{"path": "a.dat", "label": "a"}, {"path": "b.dat", "label": "b"}], kind)
    with pytest.raises(
        DataError, match=rf"must be a table of {modalities.plural()}\. Got 2 files of another kind \('a.dat', 'b.dat'\)"
    ):
        data.read(source)


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("content", [b"", b"\xff\x00\xfe nonsense \x80", b"PAR1garbage"])
def test_unreadable_tables_are_one_sentence(home, kind, content):
    source = home / f"list.{kind}"
    source.write_bytes(content)
    with pytest.raises(DataError, match=r"^'list\.\w+' must be .+\. Got .+\. .+\.$"):
        data.read(source)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_csv_delimiters_and_encodings(home, delimiter, encoding):
    lines = ['"the, path";label', "1.png;über", "2.png;日本", ""]
    source = home / "list.csv"
    source.write_bytes("\r\n".join(lines).replace(";", delimiter).encode(encoding))
    assert data.read(source, input_column="the, path").classes == ("über", "日本")


def test_csv_rows_of_another_length_are_set_aside(home):
    source = home / "list.csv"
    source.write_text("path,label\n1.png,a\n2.png,b,c\n3.png\n\n4.png,b\n")
    found = data.read(source)
    assert [one.source for one in found.examples] == ["1.png", "4.png"]
    assert [(one.kind, one.message) for one in found.set_aside] == [
        ("malformed_row", "Row 2 must have 2 cells. Got 3. Put quotes around text that holds a delimiter."),
        ("malformed_row", "Row 3 must have 2 cells. Got 1. Put quotes around text that holds a delimiter."),
    ]


def test_csv_names_with_newlines_spaces_and_formulas(home):
    for name in ("a\nb.png", " c d.png", "=1+1.png"):
        (home / name).write_bytes(picture(5))
    source = home / "list.csv"
    source.write_text('path,label\n"a\nb.png",a\n" c d.png",b\n=1+1.png,b\nsub\\x.png,c\n')
    (home / "sub").mkdir()
    (home / "sub" / "x.png").write_bytes(picture(6))
    assert [one.source for one in data.read(source).examples] == ["a\nb.png", " c d.png", "=1+1.png", "sub\\x.png"]


def test_csv_without_a_header_shows_what_it_took_for_one(home):
    (home / "list.csv").write_text("1.png,a\n2.png,b\n")
    with pytest.raises(DataError, match=r"first row names its columns.*Got columns '1.png', 'a'"):
        data.read(home / "list.csv")


def test_csv_with_a_column_twice(home):
    (home / "list.csv").write_text("path,label,label\n1.png,a,b\n")
    with pytest.raises(DataError, match=r"Column 'label' must be there once\. Got 2 of it\. Rename the others\."):
        data.read(home / "list.csv")


def test_jsonl_lines_that_are_no_objects_are_set_aside(home):
    source = home / "list.jsonl"
    good = ['{"path": "1.png", "label": "a"}', '{"path": "2.png", "label": "b"}']
    source.write_text("\n".join([good[0], "{oops", "[1]", '{"path": "3.png", "label": ["a"]}', good[1]]))
    found = data.read(source)
    assert len(found.examples) == 2
    assert [(one.example.source, one.kind) for one in found.set_aside] == [
        ("list.jsonl line 2", "malformed_row"),
        ("list.jsonl line 3", "malformed_row"),
        ("3.png", "malformed_row"),
    ]


def test_parquet_with_image_bytes_and_class_numbers(home):
    features = {"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}, "image": {}}}}
    table = pa.table(
        {
            "image": [{"bytes": picture(1), "path": "a.png"}, {"bytes": picture(2), "path": None}],
            "label": pa.array([1, 0], pa.int64()),
        }
    ).replace_schema_metadata({"huggingface": json.dumps(features)})
    pq.write_table(table, home / "list.parquet")
    found = data.read(home / "list.parquet")
    assert [(one.source, one.label, one.read()) for one in found.examples] == [
        ("a.png", "dog", picture(1)),
        ("list.parquet row 2", "cat", picture(2)),
    ]


def test_a_real_table_of_texts(real):
    found = data.read(real / "sms_spam" / "train.csv")
    assert (found.modality, found.classes) == ("text", ("ham", "spam"))
    assert found.notes == ("took column 'text' as the text and 'label' as the label",)
