"""Names and addresses in the spellings of senders, and of attackers."""

import pytest

from simulator.content.addresses import addresses


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ('"Müller, J" <j@example.com>, b@example.com', [("Müller, J", "j@example.com"), ("", "b@example.com")]),
        ("j@example.com (Jörg (der Chef))", [("Jörg (der Chef)", "j@example.com")]),
        ("E (comment) <e@example.com>", [("E (comment)", "e@example.com")]),
        (
            "Labs: A <a@example.com>, b@example.com;, c@example.com",
            [("A", "a@example.com"), ("", "b@example.com"), ("", "c@example.com")],
        ),
        ("undisclosed-recipients:;", []),
        ("Everybody at the lab", [("", "Everybody at the lab")]),
        ("Labor labor@example.com", [("Labor", "labor@example.com")]),
        ("=?utf-8?Q?M=C3=BCller,_J?= <j@example.com>", [("=?utf-8?Q?M=C3=BCller,_J?=", "j@example.com")]),
        ('"never closed <j@example.com>', [("never closed", "j@example.com")]),
        ('"+49 30 123" <>', [("+49 30 123", "")]),
        ("<>", []),
        ("<<j@example.com>>", [("", "j@example.com")]),
        ("", []),
    ],
)
def test_people_are_found(value: str, found: list[tuple[str, str]]) -> None:
    """Their names are found, too, if they have some."""
    assert list(addresses(value)) == found


@pytest.mark.slow
@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", ["(", ")", '"', "<", ">", "a:", "a ", "a@b,", "\\", "=?a?q?", "aaaa", '"\\"', ":;"])
def test_time_grows_with_the_length(piece: str) -> None:
    """The reader uses no recursion."""
    assert len(list(addresses(piece * 100_000))) <= 100_000
