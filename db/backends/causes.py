"""Causes of outages, in words for an administrator, and the errors of each database that have them.

A cause completes the sentence "The gateway database cannot be used: …".
"""

import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from phrases import Phrase


@dataclass(frozen=True, slots=True)
class ErrorClass:
    """The meaning of an error.

    `cause`: of an outage, in words; None: it is none. `again`: a conflict with another transaction, so that the same
    work may succeed at once. `reconnect`: this connection will not work any more, another may. `quotes`: the driver's
    text contains values of rows.
    """

    cause: Phrase | None
    again: bool = False
    reconnect: bool = False
    quotes: bool = False


NOTHING: Final = ErrorClass(None)
QUOTING: Final = ErrorClass(None, quotes=True)

CONTENDED: Final = ErrorClass(
    Phrase("repeated conflicts with other transactions; if this persists, find the session that holds locks"),
    again=True,
)
LOCKED: Final = ErrorClass(
    Phrase(
        "other transactions kept rows locked for too long; if this lasts, find the session that keeps a transaction "
        "open"
    )
)
DUPLICATE: Final = ErrorClass(None, again=True, quotes=True)
OTHER_TYPE: Final = ErrorClass(None, again=True, quotes=True)
"""A column got another type since a stream of rows was prepared for it: see `db.backends.postgresql`."""
LOST: Final = ErrorClass(
    Phrase("the connection was lost; if this lasts, check the network, and that the server is up"), reconnect=True
)
UNREACHABLE: Final = ErrorClass(
    Phrase(
        "no server answers at the host and port of database_url; check both, the firewall between, and that the server "
        "is up and listens on TCP"
    )
)
NOT_MULTI_SUBNET: Final = ErrorClass(
    Phrase(
        "MultiSubnetFailover does not go with it: it is mirrored, its name has more than 64 addresses, or the "
        "connection is not by TCP; add MultiSubnetFailover=no to database_url"
    )
)
NOT_SQL_SERVER: Final = ErrorClass(
    Phrase("what answers at the host and port of database_url is no SQL Server; check both")
)
NO_TLS: Final = ErrorClass(
    Phrase(
        "its TLS certificate is not trusted, or TLS failed; add the certificate's authority to the roots of this "
        "host's system (the driver does not read ca_bundle; on Debian: copy it to /usr/local/share/ca-certificates, "
        "run update-ca-certificates), connect by the name in the certificate, or, for a trial only, add "
        "TrustServerCertificate=yes to database_url"
    )
)
NO_TICKET: Final = ErrorClass(
    Phrase(
        "there is no Kerberos ticket to sign in with; get one (kinit, or a keytab for the service), or name a user "
        "and password in database_url"
    )
)
SLOW: Final = ErrorClass(
    Phrase(
        "it did not answer in time; if this lasts, find what keeps it busy or rows locked, or raise "
        "database_statement_timeout"
    ),
    reconnect=True,
)
NO_DATA_SOURCE: Final = ErrorClass(
    Phrase(
        "the data source or driver that database_url names is not known to the driver manager; see: odbcinst -q -s -d"
    )
)
STOPPING: Final = ErrorClass(
    Phrase("the server is starting, stopping or being upgraded, or sessions are ended"), reconnect=True
)
FAILING_OVER: Final = ErrorClass(
    Phrase(
        "the database is starting, moving or failing over, or this is not the server that has it now; if this lasts, "
        "connect to the listener of the availability group"
    ),
    reconnect=True,
)
NOT_ONLINE: Final = ErrorClass(
    Phrase(
        "the database is not online (restoring, suspect, offline, in emergency mode or for a single user); an "
        "administrator of the server must bring it back"
    ),
    reconnect=True,
)
DAMAGED: Final = ErrorClass(
    Phrase("the server cannot read or write the database's files; see its own log, and check the disk"),
    reconnect=True,
)
READ_ONLY: Final = ErrorClass(
    Phrase("the database is read-only: it failed over to another server, or was set so"), reconnect=True
)
THROTTLED: Final = ErrorClass(
    Phrase(
        "the service is busy, or its tier allows no more; if this lasts, lower database_pool_size or choose a larger "
        "tier"
    ),
    reconnect=True,
)
SIGN_IN: Final = ErrorClass(
    Phrase(
        "the sign-in was refused; check the user and password of database_url, or database_client_id and its user in "
        "the database; the server's own log has more"
    )
)
DISABLED: Final = ErrorClass(Phrase("the login is disabled or locked; an administrator of the server must enable it"))
EXPIRED: Final = ErrorClass(
    Phrase("the login's password has expired or must be changed; change it, then set it in database_url")
)
NO_DATABASE: Final = ErrorClass(
    Phrase(
        "there is no database of the name in database_url, or the login has no user in it; create it: CREATE USER … "
        "FOR LOGIN …"
    )
)
FIREWALL: Final = ErrorClass(Phrase("the firewall of Azure SQL does not let this host in; add its address there"))
NOT_PUBLIC: Final = ErrorClass(
    Phrase(
        "the server of Azure SQL has no public access; connect from its virtual network, by its private endpoint, or "
        "allow public access there"
    )
)
FULL_LOG: Final = ErrorClass(Phrase("its transaction log is full; back the log up, or give it room"))
FULL: Final = ErrorClass(
    Phrase("its disk, its files or its size limit are full; free some room, or let the files grow")
)
FULL_TEMPDB: Final = ErrorClass(
    Phrase("tempdb, which keeps versions of rows and what is sorted, is full; give it room")
)
NOT_ALLOWED: Final = ErrorClass(
    Phrase("a permission is missing; the statements that grant it are shown by: mail-importer db grants")
)
NO_MEMORY: Final = ErrorClass(
    Phrase("the server has not enough memory or other resources; if this lasts, give it more")
)
TOO_MANY: Final = ErrorClass(Phrase("the server accepts no more connections; lower database_pool_size, or allow more"))
CHANGED: Final = ErrorClass(Phrase("a table or column is not as this version needs it; see: mail-importer db check"))
NO_SNAPSHOTS: Final = ErrorClass(
    Phrase(
        "database_isolation is SNAPSHOT, which the database does not allow; run ALTER DATABASE … SET "
        "ALLOW_SNAPSHOT_ISOLATION ON, or set READ COMMITTED"
    )
)
ISOLATION: Final = ErrorClass(Phrase("database_isolation does not go with the locks of the queue; set READ COMMITTED"))
UNKNOWN: Final = ErrorClass(
    Phrase("it answered with an error that is not known here; the server's own log may have more")
)
FATAL: Final = replace(UNKNOWN, reconnect=True)
"""An error of SQL Server after which it ends the session."""

# https://www.sqlite.org/rescode.html: the primary code is the low byte of the extended one.
SQLITE: Final[Mapping[int, ErrorClass]] = {
    sqlite3.SQLITE_BUSY: ErrorClass(
        Phrase("another process holds its lock; if this lasts, find the process that keeps a transaction open")
    ),
    sqlite3.SQLITE_LOCKED: ErrorClass(Phrase("another connection holds its lock")),
    sqlite3.SQLITE_FULL: ErrorClass(Phrase("its disk, or its size limit, is full; free some room")),
    sqlite3.SQLITE_READONLY: ErrorClass(Phrase("it is read-only; check the permissions of the file and of its folder")),
    sqlite3.SQLITE_CANTOPEN: ErrorClass(
        Phrase("its file cannot be opened; check that the folder exists and may be written")
    ),
    sqlite3.SQLITE_IOERR: ErrorClass(Phrase("its disk reported an input/output error")),
    sqlite3.SQLITE_CORRUPT: ErrorClass(Phrase("its file is damaged; restore it from a backup")),
    sqlite3.SQLITE_NOTADB: ErrorClass(Phrase("the file is not a SQLite database")),
}


def _by_code(groups: Mapping[ErrorClass, tuple[int, ...]]) -> dict[int, ErrorClass]:
    return {code: meaning for meaning, codes in groups.items() for code in codes}


# https://learn.microsoft.com/sql/relational-databases/errors-events/database-engine-events-and-errors
# https://learn.microsoft.com/azure/azure-sql/database/troubleshoot-common-errors-issues
SQL_SERVER: Final[Mapping[int, ErrorClass]] = _by_code(
    {
        # Of most: "Rerun the query", or "Retry the transaction".
        CONTENDED: (
            *(617, 669, 1203, 1205, 1221, 2816, 3941, 3960, 3961, 4117, 4184, 20041),
            *(41301, 41302, 41305, 41325, 41839),
        ),
        LOCKED: (1222,),
        DUPLICATE: (2601, 2627),
        # Its text names constraint, database, table and column, but no value.
        NOTHING: (547,),
        QUOTING: (245, 248, 2628, 8114, 8115),
        LOST: (586, 596, 3971, 3980, 8179),
        SLOW: (845, 3950, 40549),
        STOPPING: (904, 6005, 17142, 17187, 17188, 18401, 18451, 18461),
        FAILING_OVER: (
            *(615, 913, 921, 922, 941, 952, 955, 956, 976, 978, 979, 982, 983, 988, 3947, 3948, 3953, 4221),
            *(40143, 40166, 40197, 40540, 40613, 42108, 42109),
        ),
        NOT_ONLINE: (923, 924, 926, 927, 942, 943, 945, 946, 3908),
        DAMAGED: (605, 823, 824, 825, 829, 5120, 5123, 5125, 9001),
        READ_ONLY: (3906,),
        THROTTLED: (10922, 10928, 10929, 10930, 10936, 40501, 40550, 49918, 49919, 49920),
        SIGN_IN: (15404, 17806, 18452, 18456, 40532),
        DISABLED: (18470, 18486),
        EXPIRED: (18487, 18488),
        NO_DATABASE: (911, 916, 4060, 4063, 4064),
        FIREWALL: (40615, 40914),
        NOT_PUBLIC: (47073,),
        FULL_LOG: (9002, 9020, 40552),
        FULL: (1101, 1105, 1132, 1133, 5149, 40544),
        FULL_TEMPDB: (1104, 1136, 3958, 3966, 3967, 40551),
        NOT_ALLOWED: (229, 230, 262, 297, 300, 1088, 2760, 4902, 15247, 15151),
        NO_MEMORY: (701, 802, 1204, 1232, 8623, 8628, 8645, 8651, 8657, 8902, 17803, 22335, 40553),
        TOO_MANY: (17300, 17809),
        CHANGED: (207, 208, 213, 2812),
        NO_SNAPSHOTS: (3952, 3957),
        ISOLATION: (650,),
    }
)

SQL_SERVER_PERMISSION: Final = re.compile(r"(?:The )?([A-Z ]+) permission (?:was )?denied ")
"""Beginning of the texts of 229, 230, 262 and 300, in English."""

# https://learn.microsoft.com/sql/odbc/reference/appendixes/appendix-a-odbc-error-codes
ODBC: Final[Mapping[str, ErrorClass]] = {
    "08001": UNREACHABLE,
    "08002": LOST,
    "08003": LOST,
    "08004": SIGN_IN,
    "08007": LOST,
    "08S01": LOST,
    "08S02": LOST,
    "01002": LOST,
    "HY010": LOST,
    "HYT00": SLOW,
    "HYT01": SLOW,
    # The driver could not restore an idle connection, and refuses all further statements on it: where
    # ConnectRetryCount is not 0, as with a data source. https://learn.microsoft.com/sql/connect/odbc/connection-resiliency
    "IMC01": LOST,
    "IMC02": LOST,
    "IMC03": LOST,
    "IMC04": LOST,
    "IMC05": LOST,
    "IMC06": LOST,
    "IMC07": LOST,
    "22001": QUOTING,
    "22003": QUOTING,
    "22007": QUOTING,
    "22018": QUOTING,
    "23000": QUOTING,
    "28000": SIGN_IN,
    "40001": CONTENDED,
    "42S02": CHANGED,
    "42S22": CHANGED,
    "IM002": NO_DATA_SOURCE,
    "IMH01": NOT_MULTI_SUBNET,
    "IMH02": NOT_MULTI_SUBNET,
    "IMH03": NOT_MULTI_SUBNET,
}
ODBC_TEXTS: Final[Mapping[str, ErrorClass]] = {
    "SSL Provider: ": NO_TLS,
    "SSL Handshake": NO_TLS,
    "Encryption not supported": NO_TLS,
    "SSPI Provider: ": NO_TICKET,
    "Cannot generate SSPI context": NO_TICKET,
    "Protocol error in TDS stream": NOT_SQL_SERVER,
    "Unspecified error occurred on SQL Server": FATAL,
}
"""Beginnings of texts of the driver itself; they are English everywhere."""

# https://www.postgresql.org/docs/current/errcodes-appendix.html; two letters stand for a class.
POSTGRESQL: Final[Mapping[str, ErrorClass]] = {
    "40001": CONTENDED,
    "40P01": CONTENDED,
    "55P03": LOCKED,
    "23505": DUPLICATE,
    "22": QUOTING,
    "22P03": OTHER_TYPE,
    "23": QUOTING,
    "08": LOST,
    "25006": READ_ONLY,
    "28": SIGN_IN,
    "3D000": NO_DATABASE,
    "42501": NOT_ALLOWED,
    "42P01": CHANGED,
    "42703": CHANGED,
    "3F000": CHANGED,
    "53100": FULL,
    "53200": NO_MEMORY,
    "53300": TOO_MANY,
    "53": NO_MEMORY,
    "57014": SLOW,
    "57P": STOPPING,
    "58": DAMAGED,
    "XX001": DAMAGED,
    "XX002": DAMAGED,
}
# libpq has no SQLSTATE of a sign-in, but the texts of the server, which are English unless configured otherwise.
POSTGRESQL_SIGN_IN: Final[Mapping[str, ErrorClass]] = {
    r"authentication failed|no pg_hba\.conf entry|not permitted to log in|role \".*\" does not exist": SIGN_IN,
    r"database \".*\" does not exist": NO_DATABASE,
    r"too many (clients|connections)|remaining connection slots": TOO_MANY,
    r"is starting up|is shutting down|in recovery mode|not yet accepting": STOPPING,
    r"certificate verify failed|SSL error": NO_TLS,
}
