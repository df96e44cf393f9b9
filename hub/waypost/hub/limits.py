"""Every bound of the hub, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from waypost.protocol.limits import CHECK_LIFETIME_MS, DAY_MS, HOUR_MS, MINUTE_MS
from waypost.v1 import roster_pb2

CHECKS_PER_HOUR: Final = {"hiring": 2000, "certification": 2000, "self": 200}
"""Checks of one member in an hour, by purpose: a department of 2,000 screened at once; 60,000 a day is the country."""

CHECKS_PER_DAY: Final = {"hiring": 6000, "certification": 6000, "self": 600}
"""The same in a day: three such departments. Whoever has tokens already pays the trustee nothing for asking again with
them, so this, and not the trustee's budget alone, bounds how many persons a member can ask about."""

CHECKS_OPEN_MAX: Final = 20_000
"""Checks of one member that the hub still holds, because a member has not answered or the asker has not taken its mail:
three days of asking at the utmost rate; 100 MB of queries that wait for a member which is away."""

POINTERS_MAX: Final[Mapping[int, int]] = {roster_pb2.ROLE_AGENCY: 8_000_000, roster_pb2.ROLE_POST: 32_000_000}
"""Tokens a member may have registered, by role: at 40 an officer, 200,000 officers of an agency (the largest has 36,000
serving and more former ones) and 800,000 of a POST board, covers and decoys included. Other roles hold none."""

MESSAGES_PER_DAY_MAX: Final = 150_000
"""Messages of one member in a day, whatever they are: 60,000 answers and a POST board's first 63,000 registrations."""

MESSAGE_BYTES_PER_DAY_MAX: Final = 2 * 1024**3
"""The same in bytes: 60,000 answers of 16 KiB are 1 GB, a first registration is 0.5 GB."""

CONCURRENT_CALLS_MAX: Final = 100
"""Calls on one connection at a time: a node makes eight. More wait at the member's own end."""

MAIL_IN_FLIGHT_MAX: Final = 64
"""Mail sent down a link and not yet taken: keeps a slow node from filling the hub's memory (64 answers are 1 MB)."""

MAIL_IN_FLIGHT_BYTES_MAX: Final = 16 * 1024 * 1024
"""The same in bytes, for answers that are longer than usual; one piece of mail always goes."""

TAKEN_TOGETHER_MAX: Final = MAIL_IN_FLIGHT_MAX
"""Acknowledgements of one link that are waiting for the database; then the link waits for it as well."""

MAIL_FETCHED_MAX: Final = 8
"""Mail read from the database at a time: at most 8 envelopes of 8 MiB are in memory before their sizes are known."""

MAIL_WAITING_MAX: Final = 20_000
"""Mail waiting for one member from which on it takes no messages of others: a month offline for the largest, 200 MB."""

OUTGOING_FRAMES_MAX: Final = 256
"""Frames waiting in memory for one link; a fuller queue waits, mail stays in the database."""

ROSTERS_ON_THEIR_WAY_MAX: Final = 32
"""Links that are sent a new roster at the same time: 3 MB each is on its way, 100 MB in all."""

ROSTER_SEND_MAX_S: Final = 30.0
"""A link that has not taken the roster by then no longer keeps others from theirs: 3 MB on a line of 1 Mbit/s."""

HELLO_TIMEOUT_S: Final = 10.0
"""A stream that has not said hello by then is closed."""

INVITATION_LIFETIME_MAX_MS: Final = 60 * DAY_MS
"""An invitation that was not used for two months should be written anew."""

JOIN_BYTES_MAX: Final = 64 * 1024
"""Largest message the enrolment endpoint takes, which asks for no certificate: a join request has about 3 KiB."""

JOIN_REFUSALS_AUDITED_PER_MINUTE: Final = 60
"""Audit entries that strangers can cause in a minute; further refusals are counted in one entry."""

MEMBERSHIP_POLL_S: Final = 0.5
"""How soon a running hub notices what the operator's commands changed."""

ROSTER_RETRY_FIRST_S: Final = 0.5
ROSTER_RETRY_MAX_S: Final = 30.0
"""Back-off while the trustee cannot be reached."""

TRUSTEE_TIMEOUT_S: Final = 60.0
"""Longest wait for the trustee: 4,096 evaluations on one busy core take about a second."""

EVALUATIONS_AT_WORK_MAX: Final = 64
"""Evaluation requests in memory at a time."""

HOUSEKEEPING_INTERVAL_S: Final = 30.0
"""How often expired checks are closed and delivered ones forgotten."""

EXPIRED_PER_ROUND_MAX: Final = 500
"""Checks closed in one transaction."""

CHECKS_FORGOTTEN_PER_STEP: Final = 200
"""Delivered checks forgotten in one transaction: 20 ms, in which others wait."""

DIGESTED_TOKENS_PER_STEP: Final = 50_000
"""Tokens read in one transaction for an index digest: 50 ms, in which other members wait."""

DROPPED_POINTERS_PER_STEP: Final = 10_000
"""Pointers of a past epoch deleted in one transaction, for the same reason."""

LOG_ENTRIES_PER_STEP: Final = 1000
"""Entries of the transparency log that get their places in one transaction: 50 ms, in which others wait."""

CHECKPOINT_POLL_S: Final = 1.0
"""How soon new entries are under a checkpoint: a receipt can be proven a second or two after it was written."""

CHECKPOINT_RETRY_S: Final = 15.0
"""Pause after the trustee did not cosign."""

CHECKPOINT_FRESH_MS: Final = HOUR_MS
"""A checkpoint without news is cosigned anew after this: nodes see that nobody holds the log back from them."""

REASON_CHARS_MAX: Final = 40
"""Longest word for a reason that a node may give."""

RESTART_RETRY_AFTER_MS: Final = 1000
SUSPENDED_RETRY_AFTER_MS: Final = 3 * MINUTE_MS
SUPERSEDED_RETRY_AFTER_MS: Final = MINUTE_MS
LIMITED_RETRY_AFTER_MS: Final = HOUR_MS
"""What a Goodbye asks a node to wait. Nobody tells a suspended one of its reinstatement, so it tries often."""

THREAD_TURN_S: Final = 0.0005
"""How long Python lets one thread run before another that waits. The database's thread gives its turn up at every
statement, and with Python's own 5 ms a busy loop would keep it waiting longer than all of its statements take."""

GROUP_WORKS_MAX: Final = 128
"""Operations in one transaction: by then the flush that they share costs each next to nothing."""

GROUP_OPEN_S: Final = 0.02
"""How long a transaction takes in what comes: the first of them waits for it, and so do the operator's commands."""

ROUND_RHO_MILLIONTHS_PER_YEAR: Final = 500_000
"""Privacy loss that a state's members bear in a year by the hub's ledger: rho 0.5; the trustee keeps its own."""

ROUND_POLL_S: Final = 0.5
ROUND_RETRY_S: Final = 3.0
"""How soon a round's next step is looked for; the same while the trustee is away."""

ROUND_ANSWERS_PER_STEP: Final = 256
"""Answers read and added up at a time: 256 vectors of 500 cells are 1 MB."""

ROUND_CLOSE_TIMEOUT_S: Final = 600.0
"""Longest wait for the trustee's half: 18,000 shares take it half a minute on one core."""

ROUNDS_SHOWN: Final = 50
AUDIT_ENTRIES_SHOWN: Final = 50
SEEN_KEPT_MS: Final = CHECK_LIFETIME_MS
BUSY_TIMEOUT_S: Final = 10.0
SQLITE_CACHE_KIB: Final = 64 * 1024
"""Memory for the database's pages: the upper levels of an index of 80 million tokens, and all that checks touch."""

SQLITE_LOG_PAGES: Final = 4000
"""Pages in SQLite's write-ahead log before they go to the file: 16 MB, so that a page of many checks goes once."""

LOG_EMPTYING_WAIT_S: Final = 0.25
"""Longest wait for readers when that log is emptied, in which nobody can write: it is tried again soon after."""

LOOKUP_CHUNK: Final = 500
"""Tokens in one IN clause: below SQLite's oldest limit on variables (999)."""

ROSTERS_OPENED_MAX: Final = 4
"""Past rosters kept in memory while compliance is computed: each has 18,000 members, facts come in order of version."""

STANDING_DAYS_PER_STEP: Final = 7
"""Missed days kept at once by a hub that was away: a day of 18,000 agencies takes some seconds of one core."""

RELEASE_FAMILIES_MAX: Final = 512
"""Ways in which figures inside of another are set side by side to see what is left of it; beyond, it is withheld.
States without groups of states can be set in one way, a year with all its quarters and months in 16."""

FACTS_PER_DAY_MAX: Final = 5000
"""Facts of one member in a day: a body may credential the agencies of all states at once; nobody fills the disk."""

INDEX_CURRENT_DAYS: Final = 3
"""A member's index is current for compliance when it agreed on one of so many days: nodes compare daily."""

SILENT_DAYS: Final = 7
"""A member without any comparison for so many days is named as silent."""

RECONCILIATION_SHARE_DAYS: Final = 90
"""The share of comparisons that agreed is taken over a quarter."""

DEADLINES_AHEAD_DAYS: Final = 90
"""How far ahead deadlines are shown: a quarter."""

RECONCILIATIONS_SIGNED_EVERY_S: Final = 600.0
"""How often the present day's comparisons are signed anew."""

assert HELLO_TIMEOUT_S < TRUSTEE_TIMEOUT_S  # noqa: S101 - a hello needs no trustee
