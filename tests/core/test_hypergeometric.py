"""Exact intervals beside their definition, by brute force over all populations."""

from math import comb

import pytest

from dlcli.core.hypergeometric import hypergeometric_bounds


def chance(hits, drawn, population, number):
    return comb(number, hits) * comb(population - number, drawn - hits) / comb(population, drawn)


@pytest.mark.parametrize(("drawn", "population"), [(1, 1), (5, 5), (3, 7), (10, 40), (20, 21), (12, 90)])
@pytest.mark.parametrize("confidence", [0.95, 0.975])
def test_bounds_are_those_of_the_definition(drawn, population, confidence):
    tail = (1 - confidence) / 2
    for hits in range(drawn + 1):
        possible = range(hits, population - drawn + hits + 1)
        upper = {number: sum(chance(k, drawn, population, number) for k in range(hits, drawn + 1)) for number in possible}
        lower = {number: sum(chance(k, drawn, population, number) for k in range(hits + 1)) for number in possible}
        kept = [number for number in possible if upper[number] > tail and lower[number] > tail]
        assert hypergeometric_bounds(hits, drawn, population, confidence) == (min(kept), max(kept))


def test_coverage_is_never_below_what_it_says():
    for number in range(61):
        covered = 0.0
        for hits in range(max(0, 15 - (60 - number)), min(15, number) + 1):
            low, high = hypergeometric_bounds(hits, 15, 60)
            covered += chance(hits, 15, 60, number) * (low <= number <= high)
        assert covered >= 0.95 - 1e-12


def test_the_whole_population_is_known_and_nothing_is_without_a_sample():
    assert hypergeometric_bounds(7, 30, 30) == (7, 7)
    assert hypergeometric_bounds(0, 0, 12) == (0, 12)
    with pytest.raises(ValueError, match="13 hits of 12"):
        hypergeometric_bounds(13, 12, 40)
