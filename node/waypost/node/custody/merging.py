"""Deciding about two officers: one person, two persons, or two again.

1. The officer who is kept stands for the other: he has the other's names, numbers, employments and records as well, and
   his own word counts where they differ. Nothing is moved or changed: what each key's source says stays as it is, and a
   later import under either key still finds its own row. So a split loses nothing, either.
2. Officers whose social security numbers, or certification numbers of one state, differ are merged only when the
   custodian says so in as many words: telling another agency of the wrong officer is the worst that a node can do.
3. A check finds the kept officer by the other's tokens at once. After a split neither is found until his own tokens are
   made anew: better no answer than the other's.
4. Every decision is entered with its reason. A pair that was told apart, or split, is not proposed again.
5. When an officer stands for others already, the one he is merged into stands for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from waypost.node.audit import Event
from waypost.node.errors import CustodyError
from waypost.node.keys import plain_number
from waypost.node.limits import REASON_CHARS_MAX
from waypost.node.persons import Person
from waypost.node.store import AuditEntry, Decision, Store


def merge(
    store: Store, kept_key: str, other_key: str, *, at_ms: int, reason: str = "", despite_differences: bool = False
) -> None:
    """Let the one officer stand for the other (rules 1 to 5); CustodyError, and no change, when he cannot."""
    _require_reason(reason)
    with store.writing():
        links = store.merges.links()
        kept, other = links.head(_id(store, kept_key)), links.head(_id(store, other_key))
        if kept == other:
            raise CustodyError(f"{kept_key} and {other_key} are one officer already", hint="nothing is left to do")
        first, second = store.officers.people((kept,))[0], store.officers.people((other,))[0]
        different = tuple(_different(first.person, second.person))
        if different and not despite_differences:
            raise CustodyError(
                f"{kept_key} and {other_key} differ in {' and '.join(different)}; nothing was changed",
                hint="if one of the sources is wrong, say so with --despite-differences",
            )
        group = links.group(other)
        store.merges.link(group, kept)
        for each in group:
            store.tokens.hand_over(each, kept)
        store.merges.decide(Decision.MERGED, kept, other, reason, at_ms)
        store.audit.add(AuditEntry(at_ms, Event.OFFICERS_MERGED, str(kept), str(other)))


def split(store: Store, officer_key: str, *, at_ms: int, reason: str = "") -> str:
    """Let an officer who was merged into another stand for himself again; the key of that other."""
    _require_reason(reason)
    with store.writing():
        officer_id = _id(store, officer_key)
        links = store.merges.links()
        head = links.head(officer_id)
        if head == officer_id:
            members = [source.officer_key for source in store.officers.sources(head)[1:]]
            hint = f"name the one to split off: {', '.join(members)}" if members else "see `waypost-node officers show`"
            raise CustodyError(f"{officer_key} is not merged into another officer", hint=hint)
        store.merges.unlink(officer_id, head)
        store.tokens.erase(head)  # rule 3
        store.merges.decide(Decision.SPLIT, head, officer_id, reason, at_ms)
        store.audit.add(AuditEntry(at_ms, Event.OFFICERS_SPLIT, str(head), str(officer_id)))
        return store.history.officer_keys((head,))[head]


def tell_apart(store: Store, one_key: str, other_key: str, *, at_ms: int, reason: str = "") -> None:
    """Two persons, however alike: not to be proposed again."""
    _require_reason(reason)
    with store.writing():
        links = store.merges.links()
        one, other = links.head(_id(store, one_key)), links.head(_id(store, other_key))
        if one == other:
            raise CustodyError(f"{one_key} and {other_key} are merged", hint=f"waypost-node officers split {other_key}")
        store.merges.decide(Decision.DISTINCT, one, other, reason, at_ms)
        store.audit.add(AuditEntry(at_ms, Event.OFFICERS_DISTINCT, str(one), str(other)))


def _different(one: Person, other: Person) -> Iterator[str]:
    """Rule 2."""
    if one.ssn and other.ssn and one.ssn != other.ssn:
        yield "their social security numbers"
    theirs = {
        number.issuer.casefold(): plain_number(number.value) for number in other.identifiers if number.kind == "cert"
    }
    for number in one.identifiers:
        known = theirs.get(number.issuer.casefold()) if number.kind == "cert" else None
        if known is not None and known != plain_number(number.value):
            yield f"their certification numbers of {number.issuer}"


def _id(store: Store, officer_key: str) -> int:
    officer_id = store.officers.id_of(officer_key)
    if officer_id is None:
        raise CustodyError(f"there is no officer {officer_key}", hint="see `waypost-node officers list`")
    return officer_id


def _require_reason(reason: str) -> None:
    if len(reason) > REASON_CHARS_MAX or not reason.isprintable():
        raise CustodyError(f"a reason is one line of at most {REASON_CHARS_MAX} characters")
