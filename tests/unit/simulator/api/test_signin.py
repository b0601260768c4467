"""Sign-in by the rules of Entra (docs/graph.md, section 9), by MSAL and by hand-made assertions."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from simulator.api.signin import ASSERTION_TYPE
from simulator.calls import Operation
from simulator.faults import Fault, FaultKind
from simulator.simulator import Simulator
from simulator.state.tenants import Application, read_certificate

KeyPair = tuple[str, str]
SignIn = Callable[..., Awaitable[dict[str, Any]]]


async def test_msal_gets_a_token_that_graph_accepts(
    sim: Simulator, application: Application, pair: KeyPair, sign_in: SignIn, graph: aiohttp.ClientSession
) -> None:
    """MSAL's PS256 assertion with the certificate's SHA-256 signs in; the token carries the roles and opens Graph."""
    sim.register_certificate(application.tenant_id, application.client_id, pair[1].encode())
    result = await sign_in(pair)
    assert result["expires_in"] == 3599
    claims = jwt.decode(result["access_token"], options={"verify_signature": False})
    assert claims["roles"] == ["Mail.Read", "Mail.ReadWrite"]
    headers = {"Authorization": f"Bearer {result['access_token']}"}
    async with graph.get("/v1.0/subscriptions", headers=headers) as response:
        assert response.status == 200


async def test_a_token_for_a_service_of_azure_opens_that_only(
    sim: Simulator, application: Application, pair: KeyPair, sign_in: SignIn, graph: aiohttp.ClientSession
) -> None:
    """It names its audience, and Graph refuses it."""
    sim.register_certificate(application.tenant_id, application.client_id, pair[1].encode())
    result = await sign_in(pair, scope="https://database.windows.net/.default")
    claims = jwt.decode(result["access_token"], options={"verify_signature": False})
    assert claims["aud"] == "https://database.windows.net"
    headers = {"Authorization": f"Bearer {result['access_token']}"}
    async with graph.get("/v1.0/subscriptions", headers=headers) as response:
        assert response.status == 401


async def test_msal_with_a_sha1_thumbprint_signs_in(
    sim: Simulator, application: Application, pair: KeyPair, sign_in: SignIn
) -> None:
    """The earlier form, RS256 with x5t, still works; DER is uploaded as well as PEM."""
    certificate = x509.load_pem_x509_certificate(pair[1].encode())
    der = certificate.public_bytes(Encoding.DER)
    thumbprint = sim.register_certificate(application.tenant_id, application.client_id, der)
    assert thumbprint == certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303 - the portal names certificates so
    assert "access_token" in await sign_in(pair, thumbprint=thumbprint)


async def test_a_certificate_that_is_not_uploaded_is_refused(
    sim: Simulator, application: Application, pair: KeyPair, other_pair: KeyPair, sign_in: SignIn
) -> None:
    """AADSTS700027 names the thumbprint the client used."""
    sim.register_certificate(application.tenant_id, application.client_id, other_pair[1].encode())
    result = await sign_in(pair)
    assert result["error"] == "invalid_client"
    assert result["error_codes"] == [700027]
    assert result["error_description"].startswith("AADSTS700027: ")
    used = x509.load_pem_x509_certificate(pair[1].encode()).fingerprint(hashes.SHA256()).hex().upper()
    assert used in result["error_description"]
    assert {"correlation_id", "trace_id", "timestamp"} <= set(result)


async def test_a_key_that_does_not_fit_the_certificate_is_refused(
    sim: Simulator, application: Application, pair: KeyPair, other_pair: KeyPair, sign_in: SignIn
) -> None:
    """The uploaded certificate with another private key: AADSTS700027."""
    sim.register_certificate(application.tenant_id, application.client_id, pair[1].encode())
    assert (await sign_in((other_pair[0], pair[1])))["error_codes"] == [700027]


async def test_an_uploaded_certificate_out_of_date_is_refused(
    sim: Simulator, application: Application, expired_pair: KeyPair, sign_in: SignIn
) -> None:
    """AADSTS700027 gives expiry as the reason."""
    sim.register_certificate(application.tenant_id, application.client_id, expired_pair[1].encode())
    result = await sign_in(expired_pair)
    assert result["error_codes"] == [700027]
    assert "expired" in result["error_description"]


async def test_a_certificate_put_into_the_uploads_folder_counts_as_registered(
    sim: Simulator, pair: KeyPair, sign_in: SignIn, tmp_path: Path
) -> None:
    """It is found at the next sign-in; other files there do no harm."""
    application = sim.add_application(uploads=tmp_path)
    (tmp_path / "broken.cer").write_bytes(b"half a certifi")
    assert "error" in await sign_in(pair, client_id=application.client_id)
    (tmp_path / "mail-importer.cer").write_text(pair[1])
    assert "access_token" in await sign_in(pair, client_id=application.client_id)


async def test_unknown_and_disabled_applications_and_bad_scopes_are_refused(
    sim: Simulator, application: Application, pair: KeyPair, sign_in: SignIn
) -> None:
    """Each has its own AADSTS code."""
    sim.register_certificate(application.tenant_id, application.client_id, pair[1].encode())
    assert (await sign_in(pair, client_id=str(uuid4())))["error_codes"] == [700016]
    assert (await sign_in(pair, scope="https://graph.example/.default"))["error_codes"] == [70011]
    application.enabled = False
    assert (await sign_in(pair))["error_codes"] == [7000112]


async def test_an_unknown_tenant_fails_in_discovery(sim: Simulator, pair: KeyPair, sign_in: SignIn) -> None:
    """MSAL raises ValueError for it (docs/graph.md, section 9)."""
    with pytest.raises(ValueError, match="authority configuration"):
        await sign_in(pair, tenant_id=str(uuid4()))
    async with _session(sim) as session, session.get(f"/{uuid4()}/v2.0/.well-known/openid-configuration") as response:
        assert response.status == 400
        assert (await response.json())["error"] == "invalid_tenant"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"iss": "somebody"}, 700021),
        ({"sub": "somebody"}, 700021),
        ({"aud": "https://login.example/token"}, 700023),
        ({"exp": -3600}, 700024),
        ({"nbf": 3600}, 700024),
        ({"jti": None}, 50027),
    ],
)
async def test_an_assertion_with_a_wrong_claim_is_refused(
    sim: Simulator, application: Application, pair: KeyPair, now: list[datetime], changed: dict[str, Any], code: int
) -> None:
    """Issuer, subject, audience, times and jti are all checked."""
    sim.register_certificate(application.tenant_id, application.client_id, pair[1].encode())
    status, values = await _post(sim, application, _assertion(sim, application, pair, now[0], changed))
    assert status in {400, 401}
    assert values["error_codes"] == [code]


async def test_an_assertion_is_good_once(
    sim: Simulator, application: Application, pair: KeyPair, now: list[datetime]
) -> None:
    """The second use of a jti is refused."""
    sim.register_certificate(application.tenant_id, application.client_id, pair[1].encode())
    assertion = _assertion(sim, application, pair, now[0], {})
    assert (await _post(sim, application, assertion))[0] == 200
    assert (await _post(sim, application, assertion))[0] == 401


async def test_no_credential_and_no_jwt_are_refused(sim: Simulator, application: Application) -> None:
    """7000218 when nothing is sent, 50027 when it is no assertion."""
    assert (await _post(sim, application, ""))[1]["error_codes"] == [7000218]
    assert (await _post(sim, application, "not.a.jwt"))[1]["error_codes"] == [50027]


async def test_a_token_ends_with_its_life(sim: Simulator, graph: aiohttp.ClientSession, now: list[datetime]) -> None:
    """Graph then responds 401 InvalidAuthenticationToken, like to any unknown token."""
    for token in (None, "Bearer nonsense"):
        async with graph.get("/v1.0/subscriptions", headers={"Authorization": token} if token else {}) as response:
            assert response.status == (401 if token else 200)
    now[0] += sim.tokens.lifetime
    async with graph.get("/v1.0/subscriptions") as response:
        assert response.status == 401
        assert (await response.json())["error"]["code"] == "InvalidAuthenticationToken"


async def test_the_token_endpoint_can_be_made_to_fail(
    sim: Simulator, application: Application, pair: KeyPair, sign_in: SignIn
) -> None:
    """Any AADSTS code, or a 503 that MSAL raises for."""
    sim.register_certificate(application.tenant_id, application.client_id, pair[1].encode())
    sim.faults.add(Fault(FaultKind.SIGN_IN_REFUSED, code=53003, count=1))
    assert (await sign_in(pair))["error_codes"] == [53003]
    sim.faults.add(Fault(FaultKind.UNAVAILABLE, operation=Operation.TOKEN, status=503, retry_after=2, count=1))
    with pytest.raises(Exception, match="503"):
        await sign_in(pair)
    assert "access_token" in await sign_in(pair)


def _assertion(sim: Simulator, application: Application, pair: KeyPair, now: datetime, changed: dict[str, Any]) -> str:
    claims: dict[str, Any] = {
        "aud": f"{sim.url}/{application.tenant_id}/oauth2/v2.0/token",
        "iss": application.client_id,
        "sub": application.client_id,
        "jti": str(uuid4()),
        "nbf": 0,
        "exp": 600,
        **changed,
    }
    for name in ("nbf", "exp"):
        claims[name] = int((now + timedelta(seconds=claims[name])).timestamp())
    claims = {name: value for name, value in claims.items() if value is not None}
    x5t_s256 = read_certificate(pair[1].encode()).x5t_s256
    return jwt.encode(claims, pair[0], algorithm="PS256", headers={"x5t#S256": x5t_s256})


async def _post(sim: Simulator, application: Application, assertion: str) -> tuple[int, dict[str, Any]]:
    form = {
        "grant_type": "client_credentials",
        "client_id": application.client_id,
        "scope": f"{sim.url}/.default",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
    }
    url = f"/{application.tenant_id}/oauth2/v2.0/token"
    async with _session(sim) as session, session.post(url, data=form) as response:
        return response.status, await response.json()


def _session(sim: Simulator) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(sim.url, connector=aiohttp.TCPConnector(ssl=sim.authority.client_context()))
