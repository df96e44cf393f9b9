"""The node's side of the blind index: which token stands for which officer, and what the hub holds of it.

1. A token belongs to an officer, a scheme and an epoch; two officers may share one (same name, same day).
2. What the hub ought to hold for an epoch is the set of all tokens and all decoys of that epoch.
3. `registered` is the number of the registration in which the hub confirmed it, 0 before. What no officer has any more
   goes to the withdrawals, and stays there until the hub confirmed that, too. So a crash at any moment leaves work to
   do, never a wrong belief.
4. Work lists come in ascending order of the tokens, which are pseudorandom: their order tells nothing about officers.
5. An officer who is withdrawn or merged into another has no tokens of his own, whatever was at work meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from waypost.node.store.database import NodeDatabase
from waypost.node.store.values import in_parts, marks
from waypost.protocol.limits import INDEX_BUCKETS, TOKEN_BYTES


@dataclass(frozen=True, slots=True)
class TokenHit:
    """A token that stands for an officer of this node."""

    token: bytes
    officer_id: int
    scheme: str


@dataclass(frozen=True, slots=True)
class OfficerTokens:
    """All tokens of one officer as (scheme, token), made from the person's details in `person_version`."""

    officer_id: int
    person_version: int
    tokens: tuple[tuple[str, bytes], ...]


class TokenRepository:
    """Tokens and decoys by epoch."""

    def __init__(self, database: NodeDatabase) -> None:
        self._db = database

    def lookup(self, tokens: Sequence[bytes], epoch: int) -> list[TokenHit]:
        """The officers that these tokens stand for."""
        hits: list[TokenHit] = []
        for part in in_parts(tokens):
            sql = f"SELECT token, officer_id, scheme FROM tokens WHERE epoch = ? AND token IN ({marks(part)})"
            hits.extend(TokenHit(*row) for row in self._db.rows(sql, (epoch, *part)))
        return hits

    def replace(self, officers: Iterable[OfficerTokens], epoch: int) -> None:
        """Put these tokens in the place of the officers' former ones of that epoch; those officers are tokenized then.

        An officer whose details have changed since his tokens were made stays due.
        """
        with self._db.writing():
            for officer in officers:
                self._replace_one(officer, epoch)

    def _replace_one(self, officer: OfficerTokens, epoch: int) -> None:
        if self._db.row(_INDEXED, (officer.officer_id,)) is None:
            return  # erased, withdrawn or merged since these tokens were made (rule 5)
        held: dict[bytes, int] = dict(self._db.rows(_TOKENS_OF_OFFICER, (officer.officer_id, epoch)))
        wanted = {token: scheme for scheme, token in officer.tokens}
        gone = held.keys() - wanted.keys()
        self._db.run_many(
            "DELETE FROM tokens WHERE token = ? AND officer_id = ? AND epoch = ?",
            ((token, officer.officer_id, epoch) for token in gone),
        )
        self._db.run_many(_WITHDRAW_UNLESS_SHARED, ((token, epoch, held[token], token, epoch) for token in gone))
        new = wanted.keys() - held.keys()
        self._db.run_many(
            "INSERT INTO tokens (token, officer_id, scheme, epoch) VALUES (?, ?, ?, ?)",
            ((token, officer.officer_id, wanted[token], epoch) for token in new),
        )
        self._db.run_many("DELETE FROM withdrawals WHERE token = ? AND epoch = ?", ((token, epoch) for token in new))
        self._db.run(
            "UPDATE officers SET tokenized_version = ? WHERE id = ?", (officer.person_version, officer.officer_id)
        )

    def erase(self, officer_id: int) -> None:
        """Drop an officer's tokens; the hub must forget those that stand for nobody else."""
        with self._db.writing():
            sql = "SELECT token, epoch, registered FROM tokens WHERE officer_id = ?"
            gone = self._db.rows(sql, (officer_id,))
            self._db.run("DELETE FROM tokens WHERE officer_id = ?", (officer_id,))
            rows = ((token, epoch, number, token, epoch) for token, epoch, number in gone)
            self._db.run_many(_WITHDRAW_UNLESS_SHARED, rows)

    def drop_withdrawn(self) -> None:
        """Drop the tokens of all withdrawn officers; the hub must forget those that stand for nobody else (rule 5)."""
        with self._db.writing():
            gone = (
                "SELECT token, epoch, max(registered) AS registered FROM tokens "
                f"WHERE officer_id IN ({_GONE}) GROUP BY token, epoch"
            )
            kept = "SELECT 1 FROM tokens WHERE tokens.token = gone.token AND tokens.epoch = gone.epoch"
            self._db.run(
                "INSERT OR IGNORE INTO withdrawals (token, epoch, registered) "
                f"SELECT token, epoch, registered FROM ({gone}) AS gone "
                f"WHERE NOT EXISTS ({kept} AND officer_id NOT IN ({_GONE}))"
            )
            self._db.run(f"DELETE FROM tokens WHERE officer_id IN ({_GONE})")

    def hand_over(self, officer_id: int, other_id: int) -> None:
        """Give one officer's tokens to another, as far as he does not have them."""
        with self._db.writing():
            self._db.run(
                "INSERT OR IGNORE INTO tokens (token, officer_id, scheme, epoch, registered) "
                "SELECT token, ?, scheme, epoch, registered FROM tokens WHERE officer_id = ?",
                (other_id, officer_id),
            )
            self._db.run("DELETE FROM tokens WHERE officer_id = ?", (officer_id,))

    def add_decoys(self, decoys: Iterable[bytes], epoch: int) -> None:
        """Remember random tokens that stand for nobody: they fill up batches, and cover what goes up with them."""
        self._db.run_many("INSERT OR IGNORE INTO decoys (token, epoch) VALUES (?, ?)", ((d, epoch) for d in decoys))

    def unregistered(self, epoch: int, limit: int) -> list[bytes]:
        """Tokens and decoys that the hub has not confirmed yet, ascending, at most `limit`."""
        return [row[0] for row in self._db.rows(_UNREGISTERED, (epoch, epoch, limit))]

    def unregistered_count(self, epoch: int) -> int:
        """How many tokens and decoys the hub has not confirmed yet."""
        return self._db.number(f"SELECT count(*) FROM ({_UNREGISTERED})", (epoch, epoch, -1))

    def mark_registered(self, tokens: Sequence[bytes], epoch: int, number: int = 1) -> None:
        """The hub confirmed these, in this node's registration of that number, from 1."""
        with self._db.writing():
            for table in ("tokens", "decoys"):
                self._db.run_many(
                    f"UPDATE {table} SET registered = ? WHERE token = ? AND epoch = ?",
                    ((number, token, epoch) for token in tokens),
                )

    def mark_unregistered(self, tokens: Sequence[bytes], epoch: int) -> None:
        """The hub turned out not to hold these."""
        with self._db.writing():
            for table in ("tokens", "decoys"):
                self._db.run_many(
                    f"UPDATE {table} SET registered = 0 WHERE token = ? AND epoch = ?", ((t, epoch) for t in tokens)
                )

    def announce(self, officer_ids: Sequence[int], epoch: int) -> None:
        """Have the officers' tokens registered once more, for those who watch them."""
        for part in in_parts(officer_ids):
            sql = f"UPDATE tokens SET registered = 0 WHERE epoch = ? AND officer_id IN ({marks(part)})"
            self._db.run(sql, (epoch, *part))

    def withdraw(self, tokens: Iterable[bytes], epoch: int) -> None:
        """The hub turned out to hold these, which stand for nobody here: it must forget them."""
        self._db.run_many(
            "INSERT OR IGNORE INTO withdrawals (token, epoch) VALUES (?, ?)", ((token, epoch) for token in tokens)
        )

    def to_withdraw(self, epoch: int, limit: int) -> list[bytes]:
        """Tokens that the hub must forget, ascending, at most `limit`."""
        sql = "SELECT token FROM withdrawals WHERE epoch = ? ORDER BY token LIMIT ?"
        return [row[0] for row in self._db.rows(sql, (epoch, limit))]

    def mark_withdrawn(self, tokens: Sequence[bytes], epoch: int) -> None:
        """The hub confirmed that it forgot these."""
        self._db.run_many("DELETE FROM withdrawals WHERE token = ? AND epoch = ?", ((t, epoch) for t in tokens))

    def registered(self, epoch: int, bucket: int | None = None) -> Iterator[bytes]:
        """Every token and decoy that the hub ought to hold (rule 2), ascending; of one bucket (first byte) if given."""
        low, high = (0, INDEX_BUCKETS - 1) if bucket is None else (bucket, bucket)
        values = (epoch, bytes([low]), bytes([high]) + b"\xff" * TOKEN_BYTES)
        where = "WHERE epoch = ? AND token BETWEEN ? AND ?"
        sql = f"SELECT token FROM tokens {where} UNION SELECT token FROM decoys {where} ORDER BY token"
        return (row[0] for row in self._db.rows(sql, values * 2))

    def forget_epoch(self, epoch: int) -> None:
        """Drop everything of an epoch whose keys are no longer in use."""
        with self._db.writing():
            for table in ("tokens", "decoys", "withdrawals"):
                self._db.run(f"DELETE FROM {table} WHERE epoch = ?", (epoch,))

    def count(self, epoch: int) -> int:
        """Distinct tokens of officers in that epoch, decoys not counted."""
        return self._db.number("SELECT count(DISTINCT token) FROM tokens WHERE epoch = ?", (epoch,))


_TOKENS_OF_OFFICER = "SELECT token, registered FROM tokens WHERE officer_id = ? AND epoch = ?"
_GONE = "SELECT id FROM officers WHERE digest = X''"
_INDEXED = "SELECT 1 FROM officers WHERE id = ? AND merged_into IS NULL AND digest <> X''"
_WITHDRAW_UNLESS_SHARED = (
    "INSERT OR IGNORE INTO withdrawals (token, epoch, registered) "
    "SELECT ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM tokens WHERE token = ? AND epoch = ?)"
)
_UNREGISTERED = (
    "SELECT token FROM tokens WHERE epoch = ? AND registered = 0 "
    "UNION SELECT token FROM decoys WHERE epoch = ? AND registered = 0 ORDER BY token LIMIT ?"
)
