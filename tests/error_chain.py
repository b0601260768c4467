"""Error text as a log shows it."""

import traceback
from collections.abc import Iterator


def error_text(exc: BaseException) -> str:
    """The text of the error and those of its causes."""
    return "".join(
        "".join(each.format_exception_only()) for each in _causes(traceback.TracebackException.from_exception(exc))
    )


def _causes(exc: traceback.TracebackException | None) -> Iterator[traceback.TracebackException]:
    while exc is not None:
        yield exc
        exc = exc.__cause__ or (None if exc.__suppress_context__ else exc.__context__)
