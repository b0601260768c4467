"""HTML bodies as plain text, for programs that search or show no HTML.

Bounded for untrusted mail: time grows with the length, and memory stays at a few times it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from html import unescape
from io import StringIO
from pathlib import Path
from typing import Any, Final

from inscriptis import get_text
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.html_properties import Display
from inscriptis.model.attribute import DEFAULT_ATTRIBUTE_MAP
from inscriptis.model.config import ParserConfig
from inscriptis.model.css import CssParse
from inscriptis.model.html_document_state import HtmlDocumentState
from inscriptis.model.html_element import HtmlElement
from inscriptis.model.table import Table, TableCell
from inscriptis.model.tag import CustomHtmlTagHandlerMapping
from inscriptis.model.tag.list_tag import li_start_handler, ul_start_handler
from inscriptis.model.tag.table_tag import table_end_handler, table_start_handler, td_start_handler
from lxml import etree

from longtext import PIECE_BYTES, LongTextFacts, LongTextWriter
from processor.content.superscripts import raised

MAX_LAID_OUT: Final = 256 * 1024
"""Characters of HTML that are laid out, tables as columns: it takes some milliseconds for each 10,000."""
MAX_READ: Final = 32 * 1024 * 1024
"""Characters of HTML of which text is made at all; some seconds for a body of that length."""

_MAX_OF_TABLES: Final = 4 * 1024 * 1024
"""Characters that all tables of a body may take with what fills up their columns: one long cell widens every row."""
_DEEPEST: Final = 1_600
"""Elements in one another: for each end tag the parser goes through those that are open."""
_PIECE: Final = 64 * 1024
_MAX_TAG: Final = 4 * 1024
_DOCUMENT_TAGS: Final = re.compile(r"(?:</?(?:html|body)(?=[\s/>])[^<>]*>\s*)+", re.IGNORECASE)
_BEGINNINGS: Final = {name: re.compile(rf"<{name}(?=[\s/>])[^<>]*>", re.IGNORECASE) for name in ("html", "body")}
_BREAK: Final = "<br>"
_SPACE: Final = re.compile(r"\s+")
# The layout decodes characters written by name once more: of `&amp;section` it would make `§ion`.
_AMPERSAND: Final = re.compile("&amp;?", re.IGNORECASE)
_STANDS_FOR_AMPERSAND: Final = "\ufdd0"
"""A code point that no text has."""
_RAISED: Final = re.compile(
    r"<sup(?:\s[^<>]{0,400})?>((?:[^<>]|<(?!/?sup[\s>])[^<>]{0,400}>){1,40}?)</sup\s*>", re.IGNORECASE
)
_MAX_RAISED: Final = 600
_RAISED_BEGUN: Final = re.compile(r"<sup(?=[\s>])(?:(?!</sup\s*>).)*\Z", re.IGNORECASE | re.DOTALL)
_TAG: Final = re.compile("<[^<>]*>")
# Elements on lines of their own (https://html.spec.whatwg.org, section 15.3) that the library lacks.
_BLOCKS: Final = (
    *("caption", "center", "dd", "details", "dialog", "dir", "dl", "dt", "fieldset", "form", "hr", "legend", "menu"),
    *("noframes", "optgroup", "option", "search", "section", "summary"),
)
_BLOCK_DISPLAYS: Final = frozenset({"block", "flex", "flow-root", "grid", "list-item", "table", "table-row"})
_STYLES: Final = {
    **CSS_PROFILES["strict"],
    **{name: HtmlElement(display=Display.block) for name in _BLOCKS},
    "template": HtmlElement(display=Display.none),
}
_MAX_MARGIN: Final = 80
"""Columns before the lines of lists within lists."""
_ITEM_NUMBER: Final = re.compile("-?[0-9]{1,9}")
_SPAN: Final = re.compile("[0-9]{1,3}")
_MAX_SPARE_CELLS: Final = 20_000
"""Empty cells in one body, in place of those that reach over several columns or rows."""
_INVISIBLE: Final = frozenset({"script", "style", "head", "template", "title"})
_WITHIN_A_LINE: Final = frozenset(
    {"a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "ins", "kbd", "label"}
).union({"mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var", "wbr"})


def plain_text(html: str) -> str | None:
    """The visible text, tables in columns and lists with bullets. Takes its time: call it on a thread.

    HTML that is very large, nested deeper than the layout goes, or swells in it, becomes text without layout. None:
    nothing could be read of it, or it is longer than MAX_READ.
    """
    if len(html) > MAX_READ:
        return None
    document = _OneDocument().joined(html)
    laid_out = _laid_out(document) if len(document) <= MAX_LAID_OUT else None
    if laid_out:
        return laid_out
    text = StringIO()
    pieces = (document[start : start + _PIECE] for start in range(0, len(document), _PIECE))
    return text.getvalue() or None if _bare(pieces, text.write) else None


def bare_text(html: Iterable[str], write: Callable[[str], object]) -> bool:
    """The text without layout, of HTML that comes in pieces of any length, in memory that does not grow with it.

    Returns:
        False: it could not be read, and what was written is only its beginning.
    """
    return _bare(_documents_joined(html), write)


def _documents_joined(pieces: Iterable[str]) -> Iterator[str]:
    """Like `_OneDocument.joined`, piece by piece: each ends where no tag and no raised number is cut in two, except a
    very long one."""
    document, left = _OneDocument(), ""
    for piece in pieces:
        text = left + piece
        cut = text.rfind("<")
        if cut < 0 or ">" in text[cut:] or len(text) - cut > _MAX_TAG:
            cut = len(text)
        begun = _RAISED_BEGUN.search(text, max(0, cut - _MAX_RAISED), cut)
        cut = cut if begun is None else begun.start()
        yield document.joined(text[:cut])
        left = text[cut:]
    yield document.joined(left)


class _OneDocument:
    """HTML with one beginning of document and body, and no end: what follows an end belongs to the body.

    Browsers read it so (https://html.spec.whatwg.org, section 13.2.6.4.19): gateways append their notes behind the
    end, and programs join documents. lxml omits from its tree what is there.
    """

    def __init__(self) -> None:
        self._begun: set[str] = set()

    def joined(self, html: str) -> str:
        """The next piece of the HTML, which cuts no tag in two, as part of the one document."""
        return _DOCUMENT_TAGS.sub(self._kept, _RAISED.sub(_superscript, html))

    def _kept(self, run: re.Match[str]) -> str:
        """The first beginnings in a run of such tags; text after any other run is on a line of its own."""
        tags: list[str] = []
        for name, tag in _BEGINNINGS.items():
            found = None if name in self._begun else tag.search(run[0])
            if found is not None:
                self._begun.add(name)
                tags.append(found[0])
        return "".join(tags) if tags and "body" not in self._begun else "".join([*tags, _BREAK])


def _superscript(element: re.Match[str]) -> str:
    return raised(unescape(_TAG.sub("", element[1])).strip()) or element[0]


class _ExpandsTooFar(Exception):
    """The layout would be many times as long as the text."""


def _laid_out(html: str) -> str | None:
    tables = _Tables()
    lists = {"ul": _in_bounds(ul_start_handler), "ol": _in_bounds(_start_numbered), "li": _in_bounds(_start_item)}
    cells = {"table": tables.start_table, "td": tables.start_cell, "th": tables.start_cell}
    handlers = CustomHtmlTagHandlerMapping(
        start_tag_mapping={**lists, **cells}, end_tag_mapping={"table": tables.end_table}
    )
    # The element of the body notes its document: shared by two threads, it would put text of one mail into another.
    css = {**_STYLES, "body": copy(_STYLES["body"])}
    config = ParserConfig(css=css, custom_html_tag_handler_mapping=handlers)
    config.attribute_handler.attribute_mapping = {**DEFAULT_ATTRIBUTE_MAP, "style": _style}
    try:
        text = str(get_text(_AMPERSAND.sub(_STANDS_FOR_AMPERSAND, html), config))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  # untrusted HTML must not stop the import, whatever the library does
        return None
    return text.replace(_STANDS_FOR_AMPERSAND, "&").strip()


def _style(value: str, element: HtmlElement) -> None:
    """A style without its lengths: a mail could request 100,000 columns of indentation in each of its lines."""
    for declaration in value.lower().split(";"):
        name, _, rest = declaration.partition(":")
        word = rest.partition("!")[0].strip()
        if name.strip() == "display":
            _display(word, element)
        elif name.strip() == "white-space":
            CssParse.attr_white_space(word, element)
        elif name.strip() == "vertical-align":
            CssParse.attr_vertical_align(word, element)


def _display(word: str, element: HtmlElement) -> None:
    if element.display is Display.none:
        return
    if word in _BLOCK_DISPLAYS:
        element.display = Display.block
    elif word in {"inline", "none"}:
        element.display = Display[word]


_StartHandler = Callable[[HtmlDocumentState, Mapping[str, str]], None]


def _in_bounds(start: _StartHandler) -> _StartHandler:
    """The handler of a list or its item where it is not too deep in others, whose margins are before each line."""

    def bounded(state: HtmlDocumentState, attributes: Mapping[str, str]) -> None:
        if state.tags[-1].canvas.left_margin > _MAX_MARGIN:
            raise _ExpandsTooFar
        start(state, attributes)

    return bounded


def _start_numbered(state: HtmlDocumentState, attributes: Mapping[str, str]) -> None:
    """Begin a numbered list, with the number that it states: Outlook goes on in another list behind each paragraph."""
    stated = attributes.get("start", "").strip()
    state.li_counter.append(int(stated) if _ITEM_NUMBER.fullmatch(stated) else 1)


def _start_item(state: HtmlDocumentState, attributes: Mapping[str, str]) -> None:
    """Begin an item; a number of thousands of digits would stand before all that follow."""
    li_start_handler(state, attributes if _ITEM_NUMBER.fullmatch(attributes.get("value", "")) else {})


class _Tables:
    """The tables of one body, with the room left for them."""

    def __init__(self) -> None:
        self._left = _MAX_OF_TABLES
        self._spare = _MAX_SPARE_CELLS
        # Of each open table: the number of the last row that a cell above covers, by column.
        self._covered: list[dict[int, int]] = []

    def start_table(self, state: HtmlDocumentState, attributes: Mapping[str, str]) -> None:
        """Open a table."""
        table_start_handler(state, attributes)
        self._covered.append({})

    def start_cell(self, state: HtmlDocumentState, attributes: Mapping[str, str]) -> None:
        """Open a cell in its own column: empty ones stand where others reach, over several columns or rows."""
        if not state.current_table:
            return
        table, covered = state.current_table[-1], self._covered[-1]
        if not table.rows:
            table.add_row()
        number, row = len(table.rows), table.rows[-1].columns
        while covered.get(len(row), 0) >= number and self._spare:
            self._add_spare_cell(state)
        first = len(row)
        td_start_handler(state, attributes)
        for _ in range(min(_span(attributes, "colspan") - 1, self._spare)):
            self._add_spare_cell(state)
        covered.update(dict.fromkeys(range(first, len(row)), number + _span(attributes, "rowspan") - 1))

    def _add_spare_cell(self, state: HtmlDocumentState) -> None:
        self._spare -= 1
        state.current_table[-1].add_cell(TableCell(state.tags[-1].align, state.tags[-1].valign))

    def end_table(self, state: HtmlDocumentState) -> None:
        """Reserve the room that the innermost open table needs, and have it laid out."""
        if self._covered:
            self._covered.pop()
        if state.current_table:
            self._left -= _room_of(state.current_table[-1])
        if self._left < 0:
            raise _ExpandsTooFar
        state.tags[-2].canvas.flush_inline()  # else its first line continues the text before it
        table_end_handler(state)


def _span(attributes: Mapping[str, str], name: str) -> int:
    """The number of columns or rows over which a cell reaches; one where it says something else."""
    stated = attributes.get(name, "").strip()
    return max(int(stated), 1) if _SPAN.fullmatch(stated) else 1


def _room_of(table: Table) -> int:
    """Characters of a table: each of its lines is as long as its columns together."""
    lines = 0
    widths: list[int] = []
    for row in table.rows:
        lines += max((cell.normalize_blocks() for cell in row.columns), default=1)
        widths.extend([0] * (len(row.columns) - len(widths)))
        for column, cell in enumerate(row.columns):
            widths[column] = max(widths[column], cell.width + 1)
    return lines * sum(widths)


class _TooDeep(Exception):
    """More elements are in one another than in any mail."""


class _Words:
    """Receives what the parser finds (https://lxml.de/parsing.html, the target parser interface), keeps words in lines.

    The text of a piece of HTML is written with it, not at the end of its line: a body may be one line of any length.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._read: list[str] = []
        self._depth = 0
        self._hidden = 0
        self._between = ""
        """The space and line breaks to write before the next word."""
        self._is_in_line = False

    def start(self, tag: str, _attributes: object) -> None:
        """An element begins."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _TooDeep
        self._hidden += tag in _INVISIBLE
        if tag not in _WITHIN_A_LINE:
            self._end_line()

    def end(self, tag: str) -> None:
        """An element ends."""
        self._depth -= 1
        self._hidden -= tag in _INVISIBLE
        if tag not in _WITHIN_A_LINE:
            self._end_line()

    def data(self, text: str) -> None:
        """Text, or a part of it."""
        if self._hidden or not text:
            return
        words = _SPACE.sub(" ", text)
        shown = words.strip()
        if self._is_in_line and (words[0] == " " or not shown):
            self._between = " "
        if not shown:
            return
        self._read.append(f"{self._between}{shown}")
        self._is_in_line = True
        self._between = " " if words[-1] == " " else ""

    def close(self) -> None:
        """The document has ended."""

    def write_read(self) -> None:
        """Write what was read since the last call: the parser finds words one by one, 100,000 in a megabyte."""
        self._write("".join(self._read))
        self._read.clear()

    def _end_line(self) -> None:
        if self._is_in_line:
            self._is_in_line, self._between = False, "\n"


def _bare(pieces: Iterable[str], write: Callable[[str], object]) -> bool:
    """Write the text without a tree, which takes twenty times the length of the HTML, and hours for an element
    of many attributes. False: it cannot be read."""
    words = _Words(write)
    target: Any = words  # for stubs that declare bytes
    parser = etree.HTMLParser(target=target, huge_tree=True, remove_comments=True)
    try:
        for piece in pieces:
            if piece:
                parser.feed(piece)
                words.write_read()
        parser.close()
    except (etree.LxmlError, ValueError, _TooDeep):
        return False
    words.write_read()
    return True


def write_bare_text(html: Path, text: Path) -> LongTextFacts | None:
    """Write the text of a file of HTML to a file, in a worker process. None: nothing can be read of it."""
    with html.open(encoding="utf-8", newline="") as source, text.open("wb") as file:
        writer = LongTextWriter(file)
        is_read = bare_text(iter(lambda: source.read(PIECE_BYTES), ""), writer.write)
        facts = writer.finish().facts
    return facts if is_read and facts.size else None
