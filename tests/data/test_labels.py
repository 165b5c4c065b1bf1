"""Labels that are sets or numbers: their one spelling, in tables, in the split, in the audit, among the suspects."""

import json

import numpy as np
import pytest
from PIL import Image

from graft.data import class_sizes, from_objects, in_form, read, split, suspect_sets
from graft.data.labels import is_mark, joined, names, number, parted, separator
from graft.errors import DataError
from graft.types import Example, digest


def test_a_set_has_one_spelling():
    assert joined([" sun", "sea", "sun", ""]) == "sea|sun"
    assert parted("sea|sun") == ("sea", "sun")
    assert parted("") == ()
    assert names("sea|sun", "set") == {"sea", "sun"}
    assert names("sea|sun", "class") == {"sea|sun"}
    assert names("3.0", "number") == names(None, "class") == frozenset()
    with pytest.raises(DataError, match=r"without '\|'"):
        joined(["a|b"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("3", "3.0"),
        (" -2.5 ", "-2.5"),
        ("1e3", "1000.0"),
        ("2,5", "2.5"),
        ("−4", "-4.0"),
        ("-0", "0.0"),
        ("three", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("1,234.5", None),
    ],
)
def test_numbers_have_one_spelling(text, said):
    assert number(text) == said


def test_marks():
    assert [is_mark(one) for one in ("1", "x", "Yes", True, 1, 1.0)] == [True] * 6
    assert [is_mark(one) for one in ("0", "", "no", False, 0, None, float("nan"))] == [False] * 7
    assert [is_mark(one) for one in ("2", "dog", 3, 0.5)] == [None] * 4


def test_the_first_sign_that_parts_labels_is_taken():
    assert separator(["a;b", "c,d|e"]) == "|"
    assert separator(["a;b", "c,d"]) == ";"
    assert separator(["a", None, 3]) is None


@pytest.fixture
def pictures(tmp_path):
    for one in range(6):
        Image.new("RGB", (8, 8), (40 * one, 0, 0)).save(tmp_path / f"{one}.png")
    return tmp_path


def labels_of(path, **settings):
    return [one.label for one in read(path, form="set", **settings).examples]


@pytest.mark.parametrize("sign", ["|", ";", ","])
def test_several_labels_in_one_cell(pictures, sign):
    cells = ["sun", f"sea{sign} sun", "", f"dog{sign}sea", "sun", "dog"]
    lines = [f'{row}.png,"{cell}"' for row, cell in enumerate(cells)]
    (pictures / "t.csv").write_text("\n".join(["path,tags", *lines]))
    found = read(pictures / "t.csv", form="set", label_column="tags")
    assert [one.label for one in found.examples] == ["sun", "sea|sun", "", "dog|sea", "sun", "dog"]
    assert found.classes == ("dog", "sea", "sun")
    assert f"parted by {sign!r}" in found.notes[0]
    assert "1 row with none" in found.notes[0]


def test_lists_and_missing_cells_in_json_lines(pictures):
    rows = [["sun", "a, b"], [], None, ["sun"], "dog", ["dog"]]
    lines = [json.dumps({"path": f"{row}.png", "labels": cell}) for row, cell in enumerate(rows)]
    (pictures / "t.jsonl").write_text("\n".join(lines))
    found = read(pictures / "t.jsonl", form="set")
    assert [one.label for one in found.examples] == ["a, b|sun", "", "sun", "dog", "dog"]
    assert [one.kind for one in found.set_aside] == ["missing_label"]


TABLE = "path,split,sun,sea,note,empty\n" + "".join(
    f"{row}.png,train,{row % 2},{int(row > 2)},{row},0\n" for row in range(6)
)


def test_one_column_a_label_is_found_or_named(pictures):
    (pictures / "t.csv").write_text(TABLE)
    expected = ["", "sun", "", "sea|sun", "sea", "sea|sun"]
    assert labels_of(pictures / "t.csv") == expected
    assert "2 columns ('sun', 'sea') as labels" in read(pictures / "t.csv", form="set").notes[0]
    assert labels_of(pictures / "t.csv", label_column="sun,sea") == expected
    assert labels_of(pictures / "t.csv", label_column="sun, sea,empty") == expected


@pytest.mark.parametrize(
    ("columns", "said"), [("sun,see", "Take 'sea', the nearest name"), ("sun,note", "must be 0 or 1 in every row")]
)
def test_label_columns_that_are_none(pictures, columns, said):
    (pictures / "t.csv").write_text(TABLE)
    with pytest.raises(DataError, match=said):
        read(pictures / "t.csv", form="set", label_column=columns)


def test_a_table_without_any_label_is_refused(pictures):
    (pictures / "t.csv").write_text("path,labels\n" + "".join(f"{row}.png,\n" for row in range(6)))
    with pytest.raises(DataError, match="at least 1 label"):
        read(pictures / "t.csv", form="set")


def test_what_is_no_number_is_set_aside(pictures):
    (pictures / "t.csv").write_text('path,price\n0.png,1.50\n1.png,dear\n2.png,2\n3.png,\n4.png,"3,5"\n5.png,inf\n')
    found = read(pictures / "t.csv", form="number", label_column="price")
    assert [one.label for one in found.examples] == ["1.5", "2.0", "3.5"]
    assert sorted(one.kind for one in found.set_aside) == ["missing_label", "not_a_number", "not_a_number"]
    assert found.classes == ()
    assert any(one.kind == "not_a_number" for one in found.findings)


def test_numbers_that_are_all_the_same_are_refused(pictures):
    (pictures / "t.csv").write_text("path,label\n" + "".join(f"{row}.png,2\n" for row in range(6)))
    with pytest.raises(DataError, match=r"at least 2 different numbers.*Got 1 different number"):
        read(pictures / "t.csv", form="number")


def test_objects_get_their_form():
    found = in_form(from_objects([np.zeros((4, 4), np.uint8)] * 2, ["1", "2,5"]), "number")
    assert [one.label for one in found.examples] == ["1.0", "2.5"]
    assert in_form(found, "number") is found


def examples(labels):
    return [Example(f"{row}", label) for row, label in enumerate(labels)], [
        digest(str(row)) for row in range(len(labels))
    ]


def test_the_split_of_sets_serves_every_label():
    draw = np.random.default_rng(0)
    labels = [joined(name for name, share in (("a", 0.7), ("b", 0.3)) if draw.random() < share) for _ in range(60)]
    labels[:3] = ["a|rare"] * 3
    given, hashes = examples(labels)
    parts = split(given, hashes, form="set")
    for rows in (parts.train, parts.val, parts.test.open()):
        assert any("rare" in given[row].label for row in rows)
    assert len(parts.left_out) == 0


def test_a_label_that_training_never_sees_leaves_the_judging():
    given = [Example("0", "a", part="train"), Example("1", "a", part="train"), Example("2", "a|new", part="test")]
    parts = split(given, [digest(str(row)) for row in range(3)], form="set")
    assert parts.test.n == 0
    assert any(one.kind == "class_not_in_training" and "'new'" in one.message for one in parts.findings)


def test_the_split_of_numbers_knows_no_classes():
    given, hashes = examples([repr(float(row)) for row in range(8)])
    for seed in range(20):
        parts = split(given, hashes, form="number", seed=seed)
        assert min(len(parts.train), len(parts.val), parts.test.n) >= 1
        assert len(parts.left_out) == 0
        assert {one.kind for one in parts.findings} <= {"small_class_placed"}
        assert all("class" not in one.message for one in parts.findings)


def test_numbers_stay_in_their_part_when_files_are_added():
    given, hashes = examples([repr(float(row)) for row in range(300)])
    before = split(given[:200], hashes[:200], form="number").of
    after = split(given, hashes, form="number").of
    assert before == after[:200]


def test_one_file_with_two_numbers_is_not_used():
    given, hashes = examples(["1.0", "2.0", "3.0", "4.0", "5.0"])
    parts = split(given, [*hashes[:3], hashes[0], hashes[4]], form="number")
    assert parts.of[0] is parts.of[3] is None
    assert any(one.kind == "conflicting_labels" for one in parts.findings)


def test_the_audit_counts_each_label_and_no_numbers():
    given, _ = examples(["a|b"] * 3 + ["a"] * 40)
    found = class_sizes(given, "set")
    assert {one.kind: one.details["sizes"] for one in found} == {
        "small_class": {"b": 3},
        "imbalance": {"a": 43, "b": 3},
    }
    assert class_sizes(examples(["1.0", "2.0"])[0], "number") == ()


def test_wrong_sets_are_suspect():
    draw = np.random.default_rng(0)
    truth = draw.integers(0, 2, (200, 3))
    chances = np.clip(truth * 0.9 + (1 - truth) * 0.1 + draw.normal(0, 0.03, truth.shape), 0.01, 0.99)
    given = truth.copy()
    given[4, 1] = 1 - given[4, 1]
    given[9] = 1 - given[9]
    (found,) = suspect_sets(chances, given, ("a", "b", "c"), [str(row) for row in range(200)])
    assert set(found.files) == {"4", "9"}
    at = found.files.index("4")

    def text(row):
        return joined(name for name, one in zip("abc", row, strict=True) if one) or "none"

    assert found.details["given"][at] == text(given[4])
    assert found.details["suggested"][at] == text(truth[4])
    assert suspect_sets(chances, truth, ("a", "b", "c"), [str(row) for row in range(200)]) == ()
    with pytest.raises(DataError, match="must be"):
        suspect_sets(chances, given[:, :2], ("a", "b", "c"), [str(row) for row in range(200)])
