"""The split: parts that stay when files are added, groups, duplicates, small classes, the lock."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from graft import data
from graft.data.split import draw
from graft.errors import DataError, LockedError, SettingError
from graft.types import Example, digest

quick = settings(deadline=None, derandomize=True, database=None, max_examples=150)


def items(pairs, parts=None, groups=None):
    """Return examples and hashes for (content, label) pairs."""
    examples = tuple(
        Example(f"{number}:{content}", label, part=parts and parts[number], group=groups and groups[number])
        for number, (content, label) in enumerate(pairs)
    )
    return examples, tuple(digest(str(content)) for content, _ in pairs)


def kinds(parts):
    return Counter(one.kind for one in parts.findings)


def only(parts, kind):
    found = [one for one in parts.findings if one.kind == kind]
    assert len(found) == 1
    return found[0]


CONTENTS = st.lists(st.integers(0, 10**6), min_size=1, max_size=60, unique=True)


@quick
@given(before=CONTENTS, added=CONTENTS, classes=st.integers(2, 5), seed=st.integers(0, 3), data_=st.data())
def test_adding_files_moves_none(before, added, classes, seed, data_):
    pairs = [(one, f"c{one % classes}") for one in before]
    more = data_.draw(st.permutations(pairs + [(one, f"c{one % classes}") for one in added if one not in set(before)]))
    first, second = data.split(*items(pairs), seed=seed), data.split(*items(more), seed=seed)
    parts_before = dict(zip([one for one, _ in pairs], first.of, strict=True))
    parts_after = dict(zip([one for one, _ in more], second.of, strict=True))
    by_hand = {
        int(file.partition(":")[2])
        for parts in (first, second)
        for finding in parts.findings
        if finding.kind == "small_class_placed"
        for file in finding.files
    }
    for one in before:
        if one not in by_hand:
            assert parts_before[one] == parts_after[one]
            value = draw(f"content:{digest(str(one))}", seed)
            assert parts_before[one] == ("test" if value < 0.15 else "val" if value < 0.30 else "train")
    # A class that the draw served is never placed by hand, before or after.
    for label in {label for _, label in pairs}:
        drawn = {draw(f"content:{digest(str(one))}", seed) for one, own in pairs if own == label}
        if min(drawn) < 0.15 and max(drawn) >= 0.30 and any(0.15 <= value < 0.30 for value in drawn):
            assert not by_hand & {one for one, own in pairs if own == label}


@quick
@given(contents=CONTENTS, classes=st.integers(1, 4), seed=st.integers(0, 3))
def test_every_class_is_served_as_far_as_it_goes(contents, classes, seed):
    pairs = [(one, f"c{one % classes}") for one in contents]
    parts = data.split(*items(pairs), seed=seed)
    for label, n in Counter(label for _, label in pairs).items():
        have = {part for part, (_, own) in zip(parts.of, pairs, strict=True) if own == label}
        assert have >= {1: {"train"}, 2: {"train", "test"}}.get(n, {"train", "val", "test"})


@quick
@given(contents=CONTENTS, groups=st.integers(1, 12), seed=st.integers(0, 3))
def test_a_group_is_never_parted(contents, groups, seed):
    pairs = [(one, f"c{one % 3}") for one in contents]
    names = [f"g{one // 3 % groups}" for one in contents]
    parts = data.split(*items(pairs, groups=names), seed=seed)
    where = {}
    for group, part in zip(names, parts.of, strict=True):
        if part is not None:
            assert where.setdefault(group, part) == part
    for a, first in enumerate(names):
        assert all((parts.units[a] == parts.units[b]) == (first == second) for b, second in enumerate(names))


@quick
@given(contents=CONTENTS, copies=st.lists(st.integers(0, 59), max_size=20), own=st.booleans(), seed=st.integers(0, 3))
def test_no_content_is_in_two_parts_and_rows_are_accounted_for(contents, copies, own, seed):
    contents = contents + [contents[one % len(contents)] for one in copies]
    pairs = [(one, f"c{one % 2}") for one in contents]
    given_parts = [("train", "train", "test")[number % 3] for number in range(len(pairs))] if own else None
    assume(not own or set(contents[0::3] + contents[1::3]) - set(contents[2::3]))
    parts = data.split(*items(pairs, parts=given_parts), seed=seed)
    where = {}
    for content, part in zip(contents, parts.of, strict=True):
        if part is not None:
            assert where.setdefault(content, part) == part
    rows = np.concatenate([parts.train, parts.val, parts.test.open(), parts.left_out])
    assert sorted(rows) == list(range(len(pairs)))
    for part in ("val", "test"):
        kept = [content for content, one in zip(contents, parts.of, strict=True) if one == part]
        assert len(kept) == len(set(kept))


def test_shares_are_right_in_expectation_and_the_seed_matters():
    pairs = [(number, f"c{number % 10}") for number in range(5000)]
    one, other = data.split(*items(pairs)), data.split(*items(pairs), seed=1)
    sizes = Counter(one.of)
    # Five standard deviations of a binomial share.
    for part, share in (("train", 0.70), ("val", 0.15), ("test", 0.15)):
        assert abs(sizes[part] - 5000 * share) < 5 * (5000 * share * (1 - share)) ** 0.5
    assert one.of != other.of and not one.findings
    assert Counter(data.split(*items(pairs), shares=(0.5, 0.0, 0.5)).of)["val"] == 0


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.7, 0.2, 0.2), (0.0, 0.5, 0.5), (1.2, -0.1, -0.1)])
def test_bad_shares(shares):
    with pytest.raises(SettingError, match=r"^The shares must be three numbers .+ Take 0.7, 0.15, 0.15\.$"):
        data.split(*items([(1, "a"), (2, "b")]), shares=shares)


def test_the_persons_parts_win_and_validation_comes_from_their_training():
    pairs = [(number, f"c{number % 2}") for number in range(300)]
    own = ["test" if number < 100 else "train" for number in range(300)]
    parts = data.split(*items(pairs, parts=own))
    assert parts.test.open().tolist() == list(range(100))
    assert 15 < len(parts.val) < 60 and len(parts.val) + len(parts.train) == 200
    own = ["val" if one == "train" and number < 150 else one for number, one in enumerate(own)]
    assert list(data.split(*items(pairs, parts=own)).of) == own


def test_a_duplicate_across_the_persons_parts_is_taken_out_of_training():
    pairs = [(1, "a"), (2, "b"), (3, "a"), (1, "a"), (3, "a"), (4, "a")]
    parts = data.split(*items(pairs, parts=["train", "train", "train", "test", "val", "train"]))
    assert parts.of == (None, "train", None, "test", "val", "train")
    found = [one for one in parts.findings if one.kind == "duplicate_across_parts"]
    assert [(one.files, one.message) for one in found] == [
        (("0:1", "3:1"), "The same file is in train and test; it is used in test alone."),
        (("2:3", "4:3"), "The same file is in train and val; it is used in val alone."),
    ]


def test_copies_stay_in_training_and_count_once_in_the_test():
    pairs = [(1, "a"), (1, "a"), (2, "b"), (3, "a"), (3, "a"), (4, "b"), (5, "b")]
    parts = data.split(*items(pairs, parts=["train", "train", "train", "test", "test", "test", "val"]))
    assert parts.of == ("train", "train", "train", "test", None, "test", "val")
    assert only(parts, "duplicate_in_evaluation").files == ("4:3",)
    assert parts.units[0] == parts.units[1] != parts.units[2]


def test_one_content_with_two_labels_is_used_nowhere():
    pairs = [(1, "a"), (1, "b"), *((number, "ab"[number % 2]) for number in range(2, 40))]
    parts = data.split(*items(pairs))
    assert parts.of[:2] == (None, None) and parts.left_out.tolist() == [0, 1]
    found = only(parts, "conflicting_labels")
    assert found.files == ("0:1", "1:1") and found.details == {"labels": ["a", "b"]}


def test_a_class_that_training_never_sees_is_left_out_of_the_test():
    pairs = [(1, "a"), (2, "b"), (3, "a"), (4, "new"), (5, "b"), (6, "a")]
    parts = data.split(*items(pairs, parts=["train", "train", "test", "test", "test", "val"]))
    assert parts.of == ("train", "train", "test", None, "test", "val")
    assert only(parts, "class_not_in_training").files == ("3:4",)
    missing = [one for one in parts.findings if one.kind == "class_missing_in_part"]
    assert [one.details for one in missing] == [
        {"part": "train", "classes": ["new"]},
        {"part": "val", "classes": ["b", "new"]},
        {"part": "test", "classes": ["new"]},
    ]


def test_a_group_in_two_given_parts_is_said_and_left():
    pairs = [(1, "a"), (2, "b"), (3, "a"), (4, "b"), (5, "a"), (6, "b")]
    own = ["train", "train", "test", "test", "val", "val"]
    parts = data.split(*items(pairs, parts=own, groups=["p", "q", "p", "r", "s", "t"]))
    assert list(parts.of) == own and only(parts, "group_across_parts").files == ("0:1", "2:3")


def test_nothing_to_train_on():
    with pytest.raises(
        DataError,
        match=r"^The training part must be at least one example\. Got none after class_missing_in_part, class_not",
    ):
        data.split(*items([(1, "a"), (2, "b")], parts=["test", "test"]))
    with pytest.raises(DataError, match=r"Got none after class_not_in_training, .*duplicate_across_parts"):
        data.split(*items([(1, "a"), (1, "a")], parts=["train", "test"]))


def test_a_group_of_all_classes_is_kept_for_training():
    for seed in range(30):
        assert data.split(*items([(1, "a"), (2, "b")], groups=["g", "g"]), seed=seed).of == ("train", "train")


def test_the_test_part_opens_once():
    pairs = [(number, f"c{number % 2}") for number in range(50)]
    parts = data.split(*items(pairs))
    assert parts.test.n > 0 and not parts.test.opened and "locked" in repr(parts.test)
    rows = parts.test.open()
    assert rows.tolist() == [row for row, part in enumerate(parts.of) if part == "test"] and parts.test.opened
    with pytest.raises(LockedError, match=r"^The test part must be opened once\. Got a second opening"):
        parts.test.open()


def test_fingerprints_follow_content_and_labels_alone():
    pairs = [(number, f"c{number % 2}") for number in range(50)]
    examples, hashes = items(pairs)
    again, mixed = items(pairs[::-1])
    print_ = data.data_fingerprint(examples, hashes)
    assert print_ == data.data_fingerprint(again, mixed)
    assert data.split(examples, hashes).test.fingerprint == data.split(again, mixed).test.fingerprint
    assert print_ != data.data_fingerprint(*items([(0, "c1"), *pairs[1:]]))
    assert print_ != data.data_fingerprint(*items(pairs[:-1]))
