"""The audit without a network: duplicates, small classes, imbalance, and that all is said once."""

from data_pictures import picture

from graft import data
from graft.preprocess import REGISTRY
from graft.types import Example


def test_audit_of_a_bad_folder(folder):
    root = folder(
        {
            **{f"many/{n}.png": n for n in range(60)},
            "few/a.png": 100,
            "few/b.png": 101,
            "few/b again.png": 101,
            "few/mine.png": 102,
            "many/yours.png": 102,
            "few/0.png": b"",
            "few/really.jpg": picture(103),
        }
    )
    scanned = data.scan(data.read(root), REGISTRY.get("image")().inspect)
    parts = data.split(scanned.examples, scanned.hashes)
    found = data.audit(scanned, parts)
    kinds = [one.kind for one in found]
    for kind in ("zero_size", "wrong_extension", "duplicate", "conflicting_labels", "imbalance"):
        assert kinds.count(kind) == 1, kind
    pair = next(one for one in found if one.kind == "duplicate")
    assert [name.rpartition("/")[2] for name in pair.files] == ["b again.png", "b.png"]
    assert pair.details["label"] == "few"
    imbalance = next(one for one in found if one.kind == "imbalance")
    assert imbalance.details["sizes"] == {"many": 61, "few": 5}


def test_small_classes_are_named_with_their_files():
    examples = [Example(f"{label}{n}", label) for label, size in (("a", 5), ("b", 4), ("c", 1)) for n in range(size)]
    (found,) = data.class_sizes(examples)
    assert found.kind == "small_class" and found.details["sizes"] == {"b": 4, "c": 1} and len(found.files) == 5
    assert found.message == "2 classes with fewer than 5 examples: 'b', 'c'; add some."


def test_balance_up_to_ten_to_one_is_nothing_to_say():
    examples = [Example(f"{label}{n}", label) for label, size in (("a", 50), ("b", 5)) for n in range(size)]
    assert data.class_sizes(examples) == ()
    assert data.class_sizes([Example("x"), Example("y")]) == ()


def test_unusual_real_data_is_quiet(real):
    scanned = data.scan(data.read(real / "clothing"), REGISTRY.get("image")().inspect)
    found = data.audit(scanned, data.split(scanned.examples, scanned.hashes))
    assert [one.kind for one in found] == []
