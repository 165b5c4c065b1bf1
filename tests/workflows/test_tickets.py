"""The main job on texts: a table in, a model that answers for words, lines and tables, and what goes wrong."""

import io
import json
import sys

import numpy as np
import pytest

import graft as package
import tiny_transformers
from graft import data

ABOUT = {"card": ["where is my card", "my card has not arrived", "i lost my card"],
         "transfer": ["the transfer failed", "why has the transfer not arrived", "transfer charged"],
         "help": ["please help", "help help me please", "please please top up"]}  # fmt: skip
QUICK = ("--runtime", "torch:float32", "--budget", "60s")


def tickets(path, each=14):
    draw = np.random.default_rng(0)
    rows = ["text,label"]
    for label, texts in ABOUT.items():
        for number in range(each):
            words = [*texts[number % 3].split(), *draw.choice(tiny_transformers.WORDS, 2)]
            rows.append(f"{' '.join(words)} {number},{label}")
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    tiny_transformers.write(folder / "bert", "bert")
    tickets(folder / "tickets.csv")
    return folder


@pytest.fixture(scope="module")
def model(home):
    import quick_fit

    with quick_fit.one_thread(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRAFT_CACHE", str(home / "cache"))
        ran = quick_fit.run_graft(
            *("fit", home / "tickets.csv", "--out", home / "model", "--backbone", home / "bert", "--json"),
            *("--strategy", "linear_probe", *QUICK),
        )
    assert ran.code == 0, ran.err
    return home / "model", ran


def test_a_table_becomes_a_measured_model(model):
    folder, ran = model
    told = ran.json
    assert (told["modality"], told["classes"]) == ("text", ["card", "help", "transfer"])
    assert told["test"]["accuracy"]["n"] > 0
    assert "took column 'text' as the text and 'label' as the label" in ran.err
    assert {"graft.json", "weights.safetensors", "report.html", "README.md"} <= {one.name for one in folder.iterdir()}


def test_it_answers_for_words_lines_tables_and_standard_input(model, graft, tmp_path, monkeypatch):
    folder, _ = model
    words = ["please help me", "where is my card"]
    told = graft("predict", folder, "--json", "--text", words[0], "--text", words[1]).json["predictions"]
    assert [one["input"] for one in told] == words
    (tmp_path / "lines").write_text("\n".join(words) + "\n\n")
    assert graft("predict", folder, "--json", "--lines", tmp_path / "lines").json["predictions"] == told
    (tmp_path / "more.csv").write_text("id,question\n1,please help me\n2,where is my card\n")
    rows = graft("predict", folder, "--json", tmp_path / "more.csv").json["predictions"]
    assert [one["label"] for one in rows] == [one["label"] for one in told]
    assert [one["input"] for one in rows] == ["more.csv row 1", "more.csv row 2"]
    named = graft("predict", folder, "--json", tmp_path / "more.csv", "--input", "question").json["predictions"]
    assert named == rows
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\r\n".join(words).encode())))
    assert graft("predict", folder, "--json", "-").json["predictions"] == told


def test_an_answer_does_not_depend_on_its_neighbours(model):
    answers = package.load(model[0])
    texts = ["card", "where is my card and why has it not arrived yet please help", "transfer failed"]
    together = answers.predict_proba(texts)
    alone = np.concatenate([answers.predict_proba([one]) for one in texts])
    np.testing.assert_array_equal(together, alone)
    assert answers.embed(texts).shape == (3, 16)


def test_the_model_needs_neither_the_network_nor_its_tokenizer(model, home, graft):
    folder, _ = model
    before = graft("predict", folder, "--json", "--text", "my card").json
    (home / "bert").rename(home / "moved")
    try:
        assert graft("predict", folder, "--json", "--text", "my card").json == before
    finally:
        (home / "moved").rename(home / "bert")


def test_it_is_measured_on_other_tables(model, graft, home):
    told = graft("evaluate", model[0], home / "tickets.csv", "--json").json
    assert told["test"]["accuracy"]["n"] == 42
    assert told["seen_in_training"] > 0


def test_what_cannot_be_read_is_named_and_the_rest_answered(model, graft, tmp_path):
    (tmp_path / "bad.csv").write_text("text\nmy card\n \n")
    told = graft("predict", model[0], "--json", tmp_path / "bad.csv").json
    assert [one["input"] for one in told["predictions"]] == ["bad.csv row 1"]
    assert [one["input"] for one in told["set_aside"]] == ["bad.csv row 2"]
    assert "Got nothing. Fill it in" in told["set_aside"][0]["message"]
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    assert "INPUT must be inputs that can be read" in graft("predict", model[0], tmp_path / "latin.txt").complaint
    assert graft("predict", model[0]).code == 2


def test_words_are_refused_by_a_model_of_pictures(probe, graft):
    said = graft("predict", probe.folder, "--text", "where is my card").complaint
    assert said == ("The inputs must be files, since the model takes images. Got text. Name files or folders.")


def test_a_backbone_for_other_data_is_refused(graft, home):
    said = graft("fit", home / "tickets.csv", "--out", home / "no", "--backbone", "resnet18", "--weights", "random")
    assert "backbone must be one that takes text. Got one for image." in said.complaint


def test_truncation_is_told_with_how_much_it_cut(graft, home, tmp_path):
    source = tickets(tmp_path / "long.csv")
    rows = source.read_text().splitlines()
    long = [f"{'card ' * 80}{row}" for row in rows[1:3]]
    source.write_text("\n".join([rows[0], *long, *rows[3:]]))
    told = graft("inspect", source, "--json").json
    assert [one["kind"] for one in told["findings"] if one["kind"] == "truncated"] == []
    ran = graft(
        *("fit", source, "--out", tmp_path / "m", "--backbone", home / "bert", "--strategy", "linear_probe", *QUICK)
    )
    assert ran.code == 0, ran.err
    assert "Truncated: 2 files" in ran.err
    assert "tokens are left out" in ran.err


def test_the_report_shows_texts_as_they_are(home, graft, tmp_path):
    rows = ["text,label"]
    rows += [f"我的卡在哪里 {n},{'ab'[n % 2]}" for n in range(24)]
    rows += [f"أين بطاقتي <b> {n},{'ab'[n % 2]}" for n in range(24)]
    (tmp_path / "mixed.csv").write_text("\n".join(rows))
    ran = graft(
        *("fit", tmp_path / "mixed.csv", "--out", tmp_path / "m", "--backbone", home / "bert"),
        *("--strategy", "linear_probe", *QUICK),
    )
    assert ran.code == 0, ran.err
    page = (tmp_path / "m" / "report.html").read_text("utf-8")
    assert 'class="text" dir="auto"' in page
    assert "我" in page or "بطاقتي" in page
    assert "بطاقتي <b>" not in page


def test_partial_fine_tuning_on_tokens(home, graft, tmp_path):
    ran = graft(
        *("fit", home / "tickets.csv", "--out", tmp_path / "m", "--backbone", home / "bert", "--json"),
        *("--strategy", "partial", "--views", "2", *QUICK, "--set", "partial.optimisation.epochs=2"),
    )
    told = ran.json
    assert told["strategy"] == "partial"
    assert 0 < told["cut"] < 5
    manifest = json.loads((tmp_path / "m" / "graft.json").read_text())
    assert manifest["asked"]["augment"] == "auto"
    assert graft("predict", tmp_path / "m", "--text", "where is my card", "--json").json["predictions"]


def test_the_estimator_takes_texts(home):
    texts = [one.content.decode() for one in data.read(home / "tickets.csv").examples]
    labels = [one.label for one in data.read(home / "tickets.csv").examples]
    made = package.Classifier(backbone=str(home / "bert"), settings={"runtime": "torch:float32"}).fit(texts, labels)
    assert set(made.predict(texts[:5])) <= set(labels)


def test_the_default_answers_better_than_chance_on_real_texts(real, graft, tmp_path):
    rows = (real / "sms_spam" / "train.csv").read_text("utf-8").splitlines()
    (tmp_path / "sms.csv").write_text("\n".join(rows[:161]), "utf-8")
    told = graft("fit", tmp_path / "sms.csv", "--out", tmp_path / "m", "--json", "--strategy", "linear_probe").json
    assert told["backbone"] == "all-MiniLM-L6-v2"
    assert told["test"]["accuracy"]["value"] > 0.9
