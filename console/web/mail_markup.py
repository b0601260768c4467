"""HTML and text of mail as harmless HTML: two filters of different make, each with lists of what it lets through.

The first, here, goes through what lxml's parser finds, without a tree. It bounds length, depth and time, replaces
pictures, shows the targets of links, and writes only tags and attributes that it knows. What it wrote goes through
`nh3`, which parses as browsers do. nh3 alone takes 30 seconds for 100,000 `<div>` within each other, and longer for
`<ul><li>`; and as browsers do (https://html.spec.whatwg.org, "reconstruct the active formatting elements"), it makes
300 MB of 1 MB by repeating `<font>` in each block. So the first writes no element that is repeated.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from time import monotonic
from typing import Any, Final

import nh3
from lxml import etree

from console.web.link_targets import LinkTarget, link_target
from console.web.mail_pictures import MailPictures

MAX_CHARACTERS: Final = 1024 * 1024
"""Characters of a body that are shown at most; to read more of it from the database is useless."""

_MAX_WRITTEN: Final = 3 * MAX_CHARACTERS
"""Characters of the result without pictures: a target is longer than the tag of its link."""
_NAMED: Final = 10
_DEEPEST: Final = 256
"""Elements in one another: for each end tag the parsers go through those that are open."""
_MAX_SECONDS: Final = 2.0
_PIECE: Final = 16 * 1024

_TAGS: Final = frozenset(
    {"abbr", "address", "article", "aside", "bdi", "bdo", "blockquote", "br", "caption", "center", "cite", "col"}
).union(
    {"colgroup", "dd", "del", "dfn", "div", "dl", "dt", "figcaption", "figure", "footer", "h1", "h2", "h3", "h4", "h5"},
    {"h6", "header", "hr", "ins", "kbd", "li", "mark", "ol", "pre", "q", "samp", "section", "span", "sub", "sup"},
    {"table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul", "var", "wbr"},
)
_WRITTEN: Final = _TAGS | {"a", "img"}
# Written as a span of this style: browsers repeat the elements in later blocks if they are open when one ends.
_FORMATTING: Final = {
    "b": "font-weight:bold",
    "big": "font-size:larger",
    "code": "font-family:monospace",
    "em": "font-style:italic",
    "font": "",
    "i": "font-style:italic",
    "nobr": "white-space:nowrap",
    "s": "text-decoration:line-through",
    "small": "font-size:smaller",
    "strike": "text-decoration:line-through",
    "strong": "font-weight:bold",
    "tt": "font-family:monospace",
    "u": "text-decoration:underline",
}
_FONT_SIZES: Final = ("x-small", "x-small", "small", "medium", "large", "x-large", "xx-large", "xxx-large")
_ENDS_OTHERS: Final = frozenset({"li", "dd", "dt"})
"""Elements that end the one before, and a link in it, which would be repeated."""
_VOID: Final = frozenset({"br", "col", "hr", "img", "wbr"})
_ROWS: Final = frozenset({"table", "tbody", "thead", "tfoot", "tr", "colgroup"})
_IN_ROWS: Final = _ROWS | {"caption", "col", "td", "th"}
"""Elements in those of _ROWS: browsers take others out of the table, and repeat links."""
_INVISIBLE: Final = frozenset(
    {"applet", "audio", "canvas", "datalist", "embed", "frameset", "iframe", "math", "noembed", "noframes", "noscript"}
).union({"object", "script", "select", "style", "svg", "template", "textarea", "title", "video"})
"""Elements that go with all that is in them; of others that are not in _TAGS the text stays."""

_NUMBER: Final = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,3})?%?")
_COUNT: Final = re.compile(r"[0-9]{1,3}")
_WORD: Final = re.compile(r"[A-Za-z]{1,20}|[0-9]")
_COLOUR: Final = re.compile(r"#?[A-Za-z0-9]{1,30}")
_ATTRIBUTES: Final[Mapping[str, re.Pattern[str]]] = {
    **dict.fromkeys(("width", "height", "border", "cellpadding", "cellspacing"), _NUMBER),
    **dict.fromkeys(("colspan", "rowspan", "span", "start", "value"), _COUNT),
    **dict.fromkeys(("align", "valign", "scope", "type"), _WORD),
    "bgcolor": _COLOUR,
    "alt": re.compile(r".{1,1000}", re.DOTALL),
    "dir": re.compile(r"ltr|rtl|auto", re.IGNORECASE),
    "lang": re.compile(r"[A-Za-z0-9-]{1,35}"),
    "nowrap": re.compile(r"(?:nowrap)?", re.IGNORECASE),
}

# Nothing that takes text out of its place or over other text, such as that of a target.
_SIDES: Final = ("", "-top", "-right", "-bottom", "-left")
_PROPERTIES: Final = frozenset(
    {"background", "background-color", "border-collapse", "border-color", "border-radius", "border-spacing"}
).union(
    {"border-style", "border-width", "color", "direction", "display", "font", "font-family", "font-size", "font-style"},
    {"font-variant", "font-weight", "list-style-type", "text-align", "text-decoration", "text-decoration-line"},
    {"text-transform", "vertical-align", "white-space", "width", "word-break", "overflow-wrap"},
    {f"{name}{side}" for name in ("border", "margin", "padding") for side in _SIDES},
)
_COLOUR_FUNCTION: Final = re.compile(r"(?:rgb|hsl)a?\([0-9a-z\s.,%/-]*\)", re.IGNORECASE)
_STYLE_VALUE: Final = re.compile(r"[\w\s.,#%'\"/+-]{1,200}")
_NEGATIVE: Final = re.compile(r"(?:^|\s)-")
_IMPORTANT: Final = re.compile(r"\s*!\s*important\s*$", re.IGNORECASE)
_DISPLAYS: Final = frozenset({"none", "inline", "block", "inline-block"})
_SHORTHAND_LINE_HEIGHT: Final = re.compile(r"\s*/\s*[\w.%+-]+")
_REMOTE_STYLE: Final = re.compile(r"url\(\s*['\"]?\s*(?:https?:|//)", re.IGNORECASE)

_WEB_ADDRESS: Final = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)
_CONTROLS: Final = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 127], "\ufffd")
_PICTURE: Final = re.compile(r"data:image/(?:png|jpeg|gif|webp|bmp);base64,[A-Za-z0-9+/=]+")


@dataclass(frozen=True, slots=True)
class MailMarkup:
    """The harmless HTML of a body.

    `remote_pictures`, `removed_links`: their numbers. `hidden_pictures`: inline ones that are too large, not there, or
    of another type. `is_cut`: only the beginning of the body is in it.
    """

    html: str = field(repr=False)
    remote_pictures: int = 0
    hidden_pictures: int = 0
    removed_links: int = 0
    is_cut: bool = False


class _Enough(Exception):
    """No more of the body is shown."""


def mail_markup(
    body_type: str | None, body: str | None, pictures: MailPictures, *, clock: Callable[[], float] = monotonic
) -> MailMarkup:
    """The HTML to show for the stored body (`sBodyType`, `sBody`). Takes up to some seconds: call it on a thread.

    Raises:
        DatabaseUnavailable: as the reader of the pictures.
    """
    given = body or ""
    # As UTF-8: text with half characters is none that a parser takes.
    text = given[:MAX_CHARACTERS].encode(errors="replace").decode()
    writer = _Writer(pictures)
    is_html = (body_type or "").lower() == "html"
    is_whole = _write_html(text, writer, clock) if is_html else _write_text(text, writer)
    return MailMarkup(
        _cleaned(writer.html()),
        writer.remote_pictures,
        writer.hidden_pictures,
        writer.removed_links,
        is_cut=not is_whole or len(given) > MAX_CHARACTERS,
    )


def _write_html(html: str, writer: "_Writer", clock: Callable[[], float]) -> bool:
    """Write the beginning of the body that fits; False: there is more."""
    until = clock() + _MAX_SECONDS
    target: Any = writer  # for stubs that declare bytes
    parser = etree.HTMLParser(target=target, huge_tree=True, remove_comments=True, remove_pis=True)
    try:
        for start in range(0, len(html), _PIECE):
            parser.feed(html[start : start + _PIECE])
            if clock() > until:
                return False
        if html:
            parser.close()
    except (etree.LxmlError, ValueError, _Enough):
        return False
    return True


def _write_text(text: str, writer: "_Writer") -> bool:
    try:
        writer.write('<div class="text">')
        end = 0
        for found in _WEB_ADDRESS.finditer(text):
            address = found[0].rstrip(".,;:!?'*_]}" + ("" if "(" in found[0] else ")"))
            target = link_target(address)
            if target is not None:
                writer.data(text[end : found.start()])
                writer.link(address, target)
                end = found.start() + len(address)
        writer.data(text[end:])
        writer.write("</div>")
    except _Enough:
        return False
    return True


@dataclass(slots=True)
class _Open:
    """An element that is open.

    `within`: name of the innermost one that is written. `end`: the tag to write. `target`: of a link. `text`: what
    stands in it; None: not only text.
    """

    within: str
    end: str = ""
    is_hidden: bool = False
    target: LinkTarget | None = None
    text: str | None = ""


class _Writer:
    """Receives what the parser finds (https://lxml.de/parsing.html, the target parser interface)."""

    def __init__(self, pictures: MailPictures) -> None:
        self._pictures = pictures
        self._parts: list[str] = []
        self._left = _MAX_WRITTEN
        self._open: list[_Open] = []
        self._hidden = 0
        self._is_in_link = False
        self.remote_pictures = 0
        self.hidden_pictures = 0
        self.removed_links = 0

    def html(self) -> str:
        """The written HTML, with ends for what is open."""
        return "".join([*self._parts, *(each.end for each in reversed(self._open))])

    def write(self, html: str) -> None:
        """Append harmless HTML."""
        # A character by its name takes nh3 as long as ten others.
        self._left -= len(html) + _NAMED * html.count("&")
        if self._left < 0:
            raise _Enough
        self._parts.append(html)

    def link(self, text: str, target: LinkTarget) -> None:
        """Append a link with this text only."""
        self.write(f'<a href="{escape(target.href)}">{escape(text)}</a>')
        self._show_target(text, target)

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        if len(self._open) >= _DEEPEST:
            raise _Enough
        opened = _Open(self._open[-1].within if self._open else "")
        if self._open:
            self._open[-1].text = None
        self._open.append(opened)
        if tag in _INVISIBLE:
            opened.is_hidden = True
            self._hidden += 1
        if self._hidden:
            return
        self._count_remote(tag, attributes)
        if opened.within in _ROWS and tag not in _IN_ROWS:
            return
        if tag in {"img", "image"}:
            self._picture(attributes)
        elif tag == "a":
            self._start_link(attributes, opened)
        else:
            self._start_other(tag, attributes, opened)

    def end(self, _tag: str) -> None:
        """An element ends: the parser ends each that it began, the last one first."""
        closed = self._open.pop()
        self._hidden -= closed.is_hidden
        self.write(closed.end)
        if closed.target is not None:
            self._is_in_link = False
            self._show_target(closed.text, closed.target)

    def data(self, text: str) -> None:
        """Text, or a part of it."""
        if self._hidden:
            return
        if self._open and self._open[-1].text is not None and self._open[-1].target is not None:
            self._open[-1].text += text
        self.write(escape(text.translate(_CONTROLS)))

    def close(self) -> None:
        """The document has ended."""

    def _start_link(self, attributes: Mapping[str, str], opened: _Open) -> None:
        address = attributes.get("href")
        target = None if address is None else link_target(address)
        if target is not None and not self._is_in_link:
            self.write(f'<a href="{escape(target.href)}"{_kept(attributes)}>')
            opened.within, opened.end, opened.target = "a", "</a>", target
            self._is_in_link = True
        elif address and not address.startswith("#"):
            self.removed_links += 1

    def _start_other(self, tag: str, attributes: Mapping[str, str], opened: _Open) -> None:
        if tag == "body":
            name, kept = "div", _kept(attributes, _body_style(attributes))
        elif tag == "p":  # which browsers end in other places than lxml
            name, kept = "div", f' class="p"{_kept(attributes)}'
        elif tag in _FORMATTING:
            name, kept = "span", _kept(attributes, _FORMATTING[tag] or _font_style(attributes))
        elif tag in _TAGS:
            name, kept = "div" if self._is_in_link and tag in _ENDS_OTHERS else tag, _kept(attributes)
        else:
            return
        self.write(f"<{name}{kept}>")
        if name not in _VOID:
            opened.within, opened.end = name, f"</{name}>"

    def _show_target(self, text: str | None, target: LinkTarget) -> None:
        """Show it behind the link, unless that is nothing else; text within elements may not look as it reads."""
        if text is None or text.strip() != target.shown:
            self.write(f' <bdi class="target" dir="ltr">{escape(target.shown)}</bdi>')

    def _picture(self, attributes: Mapping[str, str]) -> None:
        source = attributes.get("src", "")
        address = self._pictures.address(source)
        if address is not None:
            self._parts.append(f'<img src="{address}"{_kept(attributes)}>')
            return
        if source[:4].lower() in {"cid:", "data"}:
            self.hidden_pictures += 1
        alternative = attributes.get("alt", "").strip()
        if alternative:
            self.write(f'<span class="picture">{escape(alternative[:1000].translate(_CONTROLS))}</span>')

    def _count_remote(self, tag: str, attributes: Mapping[str, str]) -> None:
        source = attributes.get("src", "") if tag in {"img", "image"} else ""
        is_remote = source.strip() and source.strip()[:4].lower() not in {"cid:", "data"}
        others = attributes.get("srcset") if tag == "img" and not source else attributes.get("background")
        if is_remote or others or _REMOTE_STYLE.search(attributes.get("style", "")):
            self.remote_pictures += 1


def _kept(attributes: Mapping[str, str], style: str = "") -> str:
    """The harmless attributes, to write behind the name of a tag. `style`: goes before the element's own."""
    found = []
    for name, value in attributes.items():
        kept, allowed = value.strip().translate(_CONTROLS), _ATTRIBUTES.get(name)
        if allowed is not None and allowed.fullmatch(kept):
            found.append(f' {name}="{escape(kept)}"')
    styles = ";".join(each for each in (style, _style(attributes.get("style", ""))) if each)
    return "".join([*found, f' style="{escape(styles)}"' if styles else ""])


def _body_style(attributes: Mapping[str, str]) -> str:
    """The colours of the body, so that light text stays on its dark ground."""
    colours = (("background-color", "bgcolor"), ("color", "text"))
    return _style(";".join(f"{name}:{attributes.get(attribute, '')}" for name, attribute in colours))


def _font_style(attributes: Mapping[str, str]) -> str:
    size = attributes.get("size", "").strip()
    if size.isascii() and size.isdecimal():
        size = _FONT_SIZES[min(int(size[:3]), len(_FONT_SIZES) - 1)]
    else:
        size = {"+": "larger", "-": "smaller"}.get(size[:1], "")
    given = (("color", attributes.get("color", "")), ("font-family", attributes.get("face", "")), ("font-size", size))
    return ";".join(_style(f"{name}:{value}") for name, value in given if value and ";" not in value)


def _style(text: str) -> str:
    """The declarations of known properties with simple values; nothing that loads, calculates or escapes."""
    found = []
    for declaration in text[:4096].split(";"):
        name, _, value = declaration.partition(":")
        name, value = name.strip().lower(), _IMPORTANT.sub("", value).strip()
        if name == "font":
            value = _SHORTHAND_LINE_HEIGHT.sub("", value)
        if name in _PROPERTIES and _is_simple(name, value):
            found.append(f"{name}:{value}")
    return ";".join(found)


def _is_simple(name: str, value: str) -> bool:
    if name == "display":
        return value.lower() in _DISPLAYS
    if name.startswith("margin") and _NEGATIVE.search(value):
        return False
    return _STYLE_VALUE.fullmatch(_COLOUR_FUNCTION.sub("x", value)) is not None


def _cleaned(html: str) -> str:
    return nh3.clean(
        html,
        tags=set(_WRITTEN),
        clean_content_tags={"script", "style"},
        attributes={
            "*": {"style", *_ATTRIBUTES},
            "a": {"href"},
            "img": {"src"},
        },
        attribute_filter=_last_look,
        strip_comments=True,
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        url_schemes={"http", "https", "mailto", "tel", "data"},
        url_relative="deny",
        allowed_classes={"bdi": {"target"}, "span": {"picture"}, "div": {"p", "text"}},
        filter_style_properties=set(_PROPERTIES),
    )


def _last_look(tag: str, name: str, value: str) -> str | None:
    if name == "src":
        return value if tag == "img" and _PICTURE.fullmatch(value) else None
    if name == "href":
        return value if tag == "a" and link_target(value) is not None else None
    return value
