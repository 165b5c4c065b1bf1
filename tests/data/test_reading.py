"""What a person names: sources that are not there, of the wrong kind, or inputs to predict."""

import pytest
from data_pictures import picture

from graft import data
from graft.errors import DataError, SettingError, UnknownNameError


def test_a_source_that_is_not_there_names_the_nearest(folder, tmp_path):
    folder({"a/1.png": 1})
    with pytest.raises(DataError) as caught:
        data.read(tmp_path / "photo")
    assert str(caught.value) == (
        f"'{tmp_path}/photo' must be a path that exists. Got nothing there. Take '{tmp_path}/photos', the nearest name."
    )
    with pytest.raises(DataError, match=r"must be a path that exists. Got nothing there. Check the path\.$"):
        data.read("/nowhere/at/all")


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b"])
def test_names_that_no_file_can_have(name):
    with pytest.raises(DataError, match="must be a path that exists"):
        data.read(name)


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "data.xlsx").write_bytes(b"PK")
    with pytest.raises(DataError) as caught:
        data.read(tmp_path / "data.xlsx")
    assert str(caught.value) == (
        f"'{tmp_path}/data.xlsx' must be a CSV file (.csv, .tsv), a folder with one folder per class, "
        "a JSON Lines file (.jsonl, .ndjson) or a Parquet file (.parquet). Got a file ending in '.xlsx'. "
        "Give one of these, or name the reader."
    )


def test_a_named_reader_takes_a_file_of_any_name(tmp_path):
    for number in (1, 2):
        (tmp_path / f"{number}.png").write_bytes(picture(number))
    (tmp_path / "list.txt").write_text("path,label\n1.png,a\n2.png,b\n")
    assert data.read(tmp_path / "list.txt", reader="csv").classes == ("a", "b")
    with pytest.raises(DataError, match=r"must be a folder with one folder per class. Got a file."):
        data.read(tmp_path / "list.txt", reader="folder")
    with pytest.raises(UnknownNameError, match="'csv'"):
        data.read(tmp_path / "list.txt", reader="cvs")


def test_a_folder_has_no_columns(folder):
    root = folder({"a/1.png": 1, "b/2.png": 2})
    with pytest.raises(SettingError) as caught:
        data.read(root, group_column="patient")
    assert str(caught.value) == (
        "The columns of a folder with one folder per class must be left unnamed. Got group_column='patient'. "
        "Leave it out, or give a table (CSV, JSON Lines, Parquet) with that column."
    )


def test_one_class_is_enough_to_be_judged_by(folder):
    assert data.read(folder({"a/1.png": 1}), min_classes=1).classes == ("a",)


def test_find_inputs(folder):
    root = folder({"x/b.png": 1, "a.png": 2, "x/c.txt": picture(3), "x/d.txt": b"text", ".hidden/e.png": 4})
    (root / "loop").symlink_to(root)
    found = data.find_inputs([root / "x" / "d.txt", root])
    assert [one.source.removeprefix(f"{root}/") for one in found] == ["x/d.txt", "a.png", "x/b.png", "x/c.txt"]
    assert all(one.label is None for one in found)


def test_find_inputs_refuses_what_is_not_there(folder):
    root = folder({"a.png": 1, "empty": None})
    with pytest.raises(DataError, match=r"b.png' must be a path that exists. Got nothing there. Take '.*a.png'"):
        data.find_inputs([root / "b.png"])
    with pytest.raises(DataError, match=r"must be a folder with images. Got none. Check the path\.$"):
        data.find_inputs([root / "empty"])


def test_a_link_to_itself_is_not_its_own_nearest_name(tmp_path):
    loop = tmp_path / "photos"
    loop.symlink_to(loop)
    with pytest.raises(DataError, match=r"Got nothing there\. Check the path\.$"):
        data.read(loop)
