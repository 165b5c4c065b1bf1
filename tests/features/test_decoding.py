"""Decoding in threads: in order, bounded, and without a trace in torch's number of threads."""

import threading
import time

import pytest
import torch
from tiny_backbone import Tiny, examples

from graft.features import decoding
from graft.features.decoding import Decoding, Job


def jobs(n, taken=None):
    for row, (one, content) in enumerate(zip(*examples(n), strict=True)):
        if taken is not None:
            taken.append(row)
        yield Job(row, one, content, (0,))


def run(given, preprocess=None, **settings):
    return Decoding(given, preprocess or Tiny(), augmentation="none", seed=0, **settings)


def test_results_come_in_the_order_of_the_jobs():
    with run(jobs(50), Tiny(delay=0.001), threads=4) as decoded:
        assert [one.job.row for one in decoded] == list(range(50))


def test_decoding_begins_at_once_and_does_not_run_ahead_of_its_bound():
    item = 3 * 8 * 8
    taken = []
    with run(jobs(100, taken), threads=2, ahead=10 * item) as decoded:
        time.sleep(0.05)
        assert len(taken) == 10
        results = iter(decoded)
        for _ in range(5):
            next(results)
        assert len(taken) <= 16


def test_less_waits_once_the_network_is_ready(monkeypatch):
    item = 3 * 8 * 8
    monkeypatch.setattr(decoding, "STEADY_BYTES", 10 * item)
    taken = []
    with run(jobs(200, taken), threads=2, ahead=100 * item) as decoded:
        assert len(taken) == 100
        decoded.steady()
        results = iter(decoded)
        for _ in range(95):
            next(results)
        assert len(taken) <= 110
        assert 95 + len(list(results)) == 200


def test_a_gate_lets_in_as_many_as_it_is_told():
    gate, inside, most = decoding.Gate(3), [0], [0]

    def work():
        with gate:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            time.sleep(0.01)
            inside[0] -= 1

    for change, expected in ((-5, 1), (1, 2), (5, 3)):
        gate.change(change)
        most[0] = 0
        threads = [threading.Thread(target=work) for _ in range(6)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert most[0] == gate.limit == expected


def test_all_threads_decode_where_the_network_waits_and_one_where_it_does_not():
    with run(jobs(400), Tiny(delay=0.004), threads=3, ahead=3 * 8 * 8 * 20) as decoded:
        results = iter(decoded)
        for _ in range(200):
            next(results)
        hungry = decoded._gate.limit
        for _ in range(100):
            time.sleep(0.01)
            next(results)
        assert (hungry, decoded._gate.limit) == (3, 1)


def test_torch_keeps_its_threads_here_and_in_threads_to_come():
    before = torch.get_num_threads()
    inside, after = [], []

    class Spy(Tiny):
        def decode(self, content):
            inside.append(torch.get_num_threads())
            return super().decode(content)

    with run(jobs(20), Spy(), threads=2) as decoded:
        assert len(list(decoded)) == 20
    later = threading.Thread(target=lambda: after.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert set(inside) == {1}
    assert after == [before] == [torch.get_num_threads()]


def test_a_fault_in_the_preprocessing_is_not_hidden_as_a_bad_input():
    class Faulty(Tiny):
        def fit(self, decoded):
            raise ZeroDivisionError

    with run(jobs(3), Faulty()) as decoded, pytest.raises(ZeroDivisionError):
        list(decoded)


def test_threads_end_when_the_work_is_left():
    with run(jobs(200), Tiny(delay=0.01), threads=2) as decoded:
        next(iter(decoded))
    assert not [one for one in threading.enumerate() if one.name.startswith("graft-decode")]
