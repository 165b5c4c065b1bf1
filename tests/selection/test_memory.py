"""The garbage collector during a fit: what was there is left alone, and all is as before afterwards."""

import gc

import pytest

from graft.selection import settled


def test_objects_are_set_apart_and_given_back():
    gc.unfreeze()  # a server that another test ran in this process may have set some apart
    with pytest.raises(KeyError), settled():
        assert gc.get_freeze_count() > 10_000
        raise KeyError
    assert gc.get_freeze_count() == 0


def test_what_a_caller_froze_stays_frozen():
    gc.freeze()
    try:
        before = gc.get_freeze_count()
        with settled():
            # Some of what is frozen may go meanwhile; nothing is added, and nothing given back.
            assert before - 100 < gc.get_freeze_count() <= before
        assert before - 100 < gc.get_freeze_count() <= before
    finally:
        gc.unfreeze()
