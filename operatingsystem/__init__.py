"""The differences between the systems that the product runs on, in one module for each: `posix.py` and `windows.py`.

Both offer the same functions; callers import them from here and ask for no platform. Adapters of a single purpose stay
with it: import folders (`delivery/`), certificate stores (`graph/certificates/windows/`), the event loop
(`console/loop.py`) and drivers (`db/backends/odbc.py`). What needs asyncio, which the command line and worker processes
do not load, is in `listening.py` and `shared_listening.py`.
"""

import sys

if sys.platform == "win32":
    from operatingsystem.windows import (
        ADDRESS_IN_USE,
        ADDRESS_RELEASE_SECONDS,
        OUT_OF_TIME_STATUS,
        PROCESS_FLAGS,
        STOP_SIGNALS,
        ProcessLimits,
        become_worker,
        claim_address,
        deepen_backlog,
        exported_socket,
        imported_socket,
        interface_language,
        others_access,
        peak_memory_bytes,
        print_stacks_on_request,
        request_stacks,
        role_process_options,
        use_utf8,
        user_name,
        user_number,
    )
else:
    from operatingsystem.posix import (
        ADDRESS_IN_USE,
        ADDRESS_RELEASE_SECONDS,
        OUT_OF_TIME_STATUS,
        PROCESS_FLAGS,
        STOP_SIGNALS,
        ProcessLimits,
        become_worker,
        claim_address,
        deepen_backlog,
        exported_socket,
        imported_socket,
        interface_language,
        others_access,
        peak_memory_bytes,
        print_stacks_on_request,
        request_stacks,
        role_process_options,
        use_utf8,
        user_name,
        user_number,
    )

__all__ = [
    "ADDRESS_IN_USE",
    "ADDRESS_RELEASE_SECONDS",
    "OUT_OF_TIME_STATUS",
    "PROCESS_FLAGS",
    "STOP_SIGNALS",
    "ProcessLimits",
    "become_worker",
    "claim_address",
    "deepen_backlog",
    "exported_socket",
    "imported_socket",
    "interface_language",
    "others_access",
    "peak_memory_bytes",
    "print_stacks_on_request",
    "request_stacks",
    "role_process_options",
    "use_utf8",
    "user_name",
    "user_number",
]
