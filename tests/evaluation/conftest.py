"""Reports that several tests of evaluation read."""

import pytest
from judged_cases import CLOTHES, HOSTILE, make_report

from graft.evaluation.report import ReportData


@pytest.fixture(scope="session")
def report() -> ReportData:
    return make_report()


@pytest.fixture(scope="session")
def hostile_report() -> ReportData:
    return make_report((HOSTILE, "]]>--><svg/onload=alert(2)>", *CLOTHES[:3]), 60, source=f"../{HOSTILE}.jpg")


@pytest.fixture(scope="session")
def many_report() -> ReportData:
    return make_report(tuple(f"intent {number}" for number in range(150)), 600)
