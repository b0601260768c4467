"""The files laboratories and loggers send: CSV tables and one-page PDF reports."""

from datetime import datetime, timedelta
from random import Random

PARAMETERS = (
    ("pH", "-", 7.4, 0.3),
    ("Conductivité 25 °C", "µS/cm", 640.0, 60.0),
    ("Nitrates", "mg/l", 24.0, 6.0),
    ("Ammonium", "mg/l", 0.12, 0.05),
    ("Phosphore total", "mg/l", 0.08, 0.03),
    ("Chlorures", "mg/l", 31.0, 5.0),
    ("Cadmium", "µg/l", 0.06, 0.02),
    ("Plomb", "µg/l", 1.4, 0.5),
    ("Benzène", "µg/l", 0.4, 0.1),
    ("DCO", "mg O₂/l", 18.0, 4.0),
)


def results_csv(random: Random, station: str, sampled: datetime, *, french: bool) -> bytes:
    """Return a laboratory's results; French ones have semicolons, decimal commas and a byte order mark, for Excel."""
    separator = ";" if french else ","
    header = ("station", "date", "paramètre", "unité", "valeur", "LQ") if french else _ENGLISH_HEADER
    lines = [separator.join(header)]
    for name, unit, mean, spread in PARAMETERS:
        value = f"{abs(random.gauss(mean, spread)):.3f}"
        limit = f"{mean / 50:.3f}"
        if french:
            value, limit = value.replace(".", ","), limit.replace(".", ",")
        lines.append(separator.join((station, sampled.strftime("%Y-%m-%d %H:%M"), name, unit, value, limit)))
    text = "\r\n".join(lines) + "\r\n"
    return text.encode("utf-8-sig" if french else "utf-8")


def logger_csv(random: Random, station: str, until: datetime, readings: int = 48) -> bytes:
    """Return a logger's half-hourly readings up to a moment."""
    lines = ["logger,time_utc,level_m,temperature_c,battery_v"]
    level = random.uniform(1.0, 4.0)
    for number in range(readings):
        moment = until - timedelta(minutes=30 * (readings - number))
        level += random.gauss(0, 0.01)
        temperature, battery = random.gauss(11, 0.4), random.uniform(3.4, 3.7)
        lines.append(f"{station},{moment:%Y-%m-%dT%H:%MZ},{level:.3f},{temperature:.1f},{battery:.2f}")
    return ("\n".join(lines) + "\n").encode()


def pdf(lines: list[str]) -> bytes:
    """Return a valid one-page PDF that shows the lines."""
    shown = "".join(f"({_escaped(line)}) Tj T*\n" for line in lines)
    stream = f"BT /F1 11 Tf 14 TL 56 780 Td\n{shown}ET".encode("cp1252", "replace")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources %s >>" % _RESOURCES,
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    result = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(result))
        result += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = len(result)
    result += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    for offset in offsets:
        result += b"%010d 00000 n \n" % offset
    result += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table)
    return bytes(result)


_RESOURCES = b"<< /Font << /F1 5 0 R >> >>"
_ENGLISH_HEADER = ("station", "date", "parameter", "unit", "value", "LOQ")


def _escaped(line: str) -> str:
    return line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
