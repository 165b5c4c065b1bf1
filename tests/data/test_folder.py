"""Folders: layouts, names, links, and what is passed over."""

import json
import os

import pytest
from data_pictures import picture

from graft import data
from graft.data import modalities
from graft.errors import DataError


def shown(dataset, root):
    return [(one.source.removeprefix(f"{root}/"), one.label, one.part) for one in dataset.examples]


def test_a_folder_per_class(folder):
    root = folder({"dog/1.png": 1, "cat/b.JPG": 2, "cat/deep/er/a.png": 3})
    found = data.read(root)
    assert shown(found, root) == [
        ("cat/b.JPG", "cat", None),
        ("cat/deep/er/a.png", "cat", None),
        ("dog/1.png", "dog", None),
    ]
    assert found.modality == "image" and found.source == str(root) and not found.findings
    assert found.examples[0].read() == picture(2)


@pytest.mark.parametrize(("name", "part"), [("val", "val"), ("valid", "val"), ("Validation", "val"), ("TEST", "test")])
def test_part_folders(folder, name, part):
    root = folder({"train/a/1.png": 1, "train/b/2.png": 2, f"{name}/a/3.png": 3})
    assert shown(data.read(root), root) == [
        ("train/a/1.png", "a", "train"),
        ("train/b/2.png", "b", "train"),
        (f"{name}/a/3.png", "a", part),
    ]


def test_part_folders_with_strays_and_other_folders_are_still_part_folders(folder):
    root = folder({"train/a/1.png": 1, "train/b/2.png": 2, "train/x.png": 5, "test/a/3.png": 3, "drafts/4.png": 4})
    found = data.read(root)
    assert [one.part for one in found.examples] == ["train", "train", "test"]
    assert "1 file beside the class folders have no label: 'train/x.png'" in found.notes
    assert "passed over 1 folder beside the parts: 'drafts'" in found.notes


def test_a_test_folder_without_classes_is_passed_over(folder):
    root = folder({"train/a/1.png": 1, "train/b/2.png": 2, "test/3.png": 3})
    found = data.read(root)
    assert [one.part for one in found.examples] == [None, None]
    assert "passed over 'test', which has no class folders" in found.notes


def test_train_may_be_a_class(folder):
    root = folder({"train/1.png": 1, "bus/2.png": 2, "car/3.png": 3})
    assert data.read(root).classes == ("bus", "car", "train")


def test_foreign_and_hidden_files_are_passed_over_and_counted(folder):
    root = folder(
        {"a/1.png": 1, "b/2.png": 2, "a/notes.txt": b"BM is how I begin", "a/.DS_Store": b"x", "README.md": b"hi",
         ".git/x.png": 3, "__MACOSX/a/._1.png": 4, "a/empty.dat": b""}
    )  # fmt: skip
    found = data.read(root)
    assert len(found.examples) == 2
    assert found.notes == (
        "passed over 2 files that are not images: 'empty.dat', 'notes.txt'",
        "passed over 3 hidden entries",
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "JPEG2000", "AVIF"])
def test_an_image_by_another_name_is_kept(folder, kind):
    root = folder({"a/1.png": 1, "b/photo.txt": picture(2, kind), "b/photo": picture(3, kind)})
    assert [one.path.name for one in data.read(root).examples] == ["1.png", "photo", "photo.txt"]


def test_a_broken_image_stays_for_the_scan_to_set_aside(folder):
    root = folder({"a/1.png": 1, "b/2.png": b"", "b/3.jpg": b"nonsense"})
    assert len(data.read(root).examples) == 3


def test_loops_and_links_end_and_each_folder_is_read_once(folder, tmp_path):
    root = folder({"a/1.png": 1, "b/2.png": 2, "c": None})
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "3.png").write_bytes(picture(3))
    (root / "a" / "up").symlink_to(root)
    (root / "a" / "self").symlink_to(root / "a")
    (root / "a" / "aside").symlink_to(root / "b")
    (root / "c" / "far").symlink_to(tmp_path / "elsewhere")
    (root / "d").symlink_to(tmp_path / "elsewhere")
    (root / "e").symlink_to(root / "e")
    found = data.read(root)
    # The real folder b keeps its files; of the two links to elsewhere, the first in the walk has them.
    assert shown(found, root) == [("a/1.png", "a", None), ("b/2.png", "b", None), ("d/3.png", "d", None)]
    assert any(note.startswith("did not read again 4 linked folders") for note in found.notes)


def test_a_linked_class_folder_is_followed(folder, tmp_path):
    root = folder({"a/1.png": 1})
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "2.png").write_bytes(picture(2))
    (root / "b").symlink_to(tmp_path / "store")
    assert data.read(root).classes == ("a", "b")


def test_a_link_to_nothing_is_set_aside(folder):
    root = folder({"a/1.png": 1, "b/2.png": 2})
    (root / "a" / "gone.png").symlink_to(root / "never.png")
    found = data.read(root)
    assert [(one.example.source, one.kind) for one in found.set_aside] == [(f"{root}/a/gone.png", "missing_file")]
    assert [(one.kind, one.files, one.severity) for one in found.findings] == [
        ("missing_file", (f"{root}/a/gone.png",), "error")
    ]


def test_a_fifo_does_not_hang_the_reader(folder):
    root = folder({"a/1.png": 1, "b/2.png": 2})
    os.mkfifo(root / "a" / "pipe.png")
    assert len(data.read(root).examples) == 2


def test_odd_names(folder):
    root = folder({"two words/a b.png": 1, "new\nline/x\ny.png": 2, "日本/ü.png": 3, "=1+1/-x.png": 4})
    found = data.read(root)
    assert found.classes == ("=1+1", "new\nline", "two words", "日本")
    assert all(one.read() for one in found.examples)


def test_names_that_are_not_utf8_can_be_shown(folder):
    root = folder({"a/1.png": 1, "b/2.png": 2})
    name = os.fsencode(root) + b"/b/caf\xe9.png"
    with open(name, "wb") as file:  # noqa: PTH123 - Path refuses bytes
        file.write(picture(3))
    odd = data.read(root).examples[-1]
    assert odd.source == f"{root}/b/caf\\xe9.png" and odd.read() == picture(3)
    json.dumps(odd.source).encode()


def test_decomposed_and_composed_labels_are_one(folder):
    root = folder({"train/cafe\u0301/1.png": 1, "train/tea/2.png": 2, "test/caf\u00e9/3.png": 3})
    assert data.read(root).classes == ("caf\u00e9", "tea")


def test_an_unreadable_folder_is_a_finding(folder, monkeypatch):
    root = folder({"a/1.png": 1, "b/2.png": 2, "c/3.png": 3})
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("/c"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = data.read(root)
    assert found.classes == ("a", "b")
    assert [(one.kind, one.files, one.severity) for one in found.findings] == [
        ("unreadable_folder", (f"{root}/c",), "error")
    ]


ONE_PER_CLASS = "a folder with one folder per class"


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"": None}, f"{ONE_PER_CLASS}. Got an empty folder. Put a folder of files there for each class."),
        (
            {"a": None, "b": None},
            f"{ONE_PER_CLASS}. Got no {modalities.plural()}, only empty folders. "
            "Put a folder of files there for each class.",
        ),
        (
            {"a/x.dat": b"x", "README": b"x"},
            f"{ONE_PER_CLASS}. Got no {modalities.plural()}, only 2 other files ('x.dat', 'README'). "
            "Put a folder of files there for each class.",
        ),
        (
            {"1.png": 1, "2.png": 2},
            f"{ONE_PER_CLASS}. Got 2 files without a class folder ('1.png', '2.png'). "
            "Move the files of each class into a folder named after it.",
        ),
        (
            {"1.png": 1, "labels.csv": b"path,label\n"},
            f"{ONE_PER_CLASS}. Got 1 file without a class folder ('1.png'). "
            "If the labels are in 'labels.csv', give that file in place of the folder.",
        ),
        (
            {"a/1.png": 1},
            "at least 2 classes with readable files. Got 1 class ('a'). Add a folder, or rows, of another class.",
        ),
        (
            {"train/1.png": 1, "test/2.png": 2},
            "train/ and test/ with one folder per class inside. Got no class folders in 'ROOT/test', 'ROOT/train'. "
            "Move the files of each class into a folder named after it, inside each part.",
        ),
    ],
)
def test_folders_that_cannot_be_used_say_so_in_one_sentence(folder, files, sentence):
    root = folder(files)
    with pytest.raises(DataError) as caught:
        data.read(root)
    assert str(caught.value).partition(" must be ")[2] == sentence.replace("ROOT", str(root))


def test_real_folders(real):
    clothing = data.read(real / "clothing")
    assert len(clothing.examples) == 1022 and len(clothing.classes) == 10
    assert {one.part for one in clothing.examples} == {"train", "test"}
    signs = data.read(real / "sign_digits")
    assert len(signs.examples) == 1000 and signs.classes == tuple("0123456789")
    assert {one.part for one in signs.examples} == {None}
