"""Sizes and names of files, and what no source may hold: pickle, eval, weights that are code."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
OTHERS = sorted([*(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "examples").rglob("*.py")])
VAGUE = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "handler", "handlers", "core", "lib"}
LINES = {"src": 400, "benchmarks": 400, "examples": 400, "tests": 600}


def name(path):
    return str(path.relative_to(ROOT))


def each(paths):
    return pytest.mark.parametrize("path", paths, ids=name)


def tree(path):
    return ast.parse(path.read_text("utf-8"))


def test_there_are_files_to_look_at():
    assert len(SOURCES) > 100
    assert len(TESTS) > 40


@each([*SOURCES, *TESTS, *OTHERS])
def test_a_file_is_short_says_what_it_is_for_and_has_a_clear_name(path):
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= LINES[path.relative_to(ROOT).parts[0]]
    assert not VAGUE & set(re.split(r"[_\W]+", name(path).removesuffix(".py")))
    first = (ast.get_docstring(tree(path)) or "").partition("\n")[0]
    assert len(first) > 12, "the first line of a file says what it is for"
    assert first.endswith(".")


def test_no_two_test_files_share_a_name():
    """pytest imports them by their bare names, so a worker that gets both cannot collect the second."""
    names = [path.name for path in TESTS if path.name != "conftest.py"]
    assert sorted({one for one in names if names.count(one) > 1}) == []


PUBLIC = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def undocumented(body, inside=""):
    for node in body:
        if isinstance(node, PUBLIC) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                yield f"{inside}{node.name}"
            if isinstance(node, ast.ClassDef):
                yield from undocumented(node.body, f"{node.name}.")


@each(SOURCES)
def test_what_is_public_is_documented(path):
    assert list(undocumented(tree(path).body)) == []


FORBIDDEN_IMPORTS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "input", "breakpoint"}


@each(SOURCES)
def test_nothing_that_runs_data_as_code(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found = {one.name.partition(".")[0] for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            found = {(node.module or "").partition(".")[0]}
            # The error that torch.load raises is no unpickling.
            found -= {"pickle"} if [one.name for one in node.names] == ["UnpicklingError"] else set()
        else:
            found = set()
        assert not found & FORBIDDEN_IMPORTS, ast.unparse(node)
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        assert called not in FORBIDDEN_CALLS, ast.unparse(node)
        words = {one.arg: ast.unparse(one.value) for one in node.keywords}
        if called in ("torch.load", "load_state_dict_from_url", "torch.hub.load_state_dict_from_url"):
            assert words.get("weights_only") == "True", ast.unparse(node)
        if called == "yaml.load":
            raise AssertionError("yaml.safe_load reads data, yaml.load runs code")
        if called.endswith(("np.load", "numpy.load")):
            assert words.get("allow_pickle", "False") == "False", ast.unparse(node)
        assert words.get("shell") != "True", ast.unparse(node)
        assert words.get("trust_remote_code") != "True", ast.unparse(node)


@each(SOURCES)
def test_no_error_is_swallowed(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, "a bare except"
            broad = ast.unparse(node.type) in ("Exception", "BaseException")
            silent = all(isinstance(one, (ast.Pass, ast.Continue)) for one in node.body)
            assert not (broad and silent), f"line {node.lineno} swallows every error"


def test_the_rules_would_notice(tmp_path):
    """The checks above are themselves checked on sources that break them."""
    bad = tmp_path / "bad.py"
    for source in (
        "import pickle",
        "from joblib import load",
        "eval('1')",
        "torch.load(x)",
        "torch.load(x, weights_only=False)",
        "yaml.load(x)",
        "run('ls', shell=True)",
    ):
        bad.write_text(source)
        with pytest.raises(AssertionError):
            test_nothing_that_runs_data_as_code(bad)
    bad.write_text("try:\n    x\nexcept Exception:\n    pass")
    with pytest.raises(AssertionError):
        test_no_error_is_swallowed(bad)
    bad.write_text("def seen(): ...")
    with pytest.raises(AssertionError):
        test_what_is_public_is_documented(bad)
