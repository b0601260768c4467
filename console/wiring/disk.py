"""The disk of an SQLite database."""

import shutil
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.engine import make_url

from console.settings import Settings
from monitoring.facts import Disk


def disk_of(settings: Settings) -> Callable[[], Disk | None]:
    """A reading of the disk of an SQLite database; of nothing for a server."""
    url = make_url(settings.database_url.get_secret_value())
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return lambda: None
    folder = Path(url.database).absolute().parent

    def read() -> Disk | None:
        try:
            usage = shutil.disk_usage(folder)
        except OSError:  # the database itself then fails, which is reported
            return None
        return Disk(usage.free, usage.total)

    return read
