-- The identities of deploy/azure as users of the gateway database. Run it as the administrator of Azure SQL, in the
-- gateway database; it may be repeated. The names begin with the parameter namePrefix.
-- The migration owns the schema; the worker has what `mail-importer db grants` gives its roles, no more.
-- First part: before the first migration.
IF USER_ID(N'mailimp-migration') IS NULL CREATE USER [mailimp-migration] FROM EXTERNAL PROVIDER;
ALTER ROLE db_owner ADD MEMBER [mailimp-migration];
IF USER_ID(N'mailimp-worker') IS NULL CREATE USER [mailimp-worker] FROM EXTERNAL PROVIDER;
GO
-- Second part: after the migration and the script of `db grants`, which makes these roles.
IF DATABASE_PRINCIPAL_ID(N'mail_importer_processor') IS NOT NULL ALTER ROLE mail_importer_processor ADD MEMBER [mailimp-worker];
IF DATABASE_PRINCIPAL_ID(N'mail_importer_subscriptions') IS NOT NULL ALTER ROLE mail_importer_subscriptions ADD MEMBER [mailimp-worker];
IF DATABASE_PRINCIPAL_ID(N'mail_importer_delivery') IS NOT NULL ALTER ROLE mail_importer_delivery ADD MEMBER [mailimp-worker];
IF DATABASE_PRINCIPAL_ID(N'mail_importer_console') IS NOT NULL ALTER ROLE mail_importer_console ADD MEMBER [mailimp-worker];
GO
