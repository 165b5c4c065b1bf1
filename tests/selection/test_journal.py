"""A fit's own folder: found again by the same fit, never shared by two at once, gone when the fit has ended."""

import pytest

from graft.selection.journal import Journal
from graft.types import Estimate

RECORD = {"epoch": 1.0, "train_loss": 0.5, "val_loss": 0.6, "val_score": 0.7, "lr": 1e-3, "seconds": 0.1}


def read_scalars(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = {}
    for run in sorted(one for one in folder.iterdir() if one.is_dir()):
        events = EventAccumulator(str(run))
        events.Reload()
        tags = events.Tags()["scalars"]
        found[run.name] = {tag: [(one.step, round(one.value, 4)) for one in events.Scalars(tag)] for tag in tags}
    return found


def test_the_same_fit_finds_its_checkpoints_again(tmp_path):
    with pytest.raises(RuntimeError), Journal(tmp_path, "recipe", "data") as first:
        (first.folder / "checkpoint").write_text("half way")
        raise RuntimeError
    again = Journal(tmp_path, "recipe", "data")
    assert again.folder == first.folder
    assert (again.folder / "checkpoint").read_text() == "half way"
    assert Journal(tmp_path, "recipe", "other data").folder != first.folder
    assert Journal(tmp_path, "recip", "edata").folder != first.folder


def test_two_at_once_keep_out_of_each_others_way(tmp_path):
    one, other = Journal(tmp_path, "same"), Journal(tmp_path, "same")
    assert one.folder != other.folder
    (one.folder / "checkpoint").write_text("mine")
    other.epoch("partial", RECORD)
    other.done()
    assert not other.folder.exists()
    assert (one.folder / "checkpoint").read_text() == "mine"
    one.epoch("partial", RECORD)
    one.done()
    assert list((tmp_path / "runs").iterdir()) == []
    assert Journal(tmp_path, "same").folder == one.folder


def test_clearing_the_cache_spares_fits_at_work(tmp_path):
    from graft.features import Store

    one, other, ended = Journal(tmp_path, "same"), Journal(tmp_path, "same"), Journal(tmp_path, "killed")
    ended._release()
    (ended.folder / "checkpoint").write_text("of a fit that was killed")
    assert Store(tmp_path).clear() > 0
    assert one.folder.is_dir()
    assert other.folder.is_dir()
    assert not ended.folder.exists()


def test_events_are_what_tensorboard_reads(tmp_path):
    journal = Journal(tmp_path / "cache", "recipe")
    for epoch in (1.0, 2.0):
        journal.epoch("partial", RECORD | {"epoch": epoch, "val_score": 0.5 + epoch / 10})
    journal.scores("linear_probe", {"accuracy": Estimate(0.75, 0.7, 0.8, 10)}, "test")
    (tmp_path / "model").mkdir()
    journal.copy_events(tmp_path / "model")
    found = read_scalars(tmp_path / "model" / "events")
    assert found["partial"]["training/val_score"] == [(1, 0.6), (2, 0.7)]
    assert set(found["partial"]) == {f"training/{name}" for name in RECORD if name != "epoch"}
    assert found["linear_probe"] == {"test/accuracy": [(0, 0.75)]}
    journal.done()
    assert not journal.folder.exists()


def test_old_events_do_not_mix_with_new_ones(tmp_path):
    with pytest.raises(RuntimeError), Journal(tmp_path, "recipe") as journal:
        journal.epoch("partial", RECORD)
        raise RuntimeError
    again = Journal(tmp_path, "recipe")
    again.epoch("partial", RECORD)
    again.close()
    assert len(read_scalars(again.events)["partial"]["training/lr"]) == 1
