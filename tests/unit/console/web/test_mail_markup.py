"""The harmless HTML of a mail: what of it is shown, and that no mail takes long or much memory."""

import base64
import re
from collections.abc import Callable
from itertools import count
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.web.mail_document import mail_document, notes_on
from console.web.mail_markup import MAX_CHARACTERS, MailMarkup, mail_markup
from console.web.mail_pictures import ALL_PICTURES_BYTES, PICTURE_BYTES, MailPictures
from tests.samples.hostile_mails import HOSTILE, sent

GIF: Final = b"GIF89a" + b"\0" * 20
TARGET: Final = '<bdi class="target" dir="ltr">{}</bdi>'
LINK: Final = '<a href="{0}" target="_blank" rel="noopener noreferrer nofollow">{0}</a>'
TAGS: Final = st.sampled_from(
    [
        *(
            "a href=http://x.example/q",
            "b",
            "body",
            "caption",
            "dd",
            "div",
            "dl",
            "font color=red",
            "form",
            "h1",
            "h2",
            "li",
        ),
        *(
            "nobr",
            "option",
            "p",
            "pre",
            "select",
            "span",
            "svg",
            "table",
            "td",
            "tr",
            "ul",
            "x",
            "/a",
            "/div",
            "/li",
            "/p",
        ),
        *("/table", "/td", "/ul", "/x", "!--", "img src=http://x.example/y alt=z"),
    ]
)


def _html(body: str, read: Callable[[str], bytes | None] = lambda _: None) -> MailMarkup:
    return mail_markup("html", body, MailPictures(read))


def _text(body: str | None) -> str:
    return mail_markup("text", body, MailPictures(lambda _: None)).html


def test_text_is_shown_as_it_is_with_links() -> None:
    """Spaces and lines stay, HTML in it is text, and web addresses can be followed."""
    shown = _text("Hi  <b>you</b>,\n  see (https://x.example/a?b=c&d). http://x.example/(z) javascript:alert(1)")
    assert shown == (
        '<div class="text">Hi  &lt;b&gt;you&lt;/b&gt;,\n  see ('
        + LINK.format("https://x.example/a?b=c&amp;d")
        + "). "
        + LINK.format("http://x.example/(z)")
        + " javascript:alert(1)</div>"
    )
    assert _text(None) == '<div class="text"></div>'
    assert TARGET.format("https://xn--pple-43d.com/") in _text("https://аpple.com/")


def test_links_show_their_targets() -> None:
    """Behind the text of the link, unless the text is the whole target and nothing else."""
    assert (
        TARGET.format("http://evil.example/") in _html("<a href='http://evil.example/'>http://bank.example/</a>").html
    )
    assert TARGET.format("http://evil.example/") in _html("<a href='http://evil.example/'><img src=x></a>").html
    assert "<bdi" not in _html("<a href='http://x.example/'> http://x.example/</a>").html
    hidden = "<a href='http://x.example/b'>http://x.example/<i style='display:none'>b</i></a>"
    assert TARGET.format("http://x.example/b") in _html(hidden).html


def test_the_target_cannot_be_forged() -> None:
    """A class of the mail's own is dropped, so that no text looks like the console's."""
    assert "class" not in _html("<bdi class=target>http://bank.example</bdi><span class='picture'>x</span>").html


@pytest.mark.parametrize(
    ("style", "kept"),
    [
        ("color:red;font-weight:bold", "color:red;font-weight:bold"),
        ("background:#fff !important; Margin:0 0 12px", "background:#fff;margin:0 0 12px"),
        ("color:rgb(1, 2, 3);border:1px solid hsl(0 0% 50%)", "color:rgb(1, 2, 3);border:1px solid hsl(0 0% 50%)"),
        ("position:fixed;z-index:1;opacity:0;line-height:0", None),
        ("margin-top:-20px;height:0;overflow:hidden", None),
        ("background:url(http://x.example/y)", None),
        (r"color:r\65 d;background:u\72l(x)", None),
        ("width:expression(alert(1));width:calc(1px)", None),
        ("display:none", "display:none"),
        ("display:flex;font:bold 12px/0 Arial", "font:bold 12px Arial"),
    ],
)
def test_styles_keep_looks_and_lose_places(style: str, kept: str | None) -> None:
    """Colours, fonts, borders; nothing that loads, or moves text over other text."""
    found = re.search(r'<div style="([^"]*)">x', _html(f'<div style="{style}">x</div>').html)
    normal = None if found is None else found[1].replace(", ", ",").replace(" ,", ",")
    assert normal == (None if kept is None else kept.replace(", ", ","))


def test_only_small_raster_pictures_of_the_mail_are_shown() -> None:
    """By their first bytes, whatever they are called; others are counted."""
    large = {"gif": GIF, "svg": b"<svg onload='x'/>", "large": GIF.ljust(PICTURE_BYTES + 1, b"\0")}
    body = "<img src='CID:gif' alt=a><img src='cid:svg'><img src='cid:large'><img src='cid:none' alt='b'>"
    shown = _html(f"{body}<img src='http://x.example/y'><img src=y.png><td background=http://x.example/z>", large.get)
    assert re.findall('<img src="([^"]*)"', shown.html) == [f"data:image/gif;base64,{base64.b64encode(GIF).decode()}"]
    assert (shown.hidden_pictures, shown.remote_pictures) == (3, 3)
    assert '<span class="picture">b</span>' in shown.html


def test_pictures_within_the_html_are_verified_as_well() -> None:
    data = base64.b64encode(GIF).decode()
    shown = _html(f"<img src='data:image/png;base64,{data[:8]}\n{data[8:]}'><img src='data:image/gif;base64,PHN2Zz4='>")
    assert re.findall('src="([^"]*)"', shown.html) == [f"data:image/gif;base64,{data}"]
    assert shown.hidden_pictures == 1


def test_a_picture_shown_many_times_does_not_swell_the_page() -> None:
    """Each time counts."""
    shown = _html("<img src='cid:x'>" * 1000, lambda _: GIF.ljust(PICTURE_BYTES, b"\0"))
    assert shown.html.count("<img") == ALL_PICTURES_BYTES // PICTURE_BYTES
    assert shown.hidden_pictures == 1000 - shown.html.count("<img")


def test_notes_tell_what_is_not_shown() -> None:
    """One sentence for each kind, with its number; none for a mail shown as it is."""
    body = "<img src='http://x.example/y'><img src='cid:z'><a href='javascript:x'>q</a><p>" + "x" * MAX_CHARACTERS
    notes = notes_on(_html(body))
    assert [note.split()[0] for note in notes] == ["Only", "1", "1", "1"]
    assert notes_on(_html("<p>x</p>")) == []


def test_the_document_escapes_the_words_of_the_page() -> None:
    page = mail_document(_html("<p>x"), title="</title><script>", language='"><', notes=["<b>"])
    assert "<script" not in page
    assert "<li>&lt;b&gt;</li>" in page


@pytest.mark.parametrize("name", HOSTILE)
def test_no_hostile_mail_leaves_a_script_in_text_or_html(name: str) -> None:
    """As text every mail is only text."""
    assert "<img" not in _text(sent(name))
    assert not re.search(r"<(?:script|svg|math|style|iframe|meta|base|form|link|object)\b", _html(sent(name)).html)


def test_a_body_is_read_for_a_time_only() -> None:
    """A clock that goes fast cuts it short."""
    ticks = count()
    markup = mail_markup("html", "<p>x</p>" * 50_000, MailPictures(lambda _: None), clock=lambda: float(next(ticks)))
    assert markup.is_cut
    assert 0 < markup.html.count("x</div>") < 50_000


@pytest.mark.parametrize(
    "body",
    [
        "<div>" * 200_000,
        "<ul><li>" * 100_000,
        "<div>" * 250 + "<b></i>" * 50_000,
        "<p>" + "".join(f"<font color=c{n}><x>" for n in range(120)) + "<div>y</div>" * 20_000,
        f"<li><a href=http://x.example/{'q' * 4000}><x>" + "<li>y" * 50_000,
        f"<table><a href=http://x.example/{'q' * 4000}><x>" + "<table>y</table>" * 20_000,
        "<a href=http://x.example>" * 20_000,
        "&" * 100_000,
        "<div " + " ".join(f"a{n}" for n in range(100_000)) + ">x",
    ],
    ids=["depth", "lists", "ends", "fonts", "links-in-items", "links-in-tables", "links", "signs", "attributes"],
)
@pytest.mark.timeout(20)
def test_a_bomb_is_defused(body: str) -> None:
    """HTML that takes browsers or nh3 minutes, or gigabytes, is shown as far as it goes."""
    assert len(_html(body).html) < 8 * len(body) + 10_000


@given(st.lists(TAGS, max_size=8), st.lists(st.tuples(TAGS, st.sampled_from(["", "y"])), min_size=1, max_size=4))
def test_no_sequence_of_tags_swells(before: list[str], repeated: list[tuple[str, str]]) -> None:
    """Browsers add less of their own than some times the mail."""
    body = "".join(f"<{tag}>" for tag in before) + "".join(f"<{tag}>{text}" for tag, text in repeated) * 200
    assert len(_html(body).html) < 40 * len(body) + 10_000
