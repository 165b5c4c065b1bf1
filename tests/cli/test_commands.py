"""What all commands promise: --json and --seed, exit codes, and nothing but the result on standard output."""

import contextlib
import io
import json
import subprocess
import sys

import pytest
import typer

from graft import api
from graft.cli import terminal
from graft.cli.app import app
from graft.types import Listener

COMMANDS = typer.main.get_command(app).commands


def test_every_verb_of_the_readme_is_there():
    assert set(COMMANDS) >= {"fit", "evaluate", "predict", "inspect", "show", "cache", "list", "demo"}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_takes_json_and_seed_and_explains_itself(graft, name):
    options = {one.name: one for one in COMMANDS[name].params}
    assert "--json" in options["as_json"].opts
    assert "--seed" in options["seed"].opts
    assert all(one.help for one in options.values()), name
    shown = graft(name, "--help")
    assert shown.code == 0
    assert "--json" in shown.out
    assert shown.err == ""


def test_help_and_version(graft):
    import graft as package

    bare = graft()
    assert bare.code in (0, 2)
    assert "graft demo" in graft("--help").out
    assert graft("--version").out == f"graft {package.__version__}\n"


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "run the same command again"),
        (OSError(28, "No space left on device", "/full/disk"), 1, "/full/disk must be readable and writable."),
        (PermissionError(13, "Permission denied", "/of/others"), 1, "Got Permission denied."),
        (OSError("odd"), 1, "the disk must be"),
    ],
)
def test_what_goes_wrong_is_one_sentence_and_an_exit_code(graft, monkeypatch, tmp_path, error, code, said):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(api, "show", fail)
    ran = graft("show", tmp_path, "--json")
    assert ran.code == code
    assert ran.out == ""
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert ran.err.count("\n") == 1


def test_a_bug_of_our_own_is_not_dressed_up(graft, monkeypatch, tmp_path):
    monkeypatch.setattr(api, "show", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        graft("show", tmp_path)


def test_a_reader_that_leaves_early(probe):
    """``graft predict ... | head -1`` ends without a traceback."""
    words = [sys.executable, "-m", "graft", "list", "backbones", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(timeout=120) in (0, 1)
    assert "Traceback" not in said
    assert "Exception ignored" not in said


@pytest.mark.parametrize("extra", [["--json"], ["--csv"], []])
def test_names_are_printed_where_the_terminal_knows_no_unicode(graft, probe, tmp_path, monkeypatch, extra):
    picture = tmp_path / "猫 ä.png"
    picture.write_bytes((probe.photos / "class0" / "000.png").read_bytes())
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(contextlib, "redirect_stdout", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(sys, "stdout", narrow)
    assert graft("predict", probe.folder, picture, *extra).code == 0
    narrow.flush()
    written = narrow.buffer.getvalue().decode("ascii")
    if extra == ["--json"]:
        assert json.loads(written)["predictions"][0]["input"] == str(picture)
    assert "class0" in written


def test_one_object_and_no_number_that_json_lacks(capsys):
    terminal.emit({"a": "ä\n", "b": [1, None]})
    assert capsys.readouterr().out == '{"a": "ä\\n", "b": [1, null]}\n'
    with pytest.raises(ValueError, match="JSON"):
        terminal.emit({"a": float("nan")})


def test_sizes_as_people_read_them():
    found = [terminal.megabytes(size) for size in (0, 999, 1000, 1_500_000, 2_000_000_000, 5 * 10**12)]
    assert found == ["0 B", "999 B", "1.0 kB", "1.5 MB", "2.0 GB", "5000.0 GB"]


def test_tables_show_names_as_they_are(capsys):
    terminal.table("", ["[bold]name"], [["[red]x[/]"], ["a\tb"], ["\x1b[31mred"]])
    shown = capsys.readouterr().out
    assert "[red]x[/]" in shown
    assert "\x1b" not in shown, "a file name must not steer the terminal"


def test_rows_of_estimates():
    told = {"macro_f1": {"value": 0.5, "low": 0.25, "high": 0.75, "n": 8}}
    assert terminal.estimates(told) == [["macro f1", "0.500", "0.250 to 0.750", "8"]]


def test_a_quiet_watcher_says_sentences_alone(capsys):
    with terminal.watching(quiet=True) as listener:
        assert isinstance(listener, Listener)
        listener.progress("reading", 1, 2)
        listener.say("one [red]thing[/]")
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err == "one [red]thing[/]\n"


def test_a_watcher_at_a_terminal_draws_bars_on_standard_error(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with terminal.watching() as listener:
        for done in (1, 5, 10):
            listener.progress("reading files", done, 10)
        listener.progress("other", 1, 3)
        listener.say("a sentence")
    seen = capsys.readouterr()
    assert seen.out == ""
    assert "a sentence" in seen.err


def test_what_can_be_set_of_the_preprocessing_is_listed(graft):
    told = {
        row["name"]: row for row in json.loads(graft("list", "preprocess", "--settings", "--json").out)["preprocess"]
    }
    assert set(told) == {"audio", "image", "text", "video"}
    found = {name: {one["name"] for one in row["settings"]} for name, row in told.items()}
    assert {"max_length", "max_windows"} <= found["text"]
    assert {"frames", "pooling", "image.resize"} <= found["video"]
    assert all(one["doc"] for row in told.values() for one in row["settings"])
    shown = graft("list", "preprocess", "--modality", "text", "--settings").out
    assert "    max_windows = 1  (int)" in shown
    assert "frames" not in shown
    assert "must be" in graft("list", "preprocess", "--modality", "smell").err


def test_a_wrong_setting_of_the_preprocessing_names_the_list_of_them(graft, tmp_path):
    (tmp_path / "t.csv").write_text("text,label\n" + "".join(f"word{n} more,{'ab'[n % 2]}\n" for n in range(20)))
    ran = graft("fit", tmp_path / "t.csv", "--out", tmp_path / "m", "--set", "preprocess.max_lenght=8")
    assert "graft list preprocess --modality text --settings" in ran.complaint
