"""All errors of Microsoft Graph, classified by the action they require.

GraphError
├── GraphUnavailable          transient: retry after `retry_after`
├── AccountError              permanent for the account until an administrator acts: `advice`
│   ├── CertificateError      the certificate or its key is unusable: `fault`
│   ├── SignInRefused         the sign-in service refused: `aadsts`
│   ├── AccessDenied          signed in, but not allowed at this mailbox
│   ├── MailboxNotFound       no such mailbox in Exchange Online
│   └── FolderNotFound        the mailbox exists, the configured folder does not
├── ItemError                 permanent for the message or attachment
│   ├── ItemGone              deleted or moved away meanwhile
│   ├── ItemDenied            refused, while the mailbox is accessible
│   ├── ItemCorrupt           Exchange cannot read its own item, also on retries
│   ├── ItemUnconvertible     Exchange cannot convert its own item, and never will
│   └── RequestRejected       any other 4xx
├── SyncStateLost             the delta link is no longer valid: start a new round, `location`
└── SubscriptionError         about one subscription
    ├── SubscriptionGone      expired or deleted: create a new one
    ├── SubscriptionExists    there is one for the same resource: `subscription_id`
    ├── ExpirationTooFar      request at most `minutes`
    └── EndpointNotValidated  Graph could not reach the notification address: retry with delay, then report it

`responses.error_from_response` maps an HTTP response to one of them. Facts: docs/graph.md, sections 1, 6, 8 and 9.
"""

import copy
from collections.abc import Collection
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final, TypedDict, Unpack

from availability import Service
from phrases import Phrase
from phrases.commands import quoted

MAX_RETRY_AFTER: Final = 600.0
"""Maximum seconds of waiting because a response requests it: a longer request may come from a fault that ends within a
minute, and would delay mail for hours silently."""
SERVER_FAULTS: Final = frozenset({HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})
"""Statuses that may be of one item alone: its answer is too long, or Exchange fails on it."""
NOT_THE_CONTENT: Final = "NotTheContent"
"""`code` of the GraphUnavailable for a 200 with something else in place of the content; none of Graph's."""


class Facts(TypedDict, total=False):
    """The facts that every error may hold; see `GraphError`."""

    status: int | None
    code: str | None
    request_id: str | None
    detail: str


class GraphError(Exception):
    """Any failure of Graph or of the connection to it. The text is for the operator.

    Attributes:
        status: the HTTP status, None without a response.
        code: `error.code` of the response, or the sign-in service's `error`.
        request_id: Microsoft's id of the request, for a support case.
        detail: Microsoft's text, shortened, without anything that looks like a token.
    """

    @property
    def reason(self) -> str:
        """The fixed word for the kind of error, in conditions of accounts."""
        return type(self).__name__

    def __init__(
        self,
        text: Phrase,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.request_id = request_id
        self.detail = detail

    @property
    def facts(self) -> Facts:
        """The known facts, for another error derived from this one."""
        return Facts(status=self.status, code=self.code, request_id=self.request_id, detail=self.detail)

    def __reduce__(self) -> tuple[Any, ...]:
        # The keyword arguments would be lost by the default; a cached failure is raised as a copy.
        return _restored, (type(self), self.args, dict(self.__dict__))

    def of_another(self, one: str, other: str) -> "GraphError":
        """Return a copy that names the account `other` where this error names `one`.

        For a failure that several accounts share; it is reported for each as its own.
        """
        error = copy.copy(self)
        error.args = tuple(each.exchanged(one, other) if isinstance(each, Phrase) else each for each in self.args)
        for name, value in self.__dict__.items():
            if isinstance(value, Phrase):
                setattr(error, name, value.exchanged(one, other))
        return error


def update_command(account: str) -> Phrase:
    """The command that changes an account, a value of its own in advice: a form for adding it has options instead."""
    return Phrase.of_template("mail-importer accounts update {account}", None, {"account": quoted(account)})


def trouble_before(timeout: TimeoutError) -> GraphError | None:
    """The error for which a Graph call was being retried when an `asyncio.timeout` around it ended it, else None."""
    interrupted = timeout.__cause__
    found = None if interrupted is None else interrupted.__cause__
    return found if isinstance(found, GraphError) else None


class GraphUnavailable(GraphError):
    """Transient: throttled, overloaded, unreachable, too slow. Retry.

    Attributes:
        retry_after: seconds that Microsoft requested to wait, MAX_RETRY_AFTER at most; None when it requested none.
        asked_longer: it requested more than that, which the text reports.
        mailbox_down: by the code or a probe, mailbox or service is unreachable: no item is at fault, with any status.
        unanswered: the request was sent, and its answer did not come, or not to its end.
        why: the cause alone, without the call that it ended; None where the text has no more than the status.
        service: the one that did not answer, where it is another than the one called; None: that one.
        outcome_unknown: the request may have been executed although no success was seen; matters for POST only.
    """

    def __init__(
        self,
        text: Phrase,
        *,
        retry_after: float | None = None,
        mailbox_down: bool = False,
        unanswered: bool = False,
        outcome_unknown: bool = False,
        why: Phrase | None = None,
        service: Service | None = None,
        **facts: Unpack[Facts],
    ) -> None:
        asked_longer = retry_after is not None and retry_after > MAX_RETRY_AFTER
        if asked_longer:
            text = Phrase(
                "{text} It demanded a pause of {asked:.0f} seconds; the next attempt is after {most:.0f} at the "
                "latest.",
                text=text,
                asked=retry_after,
                most=MAX_RETRY_AFTER,
            )
            retry_after = MAX_RETRY_AFTER
        super().__init__(text, **facts)
        self.retry_after = retry_after
        self.asked_longer = asked_longer
        self.mailbox_down = mailbox_down
        self.unanswered = unanswered
        self.outcome_unknown = outcome_unknown
        self.why = why
        self.service = service

    def may_be_of_item(self, statuses: Collection[int]) -> bool:
        """True if the item requested may be at fault: with one of the statuses, or without a whole answer."""
        return not (self.mailbox_down or self.service) and (self.unanswered or self.status in statuses)


class AccountError(GraphError):
    """The account cannot be used until an administrator acts.

    Attributes:
        summary: the failure and the account.
        advice: the remedy, for the administrator. The text of the error is both, a phrase.
    """

    def __init__(
        self,
        summary: Phrase,
        *,
        advice: Phrase,
        **facts: Unpack[Facts],
    ) -> None:
        super().__init__(Phrase.joined(summary, advice), **facts)
        self.summary = summary
        self.advice = advice


class CertificateFault(StrEnum):
    """The reason for which a certificate is unusable. The values are for machines, the errors' texts for users."""

    BAD_THUMBPRINT = "badThumbprint"
    """The given text is no SHA-1 thumbprint."""
    STORE_UNREADABLE = "storeUnreadable"
    """The folder or the Windows store cannot be opened."""
    NOT_FOUND = "notFound"
    """The store does not hold it."""
    IN_OTHER_STORE = "inOtherStore"
    """Windows: it is in LocalMachine instead of CurrentUser, or vice versa."""
    UNREADABLE = "unreadable"
    """A file, named on the command line or in the store, is damaged or no certificate or key at all."""
    KEY_MISSING = "keyMissing"
    """Only its public part is present."""
    KEY_UNREADABLE = "keyUnreadable"
    """Its private key is not accessible to the user of this process: mode or ACL, or the key was removed."""
    KEY_MISMATCH = "keyMismatch"
    """The private key beside it belongs to another certificate."""
    KEY_NOT_RSA = "keyNotRSA"
    """Entra ID accepts RSA keys only."""
    PASSWORD_MISSING = "passwordMissing"  # noqa: S105  # the name of a fault
    """Its file is encrypted, and no password is set."""
    PASSWORD_WRONG = "passwordWrong"  # noqa: S105  # the name of a fault
    """Its file is encrypted, and the password does not open it."""
    SIGNING_FAILED = "signingFailed"
    """The key was opened, but the machine or the device refused to sign with it."""
    EXPIRED = "expired"
    NOT_YET_VALID = "notYetValid"
    SELF_SIGNED = "selfSigned"
    """It is self-signed; `bSecureCertificateAccess` is 1."""
    NOT_TRUSTED = "notTrusted"
    """It chains to no trusted root, or a certificate of its chain is out of date; `bSecureCertificateAccess` is 1."""
    WRONG_USAGE = "wrongUsage"
    """It is not meant for signing in; `bSecureCertificateAccess` is 1."""


class CertificateError(AccountError, ValueError):
    """The certificate or its private key is unusable.

    Attributes:
        fault: the reason.
    """

    def __init__(
        self,
        summary: Phrase,
        *,
        advice: Phrase,
        fault: CertificateFault,
        **facts: Unpack[Facts],
    ) -> None:
        super().__init__(summary, advice=advice, **facts)
        self.fault = fault

    @property
    def reason(self) -> str:
        """As `GraphError.reason`, by the fault: `CertificateNotFound`."""
        return f"Certificate{self.fault[0].upper()}{self.fault[1:]}"


class SignInRefused(AccountError):
    """The sign-in service issued no token.

    Attributes:
        aadsts: the number after AADSTS, None when the response had none. For users only (docs/graph.md, section 9).
    """

    def __init__(
        self,
        summary: Phrase,
        *,
        advice: Phrase,
        aadsts: int | None = None,
        **facts: Unpack[Facts],
    ) -> None:
        super().__init__(summary, advice=advice, **facts)
        self.aadsts = aadsts


class AccessDenied(AccountError):
    """Graph answered 403, or 401 to a token fresh from the sign-in service."""


class MailboxNotFound(AccountError):
    """The mailbox does not exist in Exchange Online."""


class FolderNotFound(AccountError):
    """The mailbox answers, the configured folder does not exist in it."""


class ItemError(GraphError):
    """Permanent for this message or attachment; the account works."""


class ItemGone(ItemError):
    """Graph answered 404 for a message or attachment."""


class ItemCorrupt(ItemError):
    """Exchange cannot read this item (`ErrorCorruptData`), also on retries."""


class ItemDenied(ItemError):
    """Graph answered 403 for a message or attachment, while the inbox of the same mailbox opens."""


class ItemUnconvertible(ItemError):
    """Exchange cannot convert this item to the requested form (MIME, a body), or may not return it: permanent.

    https://learn.microsoft.com/exchange/client-developer/web-service-reference/responsecode
    """


class RequestRejected(ItemError):
    """Another 4xx: a retry would get the same response."""


class SyncStateLost(GraphError):
    """410, `syncStateNotFound` or `resyncRequired`: drop the delta link, start a new round (docs/graph.md, section 6).

    Attributes:
        location: the fresh start URL Graph named, None when it named none.
    """

    def __init__(
        self,
        text: Phrase,
        *,
        location: str | None = None,
        **facts: Unpack[Facts],
    ) -> None:
        super().__init__(text, **facts)
        self.location = location


class SubscriptionError(GraphError):
    """About one subscription; mailbox and sign-in work (docs/graph.md, section 1)."""


class SubscriptionGone(SubscriptionError):
    """Expired or deleted: never retry, create a new one, then catch up."""


class SubscriptionExists(SubscriptionError):
    """409: there is one with the same resource and change type.

    Attributes:
        subscription_id: the existing one, as named in the text; None when the text named none.
    """

    def __init__(
        self,
        text: Phrase,
        *,
        subscription_id: str | None = None,
        **facts: Unpack[Facts],
    ) -> None:
        super().__init__(text, **facts)
        self.subscription_id = subscription_id


class ExpirationTooFar(SubscriptionError):
    """Graph does not grant a lifetime of that length.

    Attributes:
        minutes: the maximum it grants, from now.
    """

    def __init__(
        self,
        text: Phrase,
        *,
        minutes: int,
        **facts: Unpack[Facts],
    ) -> None:
        super().__init__(text, **facts)
        self.minutes = minutes


class EndpointNotValidated(SubscriptionError):
    """Graph called the notification address and did not get its validation token back.

    Flaky even for fast endpoints: retry with delay, and report it to the operator if it persists (docs/graph.md,
    section 1).
    """


def _restored(kind: type[GraphError], args: tuple[Any, ...], facts: dict[str, Any]) -> GraphError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(facts)
    return error
