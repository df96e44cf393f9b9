"""Agencies, signed results and figures for a release. Synthetic throughout: no number says anything about anybody."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert
from tests.parties.compliance_world import World, noon

from waypost.crypto.envelope import sign
from waypost.crypto.freshness import new_header
from waypost.hub import round_schema
from waypost.hub.release.results import SignedResult
from waypost.hub.round_results import DONE
from waypost.protocol import limits, names
from waypost.protocol.measures import CATALOGUE_VERSION, measure
from waypost.protocol.periods import parse_period
from waypost.protocol.round_results import AbsentMember, ResultCell, RoundResult, open_result, result_payload
from waypost.v1 import compliance_pb2, roster_pb2

BODY = "VA9980001"
TODAY = "2026-11-24"
POPULATION = {"CA": 1000, "NV": 400, "OR": 300, "TX": 900}
SIZES = {"CA": (10, 90), "NV": (6, 45), "OR": (4, 35), "TX": (3, 60)}
"""Agencies of a state, and officers of each: CA is covered by 90 %, NV by 67 %, OR by 46 %, TX by 20 %."""
NAMES = {"CA": "Harbor Point", "NV": "Silver Mesa", "OR": "Cedar Fork", "TX": "Live Oak"}
MINIMUM = (
    compliance_pb2.CREDENTIAL_TOPIC_LAWFUL_USE_OF_FORCE,
    compliance_pb2.CREDENTIAL_TOPIC_CHOKE_HOLDS_PROHIBITED,
)


SILENT = "TX9900300"
"""An agency whose index was never compared."""


def agencies(state: str) -> list[str]:
    return [f"{state}99{number:03d}00" for number in range(1, SIZES[state][0] + 1)]


def everybody() -> list[str]:
    return sorted(ori for state in SIZES for ori in agencies(state))


def make_world(folder: Path) -> World:
    """Twenty-three agencies of four states: described, most of them attested, some credentialed."""
    world = World.at(folder)
    for state in SIZES:
        for number, ori in enumerate(agencies(state), 1):
            world.join(ori, name=f"{NAMES[state]} Police Department No. {number}")
    world.join(BODY, roster_pb2.ROLE_CREDENTIALING_BODY)
    world.publish("2026-01-01")
    certified = compliance_pb2.BodyCertification(body_ori=BODY, from_on="2026-01-02", to_on="2029-12-31")
    world.hub_says(names.BODY_CERTIFICATION, certified, "2026-01-02")
    for state, (_, officers) in SIZES.items():
        for number, ori in enumerate(agencies(state)):
            locale = compliance_pb2.LOCALE_RURAL if number % 3 == 0 else compliance_pb2.LOCALE_URBAN
            described = compliance_pb2.MemberDescription(ori=ori, officers=officers, locale=locale)
            world.hub_says(names.MEMBER_DESCRIPTION, described, "2026-01-03")
            stand(world, ori, number)
    world.sign_days(TODAY)
    return world


def stand(world: World, ori: str, number: int) -> None:
    """Every fifth agency never attests, every second is credentialed, the fourth's index differed, one is silent."""
    if ori != SILENT:
        world.compared(ori, "2026-11-23", agreed=number != 3)
    if number % 5 != 4:
        attested = compliance_pb2.Attestation(
            period="2026Q3", submitted_through="2026-09-30", attested_by="A. Example, chief"
        )
        world.says(ori, names.ATTESTATION, attested, "2026-10-12")
        figure = compliance_pb2.Timeliness(period="2026Q3")
        if number:
            figure.median, figure.p95 = compliance_pb2.DELAY_BAND_MONTH, compliance_pb2.DELAY_BAND_YEAR
        world.says(ori, names.TIMELINESS, figure, "2026-10-12")
    if number % 2 == 0:
        credential = compliance_pb2.Credential(
            agency_ori=ori, topics=MINIMUM, issued_on="2026-01-05", expires_on="2028-01-05"
        )
        world.says(BODY, names.CREDENTIAL, credential, "2026-01-05")


def make_result(
    world: World,
    name: str,
    period: str,
    *,
    states: tuple[str, ...] = (),
    participants: tuple[str, ...] | None = None,
    closed_on: str = "2026-11-20",
    seed: int = 7,
    totals: Sequence[int] = (),
) -> SignedResult:
    """A result as both parties would have signed it; its totals are drawn unless they are given."""
    generator = random.Random(f"{name} {period} {states} {seed}")
    asked, span = measure(name), parse_period(period)
    cohort = [ori for ori in everybody() if not states or ori[:2] in states]
    taking = tuple(cohort) if participants is None else participants
    cells = []
    for place, values in enumerate(asked.cells(span)):
        total = totals[place] if totals else int(generator.lognormvariate(4.2, 1.1))
        cells.append(ResultCell(values, 0 if total < 10 else total, total < 10))
    result = RoundResult(
        round_id=generator.randbytes(16),
        round_digest=generator.randbytes(32),
        measure=asked,
        period=span,
        states=states,
        roster_version=1,
        rho_millionths=50_000,
        epsilon_thousandths=2_190,
        delta_billionths=limits.ROUND_DELTA_BILLIONTHS,
        noise_deviation_thousandths=17_900,
        small_cell=10,
        participants=taking,
        absent=tuple(AbsentMember(ori, "") for ori in cohort if ori not in taking),
        cells=tuple(cells),
        closed_at_ms=noon(closed_on),
    )
    header = new_header(sender="hub", audience="*", now_ms=noon(closed_on), lifetime_ms=limits.DAY_MS)
    payload = result_payload(result, header, CATALOGUE_VERSION)
    envelope = sign(names.ROUND_RESULT, payload, world.hub, world.trustee)
    return SignedResult(open_result(envelope, hub_key=world.hub.public, trustee_key=world.trustee.public), envelope)


def store(world: World, *results: SignedResult) -> None:
    """Put results where finished rounds stand."""
    with world.engine.begin() as connection:
        for signed in results:
            result = signed.result
            row = {
                "round_id": result.round_id,
                "measure": result.measure.name,
                "period": result.period.text,
                "states": " ".join(result.states),
                "rho_millionths": result.rho_millionths,
                "open_ms": limits.DAY_MS,
                "state": DONE,
                "reason": "",
                "asked_at_ms": result.closed_at_ms,
                "changed_at_ms": result.closed_at_ms,
                "result": signed.envelope.SerializeToString(),
            }
            connection.execute(insert(round_schema.rounds).values(row))


def all_results(world: World) -> list[SignedResult]:
    """One of every kind: the nation's in each tier by whom is in it, states' in theirs."""
    covered = POPULATION_COVERED
    return [
        make_result(world, "records", "2023..2025"),
        make_result(world, "records", "2023..2025", states=("CA",)),
        make_result(world, "records", "2023..2025", states=("NV",)),
        make_result(world, "records", "2023..2025", states=("OR",)),
        make_result(world, "records", "2023..2025", states=("TX",)),
        make_result(world, "force-findings", "2024..2025", states=("CA",)),
        make_result(world, "officers-employed", "2025", states=("CA",)),
        make_result(world, "officers-employed", "2024", states=("CA",), closed_on="2025-11-20"),
        make_result(world, "programmes", "2025", states=("CA",)),
        make_result(world, "civil-judgments", "2021..2025", participants=covered),
    ]


POPULATION_COVERED = tuple(ori for ori in everybody() if ori[:2] in {"CA", "NV"})


def population_file(folder: Path) -> Path:
    path = folder / "officers.csv"
    path.write_text("state,officers\n" + "".join(f"{state},{count}\n" for state, count in POPULATION.items()))
    return path


def moment(day: str) -> datetime:
    return datetime.fromtimestamp(noon(day) / 1000, UTC)
