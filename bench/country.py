"""The whole country on one machine: a real hub and trustee, the full index, as many links as it bears, a day's checks.

    python bench/country.py [--short] [--tokens N] [--members N] [--links N] [--minutes M] [--folder DIR]

Everything is real but where docs/scaling.md says otherwise: the index is filled in bulk, its tokens are random, and the
members of 18,000 agencies are a few processes. Results go to bench/country.json and into docs/scaling.md.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
from _country_figures import Figures
from _country_fleet import Fleets, attached, merged
from _country_founding import Founded, found, ori_of, write_seats
from _country_index import Built, build, coverage_s, digests_of, look_ups, set_all_agreed
from _country_model import computed
from _measure import SHORT
from _parties import Messages, Parties, raise_file_limit
from run import machine

from waypost.crypto import pki
from waypost.crypto.envelope import parse_envelope
from waypost.crypto.serving import channel_options
from waypost.protocol import limits
from waypost.protocol.joincode import decode_join_code
from waypost.protocol.roster import parse_roster
from waypost.v1.enrolment_service_pb2 import JoinRequest, JoinResponse
from waypost.v1.enrolment_service_pb2_grpc import EnrolmentServiceStub

RESULTS: Final = Path(__file__).with_name("country.json")
FEW_LINKS: Final = 10 if SHORT else 100
LINKS_A_STEP: Final = 20 if SHORT else 1000
MEMORY_LEFT_BYTES: Final = 2_500_000_000
"""Links are no longer added when less memory than this is available."""
FILES_LEFT: Final = 200
FAILED_SHARE_MAX: Final = 0.02
AWAY_SHARE: Final = 0.03
"""Members whose node is offline during the day."""
ABSENT_CHECKS_SHARE: Final = 0.03
PACE_PER_S: Final = 60_000 * 0.15 / 3600
"""The busiest hour: 15 % of a day's 60,000 checks."""
ASKERS: Final = 4 if SHORT else 24
COMPARED: Final = 3 if SHORT else 100


@dataclass(frozen=True, slots=True)
class Options:
    members: int
    tokens: int
    links: int
    minutes: float
    link_minutes: float
    shared: str


def options() -> tuple[Options, Path | None]:
    parser = argparse.ArgumentParser(description="Simulate the whole country on this machine; see docs/scaling.md.")
    parser.add_argument("--short", action="store_true", help="only show that it works")
    parser.add_argument("--members", type=int, default=60 if SHORT else 18_000, help="members of the federation")
    parser.add_argument("--tokens", type=int, default=60_000 if SHORT else 80_000_000, help="pointers in the index")
    parser.add_argument("--links", type=int, default=40 if SHORT else 18_000, help="most links to attach")
    parser.add_argument("--minutes", type=float, default=0.1 if SHORT else 20, help="length of the day's replay")
    parser.add_argument("--link-minutes", type=float, default=1 if SHORT else 30, help="longest time for attaching")
    parser.add_argument("--shared", default="none stated", help="what else ran on the machine, for the page")
    parser.add_argument("--folder", type=Path, help="where to put the temporary folder; the index takes 8 GB")
    given = parser.parse_args()
    wanted = Options(
        given.members, given.tokens, min(given.links, given.members), given.minutes, given.link_minutes, given.shared
    )
    return wanted, given.folder


class Country:
    """One run, step by step."""

    def __init__(self, folder: Path, wanted: Options) -> None:
        self.folder, self.wanted, self.figures, self.notes = folder, wanted, Figures(), list[str]()
        self.parties = Parties(folder)
        self.began = time.perf_counter()
        self.fleets: Fleets | None = None
        self.founded: Founded
        self.built: Built
        self.attached: set[int] = set()

    def tell(self, what: str) -> None:
        print(f"[{time.perf_counter() - self.began:7.0f} s] {what}", flush=True)

    def found(self) -> None:
        self.tell(f"founding {self.wanted.members:,} members")
        began = time.perf_counter()
        self.founded = found(self.parties, self.wanted.members)
        self.figures.measured("members", "made, with keys and certificates, in bulk", time.perf_counter() - began, "s")
        self.figures.measured("members", "the roster of all", self.founded.roster_bytes / 1e6, "MB")

    def index(self) -> None:
        self.tell(f"building an index of {self.wanted.tokens:,} pointers")
        self.built = built = build(self.parties.database, self.wanted.members, self.wanted.tokens, self.tell)
        add = self.figures.measured
        add("index", "pointers", built.rows, "")
        add("index", "largest member's share", 100 * built.largest_share, "%")
        add("index", "bulk build: rows in the order of the key", built.insert_s, "s")
        add("index", "bulk build: the second index", built.by_member_s, "s")
        add("index", "bulk build, all of it", built.rows / built.seconds, "tokens/s")
        add("index", "size on disk", built.file_bytes / 1e9, "GB")
        add("index", "a pointer on disk, both trees", built.file_bytes / built.rows, "bytes")
        self.tell("noting that every member's index agrees")
        set_all_agreed(self.parties.database, self.wanted.members)

    def look_up(self) -> None:
        self.tell("looking up, cold and warm")
        found = look_ups(self.parties.database, self.built.persons, 3 if SHORT else 25)
        add = self.figures.measured
        add("look-up", "96 tokens of a check, cold (posix_fadvise, new connection), median", found.cold_s, "s")
        add("look-up", "the slowest of them", found.cold_worst_s, "s")
        add("look-up", "pages of 4 KiB that a cold one reads, read-ahead included", found.cold_reads, "")
        add("look-up", "the same, warm, median", found.warm_s, "s")
        roster = parse_roster(parse_envelope(self._value("SELECT envelope FROM rosters ORDER BY version DESC")).payload)
        anew, kept = coverage_s(self.parties.database, roster, 2 if SHORT else 20)
        add("check", "the coverage of all members, when it may have changed", anew, "s")
        add("check", "the same at every other check", kept, "s")

    def serve(self) -> None:
        self.tell("starting trustee and hub")
        self.parties.trustee.start()
        self.figures.measured("hub", "start until it serves", self.parties.hub.start(), "s")
        persons, seats = self.folder / "persons.npz", self.folder / "seats.jsonl"
        self.built.persons.save(persons)
        write_seats(seats, self.founded.seats)
        settings = {
            "address": self.parties.address,
            "authority": self.founded.authority.decode(),
            "roster_version": self.founded.roster_version,
            "persons": str(persons),
            "seats": str(seats),
        }
        self.fleets = Fleets(settings, os.cpu_count() or 1, self.folder / "clients.log")
        self.fleets.start()
        self.figures.measured("hub", "memory before the first link", _mb(self.parties.hub.process.resident_mib), "MB")

    def few_links(self) -> None:
        """What needs few links: registrations, and a roster that goes to everybody."""
        fleets, hub, add = self._fleets, self.parties.hub.process, self.figures.measured
        answers = fleets.all("attach", count=max(1, FEW_LINKS // len(self._fleets.processes)))
        count, failed = attached(answers), merged(answers)["failed"]
        if failed:
            sys.exit(f"error: the first links failed: {failed}\n{self.parties.hub.log.read_text()}")
        self.tell(f"{count} links: registrations over gRPC, into the full index")
        for at_once in (1, 8):
            hub_s = hub.processor_s
            done = fleets.one("register", batches=8 if SHORT else 240, at_once=min(at_once, count // 2 or 1))
            tokens = done["batches"] * limits.REGISTRATION_BATCH_TOKENS
            add("registration", f"over gRPC, {at_once} at a time", tokens / done["seconds"], "tokens/s")
            self.figures.spread("registration", f"a batch of 512, {at_once} at a time", done["each"])
            add(
                "registration",
                f"the hub's processor time a token, {at_once} at a time",
                (hub.processor_s - hub_s) / tokens,
                "s",
            )
        self.tell("joins, and the roster's way to everybody attached")
        joins, pushes, before = [], [], hub.resident_mib
        hub.forget_peak()
        for number in range(2 if SHORT else 3):
            already = sum(answer["rosters"] for answer in fleets.all("rosters"))
            joins.append(self._join(ori_of(90_000 + number)))
            began = time.perf_counter() - joins[-1]
            until = time.perf_counter() + 120
            while sum(a["rosters"] for a in fleets.all("rosters")) < already + count and time.perf_counter() < until:
                time.sleep(0.02)
            pushes.append(time.perf_counter() - began)
        add("roster", "one join, from call to certificate", statistics.median(joins), "s")
        add("roster", f"from that call until {count} links have the new roster", statistics.median(pushes), "s")
        add("roster", f"the hub's memory while {count} links get it", _mb(hub.peak_mib - before), "MB more")
        fleets.all("hold_roster", version=self._value("SELECT max(version) FROM rosters"))

    def _join(self, ori: str) -> float:
        """As an invited agency does; seconds from the call to the certificate."""
        self.parties.trustee.do("admit", ori)
        told = self.parties.hub.do(
            "invite", ori, "--name", f"Synthetic {ori}", "--state", ori[:2], "--role", "agency", "--json"
        )
        code = decode_join_code(json.loads(told)["join_code"])
        member = Messages(ori)
        credentials = pki.channel_credentials(root_pem=(self.parties.hub.home / "enrol.pem").read_bytes())
        tls = channel_options(pki.HUB_TLS_NAME, message_bytes_max=limits.GRPC_MESSAGE_BYTES_MAX)
        with grpc.secure_channel(self.parties.enrolment, credentials, options=tls) as channel:
            request = JoinRequest(invitation_secret=code.secret, application=member.application(code))
            grpc.channel_ready_future(channel).result(60)
            began = time.perf_counter()
            response: JoinResponse = EnrolmentServiceStub(channel).Join(request, timeout=120)
            seconds = time.perf_counter() - began
        assert response.certificate_pem
        return seconds

    def many_links(self) -> None:
        fleets, hub, add = self._fleets, self.parties.hub.process, self.figures.measured
        processes = len(fleets.processes)
        began, hub_s = time.perf_counter(), hub.processor_s
        first, base = attached(fleets.all("attach", count=0)), hub.resident_mib
        count, reason = first, "those were all that were wanted"
        while count < self.wanted.links:
            step = min(LINKS_A_STEP, self.wanted.links - count)
            answers = fleets.all("attach", count=-(-step // processes))
            failed = merged(answers)["failed"]
            before, count = count, attached(answers)
            memory = _available_bytes()
            speed = (count - before) / max(answer["seconds"] for answer in answers)
            state = f"hub {_mb(hub.resident_mib):,.0f} MB, {hub.open_files:,} files; {memory / 1e9:.1f} GB left"
            self.tell(f"{count:,} links, {speed:,.0f}/s; {state}; failed {failed}")
            if failed and sum(failed.values()) > FAILED_SHARE_MAX * step:
                reason = f"calls that failed: {failed}"
            elif memory < MEMORY_LEFT_BYTES:
                reason = f"memory: {memory / 1e9:.1f} GB were left"
            elif hub.open_files > raise_file_limit() - FILES_LEFT:
                reason = "the limit on open files"
            elif time.perf_counter() - began > 60 * self.wanted.link_minutes:
                reason = f"the {self.wanted.link_minutes:g} minutes that were given to attaching"
            else:
                continue
            break
        seconds, fresh = time.perf_counter() - began, max(1, count - first)
        add("links", "attached at the same time", count, "")
        add("links", "attaching, clients on the same machine", fresh / seconds, "links/s")
        add("links", "the hub's processor time to attach one", (hub.processor_s - hub_s) / fresh, "s")
        add("links", "the hub's memory for one", 1e3 * _mb(hub.resident_mib - base) / fresh, "kB")
        add("links", "the hub's memory with all", _mb(hub.resident_mib), "MB")
        add("links", "the hub's open files", hub.open_files, "")
        self.notes.append(f"Attaching ended at {count:,} links: {reason}.")
        hub_s, rest = hub.processor_s, 2 if SHORT else 30
        time.sleep(rest)
        add(
            "links",
            f"the hub's processor at rest with {count:,} links",
            100 * (hub.processor_s - hub_s) / rest,
            "% of a core",
        )
        self.attached = {member for answer in fleets.all("members") for member in answer["members"]}

    def compare(self) -> None:
        self.tell("index comparisons")
        chosen = sorted(self.attached)[:: max(1, len(self.attached) // COMPARED)][:COMPARED]
        digests = digests_of(self.parties.database, chosen)
        fleets = self._fleets
        first: list[float] = []
        again: list[float] = []
        for share, process in enumerate(fleets.processes):
            own = {
                number: digest.hex()
                for number, digest in digests.items()
                if (number - 1) % len(fleets.processes) == share
            }
            answer = fleets.to(process, "compare", digests=own)
            first += answer["first"]
            again += answer["again"]
        self.figures.spread("comparison", "a member's index, first time (the hub reads its tokens)", first)
        self.figures.spread("comparison", "again, nothing changed", again)

    def day(self) -> None:
        """Two halves: as fast as it goes, and at the pace of the busiest hour."""
        fleets, persons = self._fleets, self.built.persons
        away = sorted(self.attached - {0})[5 :: int(1 / AWAY_SHARE)]
        compared = {number for answer in fleets.all("compares") for number in answer["members"]}
        away = [number for number in away if number not in compared]
        fleets.all("leave", members=away)
        here = self.attached - set(away)
        present = [each for each in range(len(persons.tokens)) if persons.holders_of(each) <= here]
        absent = [each for each in range(len(persons.tokens)) if persons.holders_of(each) & set(away)]
        self.notes.append(
            f"During the day {len(away):,} of {len(self.attached):,} linked members were offline. Checks that found "
            f"somebody drew from {len(present):,} persons with holders attached, and {len(absent):,} with one offline."
        )
        seconds = 30 * self.wanted.minutes
        pace = 2 * PACE_PER_S
        chosen = {"present": present, "absent": absent, "absent_share": ABSENT_CHECKS_SHARE}
        self._traffic("day, full speed", seconds, {"rate": 0, "at_once": ASKERS, **chosen})
        self._traffic(
            "day, twice the busiest hour", seconds, {"rate": pace / len(fleets.processes), "at_once": 0, **chosen}
        )
        self.tell("those who were offline come back")
        back = merged(fleets.all("come_back"))
        self.figures.measured("return", "members that were offline", back["links"], "")
        self.figures.measured("return", "mail that waited for them", back["mail"], "")
        self.figures.measured("return", "until all of it was taken", back["seconds"], "s")
        time.sleep(1)
        pending = self._value("SELECT count(*) FROM checks WHERE pending > 0")
        self.figures.measured("return", "checks that still wait for an answer then", pending, "")

    def _traffic(self, part: str, seconds: float, chosen: dict[str, Any]) -> None:
        self.tell(f"{part}: {seconds:.0f} s")
        hub, trustee, add = self.parties.hub.process, self.parties.trustee.process, self.figures.measured
        hub_s, trustee_s, pages = hub.processor_s, trustee.processor_s, self._pages()
        done = merged(self._fleets.all("day", seconds=seconds, **chosen))
        checks = max(1, len(done["submit"]))
        rate = checks / done["seconds"]
        add(part, "checks", checks, "")
        add(part, "checks a second", rate, "checks/s")
        self.figures.spread(part, "evaluation of 96 elements by both halves", done["evaluate"])
        self.figures.spread(part, "submission to receipt", done["submit"])
        self.figures.spread(part, "begin to last answer, holders attached", done["answered"])
        self.figures.spread(part, "registration of 512 tokens", done["register"])
        self.figures.spread(part, "index comparison", done["digest"])
        self.figures.spread(part, "link anew", done["reconnect"])
        add(part, "answers given", done["answers_given"], "")
        add(part, "the hub's processor time a check, all that goes with it", (hub.processor_s - hub_s) / checks, "s")
        add(part, "the hub's processor", 100 * (hub.processor_s - hub_s) / done["seconds"], "% of a core")
        add(part, "the trustee's processor time a check", (trustee.processor_s - trustee_s) / checks, "s")
        add(part, "database growth a check", (self._pages() - pages) * 4096 / checks / 1e3, "kB")
        add(part, "errors", sum(done["errors"].values()), "")
        if done["errors"]:
            self.notes.append(f"{part}: {done['errors']}.")

    def _pages(self) -> int:
        """Pages in use in the hub's database."""
        return int(self._value("PRAGMA page_count")) - int(self._value("PRAGMA freelist_count"))

    def _value(self, sql: str) -> Any:  # noqa: ANN401 - a cell
        connection = sqlite3.connect(f"file:{self.parties.database}?mode=ro", uri=True, timeout=20)
        try:
            return connection.execute(sql).fetchone()[0]
        finally:
            connection.close()

    @property
    def _fleets(self) -> Fleets:
        assert self.fleets is not None
        return self.fleets

    def run(self) -> None:
        for step in (
            self.found, self.index, self.look_up, self.serve, self.few_links, self.many_links, self.compare, self.day,
        ):  # fmt: skip
            step()
        computed(self.figures)
        self.figures.measured("run", "all of it", (time.perf_counter() - self.began) / 60, "minutes")

    def stop(self) -> None:
        if self.fleets is not None:
            self.fleets.stop()
        self.parties.stop()


def _mb(mib: float) -> float:
    return mib * 2**20 / 1e6


def _available_bytes() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))


def main() -> None:
    wanted, parent = options()
    raise_file_limit()
    with tempfile.TemporaryDirectory(prefix="waypost-country-", dir=parent) as folder:
        country = Country(Path(folder), wanted)
        try:
            country.run()
        finally:
            country.stop()
    if SHORT:
        return
    memory_gb = round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9)
    where = {**machine(), "memory_gb": memory_gb, "shared": wanted.shared}
    country.figures.write(RESULTS, where, country.notes)
    country.figures.put_on_page(where, country.notes)


if __name__ == "__main__":
    main()
