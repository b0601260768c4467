"""A console with something of everything, and programs that call its API."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bus.notification import Notification
from console.web.bearer import PREFIX
from console.web.rights import Role
from console.web.tokens import key_of
from db.queries import console_users
from tests.doubles.rule_files import add_account, add_rule
from tests.integration.web.console_site import ConsoleSite
from tests.integration.web.mail_rows import add_every_state, add_hidden, add_mail, attachment_numbers

CONTENT = b"<script>alert(1)</script>"


@dataclass
class Called:
    """An answer of the API."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401  # JSON
        """The document."""
        return json.loads(self.raw)


@dataclass
class Program:
    """A program with a token."""

    site: ConsoleSite
    token: str

    async def call(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Called:
        """Call an operation."""
        sent = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        data = None if body is None else io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        url = path if path.startswith("/api") else f"/api/v1{path}"
        async with self.site.session.request(
            method, self.site.url + url, headers=sent, data=data, allow_redirects=False
        ) as answer:
            return Called(answer.status, answer.headers.copy(), await answer.read())

    async def get(self, path: str) -> Called:
        """Read something."""
        return await self.call("GET", path)

    async def every(self, path: str, *, limit: int) -> list[dict[str, Any]]:
        """All items of a list, page by page."""
        found: list[dict[str, Any]] = []
        cursor = None
        for _ in range(100):
            between = "&" if "?" in path else "?"
            after = "" if cursor is None else f"&cursor={cursor}"
            page = (await self.get(f"{path}{between}limit={limit}{after}")).json
            assert len(page["items"]) <= limit
            found += page["items"]
            cursor = page["next"]
            if cursor is None:
                return found
        raise AssertionError("the pages do not end")


def program(site: ConsoleSite, *roles: Role, groups: tuple[str, ...] = (), name: str = "") -> Program:
    """A program whose token is of a user with these roles."""
    user = name or "-".join(each.value.lower() for each in roles) or "nobody"
    token = f"{PREFIX}{user}"
    site.add_user(user, *roles, groups=groups)
    now = site.services.clock()

    def work(connection: Any) -> None:  # noqa: ANN401  # a connection
        number = console_users.by_name(connection, user).user_id
        console_users.add_token(connection, number, "tests", key_of(token), now=now, life=timedelta(days=1))

    site.write(work)
    return Program(site, token)


@dataclass(frozen=True)
class Contents:
    """The numbers of what the database has."""

    message: int
    attachment: int
    hidden: int
    hidden_attachment: int


def fill(site: ConsoleSite) -> Contents:
    """Accounts, mail in all states, mail that is hidden from most users, and rules."""

    def work(connection: Any) -> Contents:  # noqa: ANN401  # a connection
        add_every_state(connection)
        for number in range(5):
            add_account(connection, f"account-{number}")
        hidden = add_hidden(connection)
        for place, name in enumerate(("Copies", "Orders"), start=2):
            add_rule(connection, name, nPosition=place)
        message = add_mail(
            connection,
            "with-body",
            sSubject="Lead",
            sBody="<p>Lead 42</p>",
            sBodyText="Lead 42",
            sBodyType="html",
            sRuleState="white",
            to=[("Importer", "importer@example.com")],
            files=[("page.html", CONTENT), ("huge.iso", None)],
        )
        return Contents(
            message,
            attachment_numbers(connection, message)[0],
            hidden,
            attachment_numbers(connection, hidden)[0],
        )

    found: Contents = site.write(work)
    return found


async def add_dead_letters(site: ConsoleSite, count: int, *, reason: str = "ItemCorrupt") -> None:
    """Dead letters of account 1."""
    queue = site.services.queue
    now = site.services.clock()
    found = [
        Notification(1, "s", "created", f"{reason}-{number}", None, now, "c").to_message() for number in range(count)
    ]
    await queue.put(found)
    left = count
    while left:
        for delivery in await queue.receive(left, wait=timedelta(0)):
            await queue.dead_letter(delivery, reason=reason, description="It cannot be read.")
            left -= 1
