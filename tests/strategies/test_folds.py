"""Folds of a cross-validation."""

import numpy as np

from graft.strategies._folds import stratified

TARGETS = np.array([0] * 50 + [1] * 23 + [2] * 7)
ALONE = np.arange(80)


def counts(fold):
    return np.array([np.bincount(TARGETS[fold == index], minlength=3) for index in range(5)])


def test_classes_and_rows_are_spread_evenly():
    found = counts(stratified(TARGETS, ALONE, 5, 3))
    assert (np.ptp(found, axis=0) <= 1).all()
    assert np.ptp(found.sum(1)) <= 1


def test_the_seed_decides():
    assert np.array_equal(stratified(TARGETS, ALONE, 5, 3), stratified(TARGETS, ALONE, 5, 3))
    assert not np.array_equal(stratified(TARGETS, ALONE, 5, 3), stratified(TARGETS, ALONE, 5, 4))


def test_units_stay_together_and_still_spread():
    units = ALONE // 3
    fold = stratified(TARGETS, units, 5, 0)
    assert all(len(set(fold[units == unit])) == 1 for unit in set(units))
    assert (np.ptp(counts(fold), axis=0) <= 4).all()


def test_one_large_unit_and_fewer_rows_than_folds():
    assert len(set(stratified(TARGETS, np.zeros(80, dtype=int), 5, 0))) == 1
    assert sorted(stratified(np.array([0, 1, 0]), np.arange(3), 5, 0)) == [0, 1, 2]
    assert stratified(np.empty(0, dtype=int), np.empty(0, dtype=int), 5, 0).shape == (0,)
