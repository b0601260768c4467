"""Rules against mail: each condition, all of them together, and rules that cannot be used."""

from typing import Any

import pytest

from phrases import Phrase
from rules.compiled import BadRule, CompiledRules
from rules.mail import MailFacts
from rules.patterns import Regex
from rules.rule import Container, SavedBody, SubjectKind
from tests.unit.rules.samples import archive, attachment, failed, mail, rule, verdict


def test_no_condition() -> None:
    """A rule without a condition matches every mail, and says so; one of an account those of the account."""
    assert rule().is_unconditional
    assert rule(account_id=1).is_unconditional
    assert not rule(subject_kind=SubjectKind.IS, subjects=("a",)).is_unconditional
    assert failed(rule(), mail(senders=(), recipients=(), subject=None, body_text=None)) is None


def test_account() -> None:
    """A rule of an account leaves mail of the others alone."""
    assert failed(rule(account_id=1), mail(account_id=1)) is None
    assert failed(rule(account_id=2), mail(account_id=1)) == "account"


@pytest.mark.parametrize(
    ("entries", "senders", "fits"),
    [
        (("labor@example.com",), ("LABOR@Example.com",), True),
        (("other@example.com", "labor@example.com"), ("labor@example.com",), True),
        (("example.com",), ("a@b.example", "labor@example.com"), True),
        (("example.com",), ("labor@sub.example.com",), False),
        (("*.example.com",), ("labor@a.b.example.com",), True),
        (("*.example.com",), ("labor@example.com",), False),
        (("müller.example",), ("a@xn--mller-kva.example",), True),
        (("example.com",), ("/O=EXCHANGELABS/CN=X",), False),
        (("example.com",), (), False),
        (("*.example.com",), ("a@" + "a." * 50_000 + "example.com",), True),
    ],
)
def test_senders(entries: tuple[str, ...], senders: tuple[str, ...], fits: bool) -> None:
    """One pattern must fit one of the senders."""
    assert failed(rule(senders=entries), mail(senders=senders)) == (None if fits else "senders")


@pytest.mark.parametrize(
    ("entry", "recipient", "fits"),
    [
        ("lab+*@example.com", "lab+site12@example.com", True),
        ("lab+*@example.com", "LAB+Site12@Example.com", True),
        ("lab+*@example.com", "lab+@example.com", True),
        ("lab+*@example.com", "lab@example.com", False),
        ("lab+*@example.com", "lab+1@sub.example.com", False),
        ("lab+*@müller.example", "lab+1@xn--mller-kva.example", True),
        ("*+12@example.com", "lab+12@example.com", True),
        ("*.lab@example.com", "site.lab@example.com", True),
        ("l*b+*2@example.com", "lab+site12@example.com", True),
        ("l*b+*2@example.com", "lab+site1@example.com", False),
        ("lab+site12@example.com", "lab+site12@example.com", True),
        ("lab+site12@example.com", "lab+site13@example.com", False),
        ("lab@example.com", "lab@example.com", True),
        ("lab@example.com", "lab+site12@example.com", False),
        ("example.com", "lab+site12@example.com", True),
        ("*.example.com", "lab@sub.example.com", True),
    ],
)
def test_recipients(entry: str, recipient: str, fits: bool) -> None:
    """A recipient fits its own pattern alone; * before the @ stands for anything."""
    facts = mail(recipients=("someone@else.example", recipient))
    assert failed(rule(recipients=(entry,)), facts) == (None if fits else "recipients")


@pytest.mark.parametrize(
    ("kind", "texts", "subject", "fits"),
    [
        ("is", ("prüfbericht",), "PRÜFBERICHT", True),
        ("is", ("Prüfbericht  7",), "  prüfbericht\t7 ", True),
        ("is", ("Prüfbericht",), "Prüfbericht 7", False),
        ("is", ("a", "Pru\u0308fbericht"), "Prüfbericht", True),
        ("is", ("試験報告",), "試験報告", True),
        ("is", ("STRASSE",), "straße", True),
        ("is", ("a",), None, False),
        ("contains", ("bericht",), "Prüfbericht 7", True),
        ("contains", ("Résultat", "Ergebnis"), "Vos RÉSULTATS du 3 mars", True),
        ("contains", ("resultat",), "Vos résultats", False),
        ("contains", ("テスト",), "ﾃｽﾄ結果", True),
        ("contains", ("a*c",), "abc", False),
        ("matches", (r"^prüfbericht \d+$",), "PRÜFBERICHT 12", True),
        ("matches", (r"(?-i)^prüfbericht",), "PRÜFBERICHT 12", False),
        ("matches", (r"pr.fbericht",), "Pru\u0308fbericht", True),
        ("matches", ("a", r"結果$"), "試験結果", True),
        ("matches", (r"^$",), None, True),
        ("matches", (r"a.b",), "a\ud800b", True),
    ],
)
def test_subject(kind: str, texts: tuple[str, ...], subject: str | None, fits: bool) -> None:
    """The subject is, contains or matches one of the texts."""
    compiled = rule(subject_kind=SubjectKind(kind), subjects=texts)
    assert failed(compiled, mail(subject=subject)) == (None if fits else "subject")


@pytest.mark.parametrize(
    ("choices", "body", "fits"),
    [
        (("prufung bestanden",), "Die PRÜFUNG wurde (gestern) bestanden.", True),
        (("bestanden Prüfung",), "Die Prüfung wurde bestanden.", False),
        (("Prüfung",), "Die Prüfungen", False),
        (("a", "wurde"), "Die Prüfung wurde bestanden.", True),
        (('"Prüfung wurde"',), "Die Prüfung,\n\nwurde bestanden", True),
        (('"Prüfung bestanden"',), "Die Prüfung wurde bestanden", False),
        (('Die "wurde bestanden"',), "Die Prüfung wurde bestanden", True),
        (("l'analyse oeuvre",), "L’ANALYSE de l'Œuvre", True),
        (("analyse",), "voici l'analyse", True),
        (("strasse",), "Hauptstraße, Straße", True),
        (("12,5 mg",), "Wert: 12,5 mg/l", True),
        (("12,5",), "Wert: 112,5 mg/l", False),
        (("報告",), "本日の試験報告です", True),
        (("報告 試験",), "本日の試験報告です", False),
        (("テスト",), "ﾃｽﾄ結果", True),
        (("は",), "ぱ", False),
        (("Befund",), None, False),
        (("a a",), "a", False),
        (("a a",), "a b a", True),
    ],
)
def test_body(choices: tuple[str, ...], body: str | None, fits: bool) -> None:
    """Whole words stand in this order, whatever is between; those in quotes follow each other."""
    assert failed(rule(body_words=choices), mail(body_text=body)) == (None if fits else "body")


@pytest.mark.parametrize(
    ("patterns", "name", "fits"),
    [
        (("*.csv",), "results.CSV", True),
        (("*.csv",), "results.csv.exe", False),
        (("*.xls", "*.xlsx"), "Messwerte.XLSX", True),
        (("result?.csv",), "result7.csv", True),
        (("result?.csv",), "result.csv", False),
        (("result[12].csv",), "result1.csv", False),
        (("result[12].csv",), "result[12].csv", True),
        (("result??.csv",), "résult12.csv", False),
        (("r?sult*",), "re\u0301sult12.csv", True),
        (("prüf*",), "PRU\u0308FBERICHT.pdf", True),
        (("試験*.pdf",), "試験報告.pdf", True),
        (("*a*b*c*",), "xxaxxbxxcxx", True),
        (("*a*b*c*",), "xxaxxcxxbxx", False),
        (("ab*bc",), "abc", False),
        (("*",), "anything", True),
        (("*.*",), "anything", False),
        (("results.csv",), "Results.csv", True),
        (("results.csv",), "my results.csv", False),
    ],
)
def test_attachment_names(patterns: tuple[str, ...], name: str, fits: bool) -> None:
    """A name fits a pattern in any letter case; brackets stand for themselves."""
    compiled = rule(attachment_names=patterns)
    assert failed(compiled, mail(attachments=(attachment(name),))) == (None if fits else "attachments")


def test_safe_name_fits_too() -> None:
    """An attachment fits by its name as sent, and by the safe one."""
    facts = mail(attachments=(attachment("re:sult.csv", safe_name="re_sult.csv"),))
    assert failed(rule(attachment_names=("re:sult.csv",)), facts) is None
    assert failed(rule(attachment_names=("re_sult.csv",)), facts) is None
    assert failed(rule(attachment_names=("attach*.csv",)), facts) == "attachments"
    nameless = mail(attachments=(attachment(None, safe_name="attachment-1.csv"),))
    assert failed(rule(attachment_names=("attach*.csv",)), nameless) is None


@pytest.mark.parametrize(
    ("least", "most", "fits"),
    [(100, None, True), (101, None, False), (None, 100, True), (None, 99, False), (100, 100, True), (0, 0, False)],
)
def test_attachment_sizes(least: int | None, most: int | None, fits: bool) -> None:
    """The least and the most bytes fit, too."""
    compiled = rule(size_least=least, size_most=most)
    assert failed(compiled, mail(attachments=(attachment(),))) == (None if fits else "attachments")


def test_one_attachment_fits_name_and_size() -> None:
    """Two attachments do not make up for each other."""
    facts = mail(attachments=(attachment("a.csv", 0, size=1), attachment("b.pdf", 1, size=500)))
    assert failed(rule(attachment_names=("*.csv",), size_least=100), facts) == "attachments"
    assert failed(rule(attachment_names=("*.csv",), size_most=100), facts) is None


@pytest.mark.parametrize(
    ("attachments", "has"),
    [
        ((), False),
        ((attachment(),), True),
        ((attachment("logo.png", inline=True, content_type="Image/PNG"),), False),
        ((attachment("report.pdf", inline=True, content_type="application/pdf"),), True),
        ((attachment("photo.png", content_type="image/png"),), True),
        ((attachment("link", kind="reference", state="linked", sha256=None),), True),
        ((attachment("large.iso", state="too_large", sha256=None),), True),
        ((attachment("a.csv", origin="tnef", parent=5),), False),
    ],
)
def test_has_attachments(attachments: tuple[Any, ...], has: bool) -> None:
    """What the sender attached counts, but no picture within the body, and nothing unpacked."""
    facts = mail(attachments=attachments)
    assert failed(rule(has_attachments=True), facts) == (None if has else "has_attachments")
    assert failed(rule(has_attachments=False), facts) == ("has_attachments" if has else None)


def test_inline_pictures_fit_patterns_alone() -> None:
    """A picture within the body fits a pattern of names, but no size on its own; a link fits nothing."""
    facts = mail(attachments=(attachment("logo.png", inline=True, content_type="image/png"),))
    assert failed(rule(attachment_names=("*.png",)), facts) is None
    assert failed(rule(size_least=1), facts) == "attachments"
    link = mail(attachments=(attachment("a.csv", kind="reference", state="linked", sha256=None),))
    assert failed(rule(attachment_names=("*.csv",)), link) == "attachments"


def nested() -> MailFacts:
    """An attached mail with a winmail.dat, which holds a file."""
    return mail(
        attachments=(
            attachment("mail.eml", 0, kind="item"),
            attachment("winmail.dat", 1, origin="item", parent=0),
            attachment("a.csv", 2, origin="tnef", parent=1),
        )
    )


@pytest.mark.parametrize(
    ("unpack", "fits"),
    [
        ((), False),
        ((Container.TNEF,), False),
        ((Container.ITEM,), False),
        ((Container.ITEM, Container.TNEF), True),
        (tuple(Container), True),
    ],
)
def test_contents_of_containers(unpack: tuple[Container, ...], fits: bool) -> None:
    """A file is considered when the rule unpacks every container on the way to it."""
    compiled = rule(attachment_names=("*.csv",), unpack=frozenset(unpack))
    assert failed(compiled, nested()) == (None if fits else "attachments")


def test_odd_parents() -> None:
    """A parent that is missing, or its own, does not stop a check."""
    compiled = rule(attachment_names=("*.csv",), unpack=frozenset({Container.TNEF}))
    assert failed(compiled, mail(attachments=(attachment("a.csv", 3, origin="tnef", parent=3),))) is None
    assert failed(compiled, mail(attachments=(attachment("a.csv", 3, origin="tnef", parent=9),))) is None
    assert failed(compiled, mail(attachments=(attachment("a.csv", 3, origin="new", parent=9),))) == "attachments"


def test_members_of_an_archive() -> None:
    """The files in a .zip count when the rule unpacks it, by their name without folders and their own size."""
    facts = mail(attachments=(archive("2026/March/a.csv", "old\\b.txt", "empty.csv/"),))
    unpack = frozenset({Container.ZIP})
    assert failed(rule(attachment_names=("*.csv",)), facts) == "attachments"
    assert failed(rule(attachment_names=("a.csv",), unpack=unpack), facts) is None
    assert failed(rule(attachment_names=("b.txt",), size_most=50, unpack=unpack), facts) is None
    assert failed(rule(attachment_names=("b.txt",), size_most=49, unpack=unpack), facts) == "attachments"
    assert failed(rule(attachment_names=("empty*",), unpack=unpack), facts) == "attachments"
    assert failed(rule(attachment_names=("data.zip",), unpack=unpack), facts) is None


@pytest.mark.parametrize(
    ("name", "content_type", "known"),
    [
        ("a.ZIP", None, True),
        ("a", "application/zip", True),
        ("a", "Application/X-Zip-Compressed; x=y", True),
        ("a.bin", "application/octet-stream", False),
    ],
)
def test_archives_are_read_when_needed(name: str, content_type: str | None, known: bool) -> None:
    """The list of a .zip is needed where it alone is missing for a verdict."""
    unread = attachment(name, content_type=content_type)
    compiled = rule(attachment_names=("*.csv",), unpack=frozenset({Container.ZIP}), body_words=("tag",))
    found = verdict(compiled, mail(attachments=(unread,)))
    assert (found.matches, found.failed, found.needs_archives) == (False, "attachments", known)


def test_archives_are_not_read_in_vain() -> None:
    """No list is read for a rule that does not match in any case, or needs none, nor of a .zip that is not there."""
    unpack = frozenset({Container.ZIP})
    facts = mail(attachments=(archive(members=None), attachment("a.csv", 1)))
    csv = {"attachment_names": ("*.csv",), "unpack": unpack}
    assert verdict(rule(**csv), facts).needs_archives
    assert verdict(rule(**csv), facts).matches
    assert not verdict(rule(**csv, save_attachments=False, save_original=True), facts).needs_archives
    for other in ({"body_words": ("nothing",)}, {"senders": ("b.example",)}, {"has_attachments": False}):
        assert not verdict(rule(**csv, **other), facts).needs_archives
    assert not verdict(rule(attachment_names=("*.csv",)), facts).needs_archives
    assert verdict(rule(unpack=unpack), facts).needs_archives
    for gone in ({"state": "too_large"}, {"purged": True}, {"origin": "item", "parent": 5}):
        assert not verdict(rule(**csv), mail(attachments=(archive(members=None, **gone),))).needs_archives


def test_all_conditions_must_hold() -> None:
    """The first condition that does not hold is named."""
    conditions: dict[str, dict[str, Any]] = {
        "account": {"account_id": 1},
        "senders": {"senders": ("example.com",)},
        "recipients": {"recipients": ("riviere.example",)},
        "subject": {"subject_kind": SubjectKind.CONTAINS, "subjects": ("prüf",)},
        "has_attachments": {"has_attachments": True},
        "attachments": {"attachment_names": ("*.csv",)},
        "body": {"body_words": ("guten tag",)},
    }
    otherwise: dict[str, dict[str, Any]] = {
        "account": {"account_id": 2},
        "senders": {"senders": ("a@b.example",)},
        "recipients": {"recipients": ()},
        "subject": {"subject": "Rechnung"},
        "has_attachments": {"attachments": (attachment("a.csv", inline=True, content_type="image/png"),)},
        "attachments": {"attachments": (attachment("a.pdf"),)},
        "body": {"body_text": "Bonjour"},
    }
    compiled = rule(**{name: value for each in conditions.values() for name, value in each.items()})
    fitting = {"attachments": (attachment(),)}
    assert failed(compiled, mail(**fitting)) is None
    for word, change in otherwise.items():
        assert failed(compiled, mail(**{**fitting, **change})) == word


def test_order() -> None:
    """Verdicts come by position, then by number, and all rules are checked."""
    rules = CompiledRules(
        [
            rule(name="c", position=2, rule_id=1),
            rule(name="b", position=1, rule_id=9, senders=("example.com",)),
            rule(name="a", position=1, rule_id=3, subject_kind=SubjectKind.IS, subjects=("prüfbericht", "x")),
            rule(name="d", position=3, rule_id=2, recipients=("riviere.example",)),
            rule(name="e", position=4, rule_id=4, account_id=1),
            rule(name="f", position=5, rule_id=5, account_id=2),
        ]
    )
    assert [each.rule.rule.name for each in rules.check(mail())] == list("abcdef")
    assert [each.rule.name for each in rules.matching(mail()).rules] == list("abcde")


def test_rule_is_found_once() -> None:
    """A rule that fits in several ways is found once."""
    rules = CompiledRules([rule(senders=("labor@example.com", "example.com"), recipients=("a@b.example", "b.example"))])
    facts = mail(senders=("labor@example.com", "other@example.com"), recipients=("a@b.example", "c@b.example"))
    assert len(rules.matching(facts).rules) == 1


@pytest.mark.parametrize(
    ("fields", "field", "cause"),
    [
        ({"name": " "}, "name", "needs a name"),
        ({"name": "a\nb"}, "name", "control characters"),
        ({"name": "a" * 201}, "name", "200"),
        ({"senders": ("labor",)}, "senders", "'labor' is neither"),
        ({"senders": ("lab+*@example.com",)}, "senders", "* before the @"),
        ({"recipients": ("lab*@*.example.com",)}, "recipients", "neither"),
        ({"recipients": ("a@b*@example.com",)}, "recipients", "neither"),
        ({"recipients": ("lab*@nowhere",)}, "recipients", "'lab*@nowhere' is neither"),
        ({"subjects": ("a",)}, "subject_kind", "is, contains or matches"),
        ({"subject_kind": SubjectKind.IS}, "subjects", "needs a text"),
        ({"subject_kind": SubjectKind.IS, "subjects": ("a", " ")}, "subjects", "empty"),
        ({"subject_kind": SubjectKind.MATCHES, "subjects": ("a", "(b")}, "subjects", "'(b' is no regular expression"),
        ({"subject_kind": SubjectKind.MATCHES, "subjects": ("(?=a)",)}, "subjects", "invalid perl operator"),
        ({"subject_kind": SubjectKind.MATCHES, "subjects": (r"\pL{900}",)}, "subjects", "too large"),
        ({"subject_kind": SubjectKind.MATCHES, "subjects": ("a" * 1001,)}, "subjects", "1000"),
        ({"body_words": ("...",)}, "body_words", "no word"),
        ({"body_words": ("",)}, "body_words", "no word"),
        ({"body_words": ('"a',)}, "body_words", "double quote"),
        ({"attachment_names": ("data/*.csv",)}, "attachment_names", "path separator"),
        ({"attachment_names": ("data\\*.csv",)}, "attachment_names", "path separator"),
        ({"attachment_names": ("",)}, "attachment_names", "empty"),
        ({"attachment_names": ("?" * 256,)}, "attachment_names", "255"),
        ({"size_least": -1}, "size_least", "-1 is no number of bytes"),
        ({"size_most": -1}, "size_most", "-1 is no number of bytes"),
        ({"size_least": 2, "size_most": 1}, "size_least", "at least 2 and at most 1"),
        ({"folder": "import"}, "folder", "not absolute"),
        ({"file_name": "{nam}"}, "file_name", "'{nam}' is no placeholder"),
        ({"save_attachments": False}, "save_attachments", "saves nothing"),
        ({"save_attachments": False, "save_metadata": True}, "save_attachments", "saves nothing"),
    ],
)
def test_bad_rules(fields: dict[str, Any], field: str, cause: str) -> None:
    """A rule that cannot be used names its field and the cause."""
    with pytest.raises(BadRule) as caught:
        rule(**fields)
    assert caught.value.field == field
    text = str(caught.value)
    assert isinstance(text, Phrase)
    assert text.startswith(f"{field}: ")
    assert cause in text


def test_rules_that_save_other_parts() -> None:
    """A rule may save the body or the original alone."""
    assert rule(save_attachments=False, save_body=SavedBody.TEXT).is_unconditional
    assert rule(save_attachments=False, save_original=True).is_unconditional


@pytest.mark.parametrize(
    "expressions",
    [
        (r"\Qa.b", "c", "a"),
        (r"(?P<n>a)", r"(?P<n>b)", "Z"),
        (r"(?-i)A", "B", "a"),
        ("a|b", "c", "^a$|x"),
        (*(rf"\pL{{{number}}}a" for number in range(30, 60)), "a"),
    ],
)
def test_expressions_are_searched_together(expressions: tuple[str, ...]) -> None:
    """Expressions that change each other when they are put together are not."""
    alone = [
        rule(subject_kind=SubjectKind.MATCHES, subjects=(each,), name=f"r{n}") for n, each in enumerate(expressions)
    ]
    rules = CompiledRules(alone)
    for subject in ("a", "A", "b", "c", "a.b", "a.b)|(?:c", "x", "z", "a" * 201, ""):
        matched = {each.rule.name for each in rules.matching(mail(subject=subject)).rules}
        assert matched == {each.rule.name for each in alone if failed(each, mail(subject=subject)) is None}
        every = {each for each, text in zip(alone, expressions, strict=True) if Regex(text).fits(subject.encode())}
        assert matched == {each.rule.name for each in every}


def test_odd_names_are_found() -> None:
    """Names with line breaks, and many dots, are found as others are."""
    patterns = ("a*z.csv", "*.b.csv", "x y", "q?.txt", "*end", "no.csv")
    rules = CompiledRules([rule(attachment_names=(each,), name=each) for each in patterns])
    names = ("a\n\nz.csv", "." * 5000 + "b.csv", "x y", "q\n.txt", "the end")
    facts = mail(attachments=[attachment(name, n, safe_name=f"file{n}") for n, name in enumerate(names)])
    assert [each.rule.name for each in rules.matching(facts).rules] == list(patterns[:-1])
    assert [each.matches for each in rules.check(facts)] == [True] * 5 + [False]
