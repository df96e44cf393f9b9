"""The node's audit events: what each means and what it names. No event names a person."""

from __future__ import annotations

from enum import StrEnum


class Event(StrEnum):
    """A kind of audit entry; MEANING says what each is."""

    JOINED = "joined"
    ATTACHED = "attached"
    DETACHED = "detached"
    ROSTER_ACCEPTED = "roster-accepted"
    ROSTER_REFUSED = "roster-refused"
    QUERY_ANSWERED = "query-answered"
    QUERY_REFUSED = "query-refused"
    ANSWER_REMADE = "answer-remade"
    MESSAGE_REFUSED = "message-refused"
    MAIL_SET_ASIDE = "mail-set-aside"
    FRAME_FAILED = "frame-failed"
    NOTICE_TAKEN = "notice-taken"
    NOTICE_IDLE = "notice-idle"
    NOTICE_DELIVERED = "notice-delivered"
    DISCLOSURE_ERASED = "disclosure-erased"
    RECORD_CHANGED = "record-changed"
    DISPUTE_OVERDUE = "dispute-overdue"
    RETENTION_RUN = "retention-run"
    POST_REFUSED = "post-refused"
    CHECK_SUBMITTED = "check-submitted"
    CHECK_FAILED = "check-failed"
    INDEX_AGREED = "index-agreed"
    INDEX_MENDED = "index-mended"
    REFERRAL_ASKED = "referral-asked"
    REFERRAL_REQUESTED = "referral-requested"
    REFERRAL_RELEASED = "referral-released"
    REFERRAL_REFUSED = "referral-refused"
    WATCH_HIT = "watch-hit"
    WATCH_ENDED = "watch-ended"
    RECORDS_ANNOUNCED = "records-announced"
    EVALUATION_REFUSED = "evaluation-refused"
    ROUND_ANSWERED = "round-answered"
    ROUND_DECLINED = "round-declined"
    PROGRAMME_STATED = "programme-stated"
    CERTIFICATE_RENEWED = "certificate-renewed"
    LOG_REFUSED = "log-refused"
    LOG_FORKED = "log-forked"
    LOG_RESOLVED = "log-resolved"
    KEY_CHANGED = "key-changed"
    SIGNED_AGAIN = "signed-again"
    FACT_STATED = "fact-stated"
    FACT_RECEIVED = "fact-received"
    BATCH_UNDONE = "batch-undone"
    EMPLOYMENT_WITHDRAWN = "employment-withdrawn"
    OFFICERS_MERGED = "officers-merged"
    OFFICERS_SPLIT = "officers-split"
    OFFICERS_DISTINCT = "officers-distinct"


MEANING: dict[Event, str] = {
    Event.JOINED: "The node became a member; subject: its ORI.",
    Event.ATTACHED: "The link to the hub is up.",
    Event.DETACHED: "The link to the hub ended; detail: why.",
    Event.ROSTER_ACCEPTED: "A newer roster is in force; subject: its version.",
    Event.ROSTER_REFUSED: "A roster was refused; detail: the reason. The one held stays in force.",
    Event.QUERY_ANSWERED: "A check was answered; subject: the asker; detail: how many officers, how many disclosed.",
    Event.ANSWER_REMADE: "An answer that the hub had not confirmed was made anew, for a record had changed; subject: "
    "the asker; detail: how many officers, how many disclosed.",
    Event.QUERY_REFUSED: "A check was refused; subject: the asker if known; detail: the reason.",
    Event.MESSAGE_REFUSED: "An answer or receipt was refused; subject: the sender if known; detail: the reason.",
    Event.MAIL_SET_ASIDE: "A fault of this program kept a piece of mail from being taken: it is kept aside, and the "
    "mail after it is taken; subject: what it carries; detail: where the program failed.",
    Event.FRAME_FAILED: "A fault of this program kept a frame of the link that is no mail from being taken; detail: "
    "where the program failed.",
    Event.NOTICE_TAKEN: "Another owner told that a record it had disclosed has changed; subject: the owner.",
    Event.NOTICE_IDLE: "A notice was acknowledged without effect: older than one seen, or of no answer kept here; "
    "subject: its owner.",
    Event.NOTICE_DELIVERED: "A notice of this node was acknowledged; subject: the recipient.",
    Event.DISCLOSURE_ERASED: "What another member had disclosed was erased here; subject: that member; detail: of how "
    "many answers, and why.",
    Event.RECORD_CHANGED: "A record was changed by hand; subject: the staff reference; detail: the change, its number "
    "of notices, and the record's key.",
    Event.DISPUTE_OVERDUE: "An officer's dispute was not resolved in its time; subject: the record's key; detail: how "
    "many members are told.",
    Event.RETENTION_RUN: "What was over by the retention file was removed; detail: how many records and entries.",
    Event.POST_REFUSED: "The hub refused a message of this node; detail: the reason.",
    Event.CHECK_SUBMITTED: "A check of this node was accepted by the hub; subject: who asked.",
    Event.CHECK_FAILED: "A check of this node was refused; subject: who asked; detail: the reason.",
    Event.INDEX_AGREED: "The node's index and the hub's agree; detail: how many tokens.",
    Event.INDEX_MENDED: "The node's index and the hub's differed and are being mended; detail: how many tokens.",
    Event.REFERRAL_ASKED: "This node asked a member's staff to decide by hand; subject: the member.",
    Event.REFERRAL_REQUESTED: "A member asks this node's staff to decide by hand; subject: the member.",
    Event.REFERRAL_RELEASED: "A referral was released; subject: the other member; detail: who decided, if it was here.",
    Event.REFERRAL_REFUSED: "A referral was refused; subject: the other member; detail: who decided, if it was here.",
    Event.WATCH_HIT: "Another member registered a watched person, and a check was queued; subject: the watch.",
    Event.WATCH_ENDED: "A watch's time is over; subject: the watch.",
    Event.RECORDS_ANNOUNCED: "Records may be shared from now on, and watchers are told; detail: how many officers.",
    Event.EVALUATION_REFUSED: "Making tokens was refused or failed; detail: the reason.",
    Event.LOG_REFUSED: "A checkpoint or proof of the hub's log was refused; detail: the reason. It is asked for again.",
    Event.LOG_FORKED: "The hub's log is not the one it showed before, or lacks an entry; detail: the reason.",
    Event.LOG_RESOLVED: "Staff trusts the hub's log again; detail: the reason given.",
    Event.ROUND_ANSWERED: "Counts were split and sealed for a round; subject: measure and period; detail: its id.",
    Event.ROUND_DECLINED: "Policy forbade a round; subject: measure and period; detail: the policies.",
    Event.PROGRAMME_STATED: "The custodian stated a fact; subject: its name; detail: value and day.",
    Event.CERTIFICATE_RENEWED: "The node has a fresh certificate.",
    Event.KEY_CHANGED: "The node's signing key was changed under the old one's signature; subject: its ORI.",
    Event.SIGNED_AGAIN: "A message that still waited at the hub when the signing key changed was signed anew; subject: "
    "what it is.",
    Event.FACT_STATED: "The agency signed a fact of compliance; subject: whom it is about; detail: its kind.",
    Event.FACT_RECEIVED: "Another member signed a fact about this one; subject: its author; detail: its kind.",
    Event.BATCH_UNDONE: "An import was undone as a whole; subject: its batch; detail: the batch that undid it.",
    Event.EMPLOYMENT_WITHDRAWN: "An employment that never was, was withdrawn by hand; subject: the batch that did.",
    Event.OFFICERS_MERGED: "Two officers are one person; subject: the store's number of the one who stands for both; "
    "detail: the other's.",
    Event.OFFICERS_SPLIT: "Merged officers are two persons again; subject and detail: their numbers.",
    Event.OFFICERS_DISTINCT: "Two officers that look alike are two persons; subject and detail: their numbers.",
}
