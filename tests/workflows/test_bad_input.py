"""Bad input through the command line: one clear sentence, exit 1, no traceback, and nothing is lost."""

import csv
import hashlib
import os
import shutil
import struct
import tempfile
import zlib
from pathlib import Path

import pytest
from PIL import Image

from quick_fit import PROBE, TUNE


def snapshot(folder):
    """Every file of a folder with the hash of its bytes."""
    files = [one for one in sorted(folder.rglob("*")) if one.is_file()]
    return {str(one.relative_to(folder)): hashlib.sha256(one.read_bytes()).hexdigest() for one in files}


@pytest.fixture
def out(probe, tmp_path):
    """A place for a model that holds one already."""
    return shutil.copytree(probe.folder, tmp_path / "model")


@pytest.fixture
def refused(graft, out):
    """Return a check that `graft fit` refuses a source with one sentence and leaves the model at --out as it was."""

    def check(source, *words):
        before, beside = snapshot(out), sorted(out.parent.iterdir())
        said = graft("fit", source, "--out", out, "--json", *PROBE, *words).complaint
        assert snapshot(out) == before
        assert sorted(out.parent.iterdir()) == beside
        return said

    return check


@pytest.fixture
def fitted(graft, tmp_path):
    """Return a fit that must succeed: its result, and what it set aside as {file name: kind}."""

    def fit(source, *words):
        found = graft("fit", source, "--out", tmp_path / "fitted", "--json", *PROBE, *words).json
        with (tmp_path / "fitted" / "set_aside.csv").open(encoding="utf-8", newline="") as file:
            return found, {Path(row["source"]).name: row["kind"] for row in csv.DictReader(file)}

    return fit


def table(file, photos, *, path="path", label="label", relabel=lambda row, label: label, prefix=""):
    """Write a CSV over a folder of photos."""
    rows = [(f"{prefix}{one.relative_to(file.parent)}", one.parent.name) for one in sorted(photos.rglob("*.*"))]
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([path, label])
        writer.writerows([source, relabel(row, name)] for row, (source, name) in enumerate(rows))
    return file


def bomb(file, side=30_000):
    """Write a whole, valid PNG of ``side`` x ``side`` pixels in about a hundred kilobytes."""
    packer = zlib.compressobj(1)
    rows = b"\0" * (1 + (side + 7) // 8) * 500
    pieces = [packer.compress(rows) for _ in range(side // 500)] + [packer.flush()]
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", b"".join(pieces)), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def test_a_file_that_is_no_table(refused, photos):
    assert "a folder with one folder per class" in refused(photos() / "class0" / "000.png")


def test_an_empty_folder(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "Got an empty folder" in refused(tmp_path / "empty")


def test_a_folder_of_empty_folders(refused, tmp_path):
    for name in ("cats", "dogs"):
        (tmp_path / "hollow" / name).mkdir(parents=True)
    refused(tmp_path / "hollow")


def test_one_class(refused, photos):
    assert "Got 1 class ('class0')" in refused(photos(classes=1))


@pytest.mark.parametrize("each", [1, 2])
@pytest.mark.parametrize("strategy", ["linear_probe", "partial", "auto"])
def test_too_few_files(refused, photos, each, strategy):
    assert "validation part" in refused(photos(each=each), "--strategy", strategy)


def test_a_strategy_that_only_shows_the_floor(refused, photos):
    assert "linear_probe" in refused(photos(), "--strategy", "majority")


def test_files_without_class_folders(refused, photos):
    assert "Got 12 files without a class folder" in refused(photos() / "class0")


@pytest.mark.parametrize(
    ("spoil", "kind"), [(lambda content: content[:60], "unreadable"), (bytes.__len__, "zero_size")]
)
def test_all_files_broken(refused, photos, spoil, kind):
    source = photos()
    for file in source.rglob("*.*"):
        file.write_bytes(spoil(file.read_bytes()) if kind == "unreadable" else b"")
    said = refused(source)
    assert f"36 {kind}" in said
    assert "000.png" in said


def test_some_files_broken_are_set_aside_and_listed(fitted, photos):
    source = photos()
    (source / "class0" / "000.png").write_bytes(b"")
    (source / "class1" / "001.jpg").write_bytes(b"no image at all")
    whole = (source / "class2" / "002.png").read_bytes()
    (source / "class2" / "002.png").write_bytes(whole[: len(whole) // 2])
    found, aside = fitted(source)
    assert set(aside) == {"000.png", "001.jpg", "002.png"}
    assert aside["000.png"] == "zero_size"
    assert found["test"]["accuracy"]["n"] >= 3


def test_a_path_that_does_not_exist_suggests_the_nearest(refused, photos):
    source = photos("holiday")
    said = refused(source.with_name("hollyday"))
    assert "nothing there" in said
    assert "holiday" in said


def test_no_data_at_all(graft, out):
    assert "Got nothing" in graft("fit", "--out", out).complaint


@pytest.mark.parametrize("words", [(), ("--input", "path"), ("--input", "a", "--label", "label")])
def test_a_table_without_the_columns(refused, tmp_path, words):
    (tmp_path / "list.csv").write_text("a,b\nx.png,cat\ny.png,dog\n")
    said = refused(tmp_path / "list.csv", *words)
    assert "column" in said
    assert "'b'" in said


@pytest.mark.parametrize("label", ["nan", "NaN", "", "  "])
def test_labels_that_are_all_missing(refused, photos, tmp_path, label):
    source = table(tmp_path / "list.csv", photos(), relabel=lambda row, name: label)
    assert "36 rows without a label" in refused(source)


def test_labels_that_are_missing_here_and_there(fitted, photos, tmp_path):
    found, aside = fitted(table(tmp_path / "list.csv", photos(), relabel=lambda row, name: name if row % 9 else "nan"))
    assert found["classes"] == ["class0", "class1", "class2"]
    assert set(aside.values()) == {"missing_label"}
    assert len(aside) == 4


def test_a_table_of_files_that_are_gone(refused, photos, tmp_path):
    assert "none of whose files exist" in refused(table(tmp_path / "list.csv", photos(), prefix="gone/"))


def test_a_table_with_paths_that_climb_out_and_back(fitted, photos, tmp_path):
    source = photos()
    found, aside = fitted(table(tmp_path / "list.csv", source, prefix=f"../{tmp_path.name}/"))
    assert found["classes"] == ["class0", "class1", "class2"]
    assert not aside


def test_names_with_spaces_newlines_and_other_scripts(graft, fitted, photos, tmp_path):
    source = photos()
    names = ["two words\nand a line", "ähnlich 猫 [red]bold[", "-rf ; $(x) '\" <b>"]
    for label, name in enumerate(names):
        (source / f"class{label}").rename(source / name)
        for file in sorted((source / name).iterdir()):
            file.rename(file.with_name(f" ..\n{name[:5]}猫 {file.name}"))
    found, aside = fitted(source)
    assert found["classes"] == sorted(names)
    assert not aside
    answers = graft("predict", tmp_path / "fitted", source, "--json").json["predictions"]
    assert {one["input"] for one in answers} == {str(file) for file in source.rglob("*.*")}
    assert all(one["label"] == Path(one["input"]).parent.name for one in answers)
    rows = list(csv.DictReader(graft("predict", tmp_path / "fitted", source, "--csv").out.splitlines(keepends=True)))
    assert [(row["input"], row["label"]) for row in rows] == [(one["input"], one["label"]) for one in answers]
    assert graft("predict", tmp_path / "fitted", source).code == 0
    assert graft("show", tmp_path / "fitted").code == 0
    page = (tmp_path / "fitted" / "report.html").read_text("utf-8")
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


@pytest.mark.skipif(os.name == "nt" or os.uname().sysname == "Darwin", reason="names there are Unicode")
def test_a_name_that_is_not_utf8(graft, probe, photos, fitted):
    source = photos()
    raw = os.fsencode(source / "class0") + b"/\xff\xfe.png"
    shutil.copy(source / "class0" / "000.png", raw)
    found, _ = fitted(source)
    assert found["classes"] == ["class0", "class1", "class2"]
    (one,) = graft("predict", probe.folder, Path(os.fsdecode(raw)), "--json").json["predictions"]
    assert one["input"].endswith("\\xff\\xfe.png")


def test_loops_of_links(graft, probe, fitted, photos):
    source = photos()
    (source / "class0" / "again").symlink_to(source)
    (source / "self").symlink_to(source / "self")
    (source / "class1" / "loop.png").symlink_to(source / "class1" / "loop.png")
    found, aside = fitted(source)
    assert found["classes"] == ["class0", "class1", "class2"]
    assert aside == {"loop.png": "missing_file"}
    assert len(graft("predict", probe.folder, source, "--json").json["predictions"]) == 36
    assert graft("predict", probe.folder, source / "self").code == 1


def test_a_link_to_itself_is_no_source(refused, tmp_path):
    (tmp_path / "self").symlink_to(tmp_path / "self")
    refused(tmp_path / "self")


def test_a_bomb_is_set_aside_with_the_flag_that_allows_it(graft, probe, fitted, photos, tmp_path):
    source = photos()
    bomb(source / "class0" / "bomb.png")
    _, aside = fitted(source)
    assert aside == {"bomb.png": "too_large"}
    assert "--max-pixels" in (tmp_path / "fitted" / "set_aside.csv").read_text()
    ran = graft("predict", probe.folder, source / "class0" / "bomb.png")
    assert ran.complaint
    assert "30,000 x 30,000" in ran.err
    assert "--max-pixels" in ran.err


@pytest.mark.parametrize("verb", ["fit", "inspect", "evaluate", "predict"])
def test_the_limit_of_pixels_goes_both_ways(graft, probe, photos, tmp_path, verb):
    source = photos(side=40)
    words = {
        "fit": ("fit", source, "--out", tmp_path / "new", *PROBE),
        "inspect": ("inspect", source),
        "evaluate": ("evaluate", probe.folder, source),
        "predict": ("predict", probe.folder, source),
    }[verb]
    assert graft(*words, "--max-pixels", 1599).code == 1
    if verb != "inspect":  # which passes through the default network
        assert graft(*words, "--max-pixels", 1600).code == 0
    assert graft(*words, "--max-pixels", 0).code != 0


def test_an_animated_gif_counts_with_its_first_frame(fitted, photos, tmp_path, graft):
    source = photos()
    frames = [Image.new("RGB", (48, 48), colour) for colour in ((200, 60, 60), (60, 60, 200))]
    frames[0].save(source / "class0" / "moving.gif", save_all=True, append_images=frames[1:])
    _, aside = fitted(source)
    assert not aside
    (one,) = graft("predict", tmp_path / "fitted", source / "class0" / "moving.gif", "--json").json["predictions"]
    assert one["label"] == "class0"


def test_a_model_cannot_be_written_below_a_file(graft, photos, tmp_path):
    (tmp_path / "file").write_text("mine")
    said = graft("fit", photos(), "--out", tmp_path / "file" / "model", *PROBE).complaint
    assert said.startswith("--out must be")
    said = graft("fit", photos("more"), "--out", tmp_path / "file", *PROBE).complaint
    assert said.startswith("--out must be a folder")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_model_never_replaces_a_folder_of_other_things(graft, photos, tmp_path):
    source = photos()
    before = snapshot(source)
    assert "with other files" in graft("fit", source, "--out", source, *PROBE).complaint
    assert snapshot(source) == before


def test_a_folder_that_may_not_be_written(refused, photos, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "mkdtemp", denied)
    assert "Permission denied" in refused(photos())


def test_a_disk_that_fills_while_the_model_is_written(graft, out, photos, monkeypatch):
    from graft.artifact import folder

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    source, before = photos(), snapshot(out)
    monkeypatch.setattr(folder, "_swap", full)
    assert "No space left on device" in graft("fit", source, "--out", out, *PROBE).complaint
    assert snapshot(out) == before
    assert [one.name for one in out.parent.iterdir() if one.name.startswith(".")] == []


@pytest.mark.parametrize("verb", ["fit", "inspect"])
def test_a_cache_that_cannot_be_written(graft, photos, tmp_path, monkeypatch, verb):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path / "file" / "cache"))
    words = ("--out", tmp_path / "new", *PROBE) if verb == "fit" else ()
    said = graft(verb, photos(), *words).complaint
    assert "GRAFT_CACHE" in said
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        (("--backbone", "resnet19"), "'resnet18'"),
        (("--backbone", "tf_eficientnet_lite0"), "'tf_efficientnet_lite0'"),
        (("--strategy", "linear_prob"), "'linear_probe'"),
        (("--head", "liner"), "'linear'"),
        (("--set", "fold=3"), "'folds'"),
        (("--strategy", "partial", "--set", "epocs=3"), "'optimisation.epochs'"),
        (("--strategy", "partial", "--set", "optimisation.epocs=3"), "'optimisation.epochs'"),
        (("--strategy", "partial", "--set", "partial.optimisation.epocs=3"), "'epochs'"),
        (("--runtime", "openvin"), "'openvino'"),
        (("--augment", "flipp"), "'flip'"),
        (("--set", "seeds=3"), "'seed'"),
    ],
)
def test_an_unknown_name_suggests_the_nearest(refused, photos, words, nearest):
    assert nearest in refused(photos(), *words)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--seed", "-1"), "seed"),
        (("--seed", str(2**32)), "seed"),
        (("--views", "0"), "views"),
        (("--budget", "soon"), "budget"),
        (("--budget", "0"), "budget"),
        (("--device", "gpu"), "device"),
        (("--class-weights", "some"), "class_weights"),
        (("--set", "val_share=2"), "val_share"),
        (("--set", "val_share=0.6", "--set", "test_share=0.6"), "val_share"),
        (("--set", "folds=many"), "folds"),
        (("--set", "strength=-1"), "strength"),
        (("--set", "folds"), "key=value"),
        (("--set", "=3"), "key=value"),
        (("--weights", "nowhere.safetensors"), "nowhere.safetensors"),
    ],
)
def test_a_value_out_of_bounds_names_its_setting(refused, photos, words, named):
    assert named in refused(photos(), *words)


@pytest.mark.parametrize("cut", ["99", "-1", "nonsense", "8", "1.5"])
def test_a_cut_out_of_range(refused, photos, cut):
    said = refused(photos(), *TUNE, "--cut", cut)
    assert "cut" in said or "stages" in said


def test_a_cut_with_a_strategy_that_has_none(refused, photos):
    assert "cut must be left out" in refused(photos(), "--cut", "3")


@pytest.mark.parametrize("content", ["- a\n- list\n", "{", "seed: [", "\0", "seed: x\n", "nonsense: 3\n", "3: 4\n"])
def test_a_recipe_that_is_none(graft, photos, tmp_path, content):
    (tmp_path / "recipe.yaml").write_text(content)
    assert graft("fit", photos(), "--out", tmp_path / "new", "--recipe", tmp_path / "recipe.yaml", *PROBE).complaint
    assert not (tmp_path / "new").exists()


def test_a_recipe_that_is_absent(graft, photos, tmp_path):
    said = graft("fit", photos(), "--out", tmp_path / "new", "--recipe", tmp_path / "absent.yaml", *PROBE).complaint
    assert said.startswith("--recipe must be")


def test_several_faults_are_told_together(graft, photos, tmp_path):
    ran = graft("fit", photos(), "--out", tmp_path / "new", "--seed", "-1", "--views", "0", "--device", "gpu")
    assert ran.code == 1
    assert [line.partition(" ")[0] for line in ran.err.strip().splitlines()] == ["views", "device", "seed"]


@pytest.mark.parametrize("file", ["graft.json", "weights.safetensors"])
@pytest.mark.parametrize("place", [0.0, 0.02, 0.3, 0.6, 0.999])
def test_a_model_with_a_changed_byte(graft, out, probe, file, place):
    content = bytearray((out / file).read_bytes())
    at = int(place * len(content))
    content[at] ^= 1
    (out / file).write_bytes(content)
    picture = probe.photos / "class0" / "000.png"
    for words in (("predict", out, picture), ("evaluate", out, probe.photos), ("show", out, "--json")):
        assert file in graft(*words).complaint


@pytest.mark.parametrize("file", ["graft.json", "weights.safetensors"])
def test_a_model_with_a_file_gone_or_cut_off(graft, out, probe, file):
    picture = probe.photos / "class0" / "000.png"
    (out / file).write_bytes((out / file).read_bytes()[:-7])
    assert file in graft("predict", out, picture).complaint
    (out / file).unlink()
    assert file in graft("predict", out, picture).complaint


def test_a_model_that_is_none(graft, probe, tmp_path):
    for folder in (tmp_path / "nowhere", tmp_path, probe.photos / "class0" / "000.png"):
        for words in (("show", folder), ("predict", folder, probe.photos), ("evaluate", folder, probe.photos)):
            assert "graft.json" in graft(*words).complaint


def test_labels_that_the_model_does_not_know(graft, probe, photos):
    source = photos()
    (source / "class2").rename(source / "clas1")
    assert "'class1'" in graft("evaluate", probe.folder, source).complaint


def test_inputs_that_are_absent_empty_or_broken(graft, probe, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "zero.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("no image")
    for name in ("absent.png", "empty", "zero.png", "text.png"):
        assert graft("predict", probe.folder, tmp_path / name, "--json").complaint
    ran = graft("predict", probe.folder, tmp_path / "zero.png", probe.photos / "class0" / "000.png", "--json")
    assert [Path(one["input"]).name for one in ran.json["set_aside"]] == ["zero.png"]
    assert [Path(one["input"]).name for one in ran.json["predictions"]] == ["000.png"]
    assert "zero.png" in ran.err


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("fit", "--nonsense"),
        ("predict",),
        ("predict", "model"),
        ("list", "nonsense"),
        ("show",),
        ("fit", "photos", "--seed", "x"),
        ("fit", "photos", "--views", "many"),
        ("cache", "--empty"),
    ],
)
def test_wrong_usage_is_another_exit_code(graft, words):
    ran = graft(*words)
    assert ran.code == 2
    assert ran.out == ""
    assert "Usage: graft" in ran.err
    assert "Traceback" not in ran.err
