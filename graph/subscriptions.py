"""Subscriptions to change notifications: create, list, renew, delete (docs/graph.md, section 1).

These calls belong to the application, not to the mailbox, so they occupy none of its four slots.
"""

import builtins
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Protocol

from graph.client import GraphClient, encode_segment
from graph.errors import (
    EndpointNotValidated,
    ExpirationTooFar,
    FolderNotFound,
    GraphError,
    GraphUnavailable,
    ItemGone,
    MailboxNotFound,
    RequestRejected,
    SubscriptionExists,
    SubscriptionGone,
)
from graph.listing import entries_in, link_in
from graph.mailbox import Mailbox
from graph.messages import object_in, well_known_folder
from graph.responses import MAILBOX_ADVICE
from graph.times import read_time, time_text
from phrases import Phrase

# Graph validates both addresses before it responds, which can take over 10 seconds.
_CREATE_SECONDS: Final = 40.0
_MAX_STATE: Final = 128
_MINUTES: Final = re.compile(r"can only be (\d{1,7}) minutes", re.IGNORECASE)
_GUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NOT_VALIDATED: Final = re.compile(
    r"validation request (?:failed|timed out)|validationtoken|http status code is|ssl/tls secure channel", re.IGNORECASE
)
_NO_FOLDER: Final = re.compile(r"not found in the store", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class GraphSubscription:
    """A subscription as Graph has it; a list never returns its `clientState`."""

    id: str
    resource: str
    change_type: str
    notification_url: str
    lifecycle_url: str | None
    expires: datetime
    """Aware, UTC."""
    application_id: str | None = None


def mail_resource(user_id: str, folder: str = "inbox") -> str:
    """Return the subscription resource for the messages of one folder; subfolders are not included.

    `users/{id}/mailFolders('inbox')/messages` for a well-known name in any letter case, else
    `users/{id}/mailFolders/{folder id}/messages`.
    """
    name = well_known_folder(folder)
    place = f"mailFolders('{name}')" if name else f"mailFolders/{folder}"
    return f"users/{user_id}/{place}/messages"


NOTIFIED_WITHIN: Final = timedelta(minutes=3)
"""The time within which Graph notifies of a message (docs/graph.md, section 3); later it is overdue."""


class CallKind(StrEnum):
    """The kinds by which Graph counts calls about subscriptions (docs/graph.md, section 8)."""

    CHANGE = "change"
    """POST, PATCH, DELETE, GET by id: 500 per 20 s per application and tenant, 2,000 per application over all."""
    LIST = "list"
    """One page of the list: 25 per 20 s per application and tenant, 40 per application over all."""


class CallBudget(Protocol):
    """Graph's limits for calls about subscriptions, shared by all callers."""

    async def acquire(self, mailbox: Mailbox, kind: CallKind) -> None:
        """Return when one call of the mailbox's application in its tenant may be made; may wait.

        Acquired before every single HTTP request: each page of a list, and each retry, since throttled calls count as
        well. If cancelled while it waits, nothing is acquired. An exception ends the call.
        """
        ...


class SubscriptionClient:
    """The subscriptions of a mailbox's application. Every method also raises what `GraphClient.request` raises.

    Args:
        client: makes the calls.
        budget: acquired before every HTTP request; its waits do not count as Graph's. None: no limit is kept.
    """

    def __init__(self, client: GraphClient, budget: CallBudget | None = None) -> None:
        self._client = client
        self._budget = budget

    async def create(
        self,
        mailbox: Mailbox,
        *,
        resource: str,
        notification_url: str,
        lifecycle_url: str,
        client_state: str,
        expires: datetime,
        change_type: str = "created",
    ) -> GraphSubscription:
        """Create a subscription; Graph calls both addresses before it responds, so the receiver must run.

        Read `expires` of the result: less than 45 minutes is silently raised to that. Not retried when Graph may have
        created it without a response (`GraphUnavailable.outcome_unknown`): then reconcile by `list`.

        Raises:
            EndpointNotValidated: Graph did not get its token back from one of the addresses.
            ExpirationTooFar: request at most `minutes`.
            SubscriptionExists: adopt or delete the one named.
            FolderNotFound: the resource's folder is not in the mailbox.
            MailboxNotFound: the mailbox does not exist.
            ValueError: `expires` is naive, or `client_state` too long.
        """
        if len(client_state) > _MAX_STATE:
            raise ValueError(f"clientState has {len(client_state)} characters; Graph takes {_MAX_STATE}.")
        body = {
            "changeType": change_type,
            "resource": resource,
            "notificationUrl": notification_url,
            "lifecycleNotificationUrl": lifecycle_url,
            "expirationDateTime": time_text(expires),
            "clientState": client_state,
            "latestSupportedTlsVersion": "v1_2",
        }
        try:
            answer = await self._request(mailbox, "POST", "/subscriptions", json=body, seconds=_CREATE_SECONDS)
        except GraphError as error:
            raise _create_error(error, mailbox, notification_url) from error
        return _subscription(answer)

    async def list(self, mailbox: Mailbox) -> builtins.list[GraphSubscription]:
        """List all subscriptions of the mailbox's application in its tenant, other mailboxes' included.

        Call it per application, not per mailbox: 25 calls per 20 seconds are allowed (docs/graph.md, section 8).
        """
        return [each async for page in self.pages(mailbox) for each in page]

    async def pages(self, mailbox: Mailbox) -> AsyncIterator[builtins.list[GraphSubscription]]:
        """The pages of `list`, each as it arrives: all of an application with many mailboxes may exceed memory."""
        listing = self.listing(mailbox)
        while not listing.complete:
            yield await listing.read()

    def listing(self, mailbox: Mailbox) -> "SubscriptionListing":
        """`list` page by page, for a caller that may be interrupted between two."""
        return SubscriptionListing(partial(self._request, mailbox, "GET", kind=CallKind.LIST), mailbox)

    async def get(self, mailbox: Mailbox, subscription_id: str) -> GraphSubscription:
        """Fetch one subscription.

        Raises:
            SubscriptionGone: there is none with that id (any more).
        """
        try:
            return _subscription(await self._request(mailbox, "GET", _path(subscription_id)), subscription_id)
        except (ItemGone, MailboxNotFound) as error:
            raise _gone(error, subscription_id) from error

    async def renew(self, mailbox: Mailbox, subscription_id: str, expires: datetime) -> datetime:
        """Renew the subscription until `expires` (aware); this also reauthorizes it. Safe to repeat.

        Returns the expiry Graph granted (aware, UTC), which may differ.

        Raises:
            SubscriptionGone: Graph answered 404; never retried: create a new one, then catch up.
            ExpirationTooFar: request at most `minutes`.
            EndpointNotValidated: Graph tested the address again and failed.
        """
        body = {"expirationDateTime": time_text(expires)}
        try:
            answer = await self._request(mailbox, "PATCH", _path(subscription_id), json=body, seconds=_CREATE_SECONDS)
        except (ItemGone, MailboxNotFound) as error:
            raise _gone(error, subscription_id) from error
        except GraphError as error:
            raise _typed(error) from error
        return _subscription(answer, subscription_id).expires

    async def delete(self, mailbox: Mailbox, subscription_id: str) -> None:
        """Delete the subscription. Safe to repeat: one already gone counts as deleted."""
        try:
            await self._request(mailbox, "DELETE", _path(subscription_id))
        except (ItemGone, MailboxNotFound):
            return

    async def _request(
        self,
        mailbox: Mailbox,
        method: str,
        url: str,
        *,
        kind: CallKind = CallKind.CHANGE,
        json: object = None,
        seconds: float | None = None,
    ) -> Any:  # noqa: ANN401 (JSON has no narrower type)
        take = None if self._budget is None else partial(self._budget.acquire, mailbox, kind)
        return await self._client.request(
            mailbox, method, url, json=json, deadline_seconds=seconds, counted=False, before_attempt=take
        )


class SubscriptionListing:
    """A list of subscriptions under way; an interrupted `read` is repeated by the next one.

    `complete`: the last page was read.
    """

    def __init__(self, request: Callable[[str], Awaitable[Any]], mailbox: Mailbox) -> None:
        self.complete = False
        self._request = request
        self._mailbox = mailbox
        self._url = "/subscriptions"
        self._seen: set[bytes] = set()
        """Digests of the links that were followed, which may be long."""

    async def read(self) -> list[GraphSubscription]:
        """The next page.

        Raises:
            GraphError: as `GraphClient.request`.
        """
        page = object_in(await self._request(self._url))
        found = [_subscription(each) for each in entries_in(page, self._mailbox)]
        link = link_in(page, "@odata.nextLink")
        self._seen.add(_digest(self._url))
        if link is not None and _digest(link) in self._seen:
            raise GraphUnavailable(Phrase("Graph pages the list of subscriptions in a circle. Try again later."))
        self.complete = link is None
        self._url = link or ""
        return found


def _digest(url: str) -> bytes:
    return hashlib.sha256(url.encode()).digest()


def _path(subscription_id: str) -> str:
    return f"/subscriptions/{encode_segment(subscription_id)}"


def _subscription(answer: object, asked: str | None = None) -> GraphSubscription:
    """The subscription in a response; `asked`: the id it must have, in any letter case (a GUID)."""
    if not isinstance(answer, Mapping) or not isinstance(answer.get("id"), str) or not answer["id"]:
        raise GraphUnavailable(
            Phrase("Graph's response about a subscription has no id. Try again later."), outcome_unknown=True
        )
    if asked is not None and answer["id"].lower() != asked.lower():
        raise GraphUnavailable(
            Phrase("Graph responded about another subscription than {asked}. Try again later.", asked=asked)
        )
    try:
        expires = read_time(answer.get("expirationDateTime"))
    except ValueError as reason:
        raise GraphUnavailable(
            Phrase("Graph gave subscription {id} an expiry that is no time. Try again later.", id=answer["id"]),
            outcome_unknown=True,
        ) from reason
    return GraphSubscription(
        id=answer["id"],
        resource=str(answer.get("resource") or ""),
        change_type=str(answer.get("changeType") or ""),
        notification_url=str(answer.get("notificationUrl") or ""),
        lifecycle_url=answer.get("lifecycleNotificationUrl") or None,
        expires=expires,
        application_id=answer.get("applicationId") or None,
    )


def _gone(error: GraphError, subscription_id: str) -> SubscriptionGone:
    return SubscriptionGone(
        Phrase(
            "Graph has no subscription {subscription_id} (any more): create a new one.", subscription_id=subscription_id
        ),
        **error.facts,
    )


def _create_error(error: GraphError, mailbox: Mailbox, notification_url: str) -> GraphError:
    if _NO_FOLDER.search(error.detail):
        return FolderNotFound(
            Phrase("{why} The folder or mailbox of {mailbox} does not exist.", why=error, mailbox=mailbox),
            advice=Phrase("Check folder and user id of the account with 'mail-importer accounts test'."),
            **error.facts,
        )
    if isinstance(error, ItemGone):
        return MailboxNotFound(Phrase.of(error), advice=MAILBOX_ADVICE, **error.facts)
    return _typed(error, notification_url)


def _typed(error: GraphError, notification_url: str | None = None) -> GraphError:
    """The error as one about a subscription, by its text if nothing else identifies it (docs/graph.md, section 1)."""
    if not isinstance(error, (RequestRejected, GraphUnavailable)):
        return error
    if found := _MINUTES.search(error.detail):
        return ExpirationTooFar(
            Phrase("Graph keeps such a subscription for at most {minutes} minutes.", minutes=found[1]),
            minutes=int(found[1]),
            **error.facts,
        )
    if error.status == HTTPStatus.CONFLICT:
        guid = _GUID.search(error.detail)
        return SubscriptionExists(Phrase.of(error), subscription_id=guid[0].lower() if guid else None, **error.facts)
    if error.status == HTTPStatus.BAD_REQUEST and _NOT_VALIDATED.search(error.detail):
        return EndpointNotValidated(
            Phrase(
                "Graph called {notification_url} and did not get its validation token back: {detail}. The address "
                "must be reachable from the internet over HTTPS with a publicly trusted, complete certificate chain, "
                "accept TLS 1.2, and reach the running receiver within 10 seconds, without sign-in or firewall in "
                "front. It is tried again.",
                notification_url=notification_url or Phrase("the notification address"),
                detail=error.detail.rstrip("."),
            ),
            **error.facts,
        )
    return error
