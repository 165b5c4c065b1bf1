"""How many threads torch computes with, here and in threads of our own, without a trace elsewhere."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import torch
from threadpoolctl import threadpool_limits

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S")


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


@contextmanager
def blas_on_one_thread() -> Iterator[None]:
    """Let NumPy's products use one thread inside, in all threads of this process.

    They too wait by spinning: beside other work on two cores, two threads take twice as long as one.
    """
    with threadpool_limits(1, user_api="blas"):
        yield


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


def beside(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
    """Do ``work`` in a thread of its own, torch on one thread there, while the caller goes on; return what will be.

    Much of a fit's work beside the network is on one thread: two such pieces together take little longer than one.
    """
    made = pool(1, each=1, name="graft-beside")
    try:
        return made.submit(work, *args, **kwargs)
    finally:
        made.shutdown(wait=False)


def at_once(first: Callable[[], T], second: Callable[[], S]) -> tuple[T, S]:
    """Do two pieces of work at the same time, torch on half of its threads in each; return what both return.

    One thread a piece waits for no other: of products of a few thousand rows two cores do nearly twice as many so.
    """
    count = torch.get_num_threads()
    if count < 2:
        return first(), second()
    with pool(1, each=count // 2, name="graft-second") as made:
        other = made.submit(second)
        with limited(count // 2):
            mine = first()
        return mine, other.result()
