"""Words of others on a terminal: names of files and of columns, what a file says of itself, entries of an audit."""

from __future__ import annotations

import json
from datetime import UTC, datetime


def printable(text: str) -> str:
    """The text with a question mark in the place of each character that a terminal would obey, or that hides others."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text)


def audit_line(at_ms: int, event: str, subject: str, detail: str, *, as_json: bool) -> str:
    """An entry of a party's audit in one line; `at_ms`: milliseconds since 1970."""
    if as_json:
        return json.dumps({"at_ms": at_ms, "event": event, "subject": subject, "detail": detail})
    moment = datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return printable(f"{moment}  {event:<20} {subject}  {detail}".rstrip())
