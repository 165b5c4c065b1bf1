"""The folder is the registry: a file's name is a plug-in's public name, and asking for it imports that one file."""

import ast
import dataclasses
import types
import typing
from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from graft.errors import SettingError, must, unknown_name


@dataclasses.dataclass(frozen=True)
class Setting:
    """One setting of a plug-in, as help and docs show it."""

    name: str
    type: str
    default: object
    doc: str


T = typing.TypeVar("T")
C = typing.TypeVar("C")


LIST_SETTINGS = "graft list strategies --settings"


class Registry(typing.Generic[T]):
    """The plug-ins of one folder.

    A plug-in is a frozen keyword-only dataclass whose class name is the file's name in CamelCase
    (``linear_probe.py`` holds ``LinearProbe``). Files that begin with ``_`` are not plug-ins.
    """

    def __init__(self, package: str, kind: str, base: type[T] | None = None) -> None:
        self.package = package
        self.kind = kind
        self.base = base

    @cached_property
    def folder(self) -> Path:
        """The folder that is listed."""
        spec = find_spec(self.package)
        if spec is None or not spec.submodule_search_locations:
            raise ModuleNotFoundError(self.package)
        return Path(next(iter(spec.submodule_search_locations)))

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(sorted(p.stem for p in self.folder.glob("*.py") if not p.stem.startswith("_")))

    def names(self) -> tuple[str, ...]:
        """Return the public names, sorted; imports nothing. The folder is listed once."""
        return self._names

    def summary(self, name: str) -> str:
        """Return the first line of the plug-in's file, without importing it."""
        tree = ast.parse((self.folder / f"{self._known(name)}.py").read_text("utf-8"))
        return (ast.get_docstring(tree) or "").partition("\n")[0]

    def get(self, name: str) -> type[T]:
        """Import the plug-in's file and return its class. Raises UnknownNameError."""
        module = import_module(f"{self.package}.{self._known(name)}")
        found: type[T] = getattr(module, "".join(word.capitalize() for word in name.split("_")))
        if self.base is not None and not issubclass(found, self.base):
            raise TypeError(f"{found} must be a {self.base}")
        return found

    def create(self, name: str, settings: Mapping[str, Any] | None = None) -> T:
        """Build the plug-in from plain settings; all faults are reported together as one SettingError."""
        return build(self.get(name), settings or {}, f"{self.kind} {name}")

    def settings(self, name: str) -> tuple[Setting, ...]:
        """Return the plug-in's settings with the docstrings under its fields; nested ones are dotted."""
        return describe(self.get(name))

    def _known(self, name: str) -> str:
        if name not in self.names():
            plural = self.package.rpartition(".")[2]
            raise unknown_name(self.kind, name, self.names(), f"graft list {plural}")
        return name


def build(
    cls: type[C], settings: Mapping[str, Any], what: str, base: C | None = None, listed: str = LIST_SETTINGS
) -> C:
    """Build a settings dataclass from plain values; dotted keys and mappings reach nested dataclasses.

    What is not given comes from ``base``, a field's own default instance for nested ones, else from the class.
    Raises SettingError that names every unknown or wrongly typed setting at once; ``listed`` is the command that lists
    those that there are.
    """
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    plain: dict[str, Any] = {}
    nested: dict[str, dict[str, Any]] = {}
    faults: list[str] = []
    for key, value in settings.items():
        head, _, rest = key.partition(".")
        if head not in fields:
            faults.append(str(unknown_name(f"a setting of {what}", head, fields, listed)))
        elif dataclasses.is_dataclass(hints[head]) and (rest or isinstance(value, Mapping)):
            nested.setdefault(head, {}).update({rest: value} if rest else value)
        elif rest:
            faults.append(must(f"{what}: {key}", "a setting that exists", repr(key), f"{head} has no parts"))
        else:
            try:
                plain[head] = coerce(value, hints[head])
            except (TypeError, ValueError):
                wanted = type_name(hints[head])
                faults.append(must(f"{what}: {head}", wanted, repr(value), "Give such a value"))
    for head, inner in nested.items():
        inherited = getattr(base, head, _default(fields[head]))
        try:
            plain[head] = build(hints[head], inner, f"{what}.{head}", inherited, listed)
        except SettingError as error:
            faults.append(str(error))
    if faults:
        raise SettingError("\n".join(faults))
    return cls(**plain) if base is None else dataclasses.replace(base, **plain)  # type: ignore[type-var]


def _default(field: "dataclasses.Field[Any]") -> Any:
    """Return a field's default value, None where it has none."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def coerce(value: object, wanted: Any) -> Any:
    """Return ``value`` as ``wanted``, reading the strings that a command line gives. Raises ValueError or TypeError."""
    origin, choices = typing.get_origin(wanted), typing.get_args(wanted)
    if wanted is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        if type(None) in choices and (value is None or value in ("none", "null", "")):
            return None
        for choice in choices:
            if choice is not type(None):
                try:
                    return coerce(value, choice)
                except (TypeError, ValueError):
                    continue
        raise ValueError(value)
    if origin is typing.Literal:
        if value not in choices:
            raise ValueError(value)
        return value
    if origin is tuple:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)):
            raise TypeError(value)
        return tuple(coerce(item, choices[0]) for item in items)
    if wanted is bool:
        words = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
        if isinstance(value, bool):
            return value
        return words[str(value).lower()] if str(value).lower() in words else _refuse(value)
    if wanted is int:
        if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
            raise ValueError(value)
        return int(value)  # type: ignore[call-overload]
    if wanted is float:
        return _refuse(value) if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    if wanted is str:
        return value if isinstance(value, str) else _refuse(value)
    if isinstance(wanted, type) and isinstance(value, wanted):
        return value
    raise TypeError(value)


def _refuse(value: object) -> typing.NoReturn:
    raise ValueError(value)


def type_name(wanted: Any) -> str:
    """Return a type as a person reads it: ``int``, ``'cosine' or 'one_cycle'``, ``float or none``."""
    choices = typing.get_args(wanted)
    if typing.get_origin(wanted) is typing.Literal:
        return " or ".join(repr(c) for c in choices)
    if typing.get_origin(wanted) in (typing.Union, types.UnionType):
        return " or ".join("none" if c is type(None) else type_name(c) for c in choices)
    if typing.get_origin(wanted) is tuple:
        return f"list of {type_name(choices[0])}"
    return getattr(wanted, "__name__", str(wanted))


def describe(cls: type, prefix: str = "", base: object = None) -> tuple[Setting, ...]:
    """Return the settings of a dataclass, each with the docstring under its field and its default (``base``'s)."""
    hints, docs = typing.get_type_hints(cls), field_docs(cls)
    found: list[Setting] = []
    for one in dataclasses.fields(cls):
        if not one.init:
            continue
        wanted = hints[one.name]
        if dataclasses.is_dataclass(wanted) and isinstance(wanted, type):
            found += describe(wanted, f"{prefix}{one.name}.", getattr(base, one.name, _default(one)))
            continue
        shown = getattr(base, one.name, _default(one))
        found.append(Setting(f"{prefix}{one.name}", type_name(wanted), shown, docs.get(one.name, "")))
    return tuple(found)


def field_docs(cls: type) -> dict[str, str]:
    """Return the docstrings that stand under the fields of a class and of its bases."""
    docs: dict[str, str] = {}
    for one in reversed(cls.__mro__):
        spec = find_spec(one.__module__) if one.__module__ not in ("builtins", "__main__") else None
        if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
            continue
        for node in ast.walk(ast.parse(Path(spec.origin).read_text("utf-8"))):
            if isinstance(node, ast.ClassDef) and node.name == one.__name__:
                for field, text in zip(node.body, node.body[1:], strict=False):
                    if (
                        isinstance(field, ast.AnnAssign)
                        and isinstance(field.target, ast.Name)
                        and isinstance(text, ast.Expr)
                        and isinstance(text.value, ast.Constant)
                        and isinstance(text.value.value, str)
                    ):
                        docs[field.target.id] = " ".join(text.value.value.split())
    return docs
