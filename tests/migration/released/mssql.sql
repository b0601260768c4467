-- 0001
CREATE TABLE past.[tblMailImporterVersion] (
    version_num NVARCHAR(32) NOT NULL,
    CONSTRAINT [tblMailImporterVersion_pkc] PRIMARY KEY (version_num)
);

CREATE TABLE past.[tblAccountCondition] (
    [nAccountID] BIGINT NOT NULL,
    [sRole] NVARCHAR(20) NOT NULL,
    [sReason] NVARCHAR(100) NOT NULL,
    [sDetail] NVARCHAR(max) NOT NULL,
    [dtSince] DATETIME2(7) NOT NULL,
    [dtNextAttempt] DATETIME2(7) NOT NULL,
    CONSTRAINT [PK_tblAccountCondition] PRIMARY KEY ([nAccountID], [sRole])
);

CREATE TABLE past.[tblEmailAccountSettings] (
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
    CONSTRAINT [PK_tblEmailAccountSettings] PRIMARY KEY ([nAccountID]),
    CONSTRAINT [CK_tblEmailAccountSettings_sAfterImport] CHECK ([sAfterImport] IN (N'none', N'read', N'move', N'delete')),
    CONSTRAINT [UQ_tblEmailAccountSettings_sAccountName] UNIQUE ([sAccountName])
);

CREATE TABLE past.[tblEmailMessage] (
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
    CONSTRAINT [PK_tblEmailMessage] PRIMARY KEY ([nMessageID]),
    CONSTRAINT [UQ_tblEmailMessage_nAccountID_sGraphMessageID] UNIQUE ([nAccountID], [sGraphMessageID])
);

CREATE INDEX [IX_tblEmailMessage_nAccountID_dtReceived] ON past.[tblEmailMessage] ([nAccountID], [dtReceived]);

CREATE TABLE past.[tblGraphSubscription] (
    [sSubscriptionID] NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [nAccountID] BIGINT NOT NULL,
    [dtExpires] DATETIME2(7) NOT NULL,
    [sState] NVARCHAR(20) NOT NULL,
    [sResource] NVARCHAR(1000) NOT NULL,
    [sNotificationURL] NVARCHAR(1000) NOT NULL,
    [sKeyFingerprint] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [dtGranted] DATETIME2(7) NOT NULL,
    CONSTRAINT [PK_tblGraphSubscription] PRIMARY KEY ([sSubscriptionID]),
    CONSTRAINT [UQ_tblGraphSubscription_nAccountID] UNIQUE ([nAccountID])
);

CREATE TABLE past.[tblImporterSecret] (
    [sName] NVARCHAR(100) NOT NULL,
    [sValue] NVARCHAR(max) NOT NULL,
    [dtCreated] DATETIME2(7) NOT NULL,
    CONSTRAINT [PK_tblImporterSecret] PRIMARY KEY ([sName])
);

CREATE TABLE past.[tblNotificationQueue] (
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

CREATE INDEX [IX_tblNotificationQueue_sState_dtVisible] ON past.[tblNotificationQueue] ([sState], [dtVisible]);

CREATE TABLE past.[tblSubscriptionSchedule] (
    [nAccountID] BIGINT NOT NULL,
    [dtDue] DATETIME2(7) NOT NULL,
    [sOwner] NVARCHAR(100) NULL,
    [dtLeaseUntil] DATETIME2(7) NULL,
    [nFailures] INTEGER NOT NULL CONSTRAINT [DF_tblSubscriptionSchedule_nFailures] DEFAULT 0,
    [sAttemptFingerprint] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NULL,
    CONSTRAINT [PK_tblSubscriptionSchedule] PRIMARY KEY ([nAccountID])
);

CREATE INDEX [IX_tblSubscriptionSchedule_dtDue] ON past.[tblSubscriptionSchedule] ([dtDue]);

CREATE TABLE past.[tblEmailAttachment] (
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
    [biContent] VARBINARY(max) NULL,
    CONSTRAINT [PK_tblEmailAttachment] PRIMARY KEY ([nAttachmentID]),
    CONSTRAINT [CK_tblEmailAttachment_sKind] CHECK ([sKind] IN (N'file', N'item', N'reference')),
    CONSTRAINT [FK_tblEmailAttachment_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES past.[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE,
    CONSTRAINT [UQ_tblEmailAttachment_nMessageID_nPosition] UNIQUE ([nMessageID], [nPosition])
);

CREATE TABLE past.[tblEmailRecipient] (
    [nMessageID] BIGINT NOT NULL,
    [sKind] NVARCHAR(10) NOT NULL,
    [nPosition] INTEGER NOT NULL,
    [sName] NVARCHAR(max) NULL,
    [sAddress] NVARCHAR(max) NULL,
    CONSTRAINT [PK_tblEmailRecipient] PRIMARY KEY ([nMessageID], [sKind], [nPosition]),
    CONSTRAINT [CK_tblEmailRecipient_sKind] CHECK ([sKind] IN (N'to', N'cc', N'bcc', N'replyTo')),
    CONSTRAINT [FK_tblEmailRecipient_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES past.[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE
);

INSERT INTO past.[tblMailImporterVersion] (version_num) VALUES (N'0001');

-- 0002
ALTER TABLE past.[tblEmailAccountSettings] ADD [sNextCertificateThumbprint] NVARCHAR(100) NULL;

ALTER TABLE past.[tblEmailAccountSettings] ADD [dtImportSince] DATETIME2(7) NULL;

ALTER TABLE past.[tblGraphSubscription] ADD [dtCreated] DATETIME2(7) NULL;

ALTER TABLE past.[tblSubscriptionSchedule] ADD [nRequests] INTEGER NOT NULL CONSTRAINT [DF_tblSubscriptionSchedule_nRequests] DEFAULT 0;

ALTER TABLE past.[tblSubscriptionSchedule] ADD [dtReauthorize] DATETIME2(7) NULL;

ALTER TABLE past.[tblSubscriptionSchedule] ADD [bRecreate] BIT NOT NULL CONSTRAINT [DF_tblSubscriptionSchedule_bRecreate] DEFAULT 0;

ALTER TABLE past.[tblSubscriptionSchedule] ADD [sServed] NVARCHAR(1300) COLLATE Latin1_General_100_BIN2 NULL;

ALTER TABLE past.[tblSubscriptionSchedule] ADD [sServedWith] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NULL;

CREATE TABLE past.[tblFolderSync] (
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

CREATE INDEX [IX_tblFolderSync_dtDue] ON past.[tblFolderSync] ([dtDue]);

CREATE TABLE past.[tblMissedNotification] (
    [nMissedID] BIGINT NOT NULL IDENTITY,
    [nAccountID] BIGINT NOT NULL,
    [sGraphMessageID] NVARCHAR(700) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [dtReceived] DATETIME2(7) NOT NULL,
    [dtFound] DATETIME2(7) NOT NULL,
    [dtTold] DATETIME2(7) NULL,
    CONSTRAINT [PK_tblMissedNotification] PRIMARY KEY ([nMissedID]),
    CONSTRAINT [UQ_tblMissedNotification_nAccountID_sGraphMessageID] UNIQUE ([nAccountID], [sGraphMessageID])
);

CREATE TABLE past.[tblCallBudget] (
    [sBudget] NVARCHAR(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [nSlot] BIGINT NOT NULL,
    [nUsed] INTEGER NOT NULL,
    CONSTRAINT [PK_tblCallBudget] PRIMARY KEY ([sBudget])
);

UPDATE past.[tblMailImporterVersion] SET version_num=N'0002';

-- 0003
CREATE TABLE past.[tblMailboxCall] (
    [sMailbox] NVARCHAR(425) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [nSlot] INTEGER NOT NULL,
    [sOwner] NVARCHAR(100) NOT NULL,
    [dtLeaseUntil] DATETIME2(7) NOT NULL,
    CONSTRAINT [PK_tblMailboxCall] PRIMARY KEY ([sMailbox], [nSlot])
);

CREATE INDEX [IX_tblMailboxCall_dtLeaseUntil] ON past.[tblMailboxCall] ([dtLeaseUntil]);

CREATE TABLE past.[tblMessageTrace] (
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
    CONSTRAINT [PK_tblMessageTrace] PRIMARY KEY ([nTraceID])
);

CREATE INDEX [IX_tblMessageTrace_nAccountID_sGraphMessageID] ON past.[tblMessageTrace] ([nAccountID], [sGraphMessageID]);

CREATE INDEX [IX_tblMessageTrace_dtEnded] ON past.[tblMessageTrace] ([dtEnded]);

CREATE TABLE past.[tblQueueAudit] (
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

UPDATE past.[tblMailImporterVersion] SET version_num=N'0003';

-- 0004
ALTER TABLE past.[tblMailImporterVersion] ADD [sOldestProgram] NVARCHAR(32) NULL;

ALTER TABLE past.[tblMailImporterVersion] ADD [sOldestProgramOf] NVARCHAR(32) NULL;

ALTER TABLE past.[tblEmailAccountSettings] ADD [dtPurgedBefore] DATETIME2(7) NULL;

UPDATE past.[tblMailImporterVersion] SET version_num=N'0004', [sOldestProgram]=N'0001', [sOldestProgramOf]=N'0004';

-- 0005
ALTER TABLE past.[tblEmailMessage] ADD [sSenderName] NVARCHAR(max) NULL;

ALTER TABLE past.[tblEmailMessage] ADD [sSenderAddress] NVARCHAR(max) NULL;

ALTER TABLE past.[tblEmailMessage] ADD [dtCreated] DATETIME2(7) NULL;

ALTER TABLE past.[tblEmailMessage] ADD [sCategories] NVARCHAR(max) NULL;

ALTER TABLE past.[tblEmailMessage] ADD [sFlagStatus] NVARCHAR(20) NULL;

ALTER TABLE past.[tblEmailMessage] ADD [sConversationIndex] NVARCHAR(max) NULL;

ALTER TABLE past.[tblEmailMessage] ADD [sBodyText] NVARCHAR(max) NULL;

ALTER TABLE past.[tblEmailMessage] ADD [bRead] BIT NULL;

ALTER TABLE past.[tblEmailMessage] ADD [sWebLink] NVARCHAR(max) NULL;

ALTER TABLE past.[tblEmailMessage] ADD [sParentFolderID] NVARCHAR(700) COLLATE Latin1_General_100_BIN2 NULL;

ALTER TABLE past.[tblEmailMessage] ADD [sChangeKey] NVARCHAR(max) NULL;

ALTER TABLE past.[tblEmailMessage] ADD [nSize] BIGINT NULL;

CREATE TABLE past.[tblEmailHeader] (
    [nMessageID] BIGINT NOT NULL,
    [nPosition] INTEGER NOT NULL,
    [sName] NVARCHAR(max) NOT NULL,
    [sValue] NVARCHAR(max) NULL,
    CONSTRAINT [PK_tblEmailHeader] PRIMARY KEY ([nMessageID], [nPosition]),
    CONSTRAINT [FK_tblEmailHeader_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES past.[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE
);

UPDATE past.[tblMailImporterVersion] SET version_num=N'0005', [sOldestProgram]=N'0001', [sOldestProgramOf]=N'0005';

-- 0006
ALTER TABLE past.[tblEmailAttachment] ADD [sState] NVARCHAR(20) NOT NULL CONSTRAINT [DF_tblEmailAttachment_sState] DEFAULT N'stored' CONSTRAINT [CK_tblEmailAttachment_sState] CHECK ("sState" IN ('stored', 'linked', 'too_large', 'unreadable', 'gone'));

ALTER TABLE past.[tblEmailAttachment] ADD [sStateDetail] NVARCHAR(max) NULL;

ALTER TABLE past.[tblEmailAttachment] ADD [sSafeFileName] NVARCHAR(200) NULL;

ALTER TABLE past.[tblEmailAttachment] ADD [sItemType] NVARCHAR(20) NULL;

ALTER TABLE past.[tblEmailAttachment] ADD [sLink] NVARCHAR(max) NULL;

ALTER TABLE past.[tblEmailAttachment] ADD [sLinkProvider] NVARCHAR(100) NULL;

ALTER TABLE past.[tblEmailAttachment] ADD [sLinkPermission] NVARCHAR(100) NULL;

ALTER TABLE past.[tblEmailAttachment] ADD [sContentLocation] NVARCHAR(max) NULL;

ALTER TABLE past.[tblEmailAttachment] ADD [nParentPosition] INTEGER NULL;

ALTER TABLE past.[tblEmailAttachment] ADD [sOrigin] NVARCHAR(20) NOT NULL CONSTRAINT [DF_tblEmailAttachment_sOrigin] DEFAULT N'graph';

UPDATE past.[tblMailImporterVersion] SET version_num=N'0006', [sOldestProgram]=N'0001', [sOldestProgramOf]=N'0006';

-- 0007
ALTER TABLE past.[tblEmailMessage] ADD [sAfterImport] NVARCHAR(20) NULL;

ALTER TABLE past.[tblEmailMessage] ADD [sAfterImportState] NVARCHAR(20) NULL CONSTRAINT [CK_tblEmailMessage_sAfterImportState] CHECK ([sAfterImportState] IN (N'pending', N'done', N'failed', N'gone'));

ALTER TABLE past.[tblEmailMessage] ADD [sAfterImportDetail] NVARCHAR(max) NULL;

ALTER TABLE past.[tblEmailMessage] ADD [nAfterImportAttempts] INTEGER NULL;

ALTER TABLE past.[tblEmailMessage] ADD [dtAfterImportDue] DATETIME2(7) NULL;

CREATE INDEX [IX_tblEmailMessage_sAfterImportState] ON past.[tblEmailMessage] ([sAfterImportState], [dtAfterImportDue], [nAccountID]);

CREATE TABLE past.[tblEmailIdentity] (
    [nMessageID] BIGINT NOT NULL,
    [nAccountID] BIGINT NOT NULL,
    [sIdentity] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    CONSTRAINT [PK_tblEmailIdentity] PRIMARY KEY ([nMessageID]),
    CONSTRAINT [UQ_tblEmailIdentity_nAccountID_sIdentity] UNIQUE ([nAccountID], [sIdentity]),
    CONSTRAINT [FK_tblEmailIdentity_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES past.[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE
);

CREATE TABLE past.[tblEmailDuplicate] (
    [nDuplicateID] BIGINT NOT NULL IDENTITY,
    [nAccountID] BIGINT NOT NULL,
    [sGraphMessageID] NVARCHAR(700) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [nMessageID] BIGINT NOT NULL,
    [dtSeen] DATETIME2(7) NOT NULL,
    [sReason] NVARCHAR(100) NOT NULL,
    CONSTRAINT [PK_tblEmailDuplicate] PRIMARY KEY ([nDuplicateID]),
    CONSTRAINT [UQ_tblEmailDuplicate_nAccountID_sGraphMessageID] UNIQUE ([nAccountID], [sGraphMessageID]),
    CONSTRAINT [FK_tblEmailDuplicate_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES past.[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE
);

CREATE INDEX [IX_tblEmailDuplicate_nMessageID] ON past.[tblEmailDuplicate] ([nMessageID]);

UPDATE past.[tblMailImporterVersion] SET version_num=N'0007', [sOldestProgram]=N'0001', [sOldestProgramOf]=N'0007';

-- 0008
CREATE TABLE past.[tblEmailOriginal] (
    [nMessageID] BIGINT NOT NULL,
    [nSize] BIGINT NULL,
    [sSHA256] NVARCHAR(64) NULL,
    [sState] NVARCHAR(20) NOT NULL,
    [sStateDetail] NVARCHAR(max) NULL,
    [sCompression] NVARCHAR(20) NULL,
    [nStoredSize] BIGINT NOT NULL,
    [biContent] VARBINARY(max) NULL,
    CONSTRAINT [PK_tblEmailOriginal] PRIMARY KEY ([nMessageID]),
    CONSTRAINT [FK_tblEmailOriginal_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES past.[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE,
    CONSTRAINT [CK_tblEmailOriginal_sState] CHECK ([sState] IN (N'stored', N'too_large', N'unreadable', N'gone'))
);

ALTER TABLE past.[tblEmailAccountSettings] ADD [sFilterSendersAllowed] NVARCHAR(max) NULL;

ALTER TABLE past.[tblEmailAccountSettings] ADD [sFilterSendersDenied] NVARCHAR(max) NULL;

ALTER TABLE past.[tblEmailAccountSettings] ADD [sFilterSubjectsAllowed] NVARCHAR(max) NULL;

ALTER TABLE past.[tblEmailAccountSettings] ADD [sFilterSubjectsDenied] NVARCHAR(max) NULL;

ALTER TABLE past.[tblEmailAccountSettings] ADD [bFilterHasAttachments] BIT NULL;

ALTER TABLE past.[tblEmailAccountSettings] ADD [nFilterSizeLeast] BIGINT NULL;

ALTER TABLE past.[tblEmailAccountSettings] ADD [nFilterSizeMost] BIGINT NULL;

CREATE TABLE past.[tblEmailSeen] (
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

CREATE INDEX [IX_tblEmailSeen_nAccountID_dtReceived] ON past.[tblEmailSeen] ([nAccountID], [dtReceived]);

UPDATE past.[tblMailImporterVersion] SET version_num=N'0008', [sOldestProgram]=N'0001', [sOldestProgramOf]=N'0008';

-- 0009
CREATE TABLE past.[tblEmailAccountChange] (
    [nChangeID] BIGINT NOT NULL IDENTITY,
    [nAccountID] BIGINT NOT NULL,
    [dtChanged] DATETIME2(7) NOT NULL,
    [sAction] NVARCHAR(20) NOT NULL,
    [sWho] NVARCHAR(200) NULL,
    [sHost] NVARCHAR(100) NULL,
    [sSettings] NVARCHAR(max) NOT NULL,
    CONSTRAINT [PK_tblEmailAccountChange] PRIMARY KEY ([nChangeID])
);

CREATE INDEX [IX_tblEmailAccountChange_nAccountID] ON past.[tblEmailAccountChange] ([nAccountID], [nChangeID]);

UPDATE past.[tblMailImporterVersion] SET version_num=N'0009', [sOldestProgram]=N'0001', [sOldestProgramOf]=N'0009';

-- 0010
CREATE TABLE past.[tblProcess] (
    [sProcess] NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [sHost] NVARCHAR(100) NOT NULL,
    [sRoles] NVARCHAR(200) NOT NULL,
    [sVersion] NVARCHAR(50) NOT NULL,
    [dtStarted] DATETIME2(7) NOT NULL,
    [dtHeartbeat] DATETIME2(7) NOT NULL,
    [dtLeaseUntil] DATETIME2(7) NOT NULL,
    CONSTRAINT [PK_tblProcess] PRIMARY KEY ([sProcess])
);

UPDATE past.[tblMailImporterVersion] SET version_num=N'0010', [sOldestProgram]=N'0001', [sOldestProgramOf]=N'0010';

-- 0011
CREATE TABLE past.[tblEmailScan] (
    [nScanID] BIGINT NOT NULL IDENTITY,
    [nAccountID] BIGINT NOT NULL,
    [sGraphMessageID] NVARCHAR(700) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [sLetterDigest] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [dtFirstSeen] DATETIME2(7) NOT NULL,
    [dtUntil] DATETIME2(7) NOT NULL,
    [dtNextCheck] DATETIME2(7) NOT NULL,
    [nMessageID] BIGINT NULL,
    CONSTRAINT [PK_tblEmailScan] PRIMARY KEY ([nScanID]),
    CONSTRAINT [UQ_tblEmailScan_nAccountID_sGraphMessageID] UNIQUE ([nAccountID], [sGraphMessageID]),
    CONSTRAINT [FK_tblEmailScan_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES past.[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE
);

CREATE INDEX [IX_tblEmailScan_nAccountID_sLetterDigest] ON past.[tblEmailScan] ([nAccountID], [sLetterDigest]);

CREATE INDEX [IX_tblEmailScan_nMessageID] ON past.[tblEmailScan] ([nMessageID]);

UPDATE past.[tblMailImporterVersion] SET version_num=N'0011', [sOldestProgram]=N'0001', [sOldestProgramOf]=N'0011';

-- 0012
ALTER TABLE past.[tblAccountCondition] ADD [sDetailPhrase] NVARCHAR(max) NULL;

ALTER TABLE past.[tblEmailMessage] ADD [sAfterImportDetailPhrase] NVARCHAR(max) NULL;

ALTER TABLE past.[tblMessageTrace] ADD [sDetailPhrase] NVARCHAR(max) NULL;

UPDATE past.[tblMailImporterVersion] SET version_num=N'0012', [sOldestProgram]=N'0001', [sOldestProgramOf]=N'0012';

-- 0013
CREATE TABLE past.[tblEmailFailure] (
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

CREATE INDEX [IX_tblEmailFailure_dtLastFailed] ON past.[tblEmailFailure] ([dtLastFailed]);

CREATE TABLE past.[tblMailboxAddress] (
    [nAccountID] BIGINT NOT NULL,
    [sUserID] NVARCHAR(320) NOT NULL,
    [sAddress] NVARCHAR(320) NOT NULL,
    [dtLearned] DATETIME2(7) NOT NULL,
    CONSTRAINT [PK_tblMailboxAddress] PRIMARY KEY ([nAccountID])
);

CREATE TABLE past.[tblServiceOutage] (
    [sProcess] NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [sService] NVARCHAR(20) NOT NULL,
    [dtSince] DATETIME2(7) NOT NULL,
    [dtSeen] DATETIME2(7) NOT NULL,
    [nAccounts] INTEGER NOT NULL,
    [sDetail] NVARCHAR(max) NOT NULL,
    [sDetailPhrase] NVARCHAR(max) NULL,
    CONSTRAINT [PK_tblServiceOutage] PRIMARY KEY ([sProcess], [sService])
);

CREATE TABLE past.[tblProblem] (
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

CREATE INDEX [IX_tblProblem_dtCleared] ON past.[tblProblem] ([dtCleared]);

CREATE TABLE past.[tblAlert] (
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

CREATE INDEX [IX_tblAlert_sState_dtDue] ON past.[tblAlert] ([sState], [dtDue]);

CREATE TABLE past.[tblLease] (
    [sName] NVARCHAR(50) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [sOwner] NVARCHAR(100) NOT NULL,
    [dtLeaseUntil] DATETIME2(7) NOT NULL,
    CONSTRAINT [PK_tblLease] PRIMARY KEY ([sName])
);

CREATE INDEX [IX_tblEmailMessage_dtReceived] ON past.[tblEmailMessage] ([dtReceived]);

UPDATE past.[tblMailImporterVersion] SET version_num=N'0013', [sOldestProgram]=N'0001', [sOldestProgramOf]=N'0013';

-- 0014
CREATE TABLE past.[tblEmailConsumer] (
    [sConsumer] NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [nPosition] BIGINT NOT NULL CONSTRAINT [DF_tblEmailConsumer_nPosition] DEFAULT 0,
    [dtCreated] DATETIME2(7) NOT NULL,
    [dtMoved] DATETIME2(7) NULL,
    [nNextPosition] BIGINT NULL,
    [dtNextPosition] DATETIME2(7) NULL,
    [sOpenTransactions] NVARCHAR(max) NULL,
    CONSTRAINT [PK_tblEmailConsumer] PRIMARY KEY ([sConsumer])
);

CREATE TABLE past.[tblEmailRule] (
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

CREATE TABLE past.[tblEmailRuleChange] (
    [nChangeID] BIGINT NOT NULL IDENTITY,
    [nRuleID] BIGINT NOT NULL,
    [dtChanged] DATETIME2(7) NOT NULL,
    [sAction] NVARCHAR(20) NOT NULL,
    [sWho] NVARCHAR(200) NULL,
    [sHost] NVARCHAR(100) NULL,
    [sSettings] NVARCHAR(max) NOT NULL,
    CONSTRAINT [PK_tblEmailRuleChange] PRIMARY KEY ([nChangeID])
);

CREATE INDEX [IX_tblEmailRuleChange_nRuleID] ON past.[tblEmailRuleChange] ([nRuleID], [nChangeID]);

CREATE TABLE past.[tblEmailFile] (
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
    CONSTRAINT [FK_tblEmailFile_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES past.[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE,
    CONSTRAINT [UQ_tblEmailFile_nMessageID_nRuleID_nRun_sKey] UNIQUE ([nMessageID], [nRuleID], [nRun], [sKey])
);

CREATE INDEX [IX_tblEmailFile_dtSaved] ON past.[tblEmailFile] ([dtSaved], [sFolderKey]);

CREATE INDEX [IX_tblEmailFile_nDataFileID] ON past.[tblEmailFile] ([nDataFileID]);

CREATE INDEX [IX_tblEmailFile_sFolderKey] ON past.[tblEmailFile] ([sState], [sFolderKey], [dtDue], [nAttempts], [nRuleID], [nFileID]);

CREATE INDEX [IX_tblEmailFile_sState] ON past.[tblEmailFile] ([sState], [dtDue], [sFolderKey]);

CREATE TABLE past.[tblEmailTaken] (
    [sConsumer] NVARCHAR(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [nMessageID] BIGINT NOT NULL,
    [dtTaken] DATETIME2(7) NOT NULL,
    CONSTRAINT [PK_tblEmailTaken] PRIMARY KEY ([sConsumer], [nMessageID]),
    CONSTRAINT [FK_tblEmailTaken_nMessageID] FOREIGN KEY([nMessageID]) REFERENCES past.[tblEmailMessage] ([nMessageID]) ON DELETE CASCADE,
    CONSTRAINT [FK_tblEmailTaken_sConsumer] FOREIGN KEY([sConsumer]) REFERENCES past.[tblEmailConsumer] ([sConsumer]) ON DELETE CASCADE
);

CREATE INDEX [IX_tblEmailTaken_nMessageID] ON past.[tblEmailTaken] ([nMessageID]);

ALTER TABLE past.[tblEmailMessage] ADD [sRuleState] NVARCHAR(10) NULL CONSTRAINT [DF_tblEmailMessage_sRuleState] DEFAULT N'white';

ALTER TABLE past.[tblEmailMessage] ADD [nRulesMatched] INTEGER NULL;

ALTER TABLE past.[tblEmailMessage] ADD CONSTRAINT [CK_tblEmailMessage_sRuleState] CHECK ([sRuleState] IN (N'white', N'green', N'amber', N'red'));

CREATE INDEX [IX_tblEmailMessage_sRuleState] ON past.[tblEmailMessage] ([sRuleState], [nRulesMatched], [nMessageID]);

CREATE INDEX [IX_tblEmailMessage_sRuleState_dtReceived] ON past.[tblEmailMessage] ([sRuleState], [dtReceived]);

CREATE VIEW past.[vEmail] AS
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
    (SELECT COUNT(*) AS n FROM past.[tblEmailAttachment] AS t WHERE t.[nMessageID] = m.[nMessageID] AND t.[nParentPosition] IS NULL) AS [nAttachments],
    m.[nSize],
    m.[sWebLink],
    m.[sRuleState],
    m.[nRulesMatched],
    m.[sAfterImport],
    m.[sAfterImportState],
    m.[sAfterImportDetail]
FROM past.[tblEmailMessage] AS m
LEFT JOIN past.[tblEmailAccountSettings] AS a ON a.[nAccountID] = m.[nAccountID]
LEFT JOIN past.[tblMailboxAddress] AS b ON b.[nAccountID] = a.[nAccountID]
    AND b.[sUserID] COLLATE DATABASE_DEFAULT = a.[sUserID] COLLATE DATABASE_DEFAULT;

CREATE VIEW past.[vEmailAttachment] AS
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
FROM past.[tblEmailAttachment] AS t
INNER JOIN past.[tblEmailMessage] AS m ON m.[nMessageID] = t.[nMessageID]
LEFT JOIN past.[tblEmailAccountSettings] AS a ON a.[nAccountID] = m.[nAccountID]
LEFT JOIN past.[tblMailboxAddress] AS b ON b.[nAccountID] = a.[nAccountID]
    AND b.[sUserID] COLLATE DATABASE_DEFAULT = a.[sUserID] COLLATE DATABASE_DEFAULT;

UPDATE past.[tblMailImporterVersion] SET version_num=N'0014', [sOldestProgram]=N'0001', [sOldestProgramOf]=N'0014';

-- 0015
CREATE TABLE past.[tblConsoleActivity] (
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

CREATE INDEX [IX_tblConsoleActivity_dtAt] ON past.[tblConsoleActivity] ([dtAt]);

CREATE INDEX [IX_tblConsoleActivity_nMessageID] ON past.[tblConsoleActivity] ([nMessageID]);

CREATE TABLE past.[tblConsoleAttempt] (
    [sKey] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [nFailures] INTEGER NOT NULL,
    [dtFirst] DATETIME2(7) NOT NULL,
    CONSTRAINT [PK_tblConsoleAttempt] PRIMARY KEY ([sKey])
);

CREATE INDEX [IX_tblConsoleAttempt_dtFirst] ON past.[tblConsoleAttempt] ([dtFirst]);

CREATE TABLE past.[tblConsoleSession] (
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

CREATE INDEX [IX_tblConsoleSession_dtCreated] ON past.[tblConsoleSession] ([dtCreated]);

CREATE INDEX [IX_tblConsoleSession_sSubject] ON past.[tblConsoleSession] ([sSubject]);

CREATE TABLE past.[tblConsoleTicket] (
    [sTicketHash] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [sKind] NVARCHAR(20) NOT NULL,
    [sDetail] NVARCHAR(max) NOT NULL,
    [dtExpires] DATETIME2(7) NOT NULL,
    CONSTRAINT [PK_tblConsoleTicket] PRIMARY KEY ([sTicketHash])
);

CREATE INDEX [IX_tblConsoleTicket_dtExpires] ON past.[tblConsoleTicket] ([dtExpires]);

CREATE TABLE past.[tblConsoleUser] (
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

CREATE TABLE past.[tblConsoleToken] (
    [nTokenID] BIGINT NOT NULL IDENTITY,
    [nUserID] BIGINT NOT NULL,
    [sTokenHash] NVARCHAR(64) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [sTokenName] NVARCHAR(100) NOT NULL,
    [dtCreated] DATETIME2(7) NOT NULL,
    [dtExpires] DATETIME2(7) NOT NULL,
    CONSTRAINT [PK_tblConsoleToken] PRIMARY KEY ([nTokenID]),
    CONSTRAINT [FK_tblConsoleToken_nUserID] FOREIGN KEY([nUserID]) REFERENCES past.[tblConsoleUser] ([nUserID]) ON DELETE CASCADE,
    CONSTRAINT [UQ_tblConsoleToken_sTokenHash] UNIQUE ([sTokenHash])
);

CREATE INDEX [IX_tblConsoleToken_nUserID] ON past.[tblConsoleToken] ([nUserID]);

ALTER TABLE past.[tblEmailAccountSettings] ADD [sConsoleAccess] NVARCHAR(max) NULL;

CREATE INDEX [IX_tblEmailMessage_dtImported] ON past.[tblEmailMessage] ([dtImported]);

CREATE INDEX [IX_tblEmailSeen_dtReceived] ON past.[tblEmailSeen] ([dtReceived]);

CREATE INDEX [IX_tblMessageTrace_sOutcome_dtEnded] ON past.[tblMessageTrace] ([sOutcome], [dtEnded]);

UPDATE past.[tblMailImporterVersion] SET version_num=N'0015', [sOldestProgram]=N'0001', [sOldestProgramOf]=N'0015';
