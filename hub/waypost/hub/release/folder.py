"""Putting a release into its folder, where earlier ones stay below past/NUMBER.

    DIR (release 1)  --build-->  DIR.building: release 2, past/1 as it was  --two renames-->  DIR

A build that dies before the renames leaves DIR as it was, and DIR.building to be deleted by the next one. Earlier
releases are copied byte for byte, and each keeps the manifest that was signed for it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from waypost.hub.errors import SettingsError
from waypost.protocol.releases import MANIFEST, PAST


def require_place(folder: Path) -> None:
    """The folder is new, empty, or a release's."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise SettingsError(f"{folder} is no folder", hint="name a folder of its own for the release")
    if folder.exists() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise SettingsError(f"{folder} holds something else", hint="name an empty folder, or that of earlier releases")


def put_release(folder: Path, files: Mapping[str, bytes], manifest: bytes, *, former: int | None) -> None:
    """Make `folder` hold this release; the `former` one that it holds goes below past/."""
    building, old = (folder.with_name(folder.name + suffix) for suffix in (".building", ".old"))
    for left in (building, old):
        shutil.rmtree(left, ignore_errors=True)
    for path, content in (*files.items(), (MANIFEST, manifest)):
        target = building / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    if former is not None:
        if (folder / PAST).exists():
            shutil.copytree(folder / PAST, building / PAST)
        shutil.copytree(folder, building / PAST / str(former), ignore=lambda place, _: _not_past(place, folder))
    if folder.exists():
        folder.rename(old)
    building.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _not_past(place: str, folder: Path) -> list[str]:
    return [PAST] if os.path.samefile(place, folder) else []  # noqa: PTH121 - a str from shutil
