"""Every bound of the protocol, each with its reason. The .proto files state the same numbers."""

from __future__ import annotations

from typing import Final

SECOND_MS: Final = 1000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

TOKEN_BYTES: Final = 16
"""A token: 128 bits of a PRF; among 80 million tokens a chance collision has odds of 1 in 10^22."""

SALT_BYTES: Final = 16
"""The salt of a commitment: as hard to guess as a token."""

CHECK_TOKENS: Final = 96
"""Commitments of a check, always: a person with three names and every number needs fewer; decoys fill the rest."""

REGISTRATION_BATCH_TOKENS: Final = 512
"""Tokens a registration adds, always: about 25 officers' worth, 8 KiB."""

WITHDRAW_MAX: Final = 4096
"""Most tokens one registration withdraws: 64 KiB."""

INDEX_BUCKETS: Final = 256
"""Buckets of an index digest: one for each first byte, so a difference is found by moving 1/256 of the tokens."""

LIST_REGISTERED_TOKENS_MAX: Final = 4096
"""Tokens in one listing message: 64 KiB."""

MEMBERS_MAX: Final = 25_000
"""Members of a roster: the United States have about 18,000 agencies."""

POLICY_FLOOR_BYTES_MAX: Final = 64 * 1024
"""The Cedar floor: a few pages of rules."""

ROSTER_LIFETIME_MS: Final = 30 * DAY_MS
"""A roster's life: a node cut off longer than this answers nobody, for it cannot know who was suspended."""

ROSTER_RENEW_BEFORE_MS: Final = 20 * DAY_MS
"""The hub renews when less than this is left, so a node that is away for two weeks still holds a valid one."""

CHECK_LIFETIME_MS: Final = 30 * DAY_MS
"""A check waits this long for nodes that are offline."""

EVALUATION_LIFETIME_MS: Final = 10 * MINUTE_MS
"""Life of an evaluation request: it is answered at once or not at all."""

REGISTRATION_LIFETIME_MS: Final = 10 * MINUTE_MS
"""Life of a registration: signed when it is sent."""

JOIN_LIFETIME_MS: Final = DAY_MS
"""Life of a join application."""

ANSWER_LIFETIME_MS: Final = 30 * DAY_MS
"""Life of an answer: the asker may be offline as long as a check lives."""

RECEIPT_LIFETIME_MS: Final = 45 * DAY_MS
"""Life of a receipt in delivery; as a document it is verified without regard to time."""

ANSWER_BYTES_MIN: Final = 8 * 1024
"""Answers are padded to at least this, so that none, one and ten records look alike."""

REFERRAL_LIFETIME_MS: Final = 30 * DAY_MS
"""Life of a referral's request and decision in delivery: as long as a check waits."""

CONTACT_CHARS_MAX: Final = 200
"""Longest contact in a referral: a name, a telephone number and an address."""

NOTICE_LIFETIME_MS: Final = 30 * DAY_MS
"""Life of a notice in delivery; its owner makes it anew while it is not acknowledged."""

NOTICE_CHECKS_MAX: Final = 64
"""Checks that one notice names: the recipient finds the record by its owner and key in any case."""

NOTICE_CHANGES_MAX: Final = 16
"""Changes that one notice names: what happened to a record while its recipient was away."""

STATEMENT_CHARS_MAX: Final = 10_000
"""Longest statement of an officer: three pages, more than the summary he answers."""

DISPUTE_DAYS: Final = 30
"""Days in which the owner of a record resolves a dispute; the clock of consumer reports (15 U.S.C. 1681i)."""

REASON_CHARS_MAX: Final = 500
"""Longest reason for a change of a record, in words for its receivers."""

WATCH_LEASE_MS: Final = 30 * DAY_MS
"""How long the hub holds a watched token that nobody renews: a member that left is forgotten within a month."""

WATCH_LIFETIME_DAYS_MAX: Final = 400
"""Longest watch under one authorization: a year, with time to renew it."""

WATCHED_TOKENS_MAX: Final = 4_000_000
"""Tokens that one member may have watched: the largest department (36,000 officers) with every one's 96, and decoys."""

INDEX_CURRENT_MS: Final = 48 * HOUR_MS
"""A member's index counts as current when its digest agreed this recently: nodes compare daily."""

PERIOD_YEARS_MAX: Final = 10
"""Most years in one period: a decade, as far back as conduct records mostly reach."""

ROUND_CELLS_MAX: Final = 1024
"""Cells of a round: the largest table (force by type and outcome) over ten years has 650."""

MINIMUM_COHORT: Final = 10
"""Fewest members in a round, and fewest by which two rounds on the same question may differ."""

ROUND_RHO_MILLIONTHS_MAX: Final = 50_000
"""Most zero-concentrated privacy loss (rho) of one round, in millionths: 0.05 is epsilon 1.7 at delta 10^-6."""

ROUND_RHO_MILLIONTHS_DEFAULT: Final = 10_000
"""Privacy loss of a round unless the operator says otherwise: 0.01 is epsilon 0.7 at delta 10^-6."""

ROUND_DELTA_BILLIONTHS: Final = 1000
"""Delta of every (epsilon, delta) that is stated: 10^-6, less than one in the number of officers."""

ROUND_SHARES_PER_MESSAGE_MAX: Final = 512
"""Seed shares in one message of a closing: 0.8 MiB."""

ROUND_SMALL_CELL: Final = 10
"""A noisy count below this is suppressed."""

ROUND_OPEN_MAX_MS: Final = 30 * DAY_MS
"""Longest time a round stays open for answers: as long as mail waits."""

ROUND_GRACE_MS: Final = 7 * DAY_MS
"""A round's message outlives its closing by this: time to agree and to sign, even over a week without one party."""

RECEIPT_FILE_BYTES_MAX: Final = 1024 * 1024
"""Largest file of a logged receipt: a check that matched a thousand members has a receipt of 60 KB."""

DISCLOSURE_HEAD_LIFETIME_MS: Final = 30 * DAY_MS
"""Life of a posted head: it waits in the outbox while the hub is away."""

DISCLOSURE_HEAD_INTERVAL_MS: Final = DAY_MS
"""How often a node binds itself to its disclosure log: what it rewrites within a day, nobody can tell."""

LOG_REFERENCES_MAX: Final = 64
"""Entries whose places are asked for in one call: 64 proofs of a tree of a billion entries are 64 KiB."""

LOG_MERGE_DELAY_MS: Final = 10 * MINUTE_MS
"""A checkpoint cosigned this long after one that lacked an entry must hold it: the hub logs within seconds."""

GRPC_MESSAGE_BYTES_MAX: Final = 16 * 1024 * 1024
"""Largest gRPC message either side takes: a roster of 25,000 members with room to spare."""

JOIN_CODE_CHARS_MAX: Final = 1500
"""Longest join code: about 260 characters; long host and agency names make it longer, more is not a join code."""

ATTESTATION_DUE_DAYS: Final = 45
"""Days after a quarter's end within which its attestation is in time: a month for the books, two weeks of grace."""

FACT_LIFETIME_MS: Final = 45 * DAY_MS
"""Life of a fact in delivery; when it counts from is the hub's acceptance, what it says is valid as it says."""

CREDENTIAL_DAYS_MAX: Final = 1827
"""Longest life of a credential: five years, after which policies have changed."""

PROCESS_DAYS_MAX: Final = 731
"""Longest time that an application counts as in process: two years; a body may confirm it anew."""

OFFICERS_MAX: Final = 100_000
"""Officers of one member: the largest department has about 34,000."""

WORDS_CHARS_MIN: Final = 3
WORDS_CHARS_MAX: Final = 200
"""A reason, or a person's name and title."""

RELEASE_FILES_MAX: Final = 5000
"""Files of a public release: a few for each measure, area and state, of which a nation has some hundreds."""

RELEASE_FILE_BYTES_MAX: Final = 64 * 1024 * 1024
"""Largest file of a release: a table of 25,000 agencies has about 4 MB."""

PERIOD_YEAR_MIN: Final = 2020
"""The order is of June 2020: no fact of compliance is older."""

assert ROSTER_RENEW_BEFORE_MS < ROSTER_LIFETIME_MS  # noqa: S101 - relations between bounds, checked at import
assert CHECK_LIFETIME_MS <= ANSWER_LIFETIME_MS <= RECEIPT_LIFETIME_MS  # noqa: S101
assert ROUND_OPEN_MAX_MS + ROUND_GRACE_MS <= RECEIPT_LIFETIME_MS  # noqa: S101 - the longest life of a message
assert ROUND_RHO_MILLIONTHS_DEFAULT <= ROUND_RHO_MILLIONTHS_MAX  # noqa: S101
