"""The document that shows the body of a mail: complete, with its own headers, for a sandboxed frame.

    <iframe sandbox="{SANDBOX}" referrerpolicy="no-referrer" src="…" title="…">

It has no origin: no script runs, no form is sent, nothing is loaded, and no link leads the console's own page away. A
link that the reader follows opens a tab that knows nothing of the console.
"""

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from typing import Final

from console.web.mail_markup import MailMarkup
from phrases import Phrase

SANDBOX: Final = "allow-popups allow-popups-to-escape-sandbox"
"""The value of `sandbox`: links open in new tabs, which are pages like any other."""

# The targets of links look the same whatever a mail requests for the text around them.
_STYLE: Final = """
:root{color-scheme:light;background:#fff;color:#1a1a1a;font:15px/1.45 system-ui,sans-serif}
body{margin:0;padding:16px}
main{max-width:60rem;overflow-wrap:anywhere}
main *{max-width:100%}
img{height:auto}
a{color:inherit}
.p{margin:1em 0}
.text{white-space:pre-wrap;unicode-bidi:plaintext;font-family:ui-monospace,monospace}
.picture{border:1px dashed #767676;padding:0 4px}
.target{all:initial!important;font:12px/1.4 system-ui,sans-serif!important;color:#333!important}
.target{background:#eee!important;padding:0 4px!important;unicode-bidi:isolate!important;direction:ltr!important}
.target{overflow-wrap:anywhere!important}
.notes{margin:0 0 16px;padding:8px 8px 8px 28px;border:1px solid #767676;background:#f3f3f3;font-size:13px}
@media print{body{padding:0}}
"""


def document_headers() -> dict[str, str]:
    """The headers of the response with the document."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = (
        f"sandbox {SANDBOX}",
        "default-src 'none'",
        "img-src data:",
        f"style-src-elem 'sha256-{digest}'",
        "style-src-attr 'unsafe-inline'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
    )
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": "; ".join(policy),
        "Cache-Control": "no-store",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-DNS-Prefetch-Control": "off",
    }


def mail_document(markup: MailMarkup, *, title: str, language: str, notes: Sequence[str] = ()) -> str:
    """The document. `language`: of title and notes, which stand above the mail."""
    listed = "".join(f"<li>{escape(each)}</li>" for each in notes)
    above = f'<ul class="notes">{listed}</ul>' if listed else ""
    return (
        f'<!DOCTYPE html><html lang="{escape(language)}"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f'<body>{above}<main dir="auto">{markup.html}</main></body></html>'
    )


def notes_on(markup: MailMarkup) -> list[Phrase]:
    """The differences between the mail and what is shown of it, for the reader."""
    notes = []
    if markup.is_cut:
        notes.append(
            Phrase("Only the beginning of this e-mail is shown. To read all of it, export the original and open that.")
        )
    if markup.remote_pictures:
        notes.append(
            Phrase.counted(
                "{n} remote picture is not loaded: its sender would learn that the e-mail is read.",
                "{n} remote pictures are not loaded: their sender would learn that the e-mail is read.",
                n=markup.remote_pictures,
            )
        )
    if markup.hidden_pictures:
        notes.append(
            Phrase.counted(
                "{n} picture within the e-mail is not shown: it is too large, missing, or of a type that is not safe.",
                "{n} pictures within the e-mail are not shown: they are too large, missing, or of types that are not "
                "safe.",
                n=markup.hidden_pictures,
            )
        )
    if markup.removed_links:
        notes.append(
            Phrase.counted(
                "{n} link is removed: it leads to no web page, e-mail address or telephone number.",
                "{n} links are removed: they lead to no web page, e-mail address or telephone number.",
                n=markup.removed_links,
            )
        )
    return notes
