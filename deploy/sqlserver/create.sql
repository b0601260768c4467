-- The gateway database, and a login that may upgrade and use it, no more. For sqlcmd, by a server administrator; safe
-- to repeat. $(DATABASE_PASSWORD) is a variable of sqlcmd's environment.
--
-- READ_COMMITTED_SNAPSHOT may be on or off. The roles below are the simple way; docs/sql-server.md has the narrow one.
IF DB_ID(N'MonitorPro') IS NULL
    CREATE DATABASE MonitorPro;
GO
IF SUSER_ID(N'mail_importer') IS NULL
    CREATE LOGIN mail_importer WITH PASSWORD = N'$(DATABASE_PASSWORD)', DEFAULT_DATABASE = MonitorPro;
ELSE
    ALTER LOGIN mail_importer WITH PASSWORD = N'$(DATABASE_PASSWORD)';
GO
USE MonitorPro;
GO
IF USER_ID(N'mail_importer') IS NULL
    CREATE USER mail_importer FOR LOGIN mail_importer;
ALTER ROLE db_ddladmin ADD MEMBER mail_importer; -- db upgrade
ALTER ROLE db_datareader ADD MEMBER mail_importer;
ALTER ROLE db_datawriter ADD MEMBER mail_importer;
GO
