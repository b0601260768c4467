"""${message}

Old and new processes run on the schema in between: add first, remove in a later release. Never drop or narrow a column
that another program may read. Name every constraint.
"""

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}
