"""Noise for totals, and what it costs: OpenDP's discrete Gaussian, accounted in zCDP. Needs OpenDP (the `hub` extra).

1. The mechanism is OpenDP's `make_gaussian` over vectors of whole numbers under the L2 distance: the discrete Gaussian
   of Canonne, Kamath and Steinke (2020), sampled exactly. Its randomness is OpenDP's own, from the operating system.
2. The loss of one release is what OpenDP's privacy map says of the scale and the sensitivity.
3. Losses in rho add up (zCDP composes by addition); (epsilon, delta) is OpenDP's conversion of a rho.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, sqrt

import opendp.prelude as dp

dp.enable_features("contrib")


def draw(scale: float, cells: int) -> list[int]:
    """Fresh noise, one whole number for each cell; `scale` is above 0."""
    return [int(value) for value in _mechanism(scale)([0] * cells)]


def rho_of(scale: float, sensitivity: int) -> float:
    """The zero-concentrated privacy loss of one release."""
    return float(_mechanism(scale).map(sensitivity))  # type: ignore[no-untyped-call]


def epsilon_of(rho: float, delta: float) -> float:
    """The epsilon that goes with `delta` for a total loss of `rho`."""
    equivalent = _mechanism(1 / sqrt(2 * rho))  # whose loss for sensitivity 1 is rho
    profile = dp.c.make_zCDP_to_approxDP(equivalent).map(1)  # type: ignore[no-untyped-call]
    return float(profile.epsilon(delta))


def epsilon_thousandths(rho_millionths: int, delta_billionths: int) -> int:
    """The same in the units of the protocol, rounded up."""
    return ceil(1000 * epsilon_of(rho_millionths / 10**6, delta_billionths / 10**9))


@lru_cache(maxsize=64)  # building one costs a millisecond; a process uses a few
def _mechanism(scale: float) -> dp.Measurement:
    space = dp.vector_domain(dp.atom_domain(T=dp.i64)), dp.l2_distance(T=dp.i64)
    return dp.m.make_gaussian(*space, scale=scale)
