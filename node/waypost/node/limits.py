"""Every bound of waypost.node, each with its reason."""

from __future__ import annotations

from typing import Final

# Records and their files.

NAME_CHARS_MAX: Final = 200
"""Longest part of a name (record.proto says the same)."""

FULL_NAME_CHARS_MAX: Final = 500
"""Longest cell that is taken apart as a full name: family, given and middle names, suffix, former names in brackets."""

DATE_CHARS_MAX: Final = 200
"""Longest cell that is read as a date: any written date, its time and its zone have fewer than 50 characters."""

PROFILE_BYTES_MAX: Final = 4 * 1024 * 1024
"""Largest profile: a map of a line for each agency of the country is one megabyte."""

PATTERN_CHARS_MAX: Final = 500
"""Longest regular expression of a profile: more is not written by hand."""

PATTERN_TEXT_CHARS_MAX: Final = 500
"""Longest cell in which a profile's regular expression is searched."""

UNKNOWN_CHARS_MAX: Final = 200
"""Of a value that nobody has explained, as many characters are kept and shown; longest name of an agency."""

KEY_CHARS_MAX: Final = 100
"""Longest officer_key, record_key, certification or officer number: agencies' numbers have 4 to 20 characters."""

RANK_CHARS_MAX: Final = 100
"""Longest rank or title."""

AUTHORITY_CHARS_MAX: Final = 300
"""Longest name of an authority or of who decided."""

SUMMARY_CHARS_MAX: Final = 4000
"""Longest summary of a conduct record (record.proto says the same): a page."""

AMOUNT_CENTS_MAX: Final = 1_000_000_000_000
"""Largest judgment: ten billion dollars; more is a slip of the keyboard."""

OTHER_NAMES_MAX: Final = 16
"""Most former names and aliases of one officer; each costs about 20 tokens in the blind index."""

YEAR_MIN: Final = 1920
"""Nobody of interest was hired, and nothing of interest happened, before: earlier dates are sentinels (1900, 0001)."""

AGE_YEARS_MIN: Final = 16
"""Youngest person in an officer file: cadets; less is a birth date that is a hire date."""

AGE_YEARS_MAX: Final = 110
"""Oldest: retired officers stay in the files; more is a sentinel."""

FILE_BYTES_MAX: Final = 8 * 1024 * 1024 * 1024
"""Largest file of one import, unpacked: fifty million rows; it is streamed, never held in memory."""

UNPACK_FREE_BYTES: Final = 64 * 1024 * 1024
"""Up to here a packed file, and all of an archive's together, may unpack to any multiple of itself: a spreadsheet of
empty cells is no bomb."""

UNPACK_RATIO_MAX: Final = 250
"""Most that a larger packed file may grow by: exports shrink to a tenth or a thirtieth, bombs to a thousandth."""

ARCHIVE_MEMBERS_MAX: Final = 100
"""Most files in a zip archive: a year of weekly exports."""

WORKBOOK_BYTES_MAX: Final = 512 * 1024 * 1024
"""Largest spreadsheet file that is taken out of an archive onto the disk to be read."""

SHEETS_MAX: Final = 100
"""Most sheets of a spreadsheet."""

SHEET_ROWS_MAX: Final = 1_048_576
"""Rows that Excel allows; a larger row number is a forgery."""

COLUMNS_MAX: Final = 16_384
"""Columns that Excel allows. The widest export seen has 190, and one had a stray cell beyond the thousandth."""

SHARED_TEXT_BYTES_MAX: Final = 128 * 1024 * 1024
"""Most memory for a spreadsheet's table of strings, the one part that is held: eight bytes and its text for each."""

NUMBER_FORMATS_MAX: Final = 65_536
"""Most formats of cells, and parts, of a workbook: Excel allows 65,490 formats."""

XML_TOKEN_BYTES_MAX: Final = 4 * 1024 * 1024
"""Longest tag, attribute or comment of a workbook's XML, which a parser holds as a whole: an honest one has some
hundred bytes."""

XML_DEPTH_MAX: Final = 64
"""Deepest tag of a workbook's XML: a cell's text is the eighth."""

XML_NAMES_MAX: Final = 10_000
"""Different names of tags and attributes in a part of a workbook, which a parser keeps: the standard has a few
hundred."""

FORMAT_CODE_CHARS_MAX: Final = 255
"""Longest format of a number: Excel's own bound."""

ARCHIVE_DIRECTORY_BYTES_MAX: Final = 4 * 1024 * 1024
"""Largest table of contents of a zip archive, which is held in memory: some 40,000 files, of which 100 are taken."""

SPARSE_CELLS_FREE: Final = 4_000_000
"""Empty cells that a table may have for nothing, beside SPARSE_CELLS_EACH_MAX for each stored one: a stray note far to
the right of a few hundred rows."""

SPARSE_CELLS_EACH_MAX: Final = 250
"""Empty cells that a stored one may bring: the widest export seen has 190 columns."""

LINE_CHARS_MAX: Final = 1024 * 1024
"""Longest line, and longest row of several lines, of a text file: more is no table, and would be held in memory."""

OBJECT_CHARS_MAX: Final = 1024 * 1024
"""Largest object of a JSON file, for the same reason."""

NESTED_NAME_CHARS_MAX: Final = 1000
"""Longest name of a column that names of JSON objects within one another make: a megabyte of JSON could make gigabytes
of them."""

NESTED_MAX: Final = 32
"""Deepest object or array within a JSON object."""

FIELD_CHARS_MAX: Final = 64 * 1024
"""Longest cell that is taken; a longer one is a quotation mark that was never closed."""

HEADER_LINES_MAX: Final = 50
"""Lines among which the header is looked for: titles, logos and notes take fewer."""

SKIPPED_SHOWN_MAX: Final = 3
"""Line numbers that are kept of each sort of line that is no row."""

REJECTS_SHOWN_MAX: Final = 10
"""Rejected rows that are printed; all of them are in the rejects files."""

# Custody: batches, officers, quality.

CLASHES_SHOWN_MAX: Final = 10
"""Things in the way of an undo that are named in the error; `--dry-run` lists all of them."""

BATCH_NAME_CHARS_MAX: Final = 200
"""Longest name of a batch: a line."""

SMALL_COLUMN_VALUES_MAX: Final = 40
"""Distinct values up to which a column is small: more kinds of separation than any state board tells apart."""

SMALL_VALUE_CHARS_MAX: Final = 80
"""Longest value of a small column; longer ones are free text."""

VALUES_SHOWN_MAX: Final = 5
"""New values of one column that a question names."""

BLOCK_OFFICERS_MAX: Final = 50
"""Officers who share a match key up to which each two of them are compared: a common name in a large department."""

FOLDER_FILES_MAX: Final = 100
"""Files of a watched folder that are looked at at a time: a night's export has three."""

QUIET_WAIT_MAX_S: Final = 900
"""How long settled files wait for one that is still being written."""

REASON_CHARS_MAX: Final = 500
"""Longest reason of a decision about two officers."""
UNKNOWN_SHOWN_MAX: Final = 40
"""Unexplained values or agencies that are printed; --json gives all."""

REJECTS_LISTED_MAX: Final = 10_000
"""Rejected rows that a report names one by one; all of them are in the rejects files."""

UNKNOWN_VALUES_MAX: Final = 5_000
"""Different unexplained values, or reasons, that a report counts: a column of more is no vocabulary."""

AGENCIES_MAX: Final = 50_000
"""Names in the table of agencies: there are 18,000 agencies, each with a few spellings."""

EXAMPLES_ROWS_MAX: Final = 20_000
"""Rows that an inspection looks at for formats and values; it counts all of them."""

MENDED_BUCKETS: Final = 16
"""Buckets of the index that are compared token by token at a time: a sixteenth of all tokens is in memory."""

LISTED_TOKENS_MAX: Final = 2_500_000
"""Most tokens that the hub can list of so many buckets: a POST board has 32 million in 256."""

CHUNK_CHARS: Final = 16 * 1024 * 1024
"""Text of the rows that are read, judged and stored at a time: rows are long in hostile files only."""

CHUNK_ROWS: Final = 5_000
"""Rows that are decided together: enough that a query for each chunk costs nothing, few enough for flat memory."""

# Fair process.

ANSWER_DAYS_MIN: Final = 5
"""Shortest time for an applicant to answer before an adverse decision: five working days is what employers' law has."""

ANSWER_DAYS_MAX: Final = 365
"""Longest: an application does not stay open for more than a year."""

KEEP_DAYS_MAX: Final = 36_525
"""Longest time that terms let a receiver keep a record: a century says "without a limit" clearly enough."""

TOLD_WINDOW_DAYS: Final = 30
"""Days between telling the officer that a record will be shared and sharing it."""

WINDOW_DAYS_MAX: Final = 365
"""Longest such window that a node can set: a year; more is a slip of the keyboard."""

# Policy and due process.

POLICY_FILE_BYTES_MAX: Final = 256 * 1024
"""A node's own policy file: a few pages of rules."""

NOTICE_RETRY_MS: Final = 3600 * 1000
"""Pause before a notice is tried again that the hub refused, or whose recipient takes no part now."""

TOLD_OFFICERS_PER_STEP_MAX: Final = 200
"""Officers compared with what members were told of them, in one transaction: well below a second."""

UNSETTLED_RETRY_MS: Final = 5_000
"""Pause before a notice is tried again whose record's answer the hub has not confirmed yet."""

NOTICES_PER_STEP_MAX: Final = 64
"""Notices sealed at a time: a tenth of a second, between which the store serves others."""

STATEMENT_FILE_BYTES_MAX: Final = 64 * 1024
"""Largest file of a statement: the longest statement, every letter in four bytes, with room."""

DISCLOSURES_KEPT_YEARS_MIN: Final = 5
"""Shortest time that the account of a disclosure is kept; the Privacy Act has the same (5 U.S.C. 552a(c)(2))."""

KEPT_YEARS_MAX: Final = 100
"""Longest time that a retention file can name: a life; more is a slip of the keyboard."""

GROUNDS_CHARS_MAX: Final = 2000
"""Longest grounds of a dispute, as the owner's staff notes them."""

STAFF_CHARS_MAX: Final = 64
"""Longest reference to a member of staff (check.proto says the same)."""

EXPUNGEMENT_REFERENCE_CHARS_MAX: Final = 100
"""Longest reference to the order behind an expungement: a docket number."""

# Aggregate rounds.

OFFICERS_TRAINED_MAX: Final = 100_000
"""Most officers that one agency can state as trained: the largest has 36,000."""

ROUND_ANSWERS_MAX: Final = 4
"""Rounds on one measure and period that a node answers: the nation, its state, and one of each broken off."""

ROUNDS_SHOWN: Final = 50

# The store.

BUSY_TIMEOUT_MS: Final = 60_000
"""How long a writer waits for another process's transaction: a whole country's POST board imports in less."""

SQL_VARIABLES_MAX: Final = 900
"""Values bound in one statement; SQLite's oldest limit is 999."""

CHECK_JSON_BYTES_MAX: Final = 64 * 1024
"""Largest stored check request: one applicant with all names and numbers."""

STATE_VALUE_CHARS_MAX: Final = 4096
"""Longest value of the store's state table: it holds counters and times, no documents."""

OUTBOX_MESSAGES_MAX: Final = 100_000
"""Messages waiting for the link; a full outbox refuses rather than forgets."""

REPLAY_MESSAGES_MAX: Final = 5_000_000
"""Messages the replay store remembers: 45 days at more than one a second, about 400 MB; a full one refuses."""

MAIL_ASIDE_MAX: Final = 1000
"""Pieces of mail kept aside after a fault of this program: each is at most a message, and a few tell all."""

MAIL_WAITING_MAX: Final = 1024
"""Pieces of mail that wait in memory while the store cannot be written; beyond, the link is dropped and restarted."""

FAULT_CHARS_MAX: Final = 100
"""Longest description of a fault: the error's name, the module and the line."""

LOG_CONFLICTS_KEPT: Final = 100
"""Evidence kept against the hub's log: one piece proves the fork, more must not fill the disk."""

TIMELINESS_RECORDS_MIN: Final = 10
"""Fewest records of which a figure of timeliness is told: of fewer it would tell about each."""

AUDIT_ENTRIES_SHOWN: Final = 50

FACTS_SHOWN_MAX: Final = 10_000
"""Statements read for a listing: a body's credentials for half the country."""

assert AGE_YEARS_MIN < AGE_YEARS_MAX  # noqa: S101 - relations between bounds, checked at import
assert SUMMARY_CHARS_MAX < FIELD_CHARS_MAX  # noqa: S101
