"""Who takes part in a demonstration, read from a folder with one sub-folder per ORI."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from waypost.hub.demo.errors import DemoError
from waypost.protocol.names import valid_ori
from waypost.protocol.states import states_of

SHIPPED: Final = Path(__file__).with_name("data")
"""The shipped synthetic data."""


@dataclass(frozen=True, slots=True)
class DemoMember:
    """A member and its files. `role` is the word that `waypost-hub invite --role` takes."""

    ori: str
    name: str
    state: str
    role: str
    files: tuple[Path, ...]


def read_members(folder: Path) -> tuple[DemoMember, ...]:
    """Members of a data folder: every sub-folder named by an ORI; `members.csv` (ori,name,state,role) may name them."""
    if not folder.is_dir():
        raise DemoError(f"{folder} is not a folder", hint="give a folder with one sub-folder per ORI")
    named = _names(folder / "members.csv")
    members = []
    for place in sorted(path for path in folder.iterdir() if path.is_dir() and valid_ori(path.name)):
        name, state, role = named.get(place.name, (f"Agency {place.name}", _state_of(place.name), "agency"))
        members.append(DemoMember(place.name, name, state, role, tuple(sorted(place.glob("*.csv")))))
    if not members:
        raise DemoError(
            f"{folder} has no sub-folder named by an ORI", hint="name each sub-folder by its agency's ORI: CA0194200"
        )
    return tuple(members)


def _state_of(ori: str) -> str:
    """The state that an ORI means, its first two letters where that is more than one."""
    possible = states_of(ori)
    return next(iter(possible)) if len(possible) == 1 else ori[:2]


def _names(path: Path) -> dict[str, tuple[str, str, str]]:
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as lines:
        try:
            return {row["ori"]: (row["name"], row["state"], row["role"]) for row in csv.DictReader(lines)}
        except KeyError as error:
            raise DemoError(f"{path} lacks the column {error}", hint="its header is: ori,name,state,role") from error
