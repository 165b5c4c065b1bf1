"""Holds the documents to the code: links, commands, options, settings, names, findings, and the Python in them."""

import ast
import inspect
import re
import runpy
import shlex
from dataclasses import dataclass
from functools import cache
from itertools import dropwhile
from pathlib import Path

import pytest
import typer

import graft
from graft import errors, evaluation, heads, runtimes, strategies, tasks
from graft.artifact import manifest as manifests
from graft.cli.app import app
from graft.config import Recipe
from graft.config import seconds as duration
from graft.data import readers
from graft.preprocess import descriptors
from graft.preprocess.audio import Audio
from graft.preprocess.image import Image
from graft.preprocess.text import Text
from graft.preprocess.video import Video
from graft.serving import Model

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "graft"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
NAMES = [str(one.relative_to(ROOT)) for one in DOCUMENTS]
COMMANDS = typer.main.get_command(app).commands


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    language: str
    text: str
    line: int


@cache
def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def blocks(name: str, language: str) -> list[Block]:
    found, inside, start, lines = [], None, 0, []
    for number, line in enumerate(read(name).splitlines(), 1):
        if not line.startswith("```"):
            lines.append(line)
        elif inside is None:
            inside, start, lines = line[3:].strip(), number, []
        else:
            found.append(Block(inside, "\n".join(lines) + "\n", start))
            inside = None
    assert inside is None, f"{name}:{start}: a fenced block is not closed"
    return [one for one in found if one.language == language]


def prose(name: str) -> str:
    """Return a document without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", read(name), flags=re.M | re.S)


def headings(name: str) -> list[tuple[int, str]]:
    return [(len(found[1]), found[2]) for found in re.finditer(r"^(#+) (.+)$", prose(name), re.M)]


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def typed(name: str) -> list[tuple[int, str]]:
    """Return what a reader is told to type, with the line of its block."""
    lines = [(one.line, line) for one in blocks(name, "console") for line in one.text.splitlines() if line.strip()]
    assert all(line.startswith("$ ") for _, line in lines), f"{name}: every line of a console block begins with '$ '"
    return [(number, line.removeprefix("$ ")) for number, line in lines]


def options(command: str) -> set[str]:
    given = [word for one in COMMANDS[command].params for word in (*one.opts, *one.secondary_opts)]
    return {word for word in given if word.startswith("-")}


EVERY_OPTION = set().union(*map(options, COMMANDS)) | {"--help", "-h", "--version"}


# -- links ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    here = ROOT / name
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(name)):
        if target.startswith(("http://", "https://")):
            continue
        path, _, place = target.partition("#")
        file = (here.parent / path).resolve() if path else here
        assert file.exists(), f"{name} links to {target}"
        if place:
            known = [anchor(heading) for _, heading in headings(str(file.relative_to(ROOT)))]
            assert place in known, f"{name} links to {target}, but there are only {known}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, waiting = set(), ["README.md"]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        targets = [one for one in re.findall(r"\]\(([^)\s#]+\.md)", prose(name)) if not one.startswith("http")]
        waiting += [str(((ROOT / name).parent / one).resolve().relative_to(ROOT)) for one in targets]
    assert set(NAMES) == seen


def test_every_example_and_picture_is_shown() -> None:
    told = "".join(map(read, NAMES))
    assert "(examples/)" in read("README.md")
    for file in (ROOT / "docs" / "images").iterdir():
        assert file.name in told
        assert file.stat().st_size < 300_000


# -- commands ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_typed_commands_are_understood(name: str) -> None:
    targets = set(re.findall(r"^(\w+):", read("Makefile"), re.M))
    for line, text in typed(name):
        program, *words = dropwhile(re.compile(r"[A-Z_]+=").match, shlex.split(text, comments=True))
        words = words[: words.index(">")] if ">" in words else words
        if program == "graft":
            command = COMMANDS[words[0]]
            # Raises what the command line itself would say of an unknown option or a missing argument.
            command.make_context(words[0], words[1:])
        elif program == "make":
            assert set(words) <= targets, f"{name}:{line}: {text}"
        else:
            assert program in ("source", "pip"), f"{name}:{line}: {text}"


@pytest.mark.parametrize("name", NAMES)
def test_mentioned_commands_and_options_exist(name: str) -> None:
    for span in re.findall(r"`([^`\n]+)`", prose(name)):
        words = span.split()
        if words[0] == "graft" and len(words) > 1 and words[1][0].isalpha() and words[1].islower():
            assert words[1] in COMMANDS, f"{name}: {span}"
            asked = {word for word in words[2:] if word.startswith("-")}
            assert asked <= options(words[1]) | {"--help"}, f"{name}: {span}"
        elif words[0].startswith("--"):
            assert words[0] in EVERY_OPTION, f"{name}: {span}"


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_a_page_with_its_options(command: str) -> None:
    page = read(f"docs/{command}.md")
    assert page.startswith(f"# graft {command}\n")
    assert typed(f"docs/{command}.md"), "the page shows how the command is typed"
    for option in options(command) - {"--help", "-h"}:
        assert f"`{option}`" in page, f"docs/{command}.md does not tell of {option}"
    told = {span for span in re.findall(r"^\| (`-.+?) \|", page, re.M) for span in re.findall(r"`(-[^`]+)`", span)}
    assert told <= options(command), f"docs/{command}.md tells of options that are not there"


# -- settings and names -----------------------------------------------------------------------------------------------


def rows(text: str) -> dict[str, list[str]]:
    """Return the table rows that begin with a code span, by that span."""
    found = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:3] == "| `"]
    return {row[0].strip("`| "): [cell.strip("`| ") for cell in row[1:]] for row in found}


def section(name: str, heading: str) -> str:
    (text,) = re.findall(rf"^#+ {heading}\n(.*?)(?=^#|\Z)", read(name), re.M | re.S)
    return str(text)


def test_the_recipe_page_has_every_setting_with_its_default() -> None:
    told = rows(section("docs/recipe.md", "Every setting"))
    assert set(told) == set(Recipe.model_fields)
    for name, field in Recipe.model_fields.items():
        default = told[name][0]
        if name == "budget":
            assert duration(default) == field.get_default()
        elif name == "settings":
            assert default == "empty"
        else:
            plain = field.get_default()
            assert default == ("none" if plain in (None, "", ()) else str(plain).lower()), name


def test_the_recipe_page_has_every_setting_of_every_plug_in() -> None:
    from_code = runpy.run_path(str(ROOT / "docs" / "write_settings.py"))["written"]()
    assert "| `optimisation.lr` | float |" in from_code
    assert read("docs/recipe.md") == from_code, "run: python docs/write_settings.py"


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("Augmentation", Image),
        ("Augmentation of recordings", Audio),
        ("Augmentation of texts", Text),
        ("Augmentation of videos", Video),
    ],
)
def test_the_recipe_page_has_every_augmentation(heading: str, kind: type[Image | Audio | Text | Video]) -> None:
    told = rows(section("docs/recipe.md", heading))
    assert set(told) == set(kind.augmentations())
    for name, help_line in kind.augmentations().items():
        assert told[name][0].replace(", ", " + ") == help_line.replace(", ", " + "), name


def test_every_plug_in_is_named() -> None:
    told = read("docs/fit.md") + read("docs/recipe.md")
    for registry in (strategies.REGISTRY, heads.REGISTRY, tasks.REGISTRY, runtimes.REGISTRY, readers.REGISTRY):
        for name in registry.names():
            assert f"`{name}`" in told, f"neither docs/fit.md nor docs/recipe.md tells of {registry.kind} {name}"


def test_the_features_page_has_every_descriptor() -> None:
    assert set(rows(section("docs/features.md", "Descriptors"))) == set(descriptors.REGISTRY.names())


def test_the_yaml_of_the_recipe_page_is_a_recipe(tmp_path: Path) -> None:
    (block,) = blocks("docs/recipe.md", "yaml")
    (tmp_path / "recipe.yaml").write_text(block.text, "utf-8")
    recipe = Recipe.read(tmp_path / "recipe.yaml")
    assert recipe.settings["partial.optimisation.epochs"] == 6


# -- findings, metrics, manifest, errors ------------------------------------------------------------------------------


def kinds_in_the_source() -> set[str]:
    """Return the kinds of findings: what the code gives to Finding, note, Fault and SetAside."""
    found: set[str] = set()
    for file in [*SOURCE.glob("data/**/*.py"), *SOURCE.glob("preprocess/*.py")]:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                place = {"Finding": 0, "note": 0, "Fault": 0, "SetAside": 1}.get(name)
                words = (
                    [arg.value for arg in node.args[place:][:1] if isinstance(arg, ast.Constant)]
                    if place in (0, 1)
                    else []
                )
                found.update(word for word in words if isinstance(word, str))
    return found | {"near_duplicate", "near_duplicate_across_parts"}


def test_the_data_page_has_every_kind_of_finding() -> None:
    kinds = kinds_in_the_source()
    assert len(kinds) > 20
    assert set(rows(section("docs/data.md", "What the audit finds"))) == kinds


def test_the_data_page_has_every_reader() -> None:
    assert set(rows(section("docs/data.md", "What can be read"))) == set(readers.REGISTRY.names())


def test_the_evaluate_page_has_every_metric() -> None:
    from graft.evaluation.metrics import METRICS, TITLES

    assert evaluation.evaluate is not None
    for name in METRICS:
        assert f"| {TITLES[name].lower()} |" in read("docs/evaluate.md").lower()
        assert f"`{name}`" in read("docs/fit.md")


def test_the_model_folder_page_has_the_manifest(probe) -> None:
    told = section("docs/model-folder.md", "The manifest")
    known = {
        name
        for line in told.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`(\w+)`", line[: line.index(" | ")])
    }
    manifest = manifests.read(probe.folder)
    assert known == {*manifest, "checksum"}
    files = set(rows(read("docs/model-folder.md").partition("## ")[0]))
    assert files == {one.name + "/" * one.is_dir() for one in probe.folder.iterdir()}


def test_the_python_page_has_every_error() -> None:
    told = rows(section("docs/python.md", "Errors"))
    real = {
        name: next(base for base in one.__mro__ if base.__module__ == "builtins").__name__
        for name, one in vars(errors).items()
        if inspect.isclass(one) and issubclass(one, errors.GraftError) and one is not errors.GraftError
    }
    assert {name: cells[0] for name, cells in told.items()} == real


def test_the_python_page_has_the_estimator() -> None:
    told = rows(section("docs/python.md", "scikit-learn"))
    real = inspect.signature(graft.Classifier).parameters
    assert {name: cells[0] for name, cells in told.items()} == {
        name: repr(one.default).replace("'", '"') for name, one in real.items()
    }


# -- Python -----------------------------------------------------------------------------------------------------------

PYTHON = [pytest.param(name, one, id=f"{name}:{one.line}") for name in NAMES for one in blocks(name, "python")]


@pytest.mark.parametrize(("name", "block"), PYTHON)
def test_python_compiles_and_names_what_exists(name: str, block: Block) -> None:
    tree = ast.parse(block.text, f"{name}:{block.line}")
    compile(tree, name, "exec")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "graft":
                assert node.attr in graft.__all__, f"graft.{node.attr}"
            if node.value.id == "model":
                assert hasattr(Model, node.attr), f"model.{node.attr}"
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("graft"):
            module = __import__(str(node.module), fromlist=["_"])
            assert all(hasattr(module, one.name) for one in node.names), f"from {node.module}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            given = {one.arg for one in node.keywords}
            if ast.unparse(node.func) == "graft.fit":
                assert given <= {"out", "recipe", "listener", *Recipe.model_fields}
            if ast.unparse(node.func) == "graft.Classifier":
                assert given <= set(inspect.signature(graft.Classifier).parameters)


def test_the_python_of_the_readme_runs(photos, tmp_path: Path, monkeypatch, capsys) -> None:
    first = sorted(photos().rglob("*.jpg"))[0]
    (tmp_path / "a.jpg").write_bytes(first.read_bytes())
    monkeypatch.chdir(tmp_path)
    (block,) = blocks("README.md", "python")
    exec(compile(block.text, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "accuracy" in printed
    assert first.parent.name in printed
    assert "(1, 1280)" in printed
    assert (tmp_path / "model" / "report.html").is_file()


# -- the Chinese README, the changelog --------------------------------------------------------------------------------


def test_the_chinese_readme_is_the_whole_of_it() -> None:
    english, chinese = "README.md", "README.zh-CN.md"
    assert [level for level, _ in headings(english)] == [level for level, _ in headings(chinese)]
    for language in ("console", "python"):
        assert [one.text for one in blocks(english, language)] == [one.text for one in blocks(chinese, language)]
    for pattern in (r"\]\((docs/[^)]+|examples/|LICENSE|C[A-Z]+\.md)\)", r"^[-|] ", r"<!-- results:\w+ -->"):
        ours, theirs = (re.findall(pattern, read(name), re.M) for name in (english, chinese))
        assert sorted(ours) == sorted(theirs), pattern
    assert len(re.findall(r"[一-鿿]", read(chinese))) > 1000


def test_the_readme_has_the_place_for_results() -> None:
    for name in ("README.md", "README.zh-CN.md"):
        assert re.search(r"^<!-- results:begin -->\n(.*\n)*<!-- results:end -->$", read(name), re.M)


def test_the_changelog_has_this_version() -> None:
    assert re.search(rf"^## \[{re.escape(graft.__version__)}\]", read("CHANGELOG.md"), re.M)
    assert "## [Unreleased]" in read("CHANGELOG.md")
