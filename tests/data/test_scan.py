"""The first look at the files: what is kept, what is set aside, and the list that is written."""

import csv
import threading
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from data_pictures import picture

from graft import data
from graft.errors import DataError, UnreadableInputError
from graft.preprocess import REGISTRY
from graft.types import Example, Finding


@dataclass(frozen=True)
class Facts:
    format: str = "PNG"
    shape: tuple[int, ...] = (8, 8)
    findings: tuple[Finding, ...] = ()


def quiet(content: bytes, source: str) -> Facts:
    return Facts()


def test_what_is_kept_is_in_order_and_hashed(folder):
    found = data.scan(data.read(folder({f"{n % 3}/{n}.png": n for n in range(100)})), quiet)
    assert [one.path.name for one in found.examples] == [
        f"{n}.png" for n in sorted(range(100), key=lambda n: (n % 3, str(n)))
    ]
    assert found.hashes == tuple(sha256(one.read()).hexdigest() for one in found.examples)
    assert len(found.facts) == 100 and not found.findings and not found.set_aside


def test_bad_files_are_set_aside_and_grouped(folder, monkeypatch):
    root = folder(
        {"a/1.png": 1, "b/2.png": 2, "a/0.png": b"", "b/0.png": b"", "b/locked.png": 3, "b/bad.png": 4, "b/x.png": 5}
    )
    dataset = data.read(root)
    (root / "b" / "x.png").unlink()
    read_bytes = Path.read_bytes

    def refuse(path):
        if path.name == "locked.png":
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    def inspect(content, source):
        if source.endswith("bad.png"):
            raise UnreadableInputError("The image must be whole. Got half of it. Copy it again.")
        return Facts()

    monkeypatch.setattr(Path, "read_bytes", refuse)
    found = data.scan(dataset, inspect)
    assert [one.path.name for one in found.examples] == ["1.png", "2.png"]
    assert [(one.example.path.name, one.kind, one.message) for one in found.set_aside] == [
        ("0.png", "zero_size", "The file must be one with content. Got 0 bytes. Copy it again from its source."),
        ("0.png", "zero_size", "The file must be one with content. Got 0 bytes. Copy it again from its source."),
        ("bad.png", "unreadable", "The image must be whole. Got half of it. Copy it again."),
        ("locked.png", "unreadable", "The file must be readable. Got Permission denied. Check its permissions."),
        ("x.png", "missing_file", "The file is not there."),
    ]
    assert [(one.kind, len(one.files), one.severity) for one in found.findings] == [
        ("zero_size", 2, "error"),
        ("unreadable", 2, "error"),
        ("missing_file", 1, "error"),
    ]


def test_findings_are_one_a_kind_and_errors_set_aside(folder):
    root = folder({f"{n % 2}/{n}.png": n for n in range(10)})

    def inspect(content, source):
        number = int(Path(source).stem)
        found = [Finding("greyscale", (source,), "It is grey.", "note")] if number < 4 else []
        found += [Finding("too_large", (source,), f"It has {number} sides.", "error")] if number > 7 else []
        return Facts(findings=tuple(found))

    found = data.scan(data.read(root), inspect)
    assert [(one.kind, len(one.files), one.message, one.severity) for one in found.findings] == [
        ("too_large", 2, "2 files, such as: It has 8 sides.", "error"),
        ("greyscale", 4, "4 files: It is grey.", "note"),
    ]
    assert [one.kind for one in found.set_aside] == ["too_large", "too_large"] and len(found.examples) == 8


def test_all_files_broken(folder):
    root = folder({"a/1.png": b"", "b/2.png": b"", "b/3.png": b""})
    with pytest.raises(DataError) as caught:
        data.scan(data.read(root), quiet)
    assert str(caught.value) == (
        f"The data in '{root}' must be at least 2 classes with readable files. Got 0 classes after 3 set aside "
        f"(3 zero_size), the first '{root}/a/1.png'. Copy it again from its source."
    )


def test_unlabelled_data_need_no_classes(folder):
    root = folder({"1.png": 1, "2.png": b""})
    found = data.scan(data.Dataset(data.find_inputs([root]), "image", str(root)), quiet)
    assert len(found.examples) == 1 and len(found.set_aside) == 1


def test_progress_ends_at_the_total_and_memory_holds_a_file_a_thread(folder):
    dataset = data.read(folder({f"{n % 2}/{n}.png": n for n in range(150)}))
    seen, alive, most = [], [0], [0]
    lock = threading.Lock()

    def inspect(content, source):
        with lock:
            alive[0] += 1
            most[0] = max(most[0], alive[0])
        with lock:
            alive[0] -= 1
        return Facts()

    found = data.scan(dataset, inspect, progress=lambda *one: seen.append(one), threads=3)
    assert seen[-1] == ("reading files", 150, 150) and [one[1] for one in seen] == sorted(one[1] for one in seen)
    assert most[0] <= 3 and all(one.content is None for one in found.examples)


def test_the_list_of_what_was_set_aside_is_safe_to_open(tmp_path):
    sources = ["=HYPERLINK(1)", "-1.png", "+x", "@y", 'a\nb,"c".png', "日本.png"]
    bad = [data.SetAside(Example(source), "unreadable", "No, really.") for source in sources]
    data.write_set_aside(tmp_path / "set_aside.csv", bad)
    with (tmp_path / "set_aside.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["source", "kind", "message"]
    assert [row[0] for row in rows[1:]] == ["'=HYPERLINK(1)", "'-1.png", "'+x", "'@y", 'a\nb,"c".png', "日本.png"]
    assert all(row[1:] == ["unreadable", "No, really."] for row in rows[1:])


def test_with_the_real_preprocessing(folder):
    inspect = REGISTRY.get("image")().inspect
    root = folder(
        {"a/1.png": 1, "b/2.jpg": picture(2), "a/cut.png": picture(3)[:60], "a/text.png": b"hello", "b/0.png": b""}
    )
    found = data.scan(data.read(root), inspect)
    assert [one.path.name for one in found.examples] == ["1.png", "2.jpg"]
    assert {one.example.path.name: one.kind for one in found.set_aside} == {
        "cut.png": "unreadable",
        "text.png": "unreadable",
        "0.png": "zero_size",
    }
    assert "wrong_extension" in [one.kind for one in found.findings]
    assert [(one.format, one.shape) for one in found.facts] == [("PNG", (8, 8)), ("PNG", (8, 8))]


def test_real_photos_are_all_kept(real):
    for name, n in (("clothing", 1022), ("sign_digits", 1000)):
        found = data.scan(data.read(real / name), REGISTRY.get("image")().inspect)
        assert len(found.examples) == n and not found.set_aside


def test_files_that_are_waited_for_are_read_by_several_threads(folder, monkeypatch):
    reading = []

    def slow(self, *, in_place):
        reading.append(threading.get_ident())
        time.sleep(0.002)
        return self.path.read_bytes()

    source = data.read(folder({f"{n % 3}/{n}.png": n for n in range(300)}))
    monkeypatch.setattr(Example, "read", slow)
    found = data.scan(source, quiet, threads=3)
    assert len(set(reading)) == 4  # the first files are read by the caller
    assert [one.path for one in found.examples] == [one.path for one in source.examples]


def test_one_reason_for_all_is_what_the_error_advises(folder):
    def refuse(content, source):
        return Facts(
            findings=(Finding("too_large", (source,), "It must be small. Got much. Raise --max-pixels.", "error"),)
        )

    with pytest.raises(DataError, match=r"2 set aside \(2 too_large\).+ Raise --max-pixels\.$"):
        data.scan(data.read(folder({"a/1.png": 1, "b/1.png": 2})), refuse)
