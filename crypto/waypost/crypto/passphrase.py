"""Where a keystore's passphrase comes from: a file, the environment, or the terminal, in this order.

1. The file named by the caller (`--passphrase-file`).
2. The file named by WAYPOST_PASSPHRASE_FILE.
3. WAYPOST_PASSPHRASE itself (convenient, and visible to whoever may look at the process).
4. The caller's prompt, when there is a terminal.

Of a file the first line counts, without its line end.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from waypost.crypto.errors import KeystoreError

FILE_VARIABLE: Final = "WAYPOST_PASSPHRASE_FILE"
VARIABLE: Final = "WAYPOST_PASSPHRASE"
_HINT: Final = f"name a file with --passphrase-file or {FILE_VARIABLE}"


def find_passphrase(file: Path | None, prompt: Callable[[], str]) -> str:
    """The passphrase; KeystoreError when a named file cannot be read, or there is neither a source nor a terminal."""
    named = file or (Path(os.environ[FILE_VARIABLE]) if os.environ.get(FILE_VARIABLE) else None)
    if named is not None:
        try:
            lines = named.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            raise KeystoreError(f"the passphrase file {named} cannot be read", hint=_HINT) from None
        if not lines or not lines[0]:
            raise KeystoreError(f"the passphrase file {named} is empty", hint="put the passphrase on its first line")
        return lines[0]
    if os.environ.get(VARIABLE):
        return os.environ[VARIABLE]
    if not sys.stdin.isatty():
        raise KeystoreError("the passphrase of the keys is needed, and there is no terminal to ask", hint=_HINT)
    return prompt()
