"""${message}

Old and new processes run on the schema in between, so a step only adds: tables, indexes, and columns that are nullable
or have a default, for programs that do not know them go on inserting. Never drop, rename or narrow what a program of
an earlier revision reads or writes, and add no key or check that its rows may not pass. What nothing uses any more
is removed by the step of a later release, which then names the oldest revision whose programs do without.

Name every constraint. Say what there is to add by `add` alone: the same step upgrades a database, and writes the script
for an administrator. A table may be there already, made by others; `db.schema.operations` says what its rows get.
"""

from sqlalchemy import Column

from db.schema.operations import Additions

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
oldest_program = None
"""Programs from this revision on work on the schema after this step; None: all that worked before it."""


def upgrade(add: Additions) -> None:
    """Add; what is there stays as it is."""
