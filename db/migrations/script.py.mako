"""${message}

Old and new processes run on the schema in between, so a step only adds: tables, indexes, and columns that are nullable
or have a default, since programs that do not know them still insert. Never drop, rename or narrow objects that a
program of an earlier revision reads or writes, and add no key or check that its rows may not pass. Unused objects are
removed by the step of a later release, which then names the oldest revision whose programs do without.

Name every constraint. Describe additions by `add` alone: the same step upgrades a database, and writes the script for
an administrator. A table may exist already, made by others; `db.schema.operations` defines the values of its rows.
"""

from sqlalchemy import Column

from db.schema.operations import Additions

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
oldest_program = None
"""Programs from this revision on work on the schema after this step; None: all that worked before it."""


def upgrade(add: Additions) -> None:
    """Add; existing objects stay as they are."""
