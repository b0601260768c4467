"""A worker: one of several processes of the same roles, `python -P -m console.worker`, started by the supervisor.

Its work arrives on standard input (`console.supervision`). It stops when that ends, however the supervisor ended.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from console.loading import load_libraries
from operatingsystem import STOP_SIGNALS, print_stacks_on_request

if TYPE_CHECKING:
    from console.run import Work
    from console.supervision.channel import SupervisorChannel
    from console.supervision.messages import Assignment

_STOP_SECONDS: Final = 12.0
"""A little less than the supervisor waits, so that the log names what hangs."""


def main() -> int:
    """Work until the supervisor requests the end; return the exit status."""
    for number in STOP_SIGNALS:
        # Until the roles run. The supervisor has the signal as well, and passes it on.
        signal.signal(number, signal.SIG_IGN)
    print_stacks_on_request()
    load_libraries()
    from console.supervision.channel import SupervisorChannel  # noqa: PLC0415  # loads the product: after the signals

    channel = SupervisorChannel.of_process()
    try:
        assignment = channel.assignment()
    except EOFError:
        return 0
    return 0 if assignment is None else _work(channel, assignment)


def _work(channel: "SupervisorChannel", assignment: "Assignment") -> int:
    import click  # noqa: PLC0415  # as above
    import structlog  # noqa: PLC0415  # as above

    from console import logs  # noqa: PLC0415  # as above
    from console.expected_errors import is_expected  # noqa: PLC0415  # as above
    from console.settings import SettingsError  # noqa: PLC0415  # as above
    from console.supervision.messages import FailureReport  # noqa: PLC0415  # as above
    from console.translation import language  # noqa: PLC0415  # as above
    from phrases import Phrase  # noqa: PLC0415  # as above

    logs.configure(channel, "json", facts={"worker": assignment.number})
    log = structlog.get_logger()
    try:
        with language.speaking(assignment.language):
            _serve(channel, assignment)
    except SettingsError as exc:
        channel.failed(FailureReport(exc.text, exc.problems))
    except click.ClickException as exc:
        channel.failed(FailureReport(exc.message))
    except Exception as exc:  # whatever ends it, the supervisor must learn of it
        if is_expected(exc):
            channel.failed(FailureReport(Phrase.of(exc)))
        else:
            log.exception("worker_failed", error_type=type(exc).__name__)
    else:
        channel.send_metrics()
        return 0
    channel.send_metrics()
    return 1


def _serve(channel: "SupervisorChannel", assignment: "Assignment") -> None:
    from console.run import serve  # noqa: PLC0415  # loads the roles
    from console.supervision.supervisor import OVERDUE_STATUS  # noqa: PLC0415  # as above
    from console.wiring.process import run_until_requested, stop_by_signals  # noqa: PLC0415  # as above

    reload = asyncio.Event()

    def listen(request_stop: Callable[[str], None]) -> None:
        stop_by_signals(request_stop)
        channel.listen(request_stop, reload)

    def run_until_stopped(work: "Work") -> None:
        run_until_requested(work, listen, on_overdue=lambda: os._exit(OVERDUE_STATUS), stop_seconds=_STOP_SECONDS)

    serve(
        assignment.settings,
        assignment.roles,
        run_until_stopped,
        reload=reload,
        on_started=channel.started,
        supervision=channel,
    )


if __name__ == "__main__":
    _status = main()
    os._exit(_status)  # a thread that hangs in a call is not waited for
