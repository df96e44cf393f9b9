"""How Waypost's commands speak to people: exit codes, the two lines of an error, and the options all of them share.

Exit codes: 0 done, 1 refused or failed (an `error:` line and, where there is something to do, a `hint:` line on
standard error), 2 usage. A user's mistake never shows a traceback.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from waypost.crypto.keystore import Keystore
from waypost.crypto.passphrase import find_passphrase
from waypost.protocol.errors import ProtocolError
from waypost.protocol.printing import printable

HomeOption = Annotated[
    Path, typer.Option("--home", envvar="WAYPOST_HOME", help="The folder that holds this party's keys and data.")
]
PassphraseOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        help="A file whose first line is the passphrase of the keys "
        "(or WAYPOST_PASSPHRASE_FILE, WAYPOST_PASSPHRASE, or asked for).",
    ),
]
NewPassphraseOption = Annotated[
    Path | None,
    typer.Option("--new-passphrase-file", help="A file whose first line is the new passphrase; asked for otherwise."),
]
RootKeyOption = Annotated[
    str, typer.Option(metavar="HEX", help="A root key, 64 hexadecimal digits, if not the one that --home knows.")
]
INSTALL_HUB_HINT = "in a clone of the repository: pip install '.[hub]'"
"""What to do where the hub's and trustee's packages are missing."""
JsonOption = Annotated[bool, typer.Option("--json", help="Print facts for machines.")]


def add_version(app: typer.Typer) -> None:
    """Let a program tell its version."""
    app.callback()(_root)


def _show_version(context: typer.Context, wanted: bool) -> None:
    if wanted:
        typer.echo(f"{context.find_root().info_name} {metadata.version('waypost')}")
        raise typer.Exit


def _root(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def root_key(text: str) -> bytes:
    """The Ed25519 key that a RootKeyOption names; ProtocolError when it is none."""
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise ProtocolError(
            "malformed", "a root key has 64 hexadecimal digits", hint="hub.json and trustee.json hold them"
        )
    return bytes.fromhex(text)


def ask_passphrase() -> str:
    """Ask for an existing passphrase on the terminal."""
    answer: str = typer.prompt("Passphrase of the keys", hide_input=True, err=True)
    return answer


def ask_new_passphrase() -> str:
    """Ask for a new passphrase twice."""
    answer: str = typer.prompt("New passphrase for the keys", hide_input=True, confirmation_prompt=True, err=True)
    return answer


def change_passphrase(keys: Path, passphrase_file: Path | None, new_passphrase_file: Path | None) -> None:
    """Put a party's keystore under another passphrase, and say so. A crash leaves the old file or the new one."""
    old = find_passphrase(passphrase_file, ask_passphrase)
    store = Keystore.open(keys, old)
    new = find_passphrase(new_passphrase_file, ask_new_passphrase) if new_passphrase_file else ask_new_passphrase()
    store.change_passphrase(old, new)
    typer.echo(f"{keys} is under the new passphrase. Backups made before are still under the old one.")


def fail(message: str, hint: str = "") -> NoReturn:
    """End with exit code 1 and the two lines, without what a terminal would obey."""
    print(f"error: {_lines(message)}", file=sys.stderr)  # noqa: T201 - this is the one place that prints errors
    if hint:
        print(f"hint: {_lines(hint)}", file=sys.stderr)  # noqa: T201
    raise SystemExit(1)


def _lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


def run(app: Callable[[], object], expected: tuple[type[Exception], ...]) -> NoReturn:
    """Run a Typer app; `expected` errors, which carry a sentence and maybe a `hint`, become the two lines."""
    try:
        app()
    except expected as error:
        fail(str(error), getattr(error, "hint", ""))
    except OSError as error:
        if error.filename is None:  # no file that the user named: our fault
            raise
        fail(f"{error.filename}: {(error.strerror or 'cannot be used').lower()}", "name another, or look at its owner")
    except UnicodeEncodeError:
        fail("an argument holds bytes that are no UTF-8 text", "look at what was pasted")
    except KeyboardInterrupt:
        fail("interrupted; nothing that was finished is lost")
    raise SystemExit(0)
