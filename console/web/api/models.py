"""Models of answers, for the OpenAPI document. Their members are those of the JSON of commands.

Answers may get more members in later versions: programs ignore those that they do not know.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from db.outcomes import MessageState, RuleState
from monitoring.overview import Verdict


class Wrong(BaseModel):
    """A parameter (by name) or a member (by JSON pointer) that is wrong."""

    parameter: str | None = Field(default=None, description="The name of the parameter.")
    pointer: str | None = Field(default=None, description="The place in the body, a JSON pointer (RFC 6901).")
    detail: str


class Problem(BaseModel):
    """Problem details: the reason for which the request failed (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[Wrong] = Field(default=[], description="What is wrong with the request, where its status is 422.")


class Person(BaseModel):
    """A name and an address; null where they are not known."""

    name: str | None
    address: str | None


# Status: `status --json`.


class RoleState(BaseModel):
    """A role of a process."""

    role: str
    host: str
    process: str
    version: str
    started: datetime
    heartbeat: datetime
    alive: bool


class ServiceState(BaseModel):
    """A service of Microsoft. `reachable`: null where no process calls it."""

    service: str
    reachable: bool | None
    since: datetime | None


class OpenProblem(BaseModel):
    """A problem of the installation, with its remedy."""

    kind: str
    severity: str
    account: str | None
    since: datetime | None
    count: int | None
    text: str
    remedy: str


class SubscriptionInShort(BaseModel):
    """A subscription at Graph."""

    state: str
    expires: datetime | None


class AccountInShort(BaseModel):
    """An account, as the status has it."""

    name: str
    address: str | None
    enabled: bool
    subscription: SubscriptionInShort | None
    waiting: int
    failed: int
    last_imported: datetime | None
    last_swept: datetime | None


class ReasonCount(BaseModel):
    """A number of dead letters with one reason."""

    account: str | None
    reason: str
    count: int


class QueueState(BaseModel):
    """The queue; null: it cannot be read."""

    waiting: int | None
    scheduled: int | None
    in_work: int | None
    dead_letters: int | None
    oldest_age_seconds: float | None
    dead_letter_reasons: list[ReasonCount]


class DeliveryState(BaseModel):
    """Import rules and their files."""

    hosts: list[str]
    rules: int
    unchecked_messages: int
    waiting_files: int
    failed_files: int
    oldest_due_age_seconds: float | None


class CertificateState(BaseModel):
    """A certificate of accounts; `expires` is null where this host does not have it."""

    thumbprint: str
    expires: datetime | None


class SchemaRevision(BaseModel):
    """The revision of the database, and that of this program."""

    current: str | None
    head: str | None


class Status(BaseModel):
    """The state of the installation."""

    verdict: Verdict
    checked: datetime
    schema_: SchemaRevision = Field(alias="schema")
    roles: list[RoleState]
    services: list[ServiceState]
    problems: list[OpenProblem]
    accounts: list[AccountInShort]
    queue: QueueState
    delivery: DeliveryState
    last_imported: datetime | None
    certificates: list[CertificateState]


# Accounts: `accounts show --json`.


class Subscription(BaseModel):
    """The subscription of an account at Graph."""

    id: str
    state: str
    expires: datetime


class MissedNotifications(BaseModel):
    """Notifications that were missed in 90 days."""

    count: int
    latest: datetime | None


class Condition(BaseModel):
    """The reason why a role cannot serve the account."""

    role: str
    reason: str
    detail: str
    since: datetime | None
    next_attempt: datetime | None


class AccountProblem(BaseModel):
    """A problem of an account."""

    kind: str
    since: datetime | None
    text: str


class Account(BaseModel):
    """An account and its state."""

    account_id: int
    name: str
    enabled: bool
    removed: datetime | None
    tenant_id: str
    client_id: str
    user_id: str
    address: str | None
    mailbox: str
    thumbprint: str
    secure_certificate_access: bool
    folder: str
    after_import: str | None
    move_to_folder: str | None
    next_thumbprint: str | None
    import_since: datetime | None
    filters: dict[str, Any]
    console_access: list[str]
    webhook: str | None
    subscription: Subscription | None
    sweep_seconds: int | None
    swept: datetime | None
    missed_notifications: MissedNotifications
    imported: int
    seen: int
    scanning: int
    actions: dict[str, int]
    waiting: int | None
    failed: int | None
    conditions: list[Condition]
    problems: list[AccountProblem]


class Accounts(BaseModel):
    """A page of accounts, by name. `next`: the cursor of the next page; null: this is the last."""

    items: list[Account]
    next: str | None


class AccountChange(BaseModel):
    """Change that was made to an account."""

    account_id: int
    name: str
    action: str


# Messages: `messages list --json`, `trace --json`, and `message.json` of an export.


class LoggedMessage(BaseModel):
    """A message of the log."""

    time: datetime | None
    state: MessageState
    account_id: int
    account: str
    graph_id: str
    message_id: int | None = Field(description="The number of the imported message, which a duplicate equals.")
    internet_message_id: str | None
    sender: str | None
    from_: Person = Field(alias="from")
    subject: str | None
    recipient_count: int | None
    attachment_count: int | None
    rules_matched: int | None
    rule_state: RuleState | None
    attachments: None
    received: datetime | None
    imported: datetime | None
    noted: datetime | None
    attempts: int | None
    first_failed: datetime | None
    last_failed: datetime | None
    next_attempt: datetime | None
    reason: str | None
    detail: str | None
    cursor: str


class Messages(BaseModel):
    """A page of messages, the newest first. It may have fewer than `limit`, or none, though `next` is there: go on.

    `searched_to`: set where a search took too long: what was received at this time or later was searched.
    """

    items: list[LoggedMessage]
    next: str | None
    searched_to: datetime | None


class Recipient(BaseModel):
    """A recipient. `kind`: to, cc, bcc."""

    kind: str
    name: str | None
    address: str | None


class Attachment(BaseModel):
    """An attachment. `unpacked`: from another one. `stored`: bytes that can be downloaded; null: none."""

    attachment_id: int
    name: str | None
    size: int
    inline: bool
    unpacked: bool
    state: str
    state_detail: str | None
    content_type: str | None
    sha256: str | None
    stored: int | None


class SavedFile(BaseModel):
    """A file that an import rule selected."""

    file_id: int
    message_id: int
    rule_id: int
    rule: str | None
    account_id: int
    account: str | None
    run: int
    part: str
    folder: str
    name: str
    target: str | None
    state: str
    attempts: int
    reason: str | None
    detail: str | None
    size: int | None
    created: datetime
    due: datetime | None
    retry_until: datetime
    saved: datetime | None


class Failure(BaseModel):
    """A failure that is not over."""

    state: str
    attempts: int
    first_failed: datetime
    failed: datetime
    next_attempt: datetime | None
    reason: str
    detail: str | None


class Step(BaseModel):
    """A step of a message."""

    step: str
    time: datetime | None
    source: str | None
    attempt: int | None
    host: str | None
    reason: str | None
    detail: str | None
    queue_message_id: str | None
    correlation: str | None
    message_id: int | None
    action: str | None
    state: str | None
    matched: int | None
    file_id: int | None


class Message(BaseModel):
    """An imported message, with its steps. `body` and `body_text` are null unless they are asked for."""

    message_id: int
    account_id: int
    account: str | None
    graph_id: str
    internet_message_id: str | None
    conversation_id: str | None
    conversation_index: str | None
    correlation_id: str | None
    subject: str | None
    from_: Person = Field(alias="from")
    sender: Person
    created: datetime | None
    sent: datetime | None
    received: datetime | None
    imported: datetime
    importance: str | None
    categories: list[str]
    flag_status: str | None
    read: bool | None
    web_link: str | None
    parent_folder_id: str | None
    change_key: str | None
    size: int | None
    has_attachments: bool | None
    body_type: str | None
    body: str | None
    body_text: str | None
    recipients: list[Recipient]
    attachments: list[Attachment]
    rule_state: RuleState | None
    rules_matched: int | None
    files: list[SavedFile]
    file_count: int
    failure: Failure | None
    steps: list[Step]


# Dead letters: `queue list --dead-letters --json`.


class DeadLetter(BaseModel):
    """A dead letter. `entry` is what a replay names it by; `body` holds ids only."""

    entry: str
    account_id: int | None
    account: str | None
    message_id: str
    state: str
    attempts: int
    enqueued: datetime
    visible: datetime
    dead_lettered: datetime | None
    reason: str | None
    description: str | None
    body: Any


class DeadLetters(BaseModel):
    """A page of dead letters, the oldest first."""

    items: list[DeadLetter]
    next: str | None


class Job(BaseModel):
    """Work that goes on. `outcome`: the sentence of its end; `result`: as the command prints it."""

    job_id: str
    title: str
    state: Literal["running", "done", "failed"]
    started: datetime
    ended: datetime | None
    done: int
    total: int | None
    outcome: str | None
    result: dict[str, Any]


# Rules: `rules show --json`.


class Conditions(BaseModel):
    """The conditions of a rule; null or empty: any."""

    senders: list[str]
    recipients: list[str]
    subjects: list[str]
    subject_is: list[str]
    subject_matches: list[str]
    body_words: list[str]
    attachment_names: list[str]
    size_least: int | None
    size_most: int | None
    has_attachments: bool | None


class Rule(BaseModel):
    """An import rule. `problem`: why it cannot be applied."""

    rule_id: int
    position: int
    name: str
    account_id: int | None
    account: str | None
    enabled: bool
    conditions: Conditions
    folder: str
    file_name: str | None
    save_attachments: bool
    unpack: list[str]
    save_body: str | None
    save_original: bool
    save_metadata: bool
    active_since: datetime | None
    problem: str | None


class Rules(BaseModel):
    """A page of rules, in their order."""

    items: list[Rule]
    next: str | None


class RuleChange(BaseModel):
    """Change that was made to a rule."""

    rule_id: int
    name: str
    action: str
