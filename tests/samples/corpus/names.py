"""File names and personal names in all the ways in which programs write them."""

from tests.samples.corpus.case import BONJOUR, Case, Row, mail, multipart


def _named(name: str, parameters: str | bytes, shown: str, safe: str | None = None, *, of_type: bool = False) -> Case:
    given = parameters.encode() if isinstance(parameters, str) else parameters
    kind, disposition = (b"; " + given, b"") if of_type else (b"", b"; " + given)
    part = b"Content-Type: text/csv" + kind + b"\nContent-Disposition: attachment" + disposition + b"\n\n1;2"
    row = Row(shown, b"1;2", "text/csv", safe=safe)
    return Case(name, mail(name, multipart("mixed", BONJOUR, part)), body="Bonjour", rows=(row,))


def _people(name: str, *people: tuple[str, str | None, str | None], **headers: str | bytes) -> Case:
    return Case(name, mail(name, "\nBonjour\n", **headers), recipients=people)


CASES = (
    _named("plain", 'filename="a b.csv"', "a b.csv"),
    _named("rfc2231", "filename*=utf-8'fr'r%C3%A9sultat%20%E6%B8%AC.csv", "résultat 測.csv"),
    _named("rfc2231-koi8", "filename*=koi8-r''%F7%CF%C4%C1.csv", "Вода.csv"),
    _named(
        "rfc2231-continued",
        "filename*0*=utf-8''r%C3%A9;\n filename*1*=sultat%20;\n filename*2=\"final.csv\"",
        "résultat final.csv",
    ),
    _named("rfc2231-before-plain", "filename=\"fallback.csv\";\n filename*=utf-8''%C3%A9.csv", "é.csv"),
    _named("rfc2047-in-a-parameter", 'filename="=?utf-8?B?w6kuY3N2?="', "é.csv"),
    _named("rfc2047-in-pieces", 'name="=?iso-8859-1?Q?=E9t?=\n =?iso-8859-1?Q?=E9.csv?="', "été.csv", of_type=True),
    _named("raw-8-bit", b'filename="\xe9t\xe9.csv"', "été.csv"),
    _named("raw-utf-8", 'filename="été 測.csv"', "été 測.csv"),
    _named("quoted-quote", 'filename="a \\"b\\".csv"', 'a "b".csv', "a _b_.csv"),
    _named("a-path", 'filename="../../etc/passwd"', "../../etc/passwd", ".._.._etc_passwd"),
    _named("a-device", 'filename="NUL.csv"', "NUL.csv", "_NUL.csv"),
    _named("turned-around", "filename*=utf-8''report%E2%80%AEcsv.exe", "report\u202ecsv.exe", "reportcsv.exe"),
    _named("with-controls", b'filename="a\x01\x7fb.csv"', "a\x01\x7fb.csv", "ab.csv"),
    _named("very-long", f'filename="{"x" * 2000}.csv"', f"{'x' * 2000}.csv", f"{'x' * 196}.csv"),
    _named("none", "creation-date=x", "ATT00001.csv"),
    _people(
        "many-people",
        ("to", "Müller, Jörg", "j@example.com"),
        ("to", "b@example.com", "b@example.com"),
        ("to", "測試", "c@example.com"),
        ("to", 'Ana "A." L', "d@example.com"),
        ("cc", "E (comment)", "e@example.com"),
        ("bcc", "F", "f@example.com"),
        ("replyTo", "Antwort", "antwort@example.com"),
        To="=?utf-8?Q?M=C3=BCller=2C_J=C3=B6rg?= <j@example.com>, b@example.com,\n"
        " =?big5?B?tPq41Q==?= <c@example.com>,\n"
        ' "Ana \\"A.\\" L" <d@example.com>',
        Cc="E (comment) <e@example.com>",
        Bcc="F <f@example.com>",
        Reply_To='"Antwort" <antwort@example.com>',
    ),
    _people(
        "a-group",
        ("to", "A", "a@example.com"),
        ("to", "b@example.com", "b@example.com"),
        To="Labs: A <a@example.com>, b@example.com;",
    ),
    _people("undisclosed", To="undisclosed-recipients:;"),
    _people("nobody-with-an-address", ("to", "Everybody", "Everybody"), To="Everybody"),
    _people(
        "two-headers",
        ("to", "A", "a@example.com"),
        ("to", "B", "b@example.com"),
        To="A <a@example.com>\nTo: B <b@example.com>",
    ),
)
