"""Targets of links: shown as what a browser would open, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.web.link_targets import link_target


@pytest.mark.parametrize(
    ("address", "href"),
    [
        ("https://example.org/a?b=c&d#e", "https://example.org/a?b=c&d#e"),
        ("HTTP://Example.ORG:8080", "http://example.org:8080"),
        ("  https:example.org\\a\\b?c\\d ", "https://example.org/a/b?c%5Cd"),
        ("ht\ntps:/\\example.org", "https://example.org"),
        ("https://bank.example@evil.example/", "https://evil.example/"),
        ("https://evil.example\\@bank.example/", "https://evil.example/@bank.example/"),
        ("https://bank.example:x@evil.example:1/", "https://evil.example:1/"),
        ("https://аpple.com/", "https://xn--pple-43d.com/"),
        ("https://bank。example/é", "https://bank.example/%C3%A9"),
        ("https://x.example/\u202egpj.exe \"'<>", "https://x.example/%E2%80%AEgpj.exe%20%22'%3C%3E"),
        ("http://[2001:DB8::1]/", "http://[2001:db8::1]/"),
        ("mailto:lab@example.org?subject=Hi there", "mailto:lab@example.org?subject=Hi%20there"),
        ("TEL:+33 1", "tel:+33%201"),
    ],
)
def test_an_address_is_written_as_browsers_open_it(address: str, href: str) -> None:
    """Names before the host, look-alike letters, marks that reverse text: none deceives."""
    target = link_target(address)
    assert target is not None
    assert (target.href, target.shown) == (href, href)


@pytest.mark.parametrize(
    "address",
    [
        *("", "x", "/x", "//x.example", "#x", "javascript:alert(1)", "java\tscript:x", "data:text/html,x", "file:///x"),
        *(
            "vbscript:x",
            "blob:https://x",
            "ftp://x",
            "https://",
            "https://a b/",
            "https://a%2eb/",
            "https://x:99999999/",
        ),
        *("https://\u202e/", "https://a..b/", "https://x/" + "a" * 9000, "mailto:", "about:blank", "https://[x]/"),
    ],
)
def test_other_addresses_are_no_targets(address: str) -> None:
    assert link_target(address) is None


def test_a_long_target_shows_all_of_its_host() -> None:
    """The end of a host says whose it is."""
    host = ".".join(["a" * 60] * 3) + ".evil.example"
    target = link_target(f"https://{host}/{'x' * 500}")
    assert target is not None
    assert target.shown == f"https://{host}…"
    short = link_target(f"https://evil.example/{'x' * 500}")
    assert short is not None
    assert len(short.shown) == 101


@given(st.text() | st.tuples(st.sampled_from(["http:", "https://", "mailto:", "tel:"]), st.text()).map("".join))
def test_a_target_stays_itself_and_is_plain(address: str) -> None:
    """Written again it is the same; nothing in it is invisible or of another alphabet."""
    target = link_target(address)
    if target is not None:
        assert target.href.isascii()
        assert target.href.isprintable()
        assert not set(' "<>\\') & set(target.href)
        assert target.href.startswith(("http://", "https://", "mailto:", "tel:"))
        again = link_target(target.href)
        assert again is None or again == target
