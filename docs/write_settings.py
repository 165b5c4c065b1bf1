"""Writes the settings of strategies and heads into docs/recipe.md, from the code: ``python docs/write_settings.py``."""

import re
from pathlib import Path

from graft import heads, strategies
from graft.registry import Setting

PAGE = Path(__file__).with_name("recipe.md")
PLACE = re.compile(r"(?<=<!-- settings:begin -->\n).*?(?=<!-- settings:end -->)", re.DOTALL)
ORDER = ("nearest_mean", "linear_probe", "frozen_head", "partial", "full")
"""The strategies that readers ask for first; others follow by name."""


def tables() -> str:
    """Return a heading and a table for every strategy and head that has settings."""
    known = strategies.REGISTRY.names()
    names = [*ORDER, *(name for name in known if name not in ORDER)]
    text = [_table("Strategy", name, strategies.REGISTRY.settings(name)) for name in names]
    text += [_table("Head", name, heads.REGISTRY.settings(name)) for name in heads.REGISTRY.names()]
    return "".join(text) + "\n"


def _table(kind: str, name: str, settings: tuple[Setting, ...]) -> str:
    lines = (
        ["| setting | type | default | meaning |", "| --- | --- | --- | --- |"] if settings else ["It has no settings."]
    )
    for one in settings:
        kinds = one.type.replace("'", "")
        lines.append(f"| `{one.name}` | {kinds} | `{_shown(one.default)}` | {one.doc} |")
    return "\n".join([f"\n### {kind} {name}", "", *lines, ""])


def _shown(value: object) -> str:
    if value is None:
        return "none"
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value).lower()


def written() -> str:
    """Return the page with today's tables."""
    return PLACE.sub(lambda _: tables(), PAGE.read_text("utf-8"))


if __name__ == "__main__":
    PAGE.write_text(written(), "utf-8")
