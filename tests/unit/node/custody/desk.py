"""A custodian at his terminal: the real command, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.parties.agency import csv_of

from waypost.node.intake import FileKind

NODE = Path(sys.executable).with_name("waypost-node")
PASSPHRASE = "correct horse battery"
TIMEOUT_S = 60


class Desk:
    """A custodian at his terminal."""

    def __init__(self, home: Path) -> None:
        self.home = home

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "WAYPOST_HOME": str(self.home), "WAYPOST_PASSPHRASE": PASSPHRASE, "COLUMNS": "150"}

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [NODE, *arguments], env=self.environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )

    def facts(self, *arguments: str | Path) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def file(self, name: str, kind: FileKind, *rows: dict[str, str]) -> Path:
        path = self.home.parent / name
        path.write_bytes(csv_of(kind, *rows))
        return path
