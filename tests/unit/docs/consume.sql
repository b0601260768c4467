SELECT count(*) AS count_1 
FROM [tblEmailConsumer] 
WHERE [tblEmailConsumer].[sConsumer] = :sConsumer_1
GO
INSERT INTO [tblEmailConsumer] ([sConsumer], [nPosition], [dtCreated]) VALUES (:sConsumer, :nPosition, :dtCreated)
GO
UPDATE [tblEmailConsumer] SET [nPosition]=[tblEmailConsumer].[nPosition] WHERE [tblEmailConsumer].[sConsumer] = :sConsumer_1
GO
SELECT [tblEmailConsumer].[sConsumer], [tblEmailConsumer].[nPosition], [tblEmailConsumer].[dtCreated], [tblEmailConsumer].[dtMoved], [tblEmailConsumer].[nNextPosition], [tblEmailConsumer].[dtNextPosition], [tblEmailConsumer].[sOpenTransactions] 
FROM [tblEmailConsumer] 
WHERE [tblEmailConsumer].[sConsumer] = :sConsumer_1
GO
SELECT TOP __[POSTCOMPILE_param_1] [vEmail].[nMessageID], [vEmail].[sAccountName], [vEmail].[sFromAddress], [vEmail].[sSubject], [vEmail].[dtReceived], [vEmail].[sBodyText], [vEmail].[sRuleState] 
FROM [vEmail] 
WHERE [vEmail].[nMessageID] > :nMessageID_1 AND NOT (EXISTS (SELECT * 
FROM [tblEmailTaken] 
WHERE [tblEmailTaken].[sConsumer] = :sConsumer_1 AND [tblEmailTaken].[nMessageID] = [vEmail].[nMessageID])) ORDER BY [vEmail].[nMessageID]
GO
SELECT [vEmailAttachment].[sSafeFileName] 
FROM [vEmailAttachment] 
WHERE [vEmailAttachment].[nMessageID] = :nMessageID_1 AND [vEmailAttachment].[nParentPosition] IS NULL ORDER BY [vEmailAttachment].[nPosition]
GO
INSERT INTO [tblEmailTaken] ([sConsumer], [nMessageID], [dtTaken]) VALUES (:sConsumer, :nMessageID, :dtTaken)
GO
SELECT max([tblEmailTaken].[nMessageID]) AS max_1 
FROM [tblEmailTaken] 
WHERE [tblEmailTaken].[sConsumer] = :sConsumer_1
GO
UPDATE [tblEmailConsumer] SET [nNextPosition]=:nNextPosition, [dtNextPosition]=:dtNextPosition, [sOpenTransactions]=:sOpenTransactions WHERE [tblEmailConsumer].[sConsumer] = :sConsumer_1
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nMessageID] 
FROM [tblEmailMessage] WITH (READCOMMITTEDLOCK, NOWAIT) 
WHERE [tblEmailMessage].[nMessageID] BETWEEN :nMessageID_1 AND :nMessageID_2 AND NOT (EXISTS (SELECT * 
FROM [tblEmailTaken] 
WHERE [tblEmailTaken].[sConsumer] = :sConsumer_1 AND [tblEmailTaken].[nMessageID] = [tblEmailMessage].[nMessageID]))
GO
UPDATE [tblEmailConsumer] SET [nPosition]=:nPosition, [dtMoved]=:dtMoved, [nNextPosition]=:nNextPosition, [dtNextPosition]=:dtNextPosition, [sOpenTransactions]=:sOpenTransactions WHERE [tblEmailConsumer].[sConsumer] = :sConsumer_1
GO
DELETE FROM [tblEmailTaken] WHERE [tblEmailTaken].[sConsumer] = :sConsumer_1 AND [tblEmailTaken].[nMessageID] <= :nMessageID_1
GO
