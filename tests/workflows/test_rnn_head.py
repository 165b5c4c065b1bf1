"""The rnn head on the tokens of a small ViT, from photos to the answer of the model that was saved."""

import graft as package


def test_tokens_are_read_trained_saved_and_asked(tmp_path, photos, graft):
    home = photos(each=10)
    words = ("--backbone", "test_vit", "--weights", "random", "--runtime", "torch:float32", "--augment", "none")
    quick = ("--strategy", "frozen_head", "--views", "1", "--set", "optimisation.epochs=8", "--set", "head.hidden=16")
    told = graft("fit", home, "--out", tmp_path / "model", "--head", "rnn", *words, *quick, "--json").json
    assert told["strategy"] == "frozen_head"
    assert told["test"]["accuracy"]["value"] > 0.6
    model = package.load(tmp_path / "model", runtime="torch:float32")
    settings = model.manifest["head"]["settings"]
    assert (settings["hidden"], settings["pooling"]) == (16, "attention")
    tokens, width = model.assembled.backbone.stages[-1].shape
    assert tokens > 1
    files = sorted(home.rglob("*.*"))[:3]
    assert model.embed(files).shape == (3, width)
    assert model.predict_proba(files).shape == (3, 3)
