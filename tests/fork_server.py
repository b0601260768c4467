"""Python processes forked from one that has loaded the product: what they import costs computing time once.

A process begins as `python -m console ...` or `python -c ...` does, with its own environment, folder and descriptors,
and ends as any other; only its modules are loaded already. What a command imports, and variables that the interpreter
reads as it starts, are tested with `subprocess`.
"""

import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import time
import types
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from tests.doubles.private_keys import trust_private_keys
from tests.doubles.roots import trust_one_root
from tests.paths import ROOT

_PRELOADED: Final = (
    *("console.main", "console.run", "console.accounts.edit", "console.accounts.list", "console.accounts.switch"),
    *("console.certificates.commands", "console.db.upgrade", "console.messages.verify", "console.demo.simulator"),
    *("console.queue.bulk", "console.queue.list", "console.queue.status"),
    *("console.wiring.processor", "console.wiring.receiver", "console.wiring.subscriptions"),
    "tests.databases",
)
_START_SECONDS: Final = 60.0
_LARGEST: Final = 100_000


class ForkedProcess:
    """A running process: the part of `subprocess.Popen` that tests use."""

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._connection = connection

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; return the exit status, or the negative number of the signal."""
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                self.returncode = int(self._connection.recv(_LARGEST))
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0) from None
            self._connection.close()  # the server keeps the pid from other processes until then
        return self.returncode

    def poll(self) -> int | None:
        """Return the exit status, None while the process runs."""
        with suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Request the end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process at once."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The process that others are forked from, which is single-threaded; they end with it."""

    def __init__(self, address: Path) -> None:
        self._address = str(address)

    def start(
        self,
        *arguments: str,
        cwd: Path = ROOT,
        env: Mapping[str, str] | None = None,
        stdin: IO[Any] | int = subprocess.DEVNULL,
        stdout: IO[Any] | int = subprocess.DEVNULL,
        stderr: IO[Any] | int = subprocess.DEVNULL,
    ) -> ForkedProcess:
        """Start a process with these arguments of the interpreter; the streams are files, or numbers of descriptors."""
        request = {"arguments": arguments, "cwd": str(cwd), "environment": dict(os.environ if env is None else env)}
        with ExitStack() as stack:
            connection = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            connection.settimeout(_START_SECONDS)
            connection.connect(self._address)
            null = stack.enter_context(Path(os.devnull).open("r+b", buffering=0))
            files = [null if each == subprocess.DEVNULL else each for each in (stdin, stdout, stderr)]
            numbers = [each if isinstance(each, int) else each.fileno() for each in files]
            socket.send_fds(connection, [json.dumps(request).encode()], numbers)
            process = ForkedProcess(int(connection.recv(_LARGEST)), connection)
            null.close()
            stack.pop_all()  # the connection is the process's
            return process


@contextmanager
def running_fork_server(folder: Path, sources: Path = ROOT) -> Iterator[ForkServer]:
    """Start a server, whose socket is in the folder, with the packages of `sources`, which has these tests, too."""
    address = folder / "fork"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(address))
        listener.listen(100)
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.fork_server", str(listener.fileno())],
            cwd=sources,
            env={**os.environ, "PYTHONPATH": str(sources)},
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
        )
    with server:  # which closes its standard input
        yield ForkServer(address)


@dataclass(frozen=True, slots=True)
class _Child:
    """A forked process, and the connection over which it was requested."""

    pid: int
    pidfd: int
    connection: socket.socket

    def report(self) -> None:
        """Send the status of the ended process, which stays a zombie: its pid is not used again."""
        ended = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        status = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
        with suppress(BrokenPipeError):
            self.connection.send(str(status).encode())

    def end(self) -> None:
        """Kill the process if it runs, and let its pid be used again."""
        signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.close()

    def close(self) -> None:
        """Close the descriptors of this process."""
        os.close(self.pidfd)
        self.connection.close()


class _Server:
    """Forks a process for each connection, and kills it when the connection is closed."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._children: set[_Child] = set()
        self._selector = selectors.DefaultSelector()
        self._selector.register(0, selectors.EVENT_READ)
        self._selector.register(listener, selectors.EVENT_READ)

    def serve(self) -> list[str] | None:
        """Serve until standard input ends, then return None; return in each forked process, with its arguments."""
        while True:
            for key, _ in self._selector.select():
                if key.fd == 0:
                    for child in self._children:
                        child.end()
                    return None
                if key.fileobj is self._listener:
                    arguments = self._fork()
                    if arguments is not None:
                        return arguments
                elif key.data in self._children:
                    self._attend(key.data, has_ended=key.fd == key.data.pidfd)

    def _fork(self) -> list[str] | None:
        connection, _ = self._listener.accept()
        data, descriptors, _, _ = socket.recv_fds(connection, _LARGEST, 3)
        pid = os.fork()
        if pid == 0:
            for child in self._children:
                child.close()
            connection.close()
            self._listener.close()
            self._selector.close()
            return _become(json.loads(data), descriptors)
        for each in descriptors:
            os.close(each)
        connection.send(str(pid).encode())
        child = _Child(pid, os.pidfd_open(pid), connection)
        self._children.add(child)
        self._selector.register(child.pidfd, selectors.EVENT_READ, child)
        self._selector.register(connection, selectors.EVENT_READ, child)
        return None

    def _attend(self, child: _Child, *, has_ended: bool) -> None:
        if has_ended:
            self._selector.unregister(child.pidfd)
            child.report()
            return
        self._children.remove(child)
        self._selector.unregister(child.connection)
        if child.pidfd in self._selector.get_map():
            self._selector.unregister(child.pidfd)
        child.end()


def _become(request: dict[str, Any], descriptors: list[int]) -> list[str]:
    """Make this process the requested one; return its arguments."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    arguments: list[str] = request["arguments"]
    return arguments


def _run(arguments: list[str]) -> None:
    """Run what the interpreter runs with these arguments."""
    option, program, *rest = arguments
    sys.path[0] = os.getcwd()  # noqa: PTH109  # as the interpreter does
    sys.argv = [option, *rest]
    if option == "-m":
        runpy.run_module(program, run_name="__main__", alter_sys=True)
        return
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    exec(compile(program, "<string>", "exec"), vars(module))  # noqa: S102  # what python -c does


def main() -> None:
    """Serve, and run a program in each forked process, in place of the server."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    for module in _PRELOADED:
        with suppress(ImportError):  # a former release has other modules
            importlib.import_module(module)
    trust_private_keys()
    trust_one_root()
    gc.collect()
    gc.freeze()  # a collection would copy the pages that processes share
    arguments = _Server(listener).serve()
    if arguments is not None:
        _run(arguments)


if __name__ == "__main__":
    main()
