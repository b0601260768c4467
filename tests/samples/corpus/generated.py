"""Generated mails: the content to be sent, and the mail that sends it."""

from base64 import b64encode, encodebytes
from dataclasses import dataclass, field
from urllib.parse import quote

from hypothesis import strategies as st

from tests.samples.corpus.case import multipart, wire

_ANY = st.characters(exclude_categories=["Cs"])
_NAMES = st.text(_ANY, max_size=40).map(str.strip).filter(bool)
_SHOWN = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60).map(str.strip)


@dataclass(frozen=True)
class File:
    """A file that is attached."""

    name: str
    content: bytes = field(repr=False)
    inline: bool


@dataclass(frozen=True)
class Sent:
    """Content of a mail; `inside`: mails attached to it."""

    subject: str
    body: str
    is_html: bool
    people: tuple[tuple[str, str], ...]
    files: tuple[File, ...]
    inside: tuple["Sent", ...] = ()


def _sents(inside: st.SearchStrategy[tuple[Sent, ...]]) -> st.SearchStrategy[Sent]:
    return st.builds(
        Sent,
        subject=_SHOWN,
        body=st.text(_ANY, max_size=200),
        is_html=st.booleans(),
        people=st.lists(st.tuples(_SHOWN.filter(bool), st.sampled_from("abcdef")), max_size=3).map(tuple),
        files=st.lists(st.builds(File, _NAMES, st.binary(max_size=300), st.booleans()), max_size=3).map(tuple),
        inside=inside,
    )


SENT = st.recursive(_sents(st.just(())), lambda deeper: _sents(st.lists(deeper, max_size=2).map(tuple)), max_leaves=4)


def raw(sent: Sent, number: int = 0) -> bytes:
    """Return the mail with that number, everything in it encoded so that nothing depends on its content."""
    people = ", ".join(f"{_words(name)} <{place}@example.com>" for name, place in sent.people)
    head = f"Subject: {_words(sent.subject)}\nMessage-ID: <{number}@example.com>\nFrom: Labor <labor@example.com>\n"
    kind = "html" if sent.is_html else "plain"
    body = _base64(f"Content-Type: text/{kind}; charset=utf-8", sent.body.encode())
    files = [
        _base64(
            f"Content-Type: application/octet-stream\nContent-Disposition: "
            f"{'inline' if each.inline else 'attachment'}; filename*=utf-8''{quote(each.name, safe='')}",
            each.content,
        )
        for each in sent.files
    ]
    mails = [b"Content-Type: message/rfc822\n\n" + raw(each) for each in sent.inside]
    head += f"To: {people}\n" if people else ""
    return wire(head.encode() + multipart("mixed", body, *files, *mails))


def _base64(headers: str, content: bytes) -> bytes:
    return f"{headers}\nContent-Transfer-Encoding: base64\n\n".encode() + encodebytes(content)


def _words(text: str) -> str:
    pieces = [text[start : start + 10] for start in range(0, len(text), 10)]
    return "\n ".join(f"=?utf-8?B?{b64encode(each.encode()).decode()}?=" for each in pieces)
