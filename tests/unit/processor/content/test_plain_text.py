"""HTML bodies as text readable by users and searches."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from processor.content.plain_text import MAX_LAID_OUT, MAX_READ, bare_text, plain_text

ROW = "<tr><td>Nitrate</td><td>3,2</td><td>mg/l</td></tr>"


def test_tables_stay_in_columns_and_lists_in_lines() -> None:
    """Cells beside each other in the mail are so in the text."""
    text = plain_text(
        "<html><head><title>T</title><style>p {color: red}</style></head><body><script>alert(1)</script>"
        f"<p>Bonjour,<br>voici l&rsquo;&eacute;t&eacute;</p><table>{ROW}"
        "<tr><td>Phosphate</td><td>0,1</td><td>mg/l</td></tr></table><ul><li>un<li>deux</ul></body></html>"
    )
    assert text is not None
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    assert lines == ["Bonjour,", "voici l’été", "Nitrate 3,2 mg/l", "Phosphate 0,1 mg/l", "* un", "* deux"]
    assert text.index("3,2") - text.index("Nitrate") == len("Phosphate") + 2


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        (
            "<tr><th rowspan=2>Stoff<th colspan=2>Werte<th>in<tr><th>Mai<th>Juni<th>-<tr><td>Blei<td>1<td>42<td>mg",
            {"Werte": "Mai", "Juni": "42", "-": "mg"},
        ),
        ("<tr><td rowspan=2>P1<td>Blei<td>42<tr><td>Zink<td>7<tr><td>P2<td>Cd<td>9", {"Blei": "Zink", "42": "7"}),
        ("<tr><td colspan=3>Summe<td>42<tr><td>a<td>b<td>c<td>7", {"42": "7", "Summe": "a"}),
        ("<tr><td>a<td rowspan=2>b<tr><td>c<tr><td>d<td>e", {"b": "e", "a": "c"}),
        ("<tr><td colspan=0>a<td rowspan=x>b<tr><td>c<td>d", {"b": "d"}),
    ],
)
def test_a_value_stays_in_its_column(rows: str, columns: dict[str, str]) -> None:
    """Cells that reach over several columns or rows do not move others below another heading."""
    text = plain_text(f"<table>{rows}</table>")
    assert text is not None
    lines = text.splitlines()
    places = {
        word: line.index(word) for line in lines for word in {*columns, *columns.values()} if word in line.split()
    }
    assert {word: places[word] for word in columns} == {word: places[below] for word, below in columns.items()}


@pytest.mark.slow
def test_a_large_body_loses_its_layout_and_no_word() -> None:
    """Laying out thirty megabytes would take a minute."""
    text = plain_text(f"<html><body><style>p</style><!-- c --><table>{ROW * 100_000}</table></body></html>")
    assert text is not None
    assert text.splitlines() == ["Nitrate", "3,2", "mg/l"] * 100_000


def test_a_large_body_keeps_words_whole_and_hides_invisible_text() -> None:
    """Tags within a word, characters written by name, and the contents of a head or a script."""
    line = "<p>Gr&uuml;<b>&szlig;</b>e <i>aus</i>\n Z&#252;rich</p>"
    html = f"<html><head><title>T</title></head><body><script>x</script>{line * 10_000}</body></html>"
    assert plain_text(html) == "\n".join(["Grüße aus Zürich"] * 10_000)


@pytest.mark.parametrize(
    ("html", "words"),
    [
        ("Probe 1<table><tr><td>42</td></tr></table>7", ["Probe", "1", "42", "7"]),
        ("<table><tr><td>Probe 1<table><tr><td>42</td></tr></table></td></tr></table>", ["Probe", "1", "42"]),
        ("1<hr>42", ["1", "42"]),
        ("<dl><dt>Probe 1<dd>42<dt>Probe 2<dd>7</dl>", ["Probe", "1", "42", "Probe", "2", "7"]),
        ("1<center>42</center>7<section>8</section><form>9</form>", ["1", "42", "7", "8", "9"]),
        ("<div style='display: flex'>1</div><div style='DISPLAY:block !important'>42</div>", ["1", "42"]),
        ("<span style='display: block'>1</span><span style='display: inline'>4</span>2", ["1", "42"]),
        ("<p style='display:none!important'>Vorschau</p>42 <noscript>7</noscript>", ["42", "7"]),
        ("<span>4</span><span style='color: red'>2</span>", ["42"]),
    ],
)
def test_values_beside_each_other_stay_apart(html: str, words: list[str]) -> None:
    """Numbers that a reader sees on two lines are never one."""
    assert (plain_text(html) or "").split() == words


@pytest.mark.parametrize("padding", ["", f"<!--{'x' * MAX_LAID_OUT}-->"], ids=["laid-out", "bare"])
@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("10<sup>6</sup> KBE/m<sup class=x><span lang=DE>3</span></sup>", "10⁶ KBE/m³"),
        ("10<sup>-3</sup> 10<SUP>&minus;3</SUP >", "10⁻³ 10⁻³"),
        ("Blei 42<sup>1)</sup> mg/l", "Blei 42¹⁾ mg/l"),
        ("1<sup>er</sup> CO<sub>2</sub> Stoff<sup>TM 2 Anmerkungen</sup>", "1er CO2 StoffTM 2 Anmerkungen"),
        (
            "https://lims.example/?a=1&amp;section=3&amp;copy=4 &amp;lt;",
            "https://lims.example/?a=1&section=3&copy=4 &lt;",
        ),
        ("<table><tr><td><table><tr><td>a&amp;para=1 R&D</td></tr></table></td></tr></table>", "a&para=1 R&D"),
    ],
)
def test_exponents_and_addresses_stay_what_they_are(html: str, text: str, padding: str) -> None:
    """A number that is raised is not another digit, and no character is decoded twice."""
    assert plain_text(f"<p>{html}</p>{padding}") == text


@pytest.mark.parametrize("length", [1, 2, 3, 5, 7, 11, 64])
def test_the_text_is_the_same_in_pieces_of_any_length(length: int) -> None:
    """No piece of a long body ends within a tag, or within a number that is raised."""
    html = (
        '<html><body>10<sup class="x">6</sup> KBE<SUP><b>1)</b></SUP>, 42 <sup>er</sup> &#181;g</body></html><p>7<sup>'
    )
    found: list[str] = []
    assert bare_text((html[start : start + length] for start in range(0, len(html), length)), found.append)
    assert "".join(found) == "10⁶ KBE¹⁾, 42 er µg\n7"


def test_styles_hide_and_do_not_indent() -> None:
    """A length in a style could require a hundred thousand columns in each line."""
    hidden = '<p style="display: none; padding-left: 1em">Vorschau</p>'
    shown = '<p style="padding-left: 99999em; margin-top: 99999em; padding-right: x">Befund</p>'
    assert plain_text(hidden + shown) == "Befund"


@pytest.mark.parametrize("style", ["padding-left: {}em", "margin-top: {}px", "margin-bottom: {}.{}.{}em"])
def test_no_style_keeps_a_mail_from_being_imported(style: str) -> None:
    """A number larger than any is ignored, as all lengths are."""
    assert plain_text(f"<p style='{style.replace('{}', '9' * 400)}'>Befund</p>") == "Befund"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("html", "words"),
    [
        pytest.param("<table>" + "<tr><td>x<td>y" * 8_000 + "<tr><td>" + "z" * 100_000, 16_001, id="one-long-cell"),
        pytest.param("<table><tr>" + "<td>" * 30_000 + "<tr>" * 30_000 + "<td>x", 1, id="many-columns-and-rows"),
        pytest.param("<table><tr><td>" * 40 + "<tr><td>" + "z" * 100_000 + "<tr><td>x" * 9_000, 9_001, id="nested"),
        pytest.param(f"<p {' '.join(f'a{n}=1' for n in range(300_000))}>x", 1, id="many-attributes"),
        pytest.param("<x>" * 1_000 + "</y>" * 100_000 + "x", 1, id="ends-without-beginnings"),
        pytest.param("<table>" + "<tr><td colspan=999 rowspan=999>x" * 5_000, 5_000, id="many-spanned"),
        pytest.param("<ul>" * 100 + "x<br>" * 40_000, 40_000, id="lists-in-lists"),
        pytest.param("<ul><li>" * 100 + "x<br>" * 40_000, 40_000, id="items-in-items"),
    ],
)
def test_what_swells_in_the_layout_is_text_without_it(html: str, words: int) -> None:
    """Minutes and gigabytes otherwise, for a body of two hundred kilobytes."""
    text = plain_text(html)
    assert text is not None
    assert len(text.split()) == words
    assert len(text) < len(html)


def test_items_have_the_numbers_that_a_reader_sees() -> None:
    """A list that a paragraph interrupts goes on, as Outlook writes it."""
    text = plain_text("<ol><li>a</ol><p>b<ol start=2 type=1><li>c<li value=7>d<li>e</ol><ol start=x><li value=²>f</ol>")
    assert " ".join((text or "").split()) == "1. a b 2. c 7. d 8. e 1. f"


@pytest.mark.timeout(30)
def test_the_number_of_an_item_has_few_digits() -> None:
    """It stands before all that follow: four thousand digits made 80 MB of 84 kB, in a quarter of a minute."""
    text = plain_text(f"<ol><li value=7>a<li value={'9' * 4000}>b" + "<li>c" * 20_000)
    assert text is not None
    assert len(text) < 500_000
    assert [" ".join(line.split()) for line in text.splitlines()[:2]] == ["7. a", "8. b"]


def test_of_what_is_longer_still_or_deeper_no_text_is_made() -> None:
    """Null, the value for unreadable bodies."""
    assert plain_text("x" * (MAX_READ + 1)) is None
    assert plain_text("<div>" * 100_000 + "Befund") is None


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
    """The result is none, or the little there is."""
    assert plain_text(html) in {None, "", "\ufffd", "<"}


def test_no_html_at_all_is_what_it_is() -> None:
    assert plain_text("5 < 6 & 7") == "5 < 6 & 7"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<html><body>A</body></html>\n<html><body>B</body></html>", "A\nB"),
        (
            "<HTML><BODY>A</BODY></HTML ><HTML lang=de><HEAD><TITLE>T</TITLE></HEAD><BODY class=x>B</BODY></HTML>",
            "A\n\nB",
        ),
        ("<html><body><p>A</p></body></html>\nDisclaimer <p>B</p>", "A\n\n\nDisclaimer\n\nB"),
        ("<html><body>A</body></html><table><tr><td>b</td><td>c</td></tr></table>", "A\nb  c"),
        ("<html><head><title>T</title></head></html>A", "A"),
        ("Extern!<html><head><title>T</title></head><body>A</body></html>", "Extern!\nA"),
        ("<body>A</body>B<body>C</body>", "A\nB\nC"),
    ],
)
@pytest.mark.parametrize("padding", ["", f"<!--{'x' * MAX_LAID_OUT}-->"], ids=["laid-out", "bare"])
def test_text_behind_the_end_of_a_document_is_text(html: str, text: str, padding: str) -> None:
    """Gateways append notes, and programs join documents; a browser shows all of it."""
    assert (plain_text(html + padding) or "").split() == text.split()


@pytest.fixture
def restless_threads() -> Iterator[None]:
    """Threads take turns after a few instructions, not after milliseconds."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("restless_threads")
def test_bodies_laid_out_at_the_same_time_keep_their_texts() -> None:
    """The text of one mail never becomes part of another."""

    def others(name: str) -> list[str | None]:
        return [found for _ in range(5_000) if (found := plain_text(f"<p>{name}</p>")) != name]

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(others, ["mine", "yours"])) == [[], []]
