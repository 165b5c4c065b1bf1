"""The folder is the registry: listing imports nothing, asking imports one file, settings are read from plain values."""

import dataclasses
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from graft import heads, runtimes, strategies, tasks
from graft.backbones import REGISTRY as BACKBONES
from graft.data.readers import REGISTRY as READERS
from graft.errors import SettingError, UnknownNameError
from graft.preprocess import REGISTRY as PREPROCESS
from graft.registry import Registry, build, coerce, describe, field_docs, type_name

REGISTRIES = {
    "strategies": strategies.REGISTRY,
    "heads": heads.REGISTRY,
    "tasks": tasks.REGISTRY,
    "runtimes": runtimes.REGISTRY,
    "backbones": BACKBONES,
    "readers": READERS,
    "preprocess": PREPROCESS,
}


@pytest.fixture(params=REGISTRIES)
def registry(request) -> Registry:
    return REGISTRIES[request.param]


def test_every_plug_in_has_a_summary_a_class_and_documented_settings(registry):
    assert registry.names() == tuple(sorted(registry.names()))
    for name in registry.names():
        assert registry.summary(name).endswith("."), name
        cls = registry.get(name)
        assert cls.__name__ == "".join(word.capitalize() for word in name.split("_"))
        assert dataclasses.is_dataclass(cls)
        assert cls.__dataclass_params__.frozen
        for one in registry.settings(name):
            assert one.doc, f"{name}.{one.name} says nothing of itself"
            assert one.type


def test_an_unknown_name_is_refused_before_any_import(registry):
    for name in ("nonsense", "_base", "__init__", "../errors", "os.path", "", "LinearProbe"):
        with pytest.raises(UnknownNameError, match="must be a known name"):
            registry.get(name)
        with pytest.raises(UnknownNameError):
            registry.summary(name)


def test_listing_imports_no_plug_in_and_asking_imports_one():
    code = (
        "import sys; from graft.strategies import REGISTRY; names = REGISTRY.names(); REGISTRY.summary('partial');"
        "loaded = lambda: {n for n in names if f'graft.strategies.{n}' in sys.modules};"
        "assert not loaded(), loaded(); REGISTRY.get('majority'); assert loaded() == {'majority'}, loaded()"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_file_in_the_folder_is_a_plug_in(tmp_path, monkeypatch):
    package = tmp_path / "plug_ins_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "_hidden.py").write_text("raise RuntimeError")
    (package / "two_words.py").write_text(
        '"""What it is.\n\nMore."""\nfrom dataclasses import dataclass\n\n'
        '@dataclass(frozen=True, kw_only=True)\nclass TwoWords:\n    """A plug-in."""\n\n'
        '    size: int = 3\n    """How large."""\n'
    )
    (package / "broken.py").write_text('"""It cannot be imported."""\nraise RuntimeError')
    monkeypatch.syspath_prepend(tmp_path)
    found = Registry(package.name, "plug-in")
    assert found.names() == ("broken", "two_words")
    assert found.summary("broken") == "It cannot be imported."
    assert found.summary("two_words") == "What it is."
    assert found.create("two_words", {"size": "4"}).size == 4
    (setting,) = found.settings("two_words")
    assert (setting.name, setting.type, setting.default, setting.doc) == ("size", "int", 3, "How large.")
    with pytest.raises(TypeError, match="must be a"):
        Registry(package.name, "plug-in", int).get("two_words")


@dataclass(frozen=True, kw_only=True)
class Inner:
    """Nested."""

    rate: float = 0.1
    """How fast."""
    kind: Literal["cosine", "flat"] = "cosine"
    """Which one."""


FAST = Inner(rate=0.5)


@dataclass(frozen=True, kw_only=True)
class Outer:
    """Outermost."""

    count: int = 3
    """How many."""
    limit: float | None = None
    """How far."""
    names: tuple[str, ...] = ()
    """Which."""
    on: bool = False
    """Whether."""
    anything: Any = None
    """Whatever."""
    inner: Inner = FAST
    """What is within."""
    made: Inner = field(default_factory=Inner)
    """What is made."""
    hidden: int = field(default=7, init=False)


def test_plain_values_build_nested_settings():
    built = build(Outer, {"count": "5", "inner.kind": "flat", "inner": {"rate": "0.25"}, "names": "a,b"}, "outer")
    assert built == Outer(count=5, inner=Inner(rate=0.25, kind="flat"), names=("a", "b"))
    # What is not given comes from the field's own default, not from the class of it.
    assert build(Outer, {"inner.kind": "flat"}, "outer").inner == Inner(rate=0.5, kind="flat")
    assert build(Outer, {"made.kind": "flat"}, "outer").made == Inner(kind="flat")
    assert build(Outer, {"count": 1}, "outer", Outer(limit=2.0)) == Outer(count=1, limit=2.0)
    assert build(Outer, {}, "outer") == Outer()


def test_all_faults_are_told_together():
    wrong = {"cuont": 1, "limit": "far", "inner.rat": 1, "inner.kind": "round", "count.more": 2, "hidden": 1}
    with pytest.raises(SettingError) as caught:
        build(Outer, wrong, "outer")
    said = str(caught.value).splitlines()
    assert len(said) == 6
    assert all(" must be " in one and ". Got " in one for one in said)
    for piece in (
        "'count'",
        "outer: limit must be float or none",
        "'rate'",
        "'cosine' or 'flat'",
        "count has no parts",
    ):
        assert any(piece in one for one in said), piece


@pytest.mark.parametrize(
    ("value", "wanted", "found"),
    [
        ("3", int, 3),
        (3.0, int, 3),
        ("1e-3", float, 0.001),
        (2, float, 2.0),
        ("yes", bool, True),
        ("False", bool, False),
        (True, bool, True),
        ("none", float | None, None),
        ("", int | None, None),
        (None, int | None, None),
        ("4", int | None, 4),
        ("4", int | str, 4),
        ("four", int | str, "four"),
        ("a", Literal["a", "b"], "a"),
        ("1,2", tuple[int, ...], (1, 2)),
        ([1, "2"], tuple[int, ...], (1, 2)),
        ({"a": 1}, Any, {"a": 1}),
    ],
)
def test_strings_of_a_command_line_become_what_is_wanted(value, wanted, found):
    got = coerce(value, wanted)
    assert got == found
    assert type(got) is type(found)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("3.5", int),
        (3.5, int),
        (True, int),
        (True, float),
        ("x", float),
        ("maybe", bool),
        (2, bool),
        (3, str),
        ("c", Literal["a", "b"]),
        ("a", tuple[int, ...]),
        (3, tuple[int, ...]),
        ("x", int | None),
        ([], dict),
    ],
)
def test_other_values_are_refused(value, wanted):
    with pytest.raises((TypeError, ValueError)):
        coerce(value, wanted)


def test_settings_are_described_with_dots_docs_and_real_defaults():
    found = {one.name: one for one in describe(Outer)}
    assert list(found) == [
        *("count", "limit", "names", "on", "anything"),
        *("inner.rate", "inner.kind", "made.rate", "made.kind"),
    ]
    assert (found["inner.rate"].default, found["made.rate"].default) == (0.5, 0.1)
    assert found["inner.kind"].type == "'cosine' or 'flat'"
    assert found["limit"].type == "float or none"
    assert found["inner.rate"].doc == "How fast."


def test_docs_of_fields_come_with_their_bases():
    @dataclass(frozen=True, kw_only=True)
    class Child(Inner):
        """Child of another."""

    assert field_docs(Child) == {"rate": "How fast.", "kind": "Which one."}


def test_types_as_people_read_them():
    assert type_name(int) == "int"
    assert type_name(tuple[str, ...]) == "list of str"
    assert type_name(int | str | None) == "int or str or none"
