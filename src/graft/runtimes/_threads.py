"""How many threads torch computes with, here and in threads of our own, without a trace elsewhere."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch


@contextmanager
def limited(count: int) -> Iterator[None]:
    """Let torch use at most ``count`` threads inside.

    Its threads wait for one another by spinning: on two busy cores, two of them took six times as long as one.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, min(before, count)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def pool(count: int, *, each: int, name: str) -> ThreadPoolExecutor:
    """Return a pool of ``count`` threads, in each of which torch uses ``each`` threads; elsewhere nothing changes.

    torch keeps the number per thread, and one more that a thread takes over when it first asks; the latter is put back
    before this returns.
    """
    before = torch.get_num_threads()
    ready = threading.Barrier(count + 1)

    def start() -> None:
        torch.set_num_threads(each)
        torch.get_num_threads()
        ready.wait()

    made = ThreadPoolExecutor(count, thread_name_prefix=name)
    started = [made.submit(start) for _ in range(count)]
    ready.wait()
    for one in started:
        one.result()
    torch.set_num_threads(before)
    return made
