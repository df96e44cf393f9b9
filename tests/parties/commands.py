"""The operators' own commands, run within the tests' process: the same code without a second's start of Python each."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from unittest import mock

import typer
from typer.testing import CliRunner

from waypost.hub.cli import app as hub_app
from waypost.node.cli import app as node_app
from waypost.trustee.cli import app as trustee_app

PASSPHRASE: Final = "correct horse battery"
ENVIRONMENT: Final = {"WAYPOST_PASSPHRASE": PASSPHRASE, "GRPC_VERBOSITY": "NONE", "COLUMNS": "200"}
_APPS: Final = {"waypost-hub": hub_app, "waypost-trustee": trustee_app, "waypost-node": node_app}
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def run(command: str, *arguments: str, home: Path) -> Done:
    """Run a command to its end; a refusal's sentence stands in `stderr`, as it would on the terminal."""
    app: typer.Typer = _APPS[command]
    with _one_at_a_time, mock.patch.dict(os.environ, ENVIRONMENT):
        result = CliRunner().invoke(app, [*arguments, "--home", str(home)])
    error = result.exception
    told = (
        "" if error is None or isinstance(error, SystemExit) else f"error: {error}\nhint: {getattr(error, 'hint', '')}"
    )
    return Done(result.exit_code, result.stdout, result.stderr + told)


def do(command: str, *arguments: str, home: Path) -> str:
    """Run a command that must succeed; what it printed."""
    done = run(command, *arguments, home=home)
    assert done.returncode == 0, done.stderr
    return done.stdout
