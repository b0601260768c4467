"""`accounts test` and `accounts add --test`: every common mistake is named by its own step, cause and cure.

Each against the real thing: the simulator of Graph, a TLS server, a proxy, a port, a file. A step that fails here
shows the output that an administrator sees.
"""

import json
import re
import ssl
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr
from sqlalchemy import Connection, func, select, update

from console import logs, terminal
from console.invocation import Invocation
from console.settings import Settings
from db.queries import accounts
from db.tables import account_settings, message, queue_message
from graph.certificates import Certificate, make_self_signed, write_pair
from simulator.calls import Operation
from simulator.content.mail import Mail
from simulator.faults import FaultKind
from simulator.state.mailboxes import Mailbox, MailboxState
from tests.doubles.listeners import Issuer, Proxy, answering, dropping, old
from tests.doubles.managed_identity import managed_identity_host
from tests.integration.manager_world import Office
from tests.integration.world import World, invoke
from tests.ports import free_port
from tests.waiting import until

Step = dict[str, Any]
NAME = "laboratory"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass
class Desk:
    """An administrator's desk: an account in a world, and the command."""

    world: World
    mailbox: Mailbox
    account_id: int
    changed: dict[str, Any] = field(default_factory=dict)
    """Settings that differ from the working ones."""

    @property
    def settings(self) -> Settings:
        return Settings(**(self.world.settings.model_dump() | self.changed))

    async def call(self, *arguments: str) -> Result:
        return await invoke(Invocation(self.settings, clock=self.world.clock), *arguments)

    async def steps(self, *options: str) -> dict[str, Step]:
        """Return the steps by name; the exit status must show if one of them failed."""
        result = await self.call("accounts", "test", NAME, "--json", *options)
        outcome = json.loads(result.stdout)
        bad = [step for step in outcome["steps"] if step["result"] == "failed"]
        assert (outcome["result"], result.exit_code) == (("failed", 1) if bad else ("passed", 0))
        assert outcome["failed"] == len(bad)
        return {step["name"]: step for step in outcome["steps"]}

    async def failing(self, name: str, code: str, *says: str, options: tuple[str, ...] = ()) -> dict[str, Step]:
        """Check that this step failed for that reason, with cause and remedy; its text contains `says`."""
        steps = await self.steps(*options)
        step = steps[name]
        assert (step["result"], step["code"]) == ("failed", code), step
        assert step["cause"]
        assert step["cure"]
        for text in says:
            assert text in f"{step['cause']} {step['cure']}"
        return steps

    async def change(self, **columns: Any) -> None:  # noqa: ANN401  # passed through
        """Change the row as another program does."""
        await self.world.database.write(
            lambda c: c.execute(
                update(account_settings).where(account_settings.c.nAccountID == self.account_id).values(**columns)
            )
        )

    def own_certificate(self, made: Certificate, *, registered: bool = True) -> None:
        write_pair(made, self.world.store, f"own-{made.thumbprint[:6]}")
        if registered:
            application = self.world.application
            self.world.simulator.register_certificate(
                application.tenant_id, application.client_id, made.public_pem.encode()
            )


@pytest.fixture
async def desk(world: World) -> Desk:
    mailbox = world.new_mailbox(NAME)
    return Desk(world, mailbox, await world.add_account(mailbox, NAME))


@pytest.fixture
async def office_desk(office: Office) -> Desk:
    """A desk with a notification address, at which a receiver may be started."""
    logs.configure(sys.stderr, "json")  # before the receiver of this process writes its first line
    mailbox = office.world.new_mailbox(NAME)
    account_id = await office.world.add_account(mailbox, NAME)
    return Desk(office.world, mailbox, account_id, {"notification_url": office.url})


@pytest.fixture
def root(tmp_path: Path) -> Issuer:
    folder = tmp_path / "authorities"
    folder.mkdir()
    return Issuer(folder, "Inspection root", "Corporate Inspection")


def after(steps: dict[str, Step], name: str) -> list[str]:
    """Return the results of the steps behind one."""
    names = list(steps)
    return [steps[each]["result"] for each in names[names.index(name) + 1 :]]


# --- All is well ---


async def test_all_is_well(desk: Desk) -> None:
    await desk.world.deliver(desk.mailbox, 1)
    desk.world.application.roles = ("MailboxSettings.Read",)
    desk.world.application.scoped = {desk.mailbox.user_id: ("Mail.Read",)}
    steps = await desk.steps()
    assert {step["result"] for step in steps.values()} == {"passed", "not_needed"}
    assert list(steps) == [
        "settings",
        "certificate_found",
        "private_key_readable",
        "private_key_matches",
        "certificate_in_date",
        "certificate_trusted",
        "sign_in_reached",
        "graph_reached",
        "sign_in_tls",
        "graph_tls",
        "clock",
        "token",
        "permissions",
        "scope",
        "user",
        "mailbox",
        "mailbox_kind",
        "folder",
        "message",
        "notification_certificate",
        "notification_handshake",
        "subscription",
        "database",
        "queue",
        "import_folders",
    ]
    assert steps["certificate_found"]["evidence"]["thumbprint"] == desk.world.certificate.thumbprint
    assert steps["sign_in_tls"]["evidence"]["protocol"] == "TLSv1.3"
    assert steps["permissions"]["evidence"]["roles"] == ["MailboxSettings.Read"]
    assert all(step["seconds"] >= 0 for step in steps.values())


async def test_the_identity_of_the_host_takes_the_place_of_the_certificate(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step shows what a federated credential must name; without one the sign-in says what to do."""
    await desk.world.deliver(desk.mailbox, 1)
    desk.changed["graph_credential"] = "managed_identity"
    result = await desk.call("accounts", "update", NAME, "--thumbprint", "none")
    assert result.exit_code == 0
    assert "Warning" not in result.stderr  # of a certificate that the store has not
    async with managed_identity_host(rsa.generate_private_key(public_exponent=65537, key_size=2048)) as host:
        for name, value in host.environment.items():
            monkeypatch.setenv(name, value)
        trusted = host.credential
        steps = await desk.failing("token", "AADSTS700211", trusted.issuer, "federated credential")
        for each in (trusted.issuer, trusted.subject, trusted.audience):
            assert each in steps["identity"]["found"]
        desk.world.application.federated.append(trusted)
        steps = await desk.steps()
        assert (steps["token"]["result"], steps["message"]["result"]) == ("passed", "passed")
        assert not [name for name in steps if name.startswith(("certificate", "private_key"))]
        desk.changed["managed_identity_client_id"] = "44444444-4444-4444-8444-444444444444"
        steps = await desk.failing("identity", "invalid_scope", "No User Assigned identity", "identity assign")
        assert steps["token"]["result"] == "not_tried"


async def test_an_account_without_certificate_needs_an_identity_of_the_host(desk: Desk) -> None:
    await desk.change(sCertificateThumbprint="none")
    await desk.failing("certificate_found", "badThumbprint", "--thumbprint")


async def test_it_changes_nothing(desk: Desk) -> None:
    await desk.world.deliver(desk.mailbox, 1)
    await desk.steps()
    rows = await desk.world.database.read(
        lambda c: [c.scalar(select(func.count()).select_from(table)) for table in (message, queue_message)]
    )
    assert rows == [0, 0]


async def test_a_person_reads_it_in_80_columns_with_what_to_do_at_the_end(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "width", lambda: 80)
    desk.world.application.denied.add(desk.mailbox.user_id)
    checks = len(await desk.steps())
    result = await desk.call("accounts", "test", NAME)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    each, last = lines[:checks], "\n".join(lines[checks:]).split("\n\n")[-1].strip()
    assert any(line.startswith("passed      Sign-in gives a token") for line in each)
    assert any(line.startswith("FAILED      The mailbox opens") for line in each)
    assert any(line.startswith("not tried   The folder exists") for line in each)
    assert last.startswith("FAILED      The mailbox opens")
    assert "What to do: Include the mailbox" in " ".join(last.split())
    assert "1 failed" in result.stderr
    assert "\x1b" not in result.stdout


async def test_one_damaged_message_is_a_warning_and_the_next_one_is_read(desk: Desk) -> None:
    [older, newest] = await desk.world.deliver(desk.mailbox, 2)
    desk.world.fault(FaultKind.CORRUPT, operation=Operation.GET_MESSAGE, message_id=newest.message_id)
    step = (await desk.steps())["message"]
    assert (step["result"], step["code"]) == ("warned", "newestUnreadable")
    desk.world.fault(FaultKind.CORRUPT, operation=Operation.GET_MESSAGE, message_id=older.message_id)
    step = (await desk.steps())["message"]
    assert (step["result"], step["code"]) == ("warned", "noneReadable")


async def test_an_empty_folder_is_no_fault(desk: Desk) -> None:
    step = (await desk.steps())["message"]
    assert step["result"] == "passed"
    assert step["evidence"]["empty"] is True


async def test_an_account_that_is_not_there(desk: Desk) -> None:
    result = await desk.call("accounts", "test", "nobody")
    assert result.exit_code == 1
    assert "nobody" in result.stderr


# --- Settings and certificate ---


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"sTenantID": "contoso"}, "contoso"),
        ({"sClientID": "not-a-guid"}, "not-a-guid"),
        ({"sUserID": " "}, "user id"),
        ({"sCertificateThumbprint": "12345"}, "5 hexadecimal digits"),
        ({"sFolder": ""}, "folder"),
        ({"sAfterImport": "move", "sMoveToFolder": None}, "--move-to"),
    ],
)
async def test_settings_that_another_program_wrote_badly(columns: dict[str, Any], says: str, desk: Desk) -> None:
    await desk.change(**columns)
    await desk.failing("settings", "settingsWrong", says)


async def test_an_id_that_was_pasted_twice(desk: Desk) -> None:
    await desk.change(sUserID=desk.world.application.client_id)
    await desk.failing("settings", "settingsWrong", "pasted twice")


async def test_clouds_that_do_not_fit_together(desk: Desk) -> None:
    desk.changed = {"graph_url": "https://graph.microsoft.us", "authority_url": "https://login.microsoftonline.com"}
    step = (await desk.steps())["settings"]
    assert (step["result"], step["code"]) == ("warned", "cloudsDiffer")


async def test_a_certificate_that_is_not_there(desk: Desk) -> None:
    await desk.change(sCertificateThumbprint="0" * 40)
    steps = await desk.failing("certificate_found", "notFound", "0" * 40, desk.world.certificate.thumbprint)
    assert steps["private_key_readable"]["result"] == "not_tried"
    assert steps["token"]["result"] == "not_tried"
    assert steps["graph_tls"]["result"] == "passed"  # steps that do not depend on it run


async def test_only_the_public_part_was_installed(desk: Desk) -> None:
    for file in desk.world.store.glob("*.pem"):
        file.unlink()
    steps = await desk.failing("private_key_readable", "keyMissing", "only the public part")
    assert steps["certificate_found"]["result"] == "passed"


async def test_an_invisible_character_in_the_thumbprint_is_ignored_and_reported(desk: Desk) -> None:
    await desk.change(sCertificateThumbprint=f"\u200e{desk.world.certificate.thumbprint.lower()}")
    steps = await desk.steps()
    assert steps["certificate_found"]["result"] == "passed"
    assert "U+200E" in steps["certificate_found"]["found"]
    assert steps["token"]["result"] == "passed"


async def test_the_certificate_sits_in_another_store(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where ./certificates is the folder that has it
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    desk.changed = {"certificate_store": str(elsewhere)}
    await desk.failing("certificate_found", "inOtherStore", str(desk.world.store), "certificate_store")


async def test_the_key_beside_it_is_anothers(desk: Desk) -> None:
    other = make_self_signed("another", now=desk.world.clock(), key_bits=3072)  # whose key is surely another
    for file in desk.world.store.glob("*.pem"):
        file.unlink()
    (public,) = desk.world.store.glob("*.cer")
    assert other.private_key_pem is not None
    public.with_suffix(".key").write_bytes(other.private_key_pem)
    steps = await desk.failing("private_key_matches", "keyMismatch", "belongs to another certificate")
    assert steps["private_key_readable"]["result"] == "passed"


@pytest.mark.parametrize(("days_ago", "code"), [(30, "expired"), (-3, "notYetValid")])
async def test_a_certificate_out_of_date(days_ago: int, code: str, desk: Desk) -> None:
    made = make_self_signed("old", now=desk.world.clock() - timedelta(days=days_ago), days=2, key_bits=2048)
    desk.own_certificate(made)
    await desk.change(sCertificateThumbprint=made.thumbprint)
    steps = await desk.failing("certificate_in_date", code, made.thumbprint)
    assert steps["token"]["result"] == "not_tried"


async def test_a_certificate_that_ends_soon_is_a_warning(desk: Desk) -> None:
    made = make_self_signed("soon", now=desk.world.clock(), days=20, key_bits=2048)
    desk.own_certificate(made)
    await desk.change(sCertificateThumbprint=made.thumbprint)
    step = (await desk.steps())["certificate_in_date"]
    assert (step["result"], step["code"]) == ("warned", "endsSoon")


async def test_a_self_signed_certificate_where_a_trusted_one_is_demanded(desk: Desk) -> None:
    await desk.change(bSecureCertificateAccess=True)
    steps = await desk.failing("certificate_trusted", "selfSigned", "bSecureCertificateAccess = 1", NAME)
    assert steps["token"]["result"] == "not_tried"


async def test_a_next_certificate_that_would_not_serve_is_a_warning(desk: Desk) -> None:
    made = make_self_signed("next", now=desk.world.clock(), key_bits=2048)
    desk.own_certificate(made, registered=False)
    await desk.change(sNextCertificateThumbprint=made.thumbprint)
    steps = await desk.steps()
    assert (steps["next_certificate"]["result"], steps["next_certificate"]["code"]) == ("warned", "AADSTS700027")
    assert steps["token"]["result"] == "passed"


async def test_a_next_certificate_does_not_hide_what_is_wrong_with_the_current_one(desk: Desk) -> None:
    made = make_self_signed("current", now=desk.world.clock(), key_bits=2048)
    desk.own_certificate(made, registered=False)
    await desk.change(
        sCertificateThumbprint=made.thumbprint, sNextCertificateThumbprint=desk.world.certificate.thumbprint
    )
    steps = await desk.failing("token", "AADSTS700027")
    assert steps["next_certificate"]["result"] == "passed"


# --- The connection ---


async def test_a_name_that_dns_does_not_know(desk: Desk) -> None:
    desk.changed = {"authority_url": "https://login.no-such-host.invalid"}
    steps = await desk.steps()
    step = steps["sign_in_reached"]
    assert step["result"] == "failed"
    assert step["code"] in {"nameUnknown", "nameServerSilent"}  # depends on this machine's DNS
    assert "login.no-such-host.invalid" in step["cause"]
    assert [steps[name]["result"] for name in ("sign_in_tls", "clock", "token")] == ["not_tried"] * 3


async def test_no_listener_there(desk: Desk) -> None:
    desk.changed = {"graph_url": f"https://127.0.0.1:{free_port()}"}
    steps = await desk.failing("graph_reached", "connectionRefused", "firewall")
    assert steps["permissions"]["result"] == "not_tried"
    assert steps["sign_in_reached"]["result"] == "passed"


async def test_a_firewall_that_drops_packets_is_reported_within_seconds(desk: Desk) -> None:
    with dropping() as port:
        desk.changed = {"graph_url": f"https://127.0.0.1:{port}"}
        steps = await desk.failing("graph_reached", "connectionTimedOut", "firewall drops")
    assert steps["graph_reached"]["seconds"] < 8


async def test_tls_of_the_past(desk: Desk, root: Issuer) -> None:
    with answering(tls=old(root.serving("127.0.0.1"), ssl.TLSVersion.TLSv1_1)) as port:
        desk.changed = {"authority_url": f"https://127.0.0.1:{port}"}
        steps = await desk.failing("sign_in_tls", "tlsTooOld", "TLS 1.1", "TLS 1.2")
    assert steps["token"]["result"] == "not_tried"


def behind(proxy_port: int, monkeypatch: pytest.MonkeyPatch, user: str = "") -> None:
    """Send all outgoing HTTPS through this proxy."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://{user}127.0.0.1:{proxy_port}")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")


async def test_everything_goes_through_the_proxy(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Proxy(credentials="me:secret")
    with proxy.running() as port:
        behind(port, monkeypatch, "me:secret@")
        steps = await desk.steps()
    assert steps["message"]["result"] == "passed"
    assert steps["graph_reached"]["evidence"]["proxy"] == f"http://127.0.0.1:{port}"
    assert "secret" not in json.dumps(steps)
    assert proxy.targets


async def test_a_proxy_that_needs_authentication(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with Proxy(credentials="me:secret").running() as port:
        behind(port, monkeypatch)
        await desk.failing("sign_in_reached", "proxyCredentialsMissing", "407", "HTTPS_PROXY")
        behind(port, monkeypatch, "me:wrong@")
        await desk.failing("graph_reached", "proxyCredentialsRefused", "407")


async def test_a_proxy_that_refuses_the_host(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with Proxy(refusing=403).running() as port:
        behind(port, monkeypatch)
        await desk.failing("graph_reached", "proxyDenies", "403")


async def test_a_proxy_that_inspects_tls_and_is_not_trusted(
    desk: Desk, root: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy(intercepting=root.serving("127.0.0.1")).running() as port:
        behind(port, monkeypatch)
        await desk.failing("sign_in_tls", "intercepted", "Corporate Inspection", "ca_bundle")


async def test_a_proxy_that_inspects_tls_is_noticed_even_where_it_is_trusted(
    desk: Desk, root: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("login.microsoftonline.com", "graph.microsoft.com")
    desk.changed = {
        "authority_url": f"https://{names[0]}",
        "graph_url": f"https://{names[1]}",
        "ca_bundle": root.file(),
    }
    with Proxy(intercepting=root.serving(*names)).running() as port:
        behind(port, monkeypatch)
        steps = await desk.steps()
    step = steps["graph_tls"]
    assert (step["result"], step["code"]) == ("warned", "intercepted")
    assert "Corporate Inspection" in step["cause"]


@pytest.mark.parametrize("minutes", [-20, 20])
async def test_a_clock_that_is_wrong(minutes: int, desk: Desk) -> None:
    desk.world.clock.advance(minutes=minutes)
    steps = await desk.failing("clock", "clockWrong", "ahead" if minutes > 0 else "behind", "300 s")
    assert abs(abs(steps["clock"]["evidence"]["behind_seconds"]) - 1200) < 5


# --- Sign-in ---


async def test_a_certificate_that_was_not_uploaded(desk: Desk) -> None:
    application = desk.world.application
    desk.world.simulator.tenants.unregister_certificate(
        application.tenant_id, application.client_id, desk.world.certificate.thumbprint
    )
    steps = await desk.failing("token", "AADSTS700027", "Upload the .cer file")
    assert set(after(steps, "token")) <= {"not_tried", "not_needed", "passed"}


async def test_a_wrong_tenant(desk: Desk) -> None:
    await desk.change(sTenantID="11111111-2222-4333-8444-555555555555")
    await desk.failing("token", "AADSTS90002", "correct the tenant id")


async def test_a_wrong_client(desk: Desk) -> None:
    await desk.change(sClientID="11111111-2222-4333-8444-555555555555")
    await desk.failing("token", "AADSTS700016", "client id")


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (90038, "setting cloud"),
        (900382, "setting cloud"),
        (7000112, "disabled"),
        (700024, "clock"),
        (53003, "Conditional Access"),
        (123456, "error?code=123456"),
    ],
)
async def test_what_else_the_sign_in_service_says(code: int, says: str, desk: Desk) -> None:
    desk.world.fault(FaultKind.SIGN_IN_REFUSED, code=code)
    await desk.failing("token", f"AADSTS{code}", says)


# --- Rights of the application ---


async def test_consent_that_is_missing(desk: Desk) -> None:
    desk.world.application.roles = ()
    steps = await desk.failing("permissions", "consentMissing", "admin consent", "type Application")
    assert steps["mailbox"]["result"] == "not_tried"


async def test_permissions_for_something_else(desk: Desk) -> None:
    desk.world.application.roles = ("Calendars.Read",)
    await desk.failing("permissions", "consentMissing", "Calendars.Read")


async def test_rbac_for_applications_is_proved_by_doing(desk: Desk) -> None:
    desk.world.application.roles = ()
    desk.world.application.scoped = {desk.mailbox.user_id: ("Mail.Read",)}
    other = desk.world.new_mailbox("director")
    steps = await desk.steps("--deny", other.user_id)
    assert steps["permissions"]["result"] == "passed"
    assert "RBAC" in steps["permissions"]["found"]
    assert steps["message"]["result"] == "passed"
    assert steps[f"forbidden_mailbox:{other.user_id}"]["result"] == "passed"


async def test_a_grant_without_scope_beside_a_scope_is_named(desk: Desk) -> None:
    """Test-ServicePrincipalAuthorization does not show it: the grant in Entra opens every mailbox nevertheless."""
    desk.world.application.roles = ("Mail.Read",)
    desk.world.application.scoped = {desk.mailbox.user_id: ("Mail.Read",)}
    step = (await desk.steps())["scope"]
    assert (step["result"], step["code"]) == ("warned", "unscopedGrant")
    assert step["evidence"]["unscoped"] == ["Mail.Read"]
    other = desk.world.new_mailbox("director")
    name = f"forbidden_mailbox:{other.user_id}"
    steps = await desk.failing(name, "notRefused", "Mail.Read", "Entra", options=("--deny", other.user_id))
    assert steps["scope"]["result"] == "passed"


async def test_a_grant_without_scope_is_named_beside_other_faults_of_the_grant(desk: Desk) -> None:
    """The faults are a permission that is missing, and one too many."""
    desk.world.application.roles = ("Mail.Read",)
    await desk.change(sAfterImport="read")
    steps = await desk.steps()
    assert (steps["permissions"]["code"], steps["scope"]["code"]) == ("mayNotWrite", "unscopedGrant")
    desk.world.application.roles = ("Mail.ReadWrite", "Mail.Send")
    steps = await desk.steps()
    assert (steps["permissions"]["code"], steps["scope"]["code"]) == ("tooManyPermissions", "unscopedGrant")
    assert steps["scope"]["evidence"]["unscoped"] == ["Mail.ReadWrite"]


async def test_a_scope_that_is_too_wide_is_distinguished_from_a_grant(desk: Desk) -> None:
    other = desk.world.new_mailbox("director")
    desk.world.application.roles = ()
    desk.world.application.scoped = {each.user_id: ("Mail.Read",) for each in (desk.mailbox, other)}
    name = f"forbidden_mailbox:{other.user_id}"
    steps = await desk.failing(name, "notRefused", "Set-ManagementScope", options=("--deny", other.user_id))
    assert steps[name]["evidence"]["unscoped"] == []


async def test_more_permissions_than_needed_are_a_warning(desk: Desk) -> None:
    desk.world.application.roles = ("Mail.Read", "Mail.Send")
    step = (await desk.steps())["permissions"]
    assert (step["result"], step["code"]) == ("warned", "tooManyPermissions")
    assert "Mail.Send" in step["cause"]


async def test_actions_after_the_import_need_more(desk: Desk) -> None:
    desk.world.application.roles = ("Mail.Read",)
    await desk.change(sAfterImport="read")
    step = (await desk.steps())["permissions"]
    assert (step["result"], step["code"]) == ("warned", "mayNotWrite")


async def test_a_policy_that_excludes_the_mailbox(desk: Desk) -> None:
    desk.world.application.denied.add(desk.mailbox.user_id)
    steps = await desk.failing("mailbox", "mailboxExcluded", "policy", "2 hours")
    assert steps["permissions"]["result"] == "passed"
    assert steps["mailbox"]["evidence"]["graph_code"] == "ErrorAccessDenied"


async def test_a_wrong_object_id(desk: Desk) -> None:
    await desk.change(sUserID="11111111-2222-4333-8444-555555555555")
    await desk.failing("user", "userNotFound", "user account does not exist", "object ID", "shared mailbox")


@pytest.mark.parametrize(
    ("state", "step", "code", "says"),
    [
        (MailboxState.NO_SUCH_USER, "user", "userNotFound", "does not exist"),
        (MailboxState.INVALID_USER, "user", "userNotFound", "does not exist"),
        (MailboxState.NOT_ENABLED, "mailbox", "noMailbox", "licence"),
        (MailboxState.NOT_HOSTED, "mailbox", "mailboxElsewhere", "Exchange Online"),
        (MailboxState.NO_INBOX, "mailbox", "notAMailbox", "not a mailbox"),
    ],
)
async def test_a_mailbox_that_is_not_one(state: MailboxState, step: str, code: str, says: str, desk: Desk) -> None:
    desk.mailbox.state = state
    await desk.failing(step, code, says)


@pytest.mark.parametrize(
    ("purpose", "code"), [("shared", "kindShared"), ("room", "kindRoom"), ("others", "kindOthers")]
)
async def test_a_mailbox_that_is_not_a_users(purpose: str, code: str, desk: Desk) -> None:
    desk.world.application.roles = ("Mail.Read", "MailboxSettings.Read")
    desk.mailbox.purpose = purpose
    steps = await desk.failing("mailbox_kind", code, "licence")
    assert steps["message"]["result"] == "passed"  # it can be read nevertheless


async def test_a_shared_mailbox_passes_where_it_is_meant_to_be_one(desk: Desk) -> None:
    desk.world.application.roles = ("Mail.Read", "MailboxSettings.Read")
    desk.mailbox.purpose = "shared"
    await desk.failing("mailbox_kind", "kindShared", "--allow-shared")
    steps = await desk.steps("--allow-shared")
    assert steps["mailbox_kind"]["result"] == "passed"
    desk.mailbox.purpose = "room"
    await desk.failing("mailbox_kind", "kindRoom", options=("--allow-shared",))


async def test_whose_mailbox_it_is_cannot_always_be_known(desk: Desk) -> None:
    step = (await desk.steps())["mailbox_kind"]
    assert (step["result"], step["code"]) == ("warned", "kindUnknown")
    assert "MailboxSettings.Read" in step["cause"]


async def test_a_folder_that_is_not_there(desk: Desk) -> None:
    await desk.change(sFolder="AAMkAGQ" + "x" * 60)
    steps = await desk.failing("folder", "ErrorItemNotFound", "folder")
    assert steps["message"]["result"] == "not_tried"


async def test_a_forbidden_mailbox_that_opens(desk: Desk) -> None:
    other = desk.world.new_mailbox("director")
    name = f"forbidden_mailbox:{other.address}"
    await desk.failing(name, "notRefused", other.address, "RBAC", options=("--deny", other.address))
    desk.world.application.denied.add(other.user_id)
    steps = await desk.steps("--deny", other.address)
    assert steps[name]["result"] == "passed"


async def test_a_forbidden_user_who_does_not_exist_proves_nothing(desk: Desk) -> None:
    await desk.failing(
        "forbidden_mailbox:nobody@riviere.example", "nothingToRefuse", options=("--deny", "nobody@riviere.example")
    )


async def test_an_outage_of_graph_is_reported_as_one(desk: Desk) -> None:
    desk.world.fault(FaultKind.UNAVAILABLE, status=503)
    steps = await desk.steps()
    assert steps["user"]["result"] == "failed"
    assert "service health" in steps["user"]["cure"]


# --- The notification address ---


async def test_the_address_answers_and_graph_can_subscribe(office: Office, office_desk: Desk) -> None:
    async with office.receiving():
        steps = await office_desk.steps()
    assert steps["notification_handshake"]["result"] == "passed"
    assert steps["subscription"]["result"] == "passed"
    assert office.at_graph() == []


async def test_a_running_manager_is_not_disturbed(office: Office, office_desk: Desk) -> None:
    async with office.receiving(), office.managing(reconciling=True):
        await until(lambda: office.in_step(1))
        before = await office.held()
        for _ in range(3):
            assert (await office_desk.steps())["subscription"]["result"] == "passed"
        assert await office.held() == before
        assert await office.in_step(1)
    assert {each.change_type for each in office.at_graph()} == {"created"}


async def test_a_receiver_that_does_not_run(desk: Desk) -> None:
    desk.changed = {"notification_url": f"http://127.0.0.1:{free_port()}"}
    steps = await desk.failing("subscription", "connectionRefused", "port in notification_url", "run receiver")
    own = steps["notification_handshake"]
    assert (own["result"], own["code"]) == ("warned", "connectionRefused")
    assert desk.world.simulator.subscriptions.all() == []


async def test_a_notification_address_whose_name_is_unknown(desk: Desk) -> None:
    """The endpoint as such is named, also in the step in which Graph refuses."""
    desk.changed = {"notification_url": "https://mail-in.invalid"}
    steps = await desk.failing("subscription", "nameUnknown", "mail-in.invalid", "public DNS")
    assert steps["notification_certificate"]["code"] == "nameUnknown"


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "Start the receiver"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "firewall"),
        (NOT_FOUND, "these paths"),
        (b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "redirection"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
            "text/html",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
            "as it was",
        ),
    ],
)
async def test_something_else_answers_at_the_address(head: bytes, says: str, desk: Desk) -> None:
    with answering(head) as port:
        desk.changed = {"notification_url": f"http://127.0.0.1:{port}"}
        steps = await desk.failing("notification_handshake", "notValidated", says)
    assert (steps["subscription"]["result"], steps["subscription"]["code"]) == ("failed", "endpointNotValidated")


async def test_the_chain_of_the_address_is_incomplete(
    desk: Desk, root: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    between = Issuer(root.folder, "Issuing CA", "Between Ltd", above=root)
    # A public authority, from the view of this machine.
    monkeypatch.setenv("SSL_CERT_FILE", str(root.file()))
    with answering(tls=between.serving("127.0.0.1", whole_chain=False)) as port:
        desk.changed = {"notification_url": f"https://127.0.0.1:{port}"}
        steps = await desk.failing("notification_certificate", "chainIncomplete", "Between Ltd", "fullchain")
    assert steps["notification_handshake"]["result"] == "not_tried"
    with answering(NOT_FOUND, tls=between.serving("127.0.0.1")) as port:
        desk.changed = {"notification_url": f"https://127.0.0.1:{port}"}
        assert (await desk.steps())["notification_certificate"]["result"] == "passed"


async def test_an_address_that_only_ca_bundle_trusts_is_a_warning(desk: Desk, root: Issuer) -> None:
    both = root.folder / "both.pem"
    both.write_bytes(root.file().read_bytes() + desk.world.simulator.ca_file.read_bytes())
    with answering(NOT_FOUND, tls=root.serving("127.0.0.1")) as port:
        desk.changed = {"notification_url": f"https://127.0.0.1:{port}", "ca_bundle": both}
        step = (await desk.steps())["notification_certificate"]
    assert (step["result"], step["code"]) == ("warned", "trustedHereOnly")


async def test_a_subscription_that_cannot_be_removed_is_reported(office: Office, office_desk: Desk) -> None:
    office.world.fault(FaultKind.FORBIDDEN, operation=Operation.DELETE_SUBSCRIPTION)
    async with office.receiving():
        step = (await office_desk.steps())["subscription"]
    assert (step["result"], step["code"]) == ("warned", "notRemoved")
    (left,) = office.at_graph()
    assert left.expires - office.world.clock() < timedelta(minutes=47)


# --- Database and queue ---


async def test_a_database_that_takes_nothing(desk: Desk) -> None:
    with desk.world.fragile.locked():
        steps = await desk.steps()
    assert steps["database"]["result"] == "failed"
    assert steps["database"]["code"] == "databaseUnavailable"
    assert steps["queue"]["result"] == "not_tried"
    assert steps["message"]["result"] == "passed"


# --- Folders ---


async def test_a_folder_is_found_by_its_path_in_the_language_of_the_mailbox(desk: Desk) -> None:
    desk.mailbox.folders["inbox"].display_name = "Boîte de réception"
    results = desk.mailbox.add_folder("Résultats", parent=desk.mailbox.folders["inbox"])
    for path in ("Boîte de réception/Résultats", "inbox/résultats"):
        await desk.change(sFolder=path)
        step = (await desk.steps())["folder"]
        assert (step["result"], step["evidence"]["display_name"]) == ("passed", results.display_name)
    await desk.change(sFolder="inbox/Resultate")
    await desk.failing("folder", "folderNotFound", "Resultate", f"accounts folders {NAME}")
    assert "Resultate" not in {each.display_name for each in desk.mailbox.folders.values()}


async def test_the_folders_of_a_mailbox_are_listed_as_a_tree(desk: Desk) -> None:
    inbox = desk.mailbox.folders["inbox"]
    results = desk.mailbox.add_folder("Results", parent=inbox)
    slashed = desk.mailbox.add_folder("In / out", parent=results)
    await desk.world.deliver(desk.mailbox, 2)
    result = await desk.call("accounts", "folders", NAME, "--json")
    rows = {row["id"]: row for row in json.loads(result.stdout)}
    assert len(rows) == len({each.folder_id for each in desk.mailbox.folders.values()})
    assert (rows[inbox.folder_id]["path"], rows[inbox.folder_id]["messages"]) == ("Inbox", 2)
    assert rows[results.folder_id]["path"] == "Inbox/Results"
    assert (rows[slashed.folder_id]["path"], rows[slashed.folder_id]["names"][-1]) == (None, "In / out")
    shown = (await desk.call("accounts", "folders", NAME)).stdout
    for folder in (inbox, results, slashed):
        assert folder.folder_id in shown
    assert "    In / out" in shown


# --- The report ---


async def test_the_report_holds_what_support_needs_and_no_secret(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.world.deliver(desk.mailbox, 1, Mail(subject="Streng vertraulich", body="Geheim"))
    secrets = {
        "client_state_secret": "s3cr3t-of-the-receiver-0123456789-abc",
        "certificate_password": "s3cr3t-of-the-key",
        "servicebus_connection_string": "Endpoint=sb://x/;SharedAccessKey=s3cr3t-of-the-bus",
    }
    desk.changed = {name: SecretStr(value) for name, value in secrets.items()}
    file = tmp_path / "support.json"
    with Proxy(credentials="me:s3cr3t-of-the-proxy").running() as port:
        behind(port, monkeypatch, "me:s3cr3t-of-the-proxy@")
        await desk.steps("--report", str(file))
    text = file.read_text("utf-8")
    for secret in ("s3cr3t", "vertraulich", "Geheim", "PRIVATE KEY", "Bearer"):
        assert secret not in text
    assert not re.search(r"eyJ[\w-]+\.[\w-]+\.", text)  # a token; a certificate in base64 may hold its first letters
    document = json.loads(text)
    assert document["settings"]["client_state_secret"] == "set"
    assert document["settings"]["graph_url"] == desk.world.simulator.url
    assert document["account"]["user_id"] == desk.mailbox.user_id
    assert document["certificate"]["thumbprint"] == desk.world.certificate.thumbprint
    assert document["token_claims"]["appid"] == desk.world.application.client_id
    assert document["proxies"]["https"] == f"http://127.0.0.1:{port}"
    assert document["versions"]["cryptography"]
    assert document["test"]["steps"][0]["name"] == "settings"


async def test_a_report_that_cannot_be_written(desk: Desk, tmp_path: Path) -> None:
    result = await desk.call("accounts", "test", NAME, "--report", str(tmp_path / "missing" / "support.json"))
    assert result.exit_code == 1
    assert "support.json" in result.stderr


# --- Before an account is added ---


@pytest.fixture
def add(desk: Desk) -> Callable[..., Awaitable[Result]]:
    async def call(mailbox: Mailbox, *more: str) -> Result:
        application = desk.world.application
        return await desk.call(
            *("accounts", "add", "--test", "--name", "new", "--tenant-id", application.tenant_id),
            *("--client-id", application.client_id, "--user-id", mailbox.user_id),
            *("--thumbprint", desk.world.certificate.thumbprint, "--no-secure-certificate-access", *more),
        )

    return call


async def names(desk: Desk) -> list[str]:
    def read(connection: Connection) -> list[str]:
        return [each.settings.name for each in accounts.every(connection)]

    return await desk.world.database.read(read)


async def test_an_account_that_passes_is_added(desk: Desk, add: Callable[..., Awaitable[Result]]) -> None:
    result = await add(desk.world.new_mailbox("new"))
    assert result.exit_code == 0, result.output
    assert "Sign-in gives a token" in result.stdout
    assert await names(desk) == [NAME, "new"]


async def test_an_account_that_fails_is_not_added(desk: Desk, add: Callable[..., Awaitable[Result]]) -> None:
    mailbox = desk.world.new_mailbox("new")
    mailbox.state = MailboxState.NOT_ENABLED
    result = await add(mailbox)
    assert result.exit_code == 1
    assert "Nothing was saved" in result.stderr
    assert await names(desk) == [NAME]


async def test_a_remedy_names_the_option_while_there_is_no_account_to_update(
    desk: Desk, add: Callable[..., Awaitable[Result]]
) -> None:
    result = await add(desk.world.new_mailbox("new"), "--folder", "Nowhere")
    remedy = " ".join(result.stdout.split())
    assert "name one of them: the option --folder PATH" in remedy
    assert "accounts update" not in remedy


async def test_the_steps_before_an_account_is_added_leave_standard_output_to_the_json(
    desk: Desk, add: Callable[..., Awaitable[Result]]
) -> None:
    result = await add(desk.world.new_mailbox("new"), "--json")
    assert json.loads(result.stdout)["action"] == "added"
    assert "Sign-in gives a token" in result.stderr


async def test_an_account_that_is_there_already_is_reported_as_such(
    desk: Desk, add: Callable[..., Awaitable[Result]]
) -> None:
    result = await add(desk.mailbox)
    assert result.exit_code == 1
    assert NAME in result.output
    assert await names(desk) == [NAME]
