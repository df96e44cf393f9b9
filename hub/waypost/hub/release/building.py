"""Building a release: what goes in, what comes out, and the manifest over all of it.

1. Results count only with both parties' signatures, verified by the caller, and when they closed by the release's day.
   Facts that do not verify stop the build.
2. What may be shown of a result is its tier's to say (tiers.py), less what would give a suppressed cell away
   (withholding.py, over all results that this hub holds, of later days as well). The signed result itself, which holds
   every total, is put in only where everything is shown; elsewhere the release has its digest and both signatures.
3. The manifest names every file, and the manifest before it.
4. An edition is a function of its inputs: the same facts, results, population and number give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from waypost.crypto.envelope import SigningKey, sign
from waypost.hub import grants
from waypost.hub.compliance import Evidence, assess
from waypost.hub.facts import hub_header
from waypost.hub.release.dataset import data_files
from waypost.hub.release.edition import Edition, Past, Population, submission_coverage
from waypost.hub.release.results import SignedResult, leading, publish, withhold
from waypost.hub.release.site import site_files
from waypost.protocol import names
from waypost.protocol.facts import MemberDescription, day_of
from waypost.protocol.releases import RESULTS
from waypost.v1 import envelope_pb2, release_pb2


@dataclass(frozen=True, slots=True)
class Ingredients:
    """What an edition is made from: all results, in the order in which they were finished; the parties' public keys."""

    number: int
    as_of: date
    notice: str
    evidence: Evidence
    results: tuple[SignedResult, ...]
    population: Population
    past: tuple[Past, ...]
    hub_key: bytes
    trustee_key: bytes


def make_edition(given: Ingredients) -> Edition:
    """Judge everything that the release shows."""
    decisions = tuple(grants.decide(standing) for standing in assess(given.evidence, given.as_of))
    officers_of = _officers(given.evidence, given.as_of)
    nation, states = submission_coverage(decisions, officers_of, given.population)
    population = given.population.officers
    results = [each for each in withhold(given.results) if day_of(each.result.closed_at_ms) <= given.as_of]
    published = [publish(each, officers_of=officers_of, population=population) for each in results]
    first = leading(published)
    return Edition(
        number=given.number,
        as_of=given.as_of,
        notice=given.notice,
        decisions=decisions,
        all=grants.whole(decisions),
        states=tuple(grants.by_state(decisions)),
        access=tuple(grants.access(decisions)),
        nation=nation,
        coverage=states,
        population=given.population,
        leading=tuple(first),
        earlier=tuple(each for each in published if each not in first),
        past=given.past,
        hub_key=given.hub_key.hex(),
        trustee_key=given.trustee_key.hex(),
    )


def make_files(edition: Edition) -> dict[str, bytes]:
    """Every file of the release but its manifest, by path (rules 2 and 4)."""
    files = {**site_files(edition), **data_files(edition, name=f"officer-history-{edition.number}")}
    for published in (*edition.leading, *edition.earlier):
        if published.whole:
            path = f"{RESULTS}{published.result.round_id.hex()}.pb"
            files[path] = published.signed.envelope.SerializeToString(deterministic=True)
    return files


def make_manifest(
    edition: Edition, files: Mapping[str, bytes], previous: bytes, key: SigningKey, now_ms: int
) -> envelope_pb2.Envelope:
    """The manifest, signed by the hub (rule 3)."""
    content = release_pb2.ReleaseManifest(
        header=hub_header(now_ms),
        number=edition.number,
        as_of=edition.as_of.isoformat(),
        files=[
            release_pb2.ReleasedFile(path=path, sha256=hashlib.sha256(files[path]).digest()) for path in sorted(files)
        ],
        previous_digest=previous,
    )
    return sign(names.RELEASE_MANIFEST, content.SerializeToString(), key)


def _officers(evidence: Evidence, as_of: date) -> dict[str, int]:
    """Officers by member, as last described by that day."""
    described: Iterable[tuple[int, MemberDescription]] = sorted(
        (
            (counted.from_ms, counted.fact)
            for counted in evidence.facts
            if isinstance(counted.fact, MemberDescription) and counted.from_on <= as_of
        ),
        key=lambda pair: pair[0],
    )
    return {fact.ori: fact.officers for _, fact in described}
