"""Templates of file names: each field, what is no template, and whatever senders write."""

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phrases import Phrase
from rules.templates import PLACEHOLDERS, BadTemplate, NameValues, Template

VALUES = NameValues(
    imported=datetime(2026, 3, 31, 12, 0, 5, tzinfo=UTC),
    received=datetime(2026, 3, 31, 13, 59, 58, tzinfo=timezone(timedelta(hours=2))),
    sender="Labor+Nord@Müller.example",
    recipient="import+site12@riviere.example",
    subject="Prüfbericht: 7/2026",
    name="results.csv",
    rule="Laboratory",
    account=3,
    message=4711,
    number=2,
    sha256="0123456789abcdef" * 4,
)


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{received:%Y%m%d-%H%M%S}_{name}", "20260331-115958_results.csv"),
        ("{received}_{name}", "20260331-115958_results.csv"),
        ("{imported:%y-%j %G-W%V-%u}{name}", "26-090 2026-W14-2results.csv"),
        ("{sender} {stem}.{ext}", "Labor+Nord@Müller.example results.csv"),
        ("{sender_local}.{ext}", "Labor+Nord.csv"),
        ("{sender_domain}_{name}", "xn--mller-kva.example_results.csv"),
        ("{recipient}", "import+site12@riviere.example.csv"),
        ("{recipient_tag}_{name}", "site12_results.csv"),
        ("{subject}_{name}", "Prüfbericht_ 7_2026_results.csv"),
        ("{rule}-{account}-{message}-{number}-{sha256}", "Laboratory-3-4711-2-0123456789abcdef.csv"),
        ("{number:03}-{message:08d}-{name}", "002-00004711-results.csv"),
        ("{{{stem}}}.{ext}", "{results}.csv"),
        ("results", "results.csv"),
        ("results.CSV", "results.CSV"),
        ("{stem}.txt", "results.txt.csv"),
        (" {name} ", "results.csv"),
    ],
)
def test_fields(template: str, name: str) -> None:
    """Each field stands for its value; times are UTC, and the file keeps its extension."""
    assert Template(template).render(VALUES) == name


@pytest.mark.parametrize(
    ("template", "change", "name"),
    [
        ("{received:%H}_{name}", {"received": None}, "12_results.csv"),
        ("{sender}_{sender_local}_{sender_domain}", {"sender": ""}, "_____.csv"),
        ("{recipient_tag}_{name}", {"recipient": "import@riviere.example"}, "__results.csv"),
        ("{subject}_{name}", {"subject": " "}, "__results.csv"),
        ("{sha256}", {"sha256": None}, "_.csv"),
        ("{stem}.{ext}", {"name": "README"}, "README"),
        ("{stem}_{number}.{ext}", {"name": "README"}, "README_2"),
        ("{subject}", {"subject": "../../etc/passwd"}, ".._.._etc_passwd.csv"),
        ("{subject}", {"subject": ".."}, "attachment-2.csv"),
        ("{subject}", {"subject": "NUL"}, "_NUL.csv"),
        ("{subject}", {"subject": "{name} {0.__class__}"}, "{name} {0.__class__}.csv"),
        ("{subject}", {"subject": "試験報告\u202egpj"}, "試験報告gpj.csv"),
        ("{subject}_{name}", {"subject": "a" * 1000}, f"{'a' * 100}_results.csv"),
        ("{sender_domain}", {"sender": "/O=EXCHANGELABS/CN=X"}, "_.csv"),
        pytest.param(
            *("{received:%Y}", {"received": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))}, "1.csv"),
            marks=pytest.mark.skipif(sys.platform == "win32", reason="its C library writes 0001"),
        ),
    ],
)
def test_odd_values(template: str, change: dict[str, Any], name: str) -> None:
    """An empty value becomes a line; no value leaves the folder, or is a template itself."""
    assert Template(template).render(replace(VALUES, **change)) == name


@pytest.mark.parametrize(
    ("template", "cause"),
    [
        ("", "empty"),
        (" ", "empty"),
        ("a" * 401, "400"),
        ("{nam}", "{received}, {imported}, {sender}"),
        ("{}", "'{}' is no placeholder"),
        ("{0}", "'{0}' is no placeholder"),
        ("{name.__class__}", "no placeholder"),
        ("{name[0]}", "no placeholder"),
        ("{name!r}", "!r after 'name'"),
        ("{name:>10}", "'>10' after 'name'"),
        ("{number:1000000}", "no format"),
        ("{number:x}", "no format"),
        ("{received:%c}", "'%c' after 'received'"),
        ("{received:%B}", "There are: %Y"),
        ("{received:%", "braces"),
        ("{received:%}", "no format of a time"),
        ("{received:{name}}", "no format of a time"),
        ("{received:%H:%M}", "no file name may have"),
        ("{received:%Y/%m}", "no file name may have"),
        ("{name", "braces"),
        ("name}", "braces"),
        ("a/{name}", "path separator"),
        ("a\\{name}", "path separator"),
        ("a\x00{name}", "control character"),
        ("a:{name}", "path separator"),
        ("..{name}", "two dots"),
        ("{received:..}", "two dots"),
    ],
)
def test_bad_templates(template: str, cause: str) -> None:
    """What is no template is refused, with the cause."""
    with pytest.raises(BadTemplate) as caught:
        Template(template)
    assert isinstance(str(caught.value), Phrase)
    assert cause in str(caught.value)


def test_placeholders_are_complete() -> None:
    """Each placeholder that an error shows can be used."""
    for each in PLACEHOLDERS:
        assert Template(f"{{{each}}}").render(VALUES).endswith(".csv")


@given(
    st.lists(st.sampled_from(PLACEHOLDERS), min_size=1, max_size=4),
    st.text(max_size=300),
    st.text(max_size=300),
    st.text(max_size=300),
)
def test_names_are_safe(fields: list[str], subject: str, sender: str, recipient: str) -> None:
    """Whatever a sender writes, the name is one component of limited length, and keeps its extension."""
    template = Template("_".join(f"{{{each}}}" for each in fields))
    name = template.render(replace(VALUES, subject=subject, sender=sender, recipient=recipient))
    assert name.lower().endswith(".csv")
    assert name not in {"", ".", ".."}
    assert not set('<>:"/\\|?*\0\n\r') & set(name)
    assert len(name.encode("utf-16-le")) // 2 <= 200
    assert len(name.encode()) <= 255
