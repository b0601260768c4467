"""HTML bodies as plain text, for programs that search or show no HTML."""

from typing import Final

from inscriptis import get_text
from inscriptis.css_profiles import CSS_PROFILES
from inscriptis.model.config import ParserConfig
from lxml import etree
from lxml.html import HTMLParser, document_fromstring

_MOST_LAID_OUT: Final = 256 * 1024
"""Characters of HTML that are laid out, tables as columns: it takes some milliseconds for each 10,000."""
_INVISIBLE: Final = ("script", "style", "head", "template", "noscript", "title")


def plain_text(html: str) -> str | None:
    """What a reader sees of it, tables in columns and lists with bullets. Takes its time: call it on a thread.

    What is very large, or nested deeper than the layout goes, becomes text without layout. None: nothing could be
    read of it.
    """
    if len(html) <= _MOST_LAID_OUT:
        laid_out = _laid_out(html)
        if laid_out:
            return laid_out
    return _bare(html)


def _laid_out(html: str) -> str | None:
    try:
        return str(get_text(html, ParserConfig(css=CSS_PROFILES["strict"]))).strip()
    except (etree.LxmlError, ValueError, RecursionError):
        return None


def _bare(html: str) -> str | None:
    try:
        tree = document_fromstring(html, parser=HTMLParser(huge_tree=True, remove_comments=True))
    except (etree.LxmlError, ValueError):
        return None
    etree.strip_elements(tree, *_INVISIBLE, with_tail=False)
    lines = (" ".join(str(line).split()) for line in tree.itertext())
    return "\n".join(line for line in lines if line) or None
