"""Sign-in by a host that keeps no secret: its identity opens the vault, whose key signs in at Entra."""

from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from console.settings import Settings
from console.wiring.certificate_store import certificate_store
from console.wiring.credentials import token_source
from graph.application import Application
from graph.certificates import make_self_signed
from simulator.authority import Authority
from simulator.simulator import Simulator, system_clock
from tests.doubles.key_vault import key_vault
from tests.doubles.managed_identity import managed_identity_host

pytest.importorskip("graph.certificates.keyvault", reason="the extra azure is not installed", exc_type=ImportError)


async def test_a_key_of_the_vault_signs_in_for_the_identity_of_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host's endpoint opens the vault, the vault signs the assertion, and the sign-in service verifies it."""
    certificate = make_self_signed("mail", now=system_clock(), key_bits=2048)
    opened: list[str] = []
    async with (
        Simulator(tmp_path / "simulator") as simulator,
        managed_identity_host(rsa.generate_private_key(65537, 2048)) as host,
        key_vault(Authority(tmp_path, system_clock()), {"new": certificate}) as vault,
    ):

        def accepts(token: str) -> bool:
            if not token:
                return False
            claims = jwt.decode(token, host.key.public_key(), ["RS256"], audience="https://vault.azure.net")
            opened.append(claims["sub"])
            return True

        vault.accepts = accepts
        for name, value in host.environment.items():
            monkeypatch.setenv(name, value)
        roots = tmp_path / "roots.pem"
        roots.write_bytes(simulator.ca_file.read_bytes() + (tmp_path / "ca.pem").read_bytes())
        settings = Settings(
            certificate_store=f"keyvault:{vault.url}",
            keyvault_credential="managed_identity",
            authority_url=simulator.url,
            graph_url=simulator.url,
            ca_bundle=roots,
        )
        registered = simulator.add_application()
        ids = registered.tenant_id, registered.client_id
        simulator.register_certificate(*ids, certificate.public_pem.encode())
        tokens = token_source(settings, simulator.url, certificate_store(settings))
        application = Application("support", "account Support", *ids, certificate.thumbprint, False)
        assert await tokens.token(application)
        assert tokens.certificate_in_use(application) == certificate.thumbprint
    assert vault.calls.count("sign") == 1
    assert set(opened) == {"22222222-2222-4222-8222-222222222222"}
