-- Takes up to @limit messages for one consumer, each exactly once: see docs/downstream.md. For SQL Server.
-- Run it as often as is useful, as a job of SQL Server Agent each minute; or make a procedure of it.
SET NOCOUNT ON;
SET XACT_ABORT ON;
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;
DECLARE @consumer NVARCHAR(100) = N'lab';
DECLARE @limit INT = 100;
DECLARE @position BIGINT;
DECLARE @next BIGINT;
DECLARE @noted DATETIME2(7);
DECLARE @batch TABLE ([nMessageID] BIGINT NOT NULL PRIMARY KEY);

IF NOT EXISTS (SELECT 1 FROM [dbo].[tblEmailConsumer] WHERE [sConsumer] = @consumer)
BEGIN
    INSERT INTO [dbo].[tblEmailConsumer] ([sConsumer], [nPosition], [dtCreated])
    VALUES (@consumer, 0, SYSUTCDATETIME());
END;

-- Take. The first statement has other runs for this consumer wait for the end of the transaction.
BEGIN TRANSACTION;
UPDATE [dbo].[tblEmailConsumer] SET [nPosition] = [nPosition] WHERE [sConsumer] = @consumer;
SELECT @position = [nPosition], @next = [nNextPosition], @noted = [dtNextPosition]
FROM [dbo].[tblEmailConsumer] WHERE [sConsumer] = @consumer;
INSERT INTO @batch ([nMessageID])
SELECT TOP (@limit) e.[nMessageID] FROM [dbo].[vEmail] AS e
WHERE e.[nMessageID] > @position AND NOT EXISTS (
    SELECT 1 FROM [dbo].[tblEmailTaken] AS t WHERE t.[sConsumer] = @consumer AND t.[nMessageID] = e.[nMessageID]
)
ORDER BY e.[nMessageID];

-- Your own statements come here, on the messages of @batch; for example:
-- INSERT INTO [lab].[tblInbox] ([nMessageID], [sSubject], [sText])
-- SELECT e.[nMessageID], e.[sSubject], e.[sBodyText]
-- FROM [dbo].[vEmail] AS e INNER JOIN @batch AS b ON b.[nMessageID] = e.[nMessageID];

INSERT INTO [dbo].[tblEmailTaken] ([sConsumer], [nMessageID], [dtTaken])
SELECT @consumer, [nMessageID], SYSUTCDATETIME() FROM @batch;
COMMIT TRANSACTION;

-- Move the position: note how far messages are taken, and ten minutes later pass what can no longer appear.
IF @next IS NULL
BEGIN
    UPDATE [dbo].[tblEmailConsumer]
    SET [dtNextPosition] = SYSUTCDATETIME(),
        [nNextPosition] = (SELECT MAX([nMessageID]) FROM [dbo].[tblEmailTaken] WHERE [sConsumer] = @consumer)
    WHERE [sConsumer] = @consumer AND [nNextPosition] IS NULL
    AND EXISTS (SELECT 1 FROM [dbo].[tblEmailTaken] WHERE [sConsumer] = @consumer);
END;
ELSE IF @noted <= DATEADD(MINUTE, -10, SYSUTCDATETIME())
BEGIN
    BEGIN TRY
        BEGIN TRANSACTION;
        UPDATE [dbo].[tblEmailConsumer] SET [nPosition] = [nPosition] WHERE [sConsumer] = @consumer;
        -- Reads with locks, whatever the settings of the database: error 1222 at a row that is not committed yet.
        IF EXISTS (
            SELECT 1 FROM [dbo].[tblEmailConsumer]
            WHERE [sConsumer] = @consumer AND [nNextPosition] = @next AND [dtNextPosition] = @noted
        ) AND NOT EXISTS (
            SELECT 1 FROM [dbo].[tblEmailMessage] AS m WITH (READCOMMITTEDLOCK, NOWAIT)
            WHERE m.[nMessageID] > @position AND m.[nMessageID] <= @next AND NOT EXISTS (
                SELECT 1 FROM [dbo].[tblEmailTaken] AS t
                WHERE t.[sConsumer] = @consumer AND t.[nMessageID] = m.[nMessageID]
            )
        )
        BEGIN
            UPDATE [dbo].[tblEmailConsumer]
            SET [nPosition] = @next, [dtMoved] = SYSUTCDATETIME(), [nNextPosition] = NULL, [dtNextPosition] = NULL
            WHERE [sConsumer] = @consumer;
            DELETE FROM [dbo].[tblEmailTaken] WHERE [sConsumer] = @consumer AND [nMessageID] <= @next;
        END;
        COMMIT TRANSACTION;
    END TRY
    BEGIN CATCH
        IF XACT_STATE() <> 0
        BEGIN
            ROLLBACK TRANSACTION;
        END;
        IF ERROR_NUMBER() <> 1222
        BEGIN
            THROW;
        END;
    END CATCH;
END;
