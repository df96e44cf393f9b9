"""What a given name may be short for: the nickname table of the package `nicknames`, put in order by frequency.

The table says who may be called what, in both directions (Robert for Bill, too). On a record a name counts as short
for another one only where that is the commoner one, so that most names stand for themselves; an applicant's name may be
short for any that the table has, and a long one may be on record as the short one (Lawrence as Larry).
"""

from __future__ import annotations

import csv
import functools
from collections.abc import Mapping
from importlib import resources
from typing import Final

from nicknames import NickNamer

_FORMAL_MAX: Final = 2
"""Names a record's given name stands for at most: each multiplies the tokens of its officer."""

_POSSIBLE_MAX: Final = 5
"""Names an applicant's given name stands for at most, himself included: Chris may be short for eighteen."""


@functools.lru_cache(maxsize=65536)
def formal_names(word: str) -> tuple[str, ...]:
    """What the name is short for, the commonest ones; itself when it is short for nothing."""
    return _longer(word)[:_FORMAL_MAX] or (word,)


@functools.lru_cache(maxsize=65536)
def possible_names(word: str) -> tuple[str, ...]:
    """The name itself, and the commonest of those that a record of the same person may stand for."""
    shares, table = given_shares(), _nicknames()
    longer = {name for name in table.canonicals_of(word) if name in shares}
    shorter = {name for name in table.nicknames_of(word) if name in shares and word not in formal_names(name)}
    common = sorted((longer | shorter) - {word}, key=lambda name: (-shares[name], name))
    return (word, *common)[:_POSSIBLE_MAX]


def _longer(word: str) -> tuple[str, ...]:
    shares = given_shares()
    own = shares.get(word, 0.0)
    longer = {name for name in _nicknames().canonicals_of(word) if name != word and shares.get(name, 0.0) > own}
    return tuple(sorted(longer, key=lambda name: (-shares[name], name)))


@functools.cache
def given_shares() -> Mapping[str, float]:
    """Shares (0 to 1) of the common given names in names.csv."""
    with resources.files("waypost.node").joinpath("names.csv").open(encoding="utf-8") as lines:
        return {row["name"]: int(row["per_million"]) / 1e6 for row in csv.DictReader(lines) if row["part"] == "given"}


@functools.cache
def _nicknames() -> NickNamer:
    return NickNamer()
