"""What a profile says of a row that it does not hand on."""

from __future__ import annotations

from dataclasses import dataclass

from waypost.node.intake.cells import Problem


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The profile leaves the row out on purpose."""

    why: str


@dataclass(frozen=True, slots=True)
class Unexplained:
    """The row holds values that nobody has explained: they are never guessed."""

    problems: tuple[Problem, ...]
    values: tuple[tuple[str, str], ...]
    """(column, value) of those that no map knows."""
    agencies: tuple[str, ...] = ()
    """The names of agencies whose ORI nobody has confirmed."""
    held: bool = True
    """Whether the row waits for an answer, or is rejected for good."""
