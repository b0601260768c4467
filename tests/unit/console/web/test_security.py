"""Addresses of the console and of browsers, and values derived from a secret."""

import os

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from console.setting_values import networks_in
from console.web.rights import Role, allows, known_roles
from console.web.security import Addresses, csrf_token, has_csrf_token, host_in
from console.web.tokens import key_of, new_id, sealed, unsealed

ADDRESSES = Addresses(
    "https://console.example.net",
    frozenset({"console.example.net"}),
    networks_in("10.0.0.9 10.42.0.0/16 2001:db8:7::/48"),
)


class _Transport:
    def __init__(self, peer: str) -> None:
        self._peer = peer

    def get_extra_info(self, name: str, default: object = None) -> object:
        return (self._peer, 1) if name == "peername" else default


def _request(peer: str = "127.0.0.1", **headers: str) -> web.Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return make_mocked_request("GET", "/", headers=named, transport=_Transport(peer))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("127.0.0.1", None, "127.0.0.1"),
        ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "203.0.113.7:52011", "203.0.113.7"),
        ("127.0.0.1", "[2001:db8::1]:52011", "2001:db8::1"),
        ("127.0.0.1", "<script>", "unknown"),  # and not this host
        ("127.0.0.1", "203.0.113.7, unknown", "unknown"),
        ("127.0.0.1", "", "unknown"),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.7, 127.0.0.1", "203.0.113.7"),  # two proxies of this host
        ("127.0.0.1", "198.51.100.1, 203.0.113.7, 10.0.0.9", "203.0.113.7"),
        ("10.0.0.9", "127.0.0.1", "10.0.0.9"),  # a browser on the host of the proxy
        ("10.0.0.9", "203.0.113.7", "203.0.113.7"),
        ("203.0.113.8", "127.0.0.1", "203.0.113.8"),
        ("::1", "203.0.113.7", "203.0.113.7"),
        ("10.42.3.4", "203.0.113.7", "203.0.113.7"),  # any pod of an ingress controller
        ("::ffff:10.42.3.4", "203.0.113.7", "203.0.113.7"),
        ("2001:db8:7::5", "203.0.113.7", "203.0.113.7"),
        ("10.43.0.1", "203.0.113.7", "10.43.0.1"),
        ("10.42.3.4", "198.51.100.1, 203.0.113.7, 10.42.0.9", "203.0.113.7"),
        ("10.42.3.4", "127.0.0.1, 10.42.0.9", "10.42.0.9"),  # no browser of that network is one of this host
    ],
)
def test_a_browser_is_known_by_what_a_trusted_proxy_forwards(peer: str, forwarded: str | None, client: str) -> None:
    headers = {} if forwarded is None else {"X_Forwarded_For": forwarded}
    assert ADDRESSES.client(_request(peer, **headers)) == client


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("console.example.net", True),
        ("CONSOLE.example.net:443", True),
        ("127.0.0.1:8081", True),
        ("[::1]:8081", True),
        ("localhost:8081", True),
        ("evil.example", False),
        ("console.example.net.evil.example", False),
        ("", False),
    ],
)
def test_only_its_own_names_reach_the_console(host: str, own: bool) -> None:
    assert ADDRESSES.is_own(_request(Host=host)) is own


def test_hosts_are_read_with_and_without_port() -> None:
    assert [host_in(each) for each in ("a.example:1", "a.example", "[::1]:1", "[::1]")] == [
        "a.example",
        "a.example",
        "::1",
        "::1",
    ]


def test_a_form_of_one_browser_is_none_of_another() -> None:
    one, other = new_id(os.urandom), new_id(os.urandom)
    assert has_csrf_token(csrf_token(one), one)
    assert not has_csrf_token(csrf_token(one), other)
    assert not has_csrf_token("é", one)
    assert one not in csrf_token(one)


def test_a_sealed_text_opens_with_its_secret_alone() -> None:
    secret = new_id(os.urandom)
    text = sealed("token", secret, os.urandom)
    assert unsealed(text, secret) == "token"
    assert unsealed(text, new_id(os.urandom)) is None
    assert unsealed(text[:-4] + "AAAA", secret) is None
    assert unsealed("no base64!", secret) is None
    assert key_of(secret) != secret


@pytest.mark.parametrize(
    ("roles", "allowed"),
    [
        ((), set()),
        ((Role.READER,), set()),
        ((Role.VIEWER,), {Role.VIEWER}),
        ((Role.OPERATOR,), {Role.VIEWER, Role.OPERATOR}),
        ((Role.ADMINISTRATOR,), {Role.VIEWER, Role.OPERATOR, Role.ADMINISTRATOR}),
        ((Role.VIEWER, Role.READER), {Role.VIEWER, Role.READER}),
        (tuple(Role), set(Role)),
    ],
)
def test_roles_include_those_before_and_reading_is_beside_them(roles: tuple[Role, ...], allowed: set[Role]) -> None:
    assert {each for each in Role if allows(roles, each)} == allowed


def test_unknown_roles_are_of_no_meaning() -> None:
    assert known_roles(["Viewer", "viewer", "Owner"]) == {Role.VIEWER}
