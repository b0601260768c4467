"""The process of a Windows service: `python -P -m console.service.host ROLE`, started by the service control manager.

The interpreter itself is the program of the service. pywin32's own host, pythonservice.exe, finds neither the DLLs nor
the packages of a virtual environment (https://github.com/mhammond/pywin32/issues/1450), must be copied beside Python's
DLL, and cannot be replaced while one service runs (issue 2194).

The dispatcher of the SCM has a thread of its own, so that the event loop is on the main one, as with `run`. The modules
of the product are loaded after the SCM is connected, for which it waits 30 seconds only.
"""

import os
import sys
import threading
from collections.abc import Callable
from typing import Final

from console.service.lifecycle import Ending, ServiceLifecycle
from console.service.protocol import Dispatcher, NotStartedByManager

_ATTACH_SECONDS: Final = 60.0
_RELEASE_SECONDS: Final = 5.0
_USAGE: Final = 2

Work = Callable[[ServiceLifecycle], Ending]


def host(dispatcher: Dispatcher, work: Work, lifecycle: ServiceLifecycle) -> int:
    """Run `work` as the service that `dispatcher` connects; return the exit status of the process.

    Raises:
        NotStartedByManager
    """
    failures: list[BaseException] = []

    def dispatch() -> None:
        try:
            dispatcher.dispatch(lifecycle)
        except BaseException as exc:  # noqa: BLE001  # raised again below, on the main thread
            failures.append(exc)

    thread = threading.Thread(target=dispatch, name="service control", daemon=True)
    thread.start()
    if not _attached(lifecycle, thread):
        raise failures[0] if failures else NotStartedByManager
    ending = Ending.FAILED
    try:
        ending = work(lifecycle)
    finally:
        lifecycle.ended(ending)
        thread.join(_RELEASE_SECONDS)
    return ending.value


def _attached(lifecycle: ServiceLifecycle, dispatcher: threading.Thread) -> bool:
    left = _ATTACH_SECONDS
    while left > 0 and dispatcher.is_alive():
        if lifecycle.wait_attached(0.1):
            return True
        left -= 0.1
    return lifecycle.wait_attached(0)


def main(arguments: list[str]) -> int:
    """Run the service of a role, or check its settings (`--check`). Return the exit status."""
    if arguments[1:] == ["--check"]:
        from console.service.preflight import print_checked  # noqa: PLC0415  # not of the service

        return print_checked(arguments[0])
    if len(arguments) != 1 or sys.platform != "win32":
        _print("This module is the program of a Windows service. Use: mail-importer service install, or run.")
        return _USAGE
    from console.service.names import SERVICES  # noqa: PLC0415  # after the check of the platform
    from console.service.windows import WindowsDispatcher  # noqa: PLC0415  # pywin32

    role = arguments[0]
    if role not in SERVICES:
        _print(f"There is no role {role!r}.")
        return _USAGE

    def start_overdue() -> None:
        from console.service.work import end_overdue_start  # noqa: PLC0415  # as in `work`

        end_overdue_start(lifecycle)

    def work(running: ServiceLifecycle) -> Ending:
        from console.service.windows import WindowsEventSink  # noqa: PLC0415  # pywin32
        from console.service.work import run_service  # noqa: PLC0415  # loads the product

        return run_service(role, running, WindowsEventSink())

    lifecycle = ServiceLifecycle(on_start_overdue=start_overdue)
    try:
        return host(WindowsDispatcher(SERVICES[role].key), work, lifecycle)
    except NotStartedByManager:
        _print(f"This process was not started by Windows. Use: mail-importer service start {role}")
        return _USAGE


def _print(text: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(text + "\n")


if __name__ == "__main__":
    _status = main(sys.argv[1:])
    # The thread of the SCM is not waited for: it belongs to Windows, and may be in a call.
    os._exit(_status)
