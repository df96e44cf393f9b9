"""A federation of its own whose relays keep every byte, and people whose every detail is easy to search for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest
from tests.parties.federation import Federation, Node, running
from tests.parties.people import officer, record
from tests.parties.relay import Seen

TEN_RECORDS: Final = officer(
    "NV-10",
    "Featherstonehaugh-Wolverton",
    "Maximiliano",
    "1979-04-23",
    middle_name="Quillon",
    other_names="Castellanos-Oyelaran, Maximiliano; Featherstonehaugh, Maximilian",
    ssn="912345678",
    cert_state="NV",
    cert_number="P7700123",
    officer_id="PSN-4455667",
)
"""Long names, many forms, every number, and ten records."""

NO_RECORD: Final = officer(
    "NV-11", "Brakespeare", "Leopoldine", "1981-06-17", ssn="923456789", cert_state="NV", cert_number="P8800234"
)

RECORDS: Final = tuple(
    record("NV-10", f"SM-2019-{number:02}", f"Striking sentence number {number} about the pursuit on Cottonwood Lane.")
    for number in range(10)
)

LONG_RECORDS_OFFICER: Final = officer("NV-12", "Quackenbush", "Evangeline", "1974-12-05", ssn="934567890")
LONG_RECORDS: Final = tuple(
    record("NV-12", f"SM-2018-{number:02}", f"Lengthy finding {number}: " + "after the hearing it was held that " * 80)
    for number in range(10)
)

SHORT_STRANGER: Final = officer("--", "Li", "Bo", "1985-01-02")
LONG_STRANGER: Final = officer(
    "--",
    "Wolfeschlegelsteinhausen-Bergerdorff",
    "Alexander",
    "1985-01-02",
    middle_name="Bartholomew",
    ssn="945678901",
    cert_state="TX",
    cert_number="P9900345",
)


@dataclass
class World:
    """`holder` holds the people above; `asker` asks; `bystander` holds somebody else."""

    federation: Federation
    asker: Node
    holder: Node
    bystander: Node

    def mark(self) -> tuple[int, int]:
        """How much has gone by so far."""
        return len(self.federation.relay.seen), len(self.federation.trustee_relay.seen)

    def since(self, mark: tuple[int, int]) -> list[Seen]:
        """All that went by at hub and trustee since then."""
        return [*self.federation.relay.seen[mark[0] :], *self.federation.trustee_relay.seen[mark[1] :]]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running(tmp_path_factory.mktemp("privacy")) as federation:
        asker, holder = federation.node("CA9900100"), federation.node("NV9900200")
        bystander = federation.node("OR9900400")
        holder.load([TEN_RECORDS, NO_RECORD, LONG_RECORDS_OFFICER], [*RECORDS, *LONG_RECORDS])
        bystander.load([officer("OR-1", "Haldane", "Winifred", "1971-02-14")])
        holder.wait_indexed()
        bystander.wait_indexed()
        federation.wait_roster()
        yield World(federation, asker, holder, bystander)
