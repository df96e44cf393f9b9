"""`waypost-node`: the commands of an agency's staff, one module a noun. A module's `register` adds its commands."""

from __future__ import annotations

import typer

from waypost.crypto.errors import CryptoError
from waypost.node.cli import (
    attest,
    audit,
    batches,
    check,
    checks,
    credential,
    disclosures,
    import_,
    keys,
    log,
    mail,
    notices,
    officers,
    policy,
    process,
    quality,
    record_changes,
    records,
    referrals,
    retention,
    rights,
    rounds,
    statements,
    verify,
    watch,
)
from waypost.node.errors import NodeError
from waypost.protocol import shell
from waypost.protocol.errors import ProtocolError

app = typer.Typer(
    help="An agency's node: it keeps the agency's records, answers checks, and asks them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
_MODULES = (
    process,
    import_,
    batches,
    officers,
    quality,
    records,
    retention,
    check,
    checks,
    referrals,
    keys,
    attest,
    credential,
    watch,
    rights,
    record_changes,
    statements,
    notices,
    mail,
    audit,
    log,
    disclosures,
    verify,
    rounds,
    policy,
)
for module in _MODULES:
    module.register(app)
shell.add_version(app)


def main() -> None:
    """Entry point."""
    shell.run(app, (NodeError, CryptoError, ProtocolError))
