"""Tests of the backbones run on one thread: several wait for each other where tests run side by side."""

import pytest

import quick_fit


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with quick_fit.one_thread():
        yield
