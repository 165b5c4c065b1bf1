"""Runs what docs/ shows, Python and commands, in a folder that holds what the pages speak of; small in every way."""

import csv
import io
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

import quick_fit

DOCS = sorted((Path(__file__).parents[2] / "docs").glob("*.md"))
ABSENT = ("tickets", "recordings", "demo", "resnet18")
"""What a command needs that this folder has not; tests/workflows run the like of them with data of their own."""
QUICK = ("--backbone", "test_efficientnet", "--weights", "random", "--runtime", "torch:float32")


def blocks(language: str):
    for file in DOCS:
        for found in re.finditer(rf"^```{language}\n(.*?)^```$", file.read_text("utf-8"), re.M | re.S):
            yield file, found[1]


PYTHON = [pytest.param(text, id=f"{file.name}-{number}") for number, (file, text) in enumerate(blocks("python"))]
TYPED = list(
    dict.fromkeys(
        line.removeprefix("$ ")
        for _, text in blocks("console")
        for line in text.splitlines()
        if line.startswith("$ graft ")
    )
)
RUN = [line for line in TYPED if not any(word in line for word in ABSENT) and "--cut" not in line]


@pytest.fixture
def desk(tmp_path, monkeypatch, probe) -> Path:
    """Stand in a folder with photos, tables and a fitted model, as the pages suppose."""
    for name in ("photos", "more_photos"):
        made = quick_fit.make_photos(tmp_path / name, classes=2, each=14)
        for number, label in enumerate(("cat", "dog")):
            (made / f"class{number}").rename(made / label)
    quick_fit.make_photos(tmp_path / "again_photos", classes=3, each=4)
    files = sorted((tmp_path / "photos").rglob("*.*"))
    for label in ("cat", "dog"):
        shutil.copy(next(one for one in files if one.parent.name == label), tmp_path / "photos" / label / "1.jpg")
    (tmp_path / "new_photos").mkdir()
    shutil.copy(files[1], tmp_path / "new_photos" / "1.jpg")
    shutil.copy(files[1], tmp_path / "a.jpg")
    shutil.copy(files[0], tmp_path / "b.png")
    with (tmp_path / "labels.csv").open("w", newline="") as opened:
        table = csv.writer(opened)
        table.writerow(["path", "kind", "patient", "sea", "sun", "dog"])
        for number, one in enumerate(files):
            dog = int(one.parent.name == "dog")
            table.writerow([one.relative_to(tmp_path), one.parent.name, number, 1 - dog, number % 2, dog])
    with (tmp_path / "prices.csv").open("w", newline="") as opened:
        rows = [(one.relative_to(tmp_path), 10 * (one.parent.name == "dog") + n % 5) for n, one in enumerate(files)]
        csv.writer(opened).writerows([("path", "price"), *rows])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("typer.launch", lambda address: 0)
    fitted = quick_fit.run_graft("fit", "photos", "--out", "model", *QUICK, "--strategy", "linear_probe")
    assert fitted.code == 0, fitted.err
    quick = "backbone: test_efficientnet\nweights: random\nruntime: torch:float32\naugment: none\nstrategy: partial\n"
    (tmp_path / "recipe.yaml").write_text(f"{quick}settings: {{partial.optimisation.epochs: 2}}\n", "utf-8")
    return tmp_path


@pytest.mark.parametrize("text", PYTHON)
def test_python(desk, text, monkeypatch):
    names: dict[str, object] = {}
    if "model.onnx" in text:
        assert quick_fit.run_graft("export", "model", "--out", "model.onnx").code == 0
    exec(compile(text, "docs", "exec"), names)
    if "search" in names:
        photos = sorted((desk / "photos").rglob("*.jpg"))[:12]
        found = names["search"](photos, [one.parent.name for one in photos])
        assert set(found.classes_) == {"cat", "dog"}


@pytest.mark.parametrize("line", RUN)
def test_commands(desk, line, monkeypatch):
    words = shlex.split(line, comments=True)[1:]
    for sign in "><":
        if sign in words:
            place = words.index(sign)
            words, file = words[:place], words[place + 1]
            if sign == "<":
                monkeypatch.setattr(sys, "stdin", io.StringIO((desk / file).read_text("utf-8")))
    if words[0] == "fit" and "--recipe" not in words:
        words += QUICK
        words += () if "--strategy" in words else ("--strategy", "linear_probe")
        shutil.rmtree(desk / "model")
    ran = quick_fit.run_graft(*words)
    assert ran.code == 0, ran.err
    assert "Traceback" not in ran.err
    assert ran.out or ran.err


def test_most_of_what_is_shown_is_run():
    assert len(PYTHON) >= 7
    assert len(RUN) >= 25
