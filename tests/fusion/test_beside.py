"""Columns and descriptors as features: what is learned of training rows, what new rows become, how it is saved."""

import json
from itertools import pairwise

import numpy as np
import pytest

from graft import fusion
from graft.errors import ArtifactError, DataError, SettingError, UnknownNameError, UnreadableInputError
from graft.fusion import Beside, Named
from graft.fusion.columns import Categories, Numbers
from graft.preprocess.text import Text
from graft.types import Example

CELLS = [{"price": str(one), "brand": "abc"[one % 3]} for one in range(30)]
CELLS[4] = {"price": None, "brand": None}
CELLS[5] = {"price": "7.5", "brand": "rare"}
WORDS = [np.frombuffer(f"card {'top up' if one % 2 else 'transfer'} {one % 3}".encode(), np.uint8) for one in range(30)]
TRAIN = np.arange(20)


def learn(length=10.0, cells=CELLS, train=TRAIN):
    named = Named(("price", "brand"), ("tfidf",))
    return Beside.learn(named, cells, {"tfidf": WORDS}, train, length=length, seed=0)


def test_numbers_are_scaled_by_training_rows_and_missing_ones_marked():
    column = Numbers.learn("x", ["1", "3", None])
    assert (column.mean, column.deviation) == (2.0, 1.0)
    np.testing.assert_array_equal(column.encode(["3", None, "2", "1e9"]), [[1, 0], [0, 1], [0, 0], [10, 0]])
    assert column.features == ("x", "x is missing")
    for cell in ("cheap", "inf"):
        with pytest.raises(UnreadableInputError, match=f"Column 'x' must be a number, as it was at fit. Got '{cell}'"):
            column.encode([cell])
    assert Numbers.learn("x", [None]).encode([None, "2"]).tolist() == [[0, 1], [2, 0]]
    assert np.isfinite(Numbers.learn("x", ["5", "5"]).encode(["5", "6"])).all()


def test_categories_are_one_hot_and_unseen_ones_share_the_place_of_rare_ones():
    column = Categories.learn("x", ["a", "a", "b", "b", "once", None])
    assert column.features == ("x is a", "x is b", "x is another", "x is missing")
    found = column.encode(["b", "once", "new", None])
    np.testing.assert_array_equal(found, [[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 1]])


def test_all_blocks_are_as_long_as_the_network_together_in_even_shares():
    beside, values = learn()
    assert values.shape == (30, beside.width) and values.dtype == np.float32
    starts = np.cumsum([0, *(one.width for one in beside.blocks)])
    for begin, end in pairwise(starts):
        assert values[TRAIN, begin:end].std(axis=0, dtype=np.float64).sum() == pytest.approx(10 / 3, rel=1e-4)
    assert [one.factor for one in learn(length=None)[0].blocks] == [1, 1, 1]


def test_rows_outside_of_training_have_no_say():
    changed = [*CELLS[:20], *({"price": "-50", "brand": "zzz"} for _ in range(10))]
    first = learn()[0].fingerprint
    assert learn(cells=changed)[0].fingerprint == first
    assert learn(train=np.arange(25))[0].fingerprint != first


def test_what_was_learned_is_saved_and_read_again():
    beside, values = learn()
    told, arrays = json.loads(json.dumps(beside.to_json())), beside.arrays()
    assert set(arrays) == {"tfidf.terms", "tfidf.weights", "tfidf.directions"}
    again = Beside.from_json(told, {name: np.array(value) for name, value in arrays.items()})
    assert again.fingerprint == beside.fingerprint
    assert (again.columns, again.descriptors) == (("price", "brand"), ("tfidf",))
    example = Example("1", columns=CELLS[3])
    np.testing.assert_array_equal(again.of(Text(), example, WORDS[3], np.zeros(0)), values[3])
    other = {**arrays, "tfidf.weights": arrays["tfidf.weights"] + 1}
    assert Beside.from_json(told, other).fingerprint != beside.fingerprint


def test_what_a_newer_version_saved_is_refused():
    told = [{"kind": "dates", "name": "x", "width": 1, "factor": 1.0}]
    with pytest.raises(ArtifactError, match=r"must be one of numbers, categories, descriptor\. Got 'dates'"):
        Beside.from_json(told, {})


def test_a_column_that_cannot_be_used_is_refused():
    cells = [{"x": f"t{one}"} for one in range(30)]
    with pytest.raises(DataError, match=r"Is this an id\?"):
        Beside.learn(Named(("x",)), cells, {}, TRAIN, length=1.0, seed=0)


def test_a_constant_column_counts_for_nothing():
    beside, values = Beside.learn(Named(("x",)), [{"x": "a"}] * 30, {}, TRAIN, length=1.0, seed=0)
    assert not values.any() and np.isfinite(values).all() and beside.width == 3


def test_names_are_columns_first_and_then_descriptors_of_the_modality():
    found = fusion.named(("tfidf", "price", "length"), ("length", "price"), "text")
    assert found == Named(("price", "length"), ("tfidf",))
    assert not fusion.named((), ("price",), "text")
    with pytest.raises(UnknownNameError, match="Did you mean 'price'"):
        fusion.named(("prise",), ("price",), "text")
    with pytest.raises(UnknownNameError, match="Did you mean 'tfidf'"):
        fusion.named(("tf-idf",), (), "text")
    with pytest.raises(UnknownNameError, match="Got 'tfidf'"):
        fusion.named(("tfidf",), (), "image")
    with pytest.raises(SettingError, match="'price' twice"):
        fusion.named(("price", "price"), ("price",), "text")


def test_values_fill_what_is_lacking_and_nothing_else():
    examples = [Example("1", columns={"price": "2"}), Example("2")]
    filled = fusion.filled(examples, {"price": 3}, ("price",))
    assert [one.columns["price"] for one in filled] == ["2", "3"]
    with pytest.raises(UnknownNameError, match="Did you mean 'price'"):
        fusion.filled(examples, {"prize": 3}, ("price",))
    with pytest.raises(SettingError, match="The model takes no columns"):
        fusion.filled(examples, {"price": 3}, ())
    with pytest.raises(DataError, match="Got '2' without 'price'"):
        fusion.refuse_incomplete(examples, ("price",))
    fusion.refuse_incomplete(filled, ("price",))
