import asyncio
import base64
import ssl
import threading
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from structlog.testing import capture_logs

from availability import Availability, Service
from graph.assertion import client_assertion
from graph.certificates import (
    Certificate,
    CertificateStore,
    FolderStore,
    SoftwareKey,
    make_self_signed,
    write_pair,
)
from graph.certificates.windows.store import StoreName, WindowsStore
from graph.client import GraphClient, open_session
from graph.errors import AccessDenied, CertificateError, CertificateFault, GraphUnavailable, SignInRefused
from graph.mailbox import Mailbox
from graph.messages import MailReader
from graph.token import TokenSource
from simulator.calls import Operation
from simulator.faults import Fault, FaultKind
from simulator.simulator import Simulator
from tests.doubles.listeners import Proxy
from tests.doubles.scripted_graph import NOW, Clock, Script, make_mailbox, raw
from tests.doubles.windows import Windows

UNKNOWN = "11111111-2222-4333-8444-555555555555"


@dataclass
class World:
    """The simulator with one application and one mailbox, and the objects that the product needs to use them."""

    simulator: Simulator
    mailbox: Mailbox
    store: CertificateStore
    folder: Path
    clock: Clock

    def tokens(self, **options: Any) -> TokenSource:  # noqa: ANN401 (options of TokenSource)
        settings: dict[str, Any] = {
            "authority_url": self.simulator.url,
            "graph_url": self.simulator.url,
            "ca_bundle": self.simulator.ca_file,
            "monotonic": self.clock,
        }
        return TokenSource(self.store, **{**settings, **options})

    @property
    def issued(self) -> int:
        return int(self.simulator.tokens.issued)

    def asked(self, operation: Operation = Operation.TOKEN) -> int:
        return int(self.simulator.statistics()["calls"].get(str(operation), 0))


@pytest.fixture
async def world(tmp_path: Path, self_signed: Certificate, clock: Clock) -> AsyncIterator[World]:
    write_pair(self_signed, tmp_path / "certificates", "mail")
    async with Simulator(tmp_path / "simulator") as simulator:
        application = simulator.add_application()
        box = simulator.add_mailbox("support@example.net", "Support", application.tenant_id)
        simulator.register_certificate(application.tenant_id, application.client_id, self_signed.public_pem.encode())
        mailbox = make_mailbox(
            tenant_id=application.tenant_id,
            client_id=application.client_id,
            user_id=box.user_id,
            thumbprint=self_signed.thumbprint,
        )
        folder = tmp_path / "certificates"
        yield World(simulator, mailbox, FolderStore(folder), folder, clock)


async def test_a_good_certificate_signs_in_and_opens_the_mailbox(world: World) -> None:
    async with open_session(world.simulator.url, ca_bundle=world.simulator.ca_file) as session:
        reader = MailReader(GraphClient(session, world.tokens(), base_url=world.simulator.url))
        folder = await reader.probe(world.mailbox)
    assert folder["displayName"]


@pytest.fixture
def windows(self_signed: Certificate) -> Iterator[Windows]:
    """A Windows machine with the certificate in LocalMachine/My, and its key, which cannot be exported."""
    machine = Windows()
    assert isinstance(self_signed.key, SoftwareKey)
    machine.put(x509.load_pem_x509_certificate(self_signed.public_pem.encode()), self_signed.key.key)
    yield machine
    assert machine.left_open == 0


async def test_a_key_of_the_windows_store_signs_in(world: World, windows: Windows) -> None:
    """The simulator verifies the signature made by Windows."""
    world.store = WindowsStore(StoreName.parse("windows:LocalMachine/My"), windows.native())
    tokens = world.tokens()
    assert await tokens.token(world.mailbox.application)
    assert tokens.certificate_in_use(world.mailbox.application) == world.mailbox.thumbprint
    assert ("NCryptSignHash", "SHA256", 32, "0x48") in windows.calls


async def test_a_key_that_stops_signing_is_the_certificates_fault(world: World, windows: Windows) -> None:
    """It opens, and refuses once its signature is required: not mistaken for a response of the sign-in service."""
    world.store = WindowsStore(StoreName.parse("windows:LocalMachine/My"), windows.native())
    windows.stores["LocalMachine", "My"][0].signing_fails = 0x80090010
    with pytest.raises(CertificateError, match="Support") as caught:
        await world.tokens().token(world.mailbox.application)
    assert caught.value.fault is CertificateFault.KEY_UNREADABLE
    assert "Manage Private Keys" in caught.value.advice


def test_an_assertion_is_what_entra_documents(self_signed: Certificate) -> None:
    """PS256 and the SHA-256 of the certificate, without padding; no certificate and no key in it."""
    assert self_signed.key is not None
    made = client_assertion(self_signed, self_signed.key, client_id="c", token_url="https://login/t", now=NOW)
    header, claims = jwt.get_unverified_header(made), jwt.decode(made, options={"verify_signature": False})
    digest = x509.load_pem_x509_certificate(self_signed.public_pem.encode()).fingerprint(hashes.SHA256())
    assert header == {"alg": "PS256", "typ": "JWT", "x5t#S256": base64.urlsafe_b64encode(digest).decode().rstrip("=")}
    moment = int(NOW.timestamp())
    assert uuid.UUID(claims.pop("jti")).version == 4
    assert claims == {
        "aud": "https://login/t",
        "iss": "c",
        "sub": "c",
        "iat": moment,
        "nbf": moment - 300,
        "exp": moment + 600,
    }


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"])
async def test_the_environment_does_not_decide_whom_we_trust(
    name: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = tmp_path / "bad"
    bad.write_text("machine 127.0.0.1 login x password y\n")
    monkeypatch.setenv(name, str(bad))
    assert await world.tokens().token(world.mailbox.application)


async def test_without_the_bundle_the_simulator_is_not_trusted(world: World) -> None:
    with pytest.raises(GraphUnavailable, match="ca_bundle"):
        await world.tokens(ca_bundle=None).token(world.mailbox.application)


async def test_fifty_callers_make_one_sign_in(world: World) -> None:
    tokens = world.tokens()
    got = await asyncio.gather(*(tokens.token(world.mailbox.application) for _ in range(50)))
    assert len(set(got)) == 1
    assert world.asked() == world.issued == 1
    assert got[0] not in repr(tokens)
    assert got[0] not in repr(tokens._held)


async def test_a_held_token_never_leaves_the_event_loop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = world.tokens()
    await tokens.token(world.mailbox.application)

    def refuse(*_: object) -> None:
        pytest.fail("a thread was started")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert await tokens.token(world.mailbox.application)


async def test_a_token_is_renewed_five_minutes_early(world: World) -> None:
    tokens = world.tokens()
    first = await tokens.token(world.mailbox.application)
    world.clock.seconds += 3599 - 301
    assert await tokens.token(world.mailbox.application) == first
    world.clock.seconds += 2
    assert await tokens.token(world.mailbox.application) != first
    assert world.issued == 2


async def test_while_one_renews_the_others_go_on_with_the_old_one(world: World) -> None:
    tokens = world.tokens()
    first = await tokens.token(world.mailbox.application)
    world.clock.seconds += 3400
    got = await asyncio.gather(*(tokens.token(world.mailbox.application) for _ in range(10)))
    assert len(set(got)) == 2
    assert got.count(first) == 9
    assert world.issued == 2


async def test_a_failed_renewal_leaves_the_old_token_in_use(world: World) -> None:
    tokens = world.tokens()
    first = await tokens.token(world.mailbox.application)
    world.clock.seconds += 3400
    world.simulator.faults.add(Fault(FaultKind.SIGN_IN_REFUSED, operation=Operation.TOKEN))
    with capture_logs() as logs:
        assert await tokens.token(world.mailbox.application) == first
    assert [entry["event"] for entry in logs] == ["token_renewal_failed"]
    assert first not in str(logs)
    asked = world.asked()
    assert await tokens.token(world.mailbox.application) == first
    assert world.asked() == asked
    world.clock.seconds += 200
    with pytest.raises(SignInRefused):
        await tokens.token(world.mailbox.application)


async def test_a_certificate_that_is_not_uploaded_is_refused_with_advice(world: World, tmp_path: Path) -> None:
    stranger = make_self_signed("stranger", now=NOW, key_bits=2048)
    write_pair(stranger, tmp_path / "certificates", "stranger")
    with pytest.raises(SignInRefused) as caught:
        await world.tokens().token(replace(world.mailbox, thumbprint=stranger.thumbprint).application)
    assert caught.value.aadsts == 700027
    assert "Upload the .cer" in caught.value.advice
    assert "Support" in str(caught.value)
    assert stranger.thumbprint in str(caught.value)


async def test_an_unknown_tenant_is_refused(world: World) -> None:
    with pytest.raises(SignInRefused) as caught:
        await world.tokens().token(replace(world.mailbox, tenant_id=UNKNOWN).application)
    assert "tenant id" in caught.value.advice
    assert caught.value.aadsts == 90002


async def test_an_unknown_application_is_refused(world: World) -> None:
    with pytest.raises(SignInRefused) as caught:
        await world.tokens().token(replace(world.mailbox, client_id=UNKNOWN).application)
    assert caught.value.aadsts == 700016


async def test_an_unknown_number_has_advice_too(world: World) -> None:
    world.simulator.faults.add(Fault(FaultKind.SIGN_IN_REFUSED, operation=Operation.TOKEN, code=424242))
    with pytest.raises(SignInRefused) as caught:
        await world.tokens().token(world.mailbox.application)
    assert caught.value.aadsts == 424242
    assert "code=424242" in caught.value.advice


@pytest.mark.parametrize("code", [90033, 90012, 90024, 90006])
async def test_some_numbers_pass_by_themselves(code: int, world: World) -> None:
    world.simulator.faults.add(Fault(FaultKind.SIGN_IN_REFUSED, operation=Operation.TOKEN, code=code))
    with pytest.raises(GraphUnavailable):
        await world.tokens().token(world.mailbox.application)


async def test_a_refusal_is_remembered_for_a_moment(world: World) -> None:
    tokens = world.tokens()
    world.simulator.faults.add(Fault(FaultKind.SIGN_IN_REFUSED, operation=Operation.TOKEN, count=1))
    results = await asyncio.gather(
        *(tokens.token(world.mailbox.application) for _ in range(32)), return_exceptions=True
    )
    assert {type(result) for result in results} == {SignInRefused}
    assert len({id(result) for result in results}) == 32
    assert world.asked() == 1
    world.clock.seconds += 6
    assert await tokens.token(world.mailbox.application)


async def test_after_a_401_one_fresh_token_and_one_retry(world: World) -> None:
    tokens = world.tokens()
    world.simulator.faults.add(Fault(FaultKind.UNAUTHORIZED, count=1))
    async with open_session(world.simulator.url, ca_bundle=world.simulator.ca_file) as session:
        reader = MailReader(GraphClient(session, tokens, base_url=world.simulator.url))
        assert await reader.probe(world.mailbox)
        assert world.issued == 2
        world.simulator.faults.add(Fault(FaultKind.UNAUTHORIZED))
        with pytest.raises(AccessDenied):
            await reader.probe(world.mailbox)
        assert world.issued == 2  # the fresh token was seconds old


async def test_a_token_already_replaced_is_not_fetched_again(world: World) -> None:
    tokens = world.tokens()
    first = await tokens.token(world.mailbox.application)
    fresh = await asyncio.gather(*(tokens.fresh(world.mailbox.application, first) for _ in range(20)))
    assert len(set(fresh)) == 1
    assert fresh[0] != first
    assert world.issued == 2


async def test_what_is_granted_counts_within_minutes(world: World) -> None:
    """A token names what was granted before it: one that is refused is replaced, but not at each call."""
    tokens = world.tokens()
    application = world.simulator.tenants.application(world.mailbox.tenant_id, world.mailbox.client_id)
    assert application is not None
    application.roles = ("User.Read.All",)
    async with open_session(world.simulator.url, ca_bundle=world.simulator.ca_file) as session:
        reader = MailReader(GraphClient(session, tokens, base_url=world.simulator.url))
        with pytest.raises(AccessDenied):
            await reader.probe(world.mailbox)
        application.roles = ("Mail.Read",)
        world.clock.seconds += 299
        with pytest.raises(AccessDenied):
            await reader.probe(world.mailbox)
        assert world.issued == 1
        world.clock.seconds += 2
        assert all(await asyncio.gather(*(reader.probe(world.mailbox) for _ in range(10))))
    assert world.issued == 2


async def test_a_refused_token_stays_in_use_when_there_is_no_newer_one(world: World) -> None:
    tokens = world.tokens()
    application = world.mailbox.application
    first = await tokens.token(application)
    world.clock.seconds += 301
    world.simulator.faults.add(Fault(FaultKind.SIGN_IN_REFUSED, operation=Operation.TOKEN, count=1))
    assert await tokens.newer(application, first) is None
    assert await tokens.token(application) == first
    world.clock.seconds += 3600
    assert await tokens.newer(application, first) is None  # it has expired: the next call signs in


async def test_a_missing_certificate_names_the_account(world: World) -> None:
    with pytest.raises(CertificateError, match="Support"):
        await world.tokens().token(replace(world.mailbox, thumbprint="CD" * 20).application)
    assert world.asked() == 0


async def test_a_self_signed_certificate_needs_the_column_at_zero(world: World) -> None:
    with pytest.raises(CertificateError, match="bSecureCertificateAccess"):
        await world.tokens().token(replace(world.mailbox, secure_certificate_access=True).application)
    assert world.asked() == 0


async def test_http_is_refused(world: World) -> None:
    with pytest.raises(SignInRefused, match="https"):
        await world.tokens(authority_url="http://127.0.0.1:1").token(world.mailbox.application)


async def test_no_connection_is_unavailable(world: World) -> None:
    with pytest.raises(GraphUnavailable, match="cannot be reached"):
        await world.tokens(authority_url="https://127.0.0.1:1").token(world.mailbox.application)


def test_a_bad_bundle_is_reported_at_once(world: World, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ca_bundle"):
        world.tokens(ca_bundle=tmp_path / "none.pem")


# --- Two certificates ---


@dataclass
class Pair:
    """An account with two certificates in the store, and the public parts that the application registration holds."""

    world: World
    current: Certificate
    following: Certificate
    application: Any

    @property
    def mailbox(self) -> Mailbox:
        return replace(
            self.world.mailbox, thumbprint=self.current.thumbprint, next_thumbprint=self.following.thumbprint
        )

    def registered(self, *certificates: Certificate) -> None:
        """Make Entra accept these and no others."""
        self.application.certificates.clear()
        for certificate in certificates:
            self.world.simulator.register_certificate(
                self.application.tenant_id, self.application.client_id, certificate.public_pem.encode()
            )

    def remove(self, certificate: Certificate) -> None:
        """Remove its two files from the store."""
        files = [path for path in self.world.folder.iterdir() if certificate.public_pem in path.read_text()]
        assert len(files) == 2, list(self.world.folder.iterdir())
        for path in files:
            path.unlink()

    async def renewed(self, tokens: TokenSource, mailbox: Mailbox) -> str | None:
        """Return the certificate a renewal ends with; no remembered failure blocks it."""
        self.world.clock.seconds += 4000
        await tokens.token(mailbox.application)
        return tokens.certificate_in_use(mailbox.application)


@pytest.fixture(scope="module")
def following() -> Certificate:
    return make_self_signed("the next one", now=NOW, key_bits=2048)


@pytest.fixture
def pair(world: World, self_signed: Certificate, following: Certificate) -> Pair:
    write_pair(following, world.folder, "next")
    application = world.simulator.tenants.application(world.mailbox.tenant_id, world.mailbox.client_id)
    return Pair(world, self_signed, following, application)


def fell_over(logs: list[Any]) -> list[tuple[str, str, str, str]]:
    chosen = [entry for entry in logs if entry["event"] == "certificate_fell_over"]
    return [(entry["log_level"], entry["account"], entry["from"], entry["to"]) for entry in chosen]


async def test_the_current_certificate_is_used_while_it_serves(pair: Pair) -> None:
    """The next one may be in Entra already; it is not tried before it is needed."""
    pair.registered(pair.current, pair.following)
    tokens = pair.world.tokens()
    assert tokens.certificate_in_use(pair.mailbox.application) is None
    with capture_logs() as logs:
        assert await tokens.token(pair.mailbox.application)
    assert tokens.certificate_in_use(pair.mailbox.application) == pair.current.thumbprint
    assert not fell_over(logs)
    assert pair.world.asked() == 1


@pytest.mark.parametrize("fault", ["not registered", "missing", "no key", "pasted wrongly"])
async def test_the_next_certificate_is_used_when_the_current_one_does_not_serve(fault: str, pair: Pair) -> None:
    """Entra may refuse the current one, or it cannot be used here: sign-in goes on, and the change is reported once."""
    mailbox, old = pair.mailbox, pair.current.thumbprint
    pair.registered(pair.following)
    if fault == "pasted wrongly":
        old = "not a thumbprint"
        mailbox = replace(mailbox, thumbprint=old)
    elif fault != "not registered":
        pair.remove(pair.current)
        if fault == "no key":
            (pair.world.folder / "public.cer").write_text(pair.current.public_pem)
    tokens = pair.world.tokens()
    with capture_logs() as logs:
        await tokens.token(mailbox.application)
        assert tokens.certificate_in_use(mailbox.application) == pair.following.thumbprint
        asked = pair.world.asked()
        assert asked == (2 if fault == "not registered" else 1), (logs, list(pair.world.folder.iterdir()))
        for _ in range(3):
            assert await pair.renewed(tokens, mailbox) == pair.following.thumbprint
    assert fell_over(logs) == [("warning", "Support", old, pair.following.thumbprint)]
    assert pair.world.asked() == asked + 3  # the refused one is not tried again


@pytest.mark.slow
async def test_an_expired_certificate_gives_way_to_the_next(pair: Pair, world: World) -> None:
    """An expired one is not sent to Entra at all."""
    old = make_self_signed("old", now=NOW - timedelta(days=800), key_bits=2048)
    write_pair(old, world.folder, "old")
    pair.registered(old, pair.following)
    mailbox = replace(pair.mailbox, thumbprint=old.thumbprint)
    tokens = world.tokens()
    assert await tokens.token(mailbox.application)
    assert tokens.certificate_in_use(mailbox.application) == pair.following.thumbprint
    assert world.asked() == 1


@pytest.mark.parametrize("code", [700027, 1000502, 7000214, 7000277, 7000274, 700030])
async def test_each_number_about_the_certificate_leads_to_the_next(code: int, pair: Pair) -> None:
    """Entra has several numbers for a certificate it does not accept (docs/graph.md, section 9)."""
    pair.registered(pair.current, pair.following)
    pair.world.simulator.faults.add(Fault(FaultKind.SIGN_IN_REFUSED, operation=Operation.TOKEN, code=code, count=1))
    tokens = pair.world.tokens()
    assert await tokens.token(pair.mailbox.application)
    assert tokens.certificate_in_use(pair.mailbox.application) == pair.following.thumbprint


@pytest.mark.parametrize("code", [90002, 700016, 7000112, 700024, 424242])
async def test_what_another_certificate_would_not_correct_is_reported_at_once(code: int, pair: Pair) -> None:
    """A wrong tenant, a disabled application, a wrong clock: the next certificate is not wasted on them."""
    pair.registered(pair.current, pair.following)
    pair.world.simulator.faults.add(Fault(FaultKind.SIGN_IN_REFUSED, operation=Operation.TOKEN, code=code))
    with pytest.raises(SignInRefused) as caught:
        await pair.world.tokens().token(pair.mailbox.application)
    assert caught.value.aadsts == code
    assert "next certificate" not in str(caught.value)
    assert pair.world.asked() == 1


async def test_an_outage_is_no_reason_to_change_the_certificate(pair: Pair) -> None:
    """A transient failure is waited for."""
    pair.registered(pair.current, pair.following)
    fault = Fault(FaultKind.SIGN_IN_REFUSED, operation=Operation.TOKEN, code=90033, count=1)
    pair.world.simulator.faults.add(fault)
    tokens = pair.world.tokens()
    with pytest.raises(GraphUnavailable):
        await tokens.token(pair.mailbox.application)
    assert await pair.renewed(tokens, pair.mailbox) == pair.current.thumbprint


async def test_an_outage_while_falling_over_is_an_outage(pair: Pair) -> None:
    """Nothing is permanent until the next one is known not to serve either."""
    pair.registered(pair.following)
    pair.remove(pair.current)
    fault = Fault(FaultKind.SIGN_IN_REFUSED, operation=Operation.TOKEN, code=90033, count=1)
    pair.world.simulator.faults.add(fault)
    tokens = pair.world.tokens()
    with pytest.raises(GraphUnavailable):
        await tokens.token(pair.mailbox.application)
    assert await pair.renewed(tokens, pair.mailbox) == pair.following.thumbprint


async def test_when_the_next_one_stops_serving_the_other_is_tried_again(pair: Pair) -> None:
    """The way back is open too, and is reported like the way there."""
    tokens = pair.world.tokens()
    pair.registered(pair.following)
    with capture_logs() as logs:
        await tokens.token(pair.mailbox.application)
        pair.registered(pair.current)
        assert await pair.renewed(tokens, pair.mailbox) == pair.current.thumbprint
        assert await pair.renewed(tokens, pair.mailbox) == pair.current.thumbprint
    one, two = pair.current.thumbprint, pair.following.thumbprint
    assert fell_over(logs) == [("warning", "Support", one, two), ("warning", "Support", two, one)]
    assert pair.world.asked() == 2 + 2 + 1


@pytest.mark.parametrize("served", ["neither", "the next one"])
async def test_when_neither_serves_the_error_names_both(served: str, pair: Pair) -> None:
    """One text names both certificates; number and advice are the current one's, whichever was tried first."""
    tokens = pair.world.tokens()
    if served == "the next one":
        pair.registered(pair.following)
        await tokens.token(pair.mailbox.application)
        pair.world.clock.seconds += 4000
    pair.registered()
    pair.remove(pair.following)
    with capture_logs() as logs, pytest.raises(SignInRefused) as caught:
        await tokens.token(pair.mailbox.application)
    error = caught.value
    assert error.aadsts == 700027
    assert error.status == 401
    assert str(error) == f"{error.summary} {error.advice}"
    assert "Upload the .cer" in error.advice
    assert str(error).index(pair.current.thumbprint) < str(error).index(f"Certificate {pair.following.thumbprint}")
    assert "next certificate does not serve either" in str(error)
    assert not fell_over(logs)
    assert tokens.certificate_in_use(pair.mailbox.application) is None


async def test_when_both_are_missing_the_error_is_a_certificates(pair: Pair) -> None:
    """The kind is the current certificate's, too."""
    for certificate in (pair.current, pair.following):
        pair.remove(certificate)
    with pytest.raises(CertificateError, match=pair.following.thumbprint) as caught:
        await pair.world.tokens().token(pair.mailbox.application)
    assert pair.current.thumbprint in str(caught.value)


@pytest.mark.parametrize("changed", ["thumbprint", "next_thumbprint"])
async def test_a_changed_thumbprint_is_taken_up_at_the_next_call(changed: str, pair: Pair) -> None:
    """An administrator's correction of either thumbprint waits neither for the token's end nor for a restart."""
    absent = "CD" * 20
    if changed == "thumbprint":
        pair.registered(pair.current)
        wrong = replace(pair.mailbox, thumbprint=absent, next_thumbprint=None)
    else:
        pair.registered(pair.following)
        wrong = replace(pair.mailbox, next_thumbprint=absent)
    tokens = pair.world.tokens()
    with pytest.raises((CertificateError, SignInRefused)):
        await tokens.token(wrong.application)
    assert await tokens.token(pair.mailbox.application)
    promoted = replace(pair.mailbox, thumbprint=pair.following.thumbprint, next_thumbprint=None)
    pair.registered(pair.following)
    assert tokens.certificate_in_use(promoted.application) is None
    assert await tokens.token(promoted.application)
    assert tokens.certificate_in_use(promoted.application) == pair.following.thumbprint


async def test_however_they_were_pasted_the_token_is_one(pair: Pair) -> None:
    """Two accounts of one application and certificate share a token, in any spelling of their thumbprints."""
    pair.registered(pair.current)
    tokens = pair.world.tokens()
    spaced = "\u200e" + " ".join(pair.current.thumbprint.lower())
    pasted = [
        replace(pair.mailbox, next_thumbprint=None),
        replace(pair.mailbox, thumbprint=spaced, next_thumbprint=" "),
        replace(pair.mailbox, thumbprint=spaced, next_thumbprint=pair.current.thumbprint),
    ]
    assert len({await tokens.token(mailbox.application) for mailbox in pasted}) == 1
    assert {tokens.certificate_in_use(mailbox.application) for mailbox in pasted} == {pair.current.thumbprint}
    assert pair.world.asked() == 1


async def test_an_expired_token_says_nothing_of_certificates(pair: Pair) -> None:
    """Only a valid token shows which certificate is valid."""
    pair.registered(pair.current)
    tokens = pair.world.tokens()
    await tokens.token(pair.mailbox.application)
    pair.world.clock.seconds += 3600
    assert tokens.certificate_in_use(pair.mailbox.application) is None


async def test_a_fresh_token_after_a_401_may_come_by_the_next_certificate(pair: Pair) -> None:
    """The call still continues if Graph no longer accepts a token, and Entra no longer its certificate."""
    pair.registered(pair.current)
    tokens = pair.world.tokens()
    first = await tokens.token(pair.mailbox.application)
    pair.registered(pair.following)
    assert await tokens.fresh(pair.mailbox.application, first) != first
    assert tokens.certificate_in_use(pair.mailbox.application) == pair.following.thumbprint


# --- Responses the simulator does not give ---

Respond = Callable[[web.Request], web.Response]
RespondLater = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Odd:
    url: str = ""
    discovery: Respond | RespondLater | None = None
    token: Respond | RespondLater | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            if self.discovery is not None:
                return await self._answered(self.discovery(request))
            base = f"{self.url}/t"
            return web.json_response(
                {"issuer": base, "authorization_endpoint": f"{base}/authorize", "token_endpoint": f"{base}/token"}
            )
        assert self.token is not None
        return await self._answered(self.token(request))

    @staticmethod
    async def _answered(answer: web.StreamResponse | Awaitable[web.StreamResponse]) -> web.StreamResponse:
        return answer if isinstance(answer, web.StreamResponse) else await answer


@pytest.fixture
async def odd(world: World) -> AsyncIterator[Odd]:
    script = Odd()
    issued = world.simulator.issue_certificate("odd")
    context: ssl.SSLContext = issued.server_context()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    script.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    yield script
    await runner.cleanup()


def html(status: int, **headers: str) -> Respond:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: web.Response(status=status, text="<html>", content_type="text/html", headers=named)


@pytest.mark.parametrize("status", [200, 403, 429, 500, 503])
@pytest.mark.parametrize("where", ["discovery", "token"])
async def test_answers_that_are_not_the_sign_in_services_are_transient(
    where: str, status: int, odd: Odd, world: World
) -> None:
    setattr(odd, where, html(status, Retry_After="9"))
    with pytest.raises(GraphUnavailable) as caught:
        await world.tokens(authority_url=odd.url).token(world.mailbox.application)
    assert caught.value.status == status
    assert caught.value.retry_after == 9


async def test_a_sign_in_service_that_throttles_is_left_alone_for_as_long_as_it_demands(odd: Odd, world: World) -> None:
    """Each request meanwhile counts as well; callers learn how much of the pause is left."""
    asked: list[str] = []
    waits: list[float | None] = []

    def throttled(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=429, headers={"Retry-After": "60"})

    odd.token = throttled
    tokens = world.tokens(authority_url=odd.url)
    for _ in range(7):
        with pytest.raises(GraphUnavailable) as caught:
            await tokens.token(world.mailbox.application)
        waits.append(caught.value.retry_after)
        world.clock.seconds += 10
    assert (len(asked), waits) == (2, [60, 50, 40, 30, 20, 10, 60])


async def test_an_answer_nested_beyond_reading_is_transient(odd: Odd, world: World) -> None:
    odd.token = lambda _: web.Response(text="[" * 100_000, content_type="application/json")
    with pytest.raises(GraphUnavailable):
        await world.tokens(authority_url=odd.url).token(world.mailbox.application)


async def test_a_redirect_does_not_carry_the_assertion_away(odd: Odd, world: World) -> None:
    seen: list[str] = []

    def redirect(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.Response(status=307, headers={"Location": f"{odd.url}/elsewhere"})

    odd.token = redirect
    with pytest.raises(GraphUnavailable):
        await world.tokens(authority_url=odd.url).token(world.mailbox.application)
    assert seen == ["/t/token"]


async def test_temporarily_unavailable_is_transient(odd: Odd, world: World) -> None:
    odd.token = lambda _: web.json_response({"error": "temporarily_unavailable"}, status=400)
    with pytest.raises(GraphUnavailable):
        await world.tokens(authority_url=odd.url).token(world.mailbox.application)


async def test_a_short_lived_token_is_renewed_at_half_its_life(odd: Odd, world: World) -> None:
    count = iter(range(10))
    odd.token = lambda _: web.json_response(
        {"access_token": f"t{next(count)}", "expires_in": 100, "token_type": "Bearer"}
    )
    tokens = world.tokens(authority_url=odd.url)
    assert await tokens.token(world.mailbox.application) == "t0"
    world.clock.seconds += 49
    assert await tokens.token(world.mailbox.application) == "t0"
    world.clock.seconds += 2
    assert await tokens.token(world.mailbox.application) == "t1"


async def test_a_failure_that_accounts_share_is_reported_to_each_as_its_own(odd: Odd, world: World) -> None:
    """One sign-in serves them all; the text of none names another account."""
    odd.token = lambda _: web.json_response({"error": "invalid_client", "error_codes": [700027]}, status=401)
    tokens = world.tokens(authority_url=odd.url)
    other = replace(world.mailbox, account_id=2, account_name="other", user_id="other-user")
    for mailbox in (world.mailbox, other, world.mailbox):
        with pytest.raises(SignInRefused) as caught:
            await tokens.token(mailbox.application)
        assert str(mailbox) in str(caught.value)
        assert str(mailbox) in caught.value.summary
        named = other if mailbox is world.mailbox else world.mailbox
        assert named.account_name not in str(caught.value).replace(str(mailbox), "")


# --- Hanging calls ---


async def test_sign_ins_that_hang_hold_no_thread_and_delay_no_other(odd: Odd, world: World) -> None:
    """A sign-in service that is silent for some tenants serves the others, and a sign-in can be cancelled."""
    arrived = asyncio.Semaphore(0)

    async def silent(request: web.Request) -> web.Response:
        if not request.path.startswith(f"/{UNKNOWN}"):
            arrived.release()
            await asyncio.sleep(60)
        return web.json_response(
            {"issuer": odd.url, "authorization_endpoint": f"{odd.url}/a", "token_endpoint": f"{odd.url}/token"}
        )

    odd.discovery = silent
    odd.token = lambda _: web.json_response({"access_token": "t", "expires_in": 3599, "token_type": "Bearer"})
    tokens = world.tokens(authority_url=odd.url)
    before = threading.active_count()
    hanging = [
        asyncio.create_task(tokens.token(replace(world.mailbox, tenant_id=str(uuid.uuid4())).application))
        for _ in range(30)
    ]
    async with asyncio.timeout(60):
        for _ in hanging:
            await arrived.acquire()
        while threading.active_count() > before:  # noqa: ASYNC110 (a thread that ends announces it nowhere)
            await asyncio.sleep(0.001)
        assert await tokens.token(replace(world.mailbox, tenant_id=UNKNOWN).application) == "t"
        for each in hanging:
            each.cancel()
        await asyncio.wait(hanging)


async def test_of_one_tenant_only_some_sign_in_at_once(odd: Odd, world: World) -> None:
    """It does not matter how many applications it has; the others wait for their turn."""
    now: set[str] = set()
    peak = 0

    async def slow(request: web.Request) -> web.Response:
        nonlocal peak
        number = str(uuid.uuid4())
        now.add(number)
        peak = max(peak, len(now))
        await asyncio.sleep(0.05)
        now.discard(number)
        return html(503)(request)

    odd.discovery = slow
    tokens = world.tokens(authority_url=odd.url)
    results = await asyncio.gather(
        *(tokens.token(replace(world.mailbox, client_id=str(uuid.uuid4())).application) for _ in range(12)),
        return_exceptions=True,
    )
    assert {type(result) for result in results} == {GraphUnavailable}
    assert 1 < peak <= 4


async def test_an_answer_that_drips_ends_in_time(odd: Odd, world: World) -> None:
    """A byte now and then is no response."""

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(600):
            await response.write(b" ")
            await asyncio.sleep(0.1)
        return response

    odd.discovery = drip
    tokens = world.tokens(authority_url=odd.url, read_seconds=0.5, connect_seconds=0.5)
    async with asyncio.timeout(60):
        with pytest.raises(GraphUnavailable, match="did not answer in time"):
            await tokens.token(world.mailbox.application)


async def test_an_endless_answer_is_not_read_to_its_end(odd: Odd, world: World) -> None:
    odd.token = lambda _: web.Response(body=b" " * 3_000_000)
    with pytest.raises(GraphUnavailable):
        await world.tokens(authority_url=odd.url).token(world.mailbox.application)


async def test_a_certificate_store_that_hangs_is_reported(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store may be on a network share, or a device that holds the key."""
    release = threading.Event()
    monkeypatch.setattr("graph.token._STORE_SECONDS", 0.05)
    monkeypatch.setattr(world.store, "find", lambda _: release.wait(60))
    try:
        with pytest.raises(GraphUnavailable, match="certificate store"):
            await world.tokens().token(world.mailbox.application)
    finally:
        release.set()


async def test_sign_in_goes_through_the_proxy_but_where_it_is_excepted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTPS_PROXY with its user and password, and NO_PROXY, as for Graph."""
    for name in ("HTTPS_PROXY", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    proxy = Proxy(credentials="importer:p@ss")
    with proxy.running() as port:
        monkeypatch.setenv("https_proxy", f"http://importer:p%40ss@127.0.0.1:{port}")
        assert await world.tokens().token(world.mailbox.application)
        assert proxy.targets == [world.simulator.url.removeprefix("https://")] * len(proxy.targets) != []
        monkeypatch.setenv("https_proxy", f"http://importer:wrong@127.0.0.1:{port}")
        with pytest.raises(GraphUnavailable, match="the proxy did not connect"):
            await world.tokens().token(world.mailbox.application)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert await world.tokens().token(world.mailbox.application)


async def test_a_probe_that_a_server_fails_ends_no_outage(tmp_path: Path, server: Script) -> None:
    """Sign-ins count such an answer as a failure."""
    moment = 0.0
    availability = Availability(clock=lambda: NOW, monotonic=lambda: moment)
    store = FolderStore(tmp_path)
    tokens = TokenSource(store, authority_url=server.url, graph_url=server.url, availability=availability)
    server.say(raw(503))
    for _ in range(4):
        with pytest.raises(GraphUnavailable, match="503"):
            await tokens.reach()
        moment += 5
    assert [each.service for each in availability.outages()] == [Service.SIGN_IN]
    server.answers = [raw(404)]
    await tokens.reach()
    assert availability.outages() == []
