"""Profiles by name: those that come with Waypost, and a person's own by the path of their file."""

from __future__ import annotations

from functools import cache
from importlib import resources
from pathlib import Path
from typing import Final

from waypost.node.errors import IntakeError
from waypost.node.intake.profiles.model import Profile
from waypost.node.intake.profiles.toml import read_profile

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
    try:
        text = Path(wanted).read_text("utf-8")
    except FileNotFoundError:
        raise IntakeError(f"there is no file {wanted}", hint="name the profile's file") from None
    except (OSError, UnicodeDecodeError):
        raise IntakeError(f"{wanted} cannot be read as UTF-8 text", hint="name the profile's file") from None
    return read_profile(wanted, text)
