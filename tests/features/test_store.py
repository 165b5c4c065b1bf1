"""The store: where it lies, what it holds, how it keeps its limit, and how it is cleared."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from graft.errors import SettingError, StoreError
from graft.features import Store, cache_folder


def fill(store, name, n=10, used=None):
    shelf = store.shelf({"kind": "activations", "backbone": name, "cut": 3}, (100,), "float32")
    keys = np.random.default_rng(0).integers(0, 256, (n, 32), dtype=np.uint8)
    shelf.append(keys, np.ones((n, 100), np.float32))
    shelf.refresh()
    if used is not None:
        os.utime(shelf.folder / "used", (used, used))
    return shelf


def test_the_cache_folder_honours_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "own"
    assert Store().root == tmp_path / "own"
    monkeypatch.delenv("GRAFT_CACHE")
    assert cache_folder() == tmp_path / "xdg" / "graft"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder().is_relative_to(tmp_path)
    assert cache_folder().name == "graft"


def test_making_a_store_writes_nothing(tmp_path):
    store = Store(tmp_path / "none")
    assert store.size() == 0
    assert store.shelves() == ()
    assert store.clear() == 0
    assert not (tmp_path / "none").exists()


def test_shelves_say_what_they_hold(store):
    fill(store, "some_net", 10)
    (info,) = store.shelves()
    assert info.records == 10
    assert info.what == "some_net, cut 3, float32"
    assert info.bytes == store.size() >= 4000
    assert json.loads(json.dumps(info.to_json()))["spec"]["backbone"] == "some_net"


def test_the_specification_lies_readable_in_the_shelf(store):
    shelf = fill(store, "some_net")
    assert json.loads((shelf.folder / "shelf.json").read_text())["shape"] == [100]


def test_clear_removes_all_and_says_how_much(store):
    fill(store, "a")
    fill(store, "b")
    store.compiled("a").mkdir(parents=True)
    (store.compiled("a") / "x.blob").write_bytes(b"12345")
    before = store.size()
    assert store.clear() == before
    assert store.size() == 0
    assert len(fill(store, "a")) == 10


def test_the_least_recently_used_shelf_goes_first(tmp_path):
    first = Store(tmp_path)
    for name, used in (("old", 100), ("older", 50), ("new", 200)):
        fill(first, name, used=used)
    sizes = {one.spec["backbone"]: one.bytes for one in first.shelves()}
    assert [one.spec["backbone"] for one in first.shelves()] == ["older", "old", "new"]
    first.close()
    store = Store(tmp_path, limit_bytes=sum(sizes.values()))
    assert store.make_room(1) == sizes["older"]
    assert [one.spec["backbone"] for one in store.shelves()] == ["old", "new"]
    assert store.make_room(0) == 0


def test_opening_a_shelf_makes_it_the_last_to_go(tmp_path):
    first = Store(tmp_path)
    for name, used in (("a", 50), ("b", 100)):
        fill(first, name, used=used)
    first.close()
    again = Store(tmp_path)
    again.shelf({"kind": "activations", "backbone": "a", "cut": 3}, (100,), "float32")
    assert [one.spec["backbone"] for one in again.shelves()] == ["b", "a"]
    again.close()


def test_shelves_in_use_are_spared_by_this_process_and_by_others(tmp_path):
    using = Store(tmp_path, limit_bytes=0)
    shelf = fill(using, "mine", used=1)
    assert using.make_room(10**6) == 0
    code = "import sys, pathlib; from graft.features import Store; print(Store(pathlib.Path(sys.argv[1])).clear())"
    seen = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert int(seen.stdout) == 0
    assert (shelf.read(np.arange(10)) == 1).all()
    using.close()
    assert Store(tmp_path).clear() > 0


def test_compiled_networks_go_like_shelves_unless_they_are_in_use(tmp_path):
    store = Store(tmp_path, limit_bytes=0)
    for name in ("used", "unused"):
        store.compiled(name).mkdir(parents=True)
        (store.compiled(name) / "x.blob").write_bytes(b"12345")
    assert store.make_room(0) == 0
    other = Store(tmp_path, limit_bytes=0)
    other.compiled("used")
    assert other.make_room(0) == 5
    assert [path.name for path in (tmp_path / "compiled").iterdir()] == ["used"]


def test_the_default_limit_is_a_share_of_the_disk_and_at_most_20_gb(tmp_path, monkeypatch):
    class Usage:
        free = 10**9

    monkeypatch.setattr("psutil.disk_usage", lambda folder: Usage)
    assert Store(tmp_path).limit_bytes == 2 * 10**8
    Usage.free = 10**13
    assert Store(tmp_path).limit_bytes == 20 * 10**9
    assert Store(tmp_path, limit_bytes=5).limit_bytes == 5


def test_a_negative_limit_is_refused(tmp_path):
    with pytest.raises(SettingError, match="limit_bytes must be 0 or more"):
        Store(tmp_path, limit_bytes=-1)


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match=r"activation store must be .* Got .* set GRAFT_CACHE"):
        fill(Store(tmp_path / "file"), "a")
    assert Store(tmp_path / "file").size() == 0


def test_a_damaged_description_hides_no_other_shelf(store):
    shelf = fill(store, "a")
    fill(store, "b")
    Path(shelf.folder / "shelf.json").write_text("{")
    assert [one.spec["backbone"] for one in store.shelves()] == ["b"]
