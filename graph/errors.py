"""Everything that can go wrong with Microsoft Graph, by what to do next.

GraphError
├── GraphUnavailable          transient: try again, `retry_after` says when
├── AccountError              permanent for the account until an administrator acts: `advice`
│   ├── CertificateError      the certificate or its key does not serve: `fault`
│   ├── SignInRefused         the sign-in service said no: `aadsts`
│   ├── AccessDenied          signed in, but not allowed at this mailbox
│   ├── MailboxNotFound       no such mailbox in Exchange Online
│   └── FolderNotFound        the mailbox is there, the configured folder is not
├── ItemError                 permanent for the message or attachment
│   ├── ItemGone              deleted or moved away meanwhile
│   ├── ItemDenied            refused, while the mailbox is open to us
│   ├── ItemCorrupt           Exchange cannot read its own item, also when asked again
│   ├── ItemUnconvertible     Exchange cannot convert its own item, and never will
│   └── RequestRejected       any other 4xx
├── SyncStateLost             the delta link is no longer good: start a new round, `location`
└── SubscriptionError         about one subscription
    ├── SubscriptionGone      expired or deleted: create a new one
    ├── SubscriptionExists    there is one for the same resource: `subscription_id`
    ├── ExpirationTooFar      ask for at most `minutes`
    └── EndpointNotValidated  Graph could not reach our address: retry with delay, then tell the operator

`answers.error_from_response` makes the right one of an HTTP answer. Facts: graph.md sections 1, 6, 8 and 9.
"""

import copy
from enum import StrEnum
from typing import Any, Final, TypedDict, Unpack

from phrases import Phrase

MAX_RETRY_AFTER: Final = 600.0
"""Seconds that are waited at most because an answer asks for it: a longer request may come from a fault that is over in
a minute, and would keep mail back for hours without a word."""
NOT_THE_CONTENT: Final = "NotTheContent"
"""`code` of a GraphUnavailable that we give to a 200 with something else in place of the content; none of Graph's."""


class Facts(TypedDict, total=False):
    """What every error may know; see `GraphError`."""

    status: int | None
    code: str | None
    request_id: str | None
    detail: str


class GraphError(Exception):
    """Anything wrong with Graph or on the way there. The text is for the operator.

    Attributes:
        status: the HTTP status, None when no answer came.
        code: `error.code` of the answer, or the sign-in service's `error`.
        request_id: Microsoft's id of the request, for a support case.
        detail: what Microsoft wrote, shortened, without anything that looks like a token.
    """

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
        """What was known, for another error made of this one."""
        return Facts(status=self.status, code=self.code, request_id=self.request_id, detail=self.detail)

    def __reduce__(self) -> tuple[Any, ...]:
        # The keyword arguments would be lost by the default; a remembered failure is raised as a copy.
        return _restored, (type(self), self.args, dict(self.__dict__))

    def of_another(self, one: str, other: str) -> "GraphError":
        """A copy that speaks of the account named `other` where this error speaks of `one`.

        For a failure that several accounts share; each is told it as its own.
        """
        error = copy.copy(self)
        error.args = tuple(each.exchanged(one, other) if isinstance(each, Phrase) else each for each in self.args)
        for name, value in self.__dict__.items():
            if isinstance(value, Phrase):
                setattr(error, name, value.exchanged(one, other))
        return error


def trouble_before(timeout: TimeoutError) -> GraphError | None:
    """The error that a call of Graph was repeated for when an `asyncio.timeout` around it ended it, None for none."""
    interrupted = timeout.__cause__
    found = None if interrupted is None else interrupted.__cause__
    return found if isinstance(found, GraphError) else None


class GraphUnavailable(GraphError):
    """Transient: throttled, overloaded, unreachable, too slow. Try again.

    Attributes:
        retry_after: seconds Microsoft asked us to wait, MAX_RETRY_AFTER at most; None when it did not say.
        asked_longer: it asked for more than that, which the text tells.
        mailbox_down: the code says that mailbox or service cannot be reached: no item is at fault, whatever the status.
        maybe_done: the request may have been carried out although no success was seen; matters for POST only.
    """

    def __init__(
        self,
        text: Phrase,
        *,
        retry_after: float | None = None,
        mailbox_down: bool = False,
        outcome_unknown: bool = False,
        **facts: Unpack[Facts],
    ) -> None:
        asked_longer = retry_after is not None and retry_after > MAX_RETRY_AFTER
        if asked_longer:
            text = Phrase(
                "{text} It asked to wait {asked:.0f} seconds; the next attempt comes after {most:.0f} at the latest.",
                text=text,
                asked=retry_after,
                most=MAX_RETRY_AFTER,
            )
            retry_after = MAX_RETRY_AFTER
        super().__init__(text, **facts)
        self.retry_after = retry_after
        self.asked_longer = asked_longer
        self.mailbox_down = mailbox_down
        self.outcome_unknown = outcome_unknown


class AccountError(GraphError):
    """Nothing works for this account until an administrator acts.

    Attributes:
        summary: what failed, on which account.
        advice: what the administrator should do. The text of the error is both, a phrase.
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
    """Why a certificate does not serve. The values are names for machines, the errors' texts are for people."""

    BAD_THUMBPRINT = "badThumbprint"
    """What was given is no SHA-1 thumbprint."""
    STORE_UNREADABLE = "storeUnreadable"
    """The folder or the Windows store cannot be opened."""
    NOT_FOUND = "notFound"
    """The store does not hold it."""
    IN_OTHER_STORE = "inOtherStore"
    """Windows: it is in LocalMachine instead of CurrentUser, or the other way round."""
    UNREADABLE = "unreadable"
    """A file, named on the command line or in the store, is damaged or no certificate or key at all."""
    KEY_MISSING = "keyMissing"
    """Only its public part is there."""
    KEY_UNREADABLE = "keyUnreadable"
    """Its private key is there, but not for the user of this process: mode or ACL, or the key was taken away."""
    KEY_MISMATCH = "keyMismatch"
    """The private key beside it belongs to another certificate."""
    KEY_NOT_RSA = "keyNotRSA"
    """Entra ID takes RSA keys only."""
    PASSWORD_MISSING = "passwordMissing"  # noqa: S105  # the name of a fault
    """Its file is encrypted, and no password is set."""
    PASSWORD_WRONG = "passwordWrong"  # noqa: S105  # the name of a fault
    """Its file is encrypted, and the password does not open it."""
    SIGNING_FAILED = "signingFailed"
    """The key was opened, but the machine or the device refused to sign with it."""
    EXPIRED = "expired"
    NOT_YET_VALID = "notYetValid"
    SELF_SIGNED = "selfSigned"
    """And the account's `bSecureCertificateAccess` is 1."""
    NOT_TRUSTED = "notTrusted"
    """It chains to no trusted root, or a certificate of its chain is out of date; `bSecureCertificateAccess` is 1."""
    WRONG_USAGE = "wrongUsage"
    """It is not meant for signing in; `bSecureCertificateAccess` is 1."""


class CertificateError(AccountError, ValueError):
    """The certificate or its private key does not serve.

    Attributes:
        fault: why.
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


class SignInRefused(AccountError):
    """The sign-in service gave no token.

    Attributes:
        aadsts: the number after AADSTS, None when the answer bore none. For people only (graph.md section 9).
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
    """There is no such mailbox in Exchange Online."""


class FolderNotFound(AccountError):
    """The mailbox answers, the configured folder does not exist in it."""


class ItemError(GraphError):
    """Permanent for this message or attachment; the account is sound."""


class ItemGone(ItemError):
    """Graph answered 404 for a message or attachment."""


class ItemCorrupt(ItemError):
    """Exchange cannot read this item (`ErrorCorruptData`), also when asked again."""


class ItemDenied(ItemError):
    """Graph answered 403 for a message or attachment, while the inbox of the same mailbox opens."""


class ItemUnconvertible(ItemError):
    """Exchange cannot make of this item what was asked for (MIME, a body), or may not give it: lasting.

    https://learn.microsoft.com/exchange/client-developer/web-service-reference/responsecode
    """


class RequestRejected(ItemError):
    """Another 4xx: asking again would give the same answer."""


class SyncStateLost(GraphError):
    """410, `syncStateNotFound` or `resyncRequired`: drop the delta link, start anew (graph.md section 6).

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
    """About one subscription; mailbox and sign-in are sound (graph.md section 1)."""


class SubscriptionGone(SubscriptionError):
    """Expired or deleted: never retry, create a new one, then catch up."""


class SubscriptionExists(SubscriptionError):
    """409: there is one with the same resource and change type.

    Attributes:
        subscription_id: the one in the way, as named in the text; None when the text named none.
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
    """Graph does not grant so long a life.

    Attributes:
        minutes: the longest it grants, from now.
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
    """Graph called our notification address and did not get its validation token back.

    Flaky even for fast endpoints: retry with delay, and tell the operator when it lasts (graph.md section 1).
    """


def _restored(kind: type[GraphError], args: tuple[Any, ...], facts: dict[str, Any]) -> GraphError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(facts)
    return error
