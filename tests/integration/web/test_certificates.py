"""Certificates in the web console: which accounts use each, what to do, and new ones."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.web.rights import Role
from db.queries import accounts
from db.queries.accounts import AccountSettings
from graph.certificates import make_self_signed, write_pair
from tests.databases import Gateway
from tests.integration.web.console_site import ConsoleSite, console_site

TENANT, CLIENT = "11111111-2222-3333-4444-555555555555", "66666666-7777-8888-9999-aaaaaaaaaaaa"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


def add(site: ConsoleSite, name: str, thumbprint: str) -> None:
    settings = AccountSettings(name, TENANT, CLIENT, f"{name}@riviere.example", thumbprint)
    site.write(lambda c: accounts.add(c, settings, now=site.services.clock()))


async def test_certificates_show_their_accounts_and_what_to_do(gateway: Gateway, store: Path) -> None:
    soon = make_self_signed("soon", now=datetime.now(UTC), days=20, key_bits=2048)
    write_pair(soon, store, "soon")
    (store / "broken.pem").write_text("nothing")
    async with console_site(gateway, clock=lambda: datetime.now(UTC), certificate_store=str(store)) as site:
        add(site, "laboratory", soon.thumbprint.lower())
        add(site, "lost", "0" * 40)
        viewer = await site.signed_in(Role.VIEWER)
        page = await viewer.get("/certificates")
        assert f'href="/certificates/{soon.thumbprint}"' in page.text
        assert "broken.pem" in page.text
        assert "lacks certificates that accounts name" in page.text
        assert "0" * 40 in page.text
        assert "/certificates/new" not in page.text
        one = await viewer.get(f"/certificates/{soon.thumbprint}")
        assert "The certificate ends soon." in one.text
        assert 'href="/mailboxes/laboratory"' in one.text
        assert "PRIVATE KEY" not in one.text
        assert (await viewer.get(f"/certificates/{soon.thumbprint}/cer")).status == 403
        assert (await viewer.get("/certificates/new")).status == 403
        assert (await viewer.post("/certificates/new", {"subject": "x"})).status == 403
        assert (await viewer.get("/certificates/nonsense")).status == 404


async def test_an_administrator_makes_a_certificate_and_downloads_its_public_part(
    gateway: Gateway, store: Path
) -> None:
    async with console_site(gateway, clock=lambda: datetime.now(UTC), certificate_store=str(store)) as site:
        boss = await site.signed_in(Role.ADMINISTRATOR)
        await boss.get("/certificates/new")
        assert (await boss.post("/certificates/new", {"subject": ""})).status == 422
        assert (await boss.post("/certificates/new", {"subject": "x" * 300})).status == 422
        answer = await boss.post("/certificates/new", {"subject": "mail-importer console"})
        page = await boss.follow(answer)
        assert "The certificate is made." in page.text
        file = await boss.get(f"{answer.location}/cer")
        assert file.headers["Content-Disposition"].startswith("attachment")
        assert file.text.startswith("-----BEGIN CERTIFICATE-----")
        assert "PRIVATE" not in file.text
    assert sorted(each.suffix for each in store.iterdir()) == [".cer", ".pem"]  # noqa: ASYNC240  # a few files
