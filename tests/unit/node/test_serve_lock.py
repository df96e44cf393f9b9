"""One daemon a home: a lock that is held keeps others out until it is given back, and no longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from waypost.node.errors import SettingsError
from waypost.node.serve_lock import ServeLock


def test_a_home_is_kept_from_daemons_for_as_long_as_the_lock_is_held(tmp_path: Path) -> None:
    with ServeLock(tmp_path).held():
        assert ServeLock(tmp_path).held_by_another()
        with pytest.raises(SettingsError, match="running in this home already"):
            ServeLock(tmp_path).take()
        assert ServeLock(tmp_path).held_by_another()
    assert not ServeLock(tmp_path).held_by_another()
