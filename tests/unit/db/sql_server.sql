DELETE FROM [tblAccountCondition] WHERE [tblAccountCondition].[nAccountID] = :nAccountID_1
GO
DELETE FROM [tblAccountCondition] WHERE [tblAccountCondition].[nAccountID] = :nAccountID_1 AND [tblAccountCondition].[sRole] = :sRole_1
GO
DELETE FROM [tblAccountCondition] WHERE [tblAccountCondition].[nAccountID] = :nAccountID_1 AND [tblAccountCondition].[sRole] = :sRole_1 AND [tblAccountCondition].[dtNextAttempt] <= :dtNextAttempt_1
GO
DELETE FROM [tblAlert] WHERE [tblAlert].[nAlertID] IN (__[POSTCOMPILE_nAlertID_1])
GO
DELETE FROM [tblEmailAttachment] WHERE [tblEmailAttachment].[nMessageID] = :nMessageID_1
GO
DELETE FROM [tblEmailAttachment] WITH (ROWLOCK) WHERE [tblEmailAttachment].[nMessageID] IN (__[POSTCOMPILE_nMessageID_1])
GO
DELETE FROM [tblEmailDuplicate] WHERE [tblEmailDuplicate].[nAccountID] = :nAccountID_1 AND [tblEmailDuplicate].[sGraphMessageID] = :sGraphMessageID_1
GO
DELETE FROM [tblEmailFailure] WITH (ROWLOCK) WHERE [tblEmailFailure].[nFailureID] IN (__[POSTCOMPILE_nFailureID_1])
GO
DELETE FROM [tblEmailFile] WHERE [tblEmailFile].[nFileID] IN (__[POSTCOMPILE_nFileID_1]) OR [tblEmailFile].[nDataFileID] IN (__[POSTCOMPILE_nDataFileID_1])
GO
DELETE FROM [tblEmailHeader] WHERE [tblEmailHeader].[nMessageID] = :nMessageID_1
GO
DELETE FROM [tblEmailHeader] WITH (ROWLOCK) WHERE [tblEmailHeader].[nMessageID] IN (__[POSTCOMPILE_nMessageID_1])
GO
DELETE FROM [tblEmailIdentity] WHERE [tblEmailIdentity].[nMessageID] = :nMessageID_1
GO
DELETE FROM [tblEmailMessage] WITH (ROWLOCK) WHERE [tblEmailMessage].[nMessageID] IN (__[POSTCOMPILE_nMessageID_1])
GO
DELETE FROM [tblEmailOriginal] WHERE [tblEmailOriginal].[nMessageID] = :nMessageID_1
GO
DELETE FROM [tblEmailRecipient] WHERE [tblEmailRecipient].[nMessageID] = :nMessageID_1
GO
DELETE FROM [tblEmailRecipient] WITH (ROWLOCK) WHERE [tblEmailRecipient].[nMessageID] IN (__[POSTCOMPILE_nMessageID_1])
GO
DELETE FROM [tblEmailRule] WITH (ROWLOCK) WHERE [tblEmailRule].[nRuleID] = :nRuleID_1
GO
DELETE FROM [tblEmailScan] WHERE [tblEmailScan].[nAccountID] = :nAccountID_1
GO
DELETE FROM [tblEmailScan] WITH (ROWLOCK) WHERE [tblEmailScan].[nAccountID] = :nAccountID_1 AND [tblEmailScan].[sGraphMessageID] = :sGraphMessageID_1
GO
DELETE FROM [tblEmailScan] WITH (ROWLOCK) WHERE [tblEmailScan].[nScanID] = :nScanID_1
GO
DELETE FROM [tblEmailSeen] WHERE [tblEmailSeen].[nAccountID] = :nAccountID_1 AND [tblEmailSeen].[sGraphMessageID] = :sGraphMessageID_1
GO
DELETE FROM [tblEmailSeen] WITH (ROWLOCK) WHERE [tblEmailSeen].[nSeenID] IN (__[POSTCOMPILE_nSeenID_1])
GO
DELETE FROM [tblFolderSync] WHERE [tblFolderSync].[nAccountID] = :nAccountID_1
GO
DELETE FROM [tblGraphSubscription] WHERE [tblGraphSubscription].[nAccountID] = :nAccountID_1 OR [tblGraphSubscription].[sSubscriptionID] = :sSubscriptionID_1
GO
DELETE FROM [tblGraphSubscription] WHERE [tblGraphSubscription].[sSubscriptionID] = :sSubscriptionID_1
GO
DELETE FROM [tblMailboxAddress] WHERE [tblMailboxAddress].[nAccountID] = :nAccountID_1
GO
DELETE FROM [tblMessageTrace] WHERE [tblMessageTrace].[nTraceID] IN (__[POSTCOMPILE_nTraceID_1])
GO
DELETE FROM [tblMissedNotification] WHERE [tblMissedNotification].[nAccountID] = :nAccountID_1
GO
DELETE FROM [tblMissedNotification] WHERE [tblMissedNotification].[nAccountID] = :nAccountID_1 AND [tblMissedNotification].[dtFound] < :dtFound_1
GO
DELETE FROM [tblMissedNotification] WHERE [tblMissedNotification].[nAccountID] = :nAccountID_1 AND [tblMissedNotification].[sGraphMessageID] = :sGraphMessageID_1 AND [tblMissedNotification].[dtTold] IS NULL
GO
DELETE FROM [tblNotificationQueue] WHERE [tblNotificationQueue].[nSequence] IN (__[POSTCOMPILE_nSequence_1])
GO
DELETE FROM [tblProcess] WHERE [tblProcess].[sProcess] IN (__[POSTCOMPILE_sProcess_1])
GO
DELETE FROM [tblSubscriptionSchedule] WHERE [tblSubscriptionSchedule].[nAccountID] = :nAccountID_1
GO
INSERT INTO [tblAccountCondition] ([nAccountID], [sRole], [sReason], [sDetail], [sDetailPhrase], [dtSince], [dtNextAttempt]) VALUES (:nAccountID, :sRole, :sReason, :sDetail, :sDetailPhrase, :dtSince, :dtNextAttempt)
GO
INSERT INTO [tblAlert] ([sTarget], [sTargetName], [sState], [sTitle], [sBody], [dtCreated], [dtDue]) VALUES (:sTarget, :sTargetName, :sState, :sTitle, :sBody, :dtCreated, :dtDue)
GO
INSERT INTO [tblCallBudget] ([sBudget], [nSlot], [nUsed]) VALUES (:sBudget, :nSlot, :nUsed)
GO
INSERT INTO [tblEmailAccountChange] ([nAccountID], [dtChanged], [sAction], [sWho], [sHost], [sSettings]) VALUES (:nAccountID, :dtChanged, :sAction, :sWho, :sHost, :sSettings)
GO
INSERT INTO [tblEmailAccountSettings] ([sAccountName], [sTenantID], [sClientID], [sUserID], [sCertificateThumbprint], [bSecureCertificateAccess], [sFolder], [sAfterImport], [sMoveToFolder], [bEnabled], [sNextCertificateThumbprint], [dtImportSince], [sFilterSendersAllowed], [sFilterSendersDenied], [sFilterSubjectsAllowed], [sFilterSubjectsDenied], [bFilterHasAttachments], [nFilterSizeLeast], [nFilterSizeMost], [sConsoleAccess]) VALUES (:sAccountName, :sTenantID, :sClientID, :sUserID, :sCertificateThumbprint, :bSecureCertificateAccess, :sFolder, :sAfterImport, :sMoveToFolder, :bEnabled, :sNextCertificateThumbprint, :dtImportSince, :sFilterSendersAllowed, :sFilterSendersDenied, :sFilterSubjectsAllowed, :sFilterSubjectsDenied, :bFilterHasAttachments, :nFilterSizeLeast, :nFilterSizeMost, :sConsoleAccess)
GO
INSERT INTO [tblEmailAttachment] ([nAttachmentID], [nMessageID], [nPosition], [sGraphAttachmentID], [sKind], [sFileName], [sContentType], [nSize], [bInline], [sContentID], [sSHA256], [sState], [sStateDetail], [sSafeFileName], [sItemType], [sLink], [sLinkProvider], [sLinkPermission], [sContentLocation], [nParentPosition], [sOrigin], [biContent]) VALUES (:nAttachmentID, :nMessageID, :nPosition, :sGraphAttachmentID, :sKind, :sFileName, :sContentType, :nSize, :bInline, :sContentID, :sSHA256, :sState, :sStateDetail, :sSafeFileName, :sItemType, :sLink, :sLinkProvider, :sLinkPermission, :sContentLocation, :nParentPosition, :sOrigin, :biContent)
GO
INSERT INTO [tblEmailDuplicate] ([nDuplicateID], [nAccountID], [sGraphMessageID], [nMessageID], [dtSeen], [sReason]) VALUES (:nDuplicateID, :nAccountID, :sGraphMessageID, :nMessageID, :dtSeen, :sReason)
GO
INSERT INTO [tblEmailFailure] ([nFailureID], [nAccountID], [sGraphMessageID], [sState], [sInternetMessageID], [sSubject], [sFromName], [sFromAddress], [dtReceived], [nAttempts], [dtFirstFailed], [dtLastFailed], [dtNextAttempt], [sReason], [sDetail], [sDetailPhrase]) VALUES (:nFailureID, :nAccountID, :sGraphMessageID, :sState, :sInternetMessageID, :sSubject, :sFromName, :sFromAddress, :dtReceived, :nAttempts, :dtFirstFailed, :dtLastFailed, :dtNextAttempt, :sReason, :sDetail, :sDetailPhrase)
GO
INSERT INTO [tblEmailFile] ([nFileID], [nMessageID], [nRuleID], [nRun], [sKey], [sPart], [nPosition], [sMember], [nMember], [nDataFileID], [sFolder], [sFolderKey], [sFileName], [sTargetPath], [sState], [nAttempts], [sReason], [sDetail], [sDetailPhrase], [nSize], [sSHA256], [dtCreated], [dtDue], [dtRetryUntil], [dtSaved], [sOwner], [sToken], [sFolderIdentity]) VALUES (:nFileID, :nMessageID, :nRuleID, :nRun, :sKey, :sPart, :nPosition, :sMember, :nMember, :nDataFileID, :sFolder, :sFolderKey, :sFileName, :sTargetPath, :sState, :nAttempts, :sReason, :sDetail, :sDetailPhrase, :nSize, :sSHA256, :dtCreated, :dtDue, :dtRetryUntil, :dtSaved, :sOwner, :sToken, :sFolderIdentity)
GO
INSERT INTO [tblEmailHeader] ([nMessageID], [nPosition], [sName], [sValue]) VALUES (:nMessageID, :nPosition, :sName, :sValue)
GO
INSERT INTO [tblEmailIdentity] ([nMessageID], [nAccountID], [sIdentity]) VALUES (:nMessageID, :nAccountID, :sIdentity)
GO
INSERT INTO [tblEmailMessage] ([nMessageID], [nAccountID], [sGraphMessageID], [sInternetMessageID], [sConversationID], [sSubject], [sFromName], [sFromAddress], [dtSent], [dtReceived], [sImportance], [sBodyType], [sBody], [bHasAttachments], [dtImported], [sCorrelationID], [sSenderName], [sSenderAddress], [dtCreated], [sCategories], [sFlagStatus], [sConversationIndex], [sBodyText], [bRead], [sWebLink], [sParentFolderID], [sChangeKey], [nSize], [sAfterImport], [sAfterImportState], [sAfterImportDetail], [sAfterImportDetailPhrase], [nAfterImportAttempts], [dtAfterImportDue], [sRuleState], [nRulesMatched]) VALUES (:nMessageID, :nAccountID, :sGraphMessageID, :sInternetMessageID, :sConversationID, :sSubject, :sFromName, :sFromAddress, :dtSent, :dtReceived, :sImportance, :sBodyType, :sBody, :bHasAttachments, :dtImported, :sCorrelationID, :sSenderName, :sSenderAddress, :dtCreated, :sCategories, :sFlagStatus, :sConversationIndex, :sBodyText, :bRead, :sWebLink, :sParentFolderID, :sChangeKey, :nSize, :sAfterImport, :sAfterImportState, :sAfterImportDetail, :sAfterImportDetailPhrase, :nAfterImportAttempts, :dtAfterImportDue, :sRuleState, :nRulesMatched)
GO
INSERT INTO [tblEmailOriginal] ([nMessageID], [nSize], [sSHA256], [sState], [sStateDetail], [sCompression], [nStoredSize], [biContent]) VALUES (:nMessageID, :nSize, :sSHA256, :sState, :sStateDetail, :sCompression, :nStoredSize, :biContent)
GO
INSERT INTO [tblEmailRecipient] ([nMessageID], [sKind], [nPosition], [sName], [sAddress]) VALUES (:nMessageID, :sKind, :nPosition, :sName, :sAddress)
GO
INSERT INTO [tblEmailRuleChange] ([nChangeID], [nRuleID], [dtChanged], [sAction], [sWho], [sHost], [sSettings]) VALUES (:nChangeID, :nRuleID, :dtChanged, :sAction, :sWho, :sHost, :sSettings)
GO
INSERT INTO [tblEmailRule] ([sName], [bEnabled], [nAccountID], [nPosition], [sSenders], [sRecipients], [sSubjectKind], [sSubject], [sBodyWords], [sAttachmentNames], [nAttachmentSizeLeast], [nAttachmentSizeMost], [bHasAttachments], [sFolder], [sFileName], [bSaveAttachments], [sUnpack], [sSaveBody], [bSaveOriginal], [bSaveMetadata], [dtActiveSince]) VALUES (:sName, :bEnabled, :nAccountID, :nPosition, :sSenders, :sRecipients, :sSubjectKind, :sSubject, :sBodyWords, :sAttachmentNames, :nAttachmentSizeLeast, :nAttachmentSizeMost, :bHasAttachments, :sFolder, :sFileName, :bSaveAttachments, :sUnpack, :sSaveBody, :bSaveOriginal, :bSaveMetadata, :dtActiveSince)
GO
INSERT INTO [tblEmailScan] ([nScanID], [nAccountID], [sGraphMessageID], [sLetterDigest], [dtFirstSeen], [dtUntil], [dtNextCheck], [nMessageID]) VALUES (:nScanID, :nAccountID, :sGraphMessageID, :sLetterDigest, :dtFirstSeen, :dtUntil, :dtNextCheck, :nMessageID)
GO
INSERT INTO [tblEmailSeen] ([nSeenID], [nAccountID], [sGraphMessageID], [sInternetMessageID], [sFromAddress], [dtReceived], [nSize], [sReason], [sRule], [dtSeen]) VALUES (:nSeenID, :nAccountID, :sGraphMessageID, :sInternetMessageID, :sFromAddress, :dtReceived, :nSize, :sReason, :sRule, :dtSeen)
GO
INSERT INTO [tblFolderSync] ([nAccountID], [dtDue]) VALUES (:nAccountID, :dtDue)
GO
INSERT INTO [tblGraphSubscription] ([sSubscriptionID], [nAccountID], [dtExpires], [sState], [sResource], [sNotificationURL], [sKeyFingerprint], [dtGranted], [dtCreated]) VALUES (:sSubscriptionID, :nAccountID, :dtExpires, :sState, :sResource, :sNotificationURL, :sKeyFingerprint, :dtGranted, :dtCreated)
GO
INSERT INTO [tblMessageTrace] ([nTraceID], [nAccountID], [sGraphMessageID], [sInternetMessageID], [sSubject], [sSource], [sCorrelationID], [sQueueMessageID], [dtNotified], [dtQueued], [nAttempt], [sHost], [dtStarted], [dtFetched], [dtEnded], [sOutcome], [sReason], [sDetail], [sDetailPhrase]) VALUES (:nTraceID, :nAccountID, :sGraphMessageID, :sInternetMessageID, :sSubject, :sSource, :sCorrelationID, :sQueueMessageID, :dtNotified, :dtQueued, :nAttempt, :sHost, :dtStarted, :dtFetched, :dtEnded, :sOutcome, :sReason, :sDetail, :sDetailPhrase)
GO
INSERT INTO [tblMissedNotification] ([nAccountID], [sGraphMessageID], [dtReceived], [dtFound]) OUTPUT inserted.[nMissedID] VALUES (:nAccountID, :sGraphMessageID, :dtReceived, :dtFound)
GO
INSERT INTO [tblNotificationQueue] ([sMessageID], [nAccountID], [sBody], [dtVisible], [sState], [dtEnqueued]) SELECT new.[sMessageID], new.[nAccountID], new.[sBody], new.[dtVisible], :param_1 AS anon_1, :param_2 AS anon_2 
FROM (VALUES (:param_3, :param_4, :param_5, :param_6), (:param_7, :param_8, :param_9, :param_10)) AS new ([sMessageID], [nAccountID], [sBody], [dtVisible]) 
WHERE new.[sMessageID] != '' AND NOT (EXISTS (SELECT 1 
FROM [tblNotificationQueue] AS known WITH (UPDLOCK, HOLDLOCK, FORCESEEK) 
WHERE known.[sMessageID] = (new.[sMessageID]) COLLATE Latin1_General_100_BIN2 AND known.[nRetired] = :nRetired_1))
GO
INSERT INTO [tblProblem] ([sKind], [nAccountID], [sScope], [sKey], [sSeverity], [dtFirstSeen], [dtOpened], [dtLastSeen], [nCount], [sText], [sTextPhrase], [sRemedy], [sRemedyPhrase]) VALUES (:sKind, :nAccountID, :sScope, :sKey, :sSeverity, :dtFirstSeen, :dtOpened, :dtLastSeen, :nCount, :sText, :sTextPhrase, :sRemedy, :sRemedyPhrase)
GO
INSERT INTO [tblProcess] ([sProcess], [sHost], [sRoles], [sVersion], [dtStarted], [dtHeartbeat], [dtLeaseUntil]) VALUES (:sProcess, :sHost, :sRoles, :sVersion, :dtStarted, :dtHeartbeat, :dtLeaseUntil)
GO
INSERT INTO [tblQueueAudit] ([sAction], [sWho], [sHost], [sQueue], [sSelection], [sWhy], [dtStarted]) OUTPUT inserted.[nAuditID] VALUES (:sAction, :sWho, :sHost, :sQueue, :sSelection, :sWhy, :dtStarted)
GO
INSERT INTO [tblSubscriptionSchedule] ([nAccountID], [dtDue]) VALUES (:nAccountID, :dtDue)
GO
SELECT (SELECT count(*) AS count_1 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[dtImported] >= :dtImported_1 AND [tblEmailMessage].[dtImported] < :dtImported_2) AS anon_1, (SELECT count(*) AS count_2 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[dtImported] >= :dtImported_3 AND [tblEmailMessage].[dtImported] < :dtImported_4) AS anon_2
GO
SELECT :param_1 AS anon_1 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[nAccountID] = :nAccountID_1
GO
SELECT :param_1 AS anon_1 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nMessageID] = :nMessageID_1 AND ((EXISTS (SELECT :param_2 AS anon_2 
FROM [tblEmailAttachment] 
WHERE [tblEmailAttachment].[nMessageID] = [tblEmailMessage].[nMessageID] AND [tblEmailAttachment].[nParentPosition] IS NULL AND (([tblEmailAttachment].[sState] NOT IN (__[POSTCOMPILE_sState_1])) OR ([tblEmailAttachment].[sStateDetail] LIKE :sStateDetail_1 + '%')))) OR (EXISTS (SELECT :param_3 AS anon_3 
FROM [tblEmailOriginal] 
WHERE [tblEmailOriginal].[nMessageID] = [tblEmailMessage].[nMessageID] AND [tblEmailOriginal].[sState] != :sState_2)))
GO
SELECT :param_1 AS anon_1 
FROM [tblEmailScan] 
WHERE [tblEmailScan].[nAccountID] = :nAccountID_1 AND [tblEmailScan].[sGraphMessageID] = :sGraphMessageID_1 AND [tblEmailScan].[nMessageID] IS NULL
GO
SELECT :param_1 AS anon_1 
FROM [tblMissedNotification] 
WHERE [tblMissedNotification].[nAccountID] = :nAccountID_1 AND [tblMissedNotification].[sGraphMessageID] = :sGraphMessageID_1
GO
SELECT DISTINCT [tblAlert].[sTarget] 
FROM [tblAlert] 
WHERE [tblAlert].[sState] IN (__[POSTCOMPILE_sState_1]) AND [tblAlert].[nAttempts] >= :nAttempts_1 AND [tblAlert].[sTarget] != :sTarget_1
GO
SELECT DISTINCT [tblEmailAccountSettings].[sTenantID], [tblEmailAccountSettings].[sClientID] 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[bEnabled] = 1 AND [tblEmailAccountSettings].[dtRemoved] IS NULL ORDER BY [tblEmailAccountSettings].[sTenantID], [tblEmailAccountSettings].[sClientID]
GO
SELECT DISTINCT [tblEmailFile].[sFolderKey] 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[dtSaved] > :dtSaved_1
GO
SELECT DISTINCT [tblEmailRule].[nAccountID] 
FROM [tblEmailRule] 
WHERE [tblEmailRule].[bEnabled] = 1 AND [tblEmailRule].[bSaveOriginal] = 1
GO
SELECT TOP __[POSTCOMPILE_param_1] :param_2 AS anon_1 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[sState] = :sState_1 AND ([tblEmailFile].[dtDue] <= :dtDue_1 OR [tblEmailFile].[dtDue] > :dtDue_2) AND [tblEmailFile].[sFolderKey] = :sFolderKey_1 AND [tblEmailFile].[nAttempts] = :nAttempts_1 AND [tblEmailFile].[dtCreated] < :dtCreated_1
GO
SELECT TOP __[POSTCOMPILE_param_1] :param_2 AS anon_1 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[sAfterImportState] = :sAfterImportState_1 AND ([tblEmailMessage].[dtAfterImportDue] <= :dtAfterImportDue_1 OR [tblEmailMessage].[dtAfterImportDue] > :dtAfterImportDue_2)
GO
SELECT TOP __[POSTCOMPILE_param_1] :param_2 AS anon_1 
FROM [tblEmailScan] 
WHERE [tblEmailScan].[nAccountID] IN (__[POSTCOMPILE_accounts])
GO
SELECT TOP __[POSTCOMPILE_param_1] :param_2 AS anon_1 
FROM [tblMissedNotification] 
WHERE [tblMissedNotification].[nAccountID] = :nAccountID_1 AND [tblMissedNotification].[dtTold] >= :dtTold_1
GO
SELECT TOP __[POSTCOMPILE_param_1] :param_2 AS anon_1 
FROM [tblNotificationQueue] 
WHERE [tblNotificationQueue].[sMessageID] >= :sMessageID_1 AND [tblNotificationQueue].[sMessageID] < :sMessageID_2 AND [tblNotificationQueue].[sState] IN (__[POSTCOMPILE_sState_1])
GO
SELECT TOP __[POSTCOMPILE_param_1] :param_2 AS anon_1 
FROM [tblNotificationQueue] 
WHERE [tblNotificationQueue].[sState] = :sState_1 AND [tblNotificationQueue].[dtVisible] <= :dtVisible_1
GO
SELECT TOP __[POSTCOMPILE_param_1] :param_2 AS anon_1 
FROM [tblNotificationQueue] 
WHERE [tblNotificationQueue].[sState] = :sState_1 AND [tblNotificationQueue].[dtVisible] > :dtVisible_1 AND ([tblNotificationQueue].[sLockToken] IS NOT NULL AND [tblNotificationQueue].[dtVisible] > :dtVisible_2 OR [tblNotificationQueue].[dtVisible] > :dtVisible_3)
GO
SELECT TOP __[POSTCOMPILE_param_1] :param_2 AS anon_1 
FROM [tblSubscriptionSchedule] 
WHERE ([tblSubscriptionSchedule].[dtDue] <= :dtDue_1 OR [tblSubscriptionSchedule].[dtDue] > :dtDue_2 AND [tblSubscriptionSchedule].[dtDue] < :dtDue_3) AND ([tblSubscriptionSchedule].[dtLeaseUntil] IS NULL OR [tblSubscriptionSchedule].[dtLeaseUntil] <= :dtLeaseUntil_1 OR [tblSubscriptionSchedule].[dtLeaseUntil] > :dtLeaseUntil_2)
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblAlert].[dtCreated], [tblAlert].[sDetail] 
FROM [tblAlert] 
WHERE [tblAlert].[sTarget] = :sTarget_1 AND [tblAlert].[nAttempts] > :nAttempts_1 ORDER BY [tblAlert].[nAlertID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblAlert].[nAlertID] 
FROM [tblAlert] 
WHERE [tblAlert].[dtEnded] < :dtEnded_1 ORDER BY [tblAlert].[nAlertID]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblAlert].[nAlertID], [tblAlert].[sTarget], [tblAlert].[sTargetName], [tblAlert].[sState], [tblAlert].[sTitle], [tblAlert].[sBody], [tblAlert].[nAttempts], [tblAlert].[dtCreated], [tblAlert].[dtDue], [tblAlert].[dtEnded], [tblAlert].[sDetail] 
FROM [tblAlert] 
WHERE [tblAlert].[dtCreated] >= :dtCreated_1 ORDER BY [tblAlert].[nAlertID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblAlert].[nAlertID], [tblAlert].[sTarget], [tblAlert].[sTargetName], [tblAlert].[sState], [tblAlert].[sTitle], [tblAlert].[sBody], [tblAlert].[nAttempts], [tblAlert].[dtCreated], [tblAlert].[dtDue], [tblAlert].[dtEnded], [tblAlert].[sDetail] 
FROM [tblAlert] 
WHERE [tblAlert].[sTarget] = :sTarget_1 AND [tblAlert].[sState] = :sState_1 ORDER BY [tblAlert].[nAlertID]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblAlert].[nAlertID], [tblAlert].[sTarget], [tblAlert].[sTargetName], [tblAlert].[sState], [tblAlert].[sTitle], [tblAlert].[sBody], [tblAlert].[nAttempts], [tblAlert].[dtCreated], [tblAlert].[dtDue], [tblAlert].[dtEnded], [tblAlert].[sDetail] 
FROM [tblAlert] ORDER BY [tblAlert].[nAlertID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailAccountChange].[nChangeID], [tblEmailAccountChange].[nAccountID], [tblEmailAccountChange].[dtChanged], [tblEmailAccountChange].[sAction], [tblEmailAccountChange].[sWho], [tblEmailAccountChange].[sHost], [tblEmailAccountChange].[sSettings] 
FROM [tblEmailAccountChange] 
WHERE [tblEmailAccountChange].[nAccountID] = :nAccountID_1 ORDER BY [tblEmailAccountChange].[nChangeID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailAccountChange].[sSettings] 
FROM [tblEmailAccountChange] 
WHERE [tblEmailAccountChange].[nAccountID] = :nAccountID_1 ORDER BY [tblEmailAccountChange].[nChangeID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailAccountSettings].[nAccountID] 
FROM [tblEmailAccountSettings] LEFT OUTER JOIN [tblSubscriptionSchedule] ON [tblSubscriptionSchedule].[nAccountID] = [tblEmailAccountSettings].[nAccountID] 
WHERE [tblSubscriptionSchedule].[nAccountID] IS NULL AND [tblEmailAccountSettings].[dtRemoved] IS NULL OR [tblSubscriptionSchedule].[dtDue] > :dtDue_1 AND [tblSubscriptionSchedule].[dtLeaseUntil] IS NULL AND ([tblSubscriptionSchedule].[sServed] IS NULL OR [tblSubscriptionSchedule].[sServed] != ([tblEmailAccountSettings].[sTenantID] + :sTenantID_1 + [tblEmailAccountSettings].[sClientID] + :param_2 + [tblEmailAccountSettings].[sUserID] + :param_3 + [tblEmailAccountSettings].[sCertificateThumbprint] + :param_4 + coalesce([tblEmailAccountSettings].[sNextCertificateThumbprint], :coalesce_1) + :param_5 + [tblEmailAccountSettings].[sFolder] + :param_6 + CASE WHEN ([tblEmailAccountSettings].[bSecureCertificateAccess] = 1) THEN :param_7 ELSE :param_8 END + CASE WHEN ([tblEmailAccountSettings].[bEnabled] = 1) THEN :param_9 ELSE :param_10 END + CASE WHEN ([tblEmailAccountSettings].[dtRemoved] IS NOT NULL) THEN :param_11 ELSE :param_12 END) COLLATE Latin1_General_100_BIN2 OR [tblSubscriptionSchedule].[sServedWith] IS NULL OR [tblSubscriptionSchedule].[sServedWith] != :sServedWith_1)
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailAccountSettings].[nAccountID], [tblEmailAccountSettings].[sAccountName] 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[dtRemoved] IS NULL ORDER BY [tblEmailAccountSettings].[sAccountName]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailAccountSettings].[nAccountID], [tblEmailAccountSettings].[sAccountName], [tblEmailAccountSettings].[bEnabled], [tblEmailAccountSettings].[sUserID], [tblMailboxAddress].[sAddress], [tblGraphSubscription].[sState], [tblGraphSubscription].[dtExpires], [tblFolderSync].[dtSwept], (SELECT TOP __[POSTCOMPILE_param_2] [tblEmailMessage].[dtImported] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] = [tblEmailAccountSettings].[nAccountID] AND [tblEmailMessage].[dtReceived] IS NOT NULL ORDER BY [tblEmailMessage].[dtReceived] DESC) AS [dtImported] 
FROM [tblEmailAccountSettings] LEFT OUTER JOIN [tblGraphSubscription] ON [tblGraphSubscription].[nAccountID] = [tblEmailAccountSettings].[nAccountID] LEFT OUTER JOIN [tblFolderSync] ON [tblFolderSync].[nAccountID] = [tblEmailAccountSettings].[nAccountID] LEFT OUTER JOIN [tblMailboxAddress] ON [tblMailboxAddress].[nAccountID] = [tblEmailAccountSettings].[nAccountID] AND [tblMailboxAddress].[sUserID] = ([tblEmailAccountSettings].[sUserID]) COLLATE Latin1_General_100_BIN2 
WHERE [tblEmailAccountSettings].[dtRemoved] IS NULL AND [tblEmailAccountSettings].[sAccountName] > :sAccountName_1 AND [tblEmailAccountSettings].[nAccountID] IN (__[POSTCOMPILE_nAccountID_1]) ORDER BY [tblEmailAccountSettings].[sAccountName]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailAccountSettings].[nAccountID], [tblEmailAccountSettings].[sAccountName], [tblEmailAccountSettings].[sAuthentication], [tblEmailAccountSettings].[sTenantID], [tblEmailAccountSettings].[sClientID], [tblEmailAccountSettings].[sUserID], [tblEmailAccountSettings].[sCertificateThumbprint], [tblEmailAccountSettings].[bSecureCertificateAccess], [tblEmailAccountSettings].[sFolder], [tblEmailAccountSettings].[sAfterImport], [tblEmailAccountSettings].[sMoveToFolder], [tblEmailAccountSettings].[bEnabled], [tblEmailAccountSettings].[dtRemoved], [tblEmailAccountSettings].[sNextCertificateThumbprint], [tblEmailAccountSettings].[dtImportSince], [tblEmailAccountSettings].[dtPurgedBefore], [tblEmailAccountSettings].[sFilterSendersAllowed], [tblEmailAccountSettings].[sFilterSendersDenied], [tblEmailAccountSettings].[sFilterSubjectsAllowed], [tblEmailAccountSettings].[sFilterSubjectsDenied], [tblEmailAccountSettings].[bFilterHasAttachments], [tblEmailAccountSettings].[nFilterSizeLeast], [tblEmailAccountSettings].[nFilterSizeMost], [tblEmailAccountSettings].[sConsoleAccess], ([tblEmailAccountSettings].[sTenantID] + :sTenantID_1 + [tblEmailAccountSettings].[sClientID] + :param_2 + [tblEmailAccountSettings].[sUserID] + :param_3 + [tblEmailAccountSettings].[sCertificateThumbprint] + :param_4 + coalesce([tblEmailAccountSettings].[sNextCertificateThumbprint], :coalesce_1) + :param_5 + [tblEmailAccountSettings].[sFolder] + :param_6 + CASE WHEN ([tblEmailAccountSettings].[bSecureCertificateAccess] = 1) THEN :param_7 ELSE :param_8 END + CASE WHEN ([tblEmailAccountSettings].[bEnabled] = 1) THEN :param_9 ELSE :param_10 END + CASE WHEN ([tblEmailAccountSettings].[dtRemoved] IS NOT NULL) THEN :param_11 ELSE :param_12 END) COLLATE Latin1_General_100_BIN2 AS fingerprint 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[dtRemoved] IS NOT NULL ORDER BY [tblEmailAccountSettings].[sAccountName]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailAccountSettings].[nAccountID], [tblEmailAccountSettings].[sAccountName], [tblEmailAccountSettings].[sAuthentication], [tblEmailAccountSettings].[sTenantID], [tblEmailAccountSettings].[sClientID], [tblEmailAccountSettings].[sUserID], [tblEmailAccountSettings].[sCertificateThumbprint], [tblEmailAccountSettings].[bSecureCertificateAccess], [tblEmailAccountSettings].[sFolder], [tblEmailAccountSettings].[sAfterImport], [tblEmailAccountSettings].[sMoveToFolder], [tblEmailAccountSettings].[bEnabled], [tblEmailAccountSettings].[dtRemoved], [tblEmailAccountSettings].[sNextCertificateThumbprint], [tblEmailAccountSettings].[dtImportSince], [tblEmailAccountSettings].[dtPurgedBefore], [tblEmailAccountSettings].[sFilterSendersAllowed], [tblEmailAccountSettings].[sFilterSendersDenied], [tblEmailAccountSettings].[sFilterSubjectsAllowed], [tblEmailAccountSettings].[sFilterSubjectsDenied], [tblEmailAccountSettings].[bFilterHasAttachments], [tblEmailAccountSettings].[nFilterSizeLeast], [tblEmailAccountSettings].[nFilterSizeMost], [tblEmailAccountSettings].[sConsoleAccess], ([tblEmailAccountSettings].[sTenantID] + :sTenantID_1 + [tblEmailAccountSettings].[sClientID] + :param_2 + [tblEmailAccountSettings].[sUserID] + :param_3 + [tblEmailAccountSettings].[sCertificateThumbprint] + :param_4 + coalesce([tblEmailAccountSettings].[sNextCertificateThumbprint], :coalesce_1) + :param_5 + [tblEmailAccountSettings].[sFolder] + :param_6 + CASE WHEN ([tblEmailAccountSettings].[bSecureCertificateAccess] = 1) THEN :param_7 ELSE :param_8 END + CASE WHEN ([tblEmailAccountSettings].[bEnabled] = 1) THEN :param_9 ELSE :param_10 END + CASE WHEN ([tblEmailAccountSettings].[dtRemoved] IS NOT NULL) THEN :param_11 ELSE :param_12 END) COLLATE Latin1_General_100_BIN2 AS fingerprint 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[dtRemoved] IS NULL AND [tblEmailAccountSettings].[sAccountName] > :sAccountName_1 AND (lower([tblEmailAccountSettings].[sAccountName]) LIKE :lower_1 ESCAPE '\' OR lower([tblEmailAccountSettings].[sUserID]) LIKE :lower_2 ESCAPE '\' OR (EXISTS (SELECT :param_13 AS anon_1 
FROM [tblMailboxAddress] 
WHERE [tblMailboxAddress].[nAccountID] = [tblEmailAccountSettings].[nAccountID] AND lower([tblMailboxAddress].[sAddress]) LIKE :lower_3 ESCAPE '\'))) ORDER BY [tblEmailAccountSettings].[sAccountName]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailAccountSettings].[nAccountID], [tblEmailAccountSettings].[sAccountName], [tblEmailAccountSettings].[sAuthentication], [tblEmailAccountSettings].[sTenantID], [tblEmailAccountSettings].[sClientID], [tblEmailAccountSettings].[sUserID], [tblEmailAccountSettings].[sCertificateThumbprint], [tblEmailAccountSettings].[bSecureCertificateAccess], [tblEmailAccountSettings].[sFolder], [tblEmailAccountSettings].[sAfterImport], [tblEmailAccountSettings].[sMoveToFolder], [tblEmailAccountSettings].[bEnabled], [tblEmailAccountSettings].[dtRemoved], [tblEmailAccountSettings].[sNextCertificateThumbprint], [tblEmailAccountSettings].[dtImportSince], [tblEmailAccountSettings].[dtPurgedBefore], [tblEmailAccountSettings].[sFilterSendersAllowed], [tblEmailAccountSettings].[sFilterSendersDenied], [tblEmailAccountSettings].[sFilterSubjectsAllowed], [tblEmailAccountSettings].[sFilterSubjectsDenied], [tblEmailAccountSettings].[bFilterHasAttachments], [tblEmailAccountSettings].[nFilterSizeLeast], [tblEmailAccountSettings].[nFilterSizeMost], [tblEmailAccountSettings].[sConsoleAccess], ([tblEmailAccountSettings].[sTenantID] + :sTenantID_1 + [tblEmailAccountSettings].[sClientID] + :param_2 + [tblEmailAccountSettings].[sUserID] + :param_3 + [tblEmailAccountSettings].[sCertificateThumbprint] + :param_4 + coalesce([tblEmailAccountSettings].[sNextCertificateThumbprint], :coalesce_1) + :param_5 + [tblEmailAccountSettings].[sFolder] + :param_6 + CASE WHEN ([tblEmailAccountSettings].[bSecureCertificateAccess] = 1) THEN :param_7 ELSE :param_8 END + CASE WHEN ([tblEmailAccountSettings].[bEnabled] = 1) THEN :param_9 ELSE :param_10 END + CASE WHEN ([tblEmailAccountSettings].[dtRemoved] IS NOT NULL) THEN :param_11 ELSE :param_12 END) COLLATE Latin1_General_100_BIN2 AS fingerprint 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[sTenantID] = :sTenantID_2 AND [tblEmailAccountSettings].[sClientID] = :sClientID_1 AND [tblEmailAccountSettings].[bEnabled] = 1 AND [tblEmailAccountSettings].[dtRemoved] IS NULL
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailDuplicate].[nAccountID], [tblEmailDuplicate].[sGraphMessageID] 
FROM [tblEmailDuplicate] 
WHERE [tblEmailDuplicate].[sGraphMessageID] = :sGraphMessageID_1 AND [tblEmailDuplicate].[nAccountID] IN (SELECT [tblEmailAccountSettings].[nAccountID] 
FROM [tblEmailAccountSettings])
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailDuplicate].[nAccountID], [tblEmailDuplicate].[sGraphMessageID], [tblEmailDuplicate].[nMessageID], [tblEmailDuplicate].[dtSeen], [tblEmailDuplicate].[sReason], [tblEmailMessage].[sGraphMessageID] AS [sGraphMessageID_1] 
FROM [tblEmailDuplicate] JOIN [tblEmailMessage] ON [tblEmailMessage].[nMessageID] = [tblEmailDuplicate].[nMessageID] 
WHERE [tblEmailDuplicate].[nAccountID] = :nAccountID_1 AND [tblEmailDuplicate].[sGraphMessageID] > :sGraphMessageID_2 ORDER BY [tblEmailDuplicate].[sGraphMessageID]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailDuplicate].[nAccountID], [tblEmailDuplicate].[sGraphMessageID], [tblEmailDuplicate].[nMessageID], [tblEmailDuplicate].[dtSeen], [tblEmailDuplicate].[sReason], [tblEmailMessage].[sInternetMessageID], [tblEmailMessage].[sSubject], [tblEmailMessage].[sFromName], [tblEmailMessage].[sFromAddress], [tblEmailDuplicate].[nDuplicateID] AS number, [tblEmailMessage].[dtReceived] AS time 
FROM [tblEmailDuplicate] JOIN [tblEmailMessage] ON [tblEmailMessage].[nMessageID] = [tblEmailDuplicate].[nMessageID] 
WHERE (lower([tblEmailMessage].[sFromName]) LIKE :lower_1 ESCAPE '\' OR lower([tblEmailMessage].[sFromAddress]) LIKE :lower_2 ESCAPE '\' OR lower([tblEmailMessage].[sSenderName]) LIKE :lower_3 ESCAPE '\' OR lower([tblEmailMessage].[sSenderAddress]) LIKE :lower_4 ESCAPE '\') AND lower([tblEmailMessage].[sSubject]) LIKE :lower_5 ESCAPE '\' AND (EXISTS (SELECT 1 
FROM [tblEmailRecipient] 
WHERE [tblEmailRecipient].[nMessageID] = [tblEmailMessage].[nMessageID] AND [tblEmailRecipient].[sKind] IN (__[POSTCOMPILE_sKind_1]) AND (lower([tblEmailRecipient].[sAddress]) LIKE :lower_6 ESCAPE '\' OR lower([tblEmailRecipient].[sName]) LIKE :lower_7 ESCAPE '\'))) AND (EXISTS (SELECT 1 
FROM [tblEmailAttachment] 
WHERE [tblEmailAttachment].[nMessageID] = [tblEmailMessage].[nMessageID] AND lower([tblEmailAttachment].[sFileName]) LIKE :lower_8 ESCAPE '\')) AND [tblEmailDuplicate].[nAccountID] = :nAccountID_1 AND [tblEmailMessage].[dtReceived] IS NOT NULL AND [tblEmailMessage].[dtReceived] >= :dtReceived_1 AND [tblEmailMessage].[dtReceived] < :dtReceived_2 AND [tblEmailMessage].[dtReceived] <= :dtReceived_3 AND ([tblEmailMessage].[dtReceived] < :dtReceived_4 OR [tblEmailDuplicate].[nDuplicateID] < :nDuplicateID_1) ORDER BY [tblEmailMessage].[dtReceived] DESC, [tblEmailDuplicate].[nDuplicateID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailDuplicate].[nAccountID], [tblEmailDuplicate].[sGraphMessageID], [tblEmailDuplicate].[nMessageID], [tblEmailDuplicate].[dtSeen], [tblEmailDuplicate].[sReason], [tblEmailMessage].[sInternetMessageID], [tblEmailMessage].[sSubject], [tblEmailMessage].[sFromName], [tblEmailMessage].[sFromAddress], [tblEmailDuplicate].[nDuplicateID] AS number, [tblEmailMessage].[dtReceived] AS time 
FROM [tblEmailDuplicate] JOIN [tblEmailMessage] ON [tblEmailMessage].[nMessageID] = [tblEmailDuplicate].[nMessageID] 
WHERE (lower([tblEmailMessage].[sFromName]) LIKE :lower_1 ESCAPE '\' OR lower([tblEmailMessage].[sFromAddress]) LIKE :lower_2 ESCAPE '\' OR lower([tblEmailMessage].[sSenderName]) LIKE :lower_3 ESCAPE '\' OR lower([tblEmailMessage].[sSenderAddress]) LIKE :lower_4 ESCAPE '\') AND lower([tblEmailMessage].[sSubject]) LIKE :lower_5 ESCAPE '\' AND [tblEmailDuplicate].[nAccountID] = :nAccountID_1 AND [tblEmailMessage].[dtReceived] IS NOT NULL AND [tblEmailMessage].[dtReceived] >= :dtReceived_1 AND [tblEmailMessage].[dtReceived] < :dtReceived_2 ORDER BY [tblEmailMessage].[dtReceived] DESC, [tblEmailDuplicate].[nDuplicateID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailDuplicate].[nAccountID], [tblEmailDuplicate].[sGraphMessageID], [tblEmailDuplicate].[nMessageID], [tblEmailDuplicate].[dtSeen], [tblEmailDuplicate].[sReason], [tblEmailMessage].[sInternetMessageID], [tblEmailMessage].[sSubject], [tblEmailMessage].[sFromName], [tblEmailMessage].[sFromAddress], [tblEmailDuplicate].[nDuplicateID] AS number, [tblEmailMessage].[dtReceived] AS time 
FROM [tblEmailDuplicate] JOIN [tblEmailMessage] ON [tblEmailMessage].[nMessageID] = [tblEmailDuplicate].[nMessageID] 
WHERE [tblEmailDuplicate].[nAccountID] + :nAccountID_1 IN (__[POSTCOMPILE_param_2]) AND [tblEmailMessage].[dtReceived] IS NOT NULL AND [tblEmailMessage].[dtReceived] >= :dtReceived_1 ORDER BY [tblEmailMessage].[dtReceived] DESC, [tblEmailDuplicate].[nDuplicateID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailDuplicate].[nAccountID], [tblEmailDuplicate].[sGraphMessageID], [tblEmailDuplicate].[nMessageID], [tblEmailDuplicate].[dtSeen], [tblEmailDuplicate].[sReason], [tblEmailMessage].[sInternetMessageID], [tblEmailMessage].[sSubject], [tblEmailMessage].[sFromName], [tblEmailMessage].[sFromAddress], [tblEmailDuplicate].[nDuplicateID] AS number, [tblEmailMessage].[dtReceived] AS time 
FROM [tblEmailDuplicate] JOIN [tblEmailMessage] ON [tblEmailMessage].[nMessageID] = [tblEmailDuplicate].[nMessageID] 
WHERE [tblEmailMessage].[dtReceived] IS NOT NULL AND [tblEmailMessage].[dtReceived] >= :dtReceived_1 ORDER BY [tblEmailMessage].[dtReceived] DESC, [tblEmailDuplicate].[nDuplicateID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailDuplicate].[nAccountID], [tblEmailDuplicate].[sGraphMessageID], [tblEmailDuplicate].[nMessageID], [tblEmailDuplicate].[dtSeen], [tblEmailDuplicate].[sReason], [tblEmailMessage].[sInternetMessageID], [tblEmailMessage].[sSubject], [tblEmailMessage].[sFromName], [tblEmailMessage].[sFromAddress], [tblEmailDuplicate].[nDuplicateID] AS number, [tblEmailMessage].[dtReceived] AS time 
FROM [tblEmailDuplicate] JOIN [tblEmailMessage] ON [tblEmailMessage].[nMessageID] = [tblEmailDuplicate].[nMessageID] 
WHERE [tblEmailMessage].[dtReceived] IS NULL AND [tblEmailDuplicate].[nDuplicateID] < :nDuplicateID_1 ORDER BY [tblEmailDuplicate].[nDuplicateID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailFailure].[nAccountID], [tblEmailFailure].[sGraphMessageID], [tblEmailFailure].[dtLastFailed] 
FROM [tblEmailFailure] 
WHERE [tblEmailFailure].[sGraphMessageID] = :sGraphMessageID_1 AND [tblEmailFailure].[nAccountID] IN (SELECT [tblEmailAccountSettings].[nAccountID] 
FROM [tblEmailAccountSettings]) AND [tblEmailFailure].[nAccountID] = :nAccountID_1 ORDER BY [tblEmailFailure].[dtLastFailed] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailFailure].[nAccountID], [tblEmailFailure].[sGraphMessageID], [tblEmailFailure].[dtLastFailed] 
FROM [tblEmailFailure] 
WHERE [tblEmailFailure].[sGraphMessageID] = :sGraphMessageID_1 AND [tblEmailFailure].[nAccountID] IN (SELECT [tblEmailAccountSettings].[nAccountID] 
FROM [tblEmailAccountSettings]) ORDER BY [tblEmailFailure].[dtLastFailed] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailFailure].[nAccountID], [tblEmailFailure].[sGraphMessageID], [tblEmailFailure].[dtLastFailed] 
FROM [tblEmailFailure] 
WHERE [tblEmailFailure].[sGraphMessageID] = :sGraphMessageID_1 OR [tblEmailFailure].[sInternetMessageID] IN (__[POSTCOMPILE_sInternetMessageID_1]) OR lower([tblEmailFailure].[sSubject]) LIKE :lower_1 ESCAPE '\' OR lower([tblEmailFailure].[sFromName]) LIKE :lower_2 ESCAPE '\' OR lower([tblEmailFailure].[sFromAddress]) LIKE :lower_3 ESCAPE '\' ORDER BY [tblEmailFailure].[dtLastFailed] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailFailure].[nFailureID] 
FROM [tblEmailFailure] 
WHERE (EXISTS (SELECT 1 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailMessage].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID])) OR (EXISTS (SELECT 1 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailSeen].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID])) OR (EXISTS (SELECT 1 
FROM [tblEmailDuplicate] 
WHERE [tblEmailDuplicate].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailDuplicate].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID])) OR NOT (EXISTS (SELECT 1 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[nAccountID] = [tblEmailFailure].[nAccountID])) ORDER BY [tblEmailFailure].[nFailureID]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailFailure].[nFailureID], [tblEmailFailure].[nAccountID], [tblEmailFailure].[sGraphMessageID] 
FROM [tblEmailFailure] 
WHERE [tblEmailFailure].[dtLastFailed] < :dtLastFailed_1 AND [tblEmailFailure].[nFailureID] > :nFailureID_1 ORDER BY [tblEmailFailure].[nFailureID]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailFailure].[nFailureID], [tblEmailFailure].[nAccountID], [tblEmailFailure].[sGraphMessageID], [tblEmailFailure].[sState], [tblEmailFailure].[sInternetMessageID], [tblEmailFailure].[sSubject], [tblEmailFailure].[sFromName], [tblEmailFailure].[sFromAddress], [tblEmailFailure].[dtReceived], [tblEmailFailure].[nAttempts], [tblEmailFailure].[dtFirstFailed], [tblEmailFailure].[dtLastFailed], [tblEmailFailure].[dtNextAttempt], [tblEmailFailure].[sReason], [tblEmailFailure].[sDetail], [tblEmailFailure].[sDetailPhrase], [tblEmailFailure].[nFailureID] AS number, coalesce([tblEmailFailure].[dtReceived], [tblEmailFailure].[dtFirstFailed]) AS time 
FROM [tblEmailFailure] 
WHERE NOT ((EXISTS (SELECT 1 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailMessage].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID])) OR (EXISTS (SELECT 1 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailSeen].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID])) OR (EXISTS (SELECT 1 
FROM [tblEmailDuplicate] 
WHERE [tblEmailDuplicate].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailDuplicate].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID]))) AND (lower([tblEmailFailure].[sFromName]) LIKE :lower_1 ESCAPE '\' OR lower([tblEmailFailure].[sFromAddress]) LIKE :lower_2 ESCAPE '\') AND lower([tblEmailFailure].[sSubject]) LIKE :lower_3 ESCAPE '\' AND [tblEmailFailure].[nAccountID] = :nAccountID_1 AND coalesce([tblEmailFailure].[dtReceived], [tblEmailFailure].[dtFirstFailed]) >= :coalesce_1 AND coalesce([tblEmailFailure].[dtReceived], [tblEmailFailure].[dtFirstFailed]) < :coalesce_2 ORDER BY coalesce([tblEmailFailure].[dtReceived], [tblEmailFailure].[dtFirstFailed]) DESC, [tblEmailFailure].[nFailureID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailFailure].[nFailureID], [tblEmailFailure].[nAccountID], [tblEmailFailure].[sGraphMessageID], [tblEmailFailure].[sState], [tblEmailFailure].[sInternetMessageID], [tblEmailFailure].[sSubject], [tblEmailFailure].[sFromName], [tblEmailFailure].[sFromAddress], [tblEmailFailure].[dtReceived], [tblEmailFailure].[nAttempts], [tblEmailFailure].[dtFirstFailed], [tblEmailFailure].[dtLastFailed], [tblEmailFailure].[dtNextAttempt], [tblEmailFailure].[sReason], [tblEmailFailure].[sDetail], [tblEmailFailure].[sDetailPhrase], [tblEmailFailure].[nFailureID] AS number, coalesce([tblEmailFailure].[dtReceived], [tblEmailFailure].[dtFirstFailed]) AS time 
FROM [tblEmailFailure] 
WHERE NOT ((EXISTS (SELECT 1 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailMessage].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID])) OR (EXISTS (SELECT 1 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailSeen].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID])) OR (EXISTS (SELECT 1 
FROM [tblEmailDuplicate] 
WHERE [tblEmailDuplicate].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailDuplicate].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID]))) AND [tblEmailFailure].[nAccountID] + :nAccountID_1 IN (__[POSTCOMPILE_param_2]) ORDER BY coalesce([tblEmailFailure].[dtReceived], [tblEmailFailure].[dtFirstFailed]) DESC, [tblEmailFailure].[nFailureID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailFailure].[nFailureID], [tblEmailFailure].[nAccountID], [tblEmailFailure].[sGraphMessageID], [tblEmailFailure].[sState], [tblEmailFailure].[sInternetMessageID], [tblEmailFailure].[sSubject], [tblEmailFailure].[sFromName], [tblEmailFailure].[sFromAddress], [tblEmailFailure].[dtReceived], [tblEmailFailure].[nAttempts], [tblEmailFailure].[dtFirstFailed], [tblEmailFailure].[dtLastFailed], [tblEmailFailure].[dtNextAttempt], [tblEmailFailure].[sReason], [tblEmailFailure].[sDetail], [tblEmailFailure].[sDetailPhrase], [tblEmailFailure].[nFailureID] AS number, coalesce([tblEmailFailure].[dtReceived], [tblEmailFailure].[dtFirstFailed]) AS time 
FROM [tblEmailFailure] 
WHERE NOT ((EXISTS (SELECT 1 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailMessage].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID])) OR (EXISTS (SELECT 1 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailSeen].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID])) OR (EXISTS (SELECT 1 
FROM [tblEmailDuplicate] 
WHERE [tblEmailDuplicate].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailDuplicate].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID]))) ORDER BY coalesce([tblEmailFailure].[dtReceived], [tblEmailFailure].[dtFirstFailed]) DESC, [tblEmailFailure].[nFailureID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailFile].[nFileID] 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[sState] IN (__[POSTCOMPILE_sState_1]) AND [tblEmailFile].[nRuleID] = :nRuleID_1 AND [tblEmailFile].[nMessageID] = :nMessageID_1 AND [tblEmailFile].[sFolderKey] IN (__[POSTCOMPILE_sFolderKey_1]) AND [tblEmailFile].[dtCreated] >= :dtCreated_1 AND (EXISTS (SELECT 1 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nMessageID] = [tblEmailFile].[nMessageID] AND [tblEmailMessage].[nAccountID] = :nAccountID_1)) ORDER BY [tblEmailFile].[nFileID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailFile].[nFileID] 
FROM [tblEmailFile] ORDER BY [tblEmailFile].[nFileID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailFile].[nFileID], [tblEmailFile].[nMessageID] 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[sState] = :sState_1 AND ([tblEmailFile].[dtDue] <= :dtDue_1 OR [tblEmailFile].[dtDue] > :dtDue_2) AND [tblEmailFile].[sFolderKey] = :sFolderKey_1 AND ([tblEmailFile].[sReason] IS NULL OR [tblEmailFile].[sReason] != :sReason_1 OR [tblEmailFile].[dtRetryUntil] <= :dtRetryUntil_1) ORDER BY [tblEmailFile].[dtDue], [tblEmailFile].[nFileID]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailFile].[nFileID], [tblEmailFile].[nMessageID], [tblEmailFile].[nRuleID], [tblEmailFile].[sKey], [tblEmailFile].[sPart], [tblEmailFile].[sFolder], [tblEmailFile].[sFileName], [tblEmailFile].[nPosition], [tblEmailFile].[sMember], [tblEmailFile].[nMember], [tblEmailFile].[nAttempts], [tblEmailFile].[dtRetryUntil], [tblEmailFile].[sToken], [tblEmailFile].[sFolderIdentity], [tblEmailFile].[sTargetPath], [tblEmailFile].[nDataFileID] 
FROM [tblEmailFile] WITH (UPDLOCK, READPAST, ROWLOCK, READCOMMITTEDLOCK) 
WHERE [tblEmailFile].[sState] = :sState_1 AND ([tblEmailFile].[dtDue] <= :dtDue_1 OR [tblEmailFile].[dtDue] > :dtDue_2) AND [tblEmailFile].[sFolderKey] = :sFolderKey_1 ORDER BY [tblEmailFile].[dtDue], [tblEmailFile].[nFileID]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailFile].[nFileID], [tblEmailFile].[nMessageID], [tblEmailFile].[nRuleID], [tblEmailRule].[sName], [tblEmailMessage].[nAccountID], [tblEmailAccountSettings].[sAccountName], [tblEmailFile].[nRun], [tblEmailFile].[sPart], [tblEmailFile].[sFolder], [tblEmailFile].[sFileName], [tblEmailFile].[sTargetPath], [tblEmailFile].[sState], [tblEmailFile].[nAttempts], [tblEmailFile].[sReason], [tblEmailFile].[sDetail], [tblEmailFile].[sDetailPhrase], [tblEmailFile].[nSize], [tblEmailFile].[dtCreated], [tblEmailFile].[dtDue], [tblEmailFile].[dtRetryUntil], [tblEmailFile].[dtSaved] 
FROM [tblEmailFile] JOIN [tblEmailMessage] ON [tblEmailMessage].[nMessageID] = [tblEmailFile].[nMessageID] LEFT OUTER JOIN [tblEmailRule] ON [tblEmailRule].[nRuleID] = [tblEmailFile].[nRuleID] LEFT OUTER JOIN [tblEmailAccountSettings] ON [tblEmailAccountSettings].[nAccountID] = [tblEmailMessage].[nAccountID] 
WHERE [tblEmailFile].[dtSaved] > :dtSaved_1 AND [tblEmailFile].[sFolderKey] = :sFolderKey_1 AND [tblEmailFile].[nRuleID] = :nRuleID_1 AND ([tblEmailMessage].[nAccountID] NOT IN (__[POSTCOMPILE_without])) ORDER BY [tblEmailFile].[dtSaved] DESC, [tblEmailFile].[nFileID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailFile].[sFolderKey], [tblEmailFile].[sFolder] 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[sState] = :sState_1 AND ([tblEmailFile].[dtDue] <= :dtDue_1 OR [tblEmailFile].[dtDue] > :dtDue_2) AND ([tblEmailFile].[sFolderKey] NOT IN (__[POSTCOMPILE_sFolderKey_1])) ORDER BY [tblEmailFile].[dtDue]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailFile].[sFolderKey], count(*) AS [nWaiting], min(CASE WHEN ([tblEmailFile].[nAttempts] = :nAttempts_1) THEN [tblEmailFile].[dtDue] END) AS [dtDue], min(CASE WHEN ([tblEmailFile].[nAttempts] > :nAttempts_2) THEN [tblEmailFile].[dtDue] END) AS [dtAttempted] 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[sState] = :sState_1 AND [tblEmailFile].[sFolderKey] = :sFolderKey_1 GROUP BY [tblEmailFile].[sFolderKey] ORDER BY count(*) DESC, [tblEmailFile].[sFolderKey]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailFile].[sFolderKey], count(*) AS [nWaiting], min(CASE WHEN ([tblEmailFile].[nAttempts] = :nAttempts_1) THEN [tblEmailFile].[dtDue] END) AS [dtDue], min(CASE WHEN ([tblEmailFile].[nAttempts] > :nAttempts_2) THEN [tblEmailFile].[dtDue] END) AS [dtAttempted] 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[sState] = :sState_1 GROUP BY [tblEmailFile].[sFolderKey] ORDER BY count(*) DESC, [tblEmailFile].[sFolderKey]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[dtImported] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[sRuleState] = :sRuleState_1 AND [tblEmailMessage].[nRulesMatched] IS NULL ORDER BY [tblEmailMessage].[nMessageID]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nAccountID], [tblEmailMessage].[sGraphMessageID], [tblEmailMessage].[dtImported] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[sGraphMessageID] = :sGraphMessageID_1 AND [tblEmailMessage].[nAccountID] IN (SELECT [tblEmailAccountSettings].[nAccountID] 
FROM [tblEmailAccountSettings]) AND [tblEmailMessage].[nAccountID] = :nAccountID_1 ORDER BY [tblEmailMessage].[dtImported] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nAccountID], [tblEmailMessage].[sGraphMessageID], [tblEmailMessage].[dtImported] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[sGraphMessageID] = :sGraphMessageID_1 AND [tblEmailMessage].[nAccountID] IN (SELECT [tblEmailAccountSettings].[nAccountID] 
FROM [tblEmailAccountSettings]) ORDER BY [tblEmailMessage].[dtImported] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nAccountID], [tblEmailMessage].[sGraphMessageID], [tblEmailMessage].[dtImported] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[sGraphMessageID] = :sGraphMessageID_1 OR [tblEmailMessage].[sInternetMessageID] IN (__[POSTCOMPILE_sInternetMessageID_1]) OR lower([tblEmailMessage].[sSubject]) LIKE :lower_1 ESCAPE '\' OR [tblEmailMessage].[sCorrelationID] = :sCorrelationID_1 OR lower([tblEmailMessage].[sFromName]) LIKE :lower_2 ESCAPE '\' OR lower([tblEmailMessage].[sFromAddress]) LIKE :lower_3 ESCAPE '\' OR lower([tblEmailMessage].[sSenderName]) LIKE :lower_4 ESCAPE '\' OR lower([tblEmailMessage].[sSenderAddress]) LIKE :lower_5 ESCAPE '\' OR (EXISTS (SELECT 1 
FROM [tblEmailAttachment] 
WHERE [tblEmailAttachment].[nMessageID] = [tblEmailMessage].[nMessageID] AND lower([tblEmailAttachment].[sFileName]) LIKE :lower_6 ESCAPE '\')) ORDER BY [tblEmailMessage].[dtImported] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nAccountID], [tblEmailMessage].[sGraphMessageID], [tblEmailMessage].[dtImported], [tblEmailMessage].[nRulesMatched], [tblEmailMessage].[sRuleState], [tblEmailMessage].[sInternetMessageID], [tblEmailMessage].[sSubject], [tblEmailMessage].[sFromName], [tblEmailMessage].[sFromAddress], [tblEmailMessage].[nMessageID] AS number, [tblEmailMessage].[dtReceived] AS time 
FROM [tblEmailMessage] 
WHERE ([tblEmailMessage].[sRuleState] + :sRuleState_1) IN (__[POSTCOMPILE_param_2]) AND [tblEmailMessage].[nAccountID] = :nAccountID_1 AND [tblEmailMessage].[dtReceived] IS NOT NULL ORDER BY [tblEmailMessage].[dtReceived] DESC, [tblEmailMessage].[nMessageID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nAccountID], [tblEmailMessage].[sGraphMessageID], [tblEmailMessage].[dtImported], [tblEmailMessage].[nRulesMatched], [tblEmailMessage].[sRuleState], [tblEmailMessage].[sInternetMessageID], [tblEmailMessage].[sSubject], [tblEmailMessage].[sFromName], [tblEmailMessage].[sFromAddress], [tblEmailMessage].[nMessageID] AS number, [tblEmailMessage].[dtReceived] AS time 
FROM [tblEmailMessage] 
WHERE ([tblEmailMessage].[sRuleState] + :sRuleState_1) IN (__[POSTCOMPILE_param_2]) AND [tblEmailMessage].[nAccountID] = :nAccountID_1 AND [tblEmailMessage].[dtReceived] IS NULL ORDER BY [tblEmailMessage].[nMessageID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nAccountID], [tblEmailMessage].[sGraphMessageID], [tblEmailMessage].[dtImported], [tblEmailMessage].[nRulesMatched], [tblEmailMessage].[sRuleState], [tblEmailMessage].[sInternetMessageID], [tblEmailMessage].[sSubject], [tblEmailMessage].[sFromName], [tblEmailMessage].[sFromAddress], [tblEmailMessage].[nMessageID] AS number, [tblEmailMessage].[dtReceived] AS time 
FROM [tblEmailMessage] 
WHERE (lower([tblEmailMessage].[sFromName]) LIKE :lower_1 ESCAPE '\' OR lower([tblEmailMessage].[sFromAddress]) LIKE :lower_2 ESCAPE '\' OR lower([tblEmailMessage].[sSenderName]) LIKE :lower_3 ESCAPE '\' OR lower([tblEmailMessage].[sSenderAddress]) LIKE :lower_4 ESCAPE '\') AND lower([tblEmailMessage].[sSubject]) LIKE :lower_5 ESCAPE '\' AND (EXISTS (SELECT 1 
FROM [tblEmailRecipient] 
WHERE [tblEmailRecipient].[nMessageID] = [tblEmailMessage].[nMessageID] AND [tblEmailRecipient].[sKind] IN (__[POSTCOMPILE_sKind_1]) AND (lower([tblEmailRecipient].[sAddress]) LIKE :lower_6 ESCAPE '\' OR lower([tblEmailRecipient].[sName]) LIKE :lower_7 ESCAPE '\'))) AND (EXISTS (SELECT 1 
FROM [tblEmailAttachment] 
WHERE [tblEmailAttachment].[nMessageID] = [tblEmailMessage].[nMessageID] AND lower([tblEmailAttachment].[sFileName]) LIKE :lower_8 ESCAPE '\')) AND [tblEmailMessage].[nAccountID] = :nAccountID_1 AND [tblEmailMessage].[dtReceived] IS NOT NULL AND [tblEmailMessage].[dtReceived] >= :dtReceived_1 AND [tblEmailMessage].[dtReceived] < :dtReceived_2 AND [tblEmailMessage].[dtReceived] < :dtReceived_3 ORDER BY [tblEmailMessage].[dtReceived] DESC, [tblEmailMessage].[nMessageID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nAccountID], [tblEmailMessage].[sGraphMessageID], [tblEmailMessage].[dtImported], [tblEmailMessage].[nRulesMatched], [tblEmailMessage].[sRuleState], [tblEmailMessage].[sInternetMessageID], [tblEmailMessage].[sSubject], [tblEmailMessage].[sFromName], [tblEmailMessage].[sFromAddress], [tblEmailMessage].[nMessageID] AS number, [tblEmailMessage].[dtReceived] AS time 
FROM [tblEmailMessage] 
WHERE (lower([tblEmailMessage].[sFromName]) LIKE :lower_1 ESCAPE '\' OR lower([tblEmailMessage].[sFromAddress]) LIKE :lower_2 ESCAPE '\' OR lower([tblEmailMessage].[sSenderName]) LIKE :lower_3 ESCAPE '\' OR lower([tblEmailMessage].[sSenderAddress]) LIKE :lower_4 ESCAPE '\') AND lower([tblEmailMessage].[sSubject]) LIKE :lower_5 ESCAPE '\' AND [tblEmailMessage].[nAccountID] = :nAccountID_1 AND [tblEmailMessage].[dtReceived] IS NOT NULL AND [tblEmailMessage].[dtReceived] >= :dtReceived_1 AND [tblEmailMessage].[dtReceived] < :dtReceived_2 ORDER BY [tblEmailMessage].[dtReceived] DESC, [tblEmailMessage].[nMessageID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nAccountID], [tblEmailMessage].[sGraphMessageID], [tblEmailMessage].[dtImported], [tblEmailMessage].[nRulesMatched], [tblEmailMessage].[sRuleState], [tblEmailMessage].[sInternetMessageID], [tblEmailMessage].[sSubject], [tblEmailMessage].[sFromName], [tblEmailMessage].[sFromAddress], [tblEmailMessage].[nMessageID] AS number, [tblEmailMessage].[dtReceived] AS time 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[dtReceived] IS NOT NULL ORDER BY [tblEmailMessage].[dtReceived] DESC, [tblEmailMessage].[nMessageID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nAccountID], [tblEmailMessage].[sGraphMessageID], [tblEmailMessage].[dtImported], [tblEmailMessage].[nRulesMatched], [tblEmailMessage].[sRuleState], [tblEmailMessage].[sInternetMessageID], [tblEmailMessage].[sSubject], [tblEmailMessage].[sFromName], [tblEmailMessage].[sFromAddress], [tblEmailMessage].[nMessageID] AS number, [tblEmailMessage].[dtReceived] AS time 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[dtReceived] IS NULL ORDER BY [tblEmailMessage].[nMessageID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nAccountID], [tblEmailMessage].[sGraphMessageID], [tblEmailMessage].[dtImported], [tblEmailMessage].[nRulesMatched], [tblEmailMessage].[sRuleState], [tblEmailMessage].[sInternetMessageID], [tblEmailMessage].[sSubject], [tblEmailMessage].[sFromName], [tblEmailMessage].[sFromAddress], [tblEmailMessage].[nMessageID] AS number, [tblEmailMessage].[dtReceived] AS time 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] + :nAccountID_1 IN (__[POSTCOMPILE_param_2]) AND [tblEmailMessage].[dtReceived] IS NOT NULL ORDER BY [tblEmailMessage].[dtReceived] DESC, [tblEmailMessage].[nMessageID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nAccountID], [tblEmailMessage].[sGraphMessageID], [tblEmailMessage].[dtImported], [tblEmailMessage].[nRulesMatched], [tblEmailMessage].[sRuleState], [tblEmailMessage].[sInternetMessageID], [tblEmailMessage].[sSubject], [tblEmailMessage].[sFromName], [tblEmailMessage].[sFromAddress], [tblEmailMessage].[nMessageID] AS number, [tblEmailMessage].[dtReceived] AS time 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] + :nAccountID_1 IN (__[POSTCOMPILE_param_2]) AND [tblEmailMessage].[dtReceived] IS NULL ORDER BY [tblEmailMessage].[nMessageID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nMessageID] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] = :nAccountID_1 AND [tblEmailMessage].[dtReceived] IS NULL AND [tblEmailMessage].[dtImported] < :dtImported_1 AND NOT (EXISTS (SELECT :param_2 AS anon_1 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[nMessageID] = [tblEmailMessage].[nMessageID] AND [tblEmailFile].[sState] = :sState_1)) AND [tblEmailMessage].[nMessageID] > :nMessageID_1 ORDER BY [tblEmailMessage].[nMessageID]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nMessageID] 
FROM [tblEmailMessage] WITH (UPDLOCK, READPAST, ROWLOCK, READCOMMITTEDLOCK) 
WHERE [tblEmailMessage].[sAfterImportState] = :sAfterImportState_1 AND [tblEmailMessage].[nAccountID] = :nAccountID_1 AND (EXISTS (SELECT :param_2 AS anon_1 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[nAccountID] = [tblEmailMessage].[nAccountID] AND ([tblEmailAccountSettings].[sAfterImport]) COLLATE Latin1_General_100_BIN2 = [tblEmailMessage].[sAfterImport])) AND [tblEmailMessage].[nMessageID] > :nMessageID_1 AND NOT ((EXISTS (SELECT :param_3 AS anon_2 
FROM [tblEmailAttachment] 
WHERE [tblEmailAttachment].[nMessageID] = [tblEmailMessage].[nMessageID] AND [tblEmailAttachment].[nParentPosition] IS NULL AND (([tblEmailAttachment].[sState] NOT IN (__[POSTCOMPILE_sState_1])) OR ([tblEmailAttachment].[sStateDetail] LIKE :sStateDetail_1 + '%')))) OR (EXISTS (SELECT :param_4 AS anon_3 
FROM [tblEmailOriginal] 
WHERE [tblEmailOriginal].[nMessageID] = [tblEmailMessage].[nMessageID] AND [tblEmailOriginal].[sState] != :sState_2))) ORDER BY [tblEmailMessage].[nMessageID]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nMessageID], [tblEmailMessage].[dtImported], [tblEmailMessage].[nSize] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[sRuleState] = :sRuleState_1 AND [tblEmailMessage].[nRulesMatched] IS NULL ORDER BY [tblEmailMessage].[nMessageID]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nMessageID], [tblEmailMessage].[dtReceived] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] = :nAccountID_1 AND [tblEmailMessage].[dtReceived] < :dtReceived_1 AND NOT (EXISTS (SELECT :param_2 AS anon_1 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[nMessageID] = [tblEmailMessage].[nMessageID] AND [tblEmailFile].[sState] = :sState_1)) AND [tblEmailMessage].[dtReceived] >= :dtReceived_2 AND ([tblEmailMessage].[dtReceived] > :dtReceived_3 OR [tblEmailMessage].[nMessageID] > :nMessageID_1) ORDER BY [tblEmailMessage].[dtReceived], [tblEmailMessage].[nMessageID]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nMessageID], [tblEmailMessage].[dtReceived] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] = :nAccountID_1 AND [tblEmailMessage].[dtReceived] < :dtReceived_1 AND NOT (EXISTS (SELECT :param_2 AS anon_1 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[nMessageID] = [tblEmailMessage].[nMessageID] AND [tblEmailFile].[sState] = :sState_1)) ORDER BY [tblEmailMessage].[dtReceived], [tblEmailMessage].[nMessageID]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nMessageID], [tblEmailMessage].[dtReceived], [tblEmailMessage].[sRuleState], [tblEmailMessage].[nRulesMatched] 
FROM [tblEmailMessage] 
WHERE ([tblEmailMessage].[nAccountID] NOT IN (__[POSTCOMPILE_without])) AND [tblEmailMessage].[dtReceived] >= :dtReceived_1 AND ([tblEmailMessage].[dtReceived] > :dtReceived_2 OR [tblEmailMessage].[dtReceived] = :dtReceived_3 AND [tblEmailMessage].[nMessageID] > :nMessageID_1) ORDER BY [tblEmailMessage].[dtReceived], [tblEmailMessage].[nMessageID]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nMessageID], [tblEmailMessage].[dtReceived], [tblEmailMessage].[sRuleState], [tblEmailMessage].[nRulesMatched] 
FROM [tblEmailMessage] 
WHERE ([tblEmailMessage].[nAccountID] NOT IN (__[POSTCOMPILE_without])) AND [tblEmailMessage].[dtReceived] IS NOT NULL ORDER BY [tblEmailMessage].[dtReceived] DESC, [tblEmailMessage].[nMessageID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nMessageID], [tblEmailMessage].[dtReceived], [tblEmailMessage].[sRuleState], [tblEmailMessage].[nRulesMatched] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[dtReceived] >= :dtReceived_1 AND ([tblEmailMessage].[dtReceived] > :dtReceived_2 OR [tblEmailMessage].[dtReceived] = :dtReceived_3 AND [tblEmailMessage].[nMessageID] > :nMessageID_1) ORDER BY [tblEmailMessage].[dtReceived], [tblEmailMessage].[nMessageID]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nMessageID], [tblEmailMessage].[dtReceived], [tblEmailMessage].[sRuleState], [tblEmailMessage].[nRulesMatched] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[dtReceived] >= :dtReceived_1 ORDER BY [tblEmailMessage].[dtReceived], [tblEmailMessage].[nMessageID]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nMessageID], [tblEmailMessage].[dtReceived], [tblEmailMessage].[sRuleState], [tblEmailMessage].[nRulesMatched] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[dtReceived] IS NOT NULL AND [tblEmailMessage].[nAccountID] = :nAccountID_1 AND [tblEmailMessage].[dtReceived] <= :dtReceived_1 AND ([tblEmailMessage].[dtReceived] < :dtReceived_2 OR [tblEmailMessage].[nMessageID] < :nMessageID_1) ORDER BY [tblEmailMessage].[dtReceived] DESC, [tblEmailMessage].[nMessageID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nMessageID], [tblEmailMessage].[nAccountID], [tblEmailMessage].[sGraphMessageID], [tblEmailMessage].[sAfterImport], [tblEmailMessage].[nAfterImportAttempts] 
FROM [tblEmailMessage] WITH (UPDLOCK, READPAST, ROWLOCK, READCOMMITTEDLOCK) 
WHERE [tblEmailMessage].[sAfterImportState] = :sAfterImportState_1 AND ([tblEmailMessage].[dtAfterImportDue] <= :dtAfterImportDue_1 OR [tblEmailMessage].[dtAfterImportDue] > :dtAfterImportDue_2) ORDER BY [tblEmailMessage].[dtAfterImportDue]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nMessageID], [tblEmailMessage].[sGraphMessageID] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] = :nAccountID_1 AND [tblEmailMessage].[nMessageID] = :nMessageID_1 ORDER BY [tblEmailMessage].[nMessageID]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nMessageID], [tblEmailMessage].[sGraphMessageID] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] = :nAccountID_1 AND [tblEmailMessage].[sGraphMessageID] = :sGraphMessageID_1 ORDER BY [tblEmailMessage].[nMessageID]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nMessageID], [tblEmailMessage].[sGraphMessageID] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] = :nAccountID_1 AND [tblEmailMessage].[sInternetMessageID] IN (__[POSTCOMPILE_sInternetMessageID_1]) ORDER BY [tblEmailMessage].[nMessageID]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailRuleChange].[nChangeID], [tblEmailRuleChange].[nRuleID] 
FROM [tblEmailRuleChange] 
WHERE [tblEmailRuleChange].[nRuleID] = :nRuleID_1 ORDER BY [tblEmailRuleChange].[nChangeID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailRuleChange].[nChangeID], [tblEmailRuleChange].[nRuleID] 
FROM [tblEmailRuleChange] ORDER BY [tblEmailRuleChange].[nChangeID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailRule].[nRuleID] 
FROM [tblEmailRule] 
WHERE [tblEmailRule].[sName] = :sName_1 ORDER BY [tblEmailRule].[nRuleID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailScan].[nScanID], [tblEmailScan].[nAccountID], [tblEmailScan].[sGraphMessageID], [tblEmailScan].[dtFirstSeen] 
FROM [tblEmailScan] 
WHERE ([tblEmailScan].[dtNextCheck] <= :dtNextCheck_1 OR [tblEmailScan].[dtNextCheck] > :dtNextCheck_2) AND (EXISTS (SELECT :param_2 AS anon_1 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[nAccountID] = [tblEmailScan].[nAccountID] AND [tblEmailAccountSettings].[bEnabled] = 1 AND [tblEmailAccountSettings].[dtRemoved] IS NULL)) ORDER BY [tblEmailScan].[nScanID]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailSeen].[nAccountID], [tblEmailSeen].[sGraphMessageID], [tblEmailSeen].[dtSeen] 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[sGraphMessageID] = :sGraphMessageID_1 AND [tblEmailSeen].[nAccountID] IN (SELECT [tblEmailAccountSettings].[nAccountID] 
FROM [tblEmailAccountSettings]) AND [tblEmailSeen].[nAccountID] = :nAccountID_1 ORDER BY [tblEmailSeen].[dtSeen] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailSeen].[nAccountID], [tblEmailSeen].[sGraphMessageID], [tblEmailSeen].[dtSeen] 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[sGraphMessageID] = :sGraphMessageID_1 AND [tblEmailSeen].[nAccountID] IN (SELECT [tblEmailAccountSettings].[nAccountID] 
FROM [tblEmailAccountSettings]) ORDER BY [tblEmailSeen].[dtSeen] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailSeen].[nAccountID], [tblEmailSeen].[sGraphMessageID], [tblEmailSeen].[dtSeen] 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[sGraphMessageID] = :sGraphMessageID_1 OR [tblEmailSeen].[sInternetMessageID] IN (__[POSTCOMPILE_sInternetMessageID_1]) OR lower([tblEmailSeen].[sFromAddress]) LIKE :lower_1 ESCAPE '\' ORDER BY [tblEmailSeen].[dtSeen] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailSeen].[nAccountID], [tblEmailSeen].[sGraphMessageID], [tblEmailSeen].[sInternetMessageID], [tblEmailSeen].[sFromAddress], [tblEmailSeen].[sReason], [tblEmailSeen].[sRule], [tblEmailSeen].[dtSeen], [tblEmailSeen].[nSeenID] AS number, [tblEmailSeen].[dtReceived] AS time 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[dtReceived] IS NOT NULL AND [tblEmailSeen].[dtReceived] >= :dtReceived_1 ORDER BY [tblEmailSeen].[dtReceived] DESC, [tblEmailSeen].[nSeenID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailSeen].[nAccountID], [tblEmailSeen].[sGraphMessageID], [tblEmailSeen].[sInternetMessageID], [tblEmailSeen].[sFromAddress], [tblEmailSeen].[sReason], [tblEmailSeen].[sRule], [tblEmailSeen].[dtSeen], [tblEmailSeen].[nSeenID] AS number, [tblEmailSeen].[dtReceived] AS time 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[dtReceived] IS NULL ORDER BY [tblEmailSeen].[nSeenID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailSeen].[nAccountID], [tblEmailSeen].[sGraphMessageID], [tblEmailSeen].[sInternetMessageID], [tblEmailSeen].[sFromAddress], [tblEmailSeen].[sReason], [tblEmailSeen].[sRule], [tblEmailSeen].[dtSeen], [tblEmailSeen].[nSeenID] AS number, [tblEmailSeen].[dtReceived] AS time 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[nAccountID] + :nAccountID_1 IN (__[POSTCOMPILE_param_2]) AND [tblEmailSeen].[dtReceived] IS NOT NULL AND [tblEmailSeen].[dtReceived] >= :dtReceived_1 ORDER BY [tblEmailSeen].[dtReceived] DESC, [tblEmailSeen].[nSeenID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailSeen].[nSeenID] 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[nAccountID] = :nAccountID_1
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailSeen].[nSeenID] 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[nAccountID] = :nAccountID_1 AND ([tblEmailSeen].[dtReceived] < :dtReceived_1 OR [tblEmailSeen].[dtReceived] IS NULL AND [tblEmailSeen].[dtSeen] < :dtSeen_1)
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblEmailSeen].[sGraphMessageID] 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[nAccountID] = :nAccountID_1 AND [tblEmailSeen].[sGraphMessageID] > :sGraphMessageID_1 ORDER BY [tblEmailSeen].[sGraphMessageID]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblMessageTrace].[nAccountID], [tblMessageTrace].[sGraphMessageID], CASE WHEN ([tblMessageTrace].[sGraphMessageID] IS NULL) THEN [tblMessageTrace].[sQueueMessageID] END AS anon_1, max([tblMessageTrace].[dtEnded]) AS max_1 
FROM [tblMessageTrace] 
WHERE [tblMessageTrace].[sGraphMessageID] = :sGraphMessageID_1 AND [tblMessageTrace].[nAccountID] IN (SELECT [tblEmailAccountSettings].[nAccountID] 
FROM [tblEmailAccountSettings]) AND [tblMessageTrace].[nAccountID] = :nAccountID_1 GROUP BY [tblMessageTrace].[nAccountID], [tblMessageTrace].[sGraphMessageID], CASE WHEN ([tblMessageTrace].[sGraphMessageID] IS NULL) THEN [tblMessageTrace].[sQueueMessageID] END ORDER BY max([tblMessageTrace].[dtEnded]) DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblMessageTrace].[nAccountID], [tblMessageTrace].[sGraphMessageID], CASE WHEN ([tblMessageTrace].[sGraphMessageID] IS NULL) THEN [tblMessageTrace].[sQueueMessageID] END AS anon_1, max([tblMessageTrace].[dtEnded]) AS max_1 
FROM [tblMessageTrace] 
WHERE [tblMessageTrace].[sGraphMessageID] = :sGraphMessageID_1 AND [tblMessageTrace].[nAccountID] IN (SELECT [tblEmailAccountSettings].[nAccountID] 
FROM [tblEmailAccountSettings]) GROUP BY [tblMessageTrace].[nAccountID], [tblMessageTrace].[sGraphMessageID], CASE WHEN ([tblMessageTrace].[sGraphMessageID] IS NULL) THEN [tblMessageTrace].[sQueueMessageID] END ORDER BY max([tblMessageTrace].[dtEnded]) DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblMessageTrace].[nAccountID], [tblMessageTrace].[sGraphMessageID], CASE WHEN ([tblMessageTrace].[sGraphMessageID] IS NULL) THEN [tblMessageTrace].[sQueueMessageID] END AS anon_1, max([tblMessageTrace].[dtEnded]) AS max_1 
FROM [tblMessageTrace] 
WHERE [tblMessageTrace].[sGraphMessageID] = :sGraphMessageID_1 OR [tblMessageTrace].[sInternetMessageID] IN (__[POSTCOMPILE_sInternetMessageID_1]) OR lower([tblMessageTrace].[sSubject]) LIKE :lower_1 ESCAPE '\' OR [tblMessageTrace].[sCorrelationID] = :sCorrelationID_1 OR [tblMessageTrace].[sQueueMessageID] = :sQueueMessageID_1 GROUP BY [tblMessageTrace].[nAccountID], [tblMessageTrace].[sGraphMessageID], CASE WHEN ([tblMessageTrace].[sGraphMessageID] IS NULL) THEN [tblMessageTrace].[sQueueMessageID] END ORDER BY max([tblMessageTrace].[dtEnded]) DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblMessageTrace].[nAccountID], [tblMessageTrace].[sGraphMessageID], [tblMessageTrace].[sInternetMessageID], [tblMessageTrace].[sSubject], [tblMessageTrace].[nTraceID] AS number, [tblMessageTrace].[dtEnded] AS time 
FROM [tblMessageTrace] 
WHERE [tblMessageTrace].[sOutcome] = :sOutcome_1 AND [tblMessageTrace].[nAccountID] IS NOT NULL AND [tblMessageTrace].[sGraphMessageID] IS NOT NULL AND NOT (EXISTS (SELECT 1 
FROM [tblMessageTrace] AS later 
WHERE later.[nAccountID] = [tblMessageTrace].[nAccountID] AND later.[sGraphMessageID] = [tblMessageTrace].[sGraphMessageID] AND later.[sOutcome] = :sOutcome_2 AND later.[nTraceID] > [tblMessageTrace].[nTraceID])) AND NOT (EXISTS (SELECT 1 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] = [tblMessageTrace].[nAccountID] AND [tblEmailMessage].[sGraphMessageID] = [tblMessageTrace].[sGraphMessageID])) AND NOT (EXISTS (SELECT 1 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[nAccountID] = [tblMessageTrace].[nAccountID] AND [tblEmailSeen].[sGraphMessageID] = [tblMessageTrace].[sGraphMessageID])) AND NOT (EXISTS (SELECT 1 
FROM [tblEmailDuplicate] 
WHERE [tblEmailDuplicate].[nAccountID] = [tblMessageTrace].[nAccountID] AND [tblEmailDuplicate].[sGraphMessageID] = [tblMessageTrace].[sGraphMessageID])) AND NOT (EXISTS (SELECT 1 
FROM [tblEmailFailure] 
WHERE [tblEmailFailure].[nAccountID] = [tblMessageTrace].[nAccountID] AND [tblEmailFailure].[sGraphMessageID] = [tblMessageTrace].[sGraphMessageID])) AND [tblMessageTrace].[dtEnded] >= :dtEnded_1 ORDER BY [tblMessageTrace].[dtEnded] DESC, [tblMessageTrace].[nTraceID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblMessageTrace].[nAccountID], [tblMessageTrace].[sGraphMessageID], [tblMessageTrace].[sInternetMessageID], [tblMessageTrace].[sSubject], [tblMessageTrace].[nTraceID] AS number, [tblMessageTrace].[dtEnded] AS time 
FROM [tblMessageTrace] 
WHERE [tblMessageTrace].[sOutcome] = :sOutcome_1 AND [tblMessageTrace].[nAccountID] IS NOT NULL AND [tblMessageTrace].[sGraphMessageID] IS NOT NULL AND NOT (EXISTS (SELECT 1 
FROM [tblMessageTrace] AS later 
WHERE later.[nAccountID] = [tblMessageTrace].[nAccountID] AND later.[sGraphMessageID] = [tblMessageTrace].[sGraphMessageID] AND later.[sOutcome] = :sOutcome_2 AND later.[nTraceID] > [tblMessageTrace].[nTraceID])) AND NOT (EXISTS (SELECT 1 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] = [tblMessageTrace].[nAccountID] AND [tblEmailMessage].[sGraphMessageID] = [tblMessageTrace].[sGraphMessageID])) AND NOT (EXISTS (SELECT 1 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[nAccountID] = [tblMessageTrace].[nAccountID] AND [tblEmailSeen].[sGraphMessageID] = [tblMessageTrace].[sGraphMessageID])) AND NOT (EXISTS (SELECT 1 
FROM [tblEmailDuplicate] 
WHERE [tblEmailDuplicate].[nAccountID] = [tblMessageTrace].[nAccountID] AND [tblEmailDuplicate].[sGraphMessageID] = [tblMessageTrace].[sGraphMessageID])) AND NOT (EXISTS (SELECT 1 
FROM [tblEmailFailure] 
WHERE [tblEmailFailure].[nAccountID] = [tblMessageTrace].[nAccountID] AND [tblEmailFailure].[sGraphMessageID] = [tblMessageTrace].[sGraphMessageID])) AND [tblMessageTrace].[nAccountID] + :nAccountID_1 IN (__[POSTCOMPILE_param_2]) AND [tblMessageTrace].[dtEnded] >= :dtEnded_1 ORDER BY [tblMessageTrace].[dtEnded] DESC, [tblMessageTrace].[nTraceID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblMessageTrace].[nAccountID], [tblMessageTrace].[sGraphMessageID], [tblMessageTrace].[sInternetMessageID], [tblMessageTrace].[sSubject], [tblMessageTrace].[nTraceID] AS number, [tblMessageTrace].[dtEnded] AS time 
FROM [tblMessageTrace] 
WHERE [tblMessageTrace].[sOutcome] = :sOutcome_1 AND [tblMessageTrace].[nAccountID] IS NOT NULL AND [tblMessageTrace].[sGraphMessageID] IS NOT NULL AND NOT (EXISTS (SELECT 1 
FROM [tblMessageTrace] AS later 
WHERE later.[nAccountID] = [tblMessageTrace].[nAccountID] AND later.[sGraphMessageID] = [tblMessageTrace].[sGraphMessageID] AND later.[sOutcome] = :sOutcome_2 AND later.[nTraceID] > [tblMessageTrace].[nTraceID])) AND NOT (EXISTS (SELECT 1 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] = [tblMessageTrace].[nAccountID] AND [tblEmailMessage].[sGraphMessageID] = [tblMessageTrace].[sGraphMessageID])) AND NOT (EXISTS (SELECT 1 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[nAccountID] = [tblMessageTrace].[nAccountID] AND [tblEmailSeen].[sGraphMessageID] = [tblMessageTrace].[sGraphMessageID])) AND NOT (EXISTS (SELECT 1 
FROM [tblEmailDuplicate] 
WHERE [tblEmailDuplicate].[nAccountID] = [tblMessageTrace].[nAccountID] AND [tblEmailDuplicate].[sGraphMessageID] = [tblMessageTrace].[sGraphMessageID])) AND NOT (EXISTS (SELECT 1 
FROM [tblEmailFailure] 
WHERE [tblEmailFailure].[nAccountID] = [tblMessageTrace].[nAccountID] AND [tblEmailFailure].[sGraphMessageID] = [tblMessageTrace].[sGraphMessageID])) ORDER BY [tblMessageTrace].[dtEnded] DESC, [tblMessageTrace].[nTraceID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblMessageTrace].[nTraceID] 
FROM [tblMessageTrace] 
WHERE [tblMessageTrace].[dtEnded] < :dtEnded_1 ORDER BY [tblMessageTrace].[dtEnded]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblNotificationQueue].[nSequence] 
FROM [tblNotificationQueue] WITH (UPDLOCK, READPAST, ROWLOCK, READCOMMITTEDLOCK) 
WHERE [tblNotificationQueue].[sState] = :sState_1 AND [tblNotificationQueue].[dtVisible] > :dtVisible_1 AND ([tblNotificationQueue].[sLockToken] IS NOT NULL AND [tblNotificationQueue].[dtVisible] > :dtVisible_2 OR [tblNotificationQueue].[dtVisible] > :dtVisible_3) ORDER BY [tblNotificationQueue].[dtVisible]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblNotificationQueue].[nSequence], [tblNotificationQueue].[nDeliveryCount], [tblNotificationQueue].[sMessageID], [tblNotificationQueue].[sBody], [tblNotificationQueue].[nAccountID], [tblNotificationQueue].[dtEnqueued] 
FROM [tblNotificationQueue] WITH (UPDLOCK, READPAST, ROWLOCK, READCOMMITTEDLOCK) 
WHERE [tblNotificationQueue].[sState] = :sState_1 AND [tblNotificationQueue].[dtVisible] <= :now ORDER BY [tblNotificationQueue].[dtVisible], [tblNotificationQueue].[nSequence]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblNotificationQueue].[nSequence], [tblNotificationQueue].[sMessageID], [tblNotificationQueue].[nRetired], [tblNotificationQueue].[sState], [tblNotificationQueue].[nAccountID], [tblNotificationQueue].[sBody], [tblNotificationQueue].[dtEnqueued], [tblNotificationQueue].[dtVisible], [tblNotificationQueue].[nDeliveryCount], [tblNotificationQueue].[sLockToken], [tblNotificationQueue].[sReason], [tblNotificationQueue].[sDescription], [tblNotificationQueue].[dtDeadLettered] 
FROM [tblNotificationQueue] 
WHERE [tblNotificationQueue].[sState] = :sState_1 AND [tblNotificationQueue].[dtVisible] > :dtVisible_1 AND [tblNotificationQueue].[sLockToken] IS NULL ORDER BY [tblNotificationQueue].[nSequence]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblNotificationQueue].[nSequence], [tblNotificationQueue].[sMessageID], [tblNotificationQueue].[nRetired], [tblNotificationQueue].[sState], [tblNotificationQueue].[nAccountID], [tblNotificationQueue].[sBody], [tblNotificationQueue].[dtEnqueued], [tblNotificationQueue].[dtVisible], [tblNotificationQueue].[nDeliveryCount], [tblNotificationQueue].[sLockToken], [tblNotificationQueue].[sReason], [tblNotificationQueue].[sDescription], [tblNotificationQueue].[dtDeadLettered] 
FROM [tblNotificationQueue] 
WHERE [tblNotificationQueue].[sState] = :sState_1 AND [tblNotificationQueue].[nSequence] > :nSequence_1 AND [tblNotificationQueue].[nAccountID] = :nAccountID_1 AND [tblNotificationQueue].[sReason] = :sReason_1 AND [tblNotificationQueue].[dtDeadLettered] >= :dtDeadLettered_1 AND [tblNotificationQueue].[dtDeadLettered] < :dtDeadLettered_2 AND [tblNotificationQueue].[nSequence] IN (__[POSTCOMPILE_nSequence_2]) ORDER BY [tblNotificationQueue].[nSequence]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblNotificationQueue].[nSequence], [tblNotificationQueue].[sMessageID], [tblNotificationQueue].[nRetired], [tblNotificationQueue].[sState], [tblNotificationQueue].[nAccountID], [tblNotificationQueue].[sBody], [tblNotificationQueue].[dtEnqueued], [tblNotificationQueue].[dtVisible], [tblNotificationQueue].[nDeliveryCount], [tblNotificationQueue].[sLockToken], [tblNotificationQueue].[sReason], [tblNotificationQueue].[sDescription], [tblNotificationQueue].[dtDeadLettered] 
FROM [tblNotificationQueue] 
WHERE [tblNotificationQueue].[sState] = :sState_1 ORDER BY [tblNotificationQueue].[nSequence]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblNotificationQueue].[nSequence], [tblNotificationQueue].[sState], [tblNotificationQueue].[nRetired], [tblNotificationQueue].[dtEnqueued] 
FROM [tblNotificationQueue] 
WHERE [tblNotificationQueue].[nSequence] > :nSequence_1 ORDER BY [tblNotificationQueue].[nSequence]
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblQueueAudit].[nAuditID], [tblQueueAudit].[sAction], [tblQueueAudit].[sWho], [tblQueueAudit].[sHost], [tblQueueAudit].[sQueue], [tblQueueAudit].[sSelection], [tblQueueAudit].[sWhy], [tblQueueAudit].[dtStarted], [tblQueueAudit].[dtEnded], [tblQueueAudit].[nMessages] 
FROM [tblQueueAudit] ORDER BY [tblQueueAudit].[nAuditID] DESC
GO
SELECT TOP __[POSTCOMPILE_param_1] [tblSubscriptionSchedule].[nAccountID], [tblEmailAccountSettings].[sTenantID], [tblEmailAccountSettings].[sClientID] 
FROM [tblSubscriptionSchedule] LEFT OUTER JOIN [tblEmailAccountSettings] ON [tblEmailAccountSettings].[nAccountID] = [tblSubscriptionSchedule].[nAccountID] 
WHERE ([tblSubscriptionSchedule].[dtDue] <= :dtDue_1 OR [tblSubscriptionSchedule].[dtDue] > :dtDue_2 AND [tblSubscriptionSchedule].[dtDue] < :dtDue_3) AND ([tblSubscriptionSchedule].[dtLeaseUntil] IS NULL OR [tblSubscriptionSchedule].[dtLeaseUntil] <= :dtLeaseUntil_1 OR [tblSubscriptionSchedule].[dtLeaseUntil] > :dtLeaseUntil_2) AND ([tblEmailAccountSettings].[sTenantID] IS NULL OR NOT ([tblEmailAccountSettings].[sTenantID] = :sTenantID_1 AND [tblEmailAccountSettings].[sClientID] = :sClientID_1)) ORDER BY [tblSubscriptionSchedule].[dtDue]
GO
SELECT [tblAccountCondition].[nAccountID], [tblAccountCondition].[sRole], [tblAccountCondition].[sReason], [tblAccountCondition].[sDetail], [tblAccountCondition].[sDetailPhrase], [tblAccountCondition].[dtSince], [tblAccountCondition].[dtNextAttempt] 
FROM [tblAccountCondition] 
WHERE NOT (EXISTS (SELECT :param_1 AS anon_1 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[nAccountID] = [tblAccountCondition].[nAccountID] AND [tblEmailAccountSettings].[dtRemoved] IS NOT NULL)) AND [tblAccountCondition].[nAccountID] IN (__[POSTCOMPILE_nAccountID_1]) ORDER BY [tblAccountCondition].[nAccountID], [tblAccountCondition].[sRole]
GO
SELECT [tblAccountCondition].[nAccountID], [tblAccountCondition].[sRole], [tblAccountCondition].[sReason], [tblAccountCondition].[sDetail], [tblAccountCondition].[sDetailPhrase], [tblAccountCondition].[dtSince], [tblAccountCondition].[dtNextAttempt] 
FROM [tblAccountCondition] 
WHERE NOT (EXISTS (SELECT :param_1 AS anon_1 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[nAccountID] = [tblAccountCondition].[nAccountID] AND [tblEmailAccountSettings].[dtRemoved] IS NOT NULL)) AND [tblAccountCondition].[sRole] = :sRole_1 ORDER BY [tblAccountCondition].[nAccountID], [tblAccountCondition].[sRole]
GO
SELECT [tblAccountCondition].[nAccountID], [tblAccountCondition].[sRole], [tblAccountCondition].[sReason], [tblAccountCondition].[sDetail], [tblAccountCondition].[sDetailPhrase], [tblAccountCondition].[dtSince], [tblAccountCondition].[dtNextAttempt] 
FROM [tblAccountCondition] 
WHERE NOT (EXISTS (SELECT :param_1 AS anon_1 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[nAccountID] = [tblAccountCondition].[nAccountID] AND [tblEmailAccountSettings].[dtRemoved] IS NOT NULL)) ORDER BY [tblAccountCondition].[nAccountID], [tblAccountCondition].[sRole]
GO
SELECT [tblAccountCondition].[sRole], [tblAccountCondition].[sReason], [tblEmailAccountSettings].[sTenantID], [tblEmailAccountSettings].[sClientID], [tblEmailAccountSettings].[sCertificateThumbprint], [tblAccountCondition].[nAccountID], [tblEmailAccountSettings].[sAccountName], [tblAccountCondition].[dtSince], [tblAccountCondition].[sDetail], [tblAccountCondition].[sDetailPhrase], :param_1 AS [nInGroup] 
FROM [tblAccountCondition] JOIN [tblEmailAccountSettings] ON [tblEmailAccountSettings].[nAccountID] = [tblAccountCondition].[nAccountID] 
WHERE [tblEmailAccountSettings].[bEnabled] = 1 AND [tblEmailAccountSettings].[dtRemoved] IS NULL AND [tblAccountCondition].[nAccountID] IN (__[POSTCOMPILE_nAccountID_1])
GO
SELECT [tblAlert].[nAlertID], [tblAlert].[sTarget], [tblAlert].[sTargetName], [tblAlert].[sState], [tblAlert].[sTitle], [tblAlert].[sBody], [tblAlert].[nAttempts], [tblAlert].[dtCreated], [tblAlert].[dtDue], [tblAlert].[dtEnded], [tblAlert].[sDetail] 
FROM [tblAlert] 
WHERE [tblAlert].[sState] = :sState_1 AND ([tblAlert].[dtDue] <= :dtDue_1 OR [tblAlert].[dtDue] > :dtDue_2) AND [tblAlert].[dtCreated] <= :dtCreated_1 OR [tblAlert].[sState] IN (__[POSTCOMPILE_sState_2]) AND ([tblAlert].[sTarget] NOT IN (__[POSTCOMPILE_sTarget_1])) ORDER BY [tblAlert].[nAlertID]
GO
SELECT [tblAlert].[sTargetName], [tblAlert].[nAttempts], [tblAlert].[sDetail], [tblAlert].[dtCreated], [tblAlert].[dtDue], [tblAlert].[dtEnded] 
FROM [tblAlert] 
WHERE [tblAlert].[sTarget] = :sTarget_1 AND [tblAlert].[sState] IN (__[POSTCOMPILE_sState_1]) AND [tblAlert].[nAlertID] > :nAlertID_1 AND [tblAlert].[nAttempts] > :nAttempts_1 ORDER BY [tblAlert].[nAlertID]
GO
SELECT [tblAlert].[sTarget] 
FROM [tblAlert] 
WHERE [tblAlert].[nAlertID] IN (SELECT min([tblAlert].[nAlertID]) AS min_1 
FROM [tblAlert] 
WHERE [tblAlert].[sState] = :sState_1 GROUP BY [tblAlert].[sTarget]) AND [tblAlert].[sState] = :sState_2 AND ([tblAlert].[dtDue] <= :dtDue_1 OR [tblAlert].[dtDue] > :dtDue_2)
GO
SELECT [tblCallBudget].[nSlot] 
FROM [tblCallBudget] WITH (UPDLOCK, ROWLOCK) 
WHERE [tblCallBudget].[sBudget] = :sBudget_1
GO
SELECT [tblCallBudget].[nSlot], [tblCallBudget].[nUsed] 
FROM [tblCallBudget] WITH (UPDLOCK, ROWLOCK) 
WHERE [tblCallBudget].[sBudget] = :sBudget_1
GO
SELECT [tblEmailAccountSettings].[dtImportSince] 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[nAccountID] = :nAccountID_1
GO
SELECT [tblEmailAccountSettings].[nAccountID] 
FROM [tblEmailAccountSettings]
GO
SELECT [tblEmailAccountSettings].[nAccountID] 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[nAccountID] = :nAccountID_1 AND [tblEmailAccountSettings].[dtImportSince] IS NULL
GO
SELECT [tblEmailAccountSettings].[nAccountID] 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[sAfterImport] != :sAfterImport_1 AND [tblEmailAccountSettings].[nAccountID] IN (SELECT DISTINCT [tblEmailMessage].[nAccountID] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[sAfterImportState] = :sAfterImportState_1) AND [tblEmailAccountSettings].[nAccountID] IN (__[POSTCOMPILE_nAccountID_1])
GO
SELECT [tblEmailAccountSettings].[nAccountID], [tblEmailAccountSettings].[dtRemoved] 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[sAccountName] = :sAccountName_1
GO
SELECT [tblEmailAccountSettings].[nAccountID], [tblEmailAccountSettings].[sAccountName] 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[bEnabled] = 1 AND [tblEmailAccountSettings].[dtRemoved] IS NULL AND [tblEmailAccountSettings].[sTenantID] = :sTenantID_1 AND [tblEmailAccountSettings].[sClientID] = :sClientID_1 AND [tblEmailAccountSettings].[sCertificateThumbprint] = :sCertificateThumbprint_1 AND [tblEmailAccountSettings].[sNextCertificateThumbprint] IS NULL AND [tblEmailAccountSettings].[bSecureCertificateAccess] = 1
GO
SELECT [tblEmailAccountSettings].[nAccountID], [tblEmailAccountSettings].[sAccountName] 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[nAccountID] IN (__[POSTCOMPILE_nAccountID_1])
GO
SELECT [tblEmailAccountSettings].[nAccountID], [tblEmailAccountSettings].[sAccountName], [tblEmailAccountSettings].[sAuthentication], [tblEmailAccountSettings].[sTenantID], [tblEmailAccountSettings].[sClientID], [tblEmailAccountSettings].[sUserID], [tblEmailAccountSettings].[sCertificateThumbprint], [tblEmailAccountSettings].[bSecureCertificateAccess], [tblEmailAccountSettings].[sFolder], [tblEmailAccountSettings].[sAfterImport], [tblEmailAccountSettings].[sMoveToFolder], [tblEmailAccountSettings].[bEnabled], [tblEmailAccountSettings].[dtRemoved], [tblEmailAccountSettings].[sNextCertificateThumbprint], [tblEmailAccountSettings].[dtImportSince], [tblEmailAccountSettings].[dtPurgedBefore], [tblEmailAccountSettings].[sFilterSendersAllowed], [tblEmailAccountSettings].[sFilterSendersDenied], [tblEmailAccountSettings].[sFilterSubjectsAllowed], [tblEmailAccountSettings].[sFilterSubjectsDenied], [tblEmailAccountSettings].[bFilterHasAttachments], [tblEmailAccountSettings].[nFilterSizeLeast], [tblEmailAccountSettings].[nFilterSizeMost], [tblEmailAccountSettings].[sConsoleAccess] 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[nAccountID] = :nAccountID_1
GO
SELECT [tblEmailAccountSettings].[nAccountID], [tblEmailAccountSettings].[sAccountName], [tblEmailAccountSettings].[sAuthentication], [tblEmailAccountSettings].[sTenantID], [tblEmailAccountSettings].[sClientID], [tblEmailAccountSettings].[sUserID], [tblEmailAccountSettings].[sCertificateThumbprint], [tblEmailAccountSettings].[bSecureCertificateAccess], [tblEmailAccountSettings].[sFolder], [tblEmailAccountSettings].[sAfterImport], [tblEmailAccountSettings].[sMoveToFolder], [tblEmailAccountSettings].[bEnabled], [tblEmailAccountSettings].[dtRemoved], [tblEmailAccountSettings].[sNextCertificateThumbprint], [tblEmailAccountSettings].[dtImportSince], [tblEmailAccountSettings].[dtPurgedBefore], [tblEmailAccountSettings].[sFilterSendersAllowed], [tblEmailAccountSettings].[sFilterSendersDenied], [tblEmailAccountSettings].[sFilterSubjectsAllowed], [tblEmailAccountSettings].[sFilterSubjectsDenied], [tblEmailAccountSettings].[bFilterHasAttachments], [tblEmailAccountSettings].[nFilterSizeLeast], [tblEmailAccountSettings].[nFilterSizeMost], [tblEmailAccountSettings].[sConsoleAccess], ([tblEmailAccountSettings].[sTenantID] + :sTenantID_1 + [tblEmailAccountSettings].[sClientID] + :param_1 + [tblEmailAccountSettings].[sUserID] + :param_2 + [tblEmailAccountSettings].[sCertificateThumbprint] + :param_3 + coalesce([tblEmailAccountSettings].[sNextCertificateThumbprint], :coalesce_1) + :param_4 + [tblEmailAccountSettings].[sFolder] + :param_5 + CASE WHEN ([tblEmailAccountSettings].[bSecureCertificateAccess] = 1) THEN :param_6 ELSE :param_7 END + CASE WHEN ([tblEmailAccountSettings].[bEnabled] = 1) THEN :param_8 ELSE :param_9 END + CASE WHEN ([tblEmailAccountSettings].[dtRemoved] IS NOT NULL) THEN :param_10 ELSE :param_11 END) COLLATE Latin1_General_100_BIN2 AS fingerprint 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[dtRemoved] IS NOT NULL AND lower([tblEmailAccountSettings].[sTenantID]) = :lower_1 AND ([tblEmailAccountSettings].[sUserID] IN (__[POSTCOMPILE_sUserID_1]) OR lower([tblEmailAccountSettings].[sUserID]) IN (__[POSTCOMPILE_lower_2])) ORDER BY [tblEmailAccountSettings].[dtRemoved] DESC, [tblEmailAccountSettings].[nAccountID] DESC
GO
SELECT [tblEmailAccountSettings].[nAccountID], [tblEmailAccountSettings].[sAccountName], [tblEmailAccountSettings].[sAuthentication], [tblEmailAccountSettings].[sTenantID], [tblEmailAccountSettings].[sClientID], [tblEmailAccountSettings].[sUserID], [tblEmailAccountSettings].[sCertificateThumbprint], [tblEmailAccountSettings].[bSecureCertificateAccess], [tblEmailAccountSettings].[sFolder], [tblEmailAccountSettings].[sAfterImport], [tblEmailAccountSettings].[sMoveToFolder], [tblEmailAccountSettings].[bEnabled], [tblEmailAccountSettings].[dtRemoved], [tblEmailAccountSettings].[sNextCertificateThumbprint], [tblEmailAccountSettings].[dtImportSince], [tblEmailAccountSettings].[dtPurgedBefore], [tblEmailAccountSettings].[sFilterSendersAllowed], [tblEmailAccountSettings].[sFilterSendersDenied], [tblEmailAccountSettings].[sFilterSubjectsAllowed], [tblEmailAccountSettings].[sFilterSubjectsDenied], [tblEmailAccountSettings].[bFilterHasAttachments], [tblEmailAccountSettings].[nFilterSizeLeast], [tblEmailAccountSettings].[nFilterSizeMost], [tblEmailAccountSettings].[sConsoleAccess], ([tblEmailAccountSettings].[sTenantID] + :sTenantID_1 + [tblEmailAccountSettings].[sClientID] + :param_1 + [tblEmailAccountSettings].[sUserID] + :param_2 + [tblEmailAccountSettings].[sCertificateThumbprint] + :param_3 + coalesce([tblEmailAccountSettings].[sNextCertificateThumbprint], :coalesce_1) + :param_4 + [tblEmailAccountSettings].[sFolder] + :param_5 + CASE WHEN ([tblEmailAccountSettings].[bSecureCertificateAccess] = 1) THEN :param_6 ELSE :param_7 END + CASE WHEN ([tblEmailAccountSettings].[bEnabled] = 1) THEN :param_8 ELSE :param_9 END + CASE WHEN ([tblEmailAccountSettings].[dtRemoved] IS NOT NULL) THEN :param_10 ELSE :param_11 END) COLLATE Latin1_General_100_BIN2 AS fingerprint 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[dtRemoved] IS NOT NULL ORDER BY [tblEmailAccountSettings].[sAccountName]
GO
SELECT [tblEmailAccountSettings].[nAccountID], [tblEmailAccountSettings].[sAccountName], [tblEmailAccountSettings].[sAuthentication], [tblEmailAccountSettings].[sTenantID], [tblEmailAccountSettings].[sClientID], [tblEmailAccountSettings].[sUserID], [tblEmailAccountSettings].[sCertificateThumbprint], [tblEmailAccountSettings].[bSecureCertificateAccess], [tblEmailAccountSettings].[sFolder], [tblEmailAccountSettings].[sAfterImport], [tblEmailAccountSettings].[sMoveToFolder], [tblEmailAccountSettings].[bEnabled], [tblEmailAccountSettings].[dtRemoved], [tblEmailAccountSettings].[sNextCertificateThumbprint], [tblEmailAccountSettings].[dtImportSince], [tblEmailAccountSettings].[dtPurgedBefore], [tblEmailAccountSettings].[sFilterSendersAllowed], [tblEmailAccountSettings].[sFilterSendersDenied], [tblEmailAccountSettings].[sFilterSubjectsAllowed], [tblEmailAccountSettings].[sFilterSubjectsDenied], [tblEmailAccountSettings].[bFilterHasAttachments], [tblEmailAccountSettings].[nFilterSizeLeast], [tblEmailAccountSettings].[nFilterSizeMost], [tblEmailAccountSettings].[sConsoleAccess], ([tblEmailAccountSettings].[sTenantID] + :sTenantID_1 + [tblEmailAccountSettings].[sClientID] + :param_1 + [tblEmailAccountSettings].[sUserID] + :param_2 + [tblEmailAccountSettings].[sCertificateThumbprint] + :param_3 + coalesce([tblEmailAccountSettings].[sNextCertificateThumbprint], :coalesce_1) + :param_4 + [tblEmailAccountSettings].[sFolder] + :param_5 + CASE WHEN ([tblEmailAccountSettings].[bSecureCertificateAccess] = 1) THEN :param_6 ELSE :param_7 END + CASE WHEN ([tblEmailAccountSettings].[bEnabled] = 1) THEN :param_8 ELSE :param_9 END + CASE WHEN ([tblEmailAccountSettings].[dtRemoved] IS NOT NULL) THEN :param_10 ELSE :param_11 END) COLLATE Latin1_General_100_BIN2 AS fingerprint 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[dtRemoved] IS NULL ORDER BY [tblEmailAccountSettings].[sAccountName]
GO
SELECT [tblEmailAccountSettings].[nAccountID], [tblEmailAccountSettings].[sAccountName], [tblEmailAccountSettings].[sAuthentication], [tblEmailAccountSettings].[sTenantID], [tblEmailAccountSettings].[sClientID], [tblEmailAccountSettings].[sUserID], [tblEmailAccountSettings].[sCertificateThumbprint], [tblEmailAccountSettings].[bSecureCertificateAccess], [tblEmailAccountSettings].[sFolder], [tblEmailAccountSettings].[sAfterImport], [tblEmailAccountSettings].[sMoveToFolder], [tblEmailAccountSettings].[bEnabled], [tblEmailAccountSettings].[dtRemoved], [tblEmailAccountSettings].[sNextCertificateThumbprint], [tblEmailAccountSettings].[dtImportSince], [tblEmailAccountSettings].[dtPurgedBefore], [tblEmailAccountSettings].[sFilterSendersAllowed], [tblEmailAccountSettings].[sFilterSendersDenied], [tblEmailAccountSettings].[sFilterSubjectsAllowed], [tblEmailAccountSettings].[sFilterSubjectsDenied], [tblEmailAccountSettings].[bFilterHasAttachments], [tblEmailAccountSettings].[nFilterSizeLeast], [tblEmailAccountSettings].[nFilterSizeMost], [tblEmailAccountSettings].[sConsoleAccess], ([tblEmailAccountSettings].[sTenantID] + :sTenantID_1 + [tblEmailAccountSettings].[sClientID] + :param_1 + [tblEmailAccountSettings].[sUserID] + :param_2 + [tblEmailAccountSettings].[sCertificateThumbprint] + :param_3 + coalesce([tblEmailAccountSettings].[sNextCertificateThumbprint], :coalesce_1) + :param_4 + [tblEmailAccountSettings].[sFolder] + :param_5 + CASE WHEN ([tblEmailAccountSettings].[bSecureCertificateAccess] = 1) THEN :param_6 ELSE :param_7 END + CASE WHEN ([tblEmailAccountSettings].[bEnabled] = 1) THEN :param_8 ELSE :param_9 END + CASE WHEN ([tblEmailAccountSettings].[dtRemoved] IS NOT NULL) THEN :param_10 ELSE :param_11 END) COLLATE Latin1_General_100_BIN2 AS fingerprint 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[nAccountID] IN (__[POSTCOMPILE_nAccountID_1])
GO
SELECT [tblEmailAccountSettings].[nAccountID], [tblEmailAccountSettings].[sAccountName], [tblEmailAccountSettings].[sAuthentication], [tblEmailAccountSettings].[sTenantID], [tblEmailAccountSettings].[sClientID], [tblEmailAccountSettings].[sUserID], [tblEmailAccountSettings].[sCertificateThumbprint], [tblEmailAccountSettings].[bSecureCertificateAccess], [tblEmailAccountSettings].[sFolder], [tblEmailAccountSettings].[sAfterImport], [tblEmailAccountSettings].[sMoveToFolder], [tblEmailAccountSettings].[bEnabled], [tblEmailAccountSettings].[dtRemoved], [tblEmailAccountSettings].[sNextCertificateThumbprint], [tblEmailAccountSettings].[dtImportSince], [tblEmailAccountSettings].[dtPurgedBefore], [tblEmailAccountSettings].[sFilterSendersAllowed], [tblEmailAccountSettings].[sFilterSendersDenied], [tblEmailAccountSettings].[sFilterSubjectsAllowed], [tblEmailAccountSettings].[sFilterSubjectsDenied], [tblEmailAccountSettings].[bFilterHasAttachments], [tblEmailAccountSettings].[nFilterSizeLeast], [tblEmailAccountSettings].[nFilterSizeMost], [tblEmailAccountSettings].[sConsoleAccess], ([tblEmailAccountSettings].[sTenantID] + :sTenantID_1 + [tblEmailAccountSettings].[sClientID] + :param_1 + [tblEmailAccountSettings].[sUserID] + :param_2 + [tblEmailAccountSettings].[sCertificateThumbprint] + :param_3 + coalesce([tblEmailAccountSettings].[sNextCertificateThumbprint], :coalesce_1) + :param_4 + [tblEmailAccountSettings].[sFolder] + :param_5 + CASE WHEN ([tblEmailAccountSettings].[bSecureCertificateAccess] = 1) THEN :param_6 ELSE :param_7 END + CASE WHEN ([tblEmailAccountSettings].[bEnabled] = 1) THEN :param_8 ELSE :param_9 END + CASE WHEN ([tblEmailAccountSettings].[dtRemoved] IS NOT NULL) THEN :param_10 ELSE :param_11 END) COLLATE Latin1_General_100_BIN2 AS fingerprint 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[sAccountName] = :sAccountName_1
GO
SELECT [tblEmailAccountSettings].[nAccountID], [tblEmailAccountSettings].[sConsoleAccess] 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[sConsoleAccess] IS NOT NULL
GO
SELECT [tblEmailAccountSettings].[nAccountID], [tblEmailAccountSettings].[sUserID], [tblEmailAccountSettings].[sFolder] 
FROM [tblEmailAccountSettings] LEFT OUTER JOIN [tblGraphSubscription] ON [tblGraphSubscription].[nAccountID] = [tblEmailAccountSettings].[nAccountID] 
WHERE [tblEmailAccountSettings].[sTenantID] = :sTenantID_1 AND [tblEmailAccountSettings].[sClientID] = :sClientID_1 AND [tblEmailAccountSettings].[bEnabled] = 1 AND [tblEmailAccountSettings].[dtRemoved] IS NULL AND [tblGraphSubscription].[nAccountID] IS NULL
GO
SELECT [tblEmailAccountSettings].[sConsoleAccess] 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[nAccountID] = :nAccountID_1
GO
SELECT [tblEmailAccountSettings].[sTenantID], [tblEmailAccountSettings].[sClientID], [tblEmailAccountSettings].[sCertificateThumbprint], [tblEmailAccountSettings].[sNextCertificateThumbprint], [tblEmailAccountSettings].[bSecureCertificateAccess], min([tblEmailAccountSettings].[sAccountName]) AS min_1, count(*) AS count_1 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[bEnabled] = 1 AND [tblEmailAccountSettings].[dtRemoved] IS NULL GROUP BY [tblEmailAccountSettings].[sTenantID], [tblEmailAccountSettings].[sClientID], [tblEmailAccountSettings].[sCertificateThumbprint], [tblEmailAccountSettings].[sNextCertificateThumbprint], [tblEmailAccountSettings].[bSecureCertificateAccess]
GO
SELECT [tblEmailAttachment].[nAttachmentID], [tblEmailAttachment].[nMessageID], [tblEmailAttachment].[nPosition], [tblEmailAttachment].[sGraphAttachmentID], [tblEmailAttachment].[sKind], [tblEmailAttachment].[sFileName], [tblEmailAttachment].[sContentType], [tblEmailAttachment].[nSize], [tblEmailAttachment].[bInline], [tblEmailAttachment].[sContentID], [tblEmailAttachment].[sSHA256], [tblEmailAttachment].[sState], [tblEmailAttachment].[sStateDetail], [tblEmailAttachment].[sSafeFileName], [tblEmailAttachment].[sItemType], [tblEmailAttachment].[sLink], [tblEmailAttachment].[sLinkProvider], [tblEmailAttachment].[sLinkPermission], [tblEmailAttachment].[sContentLocation], [tblEmailAttachment].[nParentPosition], [tblEmailAttachment].[sOrigin], CASE WHEN ([tblEmailAttachment].[biContent] IS NOT NULL) THEN :param_1 ELSE :param_2 END AS there 
FROM [tblEmailAttachment] 
WHERE [tblEmailAttachment].[nMessageID] = :nMessageID_1 ORDER BY [tblEmailAttachment].[nPosition]
GO
SELECT [tblEmailAttachment].[nAttachmentID], [tblEmailAttachment].[nPosition], [tblEmailAttachment].[sKind], [tblEmailAttachment].[sFileName], [tblEmailAttachment].[sContentType], [tblEmailAttachment].[nSize], [tblEmailAttachment].[sState], [tblEmailAttachment].[sSHA256], CASE WHEN ([tblEmailAttachment].[biContent] IS NOT NULL OR [tblEmailAttachment].[nSize] = :nSize_1) THEN :param_1 ELSE :param_2 END AS [nHasBytes] 
FROM [tblEmailAttachment] 
WHERE [tblEmailAttachment].[nMessageID] = :message_id AND [tblEmailAttachment].[nPosition] = :position ORDER BY [tblEmailAttachment].[nPosition]
GO
SELECT [tblEmailAttachment].[nAttachmentID], [tblEmailAttachment].[nPosition], [tblEmailAttachment].[sKind], [tblEmailAttachment].[sFileName], [tblEmailAttachment].[sContentType], [tblEmailAttachment].[nSize], [tblEmailAttachment].[sState], [tblEmailAttachment].[sSHA256], CASE WHEN ([tblEmailAttachment].[biContent] IS NOT NULL OR [tblEmailAttachment].[nSize] = :nSize_1) THEN :param_1 ELSE :param_2 END AS [nHasBytes] 
FROM [tblEmailAttachment] 
WHERE [tblEmailAttachment].[nMessageID] = :message_id ORDER BY [tblEmailAttachment].[nPosition]
GO
SELECT [tblEmailAttachment].[nAttachmentID], [tblEmailAttachment].[nSize] 
FROM [tblEmailAttachment] 
WHERE [tblEmailAttachment].[nMessageID] IN (__[POSTCOMPILE_nMessageID_1]) AND [tblEmailAttachment].[biContent] IS NOT NULL AND [tblEmailAttachment].[nSize] > :nSize_1 ORDER BY [tblEmailAttachment].[nAttachmentID]
GO
SELECT [tblEmailAttachment].[nAttachmentID], [tblEmailAttachment].[nSize], [tblEmailAttachment].[sSHA256] 
FROM [tblEmailAttachment] 
WHERE [tblEmailAttachment].[nMessageID] = :nMessageID_1 AND [tblEmailAttachment].[nPosition] = :nPosition_1 AND [tblEmailAttachment].[sState] = :sState_1 AND ([tblEmailAttachment].[biContent] IS NOT NULL OR [tblEmailAttachment].[nSize] = :nSize_1)
GO
SELECT [tblEmailAttachment].[nMessageID], [tblEmailAttachment].[nPosition], [tblEmailAttachment].[sKind], [tblEmailAttachment].[sFileName], [tblEmailAttachment].[sSafeFileName], [tblEmailAttachment].[sContentType], [tblEmailAttachment].[nSize], [tblEmailAttachment].[bInline], [tblEmailAttachment].[sContentID], [tblEmailAttachment].[sState], [tblEmailAttachment].[sSHA256], [tblEmailAttachment].[sOrigin], [tblEmailAttachment].[nParentPosition], CASE WHEN ([tblEmailAttachment].[biContent] IS NOT NULL) THEN :param_1 ELSE :param_2 END AS [nHasContent] 
FROM [tblEmailAttachment] 
WHERE [tblEmailAttachment].[nMessageID] IN (__[POSTCOMPILE_numbers]) ORDER BY [tblEmailAttachment].[nMessageID], [tblEmailAttachment].[nPosition]
GO
SELECT [tblEmailAttachment].[nMessageID], [tblEmailAttachment].[sFileName], [tblEmailAttachment].[nSize], [tblEmailAttachment].[bInline], [tblEmailAttachment].[nParentPosition], [tblEmailAttachment].[sState], [tblEmailAttachment].[sStateDetail] 
FROM [tblEmailAttachment] 
WHERE [tblEmailAttachment].[nMessageID] IN (__[POSTCOMPILE_nMessageID_1]) ORDER BY [tblEmailAttachment].[nMessageID], [tblEmailAttachment].[nPosition]
GO
SELECT [tblEmailAttachment].[nMessageID], count(*) AS count_1 
FROM [tblEmailAttachment] 
WHERE [tblEmailAttachment].[nMessageID] IN (__[POSTCOMPILE_nMessageID_1]) AND [tblEmailAttachment].[nParentPosition] IS NULL AND [tblEmailAttachment].[bInline] = 0 GROUP BY [tblEmailAttachment].[nMessageID]
GO
SELECT [tblEmailAttachment].[nMessageID], count(*) AS count_1, sum(CASE WHEN ([tblEmailAttachment].[biContent] IS NOT NULL AND [tblEmailAttachment].[nSize] > :nSize_1) THEN :param_1 ELSE :param_2 END) AS sum_1, sum(CASE WHEN ([tblEmailAttachment].[biContent] IS NOT NULL AND [tblEmailAttachment].[nSize] > :nSize_1) THEN [tblEmailAttachment].[nSize] ELSE :param_3 END) AS sum_2 
FROM [tblEmailAttachment] 
WHERE [tblEmailAttachment].[nMessageID] IN (__[POSTCOMPILE_nMessageID_1]) GROUP BY [tblEmailAttachment].[nMessageID]
GO
SELECT [tblEmailAttachment].[nPosition], [tblEmailAttachment].[nAttachmentID] 
FROM [tblEmailAttachment] 
WHERE [tblEmailAttachment].[nMessageID] = :nMessageID_1
GO
SELECT [tblEmailAttachment].[sKind], [tblEmailAttachment].[sFileName], [tblEmailAttachment].[sSHA256], [tblEmailAttachment].[sStateDetail] 
FROM [tblEmailAttachment] 
WHERE [tblEmailAttachment].[nMessageID] = :nMessageID_1 AND [tblEmailAttachment].[nParentPosition] IS NULL AND [tblEmailAttachment].[biContent] IS NOT NULL
GO
SELECT [tblEmailDuplicate].[nAccountID], [tblEmailDuplicate].[sGraphMessageID], [tblEmailDuplicate].[nMessageID], [tblEmailDuplicate].[dtSeen], [tblEmailDuplicate].[sReason] 
FROM [tblEmailDuplicate] 
WHERE [tblEmailDuplicate].[nAccountID] IN (__[POSTCOMPILE_accounts]) AND [tblEmailDuplicate].[sGraphMessageID] IN (__[POSTCOMPILE_graph_ids])
GO
SELECT [tblEmailDuplicate].[nAccountID], [tblEmailDuplicate].[sGraphMessageID], [tblEmailDuplicate].[nMessageID], [tblEmailDuplicate].[dtSeen], [tblEmailDuplicate].[sReason] 
FROM [tblEmailDuplicate] 
WHERE [tblEmailDuplicate].[nMessageID] IN (__[POSTCOMPILE_messages])
GO
SELECT [tblEmailFailure].[nAccountID], [tblEmailFailure].[sGraphMessageID], [tblEmailFailure].[nFailureID] 
FROM [tblEmailFailure] WITH (UPDLOCK, ROWLOCK) 
WHERE [tblEmailFailure].[nAccountID] IN (__[POSTCOMPILE_accounts]) AND [tblEmailFailure].[sGraphMessageID] IN (__[POSTCOMPILE_graph_ids]) ORDER BY [tblEmailFailure].[nAccountID], [tblEmailFailure].[sGraphMessageID]
GO
SELECT [tblEmailFailure].[nAccountID], count(*) AS count_1, sum(CASE WHEN ([tblEmailFailure].[sState] = :sState_1) THEN :param_1 ELSE :param_2 END) AS sum_1 
FROM [tblEmailFailure] 
WHERE NOT ((EXISTS (SELECT 1 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailMessage].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID])) OR (EXISTS (SELECT 1 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailSeen].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID])) OR (EXISTS (SELECT 1 
FROM [tblEmailDuplicate] 
WHERE [tblEmailDuplicate].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailDuplicate].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID]))) GROUP BY [tblEmailFailure].[nAccountID]
GO
SELECT [tblEmailFailure].[nFailureID], [tblEmailFailure].[nAccountID], [tblEmailFailure].[sGraphMessageID], [tblEmailFailure].[sState], [tblEmailFailure].[sInternetMessageID], [tblEmailFailure].[sSubject], [tblEmailFailure].[sFromName], [tblEmailFailure].[sFromAddress], [tblEmailFailure].[dtReceived], [tblEmailFailure].[nAttempts], [tblEmailFailure].[dtFirstFailed], [tblEmailFailure].[dtLastFailed], [tblEmailFailure].[dtNextAttempt], [tblEmailFailure].[sReason], [tblEmailFailure].[sDetail], [tblEmailFailure].[sDetailPhrase] 
FROM [tblEmailFailure] 
WHERE [tblEmailFailure].[nAccountID] IN (__[POSTCOMPILE_accounts]) AND [tblEmailFailure].[sGraphMessageID] IN (__[POSTCOMPILE_graph_ids]) AND NOT ((EXISTS (SELECT 1 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailMessage].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID])) OR (EXISTS (SELECT 1 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailSeen].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID])) OR (EXISTS (SELECT 1 
FROM [tblEmailDuplicate] 
WHERE [tblEmailDuplicate].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailDuplicate].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID])))
GO
SELECT [tblEmailFailure].[sReason], count(*) AS count_1 
FROM [tblEmailFailure] 
WHERE [tblEmailFailure].[sState] = :sState_1 AND [tblEmailFailure].[sReason] IS NOT NULL AND NOT ((EXISTS (SELECT 1 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailMessage].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID])) OR (EXISTS (SELECT 1 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailSeen].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID])) OR (EXISTS (SELECT 1 
FROM [tblEmailDuplicate] 
WHERE [tblEmailDuplicate].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailDuplicate].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID]))) GROUP BY [tblEmailFailure].[sReason]
GO
SELECT [tblEmailFile].[nFileID] 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[nFileID] IN (__[POSTCOMPILE_nFileID_1]) AND [tblEmailFile].[sState] = :sState_1
GO
SELECT [tblEmailFile].[nFileID] 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[nMessageID] IN (__[POSTCOMPILE_nMessageID_1]) AND [tblEmailFile].[sFolderKey] = :sFolderKey_1 AND [tblEmailFile].[sState] = :sState_1 AND [tblEmailFile].[sPart] != :sPart_1
GO
SELECT [tblEmailFile].[nFileID], [tblEmailFile].[nMessageID], [tblEmailFile].[nRuleID], [tblEmailFile].[nRun], [tblEmailFile].[sKey], [tblEmailFile].[sPart], [tblEmailFile].[nPosition], [tblEmailFile].[sMember], [tblEmailFile].[nMember], [tblEmailFile].[nDataFileID], [tblEmailFile].[sFolder], [tblEmailFile].[sFolderKey], [tblEmailFile].[sFileName], [tblEmailFile].[sTargetPath], [tblEmailFile].[sState], [tblEmailFile].[nAttempts], [tblEmailFile].[sReason], [tblEmailFile].[sDetail], [tblEmailFile].[sDetailPhrase], [tblEmailFile].[nSize], [tblEmailFile].[sSHA256], [tblEmailFile].[dtCreated], [tblEmailFile].[dtDue], [tblEmailFile].[dtRetryUntil], [tblEmailFile].[dtSaved], [tblEmailFile].[sOwner], [tblEmailFile].[sToken], [tblEmailFile].[sFolderIdentity] 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[nMessageID] = :nMessageID_1 ORDER BY [tblEmailFile].[nFileID]
GO
SELECT [tblEmailFile].[nFileID], [tblEmailFile].[nMessageID], [tblEmailFile].[nRuleID], [tblEmailRule].[sName], [tblEmailMessage].[nAccountID], [tblEmailAccountSettings].[sAccountName], [tblEmailFile].[nRun], [tblEmailFile].[sPart], [tblEmailFile].[sFolder], [tblEmailFile].[sFileName], [tblEmailFile].[sTargetPath], [tblEmailFile].[sState], [tblEmailFile].[nAttempts], [tblEmailFile].[sReason], [tblEmailFile].[sDetail], [tblEmailFile].[sDetailPhrase], [tblEmailFile].[nSize], [tblEmailFile].[dtCreated], [tblEmailFile].[dtDue], [tblEmailFile].[dtRetryUntil], [tblEmailFile].[dtSaved] 
FROM [tblEmailFile] JOIN [tblEmailMessage] ON [tblEmailMessage].[nMessageID] = [tblEmailFile].[nMessageID] LEFT OUTER JOIN [tblEmailRule] ON [tblEmailRule].[nRuleID] = [tblEmailFile].[nRuleID] LEFT OUTER JOIN [tblEmailAccountSettings] ON [tblEmailAccountSettings].[nAccountID] = [tblEmailMessage].[nAccountID] 
WHERE [tblEmailFile].[nFileID] IN (__[POSTCOMPILE_nFileID_1]) ORDER BY [tblEmailFile].[nFileID] DESC
GO
SELECT [tblEmailFile].[nFileID], [tblEmailFile].[nRuleID], [tblEmailFile].[sKey], [tblEmailFile].[sState], [tblEmailFile].[nRun] 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[nMessageID] = :nMessageID_1 AND ([tblEmailFile].[sState] = :sState_1 AND ([tblEmailFile].[nAttempts] = :nAttempts_1 OR [tblEmailFile].[sReason] = :sReason_1) AND [tblEmailFile].[nRuleID] IN (__[POSTCOMPILE_nRuleID_1]) OR [tblEmailFile].[nRuleID] IN (__[POSTCOMPILE_nRuleID_2]) AND [tblEmailFile].[sState] = :sState_2 AND [tblEmailFile].[sFolderIdentity] IS NULL)
GO
SELECT [tblEmailFile].[nFileID], [tblEmailFile].[nRuleID], [tblEmailFile].[sKey], [tblEmailFile].[sState], [tblEmailFile].[nRun] 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[nMessageID] = :nMessageID_1 AND ([tblEmailFile].[sState] = :sState_1 AND ([tblEmailFile].[nAttempts] = :nAttempts_1 OR [tblEmailFile].[sReason] = :sReason_1) OR [tblEmailFile].[nRuleID] IN (__[POSTCOMPILE_nRuleID_1]) AND [tblEmailFile].[sState] = :sState_2 AND [tblEmailFile].[sFolderIdentity] IS NULL)
GO
SELECT [tblEmailFile].[nMessageID] 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[nFileID] IN (__[POSTCOMPILE_nFileID_1])
GO
SELECT [tblEmailFile].[nMessageID], [tblEmailFile].[nRuleID], [tblEmailFile].[sKey], [tblEmailFile].[sState], [tblEmailFile].[sTargetPath] 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[nMessageID] IN (__[POSTCOMPILE_nMessageID_1]) ORDER BY [tblEmailFile].[nRun]
GO
SELECT [tblEmailFile].[nMessageID], count(*) AS count_1 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[nMessageID] IN (__[POSTCOMPILE_nMessageID_1]) GROUP BY [tblEmailFile].[nMessageID]
GO
SELECT [tblEmailFile].[nRuleID], [tblEmailFile].[sKey], [tblEmailFile].[nFileID], [tblEmailFile].[sState] 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[nMessageID] = :nMessageID_1 AND [tblEmailFile].[nRun] = :nRun_1
GO
SELECT [tblEmailFile].[sFolderKey] 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[sState] = :sState_1 AND ([tblEmailFile].[dtDue] <= :dtDue_1 OR [tblEmailFile].[dtDue] > :dtDue_2) GROUP BY [tblEmailFile].[sFolderKey] ORDER BY min([tblEmailFile].[dtDue])
GO
SELECT [tblEmailFile].[sFolderKey], min([tblEmailFile].[sFolder]) AS min_1 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[sState] = :sState_1 AND ([tblEmailFile].[dtDue] <= :dtDue_1 OR [tblEmailFile].[dtDue] > :dtDue_2) AND [tblEmailFile].[sFolderKey] IN (__[POSTCOMPILE_sFolderKey_1]) GROUP BY [tblEmailFile].[sFolderKey]
GO
SELECT [tblEmailFile].[sTargetPath] 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[nFileID] = :nFileID_1 AND [tblEmailFile].[sState] = :sState_1
GO
SELECT [tblEmailHeader].[nMessageID], [tblEmailHeader].[nPosition], [tblEmailHeader].[sName], [tblEmailHeader].[sValue] 
FROM [tblEmailHeader] 
WHERE [tblEmailHeader].[nMessageID] = :nMessageID_1 ORDER BY [tblEmailHeader].[nPosition]
GO
SELECT [tblEmailHeader].[nMessageID], count(*) AS count_1 
FROM [tblEmailHeader] 
WHERE [tblEmailHeader].[nMessageID] IN (__[POSTCOMPILE_nMessageID_1]) GROUP BY [tblEmailHeader].[nMessageID]
GO
SELECT [tblEmailIdentity].[nMessageID] 
FROM [tblEmailIdentity] 
WHERE [tblEmailIdentity].[nMessageID] = :nMessageID_1 OR [tblEmailIdentity].[nAccountID] = :nAccountID_1 AND [tblEmailIdentity].[sIdentity] = :sIdentity_1
GO
SELECT [tblEmailIdentity].[nMessageID], [tblEmailMessage].[sGraphMessageID], [tblEmailIdentity].[nAccountID], [tblEmailIdentity].[sIdentity] 
FROM [tblEmailIdentity] JOIN [tblEmailMessage] ON [tblEmailMessage].[nMessageID] = [tblEmailIdentity].[nMessageID] 
WHERE [tblEmailIdentity].[nAccountID] IN (__[POSTCOMPILE_accounts]) AND [tblEmailIdentity].[sIdentity] IN (__[POSTCOMPILE_identities])
GO
SELECT [tblEmailMessage].[nAccountID], [tblEmailMessage].[nMessageID], [tblEmailMessage].[sGraphMessageID] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nMessageID] = :nMessageID_1
GO
SELECT [tblEmailMessage].[nAccountID], [tblEmailMessage].[sAfterImportState], count(*) AS count_1 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[sAfterImportState] = :sAfterImportState_1 AND [tblEmailMessage].[nAccountID] IN (__[POSTCOMPILE_nAccountID_1]) GROUP BY [tblEmailMessage].[nAccountID], [tblEmailMessage].[sAfterImportState] UNION ALL SELECT [tblEmailMessage].[nAccountID], [tblEmailMessage].[sAfterImportState], count(*) AS count_2 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[sAfterImportState] = :sAfterImportState_2 AND [tblEmailMessage].[nAccountID] IN (__[POSTCOMPILE_nAccountID_2]) AND (EXISTS (SELECT :param_1 AS anon_1 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[nAccountID] = [tblEmailMessage].[nAccountID] AND ([tblEmailAccountSettings].[sAfterImport]) COLLATE Latin1_General_100_BIN2 = [tblEmailMessage].[sAfterImport])) GROUP BY [tblEmailMessage].[nAccountID], [tblEmailMessage].[sAfterImportState]
GO
SELECT [tblEmailMessage].[nAccountID], [tblEmailMessage].[sAfterImportState], count(*) AS count_1 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[sAfterImportState] = :sAfterImportState_1 GROUP BY [tblEmailMessage].[nAccountID], [tblEmailMessage].[sAfterImportState] UNION ALL SELECT [tblEmailMessage].[nAccountID], [tblEmailMessage].[sAfterImportState], count(*) AS count_2 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[sAfterImportState] = :sAfterImportState_2 AND (EXISTS (SELECT :param_1 AS anon_1 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[nAccountID] = [tblEmailMessage].[nAccountID] AND ([tblEmailAccountSettings].[sAfterImport]) COLLATE Latin1_General_100_BIN2 = [tblEmailMessage].[sAfterImport])) GROUP BY [tblEmailMessage].[nAccountID], [tblEmailMessage].[sAfterImportState]
GO
SELECT [tblEmailMessage].[nAccountID], [tblEmailMessage].[sGraphMessageID], 'tblEmailMessage' 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] IN (__[POSTCOMPILE_accounts]) AND [tblEmailMessage].[sGraphMessageID] IN (__[POSTCOMPILE_graph_ids]) UNION ALL SELECT [tblEmailDuplicate].[nAccountID], [tblEmailDuplicate].[sGraphMessageID], 'tblEmailDuplicate' 
FROM [tblEmailDuplicate] 
WHERE [tblEmailDuplicate].[nAccountID] IN (__[POSTCOMPILE_accounts]) AND [tblEmailDuplicate].[sGraphMessageID] IN (__[POSTCOMPILE_graph_ids]) UNION ALL SELECT [tblEmailSeen].[nAccountID], [tblEmailSeen].[sGraphMessageID], 'tblEmailSeen' 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[nAccountID] IN (__[POSTCOMPILE_accounts]) AND [tblEmailSeen].[sGraphMessageID] IN (__[POSTCOMPILE_graph_ids])
GO
SELECT [tblEmailMessage].[nAccountID], [tblEmailMessage].[sGraphMessageID], [tblEmailMessage].[nMessageID] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] IN (__[POSTCOMPILE_accounts]) AND [tblEmailMessage].[sGraphMessageID] IN (__[POSTCOMPILE_graph_ids])
GO
SELECT [tblEmailMessage].[nAccountID], count(*) AS count_1 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] IN (__[POSTCOMPILE_nAccountID_1]) GROUP BY [tblEmailMessage].[nAccountID]
GO
SELECT [tblEmailMessage].[nAccountID], count(*) AS count_1 
FROM [tblEmailMessage] GROUP BY [tblEmailMessage].[nAccountID]
GO
SELECT [tblEmailMessage].[nMessageID] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] = :nAccountID_1 AND [tblEmailMessage].[dtReceived] BETWEEN :dtReceived_1 AND :dtReceived_2 AND [tblEmailMessage].[sInternetMessageID] = :sInternetMessageID_1 AND [tblEmailMessage].[sGraphMessageID] != :sGraphMessageID_1 AND (EXISTS (SELECT :param_1 AS anon_1 
FROM [tblEmailAttachment] 
WHERE [tblEmailAttachment].[nMessageID] = [tblEmailMessage].[nMessageID])) AND NOT (EXISTS (SELECT :param_2 AS anon_2 
FROM [tblEmailScan] 
WHERE [tblEmailScan].[nMessageID] = [tblEmailMessage].[nMessageID])) AND NOT (EXISTS (SELECT :param_3 AS anon_3 
FROM [tblEmailDuplicate] 
WHERE [tblEmailDuplicate].[nMessageID] = [tblEmailMessage].[nMessageID] AND [tblEmailDuplicate].[sReason] = :sReason_1)) ORDER BY [tblEmailMessage].[nMessageID]
GO
SELECT [tblEmailMessage].[nMessageID] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] = :nAccountID_1 AND [tblEmailMessage].[sGraphMessageID] = :sGraphMessageID_1
GO
SELECT [tblEmailMessage].[nMessageID] 
FROM [tblEmailMessage] WITH (UPDLOCK, ROWLOCK) 
WHERE [tblEmailMessage].[nMessageID] IN (__[POSTCOMPILE_nMessageID_1]) ORDER BY [tblEmailMessage].[nMessageID]
GO
SELECT [tblEmailMessage].[nMessageID], [tblEmailMessage].[dtReceived], [tblEmailMessage].[sRuleState], [tblEmailMessage].[nRulesMatched] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nMessageID] = :nMessageID_1
GO
SELECT [tblEmailMessage].[nMessageID], [tblEmailMessage].[nAccountID], [tblEmailMessage].[dtImported], [tblEmailMessage].[dtReceived], [tblEmailMessage].[sFromAddress], [tblEmailMessage].[sSenderAddress], [tblEmailMessage].[sSubject], CAST(NULL AS NVARCHAR(max)) AS [sText], CASE WHEN ([tblEmailMessage].[sBodyType] = :sBodyType_1 AND [tblEmailMessage].[sBody] IS NOT NULL) THEN 1 ELSE 0 END AS [bHtml] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nMessageID] IN (__[POSTCOMPILE_numbers]) ORDER BY [tblEmailMessage].[nMessageID]
GO
SELECT [tblEmailMessage].[nMessageID], [tblEmailMessage].[nAccountID], [tblEmailMessage].[dtImported], [tblEmailMessage].[dtReceived], [tblEmailMessage].[sFromAddress], [tblEmailMessage].[sSenderAddress], [tblEmailMessage].[sSubject], [tblEmailMessage].[sBodyText] AS [sText], CASE WHEN ([tblEmailMessage].[sBodyType] = :sBodyType_1 AND [tblEmailMessage].[sBody] IS NOT NULL) THEN 1 ELSE 0 END AS [bHtml] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nMessageID] IN (__[POSTCOMPILE_numbers]) ORDER BY [tblEmailMessage].[nMessageID]
GO
SELECT [tblEmailMessage].[nMessageID], [tblEmailMessage].[nAccountID], [tblEmailMessage].[sGraphMessageID], [tblEmailMessage].[sInternetMessageID], [tblEmailMessage].[sConversationID], [tblEmailMessage].[sSubject], [tblEmailMessage].[sFromName], [tblEmailMessage].[sFromAddress], [tblEmailMessage].[dtSent], [tblEmailMessage].[dtReceived], [tblEmailMessage].[sImportance], [tblEmailMessage].[sBodyType], [tblEmailMessage].[bHasAttachments], [tblEmailMessage].[dtImported], [tblEmailMessage].[sCorrelationID], [tblEmailMessage].[sSenderName], [tblEmailMessage].[sSenderAddress], [tblEmailMessage].[dtCreated], [tblEmailMessage].[sCategories], [tblEmailMessage].[sFlagStatus], [tblEmailMessage].[sConversationIndex], [tblEmailMessage].[bRead], [tblEmailMessage].[sWebLink], [tblEmailMessage].[sParentFolderID], [tblEmailMessage].[sChangeKey], [tblEmailMessage].[nSize], [tblEmailMessage].[sAfterImport], [tblEmailMessage].[sAfterImportState], [tblEmailMessage].[sAfterImportDetail], [tblEmailMessage].[sAfterImportDetailPhrase], [tblEmailMessage].[nAfterImportAttempts], [tblEmailMessage].[dtAfterImportDue], [tblEmailMessage].[sRuleState], [tblEmailMessage].[nRulesMatched] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nMessageID] = :nMessageID_1
GO
SELECT [tblEmailMessage].[nMessageID], [tblEmailMessage].[nAccountID], [tblEmailMessage].[sGraphMessageID], [tblEmailMessage].[sInternetMessageID], [tblEmailMessage].[sConversationID], [tblEmailMessage].[sSubject], [tblEmailMessage].[sFromName], [tblEmailMessage].[sFromAddress], [tblEmailMessage].[dtSent], [tblEmailMessage].[dtReceived], [tblEmailMessage].[sImportance], [tblEmailMessage].[sBodyType], [tblEmailMessage].[sBody], [tblEmailMessage].[bHasAttachments], [tblEmailMessage].[dtImported], [tblEmailMessage].[sCorrelationID], [tblEmailMessage].[sSenderName], [tblEmailMessage].[sSenderAddress], [tblEmailMessage].[dtCreated], [tblEmailMessage].[sCategories], [tblEmailMessage].[sFlagStatus], [tblEmailMessage].[sConversationIndex], [tblEmailMessage].[sBodyText], [tblEmailMessage].[bRead], [tblEmailMessage].[sWebLink], [tblEmailMessage].[sParentFolderID], [tblEmailMessage].[sChangeKey], [tblEmailMessage].[nSize], [tblEmailMessage].[sAfterImport], [tblEmailMessage].[sAfterImportState], [tblEmailMessage].[sAfterImportDetail], [tblEmailMessage].[sAfterImportDetailPhrase], [tblEmailMessage].[nAfterImportAttempts], [tblEmailMessage].[dtAfterImportDue], [tblEmailMessage].[sRuleState], [tblEmailMessage].[nRulesMatched] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nMessageID] = :nMessageID_1
GO
SELECT [tblEmailMessage].[nMessageID], [tblEmailMessage].[nAccountID], [tblEmailMessage].[sGraphMessageID], [tblEmailMessage].[sInternetMessageID], [tblEmailMessage].[sSubject], [tblEmailMessage].[sCorrelationID], [tblEmailMessage].[dtReceived], [tblEmailMessage].[dtImported], [tblEmailMessage].[sAfterImport], [tblEmailMessage].[sAfterImportState], [tblEmailMessage].[nAfterImportAttempts], [tblEmailMessage].[dtAfterImportDue], [tblEmailMessage].[sAfterImportDetail], [tblEmailMessage].[sAfterImportDetailPhrase], [tblEmailMessage].[sFromName], [tblEmailMessage].[sFromAddress], [tblEmailMessage].[sRuleState], [tblEmailMessage].[nRulesMatched] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] IN (__[POSTCOMPILE_nAccountID_1]) AND [tblEmailMessage].[sGraphMessageID] IN (__[POSTCOMPILE_sGraphMessageID_1])
GO
SELECT [tblEmailMessage].[nMessageID], [tblEmailMessage].[sGraphMessageID], [tblEmailMessage].[nAccountID], [tblEmailMessage].[sInternetMessageID], [tblEmailMessage].[dtReceived] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] IN (__[POSTCOMPILE_accounts]) AND [tblEmailMessage].[dtReceived] IN (__[POSTCOMPILE_times]) AND [tblEmailMessage].[sInternetMessageID] IN (__[POSTCOMPILE_internet_ids])
GO
SELECT [tblEmailMessage].[sBodyText] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nMessageID] = :nMessageID_1
GO
SELECT [tblEmailMessage].[sBodyType], substring([tblEmailMessage].[sBody], :substring_2, :substring_3) AS substring_1 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nMessageID] = :nMessageID_1
GO
SELECT [tblEmailMessage].[sBody] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nMessageID] = :nMessageID_1
GO
SELECT [tblEmailOriginal].[nMessageID] 
FROM [tblEmailOriginal] 
WHERE [tblEmailOriginal].[nMessageID] = :nMessageID_1
GO
SELECT [tblEmailOriginal].[nMessageID], [tblEmailOriginal].[nStoredSize] 
FROM [tblEmailOriginal] 
WHERE [tblEmailOriginal].[nMessageID] IN (__[POSTCOMPILE_nMessageID_1]) AND [tblEmailOriginal].[biContent] IS NOT NULL
GO
SELECT [tblEmailOriginal].[nMessageID], [tblEmailOriginal].[nStoredSize] 
FROM [tblEmailOriginal] 
WHERE [tblEmailOriginal].[nMessageID] IN (__[POSTCOMPILE_nMessageID_1]) AND [tblEmailOriginal].[biContent] IS NOT NULL ORDER BY [tblEmailOriginal].[nMessageID]
GO
SELECT [tblEmailOriginal].[nMessageID], [tblEmailOriginal].[sState], CASE WHEN ([tblEmailOriginal].[biContent] IS NOT NULL) THEN :param_1 ELSE :param_2 END AS [nHasContent] 
FROM [tblEmailOriginal] 
WHERE [tblEmailOriginal].[nMessageID] IN (__[POSTCOMPILE_numbers])
GO
SELECT [tblEmailOriginal].[nStoredSize], [tblEmailOriginal].[sCompression] 
FROM [tblEmailOriginal] 
WHERE [tblEmailOriginal].[nMessageID] = :nMessageID_1 AND [tblEmailOriginal].[biContent] IS NOT NULL
GO
SELECT [tblEmailOriginal].[sState], [tblEmailOriginal].[sStateDetail], [tblEmailOriginal].[nSize], [tblEmailOriginal].[sSHA256], [tblEmailOriginal].[nStoredSize], CASE WHEN ([tblEmailOriginal].[biContent] IS NOT NULL) THEN :param_1 ELSE :param_2 END AS there 
FROM [tblEmailOriginal] 
WHERE [tblEmailOriginal].[nMessageID] = :nMessageID_1
GO
SELECT [tblEmailRecipient].[nMessageID], [tblEmailRecipient].[sAddress] 
FROM [tblEmailRecipient] 
WHERE [tblEmailRecipient].[nMessageID] IN (__[POSTCOMPILE_numbers]) AND [tblEmailRecipient].[sKind] IN (__[POSTCOMPILE_sKind_1]) AND [tblEmailRecipient].[sAddress] IS NOT NULL ORDER BY [tblEmailRecipient].[nMessageID], [tblEmailRecipient].[sKind], [tblEmailRecipient].[nPosition]
GO
SELECT [tblEmailRecipient].[nMessageID], [tblEmailRecipient].[sKind], [tblEmailRecipient].[nPosition], [tblEmailRecipient].[sName], [tblEmailRecipient].[sAddress] 
FROM [tblEmailRecipient] 
WHERE [tblEmailRecipient].[nMessageID] = :nMessageID_1
GO
SELECT [tblEmailRecipient].[nMessageID], [tblEmailRecipient].[sKind], [tblEmailRecipient].[sName], [tblEmailRecipient].[sAddress] 
FROM [tblEmailRecipient] 
WHERE [tblEmailRecipient].[nMessageID] IN (__[POSTCOMPILE_nMessageID_1]) AND [tblEmailRecipient].[sKind] IN (__[POSTCOMPILE_sKind_1]) ORDER BY [tblEmailRecipient].[nMessageID], [tblEmailRecipient].[nPosition]
GO
SELECT [tblEmailRecipient].[nMessageID], count(*) AS count_1 
FROM [tblEmailRecipient] 
WHERE [tblEmailRecipient].[nMessageID] IN (__[POSTCOMPILE_nMessageID_1]) AND [tblEmailRecipient].[sKind] IN (__[POSTCOMPILE_sKind_1]) GROUP BY [tblEmailRecipient].[nMessageID]
GO
SELECT [tblEmailRecipient].[nMessageID], count(*) AS count_1 
FROM [tblEmailRecipient] 
WHERE [tblEmailRecipient].[nMessageID] IN (__[POSTCOMPILE_nMessageID_1]) GROUP BY [tblEmailRecipient].[nMessageID]
GO
SELECT [tblEmailRuleChange].[nChangeID], [tblEmailRuleChange].[nRuleID], [tblEmailRuleChange].[dtChanged], [tblEmailRuleChange].[sAction], [tblEmailRuleChange].[sWho], [tblEmailRuleChange].[sHost], [tblEmailRuleChange].[sSettings] 
FROM [tblEmailRuleChange] 
WHERE [tblEmailRuleChange].[nChangeID] >= :nChangeID_1
GO
SELECT [tblEmailRuleChange].[nChangeID], [tblEmailRuleChange].[nRuleID], [tblEmailRuleChange].[dtChanged], [tblEmailRuleChange].[sAction], [tblEmailRuleChange].[sWho], [tblEmailRuleChange].[sHost], [tblEmailRuleChange].[sSettings] 
FROM [tblEmailRuleChange] 
WHERE [tblEmailRuleChange].[nChangeID] IN (SELECT max([tblEmailRuleChange].[nChangeID]) AS max_1 
FROM [tblEmailRuleChange] 
WHERE [tblEmailRuleChange].[nRuleID] IN (__[POSTCOMPILE_nRuleID_1]) AND [tblEmailRuleChange].[nChangeID] < :nChangeID_1 GROUP BY [tblEmailRuleChange].[nRuleID])
GO
SELECT [tblEmailRuleChange].[nChangeID], [tblEmailRuleChange].[nRuleID], [tblEmailRuleChange].[dtChanged], [tblEmailRuleChange].[sAction], [tblEmailRuleChange].[sWho], [tblEmailRuleChange].[sHost], [tblEmailRuleChange].[sSettings] 
FROM [tblEmailRuleChange] 
WHERE [tblEmailRuleChange].[nRuleID] = :nRuleID_1 AND [tblEmailRuleChange].[nChangeID] >= :nChangeID_1
GO
SELECT [tblEmailRuleChange].[nChangeID], [tblEmailRuleChange].[nRuleID], [tblEmailRuleChange].[dtChanged], [tblEmailRuleChange].[sAction], [tblEmailRuleChange].[sWho], [tblEmailRuleChange].[sHost], [tblEmailRuleChange].[sSettings] 
FROM [tblEmailRuleChange] 
WHERE [tblEmailRuleChange].[nRuleID] = :nRuleID_1 ORDER BY [tblEmailRuleChange].[nRuleID], [tblEmailRuleChange].[nChangeID]
GO
SELECT [tblEmailRuleChange].[nChangeID], [tblEmailRuleChange].[nRuleID], [tblEmailRuleChange].[dtChanged], [tblEmailRuleChange].[sAction], [tblEmailRuleChange].[sWho], [tblEmailRuleChange].[sHost], [tblEmailRuleChange].[sSettings] 
FROM [tblEmailRuleChange] ORDER BY [tblEmailRuleChange].[nRuleID], [tblEmailRuleChange].[nChangeID]
GO
SELECT [tblEmailRuleChange].[nRuleID], [tblEmailRuleChange].[sAction], [tblEmailRuleChange].[sSettings] 
FROM [tblEmailRuleChange] 
WHERE [tblEmailRuleChange].[nChangeID] IN (SELECT max([tblEmailRuleChange].[nChangeID]) AS max_1 
FROM [tblEmailRuleChange] GROUP BY [tblEmailRuleChange].[nRuleID])
GO
SELECT [tblEmailRule].[nRuleID], [tblEmailRule].[sName], [tblEmailRule].[bEnabled], [tblEmailRule].[nAccountID], [tblEmailRule].[nPosition], [tblEmailRule].[sSenders], [tblEmailRule].[sRecipients], [tblEmailRule].[sSubjectKind], [tblEmailRule].[sSubject], [tblEmailRule].[sBodyWords], [tblEmailRule].[sAttachmentNames], [tblEmailRule].[nAttachmentSizeLeast], [tblEmailRule].[nAttachmentSizeMost], [tblEmailRule].[bHasAttachments], [tblEmailRule].[sFolder], [tblEmailRule].[sFileName], [tblEmailRule].[bSaveAttachments], [tblEmailRule].[sUnpack], [tblEmailRule].[sSaveBody], [tblEmailRule].[bSaveOriginal], [tblEmailRule].[bSaveMetadata], [tblEmailRule].[dtActiveSince] 
FROM [tblEmailRule] ORDER BY [tblEmailRule].[nPosition], [tblEmailRule].[nRuleID]
GO
SELECT [tblEmailRule].[nRuleID], [tblEmailRule].[sName], [tblEmailRule].[bEnabled], [tblEmailRule].[nAccountID], [tblEmailRule].[nPosition], [tblEmailRule].[sSenders], [tblEmailRule].[sRecipients], [tblEmailRule].[sSubjectKind], [tblEmailRule].[sSubject], [tblEmailRule].[sBodyWords], [tblEmailRule].[sAttachmentNames], [tblEmailRule].[nAttachmentSizeLeast], [tblEmailRule].[nAttachmentSizeMost], [tblEmailRule].[bHasAttachments], [tblEmailRule].[sFolder], [tblEmailRule].[sFileName], [tblEmailRule].[bSaveAttachments], [tblEmailRule].[sUnpack], [tblEmailRule].[sSaveBody], [tblEmailRule].[bSaveOriginal], [tblEmailRule].[bSaveMetadata], [tblEmailRule].[dtActiveSince] 
FROM [tblEmailRule] WITH (UPDLOCK, HOLDLOCK) ORDER BY [tblEmailRule].[nRuleID]
GO
SELECT [tblEmailScan].[nAccountID], [tblEmailScan].[sGraphMessageID] 
FROM [tblEmailScan] 
WHERE [tblEmailScan].[nAccountID] IN (__[POSTCOMPILE_accounts]) AND [tblEmailScan].[sGraphMessageID] IN (__[POSTCOMPILE_graph_ids]) AND [tblEmailScan].[nMessageID] IS NOT NULL
GO
SELECT [tblEmailScan].[nAccountID], [tblEmailScan].[sGraphMessageID], [tblEmailScan].[sLetterDigest], [tblEmailScan].[dtFirstSeen], [tblEmailScan].[dtUntil], [tblEmailScan].[nMessageID] 
FROM [tblEmailScan] 
WHERE [tblEmailScan].[nAccountID] = :nAccountID_1 AND [tblEmailScan].[sGraphMessageID] = :sGraphMessageID_1
GO
SELECT [tblEmailScan].[nAccountID], [tblEmailScan].[sGraphMessageID], [tblEmailScan].[sLetterDigest], [tblEmailScan].[dtFirstSeen], [tblEmailScan].[dtUntil], [tblEmailScan].[nMessageID] 
FROM [tblEmailScan] WITH (UPDLOCK, ROWLOCK) 
WHERE [tblEmailScan].[nAccountID] IN (__[POSTCOMPILE_nAccountID_1]) AND [tblEmailScan].[sLetterDigest] IN (__[POSTCOMPILE_sLetterDigest_1]) AND [tblEmailScan].[dtFirstSeen] > :dtFirstSeen_1
GO
SELECT [tblEmailScan].[nAccountID], count(*) AS count_1 
FROM [tblEmailScan] 
WHERE [tblEmailScan].[nMessageID] IS NULL AND [tblEmailScan].[nAccountID] IN (__[POSTCOMPILE_nAccountID_1]) GROUP BY [tblEmailScan].[nAccountID]
GO
SELECT [tblEmailScan].[nAccountID], count(*) AS count_1 
FROM [tblEmailScan] 
WHERE [tblEmailScan].[nMessageID] IS NULL GROUP BY [tblEmailScan].[nAccountID]
GO
SELECT [tblEmailScan].[nScanID] 
FROM [tblEmailScan] WITH (UPDLOCK, ROWLOCK) 
WHERE [tblEmailScan].[nAccountID] = :nAccountID_1 AND [tblEmailScan].[sGraphMessageID] = :sGraphMessageID_1
GO
SELECT [tblEmailScan].[sGraphMessageID] 
FROM [tblEmailScan] 
WHERE [tblEmailScan].[nAccountID] = :nAccountID_1 AND [tblEmailScan].[nMessageID] IS NULL AND [tblEmailScan].[dtUntil] BETWEEN :dtUntil_1 AND :dtUntil_2
GO
SELECT [tblEmailSeen].[nAccountID], [tblEmailSeen].[sGraphMessageID], [tblEmailSeen].[sInternetMessageID], [tblEmailSeen].[sFromAddress], [tblEmailSeen].[dtReceived], [tblEmailSeen].[nSize], [tblEmailSeen].[sReason], [tblEmailSeen].[sRule], [tblEmailSeen].[dtSeen] 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[nAccountID] IN (__[POSTCOMPILE_accounts]) AND [tblEmailSeen].[sGraphMessageID] IN (__[POSTCOMPILE_graph_ids])
GO
SELECT [tblEmailSeen].[nAccountID], count(*) AS count_1 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[nAccountID] IN (__[POSTCOMPILE_nAccountID_1]) GROUP BY [tblEmailSeen].[nAccountID]
GO
SELECT [tblEmailSeen].[nAccountID], count(*) AS count_1 
FROM [tblEmailSeen] GROUP BY [tblEmailSeen].[nAccountID]
GO
SELECT [tblFolderSync].[nAccountID], [tblFolderSync].[dtDue], [tblFolderSync].[sOwner], [tblFolderSync].[dtLeaseUntil], [tblFolderSync].[nFailures], [tblFolderSync].[nRequests], [tblFolderSync].[sResource], [tblFolderSync].[sLink], [tblFolderSync].[bFullPass], [tblFolderSync].[bGap], [tblFolderSync].[dtSwept] 
FROM [tblFolderSync] 
WHERE [tblFolderSync].[nAccountID] = :nAccountID_1
GO
SELECT [tblFolderSync].[nAccountID], [tblFolderSync].[dtSwept] 
FROM [tblFolderSync]
GO
SELECT [tblFolderSync].[nAccountID], [tblFolderSync].[dtSwept] 
FROM [tblFolderSync] 
WHERE [tblFolderSync].[nAccountID] IN (__[POSTCOMPILE_nAccountID_1])
GO
SELECT [tblFolderSync].[nAccountID], [tblFolderSync].[nFailures], [tblFolderSync].[nRequests] 
FROM [tblFolderSync] WITH (UPDLOCK, READPAST, ROWLOCK, READCOMMITTEDLOCK) 
WHERE [tblFolderSync].[nAccountID] IN (__[POSTCOMPILE_nAccountID_1]) AND ([tblFolderSync].[dtDue] <= :dtDue_1 OR [tblFolderSync].[dtDue] > :dtDue_2 AND [tblFolderSync].[dtDue] < :dtDue_3) AND ([tblFolderSync].[dtLeaseUntil] IS NULL OR [tblFolderSync].[dtLeaseUntil] <= :dtLeaseUntil_1 OR [tblFolderSync].[dtLeaseUntil] > :dtLeaseUntil_2)
GO
SELECT [tblGraphSubscription].[sSubscriptionID] 
FROM [tblGraphSubscription] 
WHERE [tblGraphSubscription].[sSubscriptionID] IN (__[POSTCOMPILE_sSubscriptionID_1])
GO
SELECT [tblGraphSubscription].[sSubscriptionID], [tblGraphSubscription].[nAccountID] 
FROM [tblGraphSubscription] JOIN [tblEmailAccountSettings] ON [tblEmailAccountSettings].[nAccountID] = [tblGraphSubscription].[nAccountID] 
WHERE [tblEmailAccountSettings].[sTenantID] = :sTenantID_1 AND [tblEmailAccountSettings].[sClientID] = :sClientID_1
GO
SELECT [tblGraphSubscription].[sSubscriptionID], [tblGraphSubscription].[nAccountID], [tblGraphSubscription].[dtExpires], [tblGraphSubscription].[sState], [tblGraphSubscription].[sResource], [tblGraphSubscription].[sNotificationURL], [tblGraphSubscription].[sKeyFingerprint], [tblGraphSubscription].[dtGranted], [tblGraphSubscription].[dtCreated] 
FROM [tblGraphSubscription] 
WHERE [tblGraphSubscription].[nAccountID] IN (__[POSTCOMPILE_nAccountID_1])
GO
SELECT [tblMailboxAddress].[nAccountID], [tblMailboxAddress].[sAddress] 
FROM [tblMailboxAddress] JOIN [tblEmailAccountSettings] ON [tblMailboxAddress].[nAccountID] = [tblEmailAccountSettings].[nAccountID] AND [tblMailboxAddress].[sUserID] = ([tblEmailAccountSettings].[sUserID]) COLLATE Latin1_General_100_BIN2 
WHERE [tblMailboxAddress].[nAccountID] IN (__[POSTCOMPILE_nAccountID_1])
GO
SELECT [tblMailboxAddress].[sAddress] 
FROM [tblMailboxAddress] 
WHERE [tblMailboxAddress].[sUserID] IN (__[POSTCOMPILE_sUserID_1]) OR lower([tblMailboxAddress].[sUserID]) IN (__[POSTCOMPILE_lower_1])
GO
SELECT [tblMessageTrace].[nTraceID], [tblMessageTrace].[nAccountID], [tblMessageTrace].[sGraphMessageID], [tblMessageTrace].[sInternetMessageID], [tblMessageTrace].[sSubject], [tblMessageTrace].[sSource], [tblMessageTrace].[sCorrelationID], [tblMessageTrace].[sQueueMessageID], [tblMessageTrace].[dtNotified], [tblMessageTrace].[dtQueued], [tblMessageTrace].[nAttempt], [tblMessageTrace].[sHost], [tblMessageTrace].[dtStarted], [tblMessageTrace].[dtFetched], [tblMessageTrace].[dtEnded], [tblMessageTrace].[sOutcome], [tblMessageTrace].[sReason], [tblMessageTrace].[sDetail], [tblMessageTrace].[sDetailPhrase] 
FROM [tblMessageTrace] 
WHERE [tblMessageTrace].[nAccountID] IN (__[POSTCOMPILE_nAccountID_1]) AND [tblMessageTrace].[sGraphMessageID] IN (__[POSTCOMPILE_sGraphMessageID_1])
GO
SELECT [tblMessageTrace].[nTraceID], [tblMessageTrace].[nAccountID], [tblMessageTrace].[sGraphMessageID], [tblMessageTrace].[sInternetMessageID], [tblMessageTrace].[sSubject], [tblMessageTrace].[sSource], [tblMessageTrace].[sCorrelationID], [tblMessageTrace].[sQueueMessageID], [tblMessageTrace].[dtNotified], [tblMessageTrace].[dtQueued], [tblMessageTrace].[nAttempt], [tblMessageTrace].[sHost], [tblMessageTrace].[dtStarted], [tblMessageTrace].[dtFetched], [tblMessageTrace].[dtEnded], [tblMessageTrace].[sOutcome], [tblMessageTrace].[sReason], [tblMessageTrace].[sDetail], [tblMessageTrace].[sDetailPhrase] 
FROM [tblMessageTrace] 
WHERE [tblMessageTrace].[sGraphMessageID] IS NULL AND [tblMessageTrace].[sQueueMessageID] IN (__[POSTCOMPILE_sQueueMessageID_1])
GO
SELECT [tblMissedNotification].[dtReceived] 
FROM [tblMissedNotification] 
WHERE [tblMissedNotification].[nAccountID] = :nAccountID_1 AND [tblMissedNotification].[dtTold] IS NULL AND [tblMissedNotification].[dtFound] <= :dtFound_1 ORDER BY [tblMissedNotification].[dtReceived]
GO
SELECT [tblMissedNotification].[nAccountID], [tblMissedNotification].[sGraphMessageID], [tblMissedNotification].[dtReceived] 
FROM [tblMissedNotification] 
WHERE [tblMissedNotification].[nAccountID] IN (__[POSTCOMPILE_accounts]) AND [tblMissedNotification].[sGraphMessageID] IN (__[POSTCOMPILE_graph_ids]) AND [tblMissedNotification].[dtTold] IS NULL
GO
SELECT [tblMissedNotification].[nAccountID], count(*) AS count_1, max([tblMissedNotification].[dtReceived]) AS max_1 
FROM [tblMissedNotification] 
WHERE [tblMissedNotification].[dtTold] IS NOT NULL AND [tblMissedNotification].[nAccountID] IN (__[POSTCOMPILE_nAccountID_1]) GROUP BY [tblMissedNotification].[nAccountID]
GO
SELECT [tblMissedNotification].[nAccountID], count(*) AS count_1, max([tblMissedNotification].[dtReceived]) AS max_1 
FROM [tblMissedNotification] 
WHERE [tblMissedNotification].[dtTold] IS NOT NULL GROUP BY [tblMissedNotification].[nAccountID]
GO
SELECT [tblNotificationQueue].[nAccountID], sum(CASE WHEN ([tblNotificationQueue].[sState] = :sState_1 AND [tblNotificationQueue].[dtVisible] <= :dtVisible_1) THEN :param_1 ELSE :param_2 END) AS active, sum(CASE WHEN ([tblNotificationQueue].[sState] = :sState_1 AND [tblNotificationQueue].[dtVisible] > :dtVisible_2 AND [tblNotificationQueue].[sLockToken] IS NOT NULL) THEN :param_3 ELSE :param_4 END) AS locked, sum(CASE WHEN ([tblNotificationQueue].[sState] = :sState_1 AND [tblNotificationQueue].[dtVisible] > :dtVisible_2 AND [tblNotificationQueue].[sLockToken] IS NULL) THEN :param_5 ELSE :param_6 END) AS scheduled, sum(CASE WHEN ([tblNotificationQueue].[sState] = :sState_2) THEN :param_7 ELSE :param_8 END) AS dead, min(CASE WHEN ([tblNotificationQueue].[sState] = :sState_1) THEN [tblNotificationQueue].[dtEnqueued] END) AS oldest, min(CASE WHEN ([tblNotificationQueue].[sState] = :sState_1 AND [tblNotificationQueue].[dtVisible] <= :dtVisible_1) THEN [tblNotificationQueue].[dtVisible] END) AS waiting_since 
FROM [tblNotificationQueue] 
WHERE [tblNotificationQueue].[sState] IN (__[POSTCOMPILE_sState_3]) GROUP BY [tblNotificationQueue].[nAccountID] ORDER BY [tblNotificationQueue].[nAccountID]
GO
SELECT [tblNotificationQueue].[nSequence] 
FROM [tblNotificationQueue] WITH (UPDLOCK, READPAST, ROWLOCK, READCOMMITTEDLOCK) 
WHERE [tblNotificationQueue].[sState] = :sState_1 AND ([tblNotificationQueue].[sLockToken] IS NULL OR [tblNotificationQueue].[dtVisible] <= :dtVisible_1) AND [tblNotificationQueue].[nSequence] IN (__[POSTCOMPILE_nSequence_1]) ORDER BY [tblNotificationQueue].[nSequence]
GO
SELECT [tblNotificationQueue].[nSequence] 
FROM [tblNotificationQueue] WITH (UPDLOCK, READPAST, ROWLOCK, READCOMMITTEDLOCK) 
WHERE [tblNotificationQueue].[sState] = :sState_1 AND [tblNotificationQueue].[dtVisible] > :dtVisible_1 AND [tblNotificationQueue].[sLockToken] IS NULL AND [tblNotificationQueue].[nSequence] IN (__[POSTCOMPILE_nSequence_1]) ORDER BY [tblNotificationQueue].[nSequence]
GO
SELECT [tblNotificationQueue].[nSequence] 
FROM [tblNotificationQueue] WITH (UPDLOCK, READPAST, ROWLOCK, READCOMMITTEDLOCK) 
WHERE [tblNotificationQueue].[sState] = :sState_1 AND [tblNotificationQueue].[nSequence] IN (__[POSTCOMPILE_nSequence_1]) ORDER BY [tblNotificationQueue].[nSequence]
GO
SELECT [tblNotificationQueue].[nSequence], [tblNotificationQueue].[sLockToken], [tblNotificationQueue].[nRetired] 
FROM [tblNotificationQueue] WITH (UPDLOCK, ROWLOCK) 
WHERE [tblNotificationQueue].[nSequence] IN (__[POSTCOMPILE_sequences]) AND [tblNotificationQueue].[sState] = :sState_1 AND [tblNotificationQueue].[dtVisible] > :now ORDER BY [tblNotificationQueue].[nSequence]
GO
SELECT [tblProblem].[nProblemID], [tblProblem].[sKind], [tblProblem].[nAccountID], [tblProblem].[sScope], [tblProblem].[sKey], [tblProblem].[nClosed], [tblProblem].[sSeverity], [tblProblem].[dtFirstSeen], [tblProblem].[dtOpened], [tblProblem].[dtLastSeen], [tblProblem].[dtCleared], [tblProblem].[nCount], [tblProblem].[sText], [tblProblem].[sTextPhrase], [tblProblem].[sRemedy], [tblProblem].[sRemedyPhrase], [tblProblem].[dtAlerted], [tblProblem].[dtRecoveryAlerted] 
FROM [tblProblem] 
WHERE [tblProblem].[dtCleared] >= :dtCleared_1 AND [tblProblem].[dtAlerted] IS NOT NULL AND [tblProblem].[dtRecoveryAlerted] IS NULL ORDER BY [tblProblem].[dtFirstSeen], [tblProblem].[nProblemID]
GO
SELECT [tblProblem].[nProblemID], [tblProblem].[sKind], [tblProblem].[nAccountID], [tblProblem].[sScope], [tblProblem].[sKey], [tblProblem].[nClosed], [tblProblem].[sSeverity], [tblProblem].[dtFirstSeen], [tblProblem].[dtOpened], [tblProblem].[dtLastSeen], [tblProblem].[dtCleared], [tblProblem].[nCount], [tblProblem].[sText], [tblProblem].[sTextPhrase], [tblProblem].[sRemedy], [tblProblem].[sRemedyPhrase], [tblProblem].[dtAlerted], [tblProblem].[dtRecoveryAlerted] 
FROM [tblProblem] 
WHERE [tblProblem].[dtCleared] IS NULL ORDER BY [tblProblem].[dtFirstSeen], [tblProblem].[nProblemID]
GO
SELECT [tblProcess].[sProcess], [tblProcess].[sHost], [tblProcess].[sRoles], [tblProcess].[sVersion], [tblProcess].[dtStarted], [tblProcess].[dtHeartbeat], [tblProcess].[dtLeaseUntil] 
FROM [tblProcess] ORDER BY [tblProcess].[sProcess]
GO
SELECT [tblSubscriptionSchedule].[nAccountID], [tblSubscriptionSchedule].[nFailures], [tblSubscriptionSchedule].[nRequests] 
FROM [tblSubscriptionSchedule] WITH (UPDLOCK, READPAST, ROWLOCK, READCOMMITTEDLOCK) 
WHERE [tblSubscriptionSchedule].[nAccountID] IN (__[POSTCOMPILE_nAccountID_1]) AND ([tblSubscriptionSchedule].[dtDue] <= :dtDue_1 OR [tblSubscriptionSchedule].[dtDue] > :dtDue_2 AND [tblSubscriptionSchedule].[dtDue] < :dtDue_3) AND ([tblSubscriptionSchedule].[dtLeaseUntil] IS NULL OR [tblSubscriptionSchedule].[dtLeaseUntil] <= :dtLeaseUntil_1 OR [tblSubscriptionSchedule].[dtLeaseUntil] > :dtLeaseUntil_2)
GO
SELECT anon_1.[nAccountID], anon_1.messages, anon_1.since, anon_1.[nFailureID], anon_1.place, [tblEmailFailure].[sDetail], [tblEmailFailure].[sDetailPhrase] 
FROM (SELECT [tblEmailFailure].[nAccountID] AS [nAccountID], count(*) OVER (PARTITION BY [tblEmailFailure].[nAccountID]) AS messages, min([tblEmailFailure].[dtFirstFailed]) OVER (PARTITION BY [tblEmailFailure].[nAccountID]) AS since, [tblEmailFailure].[nFailureID] AS [nFailureID], row_number() OVER (PARTITION BY [tblEmailFailure].[nAccountID] ORDER BY [tblEmailFailure].[dtLastFailed] DESC, [tblEmailFailure].[nFailureID] DESC) AS place 
FROM [tblEmailFailure] 
WHERE [tblEmailFailure].[sState] = :sState_1 AND ([tblEmailFailure].[nAttempts] >= :nAttempts_1 OR [tblEmailFailure].[dtFirstFailed] <= :dtFirstFailed_1) AND NOT ((EXISTS (SELECT 1 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailMessage].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID])) OR (EXISTS (SELECT 1 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailSeen].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID])) OR (EXISTS (SELECT 1 
FROM [tblEmailDuplicate] 
WHERE [tblEmailDuplicate].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailDuplicate].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID])))) AS anon_1 JOIN [tblEmailFailure] ON [tblEmailFailure].[nFailureID] = anon_1.[nFailureID] 
WHERE anon_1.place = :place_1
GO
SELECT anon_1.[nRuleID], count(*) AS [nFiles] 
FROM (SELECT TOP __[POSTCOMPILE_param_1] [tblEmailFile].[nRuleID] AS [nRuleID] 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[dtSaved] > :dtSaved_1 ORDER BY [tblEmailFile].[dtSaved] DESC) AS anon_1 GROUP BY anon_1.[nRuleID]
GO
SELECT anon_1.[nRuleID], count(*) AS [nFiles], max(anon_1.[nFileID]) AS [nNewest] 
FROM (SELECT TOP __[POSTCOMPILE_param_1] [tblEmailFile].[nRuleID] AS [nRuleID], [tblEmailFile].[nFileID] AS [nFileID] 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[sState] = :sState_1 AND [tblEmailFile].[nAttempts] > :nAttempts_1 AND ([tblEmailFile].[sReason] = :sReason_1 OR [tblEmailFile].[nAttempts] >= :nAttempts_2 AND [tblEmailFile].[sReason] IN (__[POSTCOMPILE_sReason_2]))) AS anon_1 GROUP BY anon_1.[nRuleID]
GO
SELECT anon_1.[nRuleID], count(*) AS [nFiles], max(anon_1.[nFileID]) AS [nNewest] 
FROM (SELECT TOP __[POSTCOMPILE_param_1] [tblEmailFile].[nRuleID] AS [nRuleID], [tblEmailFile].[nFileID] AS [nFileID] 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[sState] = :sState_1) AS anon_1 GROUP BY anon_1.[nRuleID]
GO
SELECT count(*) AS count_1 
FROM (SELECT TOP __[POSTCOMPILE_param_1] 1 AS one 
FROM [tblEmailDuplicate] JOIN [tblEmailMessage] ON [tblEmailMessage].[nMessageID] = [tblEmailDuplicate].[nMessageID] 
WHERE (lower([tblEmailMessage].[sFromName]) LIKE :lower_1 ESCAPE '\' OR lower([tblEmailMessage].[sFromAddress]) LIKE :lower_2 ESCAPE '\' OR lower([tblEmailMessage].[sSenderName]) LIKE :lower_3 ESCAPE '\' OR lower([tblEmailMessage].[sSenderAddress]) LIKE :lower_4 ESCAPE '\') AND lower([tblEmailMessage].[sSubject]) LIKE :lower_5 ESCAPE '\' AND (EXISTS (SELECT 1 
FROM [tblEmailRecipient] 
WHERE [tblEmailRecipient].[nMessageID] = [tblEmailMessage].[nMessageID] AND [tblEmailRecipient].[sKind] IN (__[POSTCOMPILE_sKind_1]) AND (lower([tblEmailRecipient].[sAddress]) LIKE :lower_6 ESCAPE '\' OR lower([tblEmailRecipient].[sName]) LIKE :lower_7 ESCAPE '\'))) AND (EXISTS (SELECT 1 
FROM [tblEmailAttachment] 
WHERE [tblEmailAttachment].[nMessageID] = [tblEmailMessage].[nMessageID] AND lower([tblEmailAttachment].[sFileName]) LIKE :lower_8 ESCAPE '\')) AND [tblEmailDuplicate].[nAccountID] = :nAccountID_1 AND [tblEmailMessage].[dtReceived] IS NOT NULL AND [tblEmailMessage].[dtReceived] >= :dtReceived_1 AND [tblEmailMessage].[dtReceived] < :dtReceived_2) AS anon_1
GO
SELECT count(*) AS count_1 
FROM (SELECT TOP __[POSTCOMPILE_param_1] 1 AS one 
FROM [tblEmailDuplicate] JOIN [tblEmailMessage] ON [tblEmailMessage].[nMessageID] = [tblEmailDuplicate].[nMessageID] 
WHERE [tblEmailMessage].[dtReceived] IS NOT NULL) AS anon_1
GO
SELECT count(*) AS count_1 
FROM (SELECT TOP __[POSTCOMPILE_param_1] 1 AS one 
FROM [tblEmailDuplicate] JOIN [tblEmailMessage] ON [tblEmailMessage].[nMessageID] = [tblEmailDuplicate].[nMessageID] 
WHERE [tblEmailMessage].[dtReceived] IS NULL) AS anon_1
GO
SELECT count(*) AS count_1 
FROM (SELECT TOP __[POSTCOMPILE_param_1] 1 AS one 
FROM [tblEmailFailure] 
WHERE NOT ((EXISTS (SELECT 1 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailMessage].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID])) OR (EXISTS (SELECT 1 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailSeen].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID])) OR (EXISTS (SELECT 1 
FROM [tblEmailDuplicate] 
WHERE [tblEmailDuplicate].[nAccountID] = [tblEmailFailure].[nAccountID] AND [tblEmailDuplicate].[sGraphMessageID] = [tblEmailFailure].[sGraphMessageID])))) AS anon_1
GO
SELECT count(*) AS count_1 
FROM (SELECT TOP __[POSTCOMPILE_param_1] 1 AS one 
FROM [tblEmailMessage] 
WHERE (lower([tblEmailMessage].[sFromName]) LIKE :lower_1 ESCAPE '\' OR lower([tblEmailMessage].[sFromAddress]) LIKE :lower_2 ESCAPE '\' OR lower([tblEmailMessage].[sSenderName]) LIKE :lower_3 ESCAPE '\' OR lower([tblEmailMessage].[sSenderAddress]) LIKE :lower_4 ESCAPE '\') AND lower([tblEmailMessage].[sSubject]) LIKE :lower_5 ESCAPE '\' AND (EXISTS (SELECT 1 
FROM [tblEmailRecipient] 
WHERE [tblEmailRecipient].[nMessageID] = [tblEmailMessage].[nMessageID] AND [tblEmailRecipient].[sKind] IN (__[POSTCOMPILE_sKind_1]) AND (lower([tblEmailRecipient].[sAddress]) LIKE :lower_6 ESCAPE '\' OR lower([tblEmailRecipient].[sName]) LIKE :lower_7 ESCAPE '\'))) AND (EXISTS (SELECT 1 
FROM [tblEmailAttachment] 
WHERE [tblEmailAttachment].[nMessageID] = [tblEmailMessage].[nMessageID] AND lower([tblEmailAttachment].[sFileName]) LIKE :lower_8 ESCAPE '\')) AND [tblEmailMessage].[nAccountID] = :nAccountID_1 AND [tblEmailMessage].[dtReceived] IS NOT NULL AND [tblEmailMessage].[dtReceived] >= :dtReceived_1 AND [tblEmailMessage].[dtReceived] < :dtReceived_2) AS anon_1
GO
SELECT count(*) AS count_1 
FROM (SELECT TOP __[POSTCOMPILE_param_1] 1 AS one 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[dtReceived] IS NOT NULL) AS anon_1
GO
SELECT count(*) AS count_1 
FROM (SELECT TOP __[POSTCOMPILE_param_1] 1 AS one 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[dtReceived] IS NULL) AS anon_1
GO
SELECT count(*) AS count_1 
FROM (SELECT TOP __[POSTCOMPILE_param_1] 1 AS one 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[dtReceived] IS NOT NULL) AS anon_1
GO
SELECT count(*) AS count_1 
FROM (SELECT TOP __[POSTCOMPILE_param_1] 1 AS one 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[dtReceived] IS NULL) AS anon_1
GO
SELECT count(*) AS count_1 
FROM (SELECT TOP __[POSTCOMPILE_param_1] 1 AS one 
FROM [tblMessageTrace] 
WHERE [tblMessageTrace].[sOutcome] = :sOutcome_1 AND [tblMessageTrace].[nAccountID] IS NOT NULL AND [tblMessageTrace].[sGraphMessageID] IS NOT NULL AND NOT (EXISTS (SELECT 1 
FROM [tblMessageTrace] AS later 
WHERE later.[nAccountID] = [tblMessageTrace].[nAccountID] AND later.[sGraphMessageID] = [tblMessageTrace].[sGraphMessageID] AND later.[sOutcome] = :sOutcome_2 AND later.[nTraceID] > [tblMessageTrace].[nTraceID])) AND NOT (EXISTS (SELECT 1 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] = [tblMessageTrace].[nAccountID] AND [tblEmailMessage].[sGraphMessageID] = [tblMessageTrace].[sGraphMessageID])) AND NOT (EXISTS (SELECT 1 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[nAccountID] = [tblMessageTrace].[nAccountID] AND [tblEmailSeen].[sGraphMessageID] = [tblMessageTrace].[sGraphMessageID])) AND NOT (EXISTS (SELECT 1 
FROM [tblEmailDuplicate] 
WHERE [tblEmailDuplicate].[nAccountID] = [tblMessageTrace].[nAccountID] AND [tblEmailDuplicate].[sGraphMessageID] = [tblMessageTrace].[sGraphMessageID])) AND NOT (EXISTS (SELECT 1 
FROM [tblEmailFailure] 
WHERE [tblEmailFailure].[nAccountID] = [tblMessageTrace].[nAccountID] AND [tblEmailFailure].[sGraphMessageID] = [tblMessageTrace].[sGraphMessageID]))) AS anon_1
GO
SELECT count(*) AS count_1 
FROM (SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[nMessageID] AS [nMessageID] 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[sRuleState] = :sRuleState_1 AND [tblEmailMessage].[nRulesMatched] IS NULL) AS anon_1
GO
SELECT count(*) AS count_1 
FROM (SELECT TOP __[POSTCOMPILE_param_1] [tblNotificationQueue].[nSequence] AS [nSequence] 
FROM [tblNotificationQueue] 
WHERE [tblNotificationQueue].[sState] = :sState_1 AND [tblNotificationQueue].[dtVisible] <= :dtVisible_1) AS anon_1
GO
SELECT count(*) AS count_1 
FROM [tblAlert] 
WHERE [tblAlert].[sTarget] = :sTarget_1 AND [tblAlert].[sState] = :sState_1
GO
SELECT count(*) AS count_1 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[bEnabled] = 1 AND [tblEmailAccountSettings].[dtRemoved] IS NULL
GO
SELECT count(*) AS count_1 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[dtRemoved] IS NULL
GO
SELECT count(*) AS count_1 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[sAfterImportState] = :sAfterImportState_1 AND [tblEmailMessage].[nAccountID] = :nAccountID_1 AND (EXISTS (SELECT :param_1 AS anon_1 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[nAccountID] = [tblEmailMessage].[nAccountID] AND ([tblEmailAccountSettings].[sAfterImport]) COLLATE Latin1_General_100_BIN2 = [tblEmailMessage].[sAfterImport])) AND ((EXISTS (SELECT :param_2 AS anon_2 
FROM [tblEmailAttachment] 
WHERE [tblEmailAttachment].[nMessageID] = [tblEmailMessage].[nMessageID] AND [tblEmailAttachment].[nParentPosition] IS NULL AND (([tblEmailAttachment].[sState] NOT IN (__[POSTCOMPILE_sState_1])) OR ([tblEmailAttachment].[sStateDetail] LIKE :sStateDetail_1 + '%')))) OR (EXISTS (SELECT :param_3 AS anon_3 
FROM [tblEmailOriginal] 
WHERE [tblEmailOriginal].[nMessageID] = [tblEmailMessage].[nMessageID] AND [tblEmailOriginal].[sState] != :sState_2)))
GO
SELECT count(*) AS count_1 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[sAfterImportState] = :sAfterImportState_1 AND [tblEmailMessage].[nAccountID] = :nAccountID_1 AND NOT (EXISTS (SELECT :param_1 AS anon_1 
FROM [tblEmailAccountSettings] 
WHERE [tblEmailAccountSettings].[nAccountID] = [tblEmailMessage].[nAccountID] AND ([tblEmailAccountSettings].[sAfterImport]) COLLATE Latin1_General_100_BIN2 = [tblEmailMessage].[sAfterImport]))
GO
SELECT count(*) AS count_1 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[nAccountID] = :nAccountID_1 AND ([tblEmailSeen].[dtReceived] < :dtReceived_1 OR [tblEmailSeen].[dtReceived] IS NULL AND [tblEmailSeen].[dtSeen] < :dtSeen_1)
GO
SELECT count(*) AS count_1 
FROM [tblGraphSubscription] JOIN [tblEmailAccountSettings] ON [tblEmailAccountSettings].[nAccountID] = [tblGraphSubscription].[nAccountID] 
WHERE [tblEmailAccountSettings].[sTenantID] = :sTenantID_1 AND [tblEmailAccountSettings].[sClientID] = :sClientID_1
GO
SELECT count(*) AS count_1, min(anon_1.time) AS min_1 
FROM (SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[dtReceived] AS time 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[dtReceived] IS NOT NULL AND [tblEmailMessage].[dtReceived] >= :dtReceived_1 AND [tblEmailMessage].[dtReceived] < :dtReceived_2 AND [tblEmailMessage].[dtReceived] < :dtReceived_3 AND [tblEmailMessage].[nAccountID] = :nAccountID_1 ORDER BY [tblEmailMessage].[dtReceived] DESC) AS anon_1
GO
SELECT count(*) AS count_1, min(anon_1.time) AS min_1 
FROM (SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[dtReceived] AS time 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[dtReceived] IS NOT NULL AND [tblEmailMessage].[dtReceived] >= :dtReceived_1 AND [tblEmailMessage].[dtReceived] < :dtReceived_2 AND [tblEmailMessage].[nAccountID] = :nAccountID_1 ORDER BY [tblEmailMessage].[dtReceived] DESC) AS anon_1
GO
SELECT count(*) AS count_1, min(anon_1.time) AS min_1 
FROM (SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[dtReceived] AS time 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[dtReceived] IS NOT NULL AND [tblEmailMessage].[nAccountID] = :nAccountID_1 ORDER BY [tblEmailMessage].[dtReceived] DESC) AS anon_1
GO
SELECT count(*) AS count_1, min(anon_1.time) AS min_1 
FROM (SELECT TOP __[POSTCOMPILE_param_1] [tblEmailMessage].[dtReceived] AS time 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[dtReceived] IS NOT NULL ORDER BY [tblEmailMessage].[dtReceived] DESC) AS anon_1
GO
SELECT count(*) AS count_1, min(anon_1.time) AS min_1 
FROM (SELECT TOP __[POSTCOMPILE_param_1] [tblEmailSeen].[dtReceived] AS time 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[dtReceived] IS NOT NULL ORDER BY [tblEmailSeen].[dtReceived] DESC) AS anon_1
GO
SELECT count(*) AS count_1, min(anon_1.time) AS min_1 
FROM (SELECT TOP __[POSTCOMPILE_param_1] [tblMessageTrace].[dtEnded] AS time 
FROM [tblMessageTrace] 
WHERE [tblMessageTrace].[sOutcome] = :sOutcome_1 ORDER BY [tblMessageTrace].[dtEnded] DESC) AS anon_1
GO
SELECT max([tblAlert].[dtEnded]) AS max_1 
FROM [tblAlert] 
WHERE [tblAlert].[sTarget] = :sTarget_1 AND [tblAlert].[sState] = :sState_1
GO
SELECT max([tblAlert].[nAlertID]) AS max_1 
FROM [tblAlert] 
WHERE [tblAlert].[sTarget] = :sTarget_1 AND [tblAlert].[sState] = :sState_1
GO
SELECT max([tblEmailFile].[nRun]) AS max_1 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[nMessageID] = :nMessageID_1 AND [tblEmailFile].[nRuleID] IN (__[POSTCOMPILE_nRuleID_1])
GO
SELECT max([tblEmailMessage].[dtImported]) AS max_1 
FROM [tblEmailMessage]
GO
SELECT min([tblEmailMessage].[dtImported]) AS min_1 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] = :nAccountID_1
GO
SELECT min([tblEmailMessage].[nAccountID]) AS min_1 
FROM [tblEmailMessage]
GO
SELECT min([tblEmailMessage].[nAccountID]) AS min_1 
FROM [tblEmailMessage] 
WHERE [tblEmailMessage].[nAccountID] > :nAccountID_1
GO
SELECT min([tblEmailSeen].[nAccountID]) AS min_1 
FROM [tblEmailSeen]
GO
SELECT min([tblEmailSeen].[nAccountID]) AS min_1 
FROM [tblEmailSeen] 
WHERE [tblEmailSeen].[nAccountID] > :nAccountID_1
GO
SELECT substring([tblEmailAttachment].[biContent], :substring_2, :substring_3) AS substring_1 
FROM [tblEmailAttachment] 
WHERE [tblEmailAttachment].[nAttachmentID] = :nAttachmentID_1
GO
UPDATE [dbo].[tblEmailAttachment] SET [biContent].WRITE(:piece, NULL, NULL) WHERE [nAttachmentID] = :number
GO
UPDATE [dbo].[tblEmailMessage] SET [sBody].WRITE(:piece, NULL, NULL) WHERE [nMessageID] = :number
GO
UPDATE [tblAccountCondition] SET [sReason]=:sReason, [sDetail]=:sDetail, [sDetailPhrase]=:sDetailPhrase, [dtNextAttempt]=:dtNextAttempt WHERE [tblAccountCondition].[nAccountID] = :nAccountID_1 AND [tblAccountCondition].[sRole] = :sRole_1 AND [tblAccountCondition].[sReason] = :sReason_1
GO
UPDATE [tblAlert] SET [dtDue]=:dtDue WHERE [tblAlert].[nAlertID] = :nAlertID_1 AND [tblAlert].[dtDue] = :dtDue_1 AND [tblAlert].[sState] = :sState_1
GO
UPDATE [tblAlert] SET [nAttempts]=([tblAlert].[nAttempts] + :nAttempts_1), [dtDue]=:dtDue, [sDetail]=:sDetail WHERE [tblAlert].[nAlertID] = :nAlertID_1 AND [tblAlert].[sState] = :sState_1
GO
UPDATE [tblAlert] SET [sState]=:sState, [dtEnded]=:dtEnded WHERE [tblAlert].[nAlertID] = :nAlertID_1
GO
UPDATE [tblAlert] SET [sTarget]=:sTarget, [sState]=:sState, [dtEnded]=:dtEnded WHERE [tblAlert].[nAlertID] = :nAlertID_1 AND [tblAlert].[sState] IN (__[POSTCOMPILE_sState_1])
GO
UPDATE [tblCallBudget] SET [nSlot]=:nSlot WHERE [tblCallBudget].[sBudget] = :sBudget_1
GO
UPDATE [tblCallBudget] SET [nSlot]=:nSlot, [nUsed]=:nUsed WHERE [tblCallBudget].[sBudget] = :sBudget_1
GO
UPDATE [tblEmailAccountSettings] SET [bEnabled]=:bEnabled WHERE [tblEmailAccountSettings].[nAccountID] = :nAccountID_1
GO
UPDATE [tblEmailAccountSettings] SET [dtImportSince]=:dtImportSince WHERE [tblEmailAccountSettings].[nAccountID] = :nAccountID_1 AND ([tblEmailAccountSettings].[dtImportSince] IS NULL OR [tblEmailAccountSettings].[dtImportSince] < :dtImportSince_1)
GO
UPDATE [tblEmailAccountSettings] SET [dtImportSince]=:dtImportSince WHERE [tblEmailAccountSettings].[nAccountID] = :nAccountID_1 AND [tblEmailAccountSettings].[dtImportSince] IS NULL
GO
UPDATE [tblEmailAccountSettings] SET [dtPurgedBefore]=:dtPurgedBefore WHERE [tblEmailAccountSettings].[nAccountID] = :nAccountID_1 AND ([tblEmailAccountSettings].[dtPurgedBefore] IS NULL OR [tblEmailAccountSettings].[dtPurgedBefore] < :dtPurgedBefore_1)
GO
UPDATE [tblEmailAccountSettings] SET [dtRemoved]=[tblEmailAccountSettings].[dtRemoved] WHERE [tblEmailAccountSettings].[nAccountID] = :nAccountID_1 AND [tblEmailAccountSettings].[dtRemoved] IS NOT NULL
GO
UPDATE [tblEmailAccountSettings] SET [sAccountName]=:sAccountName, [bEnabled]=:bEnabled, [dtRemoved]=:dtRemoved WHERE [tblEmailAccountSettings].[nAccountID] = :nAccountID_1
GO
UPDATE [tblEmailAccountSettings] SET [sAccountName]=:sAccountName, [sTenantID]=:sTenantID, [sClientID]=:sClientID, [sUserID]=:sUserID, [sCertificateThumbprint]=:sCertificateThumbprint, [bSecureCertificateAccess]=:bSecureCertificateAccess, [sFolder]=:sFolder, [sAfterImport]=:sAfterImport, [sMoveToFolder]=:sMoveToFolder, [sNextCertificateThumbprint]=:sNextCertificateThumbprint, [dtImportSince]=:dtImportSince, [sFilterSendersAllowed]=:sFilterSendersAllowed, [sFilterSendersDenied]=:sFilterSendersDenied, [sFilterSubjectsAllowed]=:sFilterSubjectsAllowed, [sFilterSubjectsDenied]=:sFilterSubjectsDenied, [bFilterHasAttachments]=:bFilterHasAttachments, [nFilterSizeLeast]=:nFilterSizeLeast, [nFilterSizeMost]=:nFilterSizeMost, [sConsoleAccess]=:sConsoleAccess WHERE [tblEmailAccountSettings].[nAccountID] = :nAccountID_1
GO
UPDATE [tblEmailAccountSettings] SET [sAccountName]=[tblEmailAccountSettings].[sAccountName] WHERE [tblEmailAccountSettings].[sAccountName] = :sAccountName_1
GO
UPDATE [tblEmailAttachment] WITH (ROWLOCK) SET [biContent]=NULL WHERE [tblEmailAttachment].[nAttachmentID] IN (__[POSTCOMPILE_nAttachmentID_1]) AND [tblEmailAttachment].[biContent] IS NOT NULL AND [tblEmailAttachment].[nSize] > :nSize_1
GO
UPDATE [tblEmailAttachment] WITH (ROWLOCK) SET [nMessageID]=:nMessageID, [nPosition]=:nPosition, [sGraphAttachmentID]=:sGraphAttachmentID, [sKind]=:sKind, [sFileName]=:sFileName, [sContentType]=:sContentType, [nSize]=:nSize, [bInline]=:bInline, [sContentID]=:sContentID, [sSHA256]=:sSHA256, [sState]=:sState, [sStateDetail]=:sStateDetail, [sSafeFileName]=:sSafeFileName, [sItemType]=:sItemType, [sLink]=:sLink, [sLinkProvider]=:sLinkProvider, [sLinkPermission]=:sLinkPermission, [sContentLocation]=:sContentLocation, [nParentPosition]=:nParentPosition, [sOrigin]=:sOrigin, [biContent]=:biContent WHERE [tblEmailAttachment].[nAttachmentID] = :nAttachmentID_1
GO
UPDATE [tblEmailAttachment] WITH (ROWLOCK) SET [sSHA256]=:sSHA256, [sState]=:sState, [sStateDetail]=:sStateDetail, [nParentPosition]=:nParentPosition, [biContent]=NULL WHERE [tblEmailAttachment].[nAttachmentID] IN (__[POSTCOMPILE_nAttachmentID_1])
GO
UPDATE [tblEmailFailure] WITH (ROWLOCK) SET [sState]=:new_sState, [sInternetMessageID]=coalesce(:new_sInternetMessageID, [tblEmailFailure].[sInternetMessageID]), [sSubject]=coalesce(:new_sSubject, [tblEmailFailure].[sSubject]), [sFromName]=coalesce(:new_sFromName, [tblEmailFailure].[sFromName]), [sFromAddress]=coalesce(:new_sFromAddress, [tblEmailFailure].[sFromAddress]), [dtReceived]=coalesce(:new_dtReceived, [tblEmailFailure].[dtReceived]), [nAttempts]=:new_nAttempts, [dtLastFailed]=:new_dtLastFailed, [dtNextAttempt]=:new_dtNextAttempt, [sReason]=:new_sReason, [sDetail]=:new_sDetail, [sDetailPhrase]=:new_sDetailPhrase WHERE [tblEmailFailure].[nFailureID] = :number
GO
UPDATE [tblEmailFailure] WITH (ROWLOCK) SET [sState]=:sState, [dtNextAttempt]=:dtNextAttempt WHERE [tblEmailFailure].[nFailureID] IN (__[POSTCOMPILE_nFailureID_1])
GO
UPDATE [tblEmailFailure] WITH (ROWLOCK) SET [sState]=:sState, [nAttempts]=:nAttempts, [dtNextAttempt]=:dtNextAttempt WHERE [tblEmailFailure].[nFailureID] IN (__[POSTCOMPILE_nFailureID_1])
GO
UPDATE [tblEmailFile] WITH (ROWLOCK) SET [dtDue]=:dtDue WHERE [tblEmailFile].[nDataFileID] IN (__[POSTCOMPILE_nDataFileID_1]) AND [tblEmailFile].[sState] = :sState_1 AND [tblEmailFile].[dtDue] IS NULL
GO
UPDATE [tblEmailFile] WITH (ROWLOCK) SET [dtDue]=:dtDue WHERE [tblEmailFile].[nFileID] = :nFileID_1 AND [tblEmailFile].[sState] = :sState_1 AND [tblEmailFile].[sOwner] = :sOwner_1 AND [tblEmailFile].[sToken] = :sToken_1
GO
UPDATE [tblEmailFile] WITH (ROWLOCK) SET [dtDue]=:dtDue, [sOwner]=:sOwner, [sToken]=CASE WHEN ([tblEmailFile].[sToken] IS NULL) THEN :param_1 ELSE [tblEmailFile].[sToken] END WHERE [tblEmailFile].[nFileID] IN (__[POSTCOMPILE_nFileID_1])
GO
UPDATE [tblEmailFile] WITH (ROWLOCK) SET [dtDue]=:dtDue, [sOwner]=NULL, [sFolderIdentity]=NULL WHERE [tblEmailFile].[nFileID] = :nFileID_1 AND [tblEmailFile].[sState] = :sState_1 AND [tblEmailFile].[sOwner] = :sOwner_1 AND [tblEmailFile].[sToken] = :sToken_1
GO
UPDATE [tblEmailFile] WITH (ROWLOCK) SET [sFolderIdentity]=NULL WHERE [tblEmailFile].[nFileID] = :nFileID_1 AND [tblEmailFile].[sState] = :sState_1 AND [tblEmailFile].[sOwner] = :sOwner_1 AND [tblEmailFile].[sToken] = :sToken_1
GO
UPDATE [tblEmailFile] WITH (ROWLOCK) SET [sState]=:sState, [dtDue]=NULL WHERE [tblEmailFile].[nDataFileID] IN (__[POSTCOMPILE_nDataFileID_1]) AND [tblEmailFile].[sState] = :sState_1
GO
UPDATE [tblEmailFile] WITH (ROWLOCK) SET [sState]=:sState, [dtDue]=NULL WHERE [tblEmailFile].[nFileID] IN (__[POSTCOMPILE_nFileID_1]) AND ([tblEmailFile].[sState] = :sState_1 OR [tblEmailFile].[sState] = :sState_2 AND ([tblEmailFile].[sFolderIdentity] IS NULL OR [tblEmailFile].[sReason] = :sReason_1 OR [tblEmailFile].[nAttempts] > :nAttempts_1 AND ([tblEmailFile].[sOwner] IS NULL OR [tblEmailFile].[dtDue] <= :dtDue_1 OR [tblEmailFile].[dtDue] > :dtDue_2)))
GO
UPDATE [tblEmailFile] WITH (ROWLOCK) SET [sState]=:sState, [nAttempts]=([tblEmailFile].[nAttempts] + :nAttempts_1), [sReason]=:sReason, [sDetail]=:sDetail, [sDetailPhrase]=:sDetailPhrase, [dtDue]=:dtDue, [sOwner]=NULL WHERE [tblEmailFile].[nFileID] = :nFileID_1 AND [tblEmailFile].[sState] = :sState_1 AND [tblEmailFile].[sOwner] = :sOwner_1 AND [tblEmailFile].[sToken] = :sToken_1
GO
UPDATE [tblEmailFile] WITH (ROWLOCK) SET [sState]=:sState, [nAttempts]=:nAttempts, [sReason]=NULL, [sDetail]=NULL, [sDetailPhrase]=NULL, [dtDue]=CASE WHEN ([tblEmailFile].[nDataFileID] IS NOT NULL AND NOT (EXISTS (SELECT :param_1 AS anon_1 
FROM [tblEmailFile] AS [tblEmailFile_1] 
WHERE [tblEmailFile_1].[nFileID] = [tblEmailFile].[nDataFileID] AND [tblEmailFile_1].[sState] = :sState_1))) THEN NULL ELSE :param_2 END, [dtRetryUntil]=:dtRetryUntil, [sFolderIdentity]=CASE WHEN ([tblEmailFile].[sReason] = :sReason_1) THEN NULL WHEN ([tblEmailFile].[sState] IN (__[POSTCOMPILE_sState_2]) AND [tblEmailFile].[sFolderIdentity] IS NOT NULL) THEN :param_3 ELSE [tblEmailFile].[sFolderIdentity] END WHERE [tblEmailFile].[nDataFileID] IN (__[POSTCOMPILE_nDataFileID_1]) AND [tblEmailFile].[sState] = :sState_3 AND (EXISTS (SELECT :param_4 AS anon_2 
FROM [tblEmailFile] AS [tblEmailFile_1] 
WHERE [tblEmailFile_1].[nFileID] = [tblEmailFile].[nDataFileID] AND [tblEmailFile_1].[sState] = :sState_4))
GO
UPDATE [tblEmailFile] WITH (ROWLOCK) SET [sState]=:sState, [nAttempts]=:nAttempts, [sReason]=NULL, [sDetail]=NULL, [sDetailPhrase]=NULL, [dtDue]=CASE WHEN ([tblEmailFile].[nDataFileID] IS NOT NULL AND NOT (EXISTS (SELECT :param_1 AS anon_1 
FROM [tblEmailFile] AS [tblEmailFile_1] 
WHERE [tblEmailFile_1].[nFileID] = [tblEmailFile].[nDataFileID] AND [tblEmailFile_1].[sState] = :sState_1))) THEN NULL ELSE :param_2 END, [dtRetryUntil]=:dtRetryUntil, [sFolderIdentity]=CASE WHEN ([tblEmailFile].[sReason] = :sReason_1) THEN NULL WHEN ([tblEmailFile].[sState] IN (__[POSTCOMPILE_sState_2]) AND [tblEmailFile].[sFolderIdentity] IS NOT NULL) THEN :param_3 ELSE [tblEmailFile].[sFolderIdentity] END WHERE [tblEmailFile].[nFileID] IN (__[POSTCOMPILE_nFileID_1]) AND ([tblEmailFile].[sState] = :sState_3 AND [tblEmailFile].[nAttempts] > :nAttempts_1 OR [tblEmailFile].[sState] = :sState_4 OR [tblEmailFile].[sState] = :sState_5 AND [tblEmailFile].[nAttempts] > :nAttempts_2) AND [tblEmailFile].[nDataFileID] IS NOT NULL AND ((EXISTS (SELECT :param_1 AS anon_1 
FROM [tblEmailFile] AS [tblEmailFile_1] 
WHERE [tblEmailFile_1].[nFileID] = [tblEmailFile].[nDataFileID] AND [tblEmailFile_1].[sState] = :sState_1)) OR (EXISTS (SELECT :param_4 AS anon_2 
FROM [tblEmailFile] AS [tblEmailFile_1] 
WHERE [tblEmailFile_1].[nFileID] = [tblEmailFile].[nDataFileID] AND [tblEmailFile_1].[sState] = :sState_6)))
GO
UPDATE [tblEmailFile] WITH (ROWLOCK) SET [sState]=:sState, [nAttempts]=:nAttempts, [sReason]=NULL, [sDetail]=NULL, [sDetailPhrase]=NULL, [dtDue]=CASE WHEN ([tblEmailFile].[nDataFileID] IS NOT NULL AND NOT (EXISTS (SELECT :param_1 AS anon_1 
FROM [tblEmailFile] AS [tblEmailFile_1] 
WHERE [tblEmailFile_1].[nFileID] = [tblEmailFile].[nDataFileID] AND [tblEmailFile_1].[sState] = :sState_1))) THEN NULL ELSE :param_2 END, [dtRetryUntil]=:dtRetryUntil, [sFolderIdentity]=CASE WHEN ([tblEmailFile].[sReason] = :sReason_1) THEN NULL WHEN ([tblEmailFile].[sState] IN (__[POSTCOMPILE_sState_2]) AND [tblEmailFile].[sFolderIdentity] IS NOT NULL) THEN :param_3 ELSE [tblEmailFile].[sFolderIdentity] END WHERE [tblEmailFile].[nFileID] IN (__[POSTCOMPILE_nFileID_1]) AND ([tblEmailFile].[sState] = :sState_3 AND [tblEmailFile].[nAttempts] > :nAttempts_1 OR [tblEmailFile].[sState] = :sState_4 OR [tblEmailFile].[sState] = :sState_5 AND [tblEmailFile].[nAttempts] > :nAttempts_2) AND [tblEmailFile].[nDataFileID] IS NULL
GO
UPDATE [tblEmailFile] WITH (ROWLOCK) SET [sState]=:sState, [sReason]=NULL, [sDetail]=NULL, [sDetailPhrase]=NULL, [dtDue]=NULL, [dtSaved]=:now WHERE [tblEmailFile].[nFileID] = :number AND [tblEmailFile].[sState] = :sState_1 AND [tblEmailFile].[sToken] = :turn AND [tblEmailFile].[sFolderIdentity] IS NOT NULL
GO
UPDATE [tblEmailFile] WITH (ROWLOCK) SET [sState]=CASE WHEN ([tblEmailFile].[dtRetryUntil] <= :dtRetryUntil_1) THEN :param_1 ELSE :param_2 END, [nAttempts]=([tblEmailFile].[nAttempts] + :nAttempts_1), [sReason]=:sReason, [sDetail]=:sDetail, [sDetailPhrase]=:sDetailPhrase, [dtDue]=CASE WHEN ([tblEmailFile].[dtRetryUntil] <= :dtRetryUntil_1) THEN NULL ELSE [tblEmailFile].[dtDue] END WHERE [tblEmailFile].[nMessageID] IN (__[POSTCOMPILE_nMessageID_1]) AND [tblEmailFile].[sFolderKey] = :sFolderKey_1 AND [tblEmailFile].[sState] = :sState_1 AND ([tblEmailFile].[dtDue] <= :dtDue_1 OR [tblEmailFile].[dtDue] > :dtDue_2) AND ([tblEmailFile].[sReason] IS NULL OR [tblEmailFile].[sReason] != :sReason_1 OR [tblEmailFile].[dtRetryUntil] <= :dtRetryUntil_1)
GO
UPDATE [tblEmailFile] WITH (ROWLOCK) SET [sTargetPath]=:target, [dtDue]=:until, [sFolderIdentity]=:identity WHERE [tblEmailFile].[nFileID] = :number AND [tblEmailFile].[sState] = :sState_1 AND [tblEmailFile].[sOwner] = :process AND [tblEmailFile].[sToken] = :turn
GO
UPDATE [tblEmailFile] WITH (ROWLOCK) SET [sTargetPath]=:target, [nSize]=:size, [sSHA256]=:digest, [dtDue]=:until, [sFolderIdentity]=:identity WHERE [tblEmailFile].[nFileID] = :number AND [tblEmailFile].[sState] = :sState_1 AND [tblEmailFile].[sOwner] = :process AND [tblEmailFile].[sToken] = :turn
GO
UPDATE [tblEmailFile] WITH (ROWLOCK) SET [sToken]=:sToken WHERE [tblEmailFile].[nFileID] = :nFileID_1 AND [tblEmailFile].[sState] = :sState_1 AND [tblEmailFile].[sOwner] = :sOwner_1 AND [tblEmailFile].[sToken] = :sToken_1
GO
UPDATE [tblEmailMessage] SET [nAccountID]=:nAccountID, [sGraphMessageID]=:sGraphMessageID, [sInternetMessageID]=:sInternetMessageID, [sConversationID]=:sConversationID, [sSubject]=:sSubject, [sFromName]=:sFromName, [sFromAddress]=:sFromAddress, [dtSent]=:dtSent, [dtReceived]=:dtReceived, [sImportance]=:sImportance, [sBodyType]=:sBodyType, [sBody]=:sBody, [bHasAttachments]=:bHasAttachments, [dtImported]=:dtImported, [sCorrelationID]=:sCorrelationID, [sSenderName]=:sSenderName, [sSenderAddress]=:sSenderAddress, [dtCreated]=:dtCreated, [sCategories]=:sCategories, [sFlagStatus]=:sFlagStatus, [sConversationIndex]=:sConversationIndex, [sBodyText]=:sBodyText, [bRead]=:bRead, [sWebLink]=:sWebLink, [sParentFolderID]=:sParentFolderID, [sChangeKey]=:sChangeKey, [nSize]=:nSize, [sRuleState]=:sRuleState, [nRulesMatched]=NULL WHERE [tblEmailMessage].[nAccountID] = :nAccountID_1 AND [tblEmailMessage].[sGraphMessageID] = :sGraphMessageID_1
GO
UPDATE [tblEmailMessage] WITH (ROWLOCK) SET [dtAfterImportDue]=:dtAfterImportDue WHERE [tblEmailMessage].[nMessageID] IN (__[POSTCOMPILE_nMessageID_1])
GO
UPDATE [tblEmailMessage] WITH (ROWLOCK) SET [nAccountID]=:nAccountID, [sGraphMessageID]=:sGraphMessageID, [sInternetMessageID]=:sInternetMessageID, [sConversationID]=:sConversationID, [sSubject]=:sSubject, [sFromName]=:sFromName, [sFromAddress]=:sFromAddress, [dtSent]=:dtSent, [dtReceived]=:dtReceived, [sImportance]=:sImportance, [sBodyType]=:sBodyType, [sBody]=:sBody, [bHasAttachments]=:bHasAttachments, [dtImported]=:dtImported, [sCorrelationID]=:sCorrelationID, [sSenderName]=:sSenderName, [sSenderAddress]=:sSenderAddress, [dtCreated]=:dtCreated, [sCategories]=:sCategories, [sFlagStatus]=:sFlagStatus, [sConversationIndex]=:sConversationIndex, [sBodyText]=:sBodyText, [bRead]=:bRead, [sWebLink]=:sWebLink, [sParentFolderID]=:sParentFolderID, [sChangeKey]=:sChangeKey, [nSize]=:nSize, [sRuleState]=:sRuleState, [nRulesMatched]=NULL WHERE [tblEmailMessage].[nMessageID] = :nMessageID_1
GO
UPDATE [tblEmailMessage] WITH (ROWLOCK) SET [nRulesMatched]=:rules WHERE [tblEmailMessage].[nMessageID] = :number AND [tblEmailMessage].[sRuleState] = :sRuleState_1 AND [tblEmailMessage].[nRulesMatched] IS NULL
GO
UPDATE [tblEmailMessage] WITH (ROWLOCK) SET [nRulesMatched]=CASE WHEN ((SELECT count(DISTINCT [tblEmailFile].[nRuleID]) AS count_1 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[nMessageID] = [tblEmailMessage].[nMessageID]) > :param_1) THEN (SELECT count(DISTINCT [tblEmailFile].[nRuleID]) AS count_1 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[nMessageID] = [tblEmailMessage].[nMessageID]) ELSE :param_1 END WHERE [tblEmailMessage].[nMessageID] = :nMessageID_1 AND [tblEmailMessage].[nRulesMatched] IS NOT NULL
GO
UPDATE [tblEmailMessage] WITH (ROWLOCK) SET [sAfterImportState]=:sAfterImportState, [sAfterImportDetail]=:sAfterImportDetail, [sAfterImportDetailPhrase]=:sAfterImportDetailPhrase, [dtAfterImportDue]=NULL WHERE [tblEmailMessage].[nMessageID] = :nMessageID_1 AND [tblEmailMessage].[sAfterImportState] = :sAfterImportState_1
GO
UPDATE [tblEmailMessage] WITH (ROWLOCK) SET [sAfterImportState]=:sAfterImportState, [sAfterImportDetail]=NULL, [sAfterImportDetailPhrase]=NULL, [nAfterImportAttempts]=:nAfterImportAttempts, [dtAfterImportDue]=:dtAfterImportDue WHERE [tblEmailMessage].[nMessageID] = :nMessageID_1 AND [tblEmailMessage].[sAfterImportState] = :sAfterImportState_1
GO
UPDATE [tblEmailMessage] WITH (ROWLOCK) SET [sAfterImportState]=:sAfterImportState, [sAfterImportDetail]=NULL, [sAfterImportDetailPhrase]=NULL, [nAfterImportAttempts]=:nAfterImportAttempts, [dtAfterImportDue]=:dtAfterImportDue WHERE [tblEmailMessage].[nMessageID] IN (__[POSTCOMPILE_nMessageID_1]) AND [tblEmailMessage].[sAfterImportState] = :sAfterImportState_1
GO
UPDATE [tblEmailMessage] WITH (ROWLOCK) SET [sAfterImportState]=:state, [sAfterImportDetail]=:detail, [sAfterImportDetailPhrase]=:phrase, [nAfterImportAttempts]=:attempts, [dtAfterImportDue]=:due WHERE [tblEmailMessage].[nAccountID] = :account AND [tblEmailMessage].[sGraphMessageID] = :graph AND [tblEmailMessage].[sAfterImportState] = :sAfterImportState_1
GO
UPDATE [tblEmailMessage] WITH (ROWLOCK) SET [sRuleState]=:sRuleState, [nRulesMatched]=:nRulesMatched WHERE [tblEmailMessage].[nMessageID] IN (__[POSTCOMPILE_nMessageID_1]) AND [tblEmailMessage].[sRuleState] = :sRuleState_1 AND [tblEmailMessage].[nRulesMatched] IS NULL
GO
UPDATE [tblEmailMessage] WITH (ROWLOCK) SET [sRuleState]=CASE WHEN (EXISTS (SELECT :param_1 AS anon_1 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[nMessageID] = [tblEmailMessage].[nMessageID] AND ([tblEmailFile].[sState] = :sState_1 OR [tblEmailFile].[sState] = :sState_2 AND [tblEmailFile].[nAttempts] > :nAttempts_1))) THEN :param_2 WHEN (EXISTS (SELECT :param_3 AS anon_2 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[nMessageID] = [tblEmailMessage].[nMessageID] AND [tblEmailFile].[sState] = :sState_3)) THEN :param_4 WHEN ([tblEmailMessage].[nRulesMatched] > :nRulesMatched_1 OR (EXISTS (SELECT :param_5 AS anon_3 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[nMessageID] = [tblEmailMessage].[nMessageID]))) THEN :param_6 ELSE :param_7 END, [nRulesMatched]=CASE WHEN ((SELECT count(DISTINCT [tblEmailFile].[nRuleID]) AS count_1 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[nMessageID] = [tblEmailMessage].[nMessageID]) > [tblEmailMessage].[nRulesMatched]) THEN (SELECT count(DISTINCT [tblEmailFile].[nRuleID]) AS count_1 
FROM [tblEmailFile] 
WHERE [tblEmailFile].[nMessageID] = [tblEmailMessage].[nMessageID]) ELSE [tblEmailMessage].[nRulesMatched] END WHERE [tblEmailMessage].[nMessageID] IN (__[POSTCOMPILE_numbers]) AND [tblEmailMessage].[nRulesMatched] IS NOT NULL
GO
UPDATE [tblEmailOriginal] WITH (ROWLOCK) SET [biContent]=NULL WHERE [tblEmailOriginal].[nMessageID] IN (__[POSTCOMPILE_nMessageID_1]) AND [tblEmailOriginal].[biContent] IS NOT NULL
GO
UPDATE [tblEmailOriginal] WITH (ROWLOCK) SET [nMessageID]=:nMessageID, [nSize]=:nSize, [sSHA256]=:sSHA256, [sState]=:sState, [sStateDetail]=:sStateDetail, [sCompression]=:sCompression, [nStoredSize]=:nStoredSize, [biContent]=:biContent WHERE [tblEmailOriginal].[nMessageID] = :nMessageID_1
GO
UPDATE [tblEmailRule] WITH (ROWLOCK) SET [bEnabled]=:bEnabled WHERE [tblEmailRule].[nRuleID] = :nRuleID_1
GO
UPDATE [tblEmailRule] WITH (ROWLOCK) SET [nPosition]=:place WHERE [tblEmailRule].[nRuleID] = :number
GO
UPDATE [tblEmailRule] WITH (ROWLOCK) SET [sFolder]=:sFolder, [bSaveOriginal]=:bSaveOriginal WHERE [tblEmailRule].[nRuleID] = :nRuleID_1
GO
UPDATE [tblEmailScan] WITH (ROWLOCK) SET [dtNextCheck]=:dtNextCheck WHERE [tblEmailScan].[nScanID] = :nScanID_1
GO
UPDATE [tblEmailScan] WITH (ROWLOCK) SET [dtNextCheck]=:dtNextCheck, [nMessageID]=:nMessageID WHERE [tblEmailScan].[nAccountID] = :nAccountID_1 AND [tblEmailScan].[sGraphMessageID] = :sGraphMessageID_1
GO
UPDATE [tblFolderSync] SET [bGap]=:bGap WHERE [tblFolderSync].[nAccountID] = :nAccountID_1
GO
UPDATE [tblFolderSync] SET [bGap]=:bGap WHERE [tblFolderSync].[nAccountID] = :nAccountID_1 AND [tblFolderSync].[nRequests] = :nRequests_1
GO
UPDATE [tblFolderSync] SET [dtDue]=:dtDue WHERE [tblFolderSync].[nAccountID] = :nAccountID_1 AND [tblFolderSync].[dtDue] > :dtDue_1
GO
UPDATE [tblFolderSync] SET [dtDue]=:dtDue, [nRequests]=([tblFolderSync].[nRequests] + :nRequests_1) WHERE [tblFolderSync].[nAccountID] = :nAccountID_1
GO
UPDATE [tblFolderSync] SET [dtSwept]=:dtSwept WHERE [tblFolderSync].[nAccountID] = :nAccountID_1
GO
UPDATE [tblFolderSync] SET [sOwner]=:sOwner WHERE [tblFolderSync].[nAccountID] = :nAccountID_1 AND [tblFolderSync].[sOwner] = :sOwner_1 AND [tblFolderSync].[dtLeaseUntil] = :dtLeaseUntil_1 AND [tblFolderSync].[dtLeaseUntil] > :dtLeaseUntil_2
GO
UPDATE [tblFolderSync] SET [sOwner]=:sOwner, [dtLeaseUntil]=:dtLeaseUntil WHERE [tblFolderSync].[nAccountID] IN (__[POSTCOMPILE_nAccountID_1])
GO
UPDATE [tblFolderSync] SET [sResource]=:sResource, [sLink]=:sLink, [bFullPass]=:bFullPass WHERE [tblFolderSync].[nAccountID] = :nAccountID_1 AND ([tblFolderSync].[sResource] IS NULL OR [tblFolderSync].[sResource] != :sResource_1 OR [tblFolderSync].[nRequests] = :nRequests_1)
GO
UPDATE [tblGraphSubscription] SET [dtExpires]=:dtExpires, [dtGranted]=:dtGranted WHERE [tblGraphSubscription].[sSubscriptionID] = :sSubscriptionID_1
GO
UPDATE [tblMissedNotification] SET [dtTold]=:dtTold WHERE [tblMissedNotification].[nAccountID] = :nAccountID_1 AND [tblMissedNotification].[dtTold] IS NULL AND [tblMissedNotification].[dtFound] <= :dtFound_1
GO
UPDATE [tblNotificationQueue] SET [dtVisible]=:dtVisible WHERE [tblNotificationQueue].[nSequence] IN (__[POSTCOMPILE_nSequence_1])
GO
UPDATE [tblNotificationQueue] SET [dtVisible]=:dtVisible, [sLockToken]=:sLockToken WHERE [tblNotificationQueue].[nSequence] IN (__[POSTCOMPILE_nSequence_1])
GO
UPDATE [tblNotificationQueue] SET [dtVisible]=:until, [nDeliveryCount]=([tblNotificationQueue].[nDeliveryCount] + :nDeliveryCount_1), [sLockToken]=:token WHERE [tblNotificationQueue].[nSequence] IN (__[POSTCOMPILE_sequences]) AND [tblNotificationQueue].[sState] = :sState_1 AND [tblNotificationQueue].[dtVisible] <= :now
GO
UPDATE [tblNotificationQueue] SET [nRetired]=:nRetired WHERE [tblNotificationQueue].[nSequence] < :nSequence_1
GO
UPDATE [tblNotificationQueue] SET [nRetired]=[tblNotificationQueue].[nSequence] WHERE [tblNotificationQueue].[nSequence] IN (__[POSTCOMPILE_nSequence_1]) AND [tblNotificationQueue].[nRetired] = :nRetired_1
GO
UPDATE [tblNotificationQueue] SET [nRetired]=[tblNotificationQueue].[nSequence] WHERE [tblNotificationQueue].[sMessageID] IN (__[POSTCOMPILE_sMessageID_1]) AND [tblNotificationQueue].[nRetired] = :nRetired_1 AND ([tblNotificationQueue].[dtEnqueued] < :dtEnqueued_1 OR [tblNotificationQueue].[dtEnqueued] > :dtEnqueued_2)
GO
UPDATE [tblNotificationQueue] SET [sState]=:sState, [dtVisible]=[tblNotificationQueue].[dtEnqueued], [sLockToken]=:sLockToken WHERE [tblNotificationQueue].[nSequence] IN (__[POSTCOMPILE_sequences])
GO
UPDATE [tblNotificationQueue] SET [sState]=:sState, [sLockToken]=:sLockToken, [sReason]=:sReason, [sDescription]=:sDescription, [dtDeadLettered]=:dtDeadLettered WHERE [tblNotificationQueue].[nSequence] IN (__[POSTCOMPILE_nSequence_1])
GO
UPDATE [tblNotificationQueue] SET [sState]=:state, [dtVisible]=coalesce(:visible, [tblNotificationQueue].[dtVisible]), [nDeliveryCount]=coalesce(:count, [tblNotificationQueue].[nDeliveryCount]), [sLockToken]=:token, [sReason]=:reason, [sDescription]=:description, [dtDeadLettered]=:dead_lettered WHERE [tblNotificationQueue].[nSequence] = :sequence
GO
UPDATE [tblProblem] SET [dtAlerted]=:dtAlerted WHERE [tblProblem].[nProblemID] = :nProblemID_1 AND [tblProblem].[nClosed] = :nClosed_1 AND [tblProblem].[dtAlerted] = :dtAlerted_1
GO
UPDATE [tblProblem] SET [dtAlerted]=:dtAlerted WHERE [tblProblem].[nProblemID] = :nProblemID_1 AND [tblProblem].[nClosed] = :nClosed_1 AND [tblProblem].[dtAlerted] IS NULL
GO
UPDATE [tblProblem] SET [dtRecoveryAlerted]=:dtRecoveryAlerted WHERE [tblProblem].[nProblemID] = :nProblemID_1 AND [tblProblem].[dtRecoveryAlerted] IS NULL
GO
UPDATE [tblProblem] SET [nClosed]=:nClosed, [dtLastSeen]=:dtLastSeen, [dtCleared]=:dtCleared WHERE [tblProblem].[nProblemID] = :nProblemID_1
GO
UPDATE [tblProcess] SET [dtHeartbeat]=:dtHeartbeat, [dtLeaseUntil]=:dtLeaseUntil WHERE [tblProcess].[sProcess] = :sProcess_1
GO
UPDATE [tblQueueAudit] SET [dtEnded]=:dtEnded, [nMessages]=:nMessages WHERE [tblQueueAudit].[nAuditID] = :nAuditID_1
GO
UPDATE [tblSubscriptionSchedule] SET [bRecreate]=:bRecreate WHERE [tblSubscriptionSchedule].[nAccountID] = :nAccountID_1
GO
UPDATE [tblSubscriptionSchedule] SET [dtDue]=:dtDue, [nRequests]=([tblSubscriptionSchedule].[nRequests] + :nRequests_1) WHERE [tblSubscriptionSchedule].[nAccountID] = :nAccountID_1
GO
UPDATE [tblSubscriptionSchedule] SET [dtDue]=:dtDue, [sOwner]=:sOwner, [dtLeaseUntil]=:dtLeaseUntil, [nFailures]=:nFailures WHERE [tblSubscriptionSchedule].[nAccountID] = :nAccountID_1 AND [tblSubscriptionSchedule].[sOwner] = :sOwner_1 AND [tblSubscriptionSchedule].[dtLeaseUntil] = :dtLeaseUntil_1 AND [tblSubscriptionSchedule].[nRequests] = :nRequests_1
GO
UPDATE [tblSubscriptionSchedule] SET [dtReauthorize]=:dtReauthorize WHERE [tblSubscriptionSchedule].[nAccountID] = :nAccountID_1
GO
UPDATE [tblSubscriptionSchedule] SET [sAttemptFingerprint]=:sAttemptFingerprint WHERE [tblSubscriptionSchedule].[nAccountID] = :nAccountID_1
GO
UPDATE [tblSubscriptionSchedule] SET [sAttemptFingerprint]=:sAttemptFingerprint, [dtReauthorize]=:dtReauthorize, [bRecreate]=:bRecreate WHERE [tblSubscriptionSchedule].[nAccountID] = :nAccountID_1
GO
UPDATE [tblSubscriptionSchedule] SET [sOwner]=:sOwner WHERE [tblSubscriptionSchedule].[nAccountID] = :nAccountID_1 AND [tblSubscriptionSchedule].[sOwner] = :sOwner_1 AND [tblSubscriptionSchedule].[dtLeaseUntil] = :dtLeaseUntil_1 AND [tblSubscriptionSchedule].[dtLeaseUntil] > :dtLeaseUntil_2
GO
UPDATE [tblSubscriptionSchedule] SET [sOwner]=:sOwner, [dtLeaseUntil]=:dtLeaseUntil WHERE [tblSubscriptionSchedule].[nAccountID] = :nAccountID_1 AND [tblSubscriptionSchedule].[sOwner] = :sOwner_1 AND [tblSubscriptionSchedule].[dtLeaseUntil] = :dtLeaseUntil_1
GO
UPDATE [tblSubscriptionSchedule] SET [sOwner]=:sOwner, [dtLeaseUntil]=:dtLeaseUntil WHERE [tblSubscriptionSchedule].[nAccountID] IN (__[POSTCOMPILE_nAccountID_1])
GO
UPDATE [tblSubscriptionSchedule] SET [sServed]=:sServed, [sServedWith]=:sServedWith WHERE [tblSubscriptionSchedule].[nAccountID] = :nAccountID_1
GO
