"""Every bound of the trustee, each with its reason."""

from __future__ import annotations

from typing import Final

from waypost.protocol.limits import CHECK_TOKENS, DAY_MS, REGISTRATION_BATCH_TOKENS

CHECK_ELEMENTS_PER_DAY: Final = 2000 * CHECK_TOKENS
"""A member's checks in a day: an academy class or a whole department in one go; 60,000 a day is the whole country."""

REGISTRATION_ELEMENTS_PER_WINDOW: Final = 4_000_000
"""A member's registrations in a window: the largest department (36,000 officers) twice over."""

REGISTRATION_ELEMENTS_PER_DAY: Final = 2_000_000
"""The same in a day, for a member whose size the operator has not stated: that department's first day with room."""

ELEMENTS_PER_OFFICER: Final = 64
"""Elements that one stated officer stands for: 39 keys on average, and what fills up their batches."""

UPKEEP_ELEMENTS_PER_DAY: Final = 64 * REGISTRATION_BATCH_TOKENS
"""What a member of any stated size may use beside that in a day: 64 changes, each filled up to a whole batch. So many
guesses, 800 persons', are fewer than the checks of a day stand for."""

REGISTRATIONS_OF_ALL_PER_WINDOW: Final = 2
"""How often a member of stated size may register everybody in a window: once, and once more for new index keys."""

OFFICERS_STATED_MAX: Final = 2_000_000
"""Largest size that can be stated: all officers of the country, serving and former."""

REGISTRATION_WINDOW_MS: Final = 30 * DAY_MS
CHECK_WINDOW_MS: Final = DAY_MS

USAGE_KEPT_MS: Final = 400 * DAY_MS
"""Usage is kept for a yearly review, then forgotten."""

CHECKPOINTS_REFUSED_KEPT: Final = 100
"""Refused checkpoints kept as evidence: one proves the fork, and a hub that goes on trying must not fill the disk."""

ROUND_RHO_MILLIONTHS_PER_YEAR: Final = 500_000
"""Privacy loss that a state's members bear in a year unless the operator sets another: rho 0.5 is epsilon 5.3 at delta
10^-6, for fifty rounds at the default loss."""

ROUNDS_PREPARED_MAX: Final = 64
"""Rounds prepared and not signed: each has a key in the keystore for a day at most."""

ROUNDS_SHOWN: Final = 50
AUDIT_ENTRIES_SHOWN: Final = 50
CONCURRENT_EVALUATIONS_MAX: Final = 64
"""Requests at work at a time: 64 batches of 4,096 are 25 MB."""

HOUSEKEEPING_INTERVAL_S: Final = 3600.0
CERTIFICATE_CHECK_INTERVAL_S: Final = 6 * 3600.0

BUSY_TIMEOUT_MS: Final = 10_000
"""How long a write waits for another process of the same operator."""

assert UPKEEP_ELEMENTS_PER_DAY < CHECK_ELEMENTS_PER_DAY  # noqa: S101 - guessing by registration pays less than asking
assert CHECK_WINDOW_MS <= REGISTRATION_WINDOW_MS < USAGE_KEPT_MS  # noqa: S101 - relations between bounds
