"""HTML bodies as text that a person, or a search, can read."""

import pytest

from processor.plain_text import plain_text

ROW = "<tr><td>Nitrate</td><td>3,2</td><td>mg/l</td></tr>"


def test_tables_stay_in_columns_and_lists_in_lines() -> None:
    """What stood beside each other in the mail does so in the text."""
    text = plain_text(
        "<html><head><title>T</title><style>p {color: red}</style></head><body><script>alert(1)</script>"
        f"<p>Bonjour,<br>voici l&rsquo;&eacute;t&eacute;</p><table>{ROW}"
        "<tr><td>Phosphate</td><td>0,1</td><td>mg/l</td></tr></table><ul><li>un<li>deux</ul></body></html>"
    )
    assert text is not None
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    assert lines == ["Bonjour,", "voici l’été", "Nitrate 3,2 mg/l", "Phosphate 0,1 mg/l", "* un", "* deux"]
    assert text.index("3,2") - text.index("Nitrate") == len("Phosphate") + 2


def test_a_large_body_loses_its_layout_and_no_word() -> None:
    """Laying out thirty megabytes would take a minute."""
    text = plain_text(f"<html><body><style>p</style><!-- c --><table>{ROW * 100_000}</table></body></html>")
    assert text is not None
    assert text.splitlines() == ["Nitrate", "3,2", "mg/l"] * 100_000


@pytest.mark.parametrize("depth", [300, 1500])
def test_what_is_nested_too_deep_for_the_layout_is_text_all_the_same(depth: int) -> None:
    assert plain_text("<div>" * depth + "Befund" + "</div>" * depth) == "Befund"


@pytest.mark.parametrize(
    "html",
    [
        "",
        " \r\n",
        "<!-- nothing -->",
        "<html></html>",
        "\ufffd",
        "<",
        "<p",
        "</p></p>",
        "<?xml version='1.0' encoding='utf-16'?>",
    ],
)
def test_what_holds_no_text_is_no_trouble(html: str) -> None:
    """None, or the little there is."""
    assert plain_text(html) in {None, "", "\ufffd", "<"}


def test_no_html_at_all_is_what_it_is() -> None:
    assert plain_text("5 < 6 & 7") == "5 < 6 & 7"
