"""Extraction: the right values, computed once, views, failures, and a key that forgets no ingredient."""

import errno
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_backbone import Tiny, backbone, broken, examples

from graft.errors import SettingError, StoreError
from graft.features import Store
from graft.features.prefix import Prefix
from graft.runtimes import Choice


def direct(net, cut, n=20, start=0):
    """What the prefix gives without store and runtime."""
    given, _ = examples(n, start)
    arrays = np.stack([net.preprocess.decode(one.read()) for one in given])
    if not cut:
        return arrays
    with torch.no_grad():
        return net.prefix(cut)(torch.from_numpy(arrays)).numpy()


@pytest.mark.parametrize(
    ("cut", "shape", "dtype"), [(0, (3, 8, 8), "uint8"), (1, (4, 4, 4), "float32"), (3, (6,), "float32")]
)
def test_activations_are_what_the_prefix_gives(extracted, cut, shape, dtype):
    found = extracted(cut=cut)
    assert found.activations.shape == (20, 1, *shape)
    values = found.activations.read(np.arange(20))
    assert values.dtype == dtype
    np.testing.assert_allclose(values, direct(backbone(), cut), atol=0 if cut == 0 else 1e-3)


def test_maps_are_stored_in_half_the_bytes_and_vectors_are_not(extracted):
    assert extracted(cut=1).activations.shelf.dtype == np.float16
    assert extracted(cut=3).activations.shelf.dtype == np.float32


def test_what_is_stored_is_not_read_again(extracted):
    first = extracted()
    given, hashes = examples(20)
    gone = [replace(one, content=None) for one in given]
    second = extracted(inputs=(gone, hashes))
    assert (first.computed, first.reused) == (20, 0)
    assert (second.computed, second.reused, dict(second.failed)) == (0, 20, {})
    assert (second.activations.read(np.arange(20)) == first.activations.read(np.arange(20))).all()


def test_ten_more_inputs_cost_ten_passes(extracted):
    extracted(20)
    found = extracted(30)
    assert (found.computed, found.reused) == (10, 20)
    np.testing.assert_allclose(found.activations.read(np.arange(30)), direct(backbone(), 3, 30), atol=1e-5)


def test_a_new_process_finds_the_same(extracted, store):
    first = extracted(cut=1).activations.read(np.arange(20))
    store.close()
    again = Store(store.root)
    found = extracted(cut=1, into=again)
    assert found.computed == 0
    assert (found.activations.read(np.arange(20)) == first).all()
    again.close()


def test_views_are_decided_by_content_and_seed_alone(extracted, store):
    found = extracted(12, views=3, augmentation="photos", cut=1)
    assert found.computed == 36
    rows = np.arange(12)
    plain, one, two = (found.activations.read(rows, view) for view in range(3))
    assert not np.allclose(plain, one)
    assert not np.allclose(one, two)
    mixed = found.activations.read(rows, rows % 3)
    assert (mixed[1] == one[1]).all() and (mixed[2] == two[2]).all()
    given, hashes = examples(12)
    other = Store(store.root.parent / "other")
    turned = extracted(inputs=(given[::-1], hashes[::-1]), views=3, augmentation="photos", cut=1, into=other)
    assert (turned.activations.read(rows[::-1], 2) == two).all()
    other.close()


def test_another_seed_makes_other_views_of_the_same_plain_one(extracted):
    one = extracted(6, views=2, augmentation="photos")
    two = extracted(6, views=2, augmentation="photos", seed=1)
    assert (two.computed, two.reused) == (6, 6)
    rows = np.arange(6)
    assert (one.activations.read(rows) == two.activations.read(rows)).all()


def test_two_names_for_the_same_changes_share_what_is_stored(extracted):
    extracted(6, views=2, augmentation="photos")
    assert extracted(6, views=2, augmentation="turn").computed == 0
    assert extracted(6, views=2, augmentation="none").computed == 6


def test_inputs_can_have_different_numbers_of_views(extracted):
    found = extracted(4, views=[3, 1, 2, 1], augmentation="photos")
    assert found.computed == 7
    assert found.activations.shape == (4, 3, 6)
    found.activations.read(np.array([0, 2]), np.array([2, 1]))
    with pytest.raises(StoreError, match="one that was extracted"):
        found.activations.read(np.array([0, 1]), 1)


def test_what_cannot_be_decoded_is_reported_and_the_rest_goes_on(extracted):
    given, hashes = examples(10)
    bad, of_bad = broken()
    found = extracted(inputs=([*given[:4], bad, *given[4:], bad], [*hashes[:4], of_bad, *hashes[4:], of_bad]))
    assert sorted(found.failed) == [4, 11]
    assert "must be whole" in found.failed[4]
    assert (found.computed, found.reused) == (10, 0)
    good = [row for row in range(12) if row not in found.failed]
    np.testing.assert_allclose(found.activations.read(np.array(good)), direct(backbone(), 3, 10), atol=1e-5)
    with pytest.raises(StoreError, match="Got row 4"):
        found.activations.read(np.array([3, 4]))


def test_inputs_that_all_fail_are_no_crash(extracted):
    bad, of_bad = broken()
    found = extracted(inputs=([bad], [of_bad]), also=("perceptual_hash", "simple_features"))
    assert list(found.failed) == [0]
    assert found.perceptual_hashes.tolist() == [0]


def test_nothing_to_extract_is_no_crash(extracted):
    found = extracted(inputs=([], []), also=("perceptual_hash",))
    assert found.activations.shape == (0, 1, 6)
    assert found.activations.read(np.zeros(0, np.int64)).shape == (0, 6)


def test_a_file_that_is_gone_or_changed_fails_alone(extracted, tmp_path):
    given, hashes = examples(3)
    changed = tmp_path / "changed.raw"
    changed.write_bytes(b"other bytes")
    given[1] = replace(given[1], content=None, path=tmp_path / "gone.raw")
    given[2] = replace(given[2], content=None, path=changed)
    found = extracted(inputs=(given, hashes))
    assert "No such file" in found.failed[1]
    assert "changed" in found.failed[2]
    assert found.computed == 1


def test_the_same_content_twice_is_computed_once(extracted):
    given, hashes = examples(5)
    found = extracted(inputs=(given + given, hashes + hashes))
    assert found.computed == 5
    values = found.activations.read(np.arange(10))
    assert (values[:5] == values[5:]).all()


def test_hashes_and_simple_features_come_along_and_stay(extracted):
    both = ("perceptual_hash", "simple_features")
    found = extracted(also=both)
    tiny = Tiny()
    arrays = direct(backbone(), 0)
    assert found.perceptual_hashes.dtype == np.uint64
    assert (found.perceptual_hashes == tiny.perceptual_hashes(arrays)).all()
    assert (found.measures["simple_features"] == np.stack([tiny.simple_features(one) for one in arrays])).all()
    given, hashes = examples(20)
    again = extracted(inputs=([replace(one, content=None) for one in given], hashes), also=both)
    assert dict(again.failed) == {}
    assert (again.perceptual_hashes == found.perceptual_hashes).all()
    assert (again.measures["simple_features"] == found.measures["simple_features"]).all()


def test_what_is_asked_for_later_is_added_without_another_pass(extracted):
    extracted(100)
    found = extracted(100, also=("perceptual_hash",))
    assert (found.computed, found.reused) == (0, 100)
    assert (found.perceptual_hashes > 0).all()


def test_values_too_large_for_half_precision_are_kept_in_float32(extracted):
    net = backbone(gain=1e6)
    found = extracted(cut=1, backbone=net)
    assert found.activations.shelf.dtype == np.float32
    assert any("float32" in note for note in found.notes)
    values = found.activations.read(np.arange(20))
    assert values.max() > 65504
    np.testing.assert_allclose(values, direct(net, 1), rtol=1e-5)
    assert extracted(cut=1, backbone=net).computed == 0


def test_a_changed_byte_in_the_store_is_computed_anew(extracted, store):
    first = extracted(cut=1)
    before = first.activations.read(np.arange(20))
    (data,) = first.activations.shelf.folder.glob("*.data")
    store.close()
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)
    again = extracted(cut=1)
    assert (again.computed, again.reused) == (1, 19)
    assert (again.activations.read(np.arange(20)) == before).all()


def test_a_full_disk_stops_with_one_sentence_and_what_is_stored_stays(extracted, store, monkeypatch):
    real, calls = os.write, []

    def write(number, content):
        calls.append(1)
        if len(calls) > 8:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(number, content)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(StoreError, match="No space left on device"):
        extracted(40)
    monkeypatch.undo()
    store.close()
    found = extracted(40)
    assert (found.computed, found.reused) == (24, 16)
    np.testing.assert_allclose(found.activations.read(np.arange(40)), direct(backbone(), 3, 40), atol=1e-5)


def test_room_is_made_before_the_pass(extracted, tmp_path):
    first = Store(tmp_path / "small")
    extracted(backbone=backbone(seed=1), into=first)
    first.close()
    store = Store(tmp_path / "small", limit_bytes=first.size())
    found = extracted(40, into=store)
    kept = [one.spec["weights"] for one in store.shelves() if one.spec["kind"] == "activations"]
    assert kept == [backbone().weights.sha256]
    assert len(found.activations.read(np.arange(40))) == 40
    store.close()


CHOICE = Choice(runtime="torch", precision="float32", device="cpu", batch=8, version="1")
SPECIFICATIONS = {
    "cut": {"cut": 1},
    "backbone": {"backbone": backbone(name="other")},
    "weights": {"backbone": backbone(sha="0" * 64)},
    "stages": {"backbone": replace(backbone(), stages=tuple(replace(s, name=f"x{s.name}") for s in backbone().stages))},
    "normalisation": {"backbone": backbone(divisor=127.5)},
    "preprocessing": {"preprocess": Tiny(version=2)},
    "size": {"preprocess": Tiny(side=16)},
}
CHOICES = {"runtime": "openvino", "precision": "bfloat16", "device": "cuda", "batch": 1, "version": "2", "threads": 9}


def prefix(store, **changes):
    net = changes.pop("backbone", backbone())
    given = {"backbone": net, "cut": 2, "preprocess": net.preprocess, "augmentation": "none", "seed": 0, **changes}
    return Prefix(store=store, device="cpu", runtime="auto", **given)


def test_changing_any_ingredient_changes_the_key(store, monkeypatch):
    folders = {"base": prefix(store).shelf(CHOICE).folder.name}
    for what, change in SPECIFICATIONS.items():
        folders[what] = prefix(store, **change).shelf(CHOICE).folder.name
    for what, value in CHOICES.items():
        folders[what] = prefix(store).shelf(replace(CHOICE, **{what: value})).folder.name
    monkeypatch.setattr("graft.runtimes._memory.machine", lambda: "another")
    folders["machine"] = prefix(store).shelf(CHOICE).folder.name
    monkeypatch.undo()
    prefix(store).keep_float32()
    folders["dtype"] = prefix(store).shelf(CHOICE).folder.name
    monkeypatch.setattr("graft.features.store.FORMAT", 2)
    folders["format"] = prefix(store).shelf(CHOICE).folder.name
    assert len(set(folders.values())) == len(folders) == 17


def test_what_changes_no_value_changes_no_key(store):
    base = prefix(store).shelf(CHOICE)
    same = prefix(store, backbone=backbone(), preprocess=Tiny(delay=1.0))
    same.backbone.prefix(2)
    assert same.shelf(replace(CHOICE, rates={"x": 1.0}, reason="other", notes=("n",))) is base


def test_the_network_and_torch_are_left_as_they_were(extracted):
    net = backbone()
    before = {name: (t.clone(), t.stride()) for name, t in net.composed().state_dict().items()}
    threads = torch.get_num_threads()
    extracted(backbone=net)
    assert torch.get_num_threads() == threads
    for name, tensor in net.composed().state_dict().items():
        assert torch.equal(tensor, before[name][0])
        assert tensor.stride() == before[name][1]


def test_progress_ends_at_the_total(extracted):
    seen = []
    extracted(30, progress=lambda what, done, total: seen.append((done, total)))
    assert seen[-1] == (30, 30)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_wrong_settings_are_refused(extracted):
    with pytest.raises(SettingError, match="cut must be from 0 to 3"):
        extracted(cut=9)
    with pytest.raises(SettingError, match="also must be"):
        extracted(also=("colour",))
    with pytest.raises(SettingError, match="augmentation must be"):
        extracted(views=2, augmentation="fotos")
    given, hashes = examples(3)
    with pytest.raises(ValueError, match="2 hashes"):
        extracted(inputs=(given, hashes[:2]))
