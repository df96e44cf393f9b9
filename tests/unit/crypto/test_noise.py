"""The noise is the discrete Gaussian of its scale: tests that a wrong distribution fails, and what it costs.

Chi-squared over the values near zero and the two tails, 20,000 draws. The bound is the quantile at which a right
sampler fails once in 10^9 runs; samplers that are wrong by little are shown to exceed it.
"""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Callable

import pytest

from waypost.crypto import noise

DRAWS = 20_000
SCALE = 7.072
NEAR = range(-20, 21)
CHI_SQUARED_MAX = 124.0
"""Quantile 1 - 10^-9 of chi-squared with 42 degrees of freedom: 123.1 (Wilson and Hilferty)."""


def probabilities(scale: float) -> dict[int, float]:
    """Of each bin, and of what lies below (-99) and above (99) all of them, by the discrete Gaussian's definition."""
    weights = {value: math.exp(-(value**2) / (2 * scale**2)) for value in range(-400, 401)}
    total = sum(weights.values())
    found: Counter[int] = Counter()
    for value, weight in weights.items():
        found[bin_of(value)] += weight / total  # type: ignore[assignment]
    return dict(found)


def bin_of(value: int) -> int:
    return value if value in NEAR else int(math.copysign(99, value))


def chi_squared(draws: list[int], scale: float) -> float:
    seen = Counter(bin_of(value) for value in draws)
    return sum((seen[place] - len(draws) * p) ** 2 / (len(draws) * p) for place, p in probabilities(scale).items())


def test_the_noise_is_the_discrete_gaussian_of_its_scale() -> None:
    assert chi_squared(noise.draw(SCALE, DRAWS), SCALE) < CHI_SQUARED_MAX


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: noise.draw(SCALE * 1.1, DRAWS),
        lambda: noise.draw(SCALE * 0.9, DRAWS),
        lambda: [value + 1 for value in noise.draw(SCALE, DRAWS)],
        lambda: [value // 2 * 2 for value in noise.draw(SCALE, DRAWS)],
        lambda: [round(random.Random(7).uniform(-12, 12)) for _ in range(DRAWS)],
        lambda: [abs(value) for value in noise.draw(SCALE, DRAWS)],
    ],
    ids=["wider", "narrower", "shifted", "even-only", "uniform", "one-sided"],
)
def test_attack_noise_of_another_distribution_is_noticed(wrong: Callable[[], list[int]]) -> None:
    assert chi_squared(wrong(), SCALE) > CHI_SQUARED_MAX


def test_cells_get_independent_noise() -> None:
    # Correlation of neighbours over 20,000 pairs has standard deviation 0.007; 0.05 is seven of them.
    draws = noise.draw(SCALE, DRAWS + 1)
    products = [a * b for a, b in itertools.pairwise(draws)]
    assert abs(sum(products) / len(products) / SCALE**2) < 0.05


def test_two_draws_differ() -> None:
    assert noise.draw(SCALE, 20) != noise.draw(SCALE, 20)


@pytest.mark.parametrize(("sensitivity", "scale"), [(1, 7.072), (4, 28.285), (2, 100.0)])
def test_the_loss_is_that_of_the_gaussian_mechanism(sensitivity: int, scale: float) -> None:
    assert noise.rho_of(scale, sensitivity) == pytest.approx(sensitivity**2 / (2 * scale**2))


@pytest.mark.parametrize("rho", [0.001, 0.01, 0.05, 0.5])
def test_epsilon_is_between_the_known_bounds(rho: float) -> None:
    # Bun and Steinke's conversion is an upper bound; OpenDP's is tighter, and cannot be below rho itself.
    delta = 1e-6
    assert rho < noise.epsilon_of(rho, delta) <= rho + 2 * math.sqrt(rho * math.log(1 / delta))


def test_epsilon_in_the_protocols_units_is_rounded_up() -> None:
    exact = noise.epsilon_of(0.01, 1e-6)
    assert noise.epsilon_thousandths(10_000, 1000) == math.ceil(1000 * exact)
