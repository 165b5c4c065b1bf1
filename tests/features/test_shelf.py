"""The shelf: records come back bit for bit, torn tails and changed bytes count as missing, processes share it."""

import errno
import os
from hashlib import sha256

import numpy as np
import pytest

from graft.errors import StoreError
from graft.features.keys import record_key, view_seed
from graft.features.segment import Writer
from graft.features.shelf import Shelf
from graft.features.store import Store


def key(i):
    return np.frombuffer(sha256(str(i).encode()).digest(), np.uint8)


def keys(numbers):
    return np.stack([key(i) for i in numbers])


def records(numbers, dtype="float32", shape=(5,)):
    return np.stack([np.random.default_rng(i).normal(size=shape).astype(dtype) for i in numbers])


@pytest.fixture
def shelf(tmp_path):
    made = Shelf(tmp_path / "shelf", {"what": "test"}, (5,), "float32")
    yield made
    made.close()


def reopened(shelf):
    return Shelf(shelf.folder, shelf.spec, shelf.shape, shelf.dtype.name)


def segment(shelf, ending):
    (found,) = shelf.folder.glob(f"*.{ending}")
    return found


def test_records_come_back_in_any_order(shelf):
    shelf.append(keys(range(10)), records(range(10)))
    shelf.append(keys(range(10, 30)), records(range(10, 30)))
    other = reopened(shelf)
    wanted = np.random.default_rng(0).permutation(30)
    assert (other.read(other.find(keys(wanted))) == records(wanted)).all()
    assert other.find(keys([3, 99]))[1] == -1
    other.close()


def test_a_row_can_be_asked_for_twice(shelf):
    shelf.append(keys(range(4)), records(range(4)))
    shelf.refresh()
    rows = shelf.find(keys([2, 2, 0]))
    assert (shelf.read(rows) == records([2, 2, 0])).all()


def test_reading_many_blocks_gives_what_reading_one_does(shelf, monkeypatch):
    shelf.append(keys(range(50)), records(range(50)))
    shelf.refresh()
    monkeypatch.setattr("graft.features.shelf.CHUNK_BYTES", 64)
    wanted = np.random.default_rng(1).permutation(50)
    assert (shelf.read(shelf.find(keys(wanted))) == records(wanted)).all()


def test_half_precision_is_read_as_float32(tmp_path):
    shelf = Shelf(tmp_path / "half", {}, (2, 3), "float16")
    values = records(range(6), "float16", (2, 3))
    shelf.append(keys(range(6)), values)
    shelf.refresh()
    back = shelf.read(shelf.find(keys(range(6))))
    assert back.dtype == np.float32
    assert (back == values.astype(np.float32)).all()
    shelf.close()


def test_two_writers_share_a_shelf_and_see_each_other(shelf):
    other = reopened(shelf)
    shelf.append(keys([1, 2]), records([1, 2]))
    other.append(keys([3]), records([3]))
    assert (shelf.find(keys([3])) == -1).all()
    assert shelf.refresh_others()
    assert (shelf.read(shelf.find(keys([3]))) == records([3])).all()
    shelf.refresh()
    assert (shelf.read(shelf.find(keys([1, 2, 3]))) == records([1, 2, 3])).all()
    assert len(list(shelf.folder.glob("*.data"))) == 2
    other.close()


def test_own_records_do_not_count_as_anothers(shelf):
    shelf.append(keys([1]), records([1]))
    assert not shelf.refresh_others()


@pytest.mark.parametrize("ending", ["keys", "data"])
@pytest.mark.parametrize("torn", [1, 7, 19])
def test_a_torn_tail_is_ignored_and_what_is_whole_is_kept(shelf, ending, torn):
    shelf.append(keys(range(3)), records(range(3)))
    path = segment(shelf, ending)
    os.truncate(path, path.stat().st_size - torn)
    other = reopened(shelf)
    found = other.find(keys(range(3)))
    assert (found >= 0).tolist() == [True, True, False]
    assert (other.read(found[:2]) == records([0, 1])).all()
    other.append(keys([2]), records([2]))
    other.refresh()
    assert (other.read(other.find(keys(range(3)))) == records(range(3))).all()
    other.close()


@pytest.mark.parametrize("ending", ["keys", "data"])
def test_a_changed_byte_makes_its_record_missing_and_no_other(shelf, ending):
    shelf.append(keys(range(5)), records(range(5)))
    path = segment(shelf, ending)
    content = bytearray(path.read_bytes())
    content[len(content) // 5 * 3 + 2] ^= 0x10
    path.write_bytes(content)
    other = reopened(shelf)
    assert (other.find(keys(range(5))) >= 0).tolist() == [True, True, True, False, True]
    other.append(keys([3]), records([3]))
    other.refresh()
    assert (other.read(other.find(keys(range(5)))) == records(range(5))).all()
    other.close()
    third = reopened(shelf)
    assert (third.read(third.find(keys(range(5)))) == records(range(5))).all()
    third.close()


def test_records_swapped_between_keys_are_noticed(shelf):
    shelf.append(keys(range(2)), records(range(2)))
    path = segment(shelf, "data")
    content = path.read_bytes()
    path.write_bytes(content[20:] + content[:20])
    other = reopened(shelf)
    assert (other.find(keys(range(2))) == -1).all()
    other.close()


@pytest.mark.parametrize("after", [0, 1, 33])
@pytest.mark.parametrize("which", [0, 1])
def test_a_full_disk_is_one_clear_error_and_leaves_the_shelf_readable(shelf, monkeypatch, after, which):
    shelf.append(keys(range(3)), records(range(3)))
    sizes = {path: path.stat().st_size for path in shelf.folder.glob("*.*")}
    real, calls = os.write, []

    def write(number, content):
        if len(calls) >= which:
            if after and len(calls) == which:
                calls.append(1)
                return real(number, bytes(content)[:after])
            raise OSError(errno.ENOSPC, "No space left on device")
        calls.append(1)
        return real(number, content)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(StoreError, match=r"must be .* Got .*No space left on device.* Free some space"):
        shelf.append(keys([7, 8]), records([7, 8]))
    monkeypatch.undo()
    assert {path: path.stat().st_size for path in shelf.folder.glob("*.*")} == sizes
    shelf.append(keys([9]), records([9]))
    shelf.refresh()
    assert (shelf.read(shelf.find(keys([0, 1, 2, 9]))) == records([0, 1, 2, 9])).all()
    assert (shelf.find(keys([7, 8])) == -1).all()


def test_a_shelf_removed_under_a_reader_can_be_read_to_the_end(shelf):
    shelf.append(keys(range(3)), records(range(3)))
    shelf.refresh()
    rows = shelf.find(keys(range(3)))
    for path in shelf.folder.iterdir():
        path.unlink()
    assert (shelf.read(rows) == records(range(3))).all()


def segments(shelf, n):
    for i in range(n):
        other = reopened(shelf)
        other.append(keys([i]), records([i]))
        other.close()


def test_many_segments_become_one_and_damage_stays_damage(shelf, monkeypatch):
    segments(shelf, 9)
    damaged = sorted(shelf.folder.glob("*.data"))[4]
    damaged.write_bytes(b"x" + damaged.read_bytes()[1:])
    shelf.close()
    monkeypatch.setattr("graft.features.merging.MANY", 8)
    other = reopened(shelf)
    assert len(list(shelf.folder.glob("*.keys"))) == len(list(shelf.folder.glob("*.data"))) == 1
    assert (other.find(keys(range(9))) >= 0).tolist() == [i != 4 for i in range(9)]
    good = [i for i in range(9) if i != 4]
    assert (other.read(other.find(keys(good))) == records(good)).all()
    other.close()


def test_segments_in_use_are_not_merged(shelf, monkeypatch):
    segments(shelf, 9)
    monkeypatch.setattr("graft.features.merging.MANY", 8)
    reopened(shelf).close()
    assert len(list(shelf.folder.glob("*.keys"))) == 9


def test_a_full_disk_leaves_many_segments_as_they_are(shelf, monkeypatch):
    segments(shelf, 9)
    shelf.close()
    monkeypatch.setattr("graft.features.merging.MANY", 8)
    with monkeypatch.context() as full:
        full.setattr(Writer, "append_entries", lambda *_: (_ for _ in ()).throw(StoreError("full")))
        other = reopened(shelf)
    assert len(list(shelf.folder.glob("*.*s"))) == 9
    assert (other.read(other.find(keys(range(9)))) == records(range(9))).all()
    other.close()


def test_a_closed_shelf_says_so_and_holds_no_file_open(shelf):
    shelf.append(keys([1]), records([1]))
    shelf.refresh()
    rows = shelf.find(keys([1]))
    other = reopened(shelf)
    numbers = [other._lock, *(reader._data for reader in other._order)]
    del other
    for number in numbers:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)
    shelf.close()
    with pytest.raises(StoreError, match="Keep its Store open"):
        shelf.read(rows)


def test_reading_a_missing_row_is_an_error(shelf):
    with pytest.raises(StoreError, match="not in the store"):
        shelf.read(np.array([-1]))


def test_records_of_another_shape_or_dtype_are_refused(shelf):
    with pytest.raises(ValueError, match="expected 1 records"):
        shelf.append(keys([1]), records([1], shape=(4,)))
    with pytest.raises(ValueError, match="expected 1 records"):
        shelf.append(keys([1]), records([1], "float64"))


def test_record_keys_depend_on_each_of_their_ingredients():
    base = {"augmentation": "photos", "view": 1, "seed": 0}
    first = record_key("aa", **base).tobytes()
    others = [
        record_key("ab", **base),
        record_key("aa", **{**base, "augmentation": "digits"}),
        record_key("aa", **{**base, "view": 2}),
        record_key("aa", **{**base, "seed": 1}),
        record_key("aa", **{**base, "view": 0}),
    ]
    assert len({first, *(one.tobytes() for one in others)}) == 6


def test_the_plain_view_is_the_same_whatever_the_augmentation():
    one = record_key("aa", augmentation="photos", view=0, seed=3)
    assert (one == record_key("aa", augmentation="none", view=0, seed=0)).all()


def test_view_seeds_differ_between_inputs_views_and_seeds():
    seeds = {view_seed(c, view=v, seed=s) for c in ("aa", "ab") for v in (1, 2) for s in (0, 1)}
    assert len(seeds) == 8


def test_equal_specifications_share_a_shelf_and_others_do_not(tmp_path):
    store = Store(tmp_path)
    base = store.shelf({"a": 1, "b": [2]}, (5,), "float32")
    assert store.shelf({"b": [2], "a": 1}, (5,), "float32") is base
    others = [({"a": 2, "b": [2]}, (5,), "float32"), ({"a": 1, "b": [2]}, (6,), "float32")]
    others.append(({"a": 1, "b": [2]}, (5,), "float16"))
    assert len({store.shelf(*one).folder for one in others} | {base.folder}) == 4
    store.close()
