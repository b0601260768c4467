"""The control API under `/simulator/`: for programs that run the simulator as a process of its own.

JSON in, JSON out; `control_client` has a method for each call, and documents its parameters. Mail comes by `POST mail`
(`mailbox`, `mime` in base64, `folder`). With `unscanned` it comes as by Dynamic Delivery of Defender, with placeholders
(`placeholder`: their name) for its attachments; `POST messages/release` (`mailbox`, `message_id`) then puts the files
in their place, or with `in_place` false delivers the scanned mail as another message with the same internet message
id, beside the first, which `POST messages/remove` removes.
"""

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from simulator.api.delivery import Delivery
from simulator.api.notifications import LifecycleEvent
from simulator.api.tokens import AccessTokens
from simulator.calls import Answer, Call, GraphError, json_answer
from simulator.content.mail import Mail, Person, by_directory_name
from simulator.content.mime_mail import mail_from
from simulator.faults import Faults, fault_from_dict
from simulator.state.dynamic_delivery import PLACEHOLDER
from simulator.state.mail_server import MailServer
from simulator.state.mailboxes import Mailbox, MailboxState
from simulator.state.subscriptions import Subscription, Subscriptions
from simulator.state.tenants import DEFAULT_ROLES, Application
from simulator.state.users import User, Users
from simulator.traffic import Traffic, TrafficPlan

_Handler = Callable[[dict[str, Any], str], Awaitable[object]]


class Control:
    """Answers the control API. Errors: 400 with `{"error": text}`; 404 for an unknown path or thing."""

    def __init__(
        self,
        *,
        mail_server: MailServer,
        subscriptions: Subscriptions,
        delivery: Delivery,
        faults: Faults,
        traffic: Traffic,
        tokens: AccessTokens,
        users: Users,
        add_user: Callable[..., User],
        statistics: Callable[[], dict[str, Any]],
    ) -> None:
        self._mail_server = mail_server
        self._subscriptions = subscriptions
        self._delivery = delivery
        self._faults = faults
        self._traffic = traffic
        self._tokens = tokens
        self._users = users
        self._make_user = add_user
        self._statistics = statistics
        self._handlers: dict[tuple[str, str], _Handler] = {
            ("POST", "applications"): self._add_application,
            ("PATCH", "applications"): self._change_application,
            ("POST", "certificates"): self._register_certificate,
            ("GET", "mailboxes"): self._list_mailboxes,
            ("POST", "mailboxes"): self._add_mailbox,
            ("PATCH", "mailboxes"): self._change_mailbox,
            ("POST", "traffic"): self._start_traffic,
            ("GET", "traffic"): self._get_traffic,
            ("DELETE", "traffic"): self._stop_traffic,
            ("GET", "ledger"): self._get_ledger,
            ("GET", "statistics"): self._get_statistics,
            ("GET", "faults"): self._get_faults,
            ("POST", "faults"): self._add_fault,
            ("PUT", "faults"): self._replace_faults,
            ("DELETE", "faults"): self._remove_faults,
            ("GET", "subscriptions"): self._get_subscriptions,
            ("POST", "lifecycle"): self._send_lifecycle,
            ("POST", "mail"): self._deliver_mail,
            ("POST", "messages"): self._act_on_message,
            ("DELETE", "tokens"): self._revoke_tokens,
            ("GET", "users"): self._list_users,
            ("POST", "users"): self._add_user,
            ("PATCH", "users"): self._change_user,
            ("DELETE", "users"): self._remove_user,
        }

    async def answer(self, call: Call) -> Answer:
        """Answer one call."""
        _, _, kind, *rest = call.path.split("/")
        handler = self._handlers.get((call.method, kind))
        if handler is None or len(rest) > 1:
            return json_answer({"error": f"no {call.method} {call.path}"}, 404)
        try:
            body = call.json_object() if call.body else {}
            return json_answer(await handler(body, unquote(rest[0]) if rest else ""))
        except LookupError as exc:
            return json_answer({"error": str(exc.args[0])}, 404)
        except GraphError as exc:
            return json_answer({"error": exc.message}, 400)
        except (ValueError, TypeError) as exc:
            return json_answer({"error": str(exc)}, 400)

    async def _add_application(self, body: dict[str, Any], _name: str) -> object:
        application = self._mail_server.add_application(
            body.get("tenant_id"),
            body.get("client_id"),
            roles=tuple(body.get("roles", DEFAULT_ROLES)),
        )
        return {"tenant_id": application.tenant_id, "client_id": application.client_id}

    async def _change_application(self, body: dict[str, Any], name: str) -> object:
        application = self._mail_server.tenants.application(_text(body, "tenant_id"), name)
        if application is None:
            msg = f"no application {name}"
            raise LookupError(msg)
        if "roles" in body:
            application.roles = tuple(body["roles"])
        if "scoped" in body:
            application.scoped = {self._mailbox(user).user_id: tuple(roles) for user, roles in body["scoped"].items()}
        if "redirect_uris" in body:
            application.redirect_uris = tuple(body["redirect_uris"])
        if "api_roles" in body:
            application.api_roles = {client_id: tuple(roles) for client_id, roles in body["api_roles"].items()}
        application.assignment_required = bool(body.get("assignment_required", application.assignment_required))
        return {"client_id": application.client_id, "roles": application.roles, "scoped": application.scoped}

    async def _register_certificate(self, body: dict[str, Any], _name: str) -> object:
        text = _text(body, "certificate")
        try:
            data = text.encode() if "-----BEGIN" in text else base64.b64decode(text, validate=True)
        except binascii.Error as exc:
            msg = "certificate is neither PEM nor the base64 of DER"
            raise ValueError(msg) from exc
        tenants = self._mail_server.tenants
        return {"thumbprint": tenants.register_certificate(_text(body, "tenant_id"), _text(body, "client_id"), data)}

    async def _list_mailboxes(self, _body: dict[str, Any], _name: str) -> object:
        return {"mailboxes": [_mailbox_json(mailbox) for mailbox in self._mail_server.mailboxes.all()]}

    async def _add_mailbox(self, body: dict[str, Any], _name: str) -> object:
        mailbox = self._mail_server.add_mailbox(
            _text(body, "address"),
            body.get("display_name"),
            body.get("tenant_id"),
        )
        return _mailbox_json(mailbox)

    async def _change_mailbox(self, body: dict[str, Any], name: str) -> object:
        mailbox = self._mailbox(name)
        mailbox.state = MailboxState(body.get("state", mailbox.state))
        mailbox.purpose = str(body.get("purpose", mailbox.purpose))
        if "denied_to" in body or "allowed_to" in body:
            denied = "denied_to" in body
            application = self._application(mailbox, _text(body, "denied_to" if denied else "allowed_to"))
            (application.denied.add if denied else application.denied.discard)(mailbox.user_id)
        return _mailbox_json(mailbox)

    async def _start_traffic(self, body: dict[str, Any], _name: str) -> object:
        wanted = body.get("mailboxes")
        everyone = self._mail_server.mailboxes.all()
        mailboxes = [self._mailbox(str(name)) for name in wanted] if isinstance(wanted, list) else everyone[:wanted]
        plan = TrafficPlan(
            mailboxes=tuple(mailboxes),
            messages=int(body.get("messages", 1)),
            per_second=float(body.get("per_second", 0)),
            seed=int(body.get("seed", 0)),
            seconds_apart=float(body.get("seconds_apart", 0)),
        )
        self._traffic.start(plan)
        return self._traffic.progress()

    async def _get_traffic(self, _body: dict[str, Any], _name: str) -> object:
        return self._traffic.progress()

    async def _stop_traffic(self, _body: dict[str, Any], _name: str) -> object:
        await self._traffic.stop()
        return self._traffic.progress()

    async def _get_ledger(self, _body: dict[str, Any], _name: str) -> object:
        return {"messages": [entry.as_dict() for entry in self._mail_server.ledger()]}

    async def _get_statistics(self, _body: dict[str, Any], _name: str) -> object:
        return self._statistics()

    async def _get_faults(self, _body: dict[str, Any], _name: str) -> object:
        active = self._faults.active()
        return {"faults": [{**fault.as_dict(), "number": number} for number, fault in active.items()]}

    async def _add_fault(self, body: dict[str, Any], _name: str) -> object:
        return {"number": self._faults.add(fault_from_dict(body))}

    async def _replace_faults(self, body: dict[str, Any], _name: str) -> object:
        return {"numbers": self._faults.replace([fault_from_dict(values) for values in body.get("faults", [])])}

    async def _remove_faults(self, _body: dict[str, Any], name: str) -> object:
        if not name:
            self._faults.clear()
        elif not self._faults.remove(int(name)):
            msg = f"no fault {name}"
            raise LookupError(msg)
        return {}

    async def _get_subscriptions(self, _body: dict[str, Any], _name: str) -> object:
        living = self._subscriptions.all()
        return {"subscriptions": [subscription.as_json(with_client_state=True) for subscription in living]}

    async def _send_lifecycle(self, body: dict[str, Any], _name: str) -> object:
        event = LifecycleEvent(body.get("event", ""))
        wanted = body.get("subscription_id")
        chosen = [self._subscription(str(wanted))] if wanted else self._subscriptions.all()
        return {"sent": sum(self._delivery.send_lifecycle(subscription, event) for subscription in chosen)}

    async def _deliver_mail(self, body: dict[str, Any], _name: str) -> object:
        mailbox = self._mailbox(_text(body, "mailbox"))
        encoded = _text(body, "mime")
        try:
            raw = base64.b64decode(encoded, validate=True)
        except ValueError as exc:
            msg = "mime is not base64"
            raise ValueError(msg) from exc
        # Off the loop: a large mail takes seconds.
        mail = await asyncio.to_thread(mail_from, raw)
        internal = {str(address).lower() for address in body.get("internal", ())}
        if internal:
            mail = _as_internal(mail, internal, keeps_smtp=bool(body.get("smtp_properties", True)))
        folder = str(body.get("folder", "inbox"))
        if body.get("unscanned"):
            placeholder = str(body.get("placeholder", PLACEHOLDER))
            delivered = self._mail_server.deliver_unscanned(mailbox, mail, folder, placeholder=placeholder)
        else:
            delivered = self._mail_server.deliver(mailbox, mail, folder)
        return {"message_id": delivered.message_id}

    async def _act_on_message(self, body: dict[str, Any], name: str) -> object:
        mailbox = self._mailbox(_text(body, "mailbox"))
        if name == "release":
            in_place = bool(body.get("in_place", True))
            message_id = self._mail_server.release(mailbox, _text(body, "message_id"), in_place=in_place)
            return {"done": message_id is not None, "message_id": message_id}
        if name == "remove":
            done = self._mail_server.remove_message(mailbox, _text(body, "message_id"))
        elif name in {"move", "drag"}:
            done = self._mail_server.move_message(
                mailbox, _text(body, "message_id"), _text(body, "folder"), by_dragging=name == "drag"
            )
        else:
            msg = f"a message can be removed, moved, dragged or released, not {name}"
            raise LookupError(msg)
        return {"done": done}

    async def _revoke_tokens(self, _body: dict[str, Any], _name: str) -> object:
        self._tokens.revoke_all()
        return {}

    async def _list_users(self, _body: dict[str, Any], _name: str) -> object:
        tenants = self._mail_server.tenants
        everyone = [user for tenant_id in tenants.all() for user in self._users.of_tenant(tenant_id)]
        return {"users": [_user_json(user) for user in everyone]}

    async def _add_user(self, body: dict[str, Any], _name: str) -> object:
        user = self._make_user(
            _text(body, "username"),
            body.get("name") or _text(body, "username").partition("@")[0],
            body.get("tenant_id"),
            roles=tuple(body.get("roles", ())),
            groups=tuple(body.get("groups", ())),
        )
        return _user_json(user)

    async def _change_user(self, body: dict[str, Any], name: str) -> object:
        user = self._user(body, name)
        user.roles = tuple(body.get("roles", user.roles))
        user.groups = tuple(body.get("groups", user.groups))
        user.enabled = bool(body.get("enabled", user.enabled))
        user.sessions += bool(body.get("revoked"))
        return _user_json(user)

    async def _remove_user(self, body: dict[str, Any], name: str) -> object:
        self._users.remove(self._user(body, name))
        return {}

    def _user(self, body: dict[str, Any], name: str) -> User:
        tenant_id = body.get("tenant_id") or self._mail_server.first_tenant()
        user = self._users.find(tenant_id, name)
        if user is None:
            msg = f"no user {name} in tenant {tenant_id}"
            raise LookupError(msg)
        return user

    def _mailbox(self, name: str) -> Mailbox:
        mailbox = self._mail_server.mailboxes.named(name)
        if mailbox is None:
            msg = f"no mailbox {name}"
            raise LookupError(msg)
        return mailbox

    def _application(self, mailbox: Mailbox, client_id: str) -> Application:
        application = self._mail_server.tenants.application(mailbox.tenant_id, client_id)
        if application is None:
            msg = f"no application {client_id} in tenant {mailbox.tenant_id}"
            raise LookupError(msg)
        return application

    def _subscription(self, subscription_id: str) -> Subscription:
        subscription = self._subscriptions.find(subscription_id)
        if subscription is None:
            msg = f"no subscription {subscription_id}"
            raise LookupError(msg)
        return subscription


def _as_internal(mail: Mail, addresses: set[str], *, keeps_smtp: bool) -> Mail:
    """Return the mail with these addresses replaced by their names in Exchange's directory."""

    def named(person: Person) -> Person:
        is_internal = (person.address or "").lower() in addresses
        return by_directory_name(person, keeps_smtp=keeps_smtp) if is_internal else person

    def all_named(people: tuple[Person, ...]) -> tuple[Person, ...]:
        return tuple(map(named, people))

    return replace(
        mail,
        sender=mail.sender and named(mail.sender),
        from_=mail.from_ and named(mail.from_),
        to=all_named(mail.to),
        cc=all_named(mail.cc),
        bcc=all_named(mail.bcc),
        reply_to=all_named(mail.reply_to),
    )


def _mailbox_json(mailbox: Mailbox) -> dict[str, str]:
    return {
        "address": mailbox.address,
        "display_name": mailbox.display_name,
        "tenant_id": mailbox.tenant_id,
        "user_id": mailbox.user_id,
        "state": str(mailbox.state),
        "purpose": mailbox.purpose,
    }


def _user_json(user: User) -> dict[str, Any]:
    return {
        "tenant_id": user.tenant_id,
        "object_id": user.object_id,
        "username": user.username,
        "name": user.name,
        "roles": user.roles,
        "groups": user.groups,
        "enabled": user.enabled,
    }


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        msg = f"{name} is missing"
        raise ValueError(msg)
    return value
