"""The hub's tables of aggregate rounds. Times are milliseconds since 1970.

Shares stand here as the ciphertext that members sent, until the round is over; a half of a total stands here only with
the noise in it.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table

from waypost.hub.schema import metadata

_BigSerial: Final = BigInteger().with_variant(Integer, "sqlite")

rounds: Final = Table(
    "rounds",
    metadata,
    Column("round_id", LargeBinary, primary_key=True),
    Column("measure", String, nullable=False),
    Column("period", String, nullable=False),
    Column("states", String, nullable=False),
    Column("rho_millionths", Integer, nullable=False),
    Column("open_ms", BigInteger, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("asked_at_ms", BigInteger, nullable=False),
    Column("changed_at_ms", BigInteger, nullable=False),
    Column("envelope", LargeBinary),
    Column("closes_at_ms", BigInteger),
    Column("close", LargeBinary),
    Column("hub_half", LargeBinary),
    Column("trustee_half", LargeBinary),
    Column("result", LargeBinary),
    Index("rounds_by_state", "state"),
    Index("rounds_by_question", "measure", "period"),
)
"""`states` are separated by spaces, empty for all. `close` is the hub's signed RoundClose, `result` bears both
signatures once the round is done."""

round_members: Final = Table(
    "round_members",
    metadata,
    Column("round_id", LargeBinary, primary_key=True),
    Column("ori", String, primary_key=True),
    Column("part", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("answer_digest", LargeBinary, nullable=False),
    Column("answer", LargeBinary),
)
"""`part` is one of asked, answered, declined, in, refused."""

round_losses: Final = Table(
    "round_losses",
    metadata,
    Column("round_id", LargeBinary, primary_key=True),
    Column("state", String, primary_key=True),
    Column("year", Integer, nullable=False),
    Column("rho_millionths", Integer, nullable=False),
    Index("round_losses_by_state", "state", "year"),
)
"""The hub's privacy ledger: what each round costs each state in the year it was asked."""

round_schedules: Final = Table(
    "round_schedules",
    metadata,
    Column("id", _BigSerial, primary_key=True, autoincrement=True),
    Column("measure", String, nullable=False),
    Column("states", String, nullable=False),
    Column("span", String, nullable=False),
    Column("cron", String, nullable=False),
    Column("rho_millionths", Integer, nullable=False),
    Column("open_ms", BigInteger, nullable=False),
    Column("next_at_ms", BigInteger, nullable=False),
)
