"""The hub's audit events: what each means and what it names. No event names a person or a token."""

from __future__ import annotations

from enum import StrEnum


class Event(StrEnum):
    """A kind of audit entry; MEANING says what each is."""

    INVITED = "invited"
    INVITATION_REVOKED = "invitation-revoked"
    JOINED = "joined"
    JOIN_REPEATED = "join-repeated"
    KEYS_CHANGED = "keys-changed"
    MAIL_RETURNED = "mail-returned"
    JOIN_REFUSED = "join-refused"
    SUSPENDED = "suspended"
    REINSTATED = "reinstated"
    ROSTER_PUBLISHED = "roster-published"
    ROSTER_REFUSED = "roster-refused"
    EPOCH_ADVANCED = "epoch-advanced"
    CERTIFICATE_RENEWED = "certificate-renewed"
    ATTACHED = "attached"
    DETACHED = "detached"
    EVALUATION_REFUSED = "evaluation-refused"
    REGISTERED = "registered"
    REGISTRATION_REFUSED = "registration-refused"
    DAY_LIMIT_REACHED = "day-limit-reached"
    INDEX_AGREED = "index-agreed"
    INDEX_DIFFERS = "index-differs"
    WATCHES_CHANGED = "watches-changed"
    WATCH_HIT = "watch-hit"
    CHECK_ACCEPTED = "check-accepted"
    CHECK_REFUSED = "check-refused"
    ANSWER_ACCEPTED = "answer-accepted"
    MESSAGE_PASSED = "message-passed"
    POST_REFUSED = "post-refused"
    QUERY_REFUSED = "query-refused"
    CHECK_EXPIRED = "check-expired"
    CHECK_FORGOTTEN = "check-forgotten"
    ROUND_ASKED = "round-asked"
    ROUND_REPEATED = "round-repeated"
    ROUND_OPENED = "round-opened"
    ROUND_ANSWERED = "round-answered"
    ROUND_DECLINED = "round-declined"
    ROUND_LEFT_OUT = "round-left-out"
    ROUND_DONE = "round-done"
    ROUND_FAILED = "round-failed"
    ROUND_REFUSED = "round-refused"
    ROUND_SCHEDULED = "round-scheduled"
    ROUND_UNSCHEDULED = "round-unscheduled"
    CALLER_REFUSED = "caller-refused"
    CALL_MALFORMED = "call-malformed"
    FACT_ACCEPTED = "fact-accepted"
    FACT_STATED = "fact-stated"
    FACT_BROKEN = "fact-broken"
    RELEASE_BUILT = "release-built"
    DISCLOSURE_HEAD_LOGGED = "disclosure-head-logged"
    CHECKPOINT_REFUSED = "checkpoint-refused"


MEANING: dict[Event, str] = {
    Event.INVITED: "The operator invited an ORI; subject: the ORI; detail: name and role.",
    Event.INVITATION_REVOKED: "The operator took an unused join code back; subject: the ORI.",
    Event.JOINED: "An invited agency became a member, or enrolled a new key; subject: the ORI.",
    Event.JOIN_REPEATED: "A member asked again for the answer to its join, with the same keys; subject: the ORI.",
    Event.KEYS_CHANGED: "A member changed its keys under its old one's signature; subject: the ORI.",
    Event.MAIL_RETURNED: "Messages of a member that still waited for others when its key changed were taken back for "
    "it to sign anew; subject: the ORI; detail: how many.",
    Event.JOIN_REFUSED: "A join was refused; subject: the ORI it claims; detail: the reason, or how many more were.",
    Event.SUSPENDED: "The operator suspended a member; subject: the ORI; detail: the operator's reason.",
    Event.REINSTATED: "The operator reinstated a member; subject: the ORI; detail: the operator's reason.",
    Event.ROSTER_PUBLISHED: "A roster with both signatures is in force; subject: its version.",
    Event.ROSTER_REFUSED: "The trustee refused a roster; subject: its version; detail: the reason.",
    Event.EPOCH_ADVANCED: "The operator asked for new index keys; subject: the new epoch.",
    Event.CERTIFICATE_RENEWED: "A member got a fresh certificate; subject: the ORI.",
    Event.ATTACHED: "A member's link is up; subject: the ORI.",
    Event.DETACHED: "A member's link ended; subject: the ORI; detail: why, if the hub ended it.",
    Event.EVALUATION_REFUSED: "An evaluation was refused; subject: the caller; detail: the reason.",
    Event.REGISTERED: "Pointers were changed; subject: the ORI; detail: how many were added and withdrawn.",
    Event.REGISTRATION_REFUSED: "A registration was refused; subject: the caller; detail: the reason.",
    Event.DAY_LIMIT_REACHED: "A member has sent as much as one may in a day, and waits; subject: the ORI.",
    Event.INDEX_AGREED: "A member's index is complete and agrees with the hub's; subject: the ORI.",
    Event.INDEX_DIFFERS: "A member's index differs from the hub's; subject: the ORI.",
    Event.WATCHES_CHANGED: "A member left or took back watched tokens; subject: the ORI; detail: how many.",
    Event.WATCH_HIT: "Watched tokens were registered, and their watcher was told. Neither by whom nor who watches.",
    Event.CHECK_ACCEPTED: "A check was accepted; subject: the asker; detail: digest of the request, number matched.",
    Event.CHECK_REFUSED: "A check was refused; subject: the caller; detail: the reason.",
    Event.ANSWER_ACCEPTED: "An answer was accepted; detail: its digest. Not whose: that would say who matched.",
    Event.MESSAGE_PASSED: "A message of one member was mailed to another; detail: its digest. Neither is named.",
    Event.POST_REFUSED: "A message of a member was refused; subject: the member; detail: the reason.",
    Event.QUERY_REFUSED: "A node refused a query; detail: its reason. Not which node: that would say who matched.",
    Event.CHECK_EXPIRED: "A check ended with members pending; subject: the asker; detail: digest of the request.",
    Event.CHECK_FORGOTTEN: "Everything was delivered and who matched was deleted; detail: digest of the request.",
    Event.DISCLOSURE_HEAD_LOGGED: "A head of a member's disclosure log was logged; subject: the ORI; detail: digest.",
    Event.CHECKPOINT_REFUSED: "The trustee refused a checkpoint of the transparency log; detail: the reason.",
    Event.CALL_MALFORMED: "Bytes that are no message were refused; subject: the caller; detail: the method.",
    Event.ROUND_ASKED: "A round was asked; subject: its id; detail: measure, period and states.",
    Event.ROUND_REPEATED: "A question was asked again, and no second draw made; subject: the round that answers it; "
    "detail: measure, period and states.",
    Event.ROUND_OPENED: "A round with both signatures was left in mailboxes; subject: its id; detail: how many.",
    Event.ROUND_ANSWERED: "A member gave its sealed shares; subject: the member; detail: the round.",
    Event.ROUND_DECLINED: "A member takes no part in a round; subject: the member; detail: the round.",
    Event.ROUND_LEFT_OUT: "Hub and trustee left members out of a round; subject: the round; detail: whom.",
    Event.ROUND_DONE: "A result bears both signatures; subject: the round; detail: measure, period and states.",
    Event.ROUND_FAILED: "A round came to nothing; subject: its id; detail: the reason.",
    Event.ROUND_REFUSED: "A round could not be asked; subject: the schedule, if one asked; detail: what and why.",
    Event.ROUND_SCHEDULED: "The operator made a schedule; subject: its number; detail: measure, span and times.",
    Event.ROUND_UNSCHEDULED: "The operator ended a schedule; subject: its number.",
    Event.CALLER_REFUSED: "A call without a valid member's certificate; subject: the name in it.",
    Event.FACT_ACCEPTED: "A member's fact of compliance counts from now on; subject: its author; detail: its kind.",
    Event.FACT_STATED: "The operator signed a fact of compliance; subject: the member it is about; detail: its kind.",
    Event.FACT_BROKEN: "A stored fact no longer verifies and does not count; subject: its author; detail: its digest.",
    Event.RELEASE_BUILT: "A public release was built and signed; subject: its id; detail: its manifest's digest.",
}
