"""The simulator as one object: make it, enter it, send requests to its URL."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

import aiohttp

from simulator.api.delivery import Delivery, DeliveryRules
from simulator.api.graph import Graph
from simulator.api.handshake import Handshake
from simulator.api.mail_calls import MailCalls
from simulator.api.notifications import LifecycleEvent
from simulator.api.signin import SignIn
from simulator.api.signing import TokenSigner
from simulator.api.subscription_calls import SubscriptionCalls
from simulator.api.throttling import Limits, Throttle
from simulator.api.tokens import AccessTokens
from simulator.api.user_signin import UserSignIn
from simulator.authority import Authority, IssuedCertificate
from simulator.content.contents import GeneratedContent
from simulator.content.mail import Mail
from simulator.content.mime_mail import mail_from
from simulator.control import Control
from simulator.faults import Faults
from simulator.identifiers import Identifiers
from simulator.server import Listener
from simulator.state.dynamic_delivery import PLACEHOLDER
from simulator.state.mail_server import DeliveredMessage, LedgerEntry, MailServer
from simulator.state.mailboxes import Change, Mailbox, Mailboxes
from simulator.state.subscriptions import Subscription, SubscriptionRules, Subscriptions
from simulator.state.tenants import DEFAULT_ROLES, Application, Tenants
from simulator.state.users import User, Users
from simulator.traffic import Traffic, TrafficPlan


def system_clock() -> datetime:
    """Return the machine's time, aware, UTC."""
    return datetime.now(UTC)


class Simulator:
    """Microsoft Graph and the Entra sign-in service on one loopback port.

    `directory` gets `ca.pem`, the root to trust. `clock` gives simulated time (aware): lives of tokens, assertions and
    subscriptions, windows of limits; retries of notifications use the machine's time. The same `seed` and the same
    calls give the same ids. Enter it with `async with`; applications and mailboxes may be made before.
    """

    def __init__(
        self,
        directory: Path,
        *,
        clock: Callable[[], datetime] = system_clock,
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
        limits: Limits | None = None,
        delivery: DeliveryRules | None = None,
        subscriptions: SubscriptionRules | None = None,
        token_lifetime: timedelta = timedelta(seconds=3599),
        notification_ca: Path | None = None,
    ) -> None:
        self.directory = directory
        self.url = ""
        self.ca_file = directory / "ca.pem"
        self.tenants = Tenants()
        self.users = Users()
        self.signer = TokenSigner()
        self.mailboxes = Mailboxes()
        # Ids must not depend on how many faults or forms of notification were drawn before.
        self.faults = Faults(Random(f"{seed} faults"))
        self._identifiers = Identifiers(Random(f"{seed} identifiers"))
        self._random = Random(f"{seed} delivery")
        self._clock = clock
        self._host = host
        self._port = port
        self._limits = limits or Limits()
        self._delivery_rules = delivery or DeliveryRules()
        self._subscription_rules = subscriptions or SubscriptionRules()
        self._notification_ca = notification_ca
        self.subscriptions = Subscriptions(self._subscription_rules, clock)
        self.tokens = AccessTokens(Random(f"{seed} tokens"), clock, token_lifetime)
        self._delivery: Delivery | None = None
        self._listener: Listener | None = None
        self._session: aiohttp.ClientSession | None = None
        self._authority: Authority | None = None
        self._calls: SubscriptionCalls | None = None
        self.throttle = Throttle(self._limits, clock)
        self.mail_server = MailServer(
            tenants=self.tenants,
            mailboxes=self.mailboxes,
            identifiers=self._identifiers,
            clock=clock,
            on_change=self._changed,
        )
        self.traffic = Traffic(self.mail_server, clock)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Make the authority and listen; `url` and `ca_file` are valid from then on.

        Raises:
            OSError: the port is taken, or the directory cannot be written.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._authority = Authority(self.directory, system_clock())
        certificate = self._authority.issue("server")
        trusted = self._authority.client_context()
        if self._notification_ca:
            trusted.load_verify_locations(cafile=self._notification_ca)
        connector = aiohttp.TCPConnector(ssl=trusted, limit=0)
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        self._delivery = Delivery(
            session=self._session,
            subscriptions=self.subscriptions,
            rules=self._delivery_rules,
            faults=self.faults,
            identifiers=self._identifiers,
            random=self._random,
        )
        handshake_secs = self._subscription_rules.validation_timeout_secs
        self._calls = SubscriptionCalls(
            subscriptions=self.subscriptions,
            mailboxes=self.mailboxes,
            handshake=Handshake(self._session, self._identifiers, self.faults, handshake_secs),
            identifiers=self._identifiers,
            clock=self._clock,
        )
        self._listener = self._make_listener(self._delivery, self._calls)
        port = await self._listener.start(self._host, self._port, certificate.server_context())
        self.url = f"https://{self._host}:{port}"

    async def stop(self) -> None:
        """Stop listening and delivering."""
        await self.traffic.stop()
        if self._delivery:
            await self._delivery.stop()
        if self._listener:
            await self._listener.stop()
        if self._session:
            await self._session.close()

    @property
    def authority(self) -> Authority:
        """The throw-away authority, which can also issue a certificate for a receiver."""
        if self._authority is None:
            msg = "the simulator is not started"
            raise RuntimeError(msg)
        return self._authority

    @property
    def delivery(self) -> Delivery:
        """The delivery of notifications, with its figures."""
        if self._delivery is None:
            msg = "the simulator is not started"
            raise RuntimeError(msg)
        return self._delivery

    @property
    def reauthorized(self) -> dict[str, list[datetime]]:
        """Times at which each subscription was reauthorized by `POST …/reauthorize`."""
        return self._calls.reauthorized if self._calls else {}

    @property
    def renewed(self) -> dict[str, list[datetime]]:
        """Times at which each subscription was renewed by `PATCH`."""
        return self._calls.renewed if self._calls else {}

    def issue_certificate(self, label: str) -> IssuedCertificate:
        """Make a server certificate for loopback names, for example for a receiver, under the simulator's authority."""
        return self.authority.issue(label)

    def add_application(
        self,
        tenant_id: str | None = None,
        client_id: str | None = None,
        *,
        roles: tuple[str, ...] = DEFAULT_ROLES,
        uploads: Path | None = None,
    ) -> Application:
        """Register an application; certificates put into the folder `uploads` count as registered for it."""
        return self.mail_server.add_application(tenant_id, client_id, roles=roles, uploads=uploads)

    def register_certificate(self, tenant_id: str, client_id: str, data: bytes) -> str:
        """Upload a certificate's public part (DER or PEM); returns its SHA-1 thumbprint.

        Raises:
            ValueError: no such application, or not a certificate with an RSA key.
        """
        return self.tenants.register_certificate(tenant_id, client_id, data)

    def unregister_certificate(self, tenant_id: str, client_id: str, thumbprint: str) -> None:
        """Remove an uploaded certificate, named by its SHA-1 thumbprint: sign-in with it is refused from then on.

        Raises:
            ValueError: no such application.
        """
        self.tenants.unregister_certificate(tenant_id, client_id, thumbprint)

    def add_mailbox(self, address: str, display_name: str | None = None, tenant_id: str | None = None) -> Mailbox:
        """Make a user with a mailbox; without a tenant id in the first tenant."""
        return self.mail_server.add_mailbox(address, display_name, tenant_id)

    def add_user(
        self,
        username: str,
        name: str,
        tenant_id: str | None = None,
        *,
        roles: tuple[str, ...] = (),
        groups: tuple[str, ...] = (),
    ) -> User:
        """Make a user who can sign in; without a tenant id in the first tenant.

        Raises:
            ValueError: the tenant has one with this name.
        """
        tenant_id = tenant_id or self.mail_server.first_tenant()
        user = User(tenant_id, self._identifiers.guid(), username, name, roles, groups)
        self.users.add(user)
        return user

    async def deliver(
        self,
        mailbox: Mailbox,
        mail: Mail,
        folder: str = "inbox",
        *,
        received: datetime | None = None,
        immutable_id: str | None = None,
        notify: bool = True,
    ) -> DeliveredMessage:
        """Deliver a mail; its notifications follow in the background.

        Raises:
            ValueError: no such folder, or the id is taken.
        """
        for attachment in mail.attachments:
            content = attachment.content
            if isinstance(content, GeneratedContent):
                await asyncio.to_thread(getattr, content, "sha256")
        return self.mail_server.deliver(
            mailbox, mail, folder, received=received, immutable_id=immutable_id, notify=notify
        )

    async def deliver_mime(
        self,
        mailbox: Mailbox,
        raw: bytes,
        folder: str = "inbox",
        *,
        received: datetime | None = None,
        notify: bool = True,
    ) -> DeliveredMessage:
        """Deliver a mail in wire format (RFC 5322); Graph then returns what Exchange makes of it.

        Raises:
            ValueError: no such folder.
        """
        return await self.deliver(mailbox, mail_from(raw), folder, received=received, notify=notify)

    def deliver_unscanned(
        self, mailbox: Mailbox, mail: Mail, folder: str = "inbox", *, placeholder: str = PLACEHOLDER
    ) -> DeliveredMessage:
        """Deliver a mail with placeholders for its attachments, as Dynamic Delivery does.

        Raises:
            ValueError: no such folder, or nothing to scan.
        """
        return self.mail_server.deliver_unscanned(mailbox, mail, folder, placeholder=placeholder)

    def release(self, mailbox: Mailbox, message_id: str, *, in_place: bool = True) -> str | None:
        """End the scan: the files replace the placeholders, or come with another message of the same mail.

        Returns the immutable id of the message that has them; None: no such message.

        Raises:
            ValueError: it has no placeholders.
        """
        return self.mail_server.release(mailbox, message_id, in_place=in_place)

    def remove_message(self, mailbox: Mailbox, message_id: str) -> bool:
        """Delete a message for good, as its owner would; return False if it was not there."""
        return self.mail_server.remove_message(mailbox, message_id)

    def move_message(self, mailbox: Mailbox, message_id: str, folder: str, *, by_dragging: bool = False) -> bool:
        """Move a message, as its owner would; return False if it was not there. Dragging changes the immutable id."""
        return self.mail_server.move_message(mailbox, message_id, folder, by_dragging=by_dragging)

    def start_traffic(self, plan: TrafficPlan) -> None:
        """Deliver generated mail in the background; `traffic` reports the progress."""
        self.traffic.start(plan)

    def send_lifecycle(self, subscription: Subscription, event: LifecycleEvent) -> bool:
        """Send a lifecycle notification (docs/graph.md, section 4); False: the subscription has no lifecycle URL."""
        return self.delivery.send_lifecycle(subscription, event)

    def ledger(self) -> list[LedgerEntry]:
        """Return everything delivered, in order of arrival."""
        return self.mail_server.ledger()

    async def settled(self) -> None:
        """Return when no notification waits to be delivered."""
        await self.delivery.settled()

    def statistics(self) -> dict[str, Any]:
        """Return the statistics so far, as JSON values."""
        listener = self._listener
        by_address = {mailbox.user_id: mailbox.address for mailbox in self.mailboxes.all()}
        return {
            "calls": {str(operation): count for operation, count in listener.calls.items()} if listener else {},
            "answers": {str(status): count for status, count in sorted(listener.statuses.items())} if listener else {},
            "throttled": self.throttle.refused,
            "throttled_subscription_calls": self.throttle.refused_subscription_calls,
            "concurrency_high_water": {by_address.get(u, u): n for u, n in self.throttle.high_water.items()},
            "tokens_issued": self.tokens.issued,
            "subscriptions": len(self.subscriptions.all()),
            "messages_delivered": self.mail_server.delivered_count,
            "faults_struck": {str(kind): count for kind, count in self.faults.struck.items()},
            "notifications": {**self.delivery.figures.as_dict(), "pending": self.delivery.pending},
        }

    def _changed(self, change: Change) -> None:
        if self._delivery:
            self._delivery.changed(change)

    def _make_listener(self, delivery: Delivery, calls: SubscriptionCalls) -> Listener:
        graph = Graph(
            tokens=self.tokens,
            mailboxes=self.mailboxes,
            mail=MailCalls(),
            subscriptions=calls,
            throttle=self.throttle,
            faults=self.faults,
        )
        control = Control(
            mail_server=self.mail_server,
            subscriptions=self.subscriptions,
            delivery=delivery,
            faults=self.faults,
            traffic=self.traffic,
            tokens=self.tokens,
            users=self.users,
            add_user=self.add_user,
            statistics=self.statistics,
        )
        people = UserSignIn(self.tenants, self.users, self.signer, self._clock)
        return Listener(
            graph=graph,
            sign_in=SignIn(self.tenants, self.tokens, self.signer, people, self._identifiers, self._clock),
            control=control,
            faults=self.faults,
            identifiers=self._identifiers,
            clock=self._clock,
        )
