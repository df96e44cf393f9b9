"""Profiles by name: those that come with Waypost, and a person's own by the path of their file."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

from waypost.node.errors import IntakeError
from waypost.node.intake.profiles.model import Profile
from waypost.node.intake.profiles.toml import read_profile
from waypost.node.intake.reading import Source
from waypost.node.limits import PROFILE_BYTES_MAX

_SUFFIX: Final = ".toml"
_PACKAGE: Final = "waypost.node.intake.profiles.shipped"


@cache
def shipped_profiles() -> dict[str, Profile]:
    """The profiles that come with Waypost, by name."""
    files = (each for each in resources.files(_PACKAGE).iterdir() if each.name.endswith(_SUFFIX))
    found = [read_profile(each.name, each.read_text("utf-8")) for each in sorted(files, key=lambda each: each.name)]
    return {profile.name: profile for profile in found}


def load_profile(wanted: str) -> Profile:
    """The profile of that name, or in that file; IntakeError when there is none."""
    if not wanted.endswith(_SUFFIX):
        if wanted in shipped_profiles():
            return shipped_profiles()[wanted]
        raise IntakeError(
            f"there is no profile {wanted!r}",
            hint="waypost-node import profiles list; your own is named by its .toml file",
        )
    with Source.of_path(Path(wanted)).open() as file:
        data = file.read(PROFILE_BYTES_MAX + 1)
    if len(data) > PROFILE_BYTES_MAX:
        raise IntakeError(f"{wanted} is too large for a profile", hint="name the profile's file")
    try:
        return read_profile(wanted, data.decode())
    except UnicodeDecodeError:
        raise IntakeError(f"{wanted} is not UTF-8 text", hint="save it as UTF-8") from None
