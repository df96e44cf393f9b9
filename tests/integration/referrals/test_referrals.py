"""A referral over real processes: weak agreement discloses nothing, the holder's staff releases, the asker sees it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from waypost.hub.demo.federation import Federation
from waypost.hub.demo.members import DemoMember

pytestmark = pytest.mark.xdist_group("referrals")
ASKER, HOLDER = "CA9900100", "NV9900200"
TIMEOUT_S = 60.0
OFFICERS = (
    "officer_key,family_name,given_name,middle_name,suffix,other_names,date_of_birth,ssn,cert_state,cert_number,officer_id\n"
    "NV-1,Thornbury,Isolde,,,,1988-03-14,,,,\n"
)


def _until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_staff_decide_where_only_the_name_and_the_year_agree(tmp_path: Path) -> None:
    officers = tmp_path / "officers.csv"
    officers.write_text(OFFICERS)
    members = (
        DemoMember(ASKER, "Harbor Point", "CA", "agency", ()),
        DemoMember(HOLDER, "Silver Mesa", "NV", "agency", (officers,)),
    )
    federation = Federation(tmp_path / "federation", members)
    try:
        federation.found()
        federation.enrol_all()
        federation.wait_until_indexed()
        person = ("--family", "Thornbury", "--given", "Isolde", "--dob", "1988")
        why = ("--purpose", "hiring", "--authorization", "A-1", "--by", "HP-7", "--json")
        asked = json.loads(federation.node(ASKER, "check", *person, *why).stdout)
        assert asked["candidates"] == []
        assert asked["referrals"] == [HOLDER]

        contact = ("--contact", "Det. Doe, 555-0100")
        federation.node(ASKER, "referrals", "request", asked["check"], HOLDER, *contact)
        _until(lambda: _referrals(federation, HOLDER)["to_decide"])
        (entry,) = _referrals(federation, HOLDER)["to_decide"]
        assert entry["applicant_names"] == ["Thornbury, Isolde"]
        assert entry["officer_key"] == "NV-1"

        federation.node(HOLDER, "referrals", "release", entry["referral"], "--by", "DESK-3")
        _until(lambda: _referrals(federation, ASKER)["asked"][0]["state"] == "released")
        now = json.loads(federation.node(ASKER, "checks", "show", asked["check"], "--json").stdout)
        assert [found["officer_key"] for found in now["candidates"]] == ["NV-1"]
        told = federation.node(HOLDER, "disclosures", "--officer", "NV-1").stdout
        assert "disclosed after the agency's staff had looked at it" in told
    finally:
        federation.stop()


def _referrals(federation: Federation, ori: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(federation.node(ori, "referrals", "list", "--json").stdout)
    return facts
