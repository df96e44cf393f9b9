"""What the options of `check` and `watch` say about a person, and why they are asked."""

from __future__ import annotations

import errno
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from waypost.node.persons import Identifier, Person, PersonName

_SIGNED_BY_THE_PERSON = {
    "hiring": ("a hiring check", "the applicant's signed authorization"),
    "self": ("a self check", "the request that the officer signed himself"),
}
_REFERENCE_CHARS_MAX = 100
_FILE_ENDINGS = (
    *(".pdf", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".heic", ".gif", ".bmp"),
    *(".doc", ".docx", ".odt", ".rtf", ".txt", ".eml", ".msg", ".zip", ".p7m", ".p7s"),
)
"""What a scan or a letter is kept as: who writes so means a file."""
_STAFF_CHARS_MAX = 64


@dataclass(frozen=True, slots=True)
class Authorization:
    """What the hub and the holders read of an authorization, its digest (32 bytes or none), and its file's name."""

    reference: str = ""
    digest: bytes = b""
    file: str = ""

    def words(self) -> str:
        """How it was taken, for the person who asks; empty when there is none."""
        if self.file:
            return f"authorization: file {self.file}, sha256 {self.digest.hex()}"
        return f"authorization: reference {self.reference!r}" if self.reference else ""


def authorization_of(authorization: str, purpose: str) -> Authorization:
    """An authorization, a file or a reference; CheckError when one is needed, or a file is named that is not there.

    A POST board that decides on a certification needs none: it asks by its office.
    """
    from waypost.node.errors import CheckError

    if not authorization.strip():
        if purpose in _SIGNED_BY_THE_PERSON:
            check, paper = _SIGNED_BY_THE_PERSON[purpose]
            raise CheckError(
                f"{check} needs {paper}", hint="name its file, or your reference to it, with --authorization"
            )
        return Authorization()
    content = _content(authorization)
    if content is not None:
        digest = hashlib.sha256(content).digest()
        # Hub and holders read the reference, and a file may be named after its applicant.
        return Authorization(f"file {digest.hex()[:16]}", digest, authorization)
    if len(authorization) > _REFERENCE_CHARS_MAX or not authorization.isprintable():
        raise CheckError(f"a reference has at most {_REFERENCE_CHARS_MAX} printable characters")
    if "/" in authorization or authorization.lower().endswith(_FILE_ENDINGS):
        raise CheckError(
            f"there is no file {authorization!r} to take as the authorization",
            hint="correct its path, or give your reference to it: one without a slash and without a file's ending",
        )
    return Authorization(authorization, hashlib.sha256(authorization.encode()).digest())


def _content(authorization: str) -> bytes | None:
    """What the file of that name holds; None when it names no file, CheckError when that cannot be read."""
    from waypost.node.errors import CheckError

    try:
        path = Path(authorization)
        return path.read_bytes() if path.is_file() else None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return None
        raise CheckError("the authorization's file cannot be read", hint="check its permissions") from None


def staff_of(by: str) -> str:
    """A staff reference; CheckError when it is none."""
    from waypost.node.errors import CheckError

    if not 0 < len(by) <= _STAFF_CHARS_MAX or not by.isprintable():
        raise CheckError(f"--by is a staff reference of 1 to {_STAFF_CHARS_MAX} characters", hint="for example BG-07")
    return by


def names_of(family: str, given: str, middle: str, suffix: str, others: list[str]) -> tuple[PersonName, ...]:
    """The present name and the others; CheckError when one is missing or is none."""
    from waypost.node.errors import CheckError
    from waypost.node.persons import PersonName

    if not family or not given:
        raise CheckError("the applicant's name is missing", hint="--family NAME --given NAME, or --batch FILE")
    with _detail():
        names = [PersonName(family.strip(), given.strip(), middle.strip(), suffix.strip())]
    for other in others:
        former, comma, first = other.partition(",")
        if not comma or not former.strip() or not first.strip():
            raise CheckError(f"{other!r} is not a name", hint='write --other-name "FAMILY, GIVEN"')
        with _detail():
            names.append(PersonName(former.strip(), first.strip(), kind="former"))
    return tuple(names)


def numbers_of(certs: list[str], officer_ids: list[str]) -> tuple[Identifier, ...]:
    """Certification and officer numbers; CheckError when one is none."""
    from waypost.node.errors import CheckError
    from waypost.node.persons import Identifier
    from waypost.node.records import OFFICER_ID_ISSUER

    numbers = []
    for cert in certs:
        state, colon, number = cert.partition(":")
        if not colon or not re.fullmatch(r"[A-Za-z]{2}", state) or not number.strip():
            raise CheckError(f"{cert!r} is no certification", hint="write --cert CA:P12345")
        with _detail():
            numbers.append(Identifier("cert", state.upper(), number.strip()))
    for entry in officer_ids:
        issuer, colon, number = entry.partition(":")
        with _detail():
            numbers.append(
                Identifier("officer-id", issuer if colon else OFFICER_ID_ISSUER, (number if colon else entry).strip())
            )
    return tuple(numbers)


def person_of(
    names: tuple[PersonName, ...], dob: str, ssn: str, numbers: tuple[Identifier, ...], *, today: date
) -> Person:
    """The applicant; CheckError says which detail is wrong, or that there are too few to look anybody up."""
    from waypost.node.persons import PartialDate, Person, require_age
    from waypost.node.sufficiency import require_enough

    digits = re.sub(r"\D", "", ssn)
    with _detail():
        born = PartialDate.parse(dob)
        require_age(born, today)
        last4 = digits if len(digits) == 4 else ""  # noqa: PLR2004 - the last four digits alone
        person = Person(names, born, "" if last4 else digits, last4, numbers)
    require_enough(person)
    return person


@contextmanager
def _detail() -> Iterator[None]:
    """What is wrong with a detail of the applicant, as CheckError that names the detail and not its value."""
    from waypost.node.errors import CheckError, RecordError

    try:
        yield
    except RecordError as error:
        raise CheckError(f"{error.column.replace('_', ' ')} {error}", hint=_correction(error.column)) from error


def _correction(column: str) -> str:
    """How to ask again."""
    return "18 May 1981 is written 1981-05-18" if column == "date_of_birth" else "correct it and ask again"
