"""The ports to the service control manager and the event log, by pywin32. Loaded on Windows alone.

The arguments are those of https://learn.microsoft.com/windows/win32/api/winsvc/; no decision is made here, so that what
is here can be read against that page.
"""

import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import pywintypes
import servicemanager
import win32api
import win32con
import win32evtlog
import win32evtlogutil
import win32security
import win32service
import winerror
from win32com.shell import shell

from console.service.events import Event, Severity
from console.service.faults import INVALID_LEVEL, SERVICE_DOES_NOT_EXIST, explained
from console.service.names import EVENT_SOURCE
from console.service.protocol import (
    Controlled,
    Definition,
    NotStartedByManager,
    ServiceFacts,
    State,
    Status,
)

_RESTART_DELAYS: Final = (5_000, 30_000, 60_000)
"""Milliseconds before the first, the second and each further restart after a failure."""
_RESET_SECONDS: Final = 24 * 3600
_PRESHUTDOWN_MILLISECONDS: Final = 20_000
"""At the shutdown of the host; a clean stop takes 10 s at most."""
_PRIVILEGES: Final = (win32security.SE_CHANGE_NOTIFY_NAME,)
"""To pass through folders. All others are removed from the token of the process."""
_SERVICE_KEY: Final = r"SYSTEM\CurrentControlSet\Services"
_EVENT_TYPES: Final = {
    Severity.INFORMATION: win32evtlog.EVENTLOG_INFORMATION_TYPE,
    Severity.WARNING: win32evtlog.EVENTLOG_WARNING_TYPE,
    Severity.ERROR: win32evtlog.EVENTLOG_ERROR_TYPE,
}


class WindowsDispatcher:
    """The connection of this process to the SCM, as `Dispatcher`."""

    def __init__(self, key: str) -> None:
        self._key = key

    def dispatch(self, service: Controlled) -> None:
        """Implement `Dispatcher.dispatch`."""
        key = self._key

        class Service:
            """Called by servicemanager on the thread that the SCM makes for the service."""

            def __init__(self, _arguments: Sequence[str]) -> None:
                handle = servicemanager.RegisterServiceCtrlHandler(key, _handler_of(service), True)
                service.attach(_Sink(handle))

            def SvcRun(self) -> None:  # noqa: N802  # servicemanager's name
                # servicemanager reports STOPPED with exit code 0 after the return, over what was reported: it may not
                # return. The process ends once the dispatcher has returned, which the first report of it causes.
                threading.Event().wait()

        module: Any = servicemanager  # its types are incomplete
        module.Initialize(EVENT_SOURCE, win32evtlog.__file__)
        module.PrepareToHostSingle(Service)
        try:
            module.StartServiceCtrlDispatcher()
        except pywintypes.error as exc:
            if exc.winerror == winerror.ERROR_FAILED_SERVICE_CONTROLLER_CONNECT:
                raise NotStartedByManager from exc
            raise


def _handler_of(service: Controlled) -> Callable[[int, int, object], int]:
    def handle(code: int, _event_type: int, _data: object) -> int:
        return service.control(code)

    return handle


class _Sink:
    def __init__(self, handle: int) -> None:
        self._handle = handle

    def report(self, status: Status) -> None:
        """Implement `StatusSink.report`."""
        try:
            win32service.SetServiceStatus(
                self._handle,
                (
                    win32service.SERVICE_WIN32_OWN_PROCESS,
                    status.state,
                    status.accepted,
                    status.exit_code,
                    status.service_exit_code,
                    status.checkpoint,
                    status.wait_hint,
                ),
            )
        except pywintypes.error:
            return  # the SCM has released the service


class WindowsEventSink:
    """The Application log, as `EventSink`."""

    def __init__(self) -> None:
        self._handle: Any = None

    def report(self, event: Event) -> None:
        """Implement `EventSink.report`."""
        try:
            if self._handle is None:
                self._handle = win32evtlog.RegisterEventSource(None, EVENT_SOURCE)
            number = event.severity.value | event.id
            win32evtlog.ReportEvent(self._handle, _EVENT_TYPES[event.severity], 0, number, None, [event.text], None)
        except pywintypes.error as exc:
            self._handle = None
            raise OSError(exc.strerror) from exc


class WindowsServiceManager:
    """The SCM of this host, as `ServiceManager`."""

    def is_administrator(self) -> bool:
        """Implement `ServiceManager.is_administrator`."""
        return bool(shell.IsUserAnAdmin())

    def create(self, definition: Definition, password: str | None) -> Sequence[str]:
        """Implement `ServiceManager.create`."""
        key = definition.key
        with _explaining(key), _manager(win32service.SC_MANAGER_CREATE_SERVICE) as manager:
            service = win32service.CreateService(
                manager,
                key,
                definition.display,
                win32service.SERVICE_ALL_ACCESS,
                win32service.SERVICE_WIN32_OWN_PROCESS,
                win32service.SERVICE_AUTO_START,
                win32service.SERVICE_ERROR_NORMAL,
                subprocess.list2cmdline(definition.command),
                None,
                False,
                list(definition.depends_on) or None,
                definition.account,
                password,
            )
            try:
                unsupported = _configure(service, definition)
                _set_environment(definition)
            except BaseException:
                win32service.DeleteService(service)
                raise
            finally:
                win32service.CloseServiceHandle(service)
        return unsupported

    def allow_logon(self, account: str) -> None:
        """Implement `ServiceManager.allow_logon`."""
        with _explaining(account):
            sid, _, _ = win32security.LookupAccountName(None, account)
            access = win32security.POLICY_CREATE_ACCOUNT | win32security.POLICY_LOOKUP_NAMES
            policy: Any = win32security.LsaOpenPolicy("", access)
            try:
                win32security.LsaAddAccountRights(policy, sid, (win32security.SE_SERVICE_LOGON_NAME,))
            finally:
                win32security.LsaClose(policy)

    def start(self, key: str) -> None:
        """Implement `ServiceManager.start`."""
        with _service(key, win32service.SERVICE_START) as service:
            win32service.StartService(service, None)

    def stop(self, key: str) -> None:
        """Implement `ServiceManager.stop`."""
        with _service(key, win32service.SERVICE_STOP) as service:
            win32service.ControlService(service, win32service.SERVICE_CONTROL_STOP)

    def delete(self, key: str) -> None:
        """Implement `ServiceManager.delete`."""
        with _service(key, win32con.DELETE) as service:
            win32service.DeleteService(service)

    def query(self, key: str) -> ServiceFacts | None:
        """Implement `ServiceManager.query`."""
        access = win32service.SERVICE_QUERY_STATUS | win32service.SERVICE_QUERY_CONFIG
        with _explaining(key), _manager(win32service.SC_MANAGER_CONNECT) as manager:
            try:
                service = win32service.OpenService(manager, key, access)
            except pywintypes.error as exc:
                if exc.winerror == SERVICE_DOES_NOT_EXIST:
                    return None
                raise
            try:
                return _facts(key, service)
            finally:
                win32service.CloseServiceHandle(service)

    def register_events(self, source: str) -> None:
        """Implement `ServiceManager.register_events`."""
        with _explaining(source):
            win32evtlogutil.AddSourceToRegistry(source, win32evtlog.__file__)

    def unregister_events(self, source: str) -> None:
        """Implement `ServiceManager.unregister_events`."""
        with _explaining(source):
            win32evtlogutil.RemoveSourceFromRegistry(source)


def _configure(service: Any, definition: Definition) -> list[str]:  # noqa: ANN401  # a handle of pywin32
    """Set what `CreateService` cannot; return the names of settings that this Windows does not know."""
    actions = {
        "ResetPeriod": _RESET_SECONDS,
        "RebootMsg": None,
        "Command": None,
        "Actions": tuple((win32service.SC_ACTION_RESTART, delay) for delay in _RESTART_DELAYS),
    }
    levels: list[tuple[str, int, object]] = [
        ("description", win32service.SERVICE_CONFIG_DESCRIPTION, definition.description),
        ("delayed start", win32service.SERVICE_CONFIG_DELAYED_AUTO_START_INFO, True),
        ("recovery actions", win32service.SERVICE_CONFIG_FAILURE_ACTIONS, actions),
        ("recovery after an error", win32service.SERVICE_CONFIG_FAILURE_ACTIONS_FLAG, True),
        ("service SID", win32service.SERVICE_CONFIG_SERVICE_SID_INFO, win32service.SERVICE_SID_TYPE_UNRESTRICTED),
        ("required privileges", win32service.SERVICE_CONFIG_REQUIRED_PRIVILEGES_INFO, _PRIVILEGES),
        ("preshutdown time", win32service.SERVICE_CONFIG_PRESHUTDOWN_INFO, _PRESHUTDOWN_MILLISECONDS),
    ]
    unsupported = []
    for name, level, value in levels:
        try:
            win32service.ChangeServiceConfig2(service, level, value)
        except pywintypes.error as exc:
            if exc.winerror != INVALID_LEVEL:
                raise
            unsupported.append(name)
    return unsupported


def _set_environment(definition: Definition) -> None:
    path = rf"{_SERVICE_KEY}\{definition.key}"
    hive: Any = win32con.HKEY_LOCAL_MACHINE
    key = win32api.RegCreateKey(hive, path)
    try:
        lines = [f"{name}={value}" for name, value in definition.environment.items()]
        win32api.RegSetValueEx(key, "Environment", 0, win32con.REG_MULTI_SZ, lines)
    finally:
        win32api.RegCloseKey(key)


def _facts(key: str, service: Any) -> ServiceFacts:  # noqa: ANN401  # a handle of pywin32
    status: Any = win32service.QueryServiceStatusEx(service)
    config = win32service.QueryServiceConfig(service)
    start_type, account = config[1], config[7]
    start = {win32service.SERVICE_AUTO_START: "automatic", win32service.SERVICE_DISABLED: "disabled"}.get(
        start_type, "manual"
    )
    if start == "automatic" and _is_delayed(service):
        start = "delayed"
    return ServiceFacts(
        key,
        State(status["CurrentState"]),
        account,
        start,
        status["ProcessId"] or None,
        status["Win32ExitCode"],
        status["ServiceSpecificExitCode"],
    )


def _is_delayed(service: Any) -> bool:  # noqa: ANN401  # a handle of pywin32
    try:
        return bool(win32service.QueryServiceConfig2(service, win32service.SERVICE_CONFIG_DELAYED_AUTO_START_INFO))
    except pywintypes.error as exc:
        if exc.winerror == INVALID_LEVEL:
            return False
        raise


@contextmanager
def _explaining(key: str) -> Iterator[None]:
    try:
        yield
    except pywintypes.error as exc:
        raise explained(exc.winerror, key, exc.strerror) from exc


@contextmanager
def _manager(access: int) -> Iterator[Any]:
    manager = win32service.OpenSCManager(None, None, access)
    try:
        yield manager
    finally:
        win32service.CloseServiceHandle(manager)


@contextmanager
def _service(key: str, access: int) -> Iterator[Any]:
    with _explaining(key), _manager(win32service.SC_MANAGER_CONNECT) as manager:
        service = win32service.OpenService(manager, key, access)
        try:
            yield service
        finally:
            win32service.CloseServiceHandle(service)
