"""Texts in the charsets of the world, rightly and wrongly labelled."""

from base64 import b64encode

from tests.samples.corpus.case import Case, mail, text_mail

_WORDS = {
    "iso-2022-jp": "水質検査の結果",
    "gb18030": "水质检测结果 😀",
    "gb2312": "水质检测结果",
    "big5": "水質檢測結果",
    "koi8-r": "Результаты анализа воды",
    "windows-1251": "Результаты анализа",
    "euc-kr": "수질 검사 결과",
    "shift_jis": "水質検査の結果",
    "windows-1255": "תוצאות",
    "iso-8859-15": "Résultat: 3 €",
    "utf-8": "Nitrat: 3,2 mg/l — ≤ 50 😀",
    "utf-16-le": "été",
}


def _true(charset: str, words: str) -> list[Case]:
    encoded = words.encode(charset)
    word = f"=?{charset.upper()}?B?{b64encode(encoded).decode()}?="
    return [
        Case(f"{charset}-body", text_mail(f"{charset}-body", encoded, charset), body=words),
        Case(f"{charset}-subject", mail(f"{charset}-subject", "\nBonjour\n", subject=word), subject=words),
    ]


def _wrong(name: str, data: bytes, label: str | None, body: str) -> Case:
    return Case(name, text_mail(name, data, label), body=body)


CASES = (
    *(case for charset, words in _WORDS.items() for case in _true(charset, words)),
    # Windows-1252 is called ISO 8859-1 more often than not.
    _wrong("latin1-with-a-euro", b"3 \x80 \x93x\x94", "iso-8859-1", "3 € “x”"),
    _wrong("ascii-that-is-utf-8", "été".encode(), "us-ascii", "été"),
    _wrong("ascii-that-is-windows", b"\xe9t\xe9", "us-ascii", "été"),
    _wrong("no-label", "été".encode(), None, "été"),
    _wrong("label-nobody-knows", "été".encode(), "x-klingon", "été"),
    _wrong("label-that-is-no-charset", b"4pyT", "base64", "4pyT"),
    _wrong("utf-8-that-is-not", b"caf\xe9 noir", "utf-8", "caf\ufffd noir"),
    _wrong("gb2312-beyond-itself", "镕".encode("gbk"), "gb2312", "镕"),
    _wrong("japanese-cut-off", b"\x1b$B?e", "iso-2022-jp", "水"),
    Case(
        "quoted-printable",
        mail(
            "quoted-printable",
            "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n"
            "=E9t=E9 tr=\n=E8s long=20\n=XZ=\n",
        ),
        body="été très long \r\n=XZ",
    ),
    Case(
        "base64-with-dirt",
        mail(
            "base64-with-dirt",
            "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: BASE64\n\nw6l0\n*!w6k\n",
        ),
        body="été",
    ),
    Case("raw-8-bit-subject", mail("raw-8-bit-subject", "\nBonjour\n", subject=b"\xe9t\xe9"), subject="été"),
    Case("raw-utf-8-subject", mail("raw-utf-8-subject", "\nBonjour\n", subject="été 測"), subject="été 測"),
    Case(
        "words-beside-each-other",
        mail(
            "words-beside-each-other",
            "\nBonjour\n",
            subject="=?utf-8?q?a_b?=\n =?iso-8859-1?Q?=E9?= c =?utf-8?B?IQ==?=",
        ),
        subject="a bé c !",
    ),
    Case(
        "a-character-split-over-two-words",
        mail("a-character-split-over-two-words", "\nBonjour\n", subject="=?utf-8?B?5g==?= =?utf-8?B?uKw=?="),
        subject="測",
    ),
    Case(
        "words-that-are-none",
        mail("words-that-are-none", "\nBonjour\n", subject="=?utf-8?B?a?= =?x?= =?nobody*fr?q?=E9?="),
        subject="=?utf-8?B?a?= =?x?= é",
    ),
)
