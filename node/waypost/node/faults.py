"""A fault of this program in a few words: its name and where it happened, and nothing of what it was about."""

from __future__ import annotations

import traceback

from waypost.node.limits import FAULT_CHARS_MAX


def described(error: BaseException) -> str:
    """The error's kind and the innermost line of Waypost's own; its text is left out: it may quote personal data."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "waypost" in frame.filename] or frames
    place = f" in {ours[-1].name}, line {ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}{place}"[:FAULT_CHARS_MAX]
