"""Texts in tables, folders, lists and lines: columns guessed and said, ids refused, broken quotes named."""

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graft import data
from graft.errors import DataError

ROWS = [{"text": "where is my card", "label": "card"}, {"text": 'it\'s, "lost"\nhelp', "label": "lost"}]


def write(folder, rows, kind):
    path = folder / f"tickets.{kind}"
    if kind == "csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif kind == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return path


KINDS = pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])


@KINDS
def test_texts_stand_in_their_cells(tmp_path, kind):
    found = data.read(write(tmp_path, ROWS, kind))
    assert found.modality == "text"
    assert [(one.read().decode(), one.label) for one in found.examples] == [(r["text"], r["label"]) for r in ROWS]
    assert [one.source for one in found.examples] == [f"tickets.{kind} row 1", f"tickets.{kind} row 2"]
    assert found.notes == ("took column 'text' as the text and 'label' as the label",)


@KINDS
@pytest.mark.parametrize(
    ("columns", "settings"),
    [
        (("utterance", "intent"), {}),
        (("words said", "category"), {}),
        (("message", "what it is"), {}),
        (("a", "b"), {"input_column": "a", "label_column": "b"}),
        (("a", "b"), {"label_column": "b"}),
    ],
)
def test_columns_are_guessed_or_named(tmp_path, kind, columns, settings):
    rows = [dict(zip(columns, row.values(), strict=True)) for row in ROWS]
    found = data.read(write(tmp_path, rows, kind), **settings)
    assert found.classes == ("card", "lost")
    assert found.notes == (f"took column {columns[0]!r} as the text and {columns[1]!r} as the label",)


@KINDS
def test_what_cannot_be_told_is_asked(tmp_path, kind):
    with pytest.raises(DataError, match=r"one of them a path or a text .*Got columns 'a', 'b'\. Name .* --input"):
        data.read(write(tmp_path, [{"a": "x", "b": "y"}], kind))
    with pytest.raises(DataError, match=r"one of them a label .*Got columns 'b', 'c'\. Name .* --label"):
        data.read(write(tmp_path, [{"text": "x", "b": "y", "c": "z"}], kind))


@KINDS
def test_empty_texts_are_set_aside(tmp_path, kind):
    rows = [*ROWS, {"text": " ", "label": "card"}, {"text": None, "label": "card"}]
    found = data.read(write(tmp_path, rows, kind))
    assert [(one.example.source, one.kind, one.message) for one in found.set_aside] == [
        (f"tickets.{kind} row 3", "missing_text", "Row 3 has no text."),
        (f"tickets.{kind} row 4", "missing_text", "Row 4 has no text."),
    ]


def test_paths_in_a_column_called_text_are_paths(tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(f"the words of {name}")
    rows = [{"text": "a.txt", "label": "a"}, {"text": "b.txt", "label": "b"}]
    found = data.read(write(tmp_path, rows, "csv"))
    assert [one.read() for one in found.examples] == [b"the words of a.txt", b"the words of b.txt"]
    assert found.modality == "text"


@KINDS
def test_labels_that_are_ids_are_asked_about(tmp_path, kind):
    rows = [{"text": f"text {n}", "label": f"id-{n}"} for n in range(40)]
    with pytest.raises(DataError) as caught:
        data.read(write(tmp_path, rows, kind))
    assert "Got 40 different ones in 40 rows" in str(caught.value)
    assert "Is this an id? Name another column with --label" in str(caught.value)


def test_a_quote_that_is_never_closed_is_named(tmp_path):
    path = tmp_path / "tickets.csv"
    path.write_text('text,label\nfine,a\n"never closed,b\nmore,a\n' + "x,b\n" * 50_000)
    with pytest.raises(DataError, match=r"Got a quote on line 3 that is never closed\. Close it"):
        data.read(path)
    path.write_text('text,label\nfine,a\n"said" he,b\n')
    assert [one.read() for one in data.read(path).examples] == [b"fine", b"said he"]


def test_a_huge_cell_is_one_text(tmp_path):
    before = csv.field_size_limit()
    rows = [*ROWS, {"text": "long " * 200_000, "label": "card"}]
    found = data.read(write(tmp_path, rows, "csv"))
    assert len(found.examples[2].read()) == 1_000_000
    assert csv.field_size_limit() == before


def test_half_a_surrogate_pair_is_kept_for_its_reason(tmp_path):
    path = tmp_path / "tickets.jsonl"
    path.write_text('{"text": "half \\ud83d", "label": "a"}\n{"text": "whole", "label": "b"}\n')
    assert data.read(path).examples[0].read() == b"half \xed\xa0\xbd"


def test_a_folder_of_texts(tmp_path):
    for label in ("spam", "ham"):
        (tmp_path / label).mkdir()
        for number in range(3):
            (tmp_path / label / f"{number}.txt").write_text(f"{label} {number}")
    (tmp_path / "README.txt").write_text("what this is")
    found = data.read(tmp_path)
    assert (found.modality, len(found.examples), found.classes) == ("text", 6, ("ham", "spam"))
    assert found.notes == ("1 file beside the class folders have no label: 'README.txt'",)


def test_inputs_of_tables_folders_and_words(tmp_path):
    table = write(tmp_path, [{"id": "7", "question": "why"}, {"id": "8", "question": ""}], "csv")
    assert [one.read() for one in data.find_inputs([table], "text")] == [b"why", b""]
    with pytest.raises(DataError, match="Take 'id'"):
        data.find_inputs([table], "text", input_column="ids")
    (tmp_path / "one.txt").write_text("one document")
    assert [one.read() for one in data.find_inputs([tmp_path / "one.txt"], "text")] == [b"one document"]
    (words,) = data.texts(["where\nis it?"], "text")
    assert (words.source, words.read()) == ("where is it?", b"where\nis it?")
    with pytest.raises(DataError, match=r"The inputs must be files, since the model takes images\. Got text"):
        data.texts(["a"], "image")


def test_texts_in_memory(tmp_path):
    found = data.from_objects(["where is it", "why"], ["a", "b"])
    assert found.modality == "text"
    assert [one.read() for one in found.examples] == [b"where is it", b"why"]
    assert data.from_objects(["a.png", "b.png"]).modality == "image"
    (tmp_path / "a.txt").write_text("x")
    assert data.from_objects([str(tmp_path / "a.txt")]).examples[0].path == tmp_path / "a.txt"
    assert data.from_objects(["a.png"], modality="text").examples[0].read() == b"a.png"


def test_tables_called_like_the_parts_are_one_set(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\na1,a\nb1,b\n ,b\n")
    (tmp_path / "test.csv").write_text("text,label\na2,a\n")
    (tmp_path / "README.md").write_text("about")
    found = data.read(tmp_path)
    assert [(one.source, one.label, one.part) for one in found.examples] == [
        ("train.csv row 1", "a", "train"),
        ("train.csv row 2", "b", "train"),
        ("test.csv row 1", "a", "test"),
    ]
    assert found.notes[0] == "train.csv: took column 'text' as the text and 'label' as the label"
    assert [one.kind for one in found.findings] == ["missing_text"]
    (tmp_path / "test.csv").unlink()
    assert {one.part for one in data.read(tmp_path).examples} == {None}
    (tmp_path / "train.tsv").write_text("text\tlabel\na\tb\n")
    with pytest.raises(DataError, match=r"must be one table\. Got train\.csv, train\.tsv"):
        data.read(tmp_path)
