"""Standings kept day by day: every day's can be told again, and no day can be changed, left out or put in later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, update
from tests.parties import commands
from tests.parties.compliance_world import World, noon
from tests.parties.operators import Operators
from tests.parties.release_world import MINIMUM

from waypost.crypto.envelope import SigningKey, parse_envelope, sign
from waypost.hub import schema, standings
from waypost.hub.errors import SettingsError
from waypost.hub.standing_schema import compliance_days
from waypost.hub.standings import Change, KeptDay
from waypost.protocol import names
from waypost.v1 import compliance_pb2, log_pb2, roster_pb2

FIRST, LAST = date(2026, 10, 1), date(2026, 11, 24)
BODY, ATTESTS, REVOKED, LATER = "VA9980001", "CA9900100", "CA9900200", "CA9900300"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two credentialed agencies that attested once; one attests again, the other's credential is revoked."""
    made = World.at(tmp_path)
    begin(made)
    yield made
    made.engine.dispose()


def begin(made: World) -> None:
    for ori in (ATTESTS, REVOKED):
        made.join(ori)
    made.join(BODY, roster_pb2.ROLE_CREDENTIALING_BODY)
    made.publish("2026-01-01")
    certified = compliance_pb2.BodyCertification(body_ori=BODY, from_on="2026-01-02", to_on="2029-12-31")
    made.hub_says(names.BODY_CERTIFICATION, certified, "2026-01-02")
    digest = b""
    for ori in (ATTESTS, REVOKED):
        credential = compliance_pb2.Credential(
            agency_ori=ori, topics=MINIMUM, issued_on="2026-01-05", expires_on="2028-01-05"
        )
        digest = made.says(BODY, names.CREDENTIAL, credential, "2026-01-05")
        made.says(ori, names.ATTESTATION, attested("2026Q2", "2026-06-30"), "2026-07-10")
    revoked = compliance_pb2.CredentialRevocation(agency_ori=REVOKED, credential_digest=digest, reason="policy changed")
    made.says(BODY, names.CREDENTIAL_REVOCATION, revoked, "2026-10-15")
    made.says(ATTESTS, names.ATTESTATION, attested("2026Q3", "2026-09-30"), "2026-10-20")


def attested(period: str, through: str) -> compliance_pb2.Attestation:
    return compliance_pb2.Attestation(period=period, submitted_through=through, attested_by="A. Example, chief")


def days() -> Iterator[date]:
    yield from (FIRST + timedelta(days=number) for number in range((LAST - FIRST).days + 1))


def live(world: World, day: date) -> int:
    """A day of the hub's life: members' indexes are compared, and the day before is kept."""
    for ori in (ATTESTS, REVOKED):
        world.compared(ori, day.isoformat())
    world.sign_days(day.isoformat())
    return standings.keep(world.engine, world.hub, world.trustee.public, noon(day.isoformat()))


def kept(world: World) -> list[KeptDay]:
    with world.engine.begin() as connection:
        return list(standings.kept_days(connection, world.hub.public))


def told(change: Change) -> tuple[str, str, bool | None, tuple[str, ...]]:
    after = change.after
    return str(change.day), change.ori, after.eligible if after else None, after.reasons if after else ()


def test_every_change_is_kept_on_its_day_and_nothing_else(world: World) -> None:
    for day in days():
        if day == date(2026, 11, 3):
            world.join(LATER)
            world.publish("2026-11-03")
        assert live(world, day) == 1
    assert [told(change) for change in standings.changes(kept(world))] == [
        ("2026-09-30", ATTESTS, False, ("3(d) index-not-current",)),  # no day of comparisons before the first
        ("2026-09-30", REVOKED, False, ("3(d) index-not-current",)),
        ("2026-10-01", ATTESTS, True, ()),
        ("2026-10-01", REVOKED, True, ()),
        ("2026-10-15", REVOKED, False, ("2(b) credential-revoked",)),
        ("2026-11-03", LATER, False, ("3(d) never-attested", "3(d) index-not-current", "2(b) no-credential")),
        ("2026-11-15", REVOKED, False, ("3(d) attestation-late", "2(b) credential-revoked")),
    ]


def test_what_was_kept_of_a_day_is_what_is_computed_for_it_again(world: World) -> None:
    for day in days():
        live(world, day)
    held = kept(world)
    for count, each in enumerate(held, 1):
        again = {ori: standings.standing_of(found) for ori, found in world.decide(each.day.isoformat()).items()}
        assert standings.standings_after(held[:count]) == again
        assert standings.standings_digest(again.values()) == each.standings_digest


def test_a_hub_that_was_away_keeps_the_days_it_missed_when_it_is_back(world: World) -> None:
    live(world, FIRST)
    assert live(world, FIRST + timedelta(days=12)) == 7  # so many at once
    assert live(world, FIRST + timedelta(days=12)) == 5
    assert live(world, FIRST + timedelta(days=12)) == 0
    assert [each.day for each in kept(world)] == [FIRST + timedelta(days=number) for number in range(-1, 12)]


def test_a_fact_that_no_longer_verifies_shows_as_a_difference_to_what_was_kept(world: World) -> None:
    live(world, FIRST)
    live(world, FIRST + timedelta(days=1))
    (_, day) = kept(world)
    with world.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE facts SET envelope = x'00' WHERE author = 'CA9900100'")
    now = [standings.standing_of(found) for found in world.decide(day.day.isoformat()).values()]
    assert standings.standings_digest(now) != day.standings_digest


def test_every_kept_day_is_an_entry_of_the_transparency_log(world: World) -> None:
    live(world, FIRST)
    live(world, FIRST + timedelta(days=1))
    query = select(schema.log_queue.c.digest).where(schema.log_queue.c.kind == log_pb2.LOG_KIND_COMPLIANCE_DAY)
    with world.engine.begin() as connection:
        logged = list(connection.scalars(query))
    assert logged == [each.digest for each in kept(world)]


def test_the_command_lists_every_kept_change_and_warns_when_facts_say_otherwise_now(tmp_path: Path) -> None:
    place = Operators(tmp_path)
    begin(place.world)
    for number in range(16):
        live(place.world, FIRST + timedelta(days=number))

    def compliance(*more: str) -> commands.Done:
        return commands.run("waypost-hub", "compliance", *more, home=place.hub)

    lines = compliance("--changes", "--state", "CA").stdout.splitlines()
    assert len(lines) == 5
    assert lines[-1] == (
        "2026-10-15  CA9900200  eligible (attested, index current, credentialed) -> "
        "not eligible (attested, index current, revoked: 2(b) credential-revoked)"
    )
    last = json.loads(compliance("--changes", "--json").stdout.splitlines()[-1])
    assert (last["day"], last["before"]["eligible"], last["after"]["reasons"]) == (
        *("2026-10-15", True),
        ["2(b) credential-revoked"],
    )
    assert compliance("--changes", "--as-of", "2026-10-14").stdout.splitlines() == lines[:-1]
    assert compliance("--as-of", "2026-10-10", "--csv").stderr == ""
    with place.world.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE facts SET envelope = x'00' WHERE author = 'CA9900100'")
    assert "what was kept on 2026-10-10 is not what follows" in compliance("--as-of", "2026-10-10", "--csv").stderr


def altered(world: World) -> None:
    row = compliance_days.c.day == "2026-10-05"
    with world.engine.begin() as connection:
        payload = parse_envelope(connection.scalar(select(compliance_days.c.envelope).where(row)) or b"").payload
        rogue = sign(names.COMPLIANCE_DAY, payload, SigningKey.generate()).SerializeToString()
        connection.execute(update(compliance_days).where(row).values(envelope=rogue))


def left_out(world: World) -> None:
    with world.engine.begin() as connection:
        connection.execute(delete(compliance_days).where(compliance_days.c.day == "2026-10-05"))


def first_left_out(world: World) -> None:
    with world.engine.begin() as connection:
        connection.execute(delete(compliance_days).where(compliance_days.c.day == "2026-09-30"))


def moved(world: World) -> None:
    with world.engine.begin() as connection:
        row = connection.execute(select(compliance_days).where(compliance_days.c.day == "2026-10-05")).one()
        connection.execute(insert(compliance_days).values(day="2026-10-31", envelope=row.envelope))


@pytest.mark.parametrize("crime", [altered, left_out, first_left_out, moved])
def test_attack_a_kept_day_is_changed_left_out_or_shown_for_another(world: World, crime: object) -> None:
    for day in range(9):
        live(world, FIRST + timedelta(days=day))
    crime(world)  # type: ignore[operator]
    with pytest.raises(SettingsError, match="does not"):
        kept(world)
