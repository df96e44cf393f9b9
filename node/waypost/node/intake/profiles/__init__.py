"""Profiles: what bring a table of any shape in. model.py says what a profile is, toml.py reads one, reader.py applies
it.
"""

from __future__ import annotations

from waypost.node.intake.profiles.catalogue import load_profile, shipped_profiles
from waypost.node.intake.profiles.model import Profile
from waypost.node.intake.profiles.reader import ProfileReader, profile_readers

__all__ = ["Profile", "ProfileReader", "load_profile", "profile_readers", "shipped_profiles"]
