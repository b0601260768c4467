-- mail-importer: the gateway database, up to revision 0015. Safe to run again.
-- The settings that keys and checks need, whatever tool runs this; an error rolls everything back.
SET ANSI_NULLS ON;
SET QUOTED_IDENTIFIER ON;
SET XACT_ABORT ON;
SET NOCOUNT ON;
SET IMPLICIT_TRANSACTIONS OFF;
GO
BEGIN TRANSACTION;
DECLARE @lock INT;
EXEC @lock = sp_getapplock @Resource = N'mail-importer upgrade', @LockMode = N'Exclusive', @LockOwner = N'Transaction', @LockTimeout = 60000;
IF @lock < 0
BEGIN
    THROW 51000, N'Another upgrade of mail-importer is under way. Run this again later.', 1;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF SCHEMA_ID(N'dbo') IS NULL
    BEGIN
        THROW 51000, N'There is no schema dbo. Run first: CREATE SCHEMA [dbo]', 1;
    END;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblMailImporterVersion]', N'U') IS NOT NULL
    BEGIN
        EXEC (N'
        IF EXISTS (SELECT 1 FROM [dbo].[tblMailImporterVersion] WHERE [version_num] NOT IN (N''0001'', N''0002'', N''0003'', N''0004'', N''0005'', N''0006'', N''0007'', N''0008'', N''0009'', N''0010'', N''0011'', N''0012'', N''0013'', N''0014'', N''0015''))
        BEGIN
            THROW 51000, N''The database was upgraded by a newer version of mail-importer. Run the script of that version.'', 1;
        END;
        ');
    END;
END;
GO
IF OBJECT_ID(N'tempdb..#MailImporterProblem') IS NOT NULL
BEGIN
    DROP TABLE #MailImporterProblem;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    CREATE TABLE #MailImporterProblem ([nProblem] INT NOT NULL IDENTITY(1,1), [sText] NVARCHAR(1000) NOT NULL);
END;
GO

-- Columns that are there already must be usable.
IF @@TRANCOUNT > 0
BEGIN
    INSERT INTO #MailImporterProblem ([sText])
    SELECT w.[sTable] + N'.' + w.[sColumn] + N': found ' + f.DATA_TYPE COLLATE Latin1_General_100_BIN2
        + CASE WHEN f.CHARACTER_MAXIMUM_LENGTH IS NULL THEN N''
            WHEN f.CHARACTER_MAXIMUM_LENGTH = -1 THEN N'(max)'
            ELSE N'(' + CONVERT(NVARCHAR(12), f.CHARACTER_MAXIMUM_LENGTH) + N')' END
        + CASE WHEN f.IS_NULLABLE = N'NO' THEN N' not null' ELSE N'' END
        + N', wanted ' + w.[sWanted]
        + CASE WHEN w.[bNumbered] = 1 THEN N' identity' WHEN w.[bNull] = 1 THEN N' null' ELSE N'' END
        + N'. Change the column, or rename it if it is not meant for mail-importer.'
    FROM (VALUES
        (N'tblAccountCondition', N'nAccountID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblAccountCondition', N'sRole', N'nvarchar', N'nvarchar', 20, NULL, 0, 1, 0, 0, N'nvarchar(20)'),
        (N'tblAccountCondition', N'sReason', N'nvarchar', N'nvarchar', 100, NULL, 0, 0, 0, 0, N'nvarchar(100)'),
        (N'tblAccountCondition', N'sDetail', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 0, N'nvarchar(max)'),
        (N'tblAccountCondition', N'sDetailPhrase', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblAccountCondition', N'dtSince', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblAccountCondition', N'dtNextAttempt', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblAlert', N'nAlertID', N'bigint', N'bigint', NULL, NULL, 0, 1, 1, 0, N'bigint'),
        (N'tblAlert', N'sTarget', N'nvarchar', N'nvarchar', 64, NULL, 1, 0, 0, 0, N'nvarchar(64) collate Latin1_General_100_BIN2'),
        (N'tblAlert', N'sTargetName', N'nvarchar', N'nvarchar', 200, NULL, 0, 0, 0, 0, N'nvarchar(200)'),
        (N'tblAlert', N'sState', N'nvarchar', N'nvarchar', 10, NULL, 0, 1, 0, 0, N'nvarchar(10)'),
        (N'tblAlert', N'sTitle', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 0, N'nvarchar(max)'),
        (N'tblAlert', N'sBody', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 0, N'nvarchar(max)'),
        (N'tblAlert', N'nAttempts', N'int', N'bigint', NULL, NULL, 0, 0, 0, 0, N'integer'),
        (N'tblAlert', N'dtCreated', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblAlert', N'dtDue', N'datetime2', N'datetime2', NULL, 6, 0, 1, 0, 0, N'datetime2(7)'),
        (N'tblAlert', N'dtEnded', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 1, N'datetime2(7)'),
        (N'tblAlert', N'sDetail', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblCallBudget', N'sBudget', N'nvarchar', N'nvarchar', 200, NULL, 1, 1, 0, 0, N'nvarchar(200) collate Latin1_General_100_BIN2'),
        (N'tblCallBudget', N'nSlot', N'bigint', N'bigint', NULL, NULL, 0, 0, 0, 0, N'bigint'),
        (N'tblCallBudget', N'nUsed', N'int', N'bigint', NULL, NULL, 0, 0, 0, 0, N'integer'),
        (N'tblConsoleActivity', N'nActivityID', N'bigint', N'bigint', NULL, NULL, 0, 1, 1, 0, N'bigint'),
        (N'tblConsoleActivity', N'dtAt', N'datetime2', N'datetime2', NULL, 6, 0, 1, 0, 0, N'datetime2(7)'),
        (N'tblConsoleActivity', N'sWho', N'nvarchar', N'nvarchar', 200, NULL, 0, 0, 0, 0, N'nvarchar(200)'),
        (N'tblConsoleActivity', N'sAddress', N'nvarchar', N'nvarchar', 100, NULL, 0, 0, 0, 0, N'nvarchar(100)'),
        (N'tblConsoleActivity', N'sAction', N'nvarchar', N'nvarchar', 40, NULL, 0, 0, 0, 0, N'nvarchar(40)'),
        (N'tblConsoleActivity', N'nAccountID', N'bigint', N'bigint', NULL, NULL, 0, 0, 0, 1, N'bigint'),
        (N'tblConsoleActivity', N'nMessageID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 1, N'bigint'),
        (N'tblConsoleActivity', N'sDetail', N'nvarchar', N'nvarchar', 400, NULL, 0, 0, 0, 1, N'nvarchar(400)'),
        (N'tblConsoleAttempt', N'sKey', N'nvarchar', N'nvarchar', 64, NULL, 1, 1, 0, 0, N'nvarchar(64) collate Latin1_General_100_BIN2'),
        (N'tblConsoleAttempt', N'nFailures', N'int', N'bigint', NULL, NULL, 0, 0, 0, 0, N'integer'),
        (N'tblConsoleAttempt', N'dtFirst', N'datetime2', N'datetime2', NULL, 6, 0, 1, 0, 0, N'datetime2(7)'),
        (N'tblConsoleSession', N'sSessionHash', N'nvarchar', N'nvarchar', 64, NULL, 1, 1, 0, 0, N'nvarchar(64) collate Latin1_General_100_BIN2'),
        (N'tblConsoleSession', N'sKind', N'nvarchar', N'nvarchar', 20, NULL, 0, 0, 0, 0, N'nvarchar(20)'),
        (N'tblConsoleSession', N'sSubject', N'nvarchar', N'nvarchar', 200, NULL, 1, 1, 0, 0, N'nvarchar(200) collate Latin1_General_100_BIN2'),
        (N'tblConsoleSession', N'sUserName', N'nvarchar', N'nvarchar', 200, NULL, 0, 0, 0, 0, N'nvarchar(200)'),
        (N'tblConsoleSession', N'sRoles', N'nvarchar', N'nvarchar', 200, NULL, 0, 0, 0, 0, N'nvarchar(200)'),
        (N'tblConsoleSession', N'sGroups', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblConsoleSession', N'sAddress', N'nvarchar', N'nvarchar', 100, NULL, 0, 0, 0, 0, N'nvarchar(100)'),
        (N'tblConsoleSession', N'dtCreated', N'datetime2', N'datetime2', NULL, 6, 0, 1, 0, 0, N'datetime2(7)'),
        (N'tblConsoleSession', N'dtUsed', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblConsoleSession', N'dtChecked', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblConsoleSession', N'sSealedToken', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblConsoleTicket', N'sTicketHash', N'nvarchar', N'nvarchar', 64, NULL, 1, 1, 0, 0, N'nvarchar(64) collate Latin1_General_100_BIN2'),
        (N'tblConsoleTicket', N'sKind', N'nvarchar', N'nvarchar', 20, NULL, 0, 0, 0, 0, N'nvarchar(20)'),
        (N'tblConsoleTicket', N'sDetail', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 0, N'nvarchar(max)'),
        (N'tblConsoleTicket', N'dtExpires', N'datetime2', N'datetime2', NULL, 6, 0, 1, 0, 0, N'datetime2(7)'),
        (N'tblConsoleUser', N'nUserID', N'bigint', N'bigint', NULL, NULL, 0, 1, 1, 0, N'bigint'),
        (N'tblConsoleUser', N'sUserName', N'nvarchar', N'nvarchar', 200, NULL, 1, 1, 0, 0, N'nvarchar(200) collate Latin1_General_100_BIN2'),
        (N'tblConsoleUser', N'sPasswordHash', N'nvarchar', N'nvarchar', 400, NULL, 0, 0, 0, 0, N'nvarchar(400)'),
        (N'tblConsoleUser', N'sRoles', N'nvarchar', N'nvarchar', 200, NULL, 0, 0, 0, 0, N'nvarchar(200)'),
        (N'tblConsoleUser', N'sGroups', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblConsoleUser', N'dtCreated', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblConsoleUser', N'dtPasswordChanged', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblEmailAccountChange', N'nChangeID', N'bigint', N'bigint', NULL, NULL, 0, 1, 1, 0, N'bigint'),
        (N'tblEmailAccountChange', N'nAccountID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblEmailAccountChange', N'dtChanged', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblEmailAccountChange', N'sAction', N'nvarchar', N'nvarchar', 20, NULL, 0, 0, 0, 0, N'nvarchar(20)'),
        (N'tblEmailAccountChange', N'sWho', N'nvarchar', N'nvarchar', 200, NULL, 0, 0, 0, 1, N'nvarchar(200)'),
        (N'tblEmailAccountChange', N'sHost', N'nvarchar', N'nvarchar', 100, NULL, 0, 0, 0, 1, N'nvarchar(100)'),
        (N'tblEmailAccountChange', N'sSettings', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 0, N'nvarchar(max)'),
        (N'tblEmailAccountSettings', N'nAccountID', N'bigint', N'int', NULL, NULL, 0, 1, 1, 0, N'bigint'),
        (N'tblEmailAccountSettings', N'sAccountName', N'nvarchar', N'varchar', 200, NULL, 0, 1, 0, 0, N'nvarchar(200)'),
        (N'tblEmailAccountSettings', N'sAuthentication', N'nvarchar', N'varchar', 40, NULL, 0, 0, 0, 0, N'nvarchar(40)'),
        (N'tblEmailAccountSettings', N'sTenantID', N'nvarchar', N'varchar', 100, NULL, 0, 0, 0, 0, N'nvarchar(100)'),
        (N'tblEmailAccountSettings', N'sClientID', N'nvarchar', N'varchar', 100, NULL, 0, 0, 0, 0, N'nvarchar(100)'),
        (N'tblEmailAccountSettings', N'sUserID', N'nvarchar', N'varchar', 320, NULL, 0, 0, 0, 0, N'nvarchar(320)'),
        (N'tblEmailAccountSettings', N'sCertificateThumbprint', N'nvarchar', N'varchar', 100, NULL, 0, 0, 0, 0, N'nvarchar(100)'),
        (N'tblEmailAccountSettings', N'bSecureCertificateAccess', N'bit', N'bit', NULL, NULL, 0, 0, 0, 0, N'bit'),
        (N'tblEmailAccountSettings', N'sFolder', N'nvarchar', N'varchar', 450, NULL, 0, 0, 0, 0, N'nvarchar(450)'),
        (N'tblEmailAccountSettings', N'sAfterImport', N'nvarchar', N'varchar', 20, NULL, 0, 0, 0, 0, N'nvarchar(20)'),
        (N'tblEmailAccountSettings', N'sMoveToFolder', N'nvarchar', N'varchar', 450, NULL, 0, 0, 0, 1, N'nvarchar(450)'),
        (N'tblEmailAccountSettings', N'bEnabled', N'bit', N'bit', NULL, NULL, 0, 0, 0, 0, N'bit'),
        (N'tblEmailAccountSettings', N'dtRemoved', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 1, N'datetime2(7)'),
        (N'tblEmailAccountSettings', N'sNextCertificateThumbprint', N'nvarchar', N'varchar', 100, NULL, 0, 0, 0, 1, N'nvarchar(100)'),
        (N'tblEmailAccountSettings', N'dtImportSince', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 1, N'datetime2(7)'),
        (N'tblEmailAccountSettings', N'dtPurgedBefore', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 1, N'datetime2(7)'),
        (N'tblEmailAccountSettings', N'sFilterSendersAllowed', N'nvarchar', N'varchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailAccountSettings', N'sFilterSendersDenied', N'nvarchar', N'varchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailAccountSettings', N'sFilterSubjectsAllowed', N'nvarchar', N'varchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailAccountSettings', N'sFilterSubjectsDenied', N'nvarchar', N'varchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailAccountSettings', N'bFilterHasAttachments', N'bit', N'bit', NULL, NULL, 0, 0, 0, 1, N'bit'),
        (N'tblEmailAccountSettings', N'nFilterSizeLeast', N'bigint', N'bigint', NULL, NULL, 0, 0, 0, 1, N'bigint'),
        (N'tblEmailAccountSettings', N'nFilterSizeMost', N'bigint', N'bigint', NULL, NULL, 0, 0, 0, 1, N'bigint'),
        (N'tblEmailAccountSettings', N'sConsoleAccess', N'nvarchar', N'varchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailConsumer', N'sConsumer', N'nvarchar', N'nvarchar', 100, NULL, 1, 1, 0, 0, N'nvarchar(100) collate Latin1_General_100_BIN2'),
        (N'tblEmailConsumer', N'nPosition', N'bigint', N'bigint', NULL, NULL, 0, 0, 0, 0, N'bigint'),
        (N'tblEmailConsumer', N'dtCreated', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblEmailConsumer', N'dtMoved', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 1, N'datetime2(7)'),
        (N'tblEmailConsumer', N'nNextPosition', N'bigint', N'bigint', NULL, NULL, 0, 0, 0, 1, N'bigint'),
        (N'tblEmailConsumer', N'dtNextPosition', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 1, N'datetime2(7)'),
        (N'tblEmailConsumer', N'sOpenTransactions', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailFailure', N'nFailureID', N'bigint', N'bigint', NULL, NULL, 0, 1, 1, 0, N'bigint'),
        (N'tblEmailFailure', N'nAccountID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblEmailFailure', N'sGraphMessageID', N'nvarchar', N'nvarchar', 700, NULL, 1, 1, 0, 0, N'nvarchar(700) collate Latin1_General_100_BIN2'),
        (N'tblEmailFailure', N'sState', N'nvarchar', N'nvarchar', 10, NULL, 0, 0, 0, 0, N'nvarchar(10)'),
        (N'tblEmailFailure', N'sInternetMessageID', N'nvarchar', N'nvarchar', 998, NULL, 0, 0, 0, 1, N'nvarchar(998)'),
        (N'tblEmailFailure', N'sSubject', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailFailure', N'sFromName', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailFailure', N'sFromAddress', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailFailure', N'dtReceived', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 1, N'datetime2(7)'),
        (N'tblEmailFailure', N'nAttempts', N'int', N'bigint', NULL, NULL, 0, 0, 0, 0, N'integer'),
        (N'tblEmailFailure', N'dtFirstFailed', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblEmailFailure', N'dtLastFailed', N'datetime2', N'datetime2', NULL, 6, 0, 1, 0, 0, N'datetime2(7)'),
        (N'tblEmailFailure', N'dtNextAttempt', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 1, N'datetime2(7)'),
        (N'tblEmailFailure', N'sReason', N'nvarchar', N'nvarchar', 100, NULL, 0, 0, 0, 1, N'nvarchar(100)'),
        (N'tblEmailFailure', N'sDetail', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailFailure', N'sDetailPhrase', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailMessage', N'nMessageID', N'bigint', N'bigint', NULL, NULL, 0, 1, 1, 0, N'bigint'),
        (N'tblEmailMessage', N'nAccountID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblEmailMessage', N'sGraphMessageID', N'nvarchar', N'nvarchar', 700, NULL, 1, 1, 0, 0, N'nvarchar(700) collate Latin1_General_100_BIN2'),
        (N'tblEmailMessage', N'sInternetMessageID', N'nvarchar', N'nvarchar', 998, NULL, 0, 0, 0, 1, N'nvarchar(998)'),
        (N'tblEmailMessage', N'sConversationID', N'nvarchar', N'nvarchar', 700, NULL, 0, 0, 0, 1, N'nvarchar(700)'),
        (N'tblEmailMessage', N'sSubject', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailMessage', N'sFromName', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailMessage', N'sFromAddress', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailMessage', N'dtSent', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 1, N'datetime2(7)'),
        (N'tblEmailMessage', N'dtReceived', N'datetime2', N'datetime2', NULL, 6, 0, 1, 0, 1, N'datetime2(7)'),
        (N'tblEmailMessage', N'sImportance', N'nvarchar', N'nvarchar', 20, NULL, 0, 0, 0, 1, N'nvarchar(20)'),
        (N'tblEmailMessage', N'sBodyType', N'nvarchar', N'nvarchar', 20, NULL, 0, 0, 0, 1, N'nvarchar(20)'),
        (N'tblEmailMessage', N'sBody', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailMessage', N'bHasAttachments', N'bit', N'bit', NULL, NULL, 0, 0, 0, 0, N'bit'),
        (N'tblEmailMessage', N'dtImported', N'datetime2', N'datetime2', NULL, 6, 0, 1, 0, 0, N'datetime2(7)'),
        (N'tblEmailMessage', N'sCorrelationID', N'nvarchar', N'nvarchar', 64, NULL, 0, 0, 0, 1, N'nvarchar(64)'),
        (N'tblEmailMessage', N'sSenderName', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailMessage', N'sSenderAddress', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailMessage', N'dtCreated', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 1, N'datetime2(7)'),
        (N'tblEmailMessage', N'sCategories', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailMessage', N'sFlagStatus', N'nvarchar', N'nvarchar', 20, NULL, 0, 0, 0, 1, N'nvarchar(20)'),
        (N'tblEmailMessage', N'sConversationIndex', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailMessage', N'sBodyText', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailMessage', N'bRead', N'bit', N'bit', NULL, NULL, 0, 0, 0, 1, N'bit'),
        (N'tblEmailMessage', N'sWebLink', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailMessage', N'sParentFolderID', N'nvarchar', N'nvarchar', 700, NULL, 1, 0, 0, 1, N'nvarchar(700) collate Latin1_General_100_BIN2'),
        (N'tblEmailMessage', N'sChangeKey', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailMessage', N'nSize', N'bigint', N'bigint', NULL, NULL, 0, 0, 0, 1, N'bigint'),
        (N'tblEmailMessage', N'sAfterImport', N'nvarchar', N'nvarchar', 20, NULL, 0, 0, 0, 1, N'nvarchar(20)'),
        (N'tblEmailMessage', N'sAfterImportState', N'nvarchar', N'nvarchar', 20, NULL, 0, 1, 0, 1, N'nvarchar(20)'),
        (N'tblEmailMessage', N'sAfterImportDetail', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailMessage', N'sAfterImportDetailPhrase', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailMessage', N'nAfterImportAttempts', N'int', N'bigint', NULL, NULL, 0, 0, 0, 1, N'integer'),
        (N'tblEmailMessage', N'dtAfterImportDue', N'datetime2', N'datetime2', NULL, 6, 0, 1, 0, 1, N'datetime2(7)'),
        (N'tblEmailMessage', N'sRuleState', N'nvarchar', N'nvarchar', 10, NULL, 0, 1, 0, 1, N'nvarchar(10)'),
        (N'tblEmailMessage', N'nRulesMatched', N'int', N'bigint', NULL, NULL, 0, 1, 0, 1, N'integer'),
        (N'tblEmailRule', N'nRuleID', N'bigint', N'bigint', NULL, NULL, 0, 1, 1, 0, N'bigint'),
        (N'tblEmailRule', N'sName', N'nvarchar', N'nvarchar', 200, NULL, 0, 1, 0, 0, N'nvarchar(200)'),
        (N'tblEmailRule', N'bEnabled', N'bit', N'bit', NULL, NULL, 0, 0, 0, 0, N'bit'),
        (N'tblEmailRule', N'nAccountID', N'bigint', N'bigint', NULL, NULL, 0, 0, 0, 1, N'bigint'),
        (N'tblEmailRule', N'nPosition', N'int', N'bigint', NULL, NULL, 0, 0, 0, 0, N'integer'),
        (N'tblEmailRule', N'sSenders', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailRule', N'sRecipients', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailRule', N'sSubjectKind', N'nvarchar', N'nvarchar', 10, NULL, 0, 0, 0, 1, N'nvarchar(10)'),
        (N'tblEmailRule', N'sSubject', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailRule', N'sBodyWords', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailRule', N'sAttachmentNames', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailRule', N'nAttachmentSizeLeast', N'bigint', N'bigint', NULL, NULL, 0, 0, 0, 1, N'bigint'),
        (N'tblEmailRule', N'nAttachmentSizeMost', N'bigint', N'bigint', NULL, NULL, 0, 0, 0, 1, N'bigint'),
        (N'tblEmailRule', N'bHasAttachments', N'bit', N'bit', NULL, NULL, 0, 0, 0, 1, N'bit'),
        (N'tblEmailRule', N'sFolder', N'nvarchar', N'nvarchar', 1000, NULL, 0, 0, 0, 0, N'nvarchar(1000)'),
        (N'tblEmailRule', N'sFileName', N'nvarchar', N'nvarchar', 400, NULL, 0, 0, 0, 1, N'nvarchar(400)'),
        (N'tblEmailRule', N'bSaveAttachments', N'bit', N'bit', NULL, NULL, 0, 0, 0, 0, N'bit'),
        (N'tblEmailRule', N'sUnpack', N'nvarchar', N'nvarchar', 50, NULL, 0, 0, 0, 1, N'nvarchar(50)'),
        (N'tblEmailRule', N'sSaveBody', N'nvarchar', N'nvarchar', 10, NULL, 0, 0, 0, 1, N'nvarchar(10)'),
        (N'tblEmailRule', N'bSaveOriginal', N'bit', N'bit', NULL, NULL, 0, 0, 0, 0, N'bit'),
        (N'tblEmailRule', N'bSaveMetadata', N'bit', N'bit', NULL, NULL, 0, 0, 0, 0, N'bit'),
        (N'tblEmailRule', N'dtActiveSince', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblEmailRuleChange', N'nChangeID', N'bigint', N'bigint', NULL, NULL, 0, 1, 1, 0, N'bigint'),
        (N'tblEmailRuleChange', N'nRuleID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblEmailRuleChange', N'dtChanged', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblEmailRuleChange', N'sAction', N'nvarchar', N'nvarchar', 20, NULL, 0, 0, 0, 0, N'nvarchar(20)'),
        (N'tblEmailRuleChange', N'sWho', N'nvarchar', N'nvarchar', 200, NULL, 0, 0, 0, 1, N'nvarchar(200)'),
        (N'tblEmailRuleChange', N'sHost', N'nvarchar', N'nvarchar', 100, NULL, 0, 0, 0, 1, N'nvarchar(100)'),
        (N'tblEmailRuleChange', N'sSettings', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 0, N'nvarchar(max)'),
        (N'tblEmailSeen', N'nSeenID', N'bigint', N'bigint', NULL, NULL, 0, 1, 1, 0, N'bigint'),
        (N'tblEmailSeen', N'nAccountID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblEmailSeen', N'sGraphMessageID', N'nvarchar', N'nvarchar', 700, NULL, 1, 1, 0, 0, N'nvarchar(700) collate Latin1_General_100_BIN2'),
        (N'tblEmailSeen', N'sInternetMessageID', N'nvarchar', N'nvarchar', 998, NULL, 0, 0, 0, 1, N'nvarchar(998)'),
        (N'tblEmailSeen', N'sFromAddress', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailSeen', N'dtReceived', N'datetime2', N'datetime2', NULL, 6, 0, 1, 0, 1, N'datetime2(7)'),
        (N'tblEmailSeen', N'nSize', N'bigint', N'bigint', NULL, NULL, 0, 0, 0, 1, N'bigint'),
        (N'tblEmailSeen', N'sReason', N'nvarchar', N'nvarchar', 100, NULL, 0, 0, 0, 0, N'nvarchar(100)'),
        (N'tblEmailSeen', N'sRule', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailSeen', N'dtSeen', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblFolderSync', N'nAccountID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblFolderSync', N'dtDue', N'datetime2', N'datetime2', NULL, 6, 0, 1, 0, 0, N'datetime2(7)'),
        (N'tblFolderSync', N'sOwner', N'nvarchar', N'nvarchar', 100, NULL, 0, 0, 0, 1, N'nvarchar(100)'),
        (N'tblFolderSync', N'dtLeaseUntil', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 1, N'datetime2(7)'),
        (N'tblFolderSync', N'nFailures', N'int', N'bigint', NULL, NULL, 0, 0, 0, 0, N'integer'),
        (N'tblFolderSync', N'nRequests', N'int', N'bigint', NULL, NULL, 0, 0, 0, 0, N'integer'),
        (N'tblFolderSync', N'sResource', N'nvarchar', N'nvarchar', 1000, NULL, 0, 0, 0, 1, N'nvarchar(1000)'),
        (N'tblFolderSync', N'sLink', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblFolderSync', N'bFullPass', N'bit', N'bit', NULL, NULL, 0, 0, 0, 0, N'bit'),
        (N'tblFolderSync', N'bGap', N'bit', N'bit', NULL, NULL, 0, 0, 0, 0, N'bit'),
        (N'tblFolderSync', N'dtSwept', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 1, N'datetime2(7)'),
        (N'tblGraphSubscription', N'sSubscriptionID', N'nvarchar', N'nvarchar', 100, NULL, 1, 1, 0, 0, N'nvarchar(100) collate Latin1_General_100_BIN2'),
        (N'tblGraphSubscription', N'nAccountID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblGraphSubscription', N'dtExpires', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblGraphSubscription', N'sState', N'nvarchar', N'nvarchar', 20, NULL, 0, 0, 0, 0, N'nvarchar(20)'),
        (N'tblGraphSubscription', N'sResource', N'nvarchar', N'nvarchar', 1000, NULL, 0, 0, 0, 0, N'nvarchar(1000)'),
        (N'tblGraphSubscription', N'sNotificationURL', N'nvarchar', N'nvarchar', 1000, NULL, 0, 0, 0, 0, N'nvarchar(1000)'),
        (N'tblGraphSubscription', N'sKeyFingerprint', N'nvarchar', N'nvarchar', 64, NULL, 1, 0, 0, 0, N'nvarchar(64) collate Latin1_General_100_BIN2'),
        (N'tblGraphSubscription', N'dtGranted', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblGraphSubscription', N'dtCreated', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 1, N'datetime2(7)'),
        (N'tblImporterSecret', N'sName', N'nvarchar', N'nvarchar', 100, NULL, 0, 1, 0, 0, N'nvarchar(100)'),
        (N'tblImporterSecret', N'sValue', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 0, N'nvarchar(max)'),
        (N'tblImporterSecret', N'dtCreated', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblLease', N'sName', N'nvarchar', N'nvarchar', 50, NULL, 1, 1, 0, 0, N'nvarchar(50) collate Latin1_General_100_BIN2'),
        (N'tblLease', N'sOwner', N'nvarchar', N'nvarchar', 100, NULL, 0, 0, 0, 0, N'nvarchar(100)'),
        (N'tblLease', N'dtLeaseUntil', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblMailboxAddress', N'nAccountID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblMailboxAddress', N'sUserID', N'nvarchar', N'nvarchar', 320, NULL, 0, 0, 0, 0, N'nvarchar(320)'),
        (N'tblMailboxAddress', N'sAddress', N'nvarchar', N'nvarchar', 320, NULL, 0, 0, 0, 0, N'nvarchar(320)'),
        (N'tblMailboxAddress', N'dtLearned', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblMailboxCall', N'sMailbox', N'nvarchar', N'nvarchar', 425, NULL, 1, 1, 0, 0, N'nvarchar(425) collate Latin1_General_100_BIN2'),
        (N'tblMailboxCall', N'nSlot', N'int', N'bigint', NULL, NULL, 0, 1, 0, 0, N'integer'),
        (N'tblMailboxCall', N'sOwner', N'nvarchar', N'nvarchar', 100, NULL, 0, 0, 0, 0, N'nvarchar(100)'),
        (N'tblMailboxCall', N'dtLeaseUntil', N'datetime2', N'datetime2', NULL, 6, 0, 1, 0, 0, N'datetime2(7)'),
        (N'tblMessageTrace', N'nTraceID', N'bigint', N'bigint', NULL, NULL, 0, 1, 1, 0, N'bigint'),
        (N'tblMessageTrace', N'nAccountID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 1, N'bigint'),
        (N'tblMessageTrace', N'sGraphMessageID', N'nvarchar', N'nvarchar', 700, NULL, 1, 1, 0, 1, N'nvarchar(700) collate Latin1_General_100_BIN2'),
        (N'tblMessageTrace', N'sInternetMessageID', N'nvarchar', N'nvarchar', 998, NULL, 0, 0, 0, 1, N'nvarchar(998)'),
        (N'tblMessageTrace', N'sSubject', N'nvarchar', N'nvarchar', 400, NULL, 0, 0, 0, 1, N'nvarchar(400)'),
        (N'tblMessageTrace', N'sSource', N'nvarchar', N'nvarchar', 20, NULL, 0, 0, 0, 1, N'nvarchar(20)'),
        (N'tblMessageTrace', N'sCorrelationID', N'nvarchar', N'nvarchar', 64, NULL, 0, 0, 0, 1, N'nvarchar(64)'),
        (N'tblMessageTrace', N'sQueueMessageID', N'nvarchar', N'nvarchar', 128, NULL, 1, 0, 0, 1, N'nvarchar(128) collate Latin1_General_100_BIN2'),
        (N'tblMessageTrace', N'dtNotified', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 1, N'datetime2(7)'),
        (N'tblMessageTrace', N'dtQueued', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 1, N'datetime2(7)'),
        (N'tblMessageTrace', N'nAttempt', N'int', N'bigint', NULL, NULL, 0, 0, 0, 1, N'integer'),
        (N'tblMessageTrace', N'sHost', N'nvarchar', N'nvarchar', 100, NULL, 0, 0, 0, 0, N'nvarchar(100)'),
        (N'tblMessageTrace', N'dtStarted', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblMessageTrace', N'dtFetched', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 1, N'datetime2(7)'),
        (N'tblMessageTrace', N'dtEnded', N'datetime2', N'datetime2', NULL, 6, 0, 1, 0, 0, N'datetime2(7)'),
        (N'tblMessageTrace', N'sOutcome', N'nvarchar', N'nvarchar', 20, NULL, 0, 1, 0, 0, N'nvarchar(20)'),
        (N'tblMessageTrace', N'sReason', N'nvarchar', N'nvarchar', 100, NULL, 0, 0, 0, 1, N'nvarchar(100)'),
        (N'tblMessageTrace', N'sDetail', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblMessageTrace', N'sDetailPhrase', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblMissedNotification', N'nMissedID', N'bigint', N'bigint', NULL, NULL, 0, 1, 1, 0, N'bigint'),
        (N'tblMissedNotification', N'nAccountID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblMissedNotification', N'sGraphMessageID', N'nvarchar', N'nvarchar', 700, NULL, 1, 1, 0, 0, N'nvarchar(700) collate Latin1_General_100_BIN2'),
        (N'tblMissedNotification', N'dtReceived', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblMissedNotification', N'dtFound', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblMissedNotification', N'dtTold', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 1, N'datetime2(7)'),
        (N'tblNotificationQueue', N'nSequence', N'bigint', N'bigint', NULL, NULL, 0, 1, 1, 0, N'bigint'),
        (N'tblNotificationQueue', N'sMessageID', N'nvarchar', N'nvarchar', 128, NULL, 1, 1, 0, 0, N'nvarchar(128) collate Latin1_General_100_BIN2'),
        (N'tblNotificationQueue', N'nRetired', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblNotificationQueue', N'sState', N'nvarchar', N'nvarchar', 10, NULL, 0, 1, 0, 0, N'nvarchar(10)'),
        (N'tblNotificationQueue', N'nAccountID', N'bigint', N'bigint', NULL, NULL, 0, 0, 0, 1, N'bigint'),
        (N'tblNotificationQueue', N'sBody', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 0, N'nvarchar(max)'),
        (N'tblNotificationQueue', N'dtEnqueued', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblNotificationQueue', N'dtVisible', N'datetime2', N'datetime2', NULL, 6, 0, 1, 0, 0, N'datetime2(7)'),
        (N'tblNotificationQueue', N'nDeliveryCount', N'int', N'bigint', NULL, NULL, 0, 0, 0, 0, N'integer'),
        (N'tblNotificationQueue', N'sLockToken', N'nvarchar', N'nvarchar', 32, NULL, 0, 0, 0, 1, N'nvarchar(32)'),
        (N'tblNotificationQueue', N'sReason', N'nvarchar', N'nvarchar', 100, NULL, 0, 0, 0, 1, N'nvarchar(100)'),
        (N'tblNotificationQueue', N'sDescription', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblNotificationQueue', N'dtDeadLettered', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 1, N'datetime2(7)'),
        (N'tblProblem', N'nProblemID', N'bigint', N'bigint', NULL, NULL, 0, 1, 1, 0, N'bigint'),
        (N'tblProblem', N'sKind', N'nvarchar', N'nvarchar', 40, NULL, 0, 0, 0, 0, N'nvarchar(40)'),
        (N'tblProblem', N'nAccountID', N'bigint', N'bigint', NULL, NULL, 0, 0, 0, 1, N'bigint'),
        (N'tblProblem', N'sScope', N'nvarchar', N'nvarchar', 450, NULL, 0, 0, 0, 0, N'nvarchar(450)'),
        (N'tblProblem', N'sKey', N'nvarchar', N'nvarchar', 64, NULL, 1, 1, 0, 0, N'nvarchar(64) collate Latin1_General_100_BIN2'),
        (N'tblProblem', N'nClosed', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblProblem', N'sSeverity', N'nvarchar', N'nvarchar', 10, NULL, 0, 0, 0, 0, N'nvarchar(10)'),
        (N'tblProblem', N'dtFirstSeen', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblProblem', N'dtOpened', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblProblem', N'dtLastSeen', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblProblem', N'dtCleared', N'datetime2', N'datetime2', NULL, 6, 0, 1, 0, 1, N'datetime2(7)'),
        (N'tblProblem', N'nCount', N'int', N'bigint', NULL, NULL, 0, 0, 0, 0, N'integer'),
        (N'tblProblem', N'sText', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 0, N'nvarchar(max)'),
        (N'tblProblem', N'sTextPhrase', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblProblem', N'sRemedy', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 0, N'nvarchar(max)'),
        (N'tblProblem', N'sRemedyPhrase', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblProblem', N'dtAlerted', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 1, N'datetime2(7)'),
        (N'tblProblem', N'dtRecoveryAlerted', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 1, N'datetime2(7)'),
        (N'tblProcess', N'sProcess', N'nvarchar', N'nvarchar', 100, NULL, 1, 1, 0, 0, N'nvarchar(100) collate Latin1_General_100_BIN2'),
        (N'tblProcess', N'sHost', N'nvarchar', N'nvarchar', 100, NULL, 0, 0, 0, 0, N'nvarchar(100)'),
        (N'tblProcess', N'sRoles', N'nvarchar', N'nvarchar', 200, NULL, 0, 0, 0, 0, N'nvarchar(200)'),
        (N'tblProcess', N'sVersion', N'nvarchar', N'nvarchar', 50, NULL, 0, 0, 0, 0, N'nvarchar(50)'),
        (N'tblProcess', N'dtStarted', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblProcess', N'dtHeartbeat', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblProcess', N'dtLeaseUntil', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblQueueAudit', N'nAuditID', N'bigint', N'bigint', NULL, NULL, 0, 1, 1, 0, N'bigint'),
        (N'tblQueueAudit', N'sAction', N'nvarchar', N'nvarchar', 20, NULL, 0, 0, 0, 0, N'nvarchar(20)'),
        (N'tblQueueAudit', N'sWho', N'nvarchar', N'nvarchar', 200, NULL, 0, 0, 0, 0, N'nvarchar(200)'),
        (N'tblQueueAudit', N'sHost', N'nvarchar', N'nvarchar', 100, NULL, 0, 0, 0, 0, N'nvarchar(100)'),
        (N'tblQueueAudit', N'sQueue', N'nvarchar', N'nvarchar', 400, NULL, 0, 0, 0, 0, N'nvarchar(400)'),
        (N'tblQueueAudit', N'sSelection', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 0, N'nvarchar(max)'),
        (N'tblQueueAudit', N'sWhy', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblQueueAudit', N'dtStarted', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblQueueAudit', N'dtEnded', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 1, N'datetime2(7)'),
        (N'tblQueueAudit', N'nMessages', N'int', N'bigint', NULL, NULL, 0, 0, 0, 0, N'integer'),
        (N'tblServiceOutage', N'sProcess', N'nvarchar', N'nvarchar', 100, NULL, 1, 1, 0, 0, N'nvarchar(100) collate Latin1_General_100_BIN2'),
        (N'tblServiceOutage', N'sService', N'nvarchar', N'nvarchar', 20, NULL, 0, 1, 0, 0, N'nvarchar(20)'),
        (N'tblServiceOutage', N'dtSince', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblServiceOutage', N'dtSeen', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblServiceOutage', N'nAccounts', N'int', N'bigint', NULL, NULL, 0, 0, 0, 0, N'integer'),
        (N'tblServiceOutage', N'sDetail', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 0, N'nvarchar(max)'),
        (N'tblServiceOutage', N'sDetailPhrase', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblSubscriptionSchedule', N'nAccountID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblSubscriptionSchedule', N'dtDue', N'datetime2', N'datetime2', NULL, 6, 0, 1, 0, 0, N'datetime2(7)'),
        (N'tblSubscriptionSchedule', N'sOwner', N'nvarchar', N'nvarchar', 100, NULL, 0, 0, 0, 1, N'nvarchar(100)'),
        (N'tblSubscriptionSchedule', N'dtLeaseUntil', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 1, N'datetime2(7)'),
        (N'tblSubscriptionSchedule', N'nFailures', N'int', N'bigint', NULL, NULL, 0, 0, 0, 0, N'integer'),
        (N'tblSubscriptionSchedule', N'nRequests', N'int', N'bigint', NULL, NULL, 0, 0, 0, 0, N'integer'),
        (N'tblSubscriptionSchedule', N'sAttemptFingerprint', N'nvarchar', N'nvarchar', 64, NULL, 1, 0, 0, 1, N'nvarchar(64) collate Latin1_General_100_BIN2'),
        (N'tblSubscriptionSchedule', N'dtReauthorize', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 1, N'datetime2(7)'),
        (N'tblSubscriptionSchedule', N'bRecreate', N'bit', N'bit', NULL, NULL, 0, 0, 0, 0, N'bit'),
        (N'tblSubscriptionSchedule', N'sServed', N'nvarchar', N'nvarchar', 1300, NULL, 1, 0, 0, 1, N'nvarchar(1300) collate Latin1_General_100_BIN2'),
        (N'tblSubscriptionSchedule', N'sServedWith', N'nvarchar', N'nvarchar', 64, NULL, 1, 0, 0, 1, N'nvarchar(64) collate Latin1_General_100_BIN2'),
        (N'tblConsoleToken', N'nTokenID', N'bigint', N'bigint', NULL, NULL, 0, 1, 1, 0, N'bigint'),
        (N'tblConsoleToken', N'nUserID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblConsoleToken', N'sTokenHash', N'nvarchar', N'nvarchar', 64, NULL, 1, 1, 0, 0, N'nvarchar(64) collate Latin1_General_100_BIN2'),
        (N'tblConsoleToken', N'sTokenName', N'nvarchar', N'nvarchar', 100, NULL, 0, 0, 0, 0, N'nvarchar(100)'),
        (N'tblConsoleToken', N'dtCreated', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblConsoleToken', N'dtExpires', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblEmailAttachment', N'nAttachmentID', N'bigint', N'bigint', NULL, NULL, 0, 1, 1, 0, N'bigint'),
        (N'tblEmailAttachment', N'nMessageID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblEmailAttachment', N'nPosition', N'int', N'bigint', NULL, NULL, 0, 1, 0, 0, N'integer'),
        (N'tblEmailAttachment', N'sGraphAttachmentID', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailAttachment', N'sKind', N'nvarchar', N'nvarchar', 20, NULL, 0, 0, 0, 0, N'nvarchar(20)'),
        (N'tblEmailAttachment', N'sFileName', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailAttachment', N'sContentType', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailAttachment', N'nSize', N'bigint', N'bigint', NULL, NULL, 0, 0, 0, 0, N'bigint'),
        (N'tblEmailAttachment', N'bInline', N'bit', N'bit', NULL, NULL, 0, 0, 0, 0, N'bit'),
        (N'tblEmailAttachment', N'sContentID', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailAttachment', N'sSHA256', N'nvarchar', N'nvarchar', 64, NULL, 0, 0, 0, 1, N'nvarchar(64)'),
        (N'tblEmailAttachment', N'sState', N'nvarchar', N'nvarchar', 20, NULL, 0, 0, 0, 0, N'nvarchar(20)'),
        (N'tblEmailAttachment', N'sStateDetail', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailAttachment', N'sSafeFileName', N'nvarchar', N'nvarchar', 200, NULL, 0, 0, 0, 1, N'nvarchar(200)'),
        (N'tblEmailAttachment', N'sItemType', N'nvarchar', N'nvarchar', 20, NULL, 0, 0, 0, 1, N'nvarchar(20)'),
        (N'tblEmailAttachment', N'sLink', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailAttachment', N'sLinkProvider', N'nvarchar', N'nvarchar', 100, NULL, 0, 0, 0, 1, N'nvarchar(100)'),
        (N'tblEmailAttachment', N'sLinkPermission', N'nvarchar', N'nvarchar', 100, NULL, 0, 0, 0, 1, N'nvarchar(100)'),
        (N'tblEmailAttachment', N'sContentLocation', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailAttachment', N'nParentPosition', N'int', N'bigint', NULL, NULL, 0, 0, 0, 1, N'integer'),
        (N'tblEmailAttachment', N'sOrigin', N'nvarchar', N'nvarchar', 20, NULL, 0, 0, 0, 0, N'nvarchar(20)'),
        (N'tblEmailAttachment', N'biContent', N'varbinary', N'varbinary', -1, NULL, 0, 0, 0, 1, N'varbinary(max)'),
        (N'tblEmailDuplicate', N'nDuplicateID', N'bigint', N'bigint', NULL, NULL, 0, 1, 1, 0, N'bigint'),
        (N'tblEmailDuplicate', N'nAccountID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblEmailDuplicate', N'sGraphMessageID', N'nvarchar', N'nvarchar', 700, NULL, 1, 1, 0, 0, N'nvarchar(700) collate Latin1_General_100_BIN2'),
        (N'tblEmailDuplicate', N'nMessageID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblEmailDuplicate', N'dtSeen', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblEmailDuplicate', N'sReason', N'nvarchar', N'nvarchar', 100, NULL, 0, 0, 0, 0, N'nvarchar(100)'),
        (N'tblEmailFile', N'nFileID', N'bigint', N'bigint', NULL, NULL, 0, 1, 1, 0, N'bigint'),
        (N'tblEmailFile', N'nMessageID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblEmailFile', N'nRuleID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblEmailFile', N'nRun', N'int', N'bigint', NULL, NULL, 0, 1, 0, 0, N'integer'),
        (N'tblEmailFile', N'sKey', N'nvarchar', N'nvarchar', 64, NULL, 1, 1, 0, 0, N'nvarchar(64) collate Latin1_General_100_BIN2'),
        (N'tblEmailFile', N'sPart', N'nvarchar', N'nvarchar', 10, NULL, 0, 0, 0, 0, N'nvarchar(10)'),
        (N'tblEmailFile', N'nPosition', N'int', N'bigint', NULL, NULL, 0, 0, 0, 1, N'integer'),
        (N'tblEmailFile', N'sMember', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailFile', N'nMember', N'int', N'bigint', NULL, NULL, 0, 0, 0, 1, N'integer'),
        (N'tblEmailFile', N'nDataFileID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 1, N'bigint'),
        (N'tblEmailFile', N'sFolder', N'nvarchar', N'nvarchar', 1000, NULL, 0, 0, 0, 0, N'nvarchar(1000)'),
        (N'tblEmailFile', N'sFolderKey', N'nvarchar', N'nvarchar', 64, NULL, 1, 1, 0, 0, N'nvarchar(64) collate Latin1_General_100_BIN2'),
        (N'tblEmailFile', N'sFileName', N'nvarchar', N'nvarchar', 255, NULL, 0, 0, 0, 0, N'nvarchar(255)'),
        (N'tblEmailFile', N'sTargetPath', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailFile', N'sState', N'nvarchar', N'nvarchar', 10, NULL, 0, 1, 0, 0, N'nvarchar(10)'),
        (N'tblEmailFile', N'nAttempts', N'int', N'bigint', NULL, NULL, 0, 1, 0, 0, N'integer'),
        (N'tblEmailFile', N'sReason', N'nvarchar', N'nvarchar', 100, NULL, 0, 0, 0, 1, N'nvarchar(100)'),
        (N'tblEmailFile', N'sDetail', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailFile', N'sDetailPhrase', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailFile', N'nSize', N'bigint', N'bigint', NULL, NULL, 0, 0, 0, 1, N'bigint'),
        (N'tblEmailFile', N'sSHA256', N'nvarchar', N'nvarchar', 64, NULL, 0, 0, 0, 1, N'nvarchar(64)'),
        (N'tblEmailFile', N'dtCreated', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblEmailFile', N'dtDue', N'datetime2', N'datetime2', NULL, 6, 0, 1, 0, 1, N'datetime2(7)'),
        (N'tblEmailFile', N'dtRetryUntil', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblEmailFile', N'dtSaved', N'datetime2', N'datetime2', NULL, 6, 0, 1, 0, 1, N'datetime2(7)'),
        (N'tblEmailFile', N'sOwner', N'nvarchar', N'nvarchar', 100, NULL, 0, 0, 0, 1, N'nvarchar(100)'),
        (N'tblEmailFile', N'sToken', N'nvarchar', N'nvarchar', 32, NULL, 0, 0, 0, 1, N'nvarchar(32)'),
        (N'tblEmailFile', N'sFolderIdentity', N'nvarchar', N'nvarchar', 100, NULL, 0, 0, 0, 1, N'nvarchar(100)'),
        (N'tblEmailHeader', N'nMessageID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblEmailHeader', N'nPosition', N'int', N'bigint', NULL, NULL, 0, 1, 0, 0, N'integer'),
        (N'tblEmailHeader', N'sName', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 0, N'nvarchar(max)'),
        (N'tblEmailHeader', N'sValue', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailIdentity', N'nMessageID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblEmailIdentity', N'nAccountID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblEmailIdentity', N'sIdentity', N'nvarchar', N'nvarchar', 64, NULL, 1, 1, 0, 0, N'nvarchar(64) collate Latin1_General_100_BIN2'),
        (N'tblEmailOriginal', N'nMessageID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblEmailOriginal', N'nSize', N'bigint', N'bigint', NULL, NULL, 0, 0, 0, 1, N'bigint'),
        (N'tblEmailOriginal', N'sSHA256', N'nvarchar', N'nvarchar', 64, NULL, 0, 0, 0, 1, N'nvarchar(64)'),
        (N'tblEmailOriginal', N'sState', N'nvarchar', N'nvarchar', 20, NULL, 0, 0, 0, 0, N'nvarchar(20)'),
        (N'tblEmailOriginal', N'sStateDetail', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailOriginal', N'sCompression', N'nvarchar', N'nvarchar', 20, NULL, 0, 0, 0, 1, N'nvarchar(20)'),
        (N'tblEmailOriginal', N'nStoredSize', N'bigint', N'bigint', NULL, NULL, 0, 0, 0, 0, N'bigint'),
        (N'tblEmailOriginal', N'biContent', N'varbinary', N'varbinary', -1, NULL, 0, 0, 0, 1, N'varbinary(max)'),
        (N'tblEmailRecipient', N'nMessageID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblEmailRecipient', N'sKind', N'nvarchar', N'nvarchar', 10, NULL, 0, 1, 0, 0, N'nvarchar(10)'),
        (N'tblEmailRecipient', N'nPosition', N'int', N'bigint', NULL, NULL, 0, 1, 0, 0, N'integer'),
        (N'tblEmailRecipient', N'sName', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailRecipient', N'sAddress', N'nvarchar', N'nvarchar', -1, NULL, 0, 0, 0, 1, N'nvarchar(max)'),
        (N'tblEmailScan', N'nScanID', N'bigint', N'bigint', NULL, NULL, 0, 1, 1, 0, N'bigint'),
        (N'tblEmailScan', N'nAccountID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblEmailScan', N'sGraphMessageID', N'nvarchar', N'nvarchar', 700, NULL, 1, 1, 0, 0, N'nvarchar(700) collate Latin1_General_100_BIN2'),
        (N'tblEmailScan', N'sLetterDigest', N'nvarchar', N'nvarchar', 64, NULL, 1, 1, 0, 0, N'nvarchar(64) collate Latin1_General_100_BIN2'),
        (N'tblEmailScan', N'dtFirstSeen', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblEmailScan', N'dtUntil', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblEmailScan', N'dtNextCheck', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)'),
        (N'tblEmailScan', N'nMessageID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 1, N'bigint'),
        (N'tblEmailTaken', N'sConsumer', N'nvarchar', N'nvarchar', 100, NULL, 1, 1, 0, 0, N'nvarchar(100) collate Latin1_General_100_BIN2'),
        (N'tblEmailTaken', N'nMessageID', N'bigint', N'bigint', NULL, NULL, 0, 1, 0, 0, N'bigint'),
        (N'tblEmailTaken', N'dtTaken', N'datetime2', N'datetime2', NULL, 6, 0, 0, 0, 0, N'datetime2(7)')
    ) AS w ([sTable], [sColumn], [sType], [sOtherType], [nLength], [nDigits], [bExact], [bInKey], [bNumbered], [bNull], [sWanted])
    INNER JOIN INFORMATION_SCHEMA.COLUMNS AS f ON f.TABLE_SCHEMA = N'dbo'
        AND LOWER(f.TABLE_NAME) COLLATE Latin1_General_100_BIN2 = LOWER(w.[sTable])
        AND LOWER(f.COLUMN_NAME) COLLATE Latin1_General_100_BIN2 = LOWER(w.[sColumn])
    WHERE f.DATA_TYPE COLLATE Latin1_General_100_BIN2 NOT IN (w.[sType], w.[sOtherType])
        OR (w.[nLength] = -1 AND f.CHARACTER_MAXIMUM_LENGTH <> -1)
        OR (w.[nLength] > f.CHARACTER_MAXIMUM_LENGTH AND f.CHARACTER_MAXIMUM_LENGTH <> -1)
        OR (w.[bInKey] = 1 AND f.CHARACTER_MAXIMUM_LENGTH = -1)
        OR f.DATETIME_PRECISION < w.[nDigits]
        OR (w.[bExact] = 1 AND f.COLLATION_NAME COLLATE Latin1_General_100_BIN2 <> N'Latin1_General_100_BIN2')
        OR (w.[bNull] = 1 AND f.IS_NULLABLE = N'NO')
        OR (w.[bNumbered] = 1 AND f.COLUMN_DEFAULT IS NULL AND COLUMNPROPERTY(
            OBJECT_ID(QUOTENAME(f.TABLE_SCHEMA) + N'.' + QUOTENAME(f.TABLE_NAME)),
            f.COLUMN_NAME, 'IsIdentity') = 0);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF EXISTS (SELECT 1 FROM #MailImporterProblem)
    BEGIN
        DECLARE @next INT = (SELECT MIN([nProblem]) FROM #MailImporterProblem);
        DECLARE @text NVARCHAR(2000) = N'mail-importer cannot use what is there, and nothing was changed:';
        WHILE @next IS NOT NULL
        BEGIN
            SELECT @text = LEFT(@text + N' ' + [sText], 2000) FROM #MailImporterProblem WHERE [nProblem] = @next;
            SET @next = (SELECT MIN([nProblem]) FROM #MailImporterProblem WHERE [nProblem] > @next);
        END;
        IF @next IS NULL
        BEGIN
            THROW 51000, @text, 1;
        END;
    END;
END;
GO

-- Views of ours must not have the name of anything else.
IF @@TRANCOUNT > 0
BEGIN
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N'vEmail: found something else of this name, wanted a view of mail-importer. Rename it, or drop it if nothing uses it.'
    WHERE OBJECT_ID(N'[dbo].[vEmail]') IS NOT NULL AND (
        OBJECT_ID(N'[dbo].[vEmail]', N'V') IS NULL
        OR 29 > (SELECT COUNT(*) FROM sys.columns WHERE object_id = OBJECT_ID(N'[dbo].[vEmail]') AND name IN (
            N'nMessageID',
            N'nAccountID',
            N'sAccountName',
            N'sMailbox',
            N'sGraphMessageID',
            N'sInternetMessageID',
            N'sConversationID',
            N'sSubject',
            N'sFromName',
            N'sFromAddress',
            N'sSenderName',
            N'sSenderAddress',
            N'dtSent',
            N'dtReceived',
            N'dtImported',
            N'sImportance',
            N'sCategories',
            N'sBodyType',
            N'sBody',
            N'sBodyText',
            N'bHasAttachments',
            N'nAttachments',
            N'nSize',
            N'sWebLink',
            N'sRuleState',
            N'nRulesMatched',
            N'sAfterImport',
            N'sAfterImportState',
            N'sAfterImportDetail'
        ))
    );
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N'vEmailAttachment: found something else of this name, wanted a view of mail-importer. Rename it, or drop it if nothing uses it.'
    WHERE OBJECT_ID(N'[dbo].[vEmailAttachment]') IS NOT NULL AND (
        OBJECT_ID(N'[dbo].[vEmailAttachment]', N'V') IS NULL
        OR 27 > (SELECT COUNT(*) FROM sys.columns WHERE object_id = OBJECT_ID(N'[dbo].[vEmailAttachment]') AND name IN (
            N'nAttachmentID',
            N'nMessageID',
            N'nPosition',
            N'nParentPosition',
            N'sOrigin',
            N'sKind',
            N'sFileName',
            N'sSafeFileName',
            N'sContentType',
            N'nSize',
            N'bInline',
            N'sContentID',
            N'sSHA256',
            N'sState',
            N'sStateDetail',
            N'sItemType',
            N'sLink',
            N'nAccountID',
            N'sAccountName',
            N'sMailbox',
            N'sInternetMessageID',
            N'sSubject',
            N'sFromName',
            N'sFromAddress',
            N'dtReceived',
            N'dtImported',
            N'biContent'
        ))
    );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF EXISTS (SELECT 1 FROM #MailImporterProblem)
    BEGIN
        DECLARE @next INT = (SELECT MIN([nProblem]) FROM #MailImporterProblem);
        DECLARE @text NVARCHAR(2000) = N'mail-importer cannot use what is there, and nothing was changed:';
        WHILE @next IS NOT NULL
        BEGIN
            SELECT @text = LEFT(@text + N' ' + [sText], 2000) FROM #MailImporterProblem WHERE [nProblem] = @next;
            SET @next = (SELECT MIN([nProblem]) FROM #MailImporterProblem WHERE [nProblem] > @next);
        END;
        IF @next IS NULL
        BEGIN
            THROW 51000, @text, 1;
        END;
    END;
END;
GO

-- tblMailImporterVersion
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblMailImporterVersion]', N'U') IS NULL
        CREATE TABLE [dbo].[tblMailImporterVersion] (
            version_num NVARCHAR(32) NOT NULL,
            [sOldestProgram] NVARCHAR(32) NULL,
            [sOldestProgramOf] NVARCHAR(32) NULL,
            CONSTRAINT [tblMailImporterVersion_pkc] PRIMARY KEY (version_num)
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblMailImporterVersion]', N'version_num') IS NULL
        ALTER TABLE [dbo].[tblMailImporterVersion] ADD version_num NVARCHAR(32) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblMailImporterVersion]', N'sOldestProgram') IS NULL
        ALTER TABLE [dbo].[tblMailImporterVersion] ADD [sOldestProgram] NVARCHAR(32) NULL;
    IF COL_LENGTH(N'[dbo].[tblMailImporterVersion]', N'sOldestProgramOf') IS NULL
        ALTER TABLE [dbo].[tblMailImporterVersion] ADD [sOldestProgramOf] NVARCHAR(32) NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblMailImporterVersion]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'version_num')
        )
    )
        ALTER TABLE [dbo].[tblMailImporterVersion] ADD CONSTRAINT [tblMailImporterVersion_pkc] PRIMARY KEY (version_num);
END;
GO

-- tblAccountCondition
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblAccountCondition]', N'U') IS NULL
        CREATE TABLE [dbo].[tblAccountCondition] (
            [nAccountID] BIGINT NOT NULL,
            [sRole] NVARCHAR(20) NOT NULL,
            [sReason] NVARCHAR(100) NOT NULL,
            [sDetail] NVARCHAR(max) NOT NULL,
            [sDetailPhrase] NVARCHAR(max) NULL,
            [dtSince] DATETIME2(7) NOT NULL,
            [dtNextAttempt] DATETIME2(7) NOT NULL,
            CONSTRAINT [PK_tblAccountCondition] PRIMARY KEY ([nAccountID], [sRole])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblAccountCondition]', N'nAccountID') IS NULL
        ALTER TABLE [dbo].[tblAccountCondition] ADD [nAccountID] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblAccountCondition]', N'sRole') IS NULL
        ALTER TABLE [dbo].[tblAccountCondition] ADD [sRole] NVARCHAR(20) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblAccountCondition]', N'sReason') IS NULL
        ALTER TABLE [dbo].[tblAccountCondition] ADD [sReason] NVARCHAR(100) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblAccountCondition]', N'sDetail') IS NULL
        ALTER TABLE [dbo].[tblAccountCondition] ADD [sDetail] NVARCHAR(max) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblAccountCondition]', N'sDetailPhrase') IS NULL
        ALTER TABLE [dbo].[tblAccountCondition] ADD [sDetailPhrase] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblAccountCondition]', N'dtSince') IS NULL
        ALTER TABLE [dbo].[tblAccountCondition] ADD [dtSince] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblAccountCondition]', N'dtNextAttempt') IS NULL
        ALTER TABLE [dbo].[tblAccountCondition] ADD [dtNextAttempt] DATETIME2(7) NOT NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblAccountCondition]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 2 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 2 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nAccountID', N'sRole')
        )
    )
        ALTER TABLE [dbo].[tblAccountCondition] ADD CONSTRAINT [PK_tblAccountCondition] PRIMARY KEY ([nAccountID], [sRole]);
END;
GO

-- tblAlert
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblAlert]', N'U') IS NULL
        CREATE TABLE [dbo].[tblAlert] (
            [nAlertID] BIGINT NOT NULL IDENTITY,
            [sTarget] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [sTargetName] NVARCHAR(200) NOT NULL,
            [sState] NVARCHAR(10) NOT NULL,
            [sTitle] NVARCHAR(max) NOT NULL,
            [sBody] NVARCHAR(max) NOT NULL,
            [nAttempts] INTEGER NOT NULL CONSTRAINT [DF_tblAlert_nAttempts] DEFAULT 0,
            [dtCreated] DATETIME2(7) NOT NULL,
            [dtDue] DATETIME2(7) NOT NULL,
            [dtEnded] DATETIME2(7) NULL,
            [sDetail] NVARCHAR(max) NULL,
            CONSTRAINT [PK_tblAlert] PRIMARY KEY ([nAlertID]),
            CONSTRAINT [CK_tblAlert_sState] CHECK ([sState] IN (N'pending', N'sent', N'expired'))
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblAlert]', N'nAlertID') IS NULL
        ALTER TABLE [dbo].[tblAlert] ADD [nAlertID] BIGINT NOT NULL IDENTITY;
    IF COL_LENGTH(N'[dbo].[tblAlert]', N'sTarget') IS NULL
        ALTER TABLE [dbo].[tblAlert] ADD [sTarget] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblAlert]', N'sTargetName') IS NULL
        ALTER TABLE [dbo].[tblAlert] ADD [sTargetName] NVARCHAR(200) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblAlert]', N'sState') IS NULL
        ALTER TABLE [dbo].[tblAlert] ADD [sState] NVARCHAR(10) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblAlert]', N'sTitle') IS NULL
        ALTER TABLE [dbo].[tblAlert] ADD [sTitle] NVARCHAR(max) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblAlert]', N'sBody') IS NULL
        ALTER TABLE [dbo].[tblAlert] ADD [sBody] NVARCHAR(max) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblAlert]', N'nAttempts') IS NULL
        ALTER TABLE [dbo].[tblAlert] ADD [nAttempts] INTEGER NOT NULL CONSTRAINT [DF_tblAlert_nAttempts] DEFAULT 0;
    IF COL_LENGTH(N'[dbo].[tblAlert]', N'dtCreated') IS NULL
        ALTER TABLE [dbo].[tblAlert] ADD [dtCreated] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblAlert]', N'dtDue') IS NULL
        ALTER TABLE [dbo].[tblAlert] ADD [dtDue] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblAlert]', N'dtEnded') IS NULL
        ALTER TABLE [dbo].[tblAlert] ADD [dtEnded] DATETIME2(7) NULL;
    IF COL_LENGTH(N'[dbo].[tblAlert]', N'sDetail') IS NULL
        ALTER TABLE [dbo].[tblAlert] ADD [sDetail] NVARCHAR(max) NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF EXISTS (
        SELECT 1 FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = N'dbo' AND TABLE_NAME = N'tblAlert'
        AND COLUMN_NAME = N'nAttempts' AND COLUMN_DEFAULT IS NULL
    )
        ALTER TABLE [dbo].[tblAlert] ADD CONSTRAINT [DF_tblAlert_nAttempts] DEFAULT 0 FOR [nAttempts];
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.check_constraints WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblAlert]', N'U') AND name = N'CK_tblAlert_sState')
        ALTER TABLE [dbo].[tblAlert] ADD CONSTRAINT [CK_tblAlert_sState] CHECK ([sState] IN (N'pending', N'sent', N'expired'));
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblAlert]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nAlertID')
        )
    )
        ALTER TABLE [dbo].[tblAlert] ADD CONSTRAINT [PK_tblAlert] PRIMARY KEY ([nAlertID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblAlert]', N'U') AND name = N'IX_tblAlert_sState_dtDue')
        CREATE INDEX [IX_tblAlert_sState_dtDue] ON [dbo].[tblAlert] ([sState], [dtDue]);
END;
GO

-- tblCallBudget
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblCallBudget]', N'U') IS NULL
        CREATE TABLE [dbo].[tblCallBudget] (
            [sBudget] NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [nSlot] BIGINT NOT NULL,
            [nUsed] INTEGER NOT NULL,
            CONSTRAINT [PK_tblCallBudget] PRIMARY KEY ([sBudget])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblCallBudget]', N'sBudget') IS NULL
        ALTER TABLE [dbo].[tblCallBudget] ADD [sBudget] NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblCallBudget]', N'nSlot') IS NULL
        ALTER TABLE [dbo].[tblCallBudget] ADD [nSlot] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblCallBudget]', N'nUsed') IS NULL
        ALTER TABLE [dbo].[tblCallBudget] ADD [nUsed] INTEGER NOT NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblCallBudget]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'sBudget')
        )
    )
        ALTER TABLE [dbo].[tblCallBudget] ADD CONSTRAINT [PK_tblCallBudget] PRIMARY KEY ([sBudget]);
END;
GO

-- tblConsoleActivity
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblConsoleActivity]', N'U') IS NULL
        CREATE TABLE [dbo].[tblConsoleActivity] (
            [nActivityID] BIGINT NOT NULL IDENTITY,
            [dtAt] DATETIME2(7) NOT NULL,
            [sWho] NVARCHAR(200) NOT NULL,
            [sAddress] NVARCHAR(100) NOT NULL,
            [sAction] NVARCHAR(40) NOT NULL,
            [nAccountID] BIGINT NULL,
            [nMessageID] BIGINT NULL,
            [sDetail] NVARCHAR(400) NULL,
            CONSTRAINT [PK_tblConsoleActivity] PRIMARY KEY ([nActivityID])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblConsoleActivity]', N'nActivityID') IS NULL
        ALTER TABLE [dbo].[tblConsoleActivity] ADD [nActivityID] BIGINT NOT NULL IDENTITY;
    IF COL_LENGTH(N'[dbo].[tblConsoleActivity]', N'dtAt') IS NULL
        ALTER TABLE [dbo].[tblConsoleActivity] ADD [dtAt] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleActivity]', N'sWho') IS NULL
        ALTER TABLE [dbo].[tblConsoleActivity] ADD [sWho] NVARCHAR(200) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleActivity]', N'sAddress') IS NULL
        ALTER TABLE [dbo].[tblConsoleActivity] ADD [sAddress] NVARCHAR(100) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleActivity]', N'sAction') IS NULL
        ALTER TABLE [dbo].[tblConsoleActivity] ADD [sAction] NVARCHAR(40) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleActivity]', N'nAccountID') IS NULL
        ALTER TABLE [dbo].[tblConsoleActivity] ADD [nAccountID] BIGINT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleActivity]', N'nMessageID') IS NULL
        ALTER TABLE [dbo].[tblConsoleActivity] ADD [nMessageID] BIGINT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleActivity]', N'sDetail') IS NULL
        ALTER TABLE [dbo].[tblConsoleActivity] ADD [sDetail] NVARCHAR(400) NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblConsoleActivity]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nActivityID')
        )
    )
        ALTER TABLE [dbo].[tblConsoleActivity] ADD CONSTRAINT [PK_tblConsoleActivity] PRIMARY KEY ([nActivityID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblConsoleActivity]', N'U') AND name = N'IX_tblConsoleActivity_dtAt')
        CREATE INDEX [IX_tblConsoleActivity_dtAt] ON [dbo].[tblConsoleActivity] ([dtAt]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblConsoleActivity]', N'U') AND name = N'IX_tblConsoleActivity_nMessageID')
        CREATE INDEX [IX_tblConsoleActivity_nMessageID] ON [dbo].[tblConsoleActivity] ([nMessageID]);
END;
GO

-- tblConsoleAttempt
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblConsoleAttempt]', N'U') IS NULL
        CREATE TABLE [dbo].[tblConsoleAttempt] (
            [sKey] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [nFailures] INTEGER NOT NULL,
            [dtFirst] DATETIME2(7) NOT NULL,
            CONSTRAINT [PK_tblConsoleAttempt] PRIMARY KEY ([sKey])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblConsoleAttempt]', N'sKey') IS NULL
        ALTER TABLE [dbo].[tblConsoleAttempt] ADD [sKey] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleAttempt]', N'nFailures') IS NULL
        ALTER TABLE [dbo].[tblConsoleAttempt] ADD [nFailures] INTEGER NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleAttempt]', N'dtFirst') IS NULL
        ALTER TABLE [dbo].[tblConsoleAttempt] ADD [dtFirst] DATETIME2(7) NOT NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblConsoleAttempt]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'sKey')
        )
    )
        ALTER TABLE [dbo].[tblConsoleAttempt] ADD CONSTRAINT [PK_tblConsoleAttempt] PRIMARY KEY ([sKey]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblConsoleAttempt]', N'U') AND name = N'IX_tblConsoleAttempt_dtFirst')
        CREATE INDEX [IX_tblConsoleAttempt_dtFirst] ON [dbo].[tblConsoleAttempt] ([dtFirst]);
END;
GO

-- tblConsoleSession
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblConsoleSession]', N'U') IS NULL
        CREATE TABLE [dbo].[tblConsoleSession] (
            [sSessionHash] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [sKind] NVARCHAR(20) NOT NULL,
            [sSubject] NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [sUserName] NVARCHAR(200) NOT NULL,
            [sRoles] NVARCHAR(200) NOT NULL,
            [sGroups] NVARCHAR(max) NULL,
            [sAddress] NVARCHAR(100) NOT NULL,
            [dtCreated] DATETIME2(7) NOT NULL,
            [dtUsed] DATETIME2(7) NOT NULL,
            [dtChecked] DATETIME2(7) NOT NULL,
            [sSealedToken] NVARCHAR(max) NULL,
            CONSTRAINT [PK_tblConsoleSession] PRIMARY KEY ([sSessionHash])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblConsoleSession]', N'sSessionHash') IS NULL
        ALTER TABLE [dbo].[tblConsoleSession] ADD [sSessionHash] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleSession]', N'sKind') IS NULL
        ALTER TABLE [dbo].[tblConsoleSession] ADD [sKind] NVARCHAR(20) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleSession]', N'sSubject') IS NULL
        ALTER TABLE [dbo].[tblConsoleSession] ADD [sSubject] NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleSession]', N'sUserName') IS NULL
        ALTER TABLE [dbo].[tblConsoleSession] ADD [sUserName] NVARCHAR(200) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleSession]', N'sRoles') IS NULL
        ALTER TABLE [dbo].[tblConsoleSession] ADD [sRoles] NVARCHAR(200) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleSession]', N'sGroups') IS NULL
        ALTER TABLE [dbo].[tblConsoleSession] ADD [sGroups] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleSession]', N'sAddress') IS NULL
        ALTER TABLE [dbo].[tblConsoleSession] ADD [sAddress] NVARCHAR(100) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleSession]', N'dtCreated') IS NULL
        ALTER TABLE [dbo].[tblConsoleSession] ADD [dtCreated] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleSession]', N'dtUsed') IS NULL
        ALTER TABLE [dbo].[tblConsoleSession] ADD [dtUsed] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleSession]', N'dtChecked') IS NULL
        ALTER TABLE [dbo].[tblConsoleSession] ADD [dtChecked] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleSession]', N'sSealedToken') IS NULL
        ALTER TABLE [dbo].[tblConsoleSession] ADD [sSealedToken] NVARCHAR(max) NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblConsoleSession]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'sSessionHash')
        )
    )
        ALTER TABLE [dbo].[tblConsoleSession] ADD CONSTRAINT [PK_tblConsoleSession] PRIMARY KEY ([sSessionHash]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblConsoleSession]', N'U') AND name = N'IX_tblConsoleSession_dtCreated')
        CREATE INDEX [IX_tblConsoleSession_dtCreated] ON [dbo].[tblConsoleSession] ([dtCreated]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblConsoleSession]', N'U') AND name = N'IX_tblConsoleSession_sSubject')
        CREATE INDEX [IX_tblConsoleSession_sSubject] ON [dbo].[tblConsoleSession] ([sSubject]);
END;
GO

-- tblConsoleTicket
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblConsoleTicket]', N'U') IS NULL
        CREATE TABLE [dbo].[tblConsoleTicket] (
            [sTicketHash] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [sKind] NVARCHAR(20) NOT NULL,
            [sDetail] NVARCHAR(max) NOT NULL,
            [dtExpires] DATETIME2(7) NOT NULL,
            CONSTRAINT [PK_tblConsoleTicket] PRIMARY KEY ([sTicketHash])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblConsoleTicket]', N'sTicketHash') IS NULL
        ALTER TABLE [dbo].[tblConsoleTicket] ADD [sTicketHash] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleTicket]', N'sKind') IS NULL
        ALTER TABLE [dbo].[tblConsoleTicket] ADD [sKind] NVARCHAR(20) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleTicket]', N'sDetail') IS NULL
        ALTER TABLE [dbo].[tblConsoleTicket] ADD [sDetail] NVARCHAR(max) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleTicket]', N'dtExpires') IS NULL
        ALTER TABLE [dbo].[tblConsoleTicket] ADD [dtExpires] DATETIME2(7) NOT NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblConsoleTicket]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'sTicketHash')
        )
    )
        ALTER TABLE [dbo].[tblConsoleTicket] ADD CONSTRAINT [PK_tblConsoleTicket] PRIMARY KEY ([sTicketHash]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblConsoleTicket]', N'U') AND name = N'IX_tblConsoleTicket_dtExpires')
        CREATE INDEX [IX_tblConsoleTicket_dtExpires] ON [dbo].[tblConsoleTicket] ([dtExpires]);
END;
GO

-- tblConsoleUser
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblConsoleUser]', N'U') IS NULL
        CREATE TABLE [dbo].[tblConsoleUser] (
            [nUserID] BIGINT NOT NULL IDENTITY,
            [sUserName] NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [sPasswordHash] NVARCHAR(400) NOT NULL,
            [sRoles] NVARCHAR(200) NOT NULL,
            [sGroups] NVARCHAR(max) NULL,
            [dtCreated] DATETIME2(7) NOT NULL,
            [dtPasswordChanged] DATETIME2(7) NOT NULL,
            CONSTRAINT [PK_tblConsoleUser] PRIMARY KEY ([nUserID]),
            CONSTRAINT [UQ_tblConsoleUser_sUserName] UNIQUE ([sUserName])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblConsoleUser]', N'nUserID') IS NULL
        ALTER TABLE [dbo].[tblConsoleUser] ADD [nUserID] BIGINT NOT NULL IDENTITY;
    IF COL_LENGTH(N'[dbo].[tblConsoleUser]', N'sUserName') IS NULL
        ALTER TABLE [dbo].[tblConsoleUser] ADD [sUserName] NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleUser]', N'sPasswordHash') IS NULL
        ALTER TABLE [dbo].[tblConsoleUser] ADD [sPasswordHash] NVARCHAR(400) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleUser]', N'sRoles') IS NULL
        ALTER TABLE [dbo].[tblConsoleUser] ADD [sRoles] NVARCHAR(200) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleUser]', N'sGroups') IS NULL
        ALTER TABLE [dbo].[tblConsoleUser] ADD [sGroups] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleUser]', N'dtCreated') IS NULL
        ALTER TABLE [dbo].[tblConsoleUser] ADD [dtCreated] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleUser]', N'dtPasswordChanged') IS NULL
        ALTER TABLE [dbo].[tblConsoleUser] ADD [dtPasswordChanged] DATETIME2(7) NOT NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblConsoleUser]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nUserID')
        )
    )
        ALTER TABLE [dbo].[tblConsoleUser] ADD CONSTRAINT [PK_tblConsoleUser] PRIMARY KEY ([nUserID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblConsoleUser]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'sUserName')
        )
    )
        ALTER TABLE [dbo].[tblConsoleUser] ADD CONSTRAINT [UQ_tblConsoleUser_sUserName] UNIQUE ([sUserName]);
END;
GO

-- tblEmailAccountChange
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblEmailAccountChange]', N'U') IS NULL
        CREATE TABLE [dbo].[tblEmailAccountChange] (
            [nChangeID] BIGINT NOT NULL IDENTITY,
            [nAccountID] BIGINT NOT NULL,
            [dtChanged] DATETIME2(7) NOT NULL,
            [sAction] NVARCHAR(20) NOT NULL,
            [sWho] NVARCHAR(200) NULL,
            [sHost] NVARCHAR(100) NULL,
            [sSettings] NVARCHAR(max) NOT NULL,
            CONSTRAINT [PK_tblEmailAccountChange] PRIMARY KEY ([nChangeID])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblEmailAccountChange]', N'nChangeID') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountChange] ADD [nChangeID] BIGINT NOT NULL IDENTITY;
    IF COL_LENGTH(N'[dbo].[tblEmailAccountChange]', N'nAccountID') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountChange] ADD [nAccountID] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAccountChange]', N'dtChanged') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountChange] ADD [dtChanged] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAccountChange]', N'sAction') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountChange] ADD [sAction] NVARCHAR(20) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAccountChange]', N'sWho') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountChange] ADD [sWho] NVARCHAR(200) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAccountChange]', N'sHost') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountChange] ADD [sHost] NVARCHAR(100) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAccountChange]', N'sSettings') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountChange] ADD [sSettings] NVARCHAR(max) NOT NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailAccountChange]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nChangeID')
        )
    )
        ALTER TABLE [dbo].[tblEmailAccountChange] ADD CONSTRAINT [PK_tblEmailAccountChange] PRIMARY KEY ([nChangeID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblEmailAccountChange]', N'U') AND name = N'IX_tblEmailAccountChange_nAccountID')
        CREATE INDEX [IX_tblEmailAccountChange_nAccountID] ON [dbo].[tblEmailAccountChange] ([nAccountID], [nChangeID]);
END;
GO

-- tblEmailAccountSettings
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblEmailAccountSettings]', N'U') IS NULL
        CREATE TABLE [dbo].[tblEmailAccountSettings] (
            [nAccountID] BIGINT NOT NULL IDENTITY,
            [sAccountName] NVARCHAR(200) NOT NULL,
            [sAuthentication] NVARCHAR(40) NOT NULL CONSTRAINT [DF_tblEmailAccountSettings_sAuthentication] DEFAULT N'GraphCertificate',
            [sTenantID] NVARCHAR(100) NOT NULL,
            [sClientID] NVARCHAR(100) NOT NULL,
            [sUserID] NVARCHAR(320) NOT NULL,
            [sCertificateThumbprint] NVARCHAR(100) NOT NULL,
            [bSecureCertificateAccess] BIT NOT NULL,
            [sFolder] NVARCHAR(450) NOT NULL,
            [sAfterImport] NVARCHAR(20) NOT NULL,
            [sMoveToFolder] NVARCHAR(450) NULL,
            [bEnabled] BIT NOT NULL,
            [dtRemoved] DATETIME2(7) NULL,
            [sNextCertificateThumbprint] NVARCHAR(100) NULL,
            [dtImportSince] DATETIME2(7) NULL,
            [dtPurgedBefore] DATETIME2(7) NULL,
            [sFilterSendersAllowed] NVARCHAR(max) NULL,
            [sFilterSendersDenied] NVARCHAR(max) NULL,
            [sFilterSubjectsAllowed] NVARCHAR(max) NULL,
            [sFilterSubjectsDenied] NVARCHAR(max) NULL,
            [bFilterHasAttachments] BIT NULL,
            [nFilterSizeLeast] BIGINT NULL,
            [nFilterSizeMost] BIGINT NULL,
            [sConsoleAccess] NVARCHAR(max) NULL,
            CONSTRAINT [PK_tblEmailAccountSettings] PRIMARY KEY ([nAccountID]),
            CONSTRAINT [CK_tblEmailAccountSettings_sAfterImport] CHECK ([sAfterImport] IN (N'none', N'read', N'move', N'delete')),
            CONSTRAINT [UQ_tblEmailAccountSettings_sAccountName] UNIQUE ([sAccountName])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblEmailAccountSettings]', N'nAccountID') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD [nAccountID] BIGINT NOT NULL IDENTITY;
    IF COL_LENGTH(N'[dbo].[tblEmailAccountSettings]', N'sAccountName') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD [sAccountName] NVARCHAR(200) NOT NULL CONSTRAINT [DF_tblEmailAccountSettings_sAccountName] DEFAULT (N'Account ' + CONVERT(NVARCHAR(36), NEWID()));
    IF COL_LENGTH(N'[dbo].[tblEmailAccountSettings]', N'sAuthentication') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD [sAuthentication] NVARCHAR(40) NOT NULL CONSTRAINT [DF_tblEmailAccountSettings_sAuthentication] DEFAULT N'GraphCertificate';
    IF COL_LENGTH(N'[dbo].[tblEmailAccountSettings]', N'sTenantID') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD [sTenantID] NVARCHAR(100) NOT NULL CONSTRAINT [DF_tblEmailAccountSettings_sTenantID] DEFAULT N'';
    IF COL_LENGTH(N'[dbo].[tblEmailAccountSettings]', N'sClientID') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD [sClientID] NVARCHAR(100) NOT NULL CONSTRAINT [DF_tblEmailAccountSettings_sClientID] DEFAULT N'';
    IF COL_LENGTH(N'[dbo].[tblEmailAccountSettings]', N'sUserID') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD [sUserID] NVARCHAR(320) NOT NULL CONSTRAINT [DF_tblEmailAccountSettings_sUserID] DEFAULT N'';
    IF COL_LENGTH(N'[dbo].[tblEmailAccountSettings]', N'sCertificateThumbprint') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD [sCertificateThumbprint] NVARCHAR(100) NOT NULL CONSTRAINT [DF_tblEmailAccountSettings_sCertificateThumbprint] DEFAULT N'';
    IF COL_LENGTH(N'[dbo].[tblEmailAccountSettings]', N'bSecureCertificateAccess') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD [bSecureCertificateAccess] BIT NOT NULL CONSTRAINT [DF_tblEmailAccountSettings_bSecureCertificateAccess] DEFAULT 1;
    IF COL_LENGTH(N'[dbo].[tblEmailAccountSettings]', N'sFolder') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD [sFolder] NVARCHAR(450) NOT NULL CONSTRAINT [DF_tblEmailAccountSettings_sFolder] DEFAULT N'Inbox';
    IF COL_LENGTH(N'[dbo].[tblEmailAccountSettings]', N'sAfterImport') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD [sAfterImport] NVARCHAR(20) NOT NULL CONSTRAINT [DF_tblEmailAccountSettings_sAfterImport] DEFAULT N'none';
    IF COL_LENGTH(N'[dbo].[tblEmailAccountSettings]', N'sMoveToFolder') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD [sMoveToFolder] NVARCHAR(450) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAccountSettings]', N'bEnabled') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD [bEnabled] BIT NOT NULL CONSTRAINT [DF_tblEmailAccountSettings_bEnabled] DEFAULT 0;
    IF COL_LENGTH(N'[dbo].[tblEmailAccountSettings]', N'dtRemoved') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD [dtRemoved] DATETIME2(7) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAccountSettings]', N'sNextCertificateThumbprint') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD [sNextCertificateThumbprint] NVARCHAR(100) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAccountSettings]', N'dtImportSince') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD [dtImportSince] DATETIME2(7) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAccountSettings]', N'dtPurgedBefore') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD [dtPurgedBefore] DATETIME2(7) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAccountSettings]', N'sFilterSendersAllowed') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD [sFilterSendersAllowed] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAccountSettings]', N'sFilterSendersDenied') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD [sFilterSendersDenied] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAccountSettings]', N'sFilterSubjectsAllowed') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD [sFilterSubjectsAllowed] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAccountSettings]', N'sFilterSubjectsDenied') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD [sFilterSubjectsDenied] NVARCHAR(max) NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblEmailAccountSettings]', N'bFilterHasAttachments') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD [bFilterHasAttachments] BIT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAccountSettings]', N'nFilterSizeLeast') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD [nFilterSizeLeast] BIGINT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAccountSettings]', N'nFilterSizeMost') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD [nFilterSizeMost] BIGINT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAccountSettings]', N'sConsoleAccess') IS NULL
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD [sConsoleAccess] NVARCHAR(max) NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF EXISTS (
        SELECT 1 FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = N'dbo' AND TABLE_NAME = N'tblEmailAccountSettings'
        AND COLUMN_NAME = N'sAuthentication' AND COLUMN_DEFAULT IS NULL
    )
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD CONSTRAINT [DF_tblEmailAccountSettings_sAuthentication] DEFAULT N'GraphCertificate' FOR [sAuthentication];
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.check_constraints WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblEmailAccountSettings]', N'U') AND name = N'CK_tblEmailAccountSettings_sAfterImport')
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD CONSTRAINT [CK_tblEmailAccountSettings_sAfterImport] CHECK ([sAfterImport] IN (N'none', N'read', N'move', N'delete'));
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailAccountSettings]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nAccountID')
        )
    )
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD CONSTRAINT [PK_tblEmailAccountSettings] PRIMARY KEY ([nAccountID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailAccountSettings]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'sAccountName')
        )
    )
        ALTER TABLE [dbo].[tblEmailAccountSettings] ADD CONSTRAINT [UQ_tblEmailAccountSettings_sAccountName] UNIQUE ([sAccountName]);
END;
GO

-- tblEmailConsumer
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblEmailConsumer]', N'U') IS NULL
        CREATE TABLE [dbo].[tblEmailConsumer] (
            [sConsumer] NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [nPosition] BIGINT NOT NULL CONSTRAINT [DF_tblEmailConsumer_nPosition] DEFAULT 0,
            [dtCreated] DATETIME2(7) NOT NULL,
            [dtMoved] DATETIME2(7) NULL,
            [nNextPosition] BIGINT NULL,
            [dtNextPosition] DATETIME2(7) NULL,
            [sOpenTransactions] NVARCHAR(max) NULL,
            CONSTRAINT [PK_tblEmailConsumer] PRIMARY KEY ([sConsumer])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblEmailConsumer]', N'sConsumer') IS NULL
        ALTER TABLE [dbo].[tblEmailConsumer] ADD [sConsumer] NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailConsumer]', N'nPosition') IS NULL
        ALTER TABLE [dbo].[tblEmailConsumer] ADD [nPosition] BIGINT NOT NULL CONSTRAINT [DF_tblEmailConsumer_nPosition] DEFAULT 0;
    IF COL_LENGTH(N'[dbo].[tblEmailConsumer]', N'dtCreated') IS NULL
        ALTER TABLE [dbo].[tblEmailConsumer] ADD [dtCreated] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailConsumer]', N'dtMoved') IS NULL
        ALTER TABLE [dbo].[tblEmailConsumer] ADD [dtMoved] DATETIME2(7) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailConsumer]', N'nNextPosition') IS NULL
        ALTER TABLE [dbo].[tblEmailConsumer] ADD [nNextPosition] BIGINT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailConsumer]', N'dtNextPosition') IS NULL
        ALTER TABLE [dbo].[tblEmailConsumer] ADD [dtNextPosition] DATETIME2(7) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailConsumer]', N'sOpenTransactions') IS NULL
        ALTER TABLE [dbo].[tblEmailConsumer] ADD [sOpenTransactions] NVARCHAR(max) NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF EXISTS (
        SELECT 1 FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = N'dbo' AND TABLE_NAME = N'tblEmailConsumer'
        AND COLUMN_NAME = N'nPosition' AND COLUMN_DEFAULT IS NULL
    )
        ALTER TABLE [dbo].[tblEmailConsumer] ADD CONSTRAINT [DF_tblEmailConsumer_nPosition] DEFAULT 0 FOR [nPosition];
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailConsumer]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'sConsumer')
        )
    )
        ALTER TABLE [dbo].[tblEmailConsumer] ADD CONSTRAINT [PK_tblEmailConsumer] PRIMARY KEY ([sConsumer]);
END;
GO

-- tblEmailFailure
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblEmailFailure]', N'U') IS NULL
        CREATE TABLE [dbo].[tblEmailFailure] (
            [nFailureID] BIGINT NOT NULL IDENTITY,
            [nAccountID] BIGINT NOT NULL,
            [sGraphMessageID] NVARCHAR(700) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [sState] NVARCHAR(10) NOT NULL,
            [sInternetMessageID] NVARCHAR(998) NULL,
            [sSubject] NVARCHAR(max) NULL,
            [sFromName] NVARCHAR(max) NULL,
            [sFromAddress] NVARCHAR(max) NULL,
            [dtReceived] DATETIME2(7) NULL,
            [nAttempts] INTEGER NOT NULL,
            [dtFirstFailed] DATETIME2(7) NOT NULL,
            [dtLastFailed] DATETIME2(7) NOT NULL,
            [dtNextAttempt] DATETIME2(7) NULL,
            [sReason] NVARCHAR(100) NULL,
            [sDetail] NVARCHAR(max) NULL,
            [sDetailPhrase] NVARCHAR(max) NULL,
            CONSTRAINT [PK_tblEmailFailure] PRIMARY KEY ([nFailureID]),
            CONSTRAINT [CK_tblEmailFailure_sState] CHECK ([sState] IN (N'retrying', N'dead')),
            CONSTRAINT [UQ_tblEmailFailure_nAccountID_sGraphMessageID] UNIQUE ([nAccountID], [sGraphMessageID])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblEmailFailure]', N'nFailureID') IS NULL
        ALTER TABLE [dbo].[tblEmailFailure] ADD [nFailureID] BIGINT NOT NULL IDENTITY;
    IF COL_LENGTH(N'[dbo].[tblEmailFailure]', N'nAccountID') IS NULL
        ALTER TABLE [dbo].[tblEmailFailure] ADD [nAccountID] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFailure]', N'sGraphMessageID') IS NULL
        ALTER TABLE [dbo].[tblEmailFailure] ADD [sGraphMessageID] NVARCHAR(700) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFailure]', N'sState') IS NULL
        ALTER TABLE [dbo].[tblEmailFailure] ADD [sState] NVARCHAR(10) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFailure]', N'sInternetMessageID') IS NULL
        ALTER TABLE [dbo].[tblEmailFailure] ADD [sInternetMessageID] NVARCHAR(998) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFailure]', N'sSubject') IS NULL
        ALTER TABLE [dbo].[tblEmailFailure] ADD [sSubject] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFailure]', N'sFromName') IS NULL
        ALTER TABLE [dbo].[tblEmailFailure] ADD [sFromName] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFailure]', N'sFromAddress') IS NULL
        ALTER TABLE [dbo].[tblEmailFailure] ADD [sFromAddress] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFailure]', N'dtReceived') IS NULL
        ALTER TABLE [dbo].[tblEmailFailure] ADD [dtReceived] DATETIME2(7) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFailure]', N'nAttempts') IS NULL
        ALTER TABLE [dbo].[tblEmailFailure] ADD [nAttempts] INTEGER NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFailure]', N'dtFirstFailed') IS NULL
        ALTER TABLE [dbo].[tblEmailFailure] ADD [dtFirstFailed] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFailure]', N'dtLastFailed') IS NULL
        ALTER TABLE [dbo].[tblEmailFailure] ADD [dtLastFailed] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFailure]', N'dtNextAttempt') IS NULL
        ALTER TABLE [dbo].[tblEmailFailure] ADD [dtNextAttempt] DATETIME2(7) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFailure]', N'sReason') IS NULL
        ALTER TABLE [dbo].[tblEmailFailure] ADD [sReason] NVARCHAR(100) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFailure]', N'sDetail') IS NULL
        ALTER TABLE [dbo].[tblEmailFailure] ADD [sDetail] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFailure]', N'sDetailPhrase') IS NULL
        ALTER TABLE [dbo].[tblEmailFailure] ADD [sDetailPhrase] NVARCHAR(max) NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.check_constraints WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblEmailFailure]', N'U') AND name = N'CK_tblEmailFailure_sState')
        ALTER TABLE [dbo].[tblEmailFailure] ADD CONSTRAINT [CK_tblEmailFailure_sState] CHECK ([sState] IN (N'retrying', N'dead'));
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailFailure]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nFailureID')
        )
    )
        ALTER TABLE [dbo].[tblEmailFailure] ADD CONSTRAINT [PK_tblEmailFailure] PRIMARY KEY ([nFailureID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailFailure]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 2 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 2 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nAccountID', N'sGraphMessageID')
        )
    )
        ALTER TABLE [dbo].[tblEmailFailure] ADD CONSTRAINT [UQ_tblEmailFailure_nAccountID_sGraphMessageID] UNIQUE ([nAccountID], [sGraphMessageID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblEmailFailure]', N'U') AND name = N'IX_tblEmailFailure_dtLastFailed')
        CREATE INDEX [IX_tblEmailFailure_dtLastFailed] ON [dbo].[tblEmailFailure] ([dtLastFailed]);
END;
GO

-- tblEmailMessage
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblEmailMessage]', N'U') IS NULL
        CREATE TABLE [dbo].[tblEmailMessage] (
            [nMessageID] BIGINT NOT NULL IDENTITY,
            [nAccountID] BIGINT NOT NULL,
            [sGraphMessageID] NVARCHAR(700) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [sInternetMessageID] NVARCHAR(998) NULL,
            [sConversationID] NVARCHAR(700) NULL,
            [sSubject] NVARCHAR(max) NULL,
            [sFromName] NVARCHAR(max) NULL,
            [sFromAddress] NVARCHAR(max) NULL,
            [dtSent] DATETIME2(7) NULL,
            [dtReceived] DATETIME2(7) NULL,
            [sImportance] NVARCHAR(20) NULL,
            [sBodyType] NVARCHAR(20) NULL,
            [sBody] NVARCHAR(max) NULL,
            [bHasAttachments] BIT NOT NULL,
            [dtImported] DATETIME2(7) NOT NULL,
            [sCorrelationID] NVARCHAR(64) NULL,
            [sSenderName] NVARCHAR(max) NULL,
            [sSenderAddress] NVARCHAR(max) NULL,
            [dtCreated] DATETIME2(7) NULL,
            [sCategories] NVARCHAR(max) NULL,
            [sFlagStatus] NVARCHAR(20) NULL,
            [sConversationIndex] NVARCHAR(max) NULL,
            [sBodyText] NVARCHAR(max) NULL,
            [bRead] BIT NULL,
            [sWebLink] NVARCHAR(max) NULL,
            [sParentFolderID] NVARCHAR(700) COLLATE Latin1_General_100_BIN2 NULL,
            [sChangeKey] NVARCHAR(max) NULL,
            [nSize] BIGINT NULL,
            [sAfterImport] NVARCHAR(20) NULL,
            [sAfterImportState] NVARCHAR(20) NULL,
            [sAfterImportDetail] NVARCHAR(max) NULL,
            [sAfterImportDetailPhrase] NVARCHAR(max) NULL,
            [nAfterImportAttempts] INTEGER NULL,
            [dtAfterImportDue] DATETIME2(7) NULL,
            [sRuleState] NVARCHAR(10) NULL CONSTRAINT [DF_tblEmailMessage_sRuleState] DEFAULT N'white',
            [nRulesMatched] INTEGER NULL,
            CONSTRAINT [PK_tblEmailMessage] PRIMARY KEY ([nMessageID]),
            CONSTRAINT [CK_tblEmailMessage_sAfterImportState] CHECK ([sAfterImportState] IN (N'pending', N'done', N'failed', N'gone')),
            CONSTRAINT [CK_tblEmailMessage_sRuleState] CHECK ([sRuleState] IN (N'white', N'green', N'amber', N'red')),
            CONSTRAINT [UQ_tblEmailMessage_nAccountID_sGraphMessageID] UNIQUE ([nAccountID], [sGraphMessageID])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'nMessageID') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [nMessageID] BIGINT NOT NULL IDENTITY;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'nAccountID') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [nAccountID] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'sGraphMessageID') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [sGraphMessageID] NVARCHAR(700) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'sInternetMessageID') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [sInternetMessageID] NVARCHAR(998) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'sConversationID') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [sConversationID] NVARCHAR(700) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'sSubject') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [sSubject] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'sFromName') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [sFromName] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'sFromAddress') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [sFromAddress] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'dtSent') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [dtSent] DATETIME2(7) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'dtReceived') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [dtReceived] DATETIME2(7) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'sImportance') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [sImportance] NVARCHAR(20) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'sBodyType') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [sBodyType] NVARCHAR(20) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'sBody') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [sBody] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'bHasAttachments') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [bHasAttachments] BIT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'dtImported') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [dtImported] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'sCorrelationID') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [sCorrelationID] NVARCHAR(64) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'sSenderName') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [sSenderName] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'sSenderAddress') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [sSenderAddress] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'dtCreated') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [dtCreated] DATETIME2(7) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'sCategories') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [sCategories] NVARCHAR(max) NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'sFlagStatus') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [sFlagStatus] NVARCHAR(20) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'sConversationIndex') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [sConversationIndex] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'sBodyText') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [sBodyText] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'bRead') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [bRead] BIT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'sWebLink') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [sWebLink] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'sParentFolderID') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [sParentFolderID] NVARCHAR(700) COLLATE Latin1_General_100_BIN2 NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'sChangeKey') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [sChangeKey] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'nSize') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [nSize] BIGINT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'sAfterImport') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [sAfterImport] NVARCHAR(20) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'sAfterImportState') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [sAfterImportState] NVARCHAR(20) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'sAfterImportDetail') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [sAfterImportDetail] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'sAfterImportDetailPhrase') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [sAfterImportDetailPhrase] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'nAfterImportAttempts') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [nAfterImportAttempts] INTEGER NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'dtAfterImportDue') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [dtAfterImportDue] DATETIME2(7) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'sRuleState') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [sRuleState] NVARCHAR(10) NULL CONSTRAINT [DF_tblEmailMessage_sRuleState] DEFAULT N'white';
    IF COL_LENGTH(N'[dbo].[tblEmailMessage]', N'nRulesMatched') IS NULL
        ALTER TABLE [dbo].[tblEmailMessage] ADD [nRulesMatched] INTEGER NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF EXISTS (
        SELECT 1 FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = N'dbo' AND TABLE_NAME = N'tblEmailMessage'
        AND COLUMN_NAME = N'sRuleState' AND COLUMN_DEFAULT IS NULL
    )
        ALTER TABLE [dbo].[tblEmailMessage] ADD CONSTRAINT [DF_tblEmailMessage_sRuleState] DEFAULT N'white' FOR [sRuleState];
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.check_constraints WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblEmailMessage]', N'U') AND name = N'CK_tblEmailMessage_sAfterImportState')
        ALTER TABLE [dbo].[tblEmailMessage] ADD CONSTRAINT [CK_tblEmailMessage_sAfterImportState] CHECK ([sAfterImportState] IN (N'pending', N'done', N'failed', N'gone'));
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.check_constraints WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblEmailMessage]', N'U') AND name = N'CK_tblEmailMessage_sRuleState')
        ALTER TABLE [dbo].[tblEmailMessage] ADD CONSTRAINT [CK_tblEmailMessage_sRuleState] CHECK ([sRuleState] IN (N'white', N'green', N'amber', N'red'));
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailMessage]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nMessageID')
        )
    )
        ALTER TABLE [dbo].[tblEmailMessage] ADD CONSTRAINT [PK_tblEmailMessage] PRIMARY KEY ([nMessageID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailMessage]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 2 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 2 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nAccountID', N'sGraphMessageID')
        )
    )
        ALTER TABLE [dbo].[tblEmailMessage] ADD CONSTRAINT [UQ_tblEmailMessage_nAccountID_sGraphMessageID] UNIQUE ([nAccountID], [sGraphMessageID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblEmailMessage]', N'U') AND name = N'IX_tblEmailMessage_dtImported')
        CREATE INDEX [IX_tblEmailMessage_dtImported] ON [dbo].[tblEmailMessage] ([dtImported]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblEmailMessage]', N'U') AND name = N'IX_tblEmailMessage_dtReceived')
        CREATE INDEX [IX_tblEmailMessage_dtReceived] ON [dbo].[tblEmailMessage] ([dtReceived]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblEmailMessage]', N'U') AND name = N'IX_tblEmailMessage_nAccountID_dtReceived')
        CREATE INDEX [IX_tblEmailMessage_nAccountID_dtReceived] ON [dbo].[tblEmailMessage] ([nAccountID], [dtReceived]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblEmailMessage]', N'U') AND name = N'IX_tblEmailMessage_sAfterImportState')
        CREATE INDEX [IX_tblEmailMessage_sAfterImportState] ON [dbo].[tblEmailMessage] ([sAfterImportState], [dtAfterImportDue], [nAccountID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblEmailMessage]', N'U') AND name = N'IX_tblEmailMessage_sRuleState')
        CREATE INDEX [IX_tblEmailMessage_sRuleState] ON [dbo].[tblEmailMessage] ([sRuleState], [nRulesMatched], [nMessageID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblEmailMessage]', N'U') AND name = N'IX_tblEmailMessage_sRuleState_dtReceived')
        CREATE INDEX [IX_tblEmailMessage_sRuleState_dtReceived] ON [dbo].[tblEmailMessage] ([sRuleState], [dtReceived]);
END;
GO

-- tblEmailRule
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblEmailRule]', N'U') IS NULL
        CREATE TABLE [dbo].[tblEmailRule] (
            [nRuleID] BIGINT NOT NULL IDENTITY,
            [sName] NVARCHAR(200) NOT NULL,
            [bEnabled] BIT NOT NULL,
            [nAccountID] BIGINT NULL,
            [nPosition] INTEGER NOT NULL,
            [sSenders] NVARCHAR(max) NULL,
            [sRecipients] NVARCHAR(max) NULL,
            [sSubjectKind] NVARCHAR(10) NULL,
            [sSubject] NVARCHAR(max) NULL,
            [sBodyWords] NVARCHAR(max) NULL,
            [sAttachmentNames] NVARCHAR(max) NULL,
            [nAttachmentSizeLeast] BIGINT NULL,
            [nAttachmentSizeMost] BIGINT NULL,
            [bHasAttachments] BIT NULL,
            [sFolder] NVARCHAR(1000) NOT NULL,
            [sFileName] NVARCHAR(400) NULL,
            [bSaveAttachments] BIT NOT NULL CONSTRAINT [DF_tblEmailRule_bSaveAttachments] DEFAULT 1,
            [sUnpack] NVARCHAR(50) NULL,
            [sSaveBody] NVARCHAR(10) NULL,
            [bSaveOriginal] BIT NOT NULL CONSTRAINT [DF_tblEmailRule_bSaveOriginal] DEFAULT 0,
            [bSaveMetadata] BIT NOT NULL CONSTRAINT [DF_tblEmailRule_bSaveMetadata] DEFAULT 0,
            [dtActiveSince] DATETIME2(7) NOT NULL,
            CONSTRAINT [PK_tblEmailRule] PRIMARY KEY ([nRuleID]),
            CONSTRAINT [CK_tblEmailRule_sSaveBody] CHECK ([sSaveBody] IN (N'text', N'html', N'both')),
            CONSTRAINT [CK_tblEmailRule_sSubjectKind] CHECK ([sSubjectKind] IN (N'is', N'contains', N'matches')),
            CONSTRAINT [UQ_tblEmailRule_sName] UNIQUE ([sName])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblEmailRule]', N'nRuleID') IS NULL
        ALTER TABLE [dbo].[tblEmailRule] ADD [nRuleID] BIGINT NOT NULL IDENTITY;
    IF COL_LENGTH(N'[dbo].[tblEmailRule]', N'sName') IS NULL
        ALTER TABLE [dbo].[tblEmailRule] ADD [sName] NVARCHAR(200) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRule]', N'bEnabled') IS NULL
        ALTER TABLE [dbo].[tblEmailRule] ADD [bEnabled] BIT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRule]', N'nAccountID') IS NULL
        ALTER TABLE [dbo].[tblEmailRule] ADD [nAccountID] BIGINT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRule]', N'nPosition') IS NULL
        ALTER TABLE [dbo].[tblEmailRule] ADD [nPosition] INTEGER NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRule]', N'sSenders') IS NULL
        ALTER TABLE [dbo].[tblEmailRule] ADD [sSenders] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRule]', N'sRecipients') IS NULL
        ALTER TABLE [dbo].[tblEmailRule] ADD [sRecipients] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRule]', N'sSubjectKind') IS NULL
        ALTER TABLE [dbo].[tblEmailRule] ADD [sSubjectKind] NVARCHAR(10) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRule]', N'sSubject') IS NULL
        ALTER TABLE [dbo].[tblEmailRule] ADD [sSubject] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRule]', N'sBodyWords') IS NULL
        ALTER TABLE [dbo].[tblEmailRule] ADD [sBodyWords] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRule]', N'sAttachmentNames') IS NULL
        ALTER TABLE [dbo].[tblEmailRule] ADD [sAttachmentNames] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRule]', N'nAttachmentSizeLeast') IS NULL
        ALTER TABLE [dbo].[tblEmailRule] ADD [nAttachmentSizeLeast] BIGINT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRule]', N'nAttachmentSizeMost') IS NULL
        ALTER TABLE [dbo].[tblEmailRule] ADD [nAttachmentSizeMost] BIGINT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRule]', N'bHasAttachments') IS NULL
        ALTER TABLE [dbo].[tblEmailRule] ADD [bHasAttachments] BIT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRule]', N'sFolder') IS NULL
        ALTER TABLE [dbo].[tblEmailRule] ADD [sFolder] NVARCHAR(1000) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRule]', N'sFileName') IS NULL
        ALTER TABLE [dbo].[tblEmailRule] ADD [sFileName] NVARCHAR(400) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRule]', N'bSaveAttachments') IS NULL
        ALTER TABLE [dbo].[tblEmailRule] ADD [bSaveAttachments] BIT NOT NULL CONSTRAINT [DF_tblEmailRule_bSaveAttachments] DEFAULT 1;
    IF COL_LENGTH(N'[dbo].[tblEmailRule]', N'sUnpack') IS NULL
        ALTER TABLE [dbo].[tblEmailRule] ADD [sUnpack] NVARCHAR(50) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRule]', N'sSaveBody') IS NULL
        ALTER TABLE [dbo].[tblEmailRule] ADD [sSaveBody] NVARCHAR(10) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRule]', N'bSaveOriginal') IS NULL
        ALTER TABLE [dbo].[tblEmailRule] ADD [bSaveOriginal] BIT NOT NULL CONSTRAINT [DF_tblEmailRule_bSaveOriginal] DEFAULT 0;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblEmailRule]', N'bSaveMetadata') IS NULL
        ALTER TABLE [dbo].[tblEmailRule] ADD [bSaveMetadata] BIT NOT NULL CONSTRAINT [DF_tblEmailRule_bSaveMetadata] DEFAULT 0;
    IF COL_LENGTH(N'[dbo].[tblEmailRule]', N'dtActiveSince') IS NULL
        ALTER TABLE [dbo].[tblEmailRule] ADD [dtActiveSince] DATETIME2(7) NOT NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF EXISTS (
        SELECT 1 FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = N'dbo' AND TABLE_NAME = N'tblEmailRule'
        AND COLUMN_NAME = N'bSaveAttachments' AND COLUMN_DEFAULT IS NULL
    )
        ALTER TABLE [dbo].[tblEmailRule] ADD CONSTRAINT [DF_tblEmailRule_bSaveAttachments] DEFAULT 1 FOR [bSaveAttachments];
    IF EXISTS (
        SELECT 1 FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = N'dbo' AND TABLE_NAME = N'tblEmailRule'
        AND COLUMN_NAME = N'bSaveOriginal' AND COLUMN_DEFAULT IS NULL
    )
        ALTER TABLE [dbo].[tblEmailRule] ADD CONSTRAINT [DF_tblEmailRule_bSaveOriginal] DEFAULT 0 FOR [bSaveOriginal];
    IF EXISTS (
        SELECT 1 FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = N'dbo' AND TABLE_NAME = N'tblEmailRule'
        AND COLUMN_NAME = N'bSaveMetadata' AND COLUMN_DEFAULT IS NULL
    )
        ALTER TABLE [dbo].[tblEmailRule] ADD CONSTRAINT [DF_tblEmailRule_bSaveMetadata] DEFAULT 0 FOR [bSaveMetadata];
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.check_constraints WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblEmailRule]', N'U') AND name = N'CK_tblEmailRule_sSaveBody')
        ALTER TABLE [dbo].[tblEmailRule] ADD CONSTRAINT [CK_tblEmailRule_sSaveBody] CHECK ([sSaveBody] IN (N'text', N'html', N'both'));
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.check_constraints WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblEmailRule]', N'U') AND name = N'CK_tblEmailRule_sSubjectKind')
        ALTER TABLE [dbo].[tblEmailRule] ADD CONSTRAINT [CK_tblEmailRule_sSubjectKind] CHECK ([sSubjectKind] IN (N'is', N'contains', N'matches'));
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailRule]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nRuleID')
        )
    )
        ALTER TABLE [dbo].[tblEmailRule] ADD CONSTRAINT [PK_tblEmailRule] PRIMARY KEY ([nRuleID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailRule]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'sName')
        )
    )
        ALTER TABLE [dbo].[tblEmailRule] ADD CONSTRAINT [UQ_tblEmailRule_sName] UNIQUE ([sName]);
END;
GO

-- tblEmailRuleChange
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblEmailRuleChange]', N'U') IS NULL
        CREATE TABLE [dbo].[tblEmailRuleChange] (
            [nChangeID] BIGINT NOT NULL IDENTITY,
            [nRuleID] BIGINT NOT NULL,
            [dtChanged] DATETIME2(7) NOT NULL,
            [sAction] NVARCHAR(20) NOT NULL,
            [sWho] NVARCHAR(200) NULL,
            [sHost] NVARCHAR(100) NULL,
            [sSettings] NVARCHAR(max) NOT NULL,
            CONSTRAINT [PK_tblEmailRuleChange] PRIMARY KEY ([nChangeID])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblEmailRuleChange]', N'nChangeID') IS NULL
        ALTER TABLE [dbo].[tblEmailRuleChange] ADD [nChangeID] BIGINT NOT NULL IDENTITY;
    IF COL_LENGTH(N'[dbo].[tblEmailRuleChange]', N'nRuleID') IS NULL
        ALTER TABLE [dbo].[tblEmailRuleChange] ADD [nRuleID] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRuleChange]', N'dtChanged') IS NULL
        ALTER TABLE [dbo].[tblEmailRuleChange] ADD [dtChanged] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRuleChange]', N'sAction') IS NULL
        ALTER TABLE [dbo].[tblEmailRuleChange] ADD [sAction] NVARCHAR(20) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRuleChange]', N'sWho') IS NULL
        ALTER TABLE [dbo].[tblEmailRuleChange] ADD [sWho] NVARCHAR(200) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRuleChange]', N'sHost') IS NULL
        ALTER TABLE [dbo].[tblEmailRuleChange] ADD [sHost] NVARCHAR(100) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRuleChange]', N'sSettings') IS NULL
        ALTER TABLE [dbo].[tblEmailRuleChange] ADD [sSettings] NVARCHAR(max) NOT NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailRuleChange]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nChangeID')
        )
    )
        ALTER TABLE [dbo].[tblEmailRuleChange] ADD CONSTRAINT [PK_tblEmailRuleChange] PRIMARY KEY ([nChangeID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblEmailRuleChange]', N'U') AND name = N'IX_tblEmailRuleChange_nRuleID')
        CREATE INDEX [IX_tblEmailRuleChange_nRuleID] ON [dbo].[tblEmailRuleChange] ([nRuleID], [nChangeID]);
END;
GO

-- tblEmailSeen
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblEmailSeen]', N'U') IS NULL
        CREATE TABLE [dbo].[tblEmailSeen] (
            [nSeenID] BIGINT NOT NULL IDENTITY,
            [nAccountID] BIGINT NOT NULL,
            [sGraphMessageID] NVARCHAR(700) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [sInternetMessageID] NVARCHAR(998) NULL,
            [sFromAddress] NVARCHAR(max) NULL,
            [dtReceived] DATETIME2(7) NULL,
            [nSize] BIGINT NULL,
            [sReason] NVARCHAR(100) NOT NULL,
            [sRule] NVARCHAR(max) NULL,
            [dtSeen] DATETIME2(7) NOT NULL,
            CONSTRAINT [PK_tblEmailSeen] PRIMARY KEY ([nSeenID]),
            CONSTRAINT [UQ_tblEmailSeen_nAccountID_sGraphMessageID] UNIQUE ([nAccountID], [sGraphMessageID])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblEmailSeen]', N'nSeenID') IS NULL
        ALTER TABLE [dbo].[tblEmailSeen] ADD [nSeenID] BIGINT NOT NULL IDENTITY;
    IF COL_LENGTH(N'[dbo].[tblEmailSeen]', N'nAccountID') IS NULL
        ALTER TABLE [dbo].[tblEmailSeen] ADD [nAccountID] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailSeen]', N'sGraphMessageID') IS NULL
        ALTER TABLE [dbo].[tblEmailSeen] ADD [sGraphMessageID] NVARCHAR(700) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailSeen]', N'sInternetMessageID') IS NULL
        ALTER TABLE [dbo].[tblEmailSeen] ADD [sInternetMessageID] NVARCHAR(998) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailSeen]', N'sFromAddress') IS NULL
        ALTER TABLE [dbo].[tblEmailSeen] ADD [sFromAddress] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailSeen]', N'dtReceived') IS NULL
        ALTER TABLE [dbo].[tblEmailSeen] ADD [dtReceived] DATETIME2(7) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailSeen]', N'nSize') IS NULL
        ALTER TABLE [dbo].[tblEmailSeen] ADD [nSize] BIGINT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailSeen]', N'sReason') IS NULL
        ALTER TABLE [dbo].[tblEmailSeen] ADD [sReason] NVARCHAR(100) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailSeen]', N'sRule') IS NULL
        ALTER TABLE [dbo].[tblEmailSeen] ADD [sRule] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailSeen]', N'dtSeen') IS NULL
        ALTER TABLE [dbo].[tblEmailSeen] ADD [dtSeen] DATETIME2(7) NOT NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailSeen]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nSeenID')
        )
    )
        ALTER TABLE [dbo].[tblEmailSeen] ADD CONSTRAINT [PK_tblEmailSeen] PRIMARY KEY ([nSeenID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailSeen]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 2 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 2 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nAccountID', N'sGraphMessageID')
        )
    )
        ALTER TABLE [dbo].[tblEmailSeen] ADD CONSTRAINT [UQ_tblEmailSeen_nAccountID_sGraphMessageID] UNIQUE ([nAccountID], [sGraphMessageID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblEmailSeen]', N'U') AND name = N'IX_tblEmailSeen_dtReceived')
        CREATE INDEX [IX_tblEmailSeen_dtReceived] ON [dbo].[tblEmailSeen] ([dtReceived]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblEmailSeen]', N'U') AND name = N'IX_tblEmailSeen_nAccountID_dtReceived')
        CREATE INDEX [IX_tblEmailSeen_nAccountID_dtReceived] ON [dbo].[tblEmailSeen] ([nAccountID], [dtReceived]);
END;
GO

-- tblFolderSync
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblFolderSync]', N'U') IS NULL
        CREATE TABLE [dbo].[tblFolderSync] (
            [nAccountID] BIGINT NOT NULL,
            [dtDue] DATETIME2(7) NOT NULL,
            [sOwner] NVARCHAR(100) NULL,
            [dtLeaseUntil] DATETIME2(7) NULL,
            [nFailures] INTEGER NOT NULL CONSTRAINT [DF_tblFolderSync_nFailures] DEFAULT 0,
            [nRequests] INTEGER NOT NULL CONSTRAINT [DF_tblFolderSync_nRequests] DEFAULT 0,
            [sResource] NVARCHAR(1000) NULL,
            [sLink] NVARCHAR(max) NULL,
            [bFullPass] BIT NOT NULL CONSTRAINT [DF_tblFolderSync_bFullPass] DEFAULT 1,
            [bGap] BIT NOT NULL CONSTRAINT [DF_tblFolderSync_bGap] DEFAULT 1,
            [dtSwept] DATETIME2(7) NULL,
            CONSTRAINT [PK_tblFolderSync] PRIMARY KEY ([nAccountID])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblFolderSync]', N'nAccountID') IS NULL
        ALTER TABLE [dbo].[tblFolderSync] ADD [nAccountID] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblFolderSync]', N'dtDue') IS NULL
        ALTER TABLE [dbo].[tblFolderSync] ADD [dtDue] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblFolderSync]', N'sOwner') IS NULL
        ALTER TABLE [dbo].[tblFolderSync] ADD [sOwner] NVARCHAR(100) NULL;
    IF COL_LENGTH(N'[dbo].[tblFolderSync]', N'dtLeaseUntil') IS NULL
        ALTER TABLE [dbo].[tblFolderSync] ADD [dtLeaseUntil] DATETIME2(7) NULL;
    IF COL_LENGTH(N'[dbo].[tblFolderSync]', N'nFailures') IS NULL
        ALTER TABLE [dbo].[tblFolderSync] ADD [nFailures] INTEGER NOT NULL CONSTRAINT [DF_tblFolderSync_nFailures] DEFAULT 0;
    IF COL_LENGTH(N'[dbo].[tblFolderSync]', N'nRequests') IS NULL
        ALTER TABLE [dbo].[tblFolderSync] ADD [nRequests] INTEGER NOT NULL CONSTRAINT [DF_tblFolderSync_nRequests] DEFAULT 0;
    IF COL_LENGTH(N'[dbo].[tblFolderSync]', N'sResource') IS NULL
        ALTER TABLE [dbo].[tblFolderSync] ADD [sResource] NVARCHAR(1000) NULL;
    IF COL_LENGTH(N'[dbo].[tblFolderSync]', N'sLink') IS NULL
        ALTER TABLE [dbo].[tblFolderSync] ADD [sLink] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblFolderSync]', N'bFullPass') IS NULL
        ALTER TABLE [dbo].[tblFolderSync] ADD [bFullPass] BIT NOT NULL CONSTRAINT [DF_tblFolderSync_bFullPass] DEFAULT 1;
    IF COL_LENGTH(N'[dbo].[tblFolderSync]', N'bGap') IS NULL
        ALTER TABLE [dbo].[tblFolderSync] ADD [bGap] BIT NOT NULL CONSTRAINT [DF_tblFolderSync_bGap] DEFAULT 1;
    IF COL_LENGTH(N'[dbo].[tblFolderSync]', N'dtSwept') IS NULL
        ALTER TABLE [dbo].[tblFolderSync] ADD [dtSwept] DATETIME2(7) NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF EXISTS (
        SELECT 1 FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = N'dbo' AND TABLE_NAME = N'tblFolderSync'
        AND COLUMN_NAME = N'nFailures' AND COLUMN_DEFAULT IS NULL
    )
        ALTER TABLE [dbo].[tblFolderSync] ADD CONSTRAINT [DF_tblFolderSync_nFailures] DEFAULT 0 FOR [nFailures];
    IF EXISTS (
        SELECT 1 FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = N'dbo' AND TABLE_NAME = N'tblFolderSync'
        AND COLUMN_NAME = N'nRequests' AND COLUMN_DEFAULT IS NULL
    )
        ALTER TABLE [dbo].[tblFolderSync] ADD CONSTRAINT [DF_tblFolderSync_nRequests] DEFAULT 0 FOR [nRequests];
    IF EXISTS (
        SELECT 1 FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = N'dbo' AND TABLE_NAME = N'tblFolderSync'
        AND COLUMN_NAME = N'bFullPass' AND COLUMN_DEFAULT IS NULL
    )
        ALTER TABLE [dbo].[tblFolderSync] ADD CONSTRAINT [DF_tblFolderSync_bFullPass] DEFAULT 1 FOR [bFullPass];
    IF EXISTS (
        SELECT 1 FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = N'dbo' AND TABLE_NAME = N'tblFolderSync'
        AND COLUMN_NAME = N'bGap' AND COLUMN_DEFAULT IS NULL
    )
        ALTER TABLE [dbo].[tblFolderSync] ADD CONSTRAINT [DF_tblFolderSync_bGap] DEFAULT 1 FOR [bGap];
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblFolderSync]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nAccountID')
        )
    )
        ALTER TABLE [dbo].[tblFolderSync] ADD CONSTRAINT [PK_tblFolderSync] PRIMARY KEY ([nAccountID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblFolderSync]', N'U') AND name = N'IX_tblFolderSync_dtDue')
        CREATE INDEX [IX_tblFolderSync_dtDue] ON [dbo].[tblFolderSync] ([dtDue]);
END;
GO

-- tblGraphSubscription
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblGraphSubscription]', N'U') IS NULL
        CREATE TABLE [dbo].[tblGraphSubscription] (
            [sSubscriptionID] NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [nAccountID] BIGINT NOT NULL,
            [dtExpires] DATETIME2(7) NOT NULL,
            [sState] NVARCHAR(20) NOT NULL,
            [sResource] NVARCHAR(1000) NOT NULL,
            [sNotificationURL] NVARCHAR(1000) NOT NULL,
            [sKeyFingerprint] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [dtGranted] DATETIME2(7) NOT NULL,
            [dtCreated] DATETIME2(7) NULL,
            CONSTRAINT [PK_tblGraphSubscription] PRIMARY KEY ([sSubscriptionID]),
            CONSTRAINT [UQ_tblGraphSubscription_nAccountID] UNIQUE ([nAccountID])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblGraphSubscription]', N'sSubscriptionID') IS NULL
        ALTER TABLE [dbo].[tblGraphSubscription] ADD [sSubscriptionID] NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblGraphSubscription]', N'nAccountID') IS NULL
        ALTER TABLE [dbo].[tblGraphSubscription] ADD [nAccountID] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblGraphSubscription]', N'dtExpires') IS NULL
        ALTER TABLE [dbo].[tblGraphSubscription] ADD [dtExpires] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblGraphSubscription]', N'sState') IS NULL
        ALTER TABLE [dbo].[tblGraphSubscription] ADD [sState] NVARCHAR(20) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblGraphSubscription]', N'sResource') IS NULL
        ALTER TABLE [dbo].[tblGraphSubscription] ADD [sResource] NVARCHAR(1000) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblGraphSubscription]', N'sNotificationURL') IS NULL
        ALTER TABLE [dbo].[tblGraphSubscription] ADD [sNotificationURL] NVARCHAR(1000) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblGraphSubscription]', N'sKeyFingerprint') IS NULL
        ALTER TABLE [dbo].[tblGraphSubscription] ADD [sKeyFingerprint] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblGraphSubscription]', N'dtGranted') IS NULL
        ALTER TABLE [dbo].[tblGraphSubscription] ADD [dtGranted] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblGraphSubscription]', N'dtCreated') IS NULL
        ALTER TABLE [dbo].[tblGraphSubscription] ADD [dtCreated] DATETIME2(7) NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblGraphSubscription]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'sSubscriptionID')
        )
    )
        ALTER TABLE [dbo].[tblGraphSubscription] ADD CONSTRAINT [PK_tblGraphSubscription] PRIMARY KEY ([sSubscriptionID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblGraphSubscription]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nAccountID')
        )
    )
        ALTER TABLE [dbo].[tblGraphSubscription] ADD CONSTRAINT [UQ_tblGraphSubscription_nAccountID] UNIQUE ([nAccountID]);
END;
GO

-- tblImporterSecret
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblImporterSecret]', N'U') IS NULL
        CREATE TABLE [dbo].[tblImporterSecret] (
            [sName] NVARCHAR(100) NOT NULL,
            [sValue] NVARCHAR(max) NOT NULL,
            [dtCreated] DATETIME2(7) NOT NULL,
            CONSTRAINT [PK_tblImporterSecret] PRIMARY KEY ([sName])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblImporterSecret]', N'sName') IS NULL
        ALTER TABLE [dbo].[tblImporterSecret] ADD [sName] NVARCHAR(100) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblImporterSecret]', N'sValue') IS NULL
        ALTER TABLE [dbo].[tblImporterSecret] ADD [sValue] NVARCHAR(max) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblImporterSecret]', N'dtCreated') IS NULL
        ALTER TABLE [dbo].[tblImporterSecret] ADD [dtCreated] DATETIME2(7) NOT NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblImporterSecret]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'sName')
        )
    )
        ALTER TABLE [dbo].[tblImporterSecret] ADD CONSTRAINT [PK_tblImporterSecret] PRIMARY KEY ([sName]);
END;
GO

-- tblLease
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblLease]', N'U') IS NULL
        CREATE TABLE [dbo].[tblLease] (
            [sName] NVARCHAR(50) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [sOwner] NVARCHAR(100) NOT NULL,
            [dtLeaseUntil] DATETIME2(7) NOT NULL,
            CONSTRAINT [PK_tblLease] PRIMARY KEY ([sName])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblLease]', N'sName') IS NULL
        ALTER TABLE [dbo].[tblLease] ADD [sName] NVARCHAR(50) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblLease]', N'sOwner') IS NULL
        ALTER TABLE [dbo].[tblLease] ADD [sOwner] NVARCHAR(100) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblLease]', N'dtLeaseUntil') IS NULL
        ALTER TABLE [dbo].[tblLease] ADD [dtLeaseUntil] DATETIME2(7) NOT NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblLease]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'sName')
        )
    )
        ALTER TABLE [dbo].[tblLease] ADD CONSTRAINT [PK_tblLease] PRIMARY KEY ([sName]);
END;
GO

-- tblMailboxAddress
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblMailboxAddress]', N'U') IS NULL
        CREATE TABLE [dbo].[tblMailboxAddress] (
            [nAccountID] BIGINT NOT NULL,
            [sUserID] NVARCHAR(320) NOT NULL,
            [sAddress] NVARCHAR(320) NOT NULL,
            [dtLearned] DATETIME2(7) NOT NULL,
            CONSTRAINT [PK_tblMailboxAddress] PRIMARY KEY ([nAccountID])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblMailboxAddress]', N'nAccountID') IS NULL
        ALTER TABLE [dbo].[tblMailboxAddress] ADD [nAccountID] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblMailboxAddress]', N'sUserID') IS NULL
        ALTER TABLE [dbo].[tblMailboxAddress] ADD [sUserID] NVARCHAR(320) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblMailboxAddress]', N'sAddress') IS NULL
        ALTER TABLE [dbo].[tblMailboxAddress] ADD [sAddress] NVARCHAR(320) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblMailboxAddress]', N'dtLearned') IS NULL
        ALTER TABLE [dbo].[tblMailboxAddress] ADD [dtLearned] DATETIME2(7) NOT NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblMailboxAddress]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nAccountID')
        )
    )
        ALTER TABLE [dbo].[tblMailboxAddress] ADD CONSTRAINT [PK_tblMailboxAddress] PRIMARY KEY ([nAccountID]);
END;
GO

-- tblMailboxCall
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblMailboxCall]', N'U') IS NULL
        CREATE TABLE [dbo].[tblMailboxCall] (
            [sMailbox] NVARCHAR(425) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [nSlot] INTEGER NOT NULL,
            [sOwner] NVARCHAR(100) NOT NULL,
            [dtLeaseUntil] DATETIME2(7) NOT NULL,
            CONSTRAINT [PK_tblMailboxCall] PRIMARY KEY ([sMailbox], [nSlot])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblMailboxCall]', N'sMailbox') IS NULL
        ALTER TABLE [dbo].[tblMailboxCall] ADD [sMailbox] NVARCHAR(425) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblMailboxCall]', N'nSlot') IS NULL
        ALTER TABLE [dbo].[tblMailboxCall] ADD [nSlot] INTEGER NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblMailboxCall]', N'sOwner') IS NULL
        ALTER TABLE [dbo].[tblMailboxCall] ADD [sOwner] NVARCHAR(100) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblMailboxCall]', N'dtLeaseUntil') IS NULL
        ALTER TABLE [dbo].[tblMailboxCall] ADD [dtLeaseUntil] DATETIME2(7) NOT NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblMailboxCall]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 2 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 2 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'sMailbox', N'nSlot')
        )
    )
        ALTER TABLE [dbo].[tblMailboxCall] ADD CONSTRAINT [PK_tblMailboxCall] PRIMARY KEY ([sMailbox], [nSlot]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblMailboxCall]', N'U') AND name = N'IX_tblMailboxCall_dtLeaseUntil')
        CREATE INDEX [IX_tblMailboxCall_dtLeaseUntil] ON [dbo].[tblMailboxCall] ([dtLeaseUntil]);
END;
GO

-- tblMessageTrace
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblMessageTrace]', N'U') IS NULL
        CREATE TABLE [dbo].[tblMessageTrace] (
            [nTraceID] BIGINT NOT NULL IDENTITY,
            [nAccountID] BIGINT NULL,
            [sGraphMessageID] NVARCHAR(700) COLLATE Latin1_General_100_BIN2 NULL,
            [sInternetMessageID] NVARCHAR(998) NULL,
            [sSubject] NVARCHAR(400) NULL,
            [sSource] NVARCHAR(20) NULL,
            [sCorrelationID] NVARCHAR(64) NULL,
            [sQueueMessageID] NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NULL,
            [dtNotified] DATETIME2(7) NULL,
            [dtQueued] DATETIME2(7) NULL,
            [nAttempt] INTEGER NULL,
            [sHost] NVARCHAR(100) NOT NULL,
            [dtStarted] DATETIME2(7) NOT NULL,
            [dtFetched] DATETIME2(7) NULL,
            [dtEnded] DATETIME2(7) NOT NULL,
            [sOutcome] NVARCHAR(20) NOT NULL,
            [sReason] NVARCHAR(100) NULL,
            [sDetail] NVARCHAR(max) NULL,
            [sDetailPhrase] NVARCHAR(max) NULL,
            CONSTRAINT [PK_tblMessageTrace] PRIMARY KEY ([nTraceID])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblMessageTrace]', N'nTraceID') IS NULL
        ALTER TABLE [dbo].[tblMessageTrace] ADD [nTraceID] BIGINT NOT NULL IDENTITY;
    IF COL_LENGTH(N'[dbo].[tblMessageTrace]', N'nAccountID') IS NULL
        ALTER TABLE [dbo].[tblMessageTrace] ADD [nAccountID] BIGINT NULL;
    IF COL_LENGTH(N'[dbo].[tblMessageTrace]', N'sGraphMessageID') IS NULL
        ALTER TABLE [dbo].[tblMessageTrace] ADD [sGraphMessageID] NVARCHAR(700) COLLATE Latin1_General_100_BIN2 NULL;
    IF COL_LENGTH(N'[dbo].[tblMessageTrace]', N'sInternetMessageID') IS NULL
        ALTER TABLE [dbo].[tblMessageTrace] ADD [sInternetMessageID] NVARCHAR(998) NULL;
    IF COL_LENGTH(N'[dbo].[tblMessageTrace]', N'sSubject') IS NULL
        ALTER TABLE [dbo].[tblMessageTrace] ADD [sSubject] NVARCHAR(400) NULL;
    IF COL_LENGTH(N'[dbo].[tblMessageTrace]', N'sSource') IS NULL
        ALTER TABLE [dbo].[tblMessageTrace] ADD [sSource] NVARCHAR(20) NULL;
    IF COL_LENGTH(N'[dbo].[tblMessageTrace]', N'sCorrelationID') IS NULL
        ALTER TABLE [dbo].[tblMessageTrace] ADD [sCorrelationID] NVARCHAR(64) NULL;
    IF COL_LENGTH(N'[dbo].[tblMessageTrace]', N'sQueueMessageID') IS NULL
        ALTER TABLE [dbo].[tblMessageTrace] ADD [sQueueMessageID] NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NULL;
    IF COL_LENGTH(N'[dbo].[tblMessageTrace]', N'dtNotified') IS NULL
        ALTER TABLE [dbo].[tblMessageTrace] ADD [dtNotified] DATETIME2(7) NULL;
    IF COL_LENGTH(N'[dbo].[tblMessageTrace]', N'dtQueued') IS NULL
        ALTER TABLE [dbo].[tblMessageTrace] ADD [dtQueued] DATETIME2(7) NULL;
    IF COL_LENGTH(N'[dbo].[tblMessageTrace]', N'nAttempt') IS NULL
        ALTER TABLE [dbo].[tblMessageTrace] ADD [nAttempt] INTEGER NULL;
    IF COL_LENGTH(N'[dbo].[tblMessageTrace]', N'sHost') IS NULL
        ALTER TABLE [dbo].[tblMessageTrace] ADD [sHost] NVARCHAR(100) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblMessageTrace]', N'dtStarted') IS NULL
        ALTER TABLE [dbo].[tblMessageTrace] ADD [dtStarted] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblMessageTrace]', N'dtFetched') IS NULL
        ALTER TABLE [dbo].[tblMessageTrace] ADD [dtFetched] DATETIME2(7) NULL;
    IF COL_LENGTH(N'[dbo].[tblMessageTrace]', N'dtEnded') IS NULL
        ALTER TABLE [dbo].[tblMessageTrace] ADD [dtEnded] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblMessageTrace]', N'sOutcome') IS NULL
        ALTER TABLE [dbo].[tblMessageTrace] ADD [sOutcome] NVARCHAR(20) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblMessageTrace]', N'sReason') IS NULL
        ALTER TABLE [dbo].[tblMessageTrace] ADD [sReason] NVARCHAR(100) NULL;
    IF COL_LENGTH(N'[dbo].[tblMessageTrace]', N'sDetail') IS NULL
        ALTER TABLE [dbo].[tblMessageTrace] ADD [sDetail] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblMessageTrace]', N'sDetailPhrase') IS NULL
        ALTER TABLE [dbo].[tblMessageTrace] ADD [sDetailPhrase] NVARCHAR(max) NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblMessageTrace]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nTraceID')
        )
    )
        ALTER TABLE [dbo].[tblMessageTrace] ADD CONSTRAINT [PK_tblMessageTrace] PRIMARY KEY ([nTraceID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblMessageTrace]', N'U') AND name = N'IX_tblMessageTrace_dtEnded')
        CREATE INDEX [IX_tblMessageTrace_dtEnded] ON [dbo].[tblMessageTrace] ([dtEnded]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblMessageTrace]', N'U') AND name = N'IX_tblMessageTrace_nAccountID_sGraphMessageID')
        CREATE INDEX [IX_tblMessageTrace_nAccountID_sGraphMessageID] ON [dbo].[tblMessageTrace] ([nAccountID], [sGraphMessageID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblMessageTrace]', N'U') AND name = N'IX_tblMessageTrace_sOutcome_dtEnded')
        CREATE INDEX [IX_tblMessageTrace_sOutcome_dtEnded] ON [dbo].[tblMessageTrace] ([sOutcome], [dtEnded]);
END;
GO

-- tblMissedNotification
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblMissedNotification]', N'U') IS NULL
        CREATE TABLE [dbo].[tblMissedNotification] (
            [nMissedID] BIGINT NOT NULL IDENTITY,
            [nAccountID] BIGINT NOT NULL,
            [sGraphMessageID] NVARCHAR(700) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [dtReceived] DATETIME2(7) NOT NULL,
            [dtFound] DATETIME2(7) NOT NULL,
            [dtTold] DATETIME2(7) NULL,
            CONSTRAINT [PK_tblMissedNotification] PRIMARY KEY ([nMissedID]),
            CONSTRAINT [UQ_tblMissedNotification_nAccountID_sGraphMessageID] UNIQUE ([nAccountID], [sGraphMessageID])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblMissedNotification]', N'nMissedID') IS NULL
        ALTER TABLE [dbo].[tblMissedNotification] ADD [nMissedID] BIGINT NOT NULL IDENTITY;
    IF COL_LENGTH(N'[dbo].[tblMissedNotification]', N'nAccountID') IS NULL
        ALTER TABLE [dbo].[tblMissedNotification] ADD [nAccountID] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblMissedNotification]', N'sGraphMessageID') IS NULL
        ALTER TABLE [dbo].[tblMissedNotification] ADD [sGraphMessageID] NVARCHAR(700) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblMissedNotification]', N'dtReceived') IS NULL
        ALTER TABLE [dbo].[tblMissedNotification] ADD [dtReceived] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblMissedNotification]', N'dtFound') IS NULL
        ALTER TABLE [dbo].[tblMissedNotification] ADD [dtFound] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblMissedNotification]', N'dtTold') IS NULL
        ALTER TABLE [dbo].[tblMissedNotification] ADD [dtTold] DATETIME2(7) NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblMissedNotification]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nMissedID')
        )
    )
        ALTER TABLE [dbo].[tblMissedNotification] ADD CONSTRAINT [PK_tblMissedNotification] PRIMARY KEY ([nMissedID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblMissedNotification]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 2 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 2 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nAccountID', N'sGraphMessageID')
        )
    )
        ALTER TABLE [dbo].[tblMissedNotification] ADD CONSTRAINT [UQ_tblMissedNotification_nAccountID_sGraphMessageID] UNIQUE ([nAccountID], [sGraphMessageID]);
END;
GO

-- tblNotificationQueue
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblNotificationQueue]', N'U') IS NULL
        CREATE TABLE [dbo].[tblNotificationQueue] (
            [nSequence] BIGINT NOT NULL IDENTITY,
            [sMessageID] NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [nRetired] BIGINT NOT NULL CONSTRAINT [DF_tblNotificationQueue_nRetired] DEFAULT 0,
            [sState] NVARCHAR(10) NOT NULL,
            [nAccountID] BIGINT NULL,
            [sBody] NVARCHAR(max) NOT NULL,
            [dtEnqueued] DATETIME2(7) NOT NULL,
            [dtVisible] DATETIME2(7) NOT NULL,
            [nDeliveryCount] INTEGER NOT NULL CONSTRAINT [DF_tblNotificationQueue_nDeliveryCount] DEFAULT 0,
            [sLockToken] NVARCHAR(32) NULL,
            [sReason] NVARCHAR(100) NULL,
            [sDescription] NVARCHAR(max) NULL,
            [dtDeadLettered] DATETIME2(7) NULL,
            CONSTRAINT [PK_tblNotificationQueue] PRIMARY KEY ([nSequence]),
            CONSTRAINT [CK_tblNotificationQueue_sState] CHECK ([sState] IN (N'active', N'dead', N'done')),
            CONSTRAINT [UQ_tblNotificationQueue_sMessageID_nRetired] UNIQUE ([sMessageID], [nRetired])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblNotificationQueue]', N'nSequence') IS NULL
        ALTER TABLE [dbo].[tblNotificationQueue] ADD [nSequence] BIGINT NOT NULL IDENTITY;
    IF COL_LENGTH(N'[dbo].[tblNotificationQueue]', N'sMessageID') IS NULL
        ALTER TABLE [dbo].[tblNotificationQueue] ADD [sMessageID] NVARCHAR(128) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblNotificationQueue]', N'nRetired') IS NULL
        ALTER TABLE [dbo].[tblNotificationQueue] ADD [nRetired] BIGINT NOT NULL CONSTRAINT [DF_tblNotificationQueue_nRetired] DEFAULT 0;
    IF COL_LENGTH(N'[dbo].[tblNotificationQueue]', N'sState') IS NULL
        ALTER TABLE [dbo].[tblNotificationQueue] ADD [sState] NVARCHAR(10) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblNotificationQueue]', N'nAccountID') IS NULL
        ALTER TABLE [dbo].[tblNotificationQueue] ADD [nAccountID] BIGINT NULL;
    IF COL_LENGTH(N'[dbo].[tblNotificationQueue]', N'sBody') IS NULL
        ALTER TABLE [dbo].[tblNotificationQueue] ADD [sBody] NVARCHAR(max) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblNotificationQueue]', N'dtEnqueued') IS NULL
        ALTER TABLE [dbo].[tblNotificationQueue] ADD [dtEnqueued] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblNotificationQueue]', N'dtVisible') IS NULL
        ALTER TABLE [dbo].[tblNotificationQueue] ADD [dtVisible] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblNotificationQueue]', N'nDeliveryCount') IS NULL
        ALTER TABLE [dbo].[tblNotificationQueue] ADD [nDeliveryCount] INTEGER NOT NULL CONSTRAINT [DF_tblNotificationQueue_nDeliveryCount] DEFAULT 0;
    IF COL_LENGTH(N'[dbo].[tblNotificationQueue]', N'sLockToken') IS NULL
        ALTER TABLE [dbo].[tblNotificationQueue] ADD [sLockToken] NVARCHAR(32) NULL;
    IF COL_LENGTH(N'[dbo].[tblNotificationQueue]', N'sReason') IS NULL
        ALTER TABLE [dbo].[tblNotificationQueue] ADD [sReason] NVARCHAR(100) NULL;
    IF COL_LENGTH(N'[dbo].[tblNotificationQueue]', N'sDescription') IS NULL
        ALTER TABLE [dbo].[tblNotificationQueue] ADD [sDescription] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblNotificationQueue]', N'dtDeadLettered') IS NULL
        ALTER TABLE [dbo].[tblNotificationQueue] ADD [dtDeadLettered] DATETIME2(7) NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF EXISTS (
        SELECT 1 FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = N'dbo' AND TABLE_NAME = N'tblNotificationQueue'
        AND COLUMN_NAME = N'nRetired' AND COLUMN_DEFAULT IS NULL
    )
        ALTER TABLE [dbo].[tblNotificationQueue] ADD CONSTRAINT [DF_tblNotificationQueue_nRetired] DEFAULT 0 FOR [nRetired];
    IF EXISTS (
        SELECT 1 FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = N'dbo' AND TABLE_NAME = N'tblNotificationQueue'
        AND COLUMN_NAME = N'nDeliveryCount' AND COLUMN_DEFAULT IS NULL
    )
        ALTER TABLE [dbo].[tblNotificationQueue] ADD CONSTRAINT [DF_tblNotificationQueue_nDeliveryCount] DEFAULT 0 FOR [nDeliveryCount];
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.check_constraints WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblNotificationQueue]', N'U') AND name = N'CK_tblNotificationQueue_sState')
        ALTER TABLE [dbo].[tblNotificationQueue] ADD CONSTRAINT [CK_tblNotificationQueue_sState] CHECK ([sState] IN (N'active', N'dead', N'done'));
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblNotificationQueue]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nSequence')
        )
    )
        ALTER TABLE [dbo].[tblNotificationQueue] ADD CONSTRAINT [PK_tblNotificationQueue] PRIMARY KEY ([nSequence]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblNotificationQueue]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 2 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 2 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'sMessageID', N'nRetired')
        )
    )
        ALTER TABLE [dbo].[tblNotificationQueue] ADD CONSTRAINT [UQ_tblNotificationQueue_sMessageID_nRetired] UNIQUE ([sMessageID], [nRetired]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblNotificationQueue]', N'U') AND name = N'IX_tblNotificationQueue_sState_dtVisible')
        CREATE INDEX [IX_tblNotificationQueue_sState_dtVisible] ON [dbo].[tblNotificationQueue] ([sState], [dtVisible]);
END;
GO

-- tblProblem
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblProblem]', N'U') IS NULL
        CREATE TABLE [dbo].[tblProblem] (
            [nProblemID] BIGINT NOT NULL IDENTITY,
            [sKind] NVARCHAR(40) NOT NULL,
            [nAccountID] BIGINT NULL,
            [sScope] NVARCHAR(450) NOT NULL,
            [sKey] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [nClosed] BIGINT NOT NULL CONSTRAINT [DF_tblProblem_nClosed] DEFAULT 0,
            [sSeverity] NVARCHAR(10) NOT NULL,
            [dtFirstSeen] DATETIME2(7) NOT NULL,
            [dtOpened] DATETIME2(7) NOT NULL,
            [dtLastSeen] DATETIME2(7) NOT NULL,
            [dtCleared] DATETIME2(7) NULL,
            [nCount] INTEGER NOT NULL,
            [sText] NVARCHAR(max) NOT NULL,
            [sTextPhrase] NVARCHAR(max) NULL,
            [sRemedy] NVARCHAR(max) NOT NULL,
            [sRemedyPhrase] NVARCHAR(max) NULL,
            [dtAlerted] DATETIME2(7) NULL,
            [dtRecoveryAlerted] DATETIME2(7) NULL,
            CONSTRAINT [PK_tblProblem] PRIMARY KEY ([nProblemID]),
            CONSTRAINT [CK_tblProblem_sSeverity] CHECK ([sSeverity] IN (N'warning', N'error')),
            CONSTRAINT [UQ_tblProblem_sKey_nClosed] UNIQUE ([sKey], [nClosed])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblProblem]', N'nProblemID') IS NULL
        ALTER TABLE [dbo].[tblProblem] ADD [nProblemID] BIGINT NOT NULL IDENTITY;
    IF COL_LENGTH(N'[dbo].[tblProblem]', N'sKind') IS NULL
        ALTER TABLE [dbo].[tblProblem] ADD [sKind] NVARCHAR(40) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblProblem]', N'nAccountID') IS NULL
        ALTER TABLE [dbo].[tblProblem] ADD [nAccountID] BIGINT NULL;
    IF COL_LENGTH(N'[dbo].[tblProblem]', N'sScope') IS NULL
        ALTER TABLE [dbo].[tblProblem] ADD [sScope] NVARCHAR(450) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblProblem]', N'sKey') IS NULL
        ALTER TABLE [dbo].[tblProblem] ADD [sKey] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblProblem]', N'nClosed') IS NULL
        ALTER TABLE [dbo].[tblProblem] ADD [nClosed] BIGINT NOT NULL CONSTRAINT [DF_tblProblem_nClosed] DEFAULT 0;
    IF COL_LENGTH(N'[dbo].[tblProblem]', N'sSeverity') IS NULL
        ALTER TABLE [dbo].[tblProblem] ADD [sSeverity] NVARCHAR(10) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblProblem]', N'dtFirstSeen') IS NULL
        ALTER TABLE [dbo].[tblProblem] ADD [dtFirstSeen] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblProblem]', N'dtOpened') IS NULL
        ALTER TABLE [dbo].[tblProblem] ADD [dtOpened] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblProblem]', N'dtLastSeen') IS NULL
        ALTER TABLE [dbo].[tblProblem] ADD [dtLastSeen] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblProblem]', N'dtCleared') IS NULL
        ALTER TABLE [dbo].[tblProblem] ADD [dtCleared] DATETIME2(7) NULL;
    IF COL_LENGTH(N'[dbo].[tblProblem]', N'nCount') IS NULL
        ALTER TABLE [dbo].[tblProblem] ADD [nCount] INTEGER NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblProblem]', N'sText') IS NULL
        ALTER TABLE [dbo].[tblProblem] ADD [sText] NVARCHAR(max) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblProblem]', N'sTextPhrase') IS NULL
        ALTER TABLE [dbo].[tblProblem] ADD [sTextPhrase] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblProblem]', N'sRemedy') IS NULL
        ALTER TABLE [dbo].[tblProblem] ADD [sRemedy] NVARCHAR(max) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblProblem]', N'sRemedyPhrase') IS NULL
        ALTER TABLE [dbo].[tblProblem] ADD [sRemedyPhrase] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblProblem]', N'dtAlerted') IS NULL
        ALTER TABLE [dbo].[tblProblem] ADD [dtAlerted] DATETIME2(7) NULL;
    IF COL_LENGTH(N'[dbo].[tblProblem]', N'dtRecoveryAlerted') IS NULL
        ALTER TABLE [dbo].[tblProblem] ADD [dtRecoveryAlerted] DATETIME2(7) NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF EXISTS (
        SELECT 1 FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = N'dbo' AND TABLE_NAME = N'tblProblem'
        AND COLUMN_NAME = N'nClosed' AND COLUMN_DEFAULT IS NULL
    )
        ALTER TABLE [dbo].[tblProblem] ADD CONSTRAINT [DF_tblProblem_nClosed] DEFAULT 0 FOR [nClosed];
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.check_constraints WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblProblem]', N'U') AND name = N'CK_tblProblem_sSeverity')
        ALTER TABLE [dbo].[tblProblem] ADD CONSTRAINT [CK_tblProblem_sSeverity] CHECK ([sSeverity] IN (N'warning', N'error'));
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblProblem]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nProblemID')
        )
    )
        ALTER TABLE [dbo].[tblProblem] ADD CONSTRAINT [PK_tblProblem] PRIMARY KEY ([nProblemID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblProblem]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 2 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 2 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'sKey', N'nClosed')
        )
    )
        ALTER TABLE [dbo].[tblProblem] ADD CONSTRAINT [UQ_tblProblem_sKey_nClosed] UNIQUE ([sKey], [nClosed]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblProblem]', N'U') AND name = N'IX_tblProblem_dtCleared')
        CREATE INDEX [IX_tblProblem_dtCleared] ON [dbo].[tblProblem] ([dtCleared]);
END;
GO

-- tblProcess
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblProcess]', N'U') IS NULL
        CREATE TABLE [dbo].[tblProcess] (
            [sProcess] NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [sHost] NVARCHAR(100) NOT NULL,
            [sRoles] NVARCHAR(200) NOT NULL,
            [sVersion] NVARCHAR(50) NOT NULL,
            [dtStarted] DATETIME2(7) NOT NULL,
            [dtHeartbeat] DATETIME2(7) NOT NULL,
            [dtLeaseUntil] DATETIME2(7) NOT NULL,
            CONSTRAINT [PK_tblProcess] PRIMARY KEY ([sProcess])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblProcess]', N'sProcess') IS NULL
        ALTER TABLE [dbo].[tblProcess] ADD [sProcess] NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblProcess]', N'sHost') IS NULL
        ALTER TABLE [dbo].[tblProcess] ADD [sHost] NVARCHAR(100) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblProcess]', N'sRoles') IS NULL
        ALTER TABLE [dbo].[tblProcess] ADD [sRoles] NVARCHAR(200) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblProcess]', N'sVersion') IS NULL
        ALTER TABLE [dbo].[tblProcess] ADD [sVersion] NVARCHAR(50) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblProcess]', N'dtStarted') IS NULL
        ALTER TABLE [dbo].[tblProcess] ADD [dtStarted] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblProcess]', N'dtHeartbeat') IS NULL
        ALTER TABLE [dbo].[tblProcess] ADD [dtHeartbeat] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblProcess]', N'dtLeaseUntil') IS NULL
        ALTER TABLE [dbo].[tblProcess] ADD [dtLeaseUntil] DATETIME2(7) NOT NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblProcess]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'sProcess')
        )
    )
        ALTER TABLE [dbo].[tblProcess] ADD CONSTRAINT [PK_tblProcess] PRIMARY KEY ([sProcess]);
END;
GO

-- tblQueueAudit
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblQueueAudit]', N'U') IS NULL
        CREATE TABLE [dbo].[tblQueueAudit] (
            [nAuditID] BIGINT NOT NULL IDENTITY,
            [sAction] NVARCHAR(20) NOT NULL,
            [sWho] NVARCHAR(200) NOT NULL,
            [sHost] NVARCHAR(100) NOT NULL,
            [sQueue] NVARCHAR(400) NOT NULL,
            [sSelection] NVARCHAR(max) NOT NULL,
            [sWhy] NVARCHAR(max) NULL,
            [dtStarted] DATETIME2(7) NOT NULL,
            [dtEnded] DATETIME2(7) NULL,
            [nMessages] INTEGER NOT NULL CONSTRAINT [DF_tblQueueAudit_nMessages] DEFAULT 0,
            CONSTRAINT [PK_tblQueueAudit] PRIMARY KEY ([nAuditID])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblQueueAudit]', N'nAuditID') IS NULL
        ALTER TABLE [dbo].[tblQueueAudit] ADD [nAuditID] BIGINT NOT NULL IDENTITY;
    IF COL_LENGTH(N'[dbo].[tblQueueAudit]', N'sAction') IS NULL
        ALTER TABLE [dbo].[tblQueueAudit] ADD [sAction] NVARCHAR(20) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblQueueAudit]', N'sWho') IS NULL
        ALTER TABLE [dbo].[tblQueueAudit] ADD [sWho] NVARCHAR(200) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblQueueAudit]', N'sHost') IS NULL
        ALTER TABLE [dbo].[tblQueueAudit] ADD [sHost] NVARCHAR(100) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblQueueAudit]', N'sQueue') IS NULL
        ALTER TABLE [dbo].[tblQueueAudit] ADD [sQueue] NVARCHAR(400) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblQueueAudit]', N'sSelection') IS NULL
        ALTER TABLE [dbo].[tblQueueAudit] ADD [sSelection] NVARCHAR(max) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblQueueAudit]', N'sWhy') IS NULL
        ALTER TABLE [dbo].[tblQueueAudit] ADD [sWhy] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblQueueAudit]', N'dtStarted') IS NULL
        ALTER TABLE [dbo].[tblQueueAudit] ADD [dtStarted] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblQueueAudit]', N'dtEnded') IS NULL
        ALTER TABLE [dbo].[tblQueueAudit] ADD [dtEnded] DATETIME2(7) NULL;
    IF COL_LENGTH(N'[dbo].[tblQueueAudit]', N'nMessages') IS NULL
        ALTER TABLE [dbo].[tblQueueAudit] ADD [nMessages] INTEGER NOT NULL CONSTRAINT [DF_tblQueueAudit_nMessages] DEFAULT 0;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF EXISTS (
        SELECT 1 FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = N'dbo' AND TABLE_NAME = N'tblQueueAudit'
        AND COLUMN_NAME = N'nMessages' AND COLUMN_DEFAULT IS NULL
    )
        ALTER TABLE [dbo].[tblQueueAudit] ADD CONSTRAINT [DF_tblQueueAudit_nMessages] DEFAULT 0 FOR [nMessages];
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblQueueAudit]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nAuditID')
        )
    )
        ALTER TABLE [dbo].[tblQueueAudit] ADD CONSTRAINT [PK_tblQueueAudit] PRIMARY KEY ([nAuditID]);
END;
GO

-- tblServiceOutage
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblServiceOutage]', N'U') IS NULL
        CREATE TABLE [dbo].[tblServiceOutage] (
            [sProcess] NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [sService] NVARCHAR(20) NOT NULL,
            [dtSince] DATETIME2(7) NOT NULL,
            [dtSeen] DATETIME2(7) NOT NULL,
            [nAccounts] INTEGER NOT NULL,
            [sDetail] NVARCHAR(max) NOT NULL,
            [sDetailPhrase] NVARCHAR(max) NULL,
            CONSTRAINT [PK_tblServiceOutage] PRIMARY KEY ([sProcess], [sService])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblServiceOutage]', N'sProcess') IS NULL
        ALTER TABLE [dbo].[tblServiceOutage] ADD [sProcess] NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblServiceOutage]', N'sService') IS NULL
        ALTER TABLE [dbo].[tblServiceOutage] ADD [sService] NVARCHAR(20) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblServiceOutage]', N'dtSince') IS NULL
        ALTER TABLE [dbo].[tblServiceOutage] ADD [dtSince] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblServiceOutage]', N'dtSeen') IS NULL
        ALTER TABLE [dbo].[tblServiceOutage] ADD [dtSeen] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblServiceOutage]', N'nAccounts') IS NULL
        ALTER TABLE [dbo].[tblServiceOutage] ADD [nAccounts] INTEGER NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblServiceOutage]', N'sDetail') IS NULL
        ALTER TABLE [dbo].[tblServiceOutage] ADD [sDetail] NVARCHAR(max) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblServiceOutage]', N'sDetailPhrase') IS NULL
        ALTER TABLE [dbo].[tblServiceOutage] ADD [sDetailPhrase] NVARCHAR(max) NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblServiceOutage]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 2 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 2 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'sProcess', N'sService')
        )
    )
        ALTER TABLE [dbo].[tblServiceOutage] ADD CONSTRAINT [PK_tblServiceOutage] PRIMARY KEY ([sProcess], [sService]);
END;
GO

-- tblSubscriptionSchedule
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblSubscriptionSchedule]', N'U') IS NULL
        CREATE TABLE [dbo].[tblSubscriptionSchedule] (
            [nAccountID] BIGINT NOT NULL,
            [dtDue] DATETIME2(7) NOT NULL,
            [sOwner] NVARCHAR(100) NULL,
            [dtLeaseUntil] DATETIME2(7) NULL,
            [nFailures] INTEGER NOT NULL CONSTRAINT [DF_tblSubscriptionSchedule_nFailures] DEFAULT 0,
            [nRequests] INTEGER NOT NULL CONSTRAINT [DF_tblSubscriptionSchedule_nRequests] DEFAULT 0,
            [sAttemptFingerprint] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NULL,
            [dtReauthorize] DATETIME2(7) NULL,
            [bRecreate] BIT NOT NULL CONSTRAINT [DF_tblSubscriptionSchedule_bRecreate] DEFAULT 0,
            [sServed] NVARCHAR(1300) COLLATE Latin1_General_100_BIN2 NULL,
            [sServedWith] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NULL,
            CONSTRAINT [PK_tblSubscriptionSchedule] PRIMARY KEY ([nAccountID])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblSubscriptionSchedule]', N'nAccountID') IS NULL
        ALTER TABLE [dbo].[tblSubscriptionSchedule] ADD [nAccountID] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblSubscriptionSchedule]', N'dtDue') IS NULL
        ALTER TABLE [dbo].[tblSubscriptionSchedule] ADD [dtDue] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblSubscriptionSchedule]', N'sOwner') IS NULL
        ALTER TABLE [dbo].[tblSubscriptionSchedule] ADD [sOwner] NVARCHAR(100) NULL;
    IF COL_LENGTH(N'[dbo].[tblSubscriptionSchedule]', N'dtLeaseUntil') IS NULL
        ALTER TABLE [dbo].[tblSubscriptionSchedule] ADD [dtLeaseUntil] DATETIME2(7) NULL;
    IF COL_LENGTH(N'[dbo].[tblSubscriptionSchedule]', N'nFailures') IS NULL
        ALTER TABLE [dbo].[tblSubscriptionSchedule] ADD [nFailures] INTEGER NOT NULL CONSTRAINT [DF_tblSubscriptionSchedule_nFailures] DEFAULT 0;
    IF COL_LENGTH(N'[dbo].[tblSubscriptionSchedule]', N'nRequests') IS NULL
        ALTER TABLE [dbo].[tblSubscriptionSchedule] ADD [nRequests] INTEGER NOT NULL CONSTRAINT [DF_tblSubscriptionSchedule_nRequests] DEFAULT 0;
    IF COL_LENGTH(N'[dbo].[tblSubscriptionSchedule]', N'sAttemptFingerprint') IS NULL
        ALTER TABLE [dbo].[tblSubscriptionSchedule] ADD [sAttemptFingerprint] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NULL;
    IF COL_LENGTH(N'[dbo].[tblSubscriptionSchedule]', N'dtReauthorize') IS NULL
        ALTER TABLE [dbo].[tblSubscriptionSchedule] ADD [dtReauthorize] DATETIME2(7) NULL;
    IF COL_LENGTH(N'[dbo].[tblSubscriptionSchedule]', N'bRecreate') IS NULL
        ALTER TABLE [dbo].[tblSubscriptionSchedule] ADD [bRecreate] BIT NOT NULL CONSTRAINT [DF_tblSubscriptionSchedule_bRecreate] DEFAULT 0;
    IF COL_LENGTH(N'[dbo].[tblSubscriptionSchedule]', N'sServed') IS NULL
        ALTER TABLE [dbo].[tblSubscriptionSchedule] ADD [sServed] NVARCHAR(1300) COLLATE Latin1_General_100_BIN2 NULL;
    IF COL_LENGTH(N'[dbo].[tblSubscriptionSchedule]', N'sServedWith') IS NULL
        ALTER TABLE [dbo].[tblSubscriptionSchedule] ADD [sServedWith] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF EXISTS (
        SELECT 1 FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = N'dbo' AND TABLE_NAME = N'tblSubscriptionSchedule'
        AND COLUMN_NAME = N'nFailures' AND COLUMN_DEFAULT IS NULL
    )
        ALTER TABLE [dbo].[tblSubscriptionSchedule] ADD CONSTRAINT [DF_tblSubscriptionSchedule_nFailures] DEFAULT 0 FOR [nFailures];
    IF EXISTS (
        SELECT 1 FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = N'dbo' AND TABLE_NAME = N'tblSubscriptionSchedule'
        AND COLUMN_NAME = N'nRequests' AND COLUMN_DEFAULT IS NULL
    )
        ALTER TABLE [dbo].[tblSubscriptionSchedule] ADD CONSTRAINT [DF_tblSubscriptionSchedule_nRequests] DEFAULT 0 FOR [nRequests];
    IF EXISTS (
        SELECT 1 FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = N'dbo' AND TABLE_NAME = N'tblSubscriptionSchedule'
        AND COLUMN_NAME = N'bRecreate' AND COLUMN_DEFAULT IS NULL
    )
        ALTER TABLE [dbo].[tblSubscriptionSchedule] ADD CONSTRAINT [DF_tblSubscriptionSchedule_bRecreate] DEFAULT 0 FOR [bRecreate];
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblSubscriptionSchedule]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nAccountID')
        )
    )
        ALTER TABLE [dbo].[tblSubscriptionSchedule] ADD CONSTRAINT [PK_tblSubscriptionSchedule] PRIMARY KEY ([nAccountID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblSubscriptionSchedule]', N'U') AND name = N'IX_tblSubscriptionSchedule_dtDue')
        CREATE INDEX [IX_tblSubscriptionSchedule_dtDue] ON [dbo].[tblSubscriptionSchedule] ([dtDue]);
END;
GO

-- tblConsoleToken
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblConsoleToken]', N'U') IS NULL
        CREATE TABLE [dbo].[tblConsoleToken] (
            [nTokenID] BIGINT NOT NULL IDENTITY,
            [nUserID] BIGINT NOT NULL,
            [sTokenHash] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [sTokenName] NVARCHAR(100) NOT NULL,
            [dtCreated] DATETIME2(7) NOT NULL,
            [dtExpires] DATETIME2(7) NOT NULL,
            CONSTRAINT [PK_tblConsoleToken] PRIMARY KEY ([nTokenID]),
            CONSTRAINT [FK_tblConsoleToken_nUserID] FOREIGN KEY([nUserID]) REFERENCES [dbo].[tblConsoleUser] ([nUserID]) ON DELETE CASCADE,
            CONSTRAINT [UQ_tblConsoleToken_sTokenHash] UNIQUE ([sTokenHash])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblConsoleToken]', N'nTokenID') IS NULL
        ALTER TABLE [dbo].[tblConsoleToken] ADD [nTokenID] BIGINT NOT NULL IDENTITY;
    IF COL_LENGTH(N'[dbo].[tblConsoleToken]', N'nUserID') IS NULL
        ALTER TABLE [dbo].[tblConsoleToken] ADD [nUserID] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleToken]', N'sTokenHash') IS NULL
        ALTER TABLE [dbo].[tblConsoleToken] ADD [sTokenHash] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleToken]', N'sTokenName') IS NULL
        ALTER TABLE [dbo].[tblConsoleToken] ADD [sTokenName] NVARCHAR(100) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleToken]', N'dtCreated') IS NULL
        ALTER TABLE [dbo].[tblConsoleToken] ADD [dtCreated] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblConsoleToken]', N'dtExpires') IS NULL
        ALTER TABLE [dbo].[tblConsoleToken] ADD [dtExpires] DATETIME2(7) NOT NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.foreign_keys WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblConsoleToken]', N'U') AND name = N'FK_tblConsoleToken_nUserID')
        ALTER TABLE [dbo].[tblConsoleToken] ADD CONSTRAINT [FK_tblConsoleToken_nUserID] FOREIGN KEY([nUserID]) REFERENCES [dbo].[tblConsoleUser] ([nUserID]) ON DELETE CASCADE;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblConsoleToken]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nTokenID')
        )
    )
        ALTER TABLE [dbo].[tblConsoleToken] ADD CONSTRAINT [PK_tblConsoleToken] PRIMARY KEY ([nTokenID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblConsoleToken]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'sTokenHash')
        )
    )
        ALTER TABLE [dbo].[tblConsoleToken] ADD CONSTRAINT [UQ_tblConsoleToken_sTokenHash] UNIQUE ([sTokenHash]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblConsoleToken]', N'U') AND name = N'IX_tblConsoleToken_nUserID')
        CREATE INDEX [IX_tblConsoleToken_nUserID] ON [dbo].[tblConsoleToken] ([nUserID]);
END;
GO

-- tblEmailAttachment
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblEmailAttachment]', N'U') IS NULL
        CREATE TABLE [dbo].[tblEmailAttachment] (
            [nAttachmentID] BIGINT NOT NULL IDENTITY,
            [nMessageID] BIGINT NOT NULL,
            [nPosition] INTEGER NOT NULL,
            [sGraphAttachmentID] NVARCHAR(max) NULL,
            [sKind] NVARCHAR(20) NOT NULL,
            [sFileName] NVARCHAR(max) NULL,
            [sContentType] NVARCHAR(max) NULL,
            [nSize] BIGINT NOT NULL,
            [bInline] BIT NOT NULL,
            [sContentID] NVARCHAR(max) NULL,
            [sSHA256] NVARCHAR(64) NULL,
            [sState] NVARCHAR(20) NOT NULL CONSTRAINT [DF_tblEmailAttachment_sState] DEFAULT N'stored',
            [sStateDetail] NVARCHAR(max) NULL,
            [sSafeFileName] NVARCHAR(200) NULL,
            [sItemType] NVARCHAR(20) NULL,
            [sLink] NVARCHAR(max) NULL,
            [sLinkProvider] NVARCHAR(100) NULL,
            [sLinkPermission] NVARCHAR(100) NULL,
            [sContentLocation] NVARCHAR(max) NULL,
            [nParentPosition] INTEGER NULL,
            [sOrigin] NVARCHAR(20) NOT NULL CONSTRAINT [DF_tblEmailAttachment_sOrigin] DEFAULT N'graph',
            [biContent] VARBINARY(max) NULL,
            CONSTRAINT [PK_tblEmailAttachment] PRIMARY KEY ([nAttachmentID]),
            CONSTRAINT [CK_tblEmailAttachment_sKind] CHECK ([sKind] IN (N'file', N'item', N'reference')),
            CONSTRAINT [CK_tblEmailAttachment_sState] CHECK ([sState] IN (N'stored', N'linked', N'too_large', N'unreadable', N'gone')),
            CONSTRAINT [FK_tblEmailAttachment_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES [dbo].[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE,
            CONSTRAINT [UQ_tblEmailAttachment_nMessageID_nPosition] UNIQUE ([nMessageID], [nPosition])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblEmailAttachment]', N'nAttachmentID') IS NULL
        ALTER TABLE [dbo].[tblEmailAttachment] ADD [nAttachmentID] BIGINT NOT NULL IDENTITY;
    IF COL_LENGTH(N'[dbo].[tblEmailAttachment]', N'nMessageID') IS NULL
        ALTER TABLE [dbo].[tblEmailAttachment] ADD [nMessageID] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAttachment]', N'nPosition') IS NULL
        ALTER TABLE [dbo].[tblEmailAttachment] ADD [nPosition] INTEGER NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAttachment]', N'sGraphAttachmentID') IS NULL
        ALTER TABLE [dbo].[tblEmailAttachment] ADD [sGraphAttachmentID] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAttachment]', N'sKind') IS NULL
        ALTER TABLE [dbo].[tblEmailAttachment] ADD [sKind] NVARCHAR(20) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAttachment]', N'sFileName') IS NULL
        ALTER TABLE [dbo].[tblEmailAttachment] ADD [sFileName] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAttachment]', N'sContentType') IS NULL
        ALTER TABLE [dbo].[tblEmailAttachment] ADD [sContentType] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAttachment]', N'nSize') IS NULL
        ALTER TABLE [dbo].[tblEmailAttachment] ADD [nSize] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAttachment]', N'bInline') IS NULL
        ALTER TABLE [dbo].[tblEmailAttachment] ADD [bInline] BIT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAttachment]', N'sContentID') IS NULL
        ALTER TABLE [dbo].[tblEmailAttachment] ADD [sContentID] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAttachment]', N'sSHA256') IS NULL
        ALTER TABLE [dbo].[tblEmailAttachment] ADD [sSHA256] NVARCHAR(64) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAttachment]', N'sState') IS NULL
        ALTER TABLE [dbo].[tblEmailAttachment] ADD [sState] NVARCHAR(20) NOT NULL CONSTRAINT [DF_tblEmailAttachment_sState] DEFAULT N'stored';
    IF COL_LENGTH(N'[dbo].[tblEmailAttachment]', N'sStateDetail') IS NULL
        ALTER TABLE [dbo].[tblEmailAttachment] ADD [sStateDetail] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAttachment]', N'sSafeFileName') IS NULL
        ALTER TABLE [dbo].[tblEmailAttachment] ADD [sSafeFileName] NVARCHAR(200) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAttachment]', N'sItemType') IS NULL
        ALTER TABLE [dbo].[tblEmailAttachment] ADD [sItemType] NVARCHAR(20) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAttachment]', N'sLink') IS NULL
        ALTER TABLE [dbo].[tblEmailAttachment] ADD [sLink] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAttachment]', N'sLinkProvider') IS NULL
        ALTER TABLE [dbo].[tblEmailAttachment] ADD [sLinkProvider] NVARCHAR(100) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAttachment]', N'sLinkPermission') IS NULL
        ALTER TABLE [dbo].[tblEmailAttachment] ADD [sLinkPermission] NVARCHAR(100) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAttachment]', N'sContentLocation') IS NULL
        ALTER TABLE [dbo].[tblEmailAttachment] ADD [sContentLocation] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailAttachment]', N'nParentPosition') IS NULL
        ALTER TABLE [dbo].[tblEmailAttachment] ADD [nParentPosition] INTEGER NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblEmailAttachment]', N'sOrigin') IS NULL
        ALTER TABLE [dbo].[tblEmailAttachment] ADD [sOrigin] NVARCHAR(20) NOT NULL CONSTRAINT [DF_tblEmailAttachment_sOrigin] DEFAULT N'graph';
    IF COL_LENGTH(N'[dbo].[tblEmailAttachment]', N'biContent') IS NULL
        ALTER TABLE [dbo].[tblEmailAttachment] ADD [biContent] VARBINARY(max) NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF EXISTS (
        SELECT 1 FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = N'dbo' AND TABLE_NAME = N'tblEmailAttachment'
        AND COLUMN_NAME = N'sState' AND COLUMN_DEFAULT IS NULL
    )
        ALTER TABLE [dbo].[tblEmailAttachment] ADD CONSTRAINT [DF_tblEmailAttachment_sState] DEFAULT N'stored' FOR [sState];
    IF EXISTS (
        SELECT 1 FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = N'dbo' AND TABLE_NAME = N'tblEmailAttachment'
        AND COLUMN_NAME = N'sOrigin' AND COLUMN_DEFAULT IS NULL
    )
        ALTER TABLE [dbo].[tblEmailAttachment] ADD CONSTRAINT [DF_tblEmailAttachment_sOrigin] DEFAULT N'graph' FOR [sOrigin];
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.check_constraints WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblEmailAttachment]', N'U') AND name = N'CK_tblEmailAttachment_sKind')
        ALTER TABLE [dbo].[tblEmailAttachment] ADD CONSTRAINT [CK_tblEmailAttachment_sKind] CHECK ([sKind] IN (N'file', N'item', N'reference'));
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.check_constraints WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblEmailAttachment]', N'U') AND name = N'CK_tblEmailAttachment_sState')
        ALTER TABLE [dbo].[tblEmailAttachment] ADD CONSTRAINT [CK_tblEmailAttachment_sState] CHECK ([sState] IN (N'stored', N'linked', N'too_large', N'unreadable', N'gone'));
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.foreign_keys WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblEmailAttachment]', N'U') AND name = N'FK_tblEmailAttachment_nMessageID')
        ALTER TABLE [dbo].[tblEmailAttachment] ADD CONSTRAINT [FK_tblEmailAttachment_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES [dbo].[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailAttachment]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nAttachmentID')
        )
    )
        ALTER TABLE [dbo].[tblEmailAttachment] ADD CONSTRAINT [PK_tblEmailAttachment] PRIMARY KEY ([nAttachmentID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailAttachment]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 2 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 2 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nMessageID', N'nPosition')
        )
    )
        ALTER TABLE [dbo].[tblEmailAttachment] ADD CONSTRAINT [UQ_tblEmailAttachment_nMessageID_nPosition] UNIQUE ([nMessageID], [nPosition]);
END;
GO

-- tblEmailDuplicate
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblEmailDuplicate]', N'U') IS NULL
        CREATE TABLE [dbo].[tblEmailDuplicate] (
            [nDuplicateID] BIGINT NOT NULL IDENTITY,
            [nAccountID] BIGINT NOT NULL,
            [sGraphMessageID] NVARCHAR(700) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [nMessageID] BIGINT NOT NULL,
            [dtSeen] DATETIME2(7) NOT NULL,
            [sReason] NVARCHAR(100) NOT NULL,
            CONSTRAINT [PK_tblEmailDuplicate] PRIMARY KEY ([nDuplicateID]),
            CONSTRAINT [FK_tblEmailDuplicate_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES [dbo].[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE,
            CONSTRAINT [UQ_tblEmailDuplicate_nAccountID_sGraphMessageID] UNIQUE ([nAccountID], [sGraphMessageID])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblEmailDuplicate]', N'nDuplicateID') IS NULL
        ALTER TABLE [dbo].[tblEmailDuplicate] ADD [nDuplicateID] BIGINT NOT NULL IDENTITY;
    IF COL_LENGTH(N'[dbo].[tblEmailDuplicate]', N'nAccountID') IS NULL
        ALTER TABLE [dbo].[tblEmailDuplicate] ADD [nAccountID] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailDuplicate]', N'sGraphMessageID') IS NULL
        ALTER TABLE [dbo].[tblEmailDuplicate] ADD [sGraphMessageID] NVARCHAR(700) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailDuplicate]', N'nMessageID') IS NULL
        ALTER TABLE [dbo].[tblEmailDuplicate] ADD [nMessageID] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailDuplicate]', N'dtSeen') IS NULL
        ALTER TABLE [dbo].[tblEmailDuplicate] ADD [dtSeen] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailDuplicate]', N'sReason') IS NULL
        ALTER TABLE [dbo].[tblEmailDuplicate] ADD [sReason] NVARCHAR(100) NOT NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.foreign_keys WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblEmailDuplicate]', N'U') AND name = N'FK_tblEmailDuplicate_nMessageID')
        ALTER TABLE [dbo].[tblEmailDuplicate] ADD CONSTRAINT [FK_tblEmailDuplicate_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES [dbo].[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailDuplicate]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nDuplicateID')
        )
    )
        ALTER TABLE [dbo].[tblEmailDuplicate] ADD CONSTRAINT [PK_tblEmailDuplicate] PRIMARY KEY ([nDuplicateID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailDuplicate]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 2 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 2 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nAccountID', N'sGraphMessageID')
        )
    )
        ALTER TABLE [dbo].[tblEmailDuplicate] ADD CONSTRAINT [UQ_tblEmailDuplicate_nAccountID_sGraphMessageID] UNIQUE ([nAccountID], [sGraphMessageID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblEmailDuplicate]', N'U') AND name = N'IX_tblEmailDuplicate_nMessageID')
        CREATE INDEX [IX_tblEmailDuplicate_nMessageID] ON [dbo].[tblEmailDuplicate] ([nMessageID]);
END;
GO

-- tblEmailFile
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblEmailFile]', N'U') IS NULL
        CREATE TABLE [dbo].[tblEmailFile] (
            [nFileID] BIGINT NOT NULL IDENTITY,
            [nMessageID] BIGINT NOT NULL,
            [nRuleID] BIGINT NOT NULL,
            [nRun] INTEGER NOT NULL CONSTRAINT [DF_tblEmailFile_nRun] DEFAULT 0,
            [sKey] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [sPart] NVARCHAR(10) NOT NULL,
            [nPosition] INTEGER NULL,
            [sMember] NVARCHAR(max) NULL,
            [nMember] INTEGER NULL,
            [nDataFileID] BIGINT NULL,
            [sFolder] NVARCHAR(1000) NOT NULL,
            [sFolderKey] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [sFileName] NVARCHAR(255) NOT NULL,
            [sTargetPath] NVARCHAR(max) NULL,
            [sState] NVARCHAR(10) NOT NULL,
            [nAttempts] INTEGER NOT NULL CONSTRAINT [DF_tblEmailFile_nAttempts] DEFAULT 0,
            [sReason] NVARCHAR(100) NULL,
            [sDetail] NVARCHAR(max) NULL,
            [sDetailPhrase] NVARCHAR(max) NULL,
            [nSize] BIGINT NULL,
            [sSHA256] NVARCHAR(64) NULL,
            [dtCreated] DATETIME2(7) NOT NULL,
            [dtDue] DATETIME2(7) NULL,
            [dtRetryUntil] DATETIME2(7) NOT NULL,
            [dtSaved] DATETIME2(7) NULL,
            [sOwner] NVARCHAR(100) NULL,
            [sToken] NVARCHAR(32) NULL,
            [sFolderIdentity] NVARCHAR(100) NULL,
            CONSTRAINT [PK_tblEmailFile] PRIMARY KEY ([nFileID]),
            CONSTRAINT [CK_tblEmailFile_sPart] CHECK ([sPart] IN (N'attachment', N'zip', N'text', N'html', N'original', N'metadata')),
            CONSTRAINT [CK_tblEmailFile_sState] CHECK ([sState] IN (N'pending', N'saved', N'failed', N'skipped')),
            CONSTRAINT [FK_tblEmailFile_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES [dbo].[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE,
            CONSTRAINT [UQ_tblEmailFile_nMessageID_nRuleID_nRun_sKey] UNIQUE ([nMessageID], [nRuleID], [nRun], [sKey])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'nFileID') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [nFileID] BIGINT NOT NULL IDENTITY;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'nMessageID') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [nMessageID] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'nRuleID') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [nRuleID] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'nRun') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [nRun] INTEGER NOT NULL CONSTRAINT [DF_tblEmailFile_nRun] DEFAULT 0;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'sKey') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [sKey] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'sPart') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [sPart] NVARCHAR(10) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'nPosition') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [nPosition] INTEGER NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'sMember') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [sMember] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'nMember') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [nMember] INTEGER NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'nDataFileID') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [nDataFileID] BIGINT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'sFolder') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [sFolder] NVARCHAR(1000) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'sFolderKey') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [sFolderKey] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'sFileName') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [sFileName] NVARCHAR(255) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'sTargetPath') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [sTargetPath] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'sState') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [sState] NVARCHAR(10) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'nAttempts') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [nAttempts] INTEGER NOT NULL CONSTRAINT [DF_tblEmailFile_nAttempts] DEFAULT 0;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'sReason') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [sReason] NVARCHAR(100) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'sDetail') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [sDetail] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'sDetailPhrase') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [sDetailPhrase] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'nSize') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [nSize] BIGINT NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'sSHA256') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [sSHA256] NVARCHAR(64) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'dtCreated') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [dtCreated] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'dtDue') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [dtDue] DATETIME2(7) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'dtRetryUntil') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [dtRetryUntil] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'dtSaved') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [dtSaved] DATETIME2(7) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'sOwner') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [sOwner] NVARCHAR(100) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'sToken') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [sToken] NVARCHAR(32) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailFile]', N'sFolderIdentity') IS NULL
        ALTER TABLE [dbo].[tblEmailFile] ADD [sFolderIdentity] NVARCHAR(100) NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF EXISTS (
        SELECT 1 FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = N'dbo' AND TABLE_NAME = N'tblEmailFile'
        AND COLUMN_NAME = N'nRun' AND COLUMN_DEFAULT IS NULL
    )
        ALTER TABLE [dbo].[tblEmailFile] ADD CONSTRAINT [DF_tblEmailFile_nRun] DEFAULT 0 FOR [nRun];
    IF EXISTS (
        SELECT 1 FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = N'dbo' AND TABLE_NAME = N'tblEmailFile'
        AND COLUMN_NAME = N'nAttempts' AND COLUMN_DEFAULT IS NULL
    )
        ALTER TABLE [dbo].[tblEmailFile] ADD CONSTRAINT [DF_tblEmailFile_nAttempts] DEFAULT 0 FOR [nAttempts];
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.check_constraints WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblEmailFile]', N'U') AND name = N'CK_tblEmailFile_sPart')
        ALTER TABLE [dbo].[tblEmailFile] ADD CONSTRAINT [CK_tblEmailFile_sPart] CHECK ([sPart] IN (N'attachment', N'zip', N'text', N'html', N'original', N'metadata'));
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.check_constraints WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblEmailFile]', N'U') AND name = N'CK_tblEmailFile_sState')
        ALTER TABLE [dbo].[tblEmailFile] ADD CONSTRAINT [CK_tblEmailFile_sState] CHECK ([sState] IN (N'pending', N'saved', N'failed', N'skipped'));
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.foreign_keys WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblEmailFile]', N'U') AND name = N'FK_tblEmailFile_nMessageID')
        ALTER TABLE [dbo].[tblEmailFile] ADD CONSTRAINT [FK_tblEmailFile_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES [dbo].[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailFile]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nFileID')
        )
    )
        ALTER TABLE [dbo].[tblEmailFile] ADD CONSTRAINT [PK_tblEmailFile] PRIMARY KEY ([nFileID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailFile]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 4 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 4 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nMessageID', N'nRuleID', N'nRun', N'sKey')
        )
    )
        ALTER TABLE [dbo].[tblEmailFile] ADD CONSTRAINT [UQ_tblEmailFile_nMessageID_nRuleID_nRun_sKey] UNIQUE ([nMessageID], [nRuleID], [nRun], [sKey]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblEmailFile]', N'U') AND name = N'IX_tblEmailFile_dtSaved')
        CREATE INDEX [IX_tblEmailFile_dtSaved] ON [dbo].[tblEmailFile] ([dtSaved], [sFolderKey]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblEmailFile]', N'U') AND name = N'IX_tblEmailFile_nDataFileID')
        CREATE INDEX [IX_tblEmailFile_nDataFileID] ON [dbo].[tblEmailFile] ([nDataFileID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblEmailFile]', N'U') AND name = N'IX_tblEmailFile_sFolderKey')
        CREATE INDEX [IX_tblEmailFile_sFolderKey] ON [dbo].[tblEmailFile] ([sState], [sFolderKey], [dtDue], [nAttempts], [nRuleID], [nFileID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblEmailFile]', N'U') AND name = N'IX_tblEmailFile_sState')
        CREATE INDEX [IX_tblEmailFile_sState] ON [dbo].[tblEmailFile] ([sState], [dtDue], [sFolderKey]);
END;
GO

-- tblEmailHeader
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblEmailHeader]', N'U') IS NULL
        CREATE TABLE [dbo].[tblEmailHeader] (
            [nMessageID] BIGINT NOT NULL,
            [nPosition] INTEGER NOT NULL,
            [sName] NVARCHAR(max) NOT NULL,
            [sValue] NVARCHAR(max) NULL,
            CONSTRAINT [PK_tblEmailHeader] PRIMARY KEY ([nMessageID], [nPosition]),
            CONSTRAINT [FK_tblEmailHeader_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES [dbo].[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblEmailHeader]', N'nMessageID') IS NULL
        ALTER TABLE [dbo].[tblEmailHeader] ADD [nMessageID] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailHeader]', N'nPosition') IS NULL
        ALTER TABLE [dbo].[tblEmailHeader] ADD [nPosition] INTEGER NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailHeader]', N'sName') IS NULL
        ALTER TABLE [dbo].[tblEmailHeader] ADD [sName] NVARCHAR(max) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailHeader]', N'sValue') IS NULL
        ALTER TABLE [dbo].[tblEmailHeader] ADD [sValue] NVARCHAR(max) NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.foreign_keys WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblEmailHeader]', N'U') AND name = N'FK_tblEmailHeader_nMessageID')
        ALTER TABLE [dbo].[tblEmailHeader] ADD CONSTRAINT [FK_tblEmailHeader_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES [dbo].[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailHeader]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 2 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 2 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nMessageID', N'nPosition')
        )
    )
        ALTER TABLE [dbo].[tblEmailHeader] ADD CONSTRAINT [PK_tblEmailHeader] PRIMARY KEY ([nMessageID], [nPosition]);
END;
GO

-- tblEmailIdentity
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblEmailIdentity]', N'U') IS NULL
        CREATE TABLE [dbo].[tblEmailIdentity] (
            [nMessageID] BIGINT NOT NULL,
            [nAccountID] BIGINT NOT NULL,
            [sIdentity] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
            CONSTRAINT [PK_tblEmailIdentity] PRIMARY KEY ([nMessageID]),
            CONSTRAINT [FK_tblEmailIdentity_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES [dbo].[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE,
            CONSTRAINT [UQ_tblEmailIdentity_nAccountID_sIdentity] UNIQUE ([nAccountID], [sIdentity])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblEmailIdentity]', N'nMessageID') IS NULL
        ALTER TABLE [dbo].[tblEmailIdentity] ADD [nMessageID] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailIdentity]', N'nAccountID') IS NULL
        ALTER TABLE [dbo].[tblEmailIdentity] ADD [nAccountID] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailIdentity]', N'sIdentity') IS NULL
        ALTER TABLE [dbo].[tblEmailIdentity] ADD [sIdentity] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.foreign_keys WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblEmailIdentity]', N'U') AND name = N'FK_tblEmailIdentity_nMessageID')
        ALTER TABLE [dbo].[tblEmailIdentity] ADD CONSTRAINT [FK_tblEmailIdentity_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES [dbo].[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailIdentity]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nMessageID')
        )
    )
        ALTER TABLE [dbo].[tblEmailIdentity] ADD CONSTRAINT [PK_tblEmailIdentity] PRIMARY KEY ([nMessageID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailIdentity]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 2 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 2 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nAccountID', N'sIdentity')
        )
    )
        ALTER TABLE [dbo].[tblEmailIdentity] ADD CONSTRAINT [UQ_tblEmailIdentity_nAccountID_sIdentity] UNIQUE ([nAccountID], [sIdentity]);
END;
GO

-- tblEmailOriginal
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblEmailOriginal]', N'U') IS NULL
        CREATE TABLE [dbo].[tblEmailOriginal] (
            [nMessageID] BIGINT NOT NULL,
            [nSize] BIGINT NULL,
            [sSHA256] NVARCHAR(64) NULL,
            [sState] NVARCHAR(20) NOT NULL,
            [sStateDetail] NVARCHAR(max) NULL,
            [sCompression] NVARCHAR(20) NULL,
            [nStoredSize] BIGINT NOT NULL,
            [biContent] VARBINARY(max) NULL,
            CONSTRAINT [PK_tblEmailOriginal] PRIMARY KEY ([nMessageID]),
            CONSTRAINT [CK_tblEmailOriginal_sState] CHECK ([sState] IN (N'stored', N'too_large', N'unreadable', N'gone')),
            CONSTRAINT [FK_tblEmailOriginal_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES [dbo].[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblEmailOriginal]', N'nMessageID') IS NULL
        ALTER TABLE [dbo].[tblEmailOriginal] ADD [nMessageID] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailOriginal]', N'nSize') IS NULL
        ALTER TABLE [dbo].[tblEmailOriginal] ADD [nSize] BIGINT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailOriginal]', N'sSHA256') IS NULL
        ALTER TABLE [dbo].[tblEmailOriginal] ADD [sSHA256] NVARCHAR(64) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailOriginal]', N'sState') IS NULL
        ALTER TABLE [dbo].[tblEmailOriginal] ADD [sState] NVARCHAR(20) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailOriginal]', N'sStateDetail') IS NULL
        ALTER TABLE [dbo].[tblEmailOriginal] ADD [sStateDetail] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailOriginal]', N'sCompression') IS NULL
        ALTER TABLE [dbo].[tblEmailOriginal] ADD [sCompression] NVARCHAR(20) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailOriginal]', N'nStoredSize') IS NULL
        ALTER TABLE [dbo].[tblEmailOriginal] ADD [nStoredSize] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailOriginal]', N'biContent') IS NULL
        ALTER TABLE [dbo].[tblEmailOriginal] ADD [biContent] VARBINARY(max) NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.check_constraints WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblEmailOriginal]', N'U') AND name = N'CK_tblEmailOriginal_sState')
        ALTER TABLE [dbo].[tblEmailOriginal] ADD CONSTRAINT [CK_tblEmailOriginal_sState] CHECK ([sState] IN (N'stored', N'too_large', N'unreadable', N'gone'));
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.foreign_keys WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblEmailOriginal]', N'U') AND name = N'FK_tblEmailOriginal_nMessageID')
        ALTER TABLE [dbo].[tblEmailOriginal] ADD CONSTRAINT [FK_tblEmailOriginal_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES [dbo].[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailOriginal]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nMessageID')
        )
    )
        ALTER TABLE [dbo].[tblEmailOriginal] ADD CONSTRAINT [PK_tblEmailOriginal] PRIMARY KEY ([nMessageID]);
END;
GO

-- tblEmailRecipient
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblEmailRecipient]', N'U') IS NULL
        CREATE TABLE [dbo].[tblEmailRecipient] (
            [nMessageID] BIGINT NOT NULL,
            [sKind] NVARCHAR(10) NOT NULL,
            [nPosition] INTEGER NOT NULL,
            [sName] NVARCHAR(max) NULL,
            [sAddress] NVARCHAR(max) NULL,
            CONSTRAINT [PK_tblEmailRecipient] PRIMARY KEY ([nMessageID], [sKind], [nPosition]),
            CONSTRAINT [CK_tblEmailRecipient_sKind] CHECK ([sKind] IN (N'to', N'cc', N'bcc', N'replyTo')),
            CONSTRAINT [FK_tblEmailRecipient_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES [dbo].[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblEmailRecipient]', N'nMessageID') IS NULL
        ALTER TABLE [dbo].[tblEmailRecipient] ADD [nMessageID] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRecipient]', N'sKind') IS NULL
        ALTER TABLE [dbo].[tblEmailRecipient] ADD [sKind] NVARCHAR(10) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRecipient]', N'nPosition') IS NULL
        ALTER TABLE [dbo].[tblEmailRecipient] ADD [nPosition] INTEGER NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRecipient]', N'sName') IS NULL
        ALTER TABLE [dbo].[tblEmailRecipient] ADD [sName] NVARCHAR(max) NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailRecipient]', N'sAddress') IS NULL
        ALTER TABLE [dbo].[tblEmailRecipient] ADD [sAddress] NVARCHAR(max) NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.check_constraints WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblEmailRecipient]', N'U') AND name = N'CK_tblEmailRecipient_sKind')
        ALTER TABLE [dbo].[tblEmailRecipient] ADD CONSTRAINT [CK_tblEmailRecipient_sKind] CHECK ([sKind] IN (N'to', N'cc', N'bcc', N'replyTo'));
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.foreign_keys WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblEmailRecipient]', N'U') AND name = N'FK_tblEmailRecipient_nMessageID')
        ALTER TABLE [dbo].[tblEmailRecipient] ADD CONSTRAINT [FK_tblEmailRecipient_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES [dbo].[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailRecipient]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 3 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 3 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nMessageID', N'sKind', N'nPosition')
        )
    )
        ALTER TABLE [dbo].[tblEmailRecipient] ADD CONSTRAINT [PK_tblEmailRecipient] PRIMARY KEY ([nMessageID], [sKind], [nPosition]);
END;
GO

-- tblEmailScan
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblEmailScan]', N'U') IS NULL
        CREATE TABLE [dbo].[tblEmailScan] (
            [nScanID] BIGINT NOT NULL IDENTITY,
            [nAccountID] BIGINT NOT NULL,
            [sGraphMessageID] NVARCHAR(700) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [sLetterDigest] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [dtFirstSeen] DATETIME2(7) NOT NULL,
            [dtUntil] DATETIME2(7) NOT NULL,
            [dtNextCheck] DATETIME2(7) NOT NULL,
            [nMessageID] BIGINT NULL,
            CONSTRAINT [PK_tblEmailScan] PRIMARY KEY ([nScanID]),
            CONSTRAINT [FK_tblEmailScan_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES [dbo].[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE,
            CONSTRAINT [UQ_tblEmailScan_nAccountID_sGraphMessageID] UNIQUE ([nAccountID], [sGraphMessageID])
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblEmailScan]', N'nScanID') IS NULL
        ALTER TABLE [dbo].[tblEmailScan] ADD [nScanID] BIGINT NOT NULL IDENTITY;
    IF COL_LENGTH(N'[dbo].[tblEmailScan]', N'nAccountID') IS NULL
        ALTER TABLE [dbo].[tblEmailScan] ADD [nAccountID] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailScan]', N'sGraphMessageID') IS NULL
        ALTER TABLE [dbo].[tblEmailScan] ADD [sGraphMessageID] NVARCHAR(700) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailScan]', N'sLetterDigest') IS NULL
        ALTER TABLE [dbo].[tblEmailScan] ADD [sLetterDigest] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailScan]', N'dtFirstSeen') IS NULL
        ALTER TABLE [dbo].[tblEmailScan] ADD [dtFirstSeen] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailScan]', N'dtUntil') IS NULL
        ALTER TABLE [dbo].[tblEmailScan] ADD [dtUntil] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailScan]', N'dtNextCheck') IS NULL
        ALTER TABLE [dbo].[tblEmailScan] ADD [dtNextCheck] DATETIME2(7) NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailScan]', N'nMessageID') IS NULL
        ALTER TABLE [dbo].[tblEmailScan] ADD [nMessageID] BIGINT NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.foreign_keys WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblEmailScan]', N'U') AND name = N'FK_tblEmailScan_nMessageID')
        ALTER TABLE [dbo].[tblEmailScan] ADD CONSTRAINT [FK_tblEmailScan_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES [dbo].[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailScan]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 1 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 1 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nScanID')
        )
    )
        ALTER TABLE [dbo].[tblEmailScan] ADD CONSTRAINT [PK_tblEmailScan] PRIMARY KEY ([nScanID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailScan]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 2 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 2 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'nAccountID', N'sGraphMessageID')
        )
    )
        ALTER TABLE [dbo].[tblEmailScan] ADD CONSTRAINT [UQ_tblEmailScan_nAccountID_sGraphMessageID] UNIQUE ([nAccountID], [sGraphMessageID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblEmailScan]', N'U') AND name = N'IX_tblEmailScan_nAccountID_sLetterDigest')
        CREATE INDEX [IX_tblEmailScan_nAccountID_sLetterDigest] ON [dbo].[tblEmailScan] ([nAccountID], [sLetterDigest]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblEmailScan]', N'U') AND name = N'IX_tblEmailScan_nMessageID')
        CREATE INDEX [IX_tblEmailScan_nMessageID] ON [dbo].[tblEmailScan] ([nMessageID]);
END;
GO

-- tblEmailTaken
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[tblEmailTaken]', N'U') IS NULL
        CREATE TABLE [dbo].[tblEmailTaken] (
            [sConsumer] NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
            [nMessageID] BIGINT NOT NULL,
            [dtTaken] DATETIME2(7) NOT NULL,
            CONSTRAINT [PK_tblEmailTaken] PRIMARY KEY ([sConsumer], [nMessageID]),
            CONSTRAINT [FK_tblEmailTaken_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES [dbo].[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE,
            CONSTRAINT [FK_tblEmailTaken_sConsumer] FOREIGN KEY([sConsumer]) REFERENCES [dbo].[tblEmailConsumer] ([sConsumer]) ON DELETE CASCADE
        );
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF COL_LENGTH(N'[dbo].[tblEmailTaken]', N'sConsumer') IS NULL
        ALTER TABLE [dbo].[tblEmailTaken] ADD [sConsumer] NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailTaken]', N'nMessageID') IS NULL
        ALTER TABLE [dbo].[tblEmailTaken] ADD [nMessageID] BIGINT NOT NULL;
    IF COL_LENGTH(N'[dbo].[tblEmailTaken]', N'dtTaken') IS NULL
        ALTER TABLE [dbo].[tblEmailTaken] ADD [dtTaken] DATETIME2(7) NOT NULL;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.foreign_keys WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblEmailTaken]', N'U') AND name = N'FK_tblEmailTaken_nMessageID')
        ALTER TABLE [dbo].[tblEmailTaken] ADD CONSTRAINT [FK_tblEmailTaken_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES [dbo].[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.foreign_keys WHERE parent_object_id = OBJECT_ID(N'[dbo].[tblEmailTaken]', N'U') AND name = N'FK_tblEmailTaken_sConsumer')
        ALTER TABLE [dbo].[tblEmailTaken] ADD CONSTRAINT [FK_tblEmailTaken_sConsumer] FOREIGN KEY([sConsumer]) REFERENCES [dbo].[tblEmailConsumer] ([sConsumer]) ON DELETE CASCADE;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i WHERE i.object_id = OBJECT_ID(N'[dbo].[tblEmailTaken]', N'U')
        AND i.is_unique = 1 AND i.has_filter = 0
        AND 2 = (SELECT COUNT(*) FROM sys.index_columns AS k WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0)
        AND 2 = (
            SELECT COUNT(*) FROM sys.index_columns AS k INNER JOIN sys.columns AS c
            ON c.object_id = k.object_id AND c.column_id = k.column_id
            WHERE k.object_id = i.object_id AND k.index_id = i.index_id AND k.is_included_column = 0 AND c.name IN (N'sConsumer', N'nMessageID')
        )
    )
        ALTER TABLE [dbo].[tblEmailTaken] ADD CONSTRAINT [PK_tblEmailTaken] PRIMARY KEY ([sConsumer], [nMessageID]);
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'[dbo].[tblEmailTaken]', N'U') AND name = N'IX_tblEmailTaken_nMessageID')
        CREATE INDEX [IX_tblEmailTaken_nMessageID] ON [dbo].[tblEmailTaken] ([nMessageID]);
END;
GO

-- vEmail
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[vEmail]', N'V') IS NULL
    BEGIN
        EXEC (N'
        CREATE VIEW [dbo].[vEmail] AS SELECT 0 AS [nMessageID]
        ');
    END;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    ALTER VIEW [dbo].[vEmail] AS
    SELECT
        m.[nMessageID],
        m.[nAccountID],
        a.[sAccountName],
        COALESCE(b.[sAddress] COLLATE DATABASE_DEFAULT, a.[sUserID] COLLATE DATABASE_DEFAULT) AS [sMailbox],
        m.[sGraphMessageID],
        m.[sInternetMessageID],
        m.[sConversationID],
        m.[sSubject],
        m.[sFromName],
        m.[sFromAddress],
        m.[sSenderName],
        m.[sSenderAddress],
        m.[dtSent],
        m.[dtReceived],
        m.[dtImported],
        m.[sImportance],
        m.[sCategories],
        m.[sBodyType],
        m.[sBody],
        m.[sBodyText],
        m.[bHasAttachments],
        (SELECT COUNT(*) AS n FROM [dbo].[tblEmailAttachment] AS t WHERE t.[nMessageID] = m.[nMessageID] AND t.[nParentPosition] IS NULL) AS [nAttachments],
        m.[nSize],
        m.[sWebLink],
        m.[sRuleState],
        m.[nRulesMatched],
        m.[sAfterImport],
        m.[sAfterImportState],
        m.[sAfterImportDetail]
    FROM [dbo].[tblEmailMessage] AS m
    LEFT JOIN [dbo].[tblEmailAccountSettings] AS a ON a.[nAccountID] = m.[nAccountID]
    LEFT JOIN [dbo].[tblMailboxAddress] AS b ON b.[nAccountID] = a.[nAccountID]
        AND b.[sUserID] COLLATE DATABASE_DEFAULT = a.[sUserID] COLLATE DATABASE_DEFAULT
    ');
END;
GO

-- vEmailAttachment
IF @@TRANCOUNT > 0
BEGIN
    IF OBJECT_ID(N'[dbo].[vEmailAttachment]', N'V') IS NULL
    BEGIN
        EXEC (N'
        CREATE VIEW [dbo].[vEmailAttachment] AS SELECT 0 AS [nMessageID]
        ');
    END;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    ALTER VIEW [dbo].[vEmailAttachment] AS
    SELECT
        t.[nAttachmentID],
        t.[nMessageID],
        t.[nPosition],
        t.[nParentPosition],
        t.[sOrigin],
        t.[sKind],
        t.[sFileName],
        t.[sSafeFileName],
        t.[sContentType],
        t.[nSize],
        t.[bInline],
        t.[sContentID],
        t.[sSHA256],
        t.[sState],
        t.[sStateDetail],
        t.[sItemType],
        t.[sLink],
        m.[nAccountID],
        a.[sAccountName],
        COALESCE(b.[sAddress] COLLATE DATABASE_DEFAULT, a.[sUserID] COLLATE DATABASE_DEFAULT) AS [sMailbox],
        m.[sInternetMessageID],
        m.[sSubject],
        m.[sFromName],
        m.[sFromAddress],
        m.[dtReceived],
        m.[dtImported],
        t.[biContent]
    FROM [dbo].[tblEmailAttachment] AS t
    INNER JOIN [dbo].[tblEmailMessage] AS m ON m.[nMessageID] = t.[nMessageID]
    LEFT JOIN [dbo].[tblEmailAccountSettings] AS a ON a.[nAccountID] = m.[nAccountID]
    LEFT JOIN [dbo].[tblMailboxAddress] AS b ON b.[nAccountID] = a.[nAccountID]
        AND b.[sUserID] COLLATE DATABASE_DEFAULT = a.[sUserID] COLLATE DATABASE_DEFAULT
    ');
END;
GO

-- Columns that were there already must have a value in each row.
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblAccountCondition.sReason: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblAccountCondition] WHERE [sReason] IS NULL)
    UNION ALL SELECT N''tblAccountCondition.sDetail: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblAccountCondition] WHERE [sDetail] IS NULL)
    UNION ALL SELECT N''tblAccountCondition.dtSince: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblAccountCondition] WHERE [dtSince] IS NULL)
    UNION ALL SELECT N''tblAccountCondition.dtNextAttempt: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblAccountCondition] WHERE [dtNextAttempt] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblAlert.sTarget: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblAlert] WHERE [sTarget] IS NULL)
    UNION ALL SELECT N''tblAlert.sTargetName: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblAlert] WHERE [sTargetName] IS NULL)
    UNION ALL SELECT N''tblAlert.sState: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblAlert] WHERE [sState] IS NULL)
    UNION ALL SELECT N''tblAlert.sTitle: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblAlert] WHERE [sTitle] IS NULL)
    UNION ALL SELECT N''tblAlert.sBody: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblAlert] WHERE [sBody] IS NULL)
    UNION ALL SELECT N''tblAlert.nAttempts: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblAlert] WHERE [nAttempts] IS NULL)
    UNION ALL SELECT N''tblAlert.dtCreated: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblAlert] WHERE [dtCreated] IS NULL)
    UNION ALL SELECT N''tblAlert.dtDue: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblAlert] WHERE [dtDue] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblCallBudget.nSlot: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblCallBudget] WHERE [nSlot] IS NULL)
    UNION ALL SELECT N''tblCallBudget.nUsed: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblCallBudget] WHERE [nUsed] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblConsoleActivity.dtAt: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleActivity] WHERE [dtAt] IS NULL)
    UNION ALL SELECT N''tblConsoleActivity.sWho: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleActivity] WHERE [sWho] IS NULL)
    UNION ALL SELECT N''tblConsoleActivity.sAddress: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleActivity] WHERE [sAddress] IS NULL)
    UNION ALL SELECT N''tblConsoleActivity.sAction: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleActivity] WHERE [sAction] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblConsoleAttempt.nFailures: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleAttempt] WHERE [nFailures] IS NULL)
    UNION ALL SELECT N''tblConsoleAttempt.dtFirst: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleAttempt] WHERE [dtFirst] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblConsoleSession.sKind: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleSession] WHERE [sKind] IS NULL)
    UNION ALL SELECT N''tblConsoleSession.sSubject: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleSession] WHERE [sSubject] IS NULL)
    UNION ALL SELECT N''tblConsoleSession.sUserName: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleSession] WHERE [sUserName] IS NULL)
    UNION ALL SELECT N''tblConsoleSession.sRoles: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleSession] WHERE [sRoles] IS NULL)
    UNION ALL SELECT N''tblConsoleSession.sAddress: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleSession] WHERE [sAddress] IS NULL)
    UNION ALL SELECT N''tblConsoleSession.dtCreated: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleSession] WHERE [dtCreated] IS NULL)
    UNION ALL SELECT N''tblConsoleSession.dtUsed: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleSession] WHERE [dtUsed] IS NULL)
    UNION ALL SELECT N''tblConsoleSession.dtChecked: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleSession] WHERE [dtChecked] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblConsoleTicket.sKind: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleTicket] WHERE [sKind] IS NULL)
    UNION ALL SELECT N''tblConsoleTicket.sDetail: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleTicket] WHERE [sDetail] IS NULL)
    UNION ALL SELECT N''tblConsoleTicket.dtExpires: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleTicket] WHERE [dtExpires] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblConsoleUser.sUserName: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleUser] WHERE [sUserName] IS NULL)
    UNION ALL SELECT N''tblConsoleUser.sPasswordHash: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleUser] WHERE [sPasswordHash] IS NULL)
    UNION ALL SELECT N''tblConsoleUser.sRoles: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleUser] WHERE [sRoles] IS NULL)
    UNION ALL SELECT N''tblConsoleUser.dtCreated: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleUser] WHERE [dtCreated] IS NULL)
    UNION ALL SELECT N''tblConsoleUser.dtPasswordChanged: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleUser] WHERE [dtPasswordChanged] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblEmailAccountChange.nAccountID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailAccountChange] WHERE [nAccountID] IS NULL)
    UNION ALL SELECT N''tblEmailAccountChange.dtChanged: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailAccountChange] WHERE [dtChanged] IS NULL)
    UNION ALL SELECT N''tblEmailAccountChange.sAction: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailAccountChange] WHERE [sAction] IS NULL)
    UNION ALL SELECT N''tblEmailAccountChange.sSettings: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailAccountChange] WHERE [sSettings] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblEmailAccountSettings.sAccountName: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailAccountSettings] WHERE [sAccountName] IS NULL)
    UNION ALL SELECT N''tblEmailAccountSettings.sAuthentication: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailAccountSettings] WHERE [sAuthentication] IS NULL)
    UNION ALL SELECT N''tblEmailAccountSettings.sTenantID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailAccountSettings] WHERE [sTenantID] IS NULL)
    UNION ALL SELECT N''tblEmailAccountSettings.sClientID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailAccountSettings] WHERE [sClientID] IS NULL)
    UNION ALL SELECT N''tblEmailAccountSettings.sUserID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailAccountSettings] WHERE [sUserID] IS NULL)
    UNION ALL SELECT N''tblEmailAccountSettings.sCertificateThumbprint: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailAccountSettings] WHERE [sCertificateThumbprint] IS NULL)
    UNION ALL SELECT N''tblEmailAccountSettings.bSecureCertificateAccess: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailAccountSettings] WHERE [bSecureCertificateAccess] IS NULL)
    UNION ALL SELECT N''tblEmailAccountSettings.sFolder: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailAccountSettings] WHERE [sFolder] IS NULL)
    UNION ALL SELECT N''tblEmailAccountSettings.sAfterImport: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailAccountSettings] WHERE [sAfterImport] IS NULL)
    UNION ALL SELECT N''tblEmailAccountSettings.bEnabled: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailAccountSettings] WHERE [bEnabled] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblEmailConsumer.nPosition: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailConsumer] WHERE [nPosition] IS NULL)
    UNION ALL SELECT N''tblEmailConsumer.dtCreated: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailConsumer] WHERE [dtCreated] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblEmailFailure.nAccountID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailFailure] WHERE [nAccountID] IS NULL)
    UNION ALL SELECT N''tblEmailFailure.sGraphMessageID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailFailure] WHERE [sGraphMessageID] IS NULL)
    UNION ALL SELECT N''tblEmailFailure.sState: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailFailure] WHERE [sState] IS NULL)
    UNION ALL SELECT N''tblEmailFailure.nAttempts: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailFailure] WHERE [nAttempts] IS NULL)
    UNION ALL SELECT N''tblEmailFailure.dtFirstFailed: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailFailure] WHERE [dtFirstFailed] IS NULL)
    UNION ALL SELECT N''tblEmailFailure.dtLastFailed: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailFailure] WHERE [dtLastFailed] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblEmailMessage.nAccountID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailMessage] WHERE [nAccountID] IS NULL)
    UNION ALL SELECT N''tblEmailMessage.sGraphMessageID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailMessage] WHERE [sGraphMessageID] IS NULL)
    UNION ALL SELECT N''tblEmailMessage.bHasAttachments: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailMessage] WHERE [bHasAttachments] IS NULL)
    UNION ALL SELECT N''tblEmailMessage.dtImported: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailMessage] WHERE [dtImported] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblEmailRule.sName: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailRule] WHERE [sName] IS NULL)
    UNION ALL SELECT N''tblEmailRule.bEnabled: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailRule] WHERE [bEnabled] IS NULL)
    UNION ALL SELECT N''tblEmailRule.nPosition: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailRule] WHERE [nPosition] IS NULL)
    UNION ALL SELECT N''tblEmailRule.sFolder: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailRule] WHERE [sFolder] IS NULL)
    UNION ALL SELECT N''tblEmailRule.bSaveAttachments: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailRule] WHERE [bSaveAttachments] IS NULL)
    UNION ALL SELECT N''tblEmailRule.bSaveOriginal: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailRule] WHERE [bSaveOriginal] IS NULL)
    UNION ALL SELECT N''tblEmailRule.bSaveMetadata: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailRule] WHERE [bSaveMetadata] IS NULL)
    UNION ALL SELECT N''tblEmailRule.dtActiveSince: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailRule] WHERE [dtActiveSince] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblEmailRuleChange.nRuleID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailRuleChange] WHERE [nRuleID] IS NULL)
    UNION ALL SELECT N''tblEmailRuleChange.dtChanged: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailRuleChange] WHERE [dtChanged] IS NULL)
    UNION ALL SELECT N''tblEmailRuleChange.sAction: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailRuleChange] WHERE [sAction] IS NULL)
    UNION ALL SELECT N''tblEmailRuleChange.sSettings: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailRuleChange] WHERE [sSettings] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblEmailSeen.nAccountID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailSeen] WHERE [nAccountID] IS NULL)
    UNION ALL SELECT N''tblEmailSeen.sGraphMessageID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailSeen] WHERE [sGraphMessageID] IS NULL)
    UNION ALL SELECT N''tblEmailSeen.sReason: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailSeen] WHERE [sReason] IS NULL)
    UNION ALL SELECT N''tblEmailSeen.dtSeen: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailSeen] WHERE [dtSeen] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblFolderSync.dtDue: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblFolderSync] WHERE [dtDue] IS NULL)
    UNION ALL SELECT N''tblFolderSync.nFailures: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblFolderSync] WHERE [nFailures] IS NULL)
    UNION ALL SELECT N''tblFolderSync.nRequests: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblFolderSync] WHERE [nRequests] IS NULL)
    UNION ALL SELECT N''tblFolderSync.bFullPass: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblFolderSync] WHERE [bFullPass] IS NULL)
    UNION ALL SELECT N''tblFolderSync.bGap: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblFolderSync] WHERE [bGap] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblGraphSubscription.nAccountID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblGraphSubscription] WHERE [nAccountID] IS NULL)
    UNION ALL SELECT N''tblGraphSubscription.dtExpires: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblGraphSubscription] WHERE [dtExpires] IS NULL)
    UNION ALL SELECT N''tblGraphSubscription.sState: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblGraphSubscription] WHERE [sState] IS NULL)
    UNION ALL SELECT N''tblGraphSubscription.sResource: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblGraphSubscription] WHERE [sResource] IS NULL)
    UNION ALL SELECT N''tblGraphSubscription.sNotificationURL: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblGraphSubscription] WHERE [sNotificationURL] IS NULL)
    UNION ALL SELECT N''tblGraphSubscription.sKeyFingerprint: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblGraphSubscription] WHERE [sKeyFingerprint] IS NULL)
    UNION ALL SELECT N''tblGraphSubscription.dtGranted: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblGraphSubscription] WHERE [dtGranted] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblImporterSecret.sValue: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblImporterSecret] WHERE [sValue] IS NULL)
    UNION ALL SELECT N''tblImporterSecret.dtCreated: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblImporterSecret] WHERE [dtCreated] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblLease.sOwner: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblLease] WHERE [sOwner] IS NULL)
    UNION ALL SELECT N''tblLease.dtLeaseUntil: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblLease] WHERE [dtLeaseUntil] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblMailboxAddress.sUserID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblMailboxAddress] WHERE [sUserID] IS NULL)
    UNION ALL SELECT N''tblMailboxAddress.sAddress: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblMailboxAddress] WHERE [sAddress] IS NULL)
    UNION ALL SELECT N''tblMailboxAddress.dtLearned: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblMailboxAddress] WHERE [dtLearned] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblMailboxCall.sOwner: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblMailboxCall] WHERE [sOwner] IS NULL)
    UNION ALL SELECT N''tblMailboxCall.dtLeaseUntil: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblMailboxCall] WHERE [dtLeaseUntil] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblMessageTrace.sHost: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblMessageTrace] WHERE [sHost] IS NULL)
    UNION ALL SELECT N''tblMessageTrace.dtStarted: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblMessageTrace] WHERE [dtStarted] IS NULL)
    UNION ALL SELECT N''tblMessageTrace.dtEnded: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblMessageTrace] WHERE [dtEnded] IS NULL)
    UNION ALL SELECT N''tblMessageTrace.sOutcome: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblMessageTrace] WHERE [sOutcome] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblMissedNotification.nAccountID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblMissedNotification] WHERE [nAccountID] IS NULL)
    UNION ALL SELECT N''tblMissedNotification.sGraphMessageID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblMissedNotification] WHERE [sGraphMessageID] IS NULL)
    UNION ALL SELECT N''tblMissedNotification.dtReceived: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblMissedNotification] WHERE [dtReceived] IS NULL)
    UNION ALL SELECT N''tblMissedNotification.dtFound: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblMissedNotification] WHERE [dtFound] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblNotificationQueue.sMessageID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblNotificationQueue] WHERE [sMessageID] IS NULL)
    UNION ALL SELECT N''tblNotificationQueue.nRetired: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblNotificationQueue] WHERE [nRetired] IS NULL)
    UNION ALL SELECT N''tblNotificationQueue.sState: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblNotificationQueue] WHERE [sState] IS NULL)
    UNION ALL SELECT N''tblNotificationQueue.sBody: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblNotificationQueue] WHERE [sBody] IS NULL)
    UNION ALL SELECT N''tblNotificationQueue.dtEnqueued: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblNotificationQueue] WHERE [dtEnqueued] IS NULL)
    UNION ALL SELECT N''tblNotificationQueue.dtVisible: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblNotificationQueue] WHERE [dtVisible] IS NULL)
    UNION ALL SELECT N''tblNotificationQueue.nDeliveryCount: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblNotificationQueue] WHERE [nDeliveryCount] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblProblem.sKind: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblProblem] WHERE [sKind] IS NULL)
    UNION ALL SELECT N''tblProblem.sScope: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblProblem] WHERE [sScope] IS NULL)
    UNION ALL SELECT N''tblProblem.sKey: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblProblem] WHERE [sKey] IS NULL)
    UNION ALL SELECT N''tblProblem.nClosed: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblProblem] WHERE [nClosed] IS NULL)
    UNION ALL SELECT N''tblProblem.sSeverity: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblProblem] WHERE [sSeverity] IS NULL)
    UNION ALL SELECT N''tblProblem.dtFirstSeen: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblProblem] WHERE [dtFirstSeen] IS NULL)
    UNION ALL SELECT N''tblProblem.dtOpened: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblProblem] WHERE [dtOpened] IS NULL)
    UNION ALL SELECT N''tblProblem.dtLastSeen: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblProblem] WHERE [dtLastSeen] IS NULL)
    UNION ALL SELECT N''tblProblem.nCount: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblProblem] WHERE [nCount] IS NULL)
    UNION ALL SELECT N''tblProblem.sText: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblProblem] WHERE [sText] IS NULL)
    UNION ALL SELECT N''tblProblem.sRemedy: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblProblem] WHERE [sRemedy] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblProcess.sHost: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblProcess] WHERE [sHost] IS NULL)
    UNION ALL SELECT N''tblProcess.sRoles: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblProcess] WHERE [sRoles] IS NULL)
    UNION ALL SELECT N''tblProcess.sVersion: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblProcess] WHERE [sVersion] IS NULL)
    UNION ALL SELECT N''tblProcess.dtStarted: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblProcess] WHERE [dtStarted] IS NULL)
    UNION ALL SELECT N''tblProcess.dtHeartbeat: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblProcess] WHERE [dtHeartbeat] IS NULL)
    UNION ALL SELECT N''tblProcess.dtLeaseUntil: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblProcess] WHERE [dtLeaseUntil] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblQueueAudit.sAction: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblQueueAudit] WHERE [sAction] IS NULL)
    UNION ALL SELECT N''tblQueueAudit.sWho: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblQueueAudit] WHERE [sWho] IS NULL)
    UNION ALL SELECT N''tblQueueAudit.sHost: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblQueueAudit] WHERE [sHost] IS NULL)
    UNION ALL SELECT N''tblQueueAudit.sQueue: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblQueueAudit] WHERE [sQueue] IS NULL)
    UNION ALL SELECT N''tblQueueAudit.sSelection: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblQueueAudit] WHERE [sSelection] IS NULL)
    UNION ALL SELECT N''tblQueueAudit.dtStarted: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblQueueAudit] WHERE [dtStarted] IS NULL)
    UNION ALL SELECT N''tblQueueAudit.nMessages: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblQueueAudit] WHERE [nMessages] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblServiceOutage.dtSince: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblServiceOutage] WHERE [dtSince] IS NULL)
    UNION ALL SELECT N''tblServiceOutage.dtSeen: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblServiceOutage] WHERE [dtSeen] IS NULL)
    UNION ALL SELECT N''tblServiceOutage.nAccounts: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblServiceOutage] WHERE [nAccounts] IS NULL)
    UNION ALL SELECT N''tblServiceOutage.sDetail: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblServiceOutage] WHERE [sDetail] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblSubscriptionSchedule.dtDue: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblSubscriptionSchedule] WHERE [dtDue] IS NULL)
    UNION ALL SELECT N''tblSubscriptionSchedule.nFailures: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblSubscriptionSchedule] WHERE [nFailures] IS NULL)
    UNION ALL SELECT N''tblSubscriptionSchedule.nRequests: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblSubscriptionSchedule] WHERE [nRequests] IS NULL)
    UNION ALL SELECT N''tblSubscriptionSchedule.bRecreate: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblSubscriptionSchedule] WHERE [bRecreate] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblConsoleToken.nUserID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleToken] WHERE [nUserID] IS NULL)
    UNION ALL SELECT N''tblConsoleToken.sTokenHash: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleToken] WHERE [sTokenHash] IS NULL)
    UNION ALL SELECT N''tblConsoleToken.sTokenName: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleToken] WHERE [sTokenName] IS NULL)
    UNION ALL SELECT N''tblConsoleToken.dtCreated: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleToken] WHERE [dtCreated] IS NULL)
    UNION ALL SELECT N''tblConsoleToken.dtExpires: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblConsoleToken] WHERE [dtExpires] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblEmailAttachment.nMessageID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailAttachment] WHERE [nMessageID] IS NULL)
    UNION ALL SELECT N''tblEmailAttachment.nPosition: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailAttachment] WHERE [nPosition] IS NULL)
    UNION ALL SELECT N''tblEmailAttachment.sKind: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailAttachment] WHERE [sKind] IS NULL)
    UNION ALL SELECT N''tblEmailAttachment.nSize: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailAttachment] WHERE [nSize] IS NULL)
    UNION ALL SELECT N''tblEmailAttachment.bInline: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailAttachment] WHERE [bInline] IS NULL)
    UNION ALL SELECT N''tblEmailAttachment.sState: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailAttachment] WHERE [sState] IS NULL)
    UNION ALL SELECT N''tblEmailAttachment.sOrigin: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailAttachment] WHERE [sOrigin] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblEmailDuplicate.nAccountID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailDuplicate] WHERE [nAccountID] IS NULL)
    UNION ALL SELECT N''tblEmailDuplicate.sGraphMessageID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailDuplicate] WHERE [sGraphMessageID] IS NULL)
    UNION ALL SELECT N''tblEmailDuplicate.nMessageID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailDuplicate] WHERE [nMessageID] IS NULL)
    UNION ALL SELECT N''tblEmailDuplicate.dtSeen: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailDuplicate] WHERE [dtSeen] IS NULL)
    UNION ALL SELECT N''tblEmailDuplicate.sReason: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailDuplicate] WHERE [sReason] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblEmailFile.nMessageID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailFile] WHERE [nMessageID] IS NULL)
    UNION ALL SELECT N''tblEmailFile.nRuleID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailFile] WHERE [nRuleID] IS NULL)
    UNION ALL SELECT N''tblEmailFile.nRun: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailFile] WHERE [nRun] IS NULL)
    UNION ALL SELECT N''tblEmailFile.sKey: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailFile] WHERE [sKey] IS NULL)
    UNION ALL SELECT N''tblEmailFile.sPart: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailFile] WHERE [sPart] IS NULL)
    UNION ALL SELECT N''tblEmailFile.sFolder: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailFile] WHERE [sFolder] IS NULL)
    UNION ALL SELECT N''tblEmailFile.sFolderKey: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailFile] WHERE [sFolderKey] IS NULL)
    UNION ALL SELECT N''tblEmailFile.sFileName: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailFile] WHERE [sFileName] IS NULL)
    UNION ALL SELECT N''tblEmailFile.sState: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailFile] WHERE [sState] IS NULL)
    UNION ALL SELECT N''tblEmailFile.nAttempts: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailFile] WHERE [nAttempts] IS NULL)
    UNION ALL SELECT N''tblEmailFile.dtCreated: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailFile] WHERE [dtCreated] IS NULL)
    UNION ALL SELECT N''tblEmailFile.dtRetryUntil: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailFile] WHERE [dtRetryUntil] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblEmailHeader.sName: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailHeader] WHERE [sName] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblEmailIdentity.nAccountID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailIdentity] WHERE [nAccountID] IS NULL)
    UNION ALL SELECT N''tblEmailIdentity.sIdentity: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailIdentity] WHERE [sIdentity] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblEmailOriginal.sState: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailOriginal] WHERE [sState] IS NULL)
    UNION ALL SELECT N''tblEmailOriginal.nStoredSize: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailOriginal] WHERE [nStoredSize] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblEmailScan.nAccountID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailScan] WHERE [nAccountID] IS NULL)
    UNION ALL SELECT N''tblEmailScan.sGraphMessageID: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailScan] WHERE [sGraphMessageID] IS NULL)
    UNION ALL SELECT N''tblEmailScan.sLetterDigest: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailScan] WHERE [sLetterDigest] IS NULL)
    UNION ALL SELECT N''tblEmailScan.dtFirstSeen: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailScan] WHERE [dtFirstSeen] IS NULL)
    UNION ALL SELECT N''tblEmailScan.dtUntil: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailScan] WHERE [dtUntil] IS NULL)
    UNION ALL SELECT N''tblEmailScan.dtNextCheck: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailScan] WHERE [dtNextCheck] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO #MailImporterProblem ([sText])
    SELECT N''tblEmailTaken.dtTaken: found rows with null. Give these rows a value.'' WHERE EXISTS (SELECT 1 FROM [dbo].[tblEmailTaken] WHERE [dtTaken] IS NULL);
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    IF EXISTS (SELECT 1 FROM #MailImporterProblem)
    BEGIN
        DECLARE @next INT = (SELECT MIN([nProblem]) FROM #MailImporterProblem);
        DECLARE @text NVARCHAR(2000) = N'mail-importer cannot use what is there, and nothing was changed:';
        WHILE @next IS NOT NULL
        BEGIN
            SELECT @text = LEFT(@text + N' ' + [sText], 2000) FROM #MailImporterProblem WHERE [nProblem] = @next;
            SET @next = (SELECT MIN([nProblem]) FROM #MailImporterProblem WHERE [nProblem] > @next);
        END;
        IF @next IS NULL
        BEGIN
            THROW 51000, @text, 1;
        END;
    END;
END;
GO

-- The secret that authenticates notifications, made by the server where there is none.
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO [dbo].[tblImporterSecret] ([sName], [sValue], [dtCreated])
    SELECT N''client_state_secret'', CONVERT(NVARCHAR(96), CRYPT_GEN_RANDOM(48), 2), SYSUTCDATETIME()
    WHERE NOT EXISTS (SELECT 1 FROM [dbo].[tblImporterSecret] WHERE [sName] = N''client_state_secret'');
    ');
END;
GO

-- Revision 0015
IF @@TRANCOUNT > 0
BEGIN
    EXEC (N'
    INSERT INTO [dbo].[tblMailImporterVersion] ([version_num])
    SELECT N''0015'' WHERE NOT EXISTS (SELECT 1 FROM [dbo].[tblMailImporterVersion]);
    UPDATE [dbo].[tblMailImporterVersion]
    SET [version_num] = N''0015'', [sOldestProgram] = N''0001'',
        [sOldestProgramOf] = N''0015'';
    ');
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    DROP TABLE #MailImporterProblem;
END;
GO
IF @@TRANCOUNT > 0
BEGIN
    COMMIT TRANSACTION;
END;
GO
