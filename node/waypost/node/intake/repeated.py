"""What to make of two rows of one import that name one officer differently."""

from __future__ import annotations

from enum import StrEnum


class Repeated(StrEnum):
    """A profile's choice; canonical files reject."""

    REJECT = "reject"
    """Nobody can tell which is right: the second row is rejected."""
    ALIAS = "alias"
    """A person who changed his name, or two clerks: the other name becomes an alias, the first stays the legal one."""
    NAMESAKES = "namesakes"
    """As `alias`, where the key is made of names: another middle initial is then another person."""
