"""A typed client of the control API, for programs that run the simulator as a process of its own."""

import base64
import io
import json
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from simulator.api.notifications import LifecycleEvent
from simulator.calls import JSON_TYPE
from simulator.faults import Fault
from simulator.state.mailboxes import MailboxState
from simulator.tls import trusting


class ControlRefused(Exception):
    """The simulator answered a control call with an error; `status` is the HTTP status."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status}: {reason}")
        self.status = status
        self.reason = reason


class SimulatorControl:
    """Calls `/simulator/` at `url`, trusting `ca_file`; to be entered. All calls raise `ControlRefused`."""

    def __init__(self, url: str, ca_file: Path) -> None:
        self._url = url
        self._ca_file = ca_file
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=trusting(self._ca_file))
        self._session = aiohttp.ClientSession(connector=connector)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session:
            await self._session.close()

    async def add_application(
        self,
        tenant_id: str | None = None,
        client_id: str | None = None,
        roles: tuple[str, ...] | None = None,
    ) -> dict[str, str]:
        """Register an application; returns its `tenant_id` and `client_id`."""
        body = {"tenant_id": tenant_id, "client_id": client_id, "roles": roles}
        return await self._call("POST", "applications", _given(body))

    async def grant(
        self,
        tenant_id: str,
        client_id: str,
        *,
        roles: tuple[str, ...] | None = None,
        scoped: dict[str, tuple[str, ...]] | None = None,
    ) -> None:
        """Change the permissions: `roles` of Entra, `scoped` (by address or user id) of RBAC for Applications."""
        body = {"tenant_id": tenant_id, "roles": roles, "scoped": scoped}
        await self._call("PATCH", f"applications/{client_id}", _given(body))

    async def set_sign_in(
        self,
        tenant_id: str,
        client_id: str,
        *,
        redirect_uris: tuple[str, ...] | None = None,
        assignment_required: bool | None = None,
        api_roles: dict[str, tuple[str, ...]] | None = None,
    ) -> None:
        """Change what `tenants.Application` says of people's sign-in, and of roles in the APIs of others."""
        body = {
            "tenant_id": tenant_id,
            "redirect_uris": redirect_uris,
            "assignment_required": assignment_required,
            "api_roles": api_roles,
        }
        await self._call("PATCH", f"applications/{client_id}", _given(body))

    async def users(self) -> list[dict[str, Any]]:
        """Return all users: `tenant_id`, `object_id`, `username`, `name`, `roles`, `groups`, `enabled`."""
        return list((await self._call("GET", "users"))["users"])

    async def add_user(
        self,
        username: str,
        name: str | None = None,
        tenant_id: str | None = None,
        *,
        roles: tuple[str, ...] = (),
        groups: tuple[str, ...] = (),
    ) -> dict[str, Any]:
        """Make a user who can sign in; returns it as `users` does."""
        body = {"username": username, "name": name, "tenant_id": tenant_id, "roles": roles, "groups": groups}
        return await self._call("POST", "users", _given(body))

    async def change_user(
        self,
        user: str,
        tenant_id: str | None = None,
        *,
        roles: tuple[str, ...] | None = None,
        groups: tuple[str, ...] | None = None,
        enabled: bool | None = None,
        revoked: bool = False,
    ) -> None:
        """Change a user (user name or object id); `revoked` ends all sessions so far."""
        body = {"tenant_id": tenant_id, "roles": roles, "groups": groups, "enabled": enabled, "revoked": revoked}
        await self._call("PATCH", f"users/{user}", _given(body))

    async def remove_user(self, user: str, tenant_id: str | None = None) -> None:
        """Delete a user (user name or object id)."""
        await self._call("DELETE", f"users/{user}", _given({"tenant_id": tenant_id}))

    async def register_certificate(self, tenant_id: str, client_id: str, pem: str) -> str:
        """Upload a certificate's public part; returns its SHA-1 thumbprint."""
        body = {"tenant_id": tenant_id, "client_id": client_id, "certificate": pem}
        return str((await self._call("POST", "certificates", body))["thumbprint"])

    async def mailboxes(self) -> list[dict[str, str]]:
        """Return all mailboxes: `address`, `display_name`, `tenant_id`, `user_id`, `state`, `purpose`."""
        return list((await self._call("GET", "mailboxes"))["mailboxes"])

    async def add_mailbox(
        self,
        address: str,
        display_name: str | None = None,
        tenant_id: str | None = None,
    ) -> dict[str, str]:
        """Make a mailbox; returns it as `mailboxes` does."""
        body = {"address": address, "display_name": display_name, "tenant_id": tenant_id}
        return await self._call("POST", "mailboxes", _given(body))

    async def set_mailbox_state(self, mailbox: str, state: MailboxState) -> None:
        """Change the state that Graph reports of a mailbox (address or user id)."""
        await self._call("PATCH", f"mailboxes/{mailbox}", {"state": str(state)})

    async def set_mailbox_purpose(self, mailbox: str, purpose: str) -> None:
        """Change the purpose of a mailbox: `user`, `shared`, `room` and so on."""
        await self._call("PATCH", f"mailboxes/{mailbox}", {"purpose": purpose})

    async def deny(self, mailbox: str, client_id: str, *, denied: bool = True) -> None:
        """Exclude an application from a mailbox, or allow it again."""
        await self._call("PATCH", f"mailboxes/{mailbox}", {"denied_to" if denied else "allowed_to": client_id})

    async def start_traffic(
        self,
        messages: int,
        *,
        mailboxes: list[str] | int | None = None,
        per_second: float = 0,
        seed: int = 0,
        seconds_apart: float = 0,
    ) -> dict[str, Any]:
        """Deliver mail in the background: to these mailboxes, the first so many, or all. Returns the progress.

        `seconds_apart`: between the times of receipt of two mails, if they are to lie in the past.
        """
        body = {
            "messages": messages,
            "mailboxes": mailboxes,
            "per_second": per_second,
            "seed": seed,
            "seconds_apart": seconds_apart,
        }
        return await self._call("POST", "traffic", _given(body))

    async def traffic(self) -> dict[str, Any]:
        """Return the progress: `running`, `messages`, `delivered`, `started`, `finished`."""
        return await self._call("GET", "traffic")

    async def stop_traffic(self) -> dict[str, Any]:
        """Stop the traffic; returns the progress."""
        return await self._call("DELETE", "traffic")

    async def ledger(self) -> list[dict[str, Any]]:
        """Return everything delivered: the fields of `mail_server.LedgerEntry`."""
        return list((await self._call("GET", "ledger"))["messages"])

    async def statistics(self) -> dict[str, Any]:
        """Return the result of `Simulator.statistics`."""
        return await self._call("GET", "statistics")

    async def subscriptions(self) -> list[dict[str, Any]]:
        """Return all living subscriptions as Graph's JSON, `clientState` included."""
        return list((await self._call("GET", "subscriptions"))["subscriptions"])

    async def add_fault(self, fault: Fault) -> int:
        """Switch a fault on; returns its number."""
        return int((await self._call("POST", "faults", fault.as_dict()))["number"])

    async def faults(self) -> list[dict[str, Any]]:
        """Return the faults that are on, each with its `number`."""
        return list((await self._call("GET", "faults"))["faults"])

    async def replace_faults(self, faults: list[Fault]) -> list[int]:
        """Switch on these faults and no others."""
        body = {"faults": [fault.as_dict() for fault in faults]}
        return list((await self._call("PUT", "faults", body))["numbers"])

    async def remove_faults(self, number: int | None = None) -> None:
        """Switch one fault off, or all."""
        await self._call("DELETE", "faults" if number is None else f"faults/{number}")

    async def send_lifecycle(self, event: LifecycleEvent, subscription_id: str | None = None) -> int:
        """Send a lifecycle notification for one subscription or all; returns their number."""
        body = {"event": str(event), "subscription_id": subscription_id}
        return int((await self._call("POST", "lifecycle", _given(body)))["sent"])

    async def deliver_mime(
        self,
        mailbox: str,
        raw: bytes,
        folder: str = "inbox",
        *,
        internal: Collection[str] = (),
        smtp_properties: bool = True,
    ) -> str:
        """Deliver a mail in wire format (RFC 5322); returns its immutable id.

        `internal`: addresses that Exchange replaces by names of its directory (X.500); without `smtp_properties` no
        property gives them either.
        """
        body = {
            "mailbox": mailbox,
            "mime": base64.b64encode(raw).decode(),
            "folder": folder,
            "internal": list(internal),
            "smtp_properties": smtp_properties,
        }
        return str((await self._call("POST", "mail", body))["message_id"])

    async def deliver_unscanned(
        self, mailbox: str, raw: bytes, folder: str = "inbox", *, placeholder: str | None = None
    ) -> str:
        """Like `deliver_mime`, with a placeholder (`placeholder`: its name) for each attachment: Dynamic Delivery."""
        body = {"mailbox": mailbox, "mime": base64.b64encode(raw).decode(), "folder": folder, "unscanned": True}
        return str((await self._call("POST", "mail", {**body, **_given({"placeholder": placeholder})}))["message_id"])

    async def release_message(self, mailbox: str, message_id: str, *, in_place: bool = True) -> str | None:
        """End the scan of a mail: its files replace the placeholders, or come with another message.

        Returns the immutable id of the message that has them; None: no such message.
        """
        body = {"mailbox": mailbox, "message_id": message_id, "in_place": in_place}
        found = (await self._call("POST", "messages/release", body))["message_id"]
        return None if found is None else str(found)

    async def remove_message(self, mailbox: str, message_id: str) -> bool:
        """Delete a message for good, as its owner would."""
        body = {"mailbox": mailbox, "message_id": message_id}
        return bool((await self._call("POST", "messages/remove", body))["done"])

    async def move_message(self, mailbox: str, message_id: str, folder: str) -> bool:
        """Move a message, as its owner would."""
        body = {"mailbox": mailbox, "message_id": message_id, "folder": folder}
        return bool((await self._call("POST", "messages/move", body))["done"])

    async def revoke_tokens(self) -> None:
        """Make every access token issued so far invalid."""
        await self._call("DELETE", "tokens")

    async def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        if self._session is None:
            msg = "enter the client with 'async with' first"
            raise RuntimeError(msg)
        # A stream: a mail may be large.
        data = None if body is None else io.BytesIO(json.dumps(body).encode())
        headers = {"Content-Type": JSON_TYPE}
        asked = self._session.request(method, f"{self._url}/simulator/{path}", data=data, headers=headers)
        async with asked as response:
            values: dict[str, Any] = await response.json()
            if response.status >= 400:
                raise ControlRefused(response.status, str(values.get("error", "")))
            return values


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
