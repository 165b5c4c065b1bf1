"""Runs what docs/ shows, Python and commands, page by page, in a folder that holds what the pages speak of."""

import io
import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets

import docs_desk
import graft
import quick_fit
from graft.contract import speed
from graft.serving import drift

DOCS = sorted((Path(__file__).parents[2] / "docs").glob("*.md"))
DISTANT = ("wav2vec2-base", "facebook/")
"""Names whose weights only a hub has: without it the answer must be one clear sentence."""
TINY = ("--backbone", "test_efficientnet", "--weights", "random")
PICTURED = ("photos", "recordings", "clips", "labels", "prices")
"""Data that the tiny network takes."""
QUICKER = {
    "int8": ("--set", "inputs=4", "--set", "tolerance=1000000", "--force"),
    "binary": ("--set", "epochs=1"),
}
"""Random weights lose much in 8 bits, diverge when trained for long, and finding sensitive layers takes long."""


def blocks(language: str):
    for file in DOCS:
        for found in re.finditer(rf"^```{language}\n(.*?)^```$", file.read_text("utf-8"), re.M | re.S):
            yield file, found[1]


PYTHON = [pytest.param(text, id=f"{file.name}-{number}") for number, (file, text) in enumerate(blocks("python"))]
PAGES: dict[str, list[str]] = {}
for page, block in blocks("console"):
    shown = [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ graft ")]
    # A server goes on until it is stopped.
    shown = [line for line in shown if not line.startswith("graft serve ")]
    PAGES.setdefault(page.name, []).extend(line for line in shown if line not in PAGES.get(page.name, []))


@pytest.fixture(scope="module")
def furnished(tmp_path_factory) -> Path:
    """Return the folder with all that the pages name, and two fitted models."""
    folder = docs_desk.made(tmp_path_factory.mktemp("docs") / "desk")
    quick = (*quick_fit.TORCH, "--strategy", "linear_probe", "--json")
    with quick_fit.one_thread(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAFT_CACHE", str(folder.parent / "cache"))
        for data, out, network in (("photos", "model", TINY), ("tickets.csv", "tickets", ())):
            fitted = quick_fit.run_graft("fit", folder / data, "--out", folder / out, *network, *quick)
            assert fitted.code == 0, fitted.err
        model = graft.load(folder / "model")
        rolling = drift.Rolling(model.caution.doubt)
        rolling.add(model.embed(sorted((folder / "new_photos").iterdir())))
        (folder / "statistics.json").write_text(json.dumps(rolling.to_json()), "utf-8")
    settings = (
        "backbone: test_efficientnet\nweights: random\nruntime: torch:float32\naugment: none\nstrategy: partial\n"
    )
    (folder / "recipe.yaml").write_text(f"{settings}settings: {{partial.optimisation.epochs: 2}}\n", "utf-8")
    return folder


@pytest.fixture
def desk(furnished, tmp_path, monkeypatch) -> Path:
    """Stand in a copy of it."""
    here = shutil.copytree(furnished, tmp_path / "desk")
    monkeypatch.chdir(here)
    monkeypatch.setattr("typer.launch", lambda address: 0)
    monkeypatch.setattr(speed, "SECONDS", 0.01)
    return here


@pytest.mark.parametrize("text", PYTHON)
def test_python(desk, text):
    names: dict[str, object] = {}
    if "model.onnx" in text:
        assert quick_fit.run_graft("export", "model", "--out", "model.onnx").code == 0
    exec(compile(text, "docs", "exec"), names)
    if "search" in names:
        photos = sorted((desk / "photos").rglob("*.jpg"))[:12]
        found = names["search"](photos, [one.parent.name for one in photos])
        assert set(found.classes_) == {"cat", "dog"}


@pytest.mark.parametrize("page", PAGES)
def test_commands(desk, page, monkeypatch):
    """All commands of a page, one after the other: a model that one writes is the next one's."""
    if page == "demo.md":
        few_digits(monkeypatch)
    if page == "bench.md":
        # Exporting each form for it takes half a minute; tests/cli/test_compress.py measures it too.
        monkeypatch.setattr("graft.runtimes.onnxruntime.Onnxruntime.missing", classmethod(lambda cls: "onnxruntime"))
    for line in PAGES[page]:
        words = shlex.split(line, comments=True)[1:]
        for sign in "><":
            if sign in words:
                place = words.index(sign)
                words, file = words[:place], words[place + 1]
                if sign == "<":
                    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((desk / file).read_bytes())))
        words += [more for method, short in QUICKER.items() if method in words for more in short]
        ran = quick_fit.run_graft(*(quickened(words, desk) if words[0] == "fit" else words))
        assert "Traceback" not in ran.err, line
        if any(name in line for name in DISTANT):
            assert (ran.code, ran.out) == (1, ""), line
            assert "--weights" in ran.err and " must be " in ran.err, ran.err
            continue
        assert ran.code == 0, (line, ran.err)
        assert ran.out or ran.err, line


def few_digits(patch: pytest.MonkeyPatch) -> None:
    """Let the demo find a twentieth of its digits, of two classes."""
    found = datasets.load_digits()
    rows = np.flatnonzero(found.target % 4 == 3)[:90]
    found.images, found.target = found.images[rows], found.target[rows]
    patch.setattr(datasets, "load_digits", lambda: found)


def quickened(words: list[str], desk: Path) -> list[str]:
    """Return a fit with what makes it quick, and room for its model; what a page names stays as it is."""
    out = Path(words[words.index("--out") + 1] if "--out" in words else "model")
    shutil.rmtree(desk / out, ignore_errors=True)
    if "--recipe" in words:
        return words
    tiny = [*TINY] if "--backbone" not in words and any(name in words[1] for name in PICTURED) else []
    if "--cut" in words:
        words = ["1" if before == "--cut" else word for before, word in zip(["", *words], words, strict=False)]
    way = [] if "--strategy" in words else ["--strategy", "frozen_head" if "--head" in words else "linear_probe"]
    trained = ["--set", "frozen_head.optimisation.epochs=2"] if "frozen_head" in (*words, *way) else []
    return [*words, *tiny, *quick_fit.TORCH, *way, *trained]


def test_every_page_with_commands_is_run():
    assert {"demo.md", "fit.md", "predict.md", "evaluate.md", "inspect.md", "show.md", "weights.md"} <= set(PAGES)
    assert len(PYTHON) >= 7
    assert sum(map(len, PAGES.values())) >= 50
