"""`mail-importer`, and a worker of it, with the bound of deliveries at a time that BENCH_IN_HAND names."""

import os
import sys
from functools import partial
from typing import Final

import processor.worker
from console import main as command
from console import worker
from console.supervision import start
from console.supervision.supervisor import Supervisor
from processor.worker import WorkerContext, WorkerLimits

IN_HAND: Final = "BENCH_IN_HAND"


def main() -> None:
    """Run the command of the arguments, or a worker."""
    bound = os.environ.get(IN_HAND)
    if bound is not None:
        limits = WorkerLimits(max_in_flight=int(bound), max_per_mailbox=int(bound))
        setattr(processor.worker, "WorkerContext", partial(WorkerContext, limits=limits))  # noqa: B010  # mypy refuses the assignment
    if sys.argv[1].startswith("worker"):
        sys.exit(worker.main())
    setattr(start, "Supervisor", partial(Supervisor, program=("-m", "bench.processes_worker")))  # noqa: B010  # as above
    command.main()


if __name__ == "__main__":
    main()
