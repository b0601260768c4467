"""Texts that are reviewed before a release: a change shows the new text, which is to be reviewed."""

import os
from pathlib import Path
from typing import Final

WRITING: Final = "MAIL_IMPORTER_TEST_WRITE_REVIEWED"


def assert_reviewed(found: str, path: Path) -> None:
    """Compare with the text of the file; with the variable set, write the file first."""
    if WRITING in os.environ:
        path.write_text(found, "utf-8")
    assert found == path.read_text("utf-8"), f"read the difference; {WRITING}=1 writes {path.name}"
