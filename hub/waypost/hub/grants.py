"""Grant eligibility under Executive Order 13929: each "no" with its reasons, each reason with the clause it rests on.

1. Section 3(d): discretionary grants go "only to those law enforcement agencies that submit the information described
   in subsection (b)". An agency that takes no part, has not attested, is late, or whose index is not current does not.
2. Section 2(b): they go "only to those ... agencies that have sought or are in the process of seeking appropriate
   credentials from a reputable independent credentialing body certified by the Attorney General". A credential or a
   confirmed application of a certified body satisfies it. Expired, revoked, and uncertified ones do not.
3. Section 2(c): which bodies are certified; named as the clause where that is what is missing.
4. Every reason that holds is given, not the first one only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from waypost.hub.compliance import Compliance, Evidence, Submission, certified_bodies
from waypost.hub.credentials import MEETS_2B, CredentialStanding
from waypost.hub.limits import DEADLINES_AHEAD_DAYS
from waypost.protocol.quarters import newest_over
from waypost.v1 import compliance_pb2

SIZES: Final = (
    *((9, "0-9"), (24, "10-24"), (49, "25-49"), (99, "50-99"), (249, "100-249")),
    *((499, "250-499"), (999, "500-999")),
)
"""Size classes by officers employed, as the national surveys of agencies have them; 1,000 and more are the last."""
SIZE_ORDER: Final = (*(word for _, word in SIZES), "1000+", "unknown")
LOCALE_WORDS: Final[Mapping[int, str]] = {
    compliance_pb2.LOCALE_UNSPECIFIED: "unknown",
    compliance_pb2.LOCALE_URBAN: "urban",
    compliance_pb2.LOCALE_RURAL: "rural",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an agency is not eligible: the clause of the order, a fixed word, and a sentence."""

    clause: str
    word: str
    words: str


@dataclass(frozen=True, slots=True)
class Decision:
    """An agency's standing and what follows from it."""

    standing: Compliance
    reasons: tuple[Reason, ...]

    @property
    def eligible(self) -> bool:
        """Whether grants may go to it, as far as sections 2(b) and 3(d) go."""
        return not self.reasons


@dataclass(frozen=True, slots=True)
class Deadline:
    """Something that ends or falls due. `subject` is an ORI, or empty when it concerns `count` agencies."""

    on: date
    subject: str
    words: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Total:
    """Counts of one group of agencies."""

    group: str
    agencies: int
    submitting: int
    credentialed: int
    in_process: int
    eligible: int


def decide(standing: Compliance) -> Decision:
    """What follows for one agency."""
    return Decision(standing, (*_submission(standing), *_credential(standing)))


def _submission(standing: Compliance) -> Iterator[Reason]:
    """Rule 1."""
    due, attested = standing.due, standing.attested
    if not standing.agency.active:
        yield Reason("3(d)", "suspended", "it is suspended from the federation")
    if attested.submission is Submission.NEVER:
        words = f"it has never attested: {due}, due on {due.due_on}, or a later one counts"
        yield Reason("3(d)", "never-attested", words)
    if attested.submission is Submission.LATE:
        words = f"it attested last for {attested.period}; {due} was due on {due.due_on}"
        yield Reason("3(d)", "attestation-late", words)
    if not standing.index_current:
        agreed = standing.index.agreed_on
        words = (
            f"its index last agreed with the hub's on {agreed}" if agreed else "its index never agreed with the hub's"
        )
        yield Reason("3(d)", "index-not-current", words)


def _credential(standing: Compliance) -> Iterator[Reason]:
    """Rules 2 and 3."""
    held = standing.credential
    if held.standing in MEETS_2B:
        return
    match held.standing:
        case CredentialStanding.EXPIRED:
            yield Reason("2(b)", "credential-expired", f"what it had of {held.body} ended on {held.until}")
        case CredentialStanding.REVOKED:
            yield Reason("2(b)", "credential-revoked", f"{held.body} revoked its credential")
        case CredentialStanding.BODY_NOT_CERTIFIED:
            yield Reason("2(c)", "body-not-certified", f"{held.body} is not certified for its state")
        case _:
            yield Reason("2(b)", "no-credential", "it has neither a credential nor an application in process")


def size_of(officers: int | None) -> str:
    """The size class of an agency, as the national surveys of agencies have them."""
    if officers is None:
        return "unknown"
    return next((word for most, word in SIZES if officers <= most), "1000+")


def by_state(decisions: Iterable[Decision]) -> list[Total]:
    """Totals by state."""
    groups = _grouped((each.standing.agency.state, each) for each in decisions)
    return [_total(name, group) for name, group in sorted(groups.items())]


def by_size(decisions: Iterable[Decision]) -> list[Total]:
    """Totals by size class, smallest first."""
    groups = _grouped((size_of(each.standing.officers), each) for each in decisions)
    return [_total(name, groups[name]) for name in SIZE_ORDER if name in groups]


def access(decisions: Iterable[Decision]) -> list[Total]:
    """Section 2(d): whether agencies of all sizes, urban and rural, reach a credentialing process."""
    groups = _grouped(
        (f"{size_of(each.standing.officers)}, {LOCALE_WORDS[each.standing.locale]}", each) for each in decisions
    )
    order = [f"{size}, {locale}" for size in SIZE_ORDER for locale in ("urban", "rural", "unknown")]
    return [_total(name, groups[name]) for name in order if name in groups]


def whole(decisions: Iterable[Decision]) -> Total:
    """Totals of all."""
    return _total("all", list(decisions))


def _grouped(pairs: Iterable[tuple[str, Decision]]) -> dict[str, list[Decision]]:
    groups: dict[str, list[Decision]] = {}
    for name, decision in pairs:
        groups.setdefault(name, []).append(decision)
    return groups


def _total(name: str, group: list[Decision]) -> Total:
    kinds = Counter(each.standing.credential.standing for each in group)
    return Total(
        name,
        len(group),
        sum(each.standing.submits for each in group),
        kinds[CredentialStanding.CREDENTIALED],
        kinds[CredentialStanding.IN_PROCESS],
        sum(each.eligible for each in group),
    )


def deadlines(evidence: Evidence, decisions: Iterable[Decision], as_of: date) -> list[Deadline]:
    """What ends or falls due within DEADLINES_AHEAD_DAYS, soonest first."""
    found: list[Deadline] = []
    open_period, missing = newest_over(as_of), 0
    for decision in decisions:
        attested, held = decision.standing.attested, decision.standing.credential
        missing += attested.period is None or attested.period < open_period
        if held.standing in MEETS_2B and held.until is not None:
            what = (
                "its credential" if held.standing is CredentialStanding.CREDENTIALED else "its application in process"
            )
            found.append(Deadline(held.until, decision.standing.agency.ori, f"{what} of {held.body} ends"))
    if missing and open_period.due_on >= as_of:
        words = f"attestations of {open_period} fall due"
        found.append(Deadline(open_period.due_on, "", words, missing))
    for body, (to_on, _) in certified_bodies(evidence, as_of).items():
        found.append(Deadline(to_on, body, "its certification as a credentialing body ends"))
    near = [each for each in found if 0 <= (each.on - as_of).days <= DEADLINES_AHEAD_DAYS]
    return sorted(near, key=lambda each: (each.on, each.subject))


@dataclass(frozen=True, slots=True)
class Change:
    """An agency whose eligibility changed between two days; `reasons` are the words of those that came or went."""

    ori: str
    eligible: bool
    reasons: tuple[str, ...]


def changes(before: Iterable[Decision], after: Iterable[Decision]) -> list[Change]:
    """Who became eligible, and who no longer is; an agency new since then counts as not eligible before."""
    held = {each.standing.agency.ori: each for each in before}
    result = []
    for now in after:
        ori = now.standing.agency.ori
        then = held.get(ori)
        if now.eligible != (then is not None and then.eligible):
            words = now.reasons or (then.reasons if then is not None else ())
            result.append(Change(ori, now.eligible, tuple(reason.word for reason in words)))
    return result
