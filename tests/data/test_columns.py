"""Further columns: numbers or categories, what is refused, and columns that tell the label."""

import numpy as np
import pytest

from graft import data
from graft.data.columns import telling_columns, with_columns
from graft.errors import DataError
from graft.types import Example


def test_numbers_and_categories_are_told_apart():
    assert data.kind_of("price", ["1", "2.5", None, "-3e2"]) == "numbers"
    assert data.kind_of("brand", ["a", "b", None, "3"]) == "categories"
    assert data.kind_of("shop", [str(number % 7) for number in range(60)]) == "numbers"


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([None, None], "must be filled in, in some rows at least. Got no value."),
        (["1", "inf"], "must be finite numbers up to 1e+100. Got 'inf'."),
        (["1", "-1e200"], "must be finite numbers up to 1e+100. Got '-1e200'."),
        ([*map(str, range(40)), "n/a"], "must be all numbers or all words. Got 40 numbers and 'n/a'."),
        ([f"t{one}" for one in range(40)], "at most 20 categories. Got 40 different values in 40 rows"),
        ([f"t{one % 201}" for one in range(4000)], "at most 200 categories. Got 201 different values in 4,000 rows"),
        ([str(1000 + one) for one in range(40)], "numbers that describe the inputs. Got 40 whole numbers in a row."),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_sentence(cells, words):
    with pytest.raises(DataError, match=r"^Column 'x' must be .*\. Got .*\. .*[.?]$") as refused:
        data.kind_of("x", cells)
    assert words in str(refused.value)


def test_ids_are_asked_about_and_prices_are_not():
    with pytest.raises(DataError, match=r"Is this an id\?$"):
        data.kind_of("x", [f"t{one}" for one in range(40)])
    scattered = np.random.default_rng(0).choice(100_000, 40, replace=False)
    assert data.kind_of("x", [str(one) for one in scattered]) == "numbers"


def test_cells_are_read_as_labels_are():
    assert data.cells_of("x", [" a ", None, float("nan"), 3.0, "NaN", True]) == ["a", None, None, "3", None, "True"]
    with pytest.raises(DataError, match=r"Column 'x' must be words or numbers\. Got a list"):
        data.cells_of("x", [["a"]])


def rows(cells, labels):
    pairs = zip(cells, labels, strict=True)
    return [Example(str(number), str(label), columns={"x": cell}) for number, (cell, label) in enumerate(pairs)]


def test_a_column_that_tells_the_label_is_warned_of():
    labels = ["a", "b"] * 30
    (found,) = telling_columns(rows(["yes" if one == "a" else "no" for one in labels], labels))
    assert (found.kind, found.severity, found.details["told"]) == ("telling_column", "warning", 60)
    assert "Column 'x' alone tells the label of 60 of 60 examples" in found.message
    draw = np.random.default_rng(0)
    levels = [str(draw.uniform(0, 1) + 2 * (one == "b")) for one in labels]
    assert [one.kind for one in telling_columns(rows(levels, labels))] == ["telling_column"]


def test_columns_that_only_help_are_not():
    draw = np.random.default_rng(0)
    labels = ["a", "b"] * 30
    often = [("yes" if one == "a" else "no") if draw.random() < 0.9 else "maybe" for one in labels]
    assert not telling_columns(rows(often, labels))
    assert not telling_columns(rows([str(draw.normal() + (one == "b")) for one in labels], labels))
    assert not telling_columns(rows([f"t{number}" for number in range(60)], labels))
    assert not telling_columns(rows([None] * 60, labels))
    assert not telling_columns([Example("1", "a")])


def test_a_column_with_the_order_of_the_numbers_tells_them():
    draw = np.random.default_rng(0)
    numbers = draw.normal(size=60)
    told = telling_columns(rows([str(-3 * one) for one in numbers], numbers), "number")
    assert [one.kind for one in told] == ["telling_column"]
    assert not telling_columns(rows([str(one + draw.normal()) for one in numbers], numbers), "number")


def test_values_are_given_to_examples():
    given = with_columns([Example("1", columns={"b": "z"}), Example("2")], {"a": [1.5, None]})
    assert [one.columns for one in given] == [{"b": "z", "a": "1.5"}, {"a": None}]
    for wrong in ([1], "ab"):
        with pytest.raises(DataError, match="Column 'a' must be 2 values, one an input"):
            with_columns([Example("1"), Example("2")], {"a": wrong})


def test_readers_keep_the_columns_that_are_asked_for(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("text,kind,price,split\nhello there,a,1,train\nhi,b,,val\nho,a,3,test\n")
    found = data.read(table, kept_columns=("price", "tfidf"), label_column="kind")
    assert [one.columns for one in found.examples] == [{"price": "1"}, {"price": None}, {"price": "3"}]
    assert found.columns == ("price",)
    assert [one.label for one in found.examples] == ["a", "b", "a"]
    assert data.find_inputs([table], "text", kept_columns=("price",))[0].columns == {"price": "1"}
    assert all(not one.columns for one in data.read(table, label_column="kind").examples)


def test_cells_are_part_of_the_fingerprint():
    hashes = ["00", "01"]
    plain = [Example("1", "a"), Example("2", "b")]
    prints = {
        data.data_fingerprint(examples, hashes)
        for examples in (plain, with_columns(plain, {"x": [1, 2]}), with_columns(plain, {"x": [1, None]}))
    }
    assert len(prints) == 3
