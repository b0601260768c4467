-- 0001
CREATE TABLE "tblMailImporterVersion" (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT "tblMailImporterVersion_pkc" PRIMARY KEY (version_num)
);

CREATE TABLE "tblAccountCondition" (
    "nAccountID" BIGINT NOT NULL,
    "sRole" VARCHAR(20) NOT NULL,
    "sReason" VARCHAR(100) NOT NULL,
    "sDetail" TEXT NOT NULL,
    "dtSince" DATETIME NOT NULL,
    "dtNextAttempt" DATETIME NOT NULL,
    CONSTRAINT "PK_tblAccountCondition" PRIMARY KEY ("nAccountID", "sRole")
);

CREATE TABLE "tblEmailAccountSettings" (
    "nAccountID" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "sAccountName" VARCHAR(200) NOT NULL,
    "sAuthentication" VARCHAR(40) DEFAULT 'GraphCertificate' NOT NULL,
    "sTenantID" VARCHAR(100) NOT NULL,
    "sClientID" VARCHAR(100) NOT NULL,
    "sUserID" VARCHAR(320) NOT NULL,
    "sCertificateThumbprint" VARCHAR(100) NOT NULL,
    "bSecureCertificateAccess" BOOLEAN NOT NULL,
    "sFolder" VARCHAR(450) NOT NULL,
    "sAfterImport" VARCHAR(20) NOT NULL,
    "sMoveToFolder" VARCHAR(450),
    "bEnabled" BOOLEAN NOT NULL,
    "dtRemoved" DATETIME,
    CONSTRAINT "CK_tblEmailAccountSettings_sAfterImport" CHECK ("sAfterImport" IN ('none', 'read', 'move', 'delete')),
    CONSTRAINT "UQ_tblEmailAccountSettings_sAccountName" UNIQUE ("sAccountName")
);

CREATE TABLE "tblEmailMessage" (
    "nMessageID" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "nAccountID" BIGINT NOT NULL,
    "sGraphMessageID" VARCHAR(700) NOT NULL,
    "sInternetMessageID" VARCHAR(998),
    "sConversationID" VARCHAR(700),
    "sSubject" TEXT,
    "sFromName" TEXT,
    "sFromAddress" TEXT,
    "dtSent" DATETIME,
    "dtReceived" DATETIME,
    "sImportance" VARCHAR(20),
    "sBodyType" VARCHAR(20),
    "sBody" TEXT,
    "bHasAttachments" BOOLEAN NOT NULL,
    "dtImported" DATETIME NOT NULL,
    "sCorrelationID" VARCHAR(64),
    CONSTRAINT "UQ_tblEmailMessage_nAccountID_sGraphMessageID" UNIQUE ("nAccountID", "sGraphMessageID")
);

CREATE INDEX "IX_tblEmailMessage_nAccountID_dtReceived" ON "tblEmailMessage" ("nAccountID", "dtReceived");

CREATE TABLE "tblGraphSubscription" (
    "sSubscriptionID" VARCHAR(100) NOT NULL,
    "nAccountID" BIGINT NOT NULL,
    "dtExpires" DATETIME NOT NULL,
    "sState" VARCHAR(20) NOT NULL,
    "sResource" VARCHAR(1000) NOT NULL,
    "sNotificationURL" VARCHAR(1000) NOT NULL,
    "sKeyFingerprint" VARCHAR(64) NOT NULL,
    "dtGranted" DATETIME NOT NULL,
    CONSTRAINT "PK_tblGraphSubscription" PRIMARY KEY ("sSubscriptionID"),
    CONSTRAINT "UQ_tblGraphSubscription_nAccountID" UNIQUE ("nAccountID")
);

CREATE TABLE "tblImporterSecret" (
    "sName" VARCHAR(100) NOT NULL,
    "sValue" TEXT NOT NULL,
    "dtCreated" DATETIME NOT NULL,
    CONSTRAINT "PK_tblImporterSecret" PRIMARY KEY ("sName")
);

CREATE TABLE "tblNotificationQueue" (
    "nSequence" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "sMessageID" VARCHAR(128) NOT NULL,
    "nRetired" BIGINT DEFAULT '0' NOT NULL,
    "sState" VARCHAR(10) NOT NULL,
    "nAccountID" BIGINT,
    "sBody" TEXT NOT NULL,
    "dtEnqueued" DATETIME NOT NULL,
    "dtVisible" DATETIME NOT NULL,
    "nDeliveryCount" INTEGER DEFAULT '0' NOT NULL,
    "sLockToken" VARCHAR(32),
    "sReason" VARCHAR(100),
    "sDescription" TEXT,
    "dtDeadLettered" DATETIME,
    CONSTRAINT "CK_tblNotificationQueue_sState" CHECK ("sState" IN ('active', 'dead', 'done')),
    CONSTRAINT "UQ_tblNotificationQueue_sMessageID_nRetired" UNIQUE ("sMessageID", "nRetired")
);

CREATE INDEX "IX_tblNotificationQueue_sState_dtVisible" ON "tblNotificationQueue" ("sState", "dtVisible");

CREATE TABLE "tblSubscriptionSchedule" (
    "nAccountID" BIGINT NOT NULL,
    "dtDue" DATETIME NOT NULL,
    "sOwner" VARCHAR(100),
    "dtLeaseUntil" DATETIME,
    "nFailures" INTEGER DEFAULT '0' NOT NULL,
    "sAttemptFingerprint" VARCHAR(64),
    CONSTRAINT "PK_tblSubscriptionSchedule" PRIMARY KEY ("nAccountID")
);

CREATE INDEX "IX_tblSubscriptionSchedule_dtDue" ON "tblSubscriptionSchedule" ("dtDue");

CREATE TABLE "tblEmailAttachment" (
    "nAttachmentID" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "nMessageID" INTEGER NOT NULL,
    "nPosition" INTEGER NOT NULL,
    "sGraphAttachmentID" TEXT,
    "sKind" VARCHAR(20) NOT NULL,
    "sFileName" TEXT,
    "sContentType" TEXT,
    "nSize" BIGINT NOT NULL,
    "bInline" BOOLEAN NOT NULL,
    "sContentID" TEXT,
    "sSHA256" VARCHAR(64),
    "biContent" BLOB,
    CONSTRAINT "CK_tblEmailAttachment_sKind" CHECK ("sKind" IN ('file', 'item', 'reference')),
    CONSTRAINT "FK_tblEmailAttachment_nMessageID" FOREIGN KEY("nMessageID") REFERENCES "tblEmailMessage" ("nMessageID") ON DELETE CASCADE,
    CONSTRAINT "UQ_tblEmailAttachment_nMessageID_nPosition" UNIQUE ("nMessageID", "nPosition")
);

CREATE TABLE "tblEmailRecipient" (
    "nMessageID" INTEGER NOT NULL,
    "sKind" VARCHAR(10) NOT NULL,
    "nPosition" INTEGER NOT NULL,
    "sName" TEXT,
    "sAddress" TEXT,
    CONSTRAINT "PK_tblEmailRecipient" PRIMARY KEY ("nMessageID", "sKind", "nPosition"),
    CONSTRAINT "CK_tblEmailRecipient_sKind" CHECK ("sKind" IN ('to', 'cc', 'bcc', 'replyTo')),
    CONSTRAINT "FK_tblEmailRecipient_nMessageID" FOREIGN KEY("nMessageID") REFERENCES "tblEmailMessage" ("nMessageID") ON DELETE CASCADE
);

INSERT INTO "tblMailImporterVersion" (version_num) VALUES ('0001');

-- 0002
ALTER TABLE "tblEmailAccountSettings" ADD COLUMN "sNextCertificateThumbprint" VARCHAR(100);

ALTER TABLE "tblEmailAccountSettings" ADD COLUMN "dtImportSince" DATETIME;

ALTER TABLE "tblGraphSubscription" ADD COLUMN "dtCreated" DATETIME;

ALTER TABLE "tblSubscriptionSchedule" ADD COLUMN "nRequests" INTEGER DEFAULT '0' NOT NULL;

ALTER TABLE "tblSubscriptionSchedule" ADD COLUMN "dtReauthorize" DATETIME;

ALTER TABLE "tblSubscriptionSchedule" ADD COLUMN "bRecreate" BOOLEAN DEFAULT '0' NOT NULL;

ALTER TABLE "tblSubscriptionSchedule" ADD COLUMN "sServed" VARCHAR(1300);

ALTER TABLE "tblSubscriptionSchedule" ADD COLUMN "sServedWith" VARCHAR(64);

CREATE TABLE "tblFolderSync" (
    "nAccountID" BIGINT NOT NULL,
    "dtDue" DATETIME NOT NULL,
    "sOwner" VARCHAR(100),
    "dtLeaseUntil" DATETIME,
    "nFailures" INTEGER DEFAULT '0' NOT NULL,
    "nRequests" INTEGER DEFAULT '0' NOT NULL,
    "sResource" VARCHAR(1000),
    "sLink" TEXT,
    "bFullPass" BOOLEAN DEFAULT '1' NOT NULL,
    "bGap" BOOLEAN DEFAULT '1' NOT NULL,
    "dtSwept" DATETIME,
    CONSTRAINT "PK_tblFolderSync" PRIMARY KEY ("nAccountID")
);

CREATE INDEX "IX_tblFolderSync_dtDue" ON "tblFolderSync" ("dtDue");

CREATE TABLE "tblMissedNotification" (
    "nMissedID" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "nAccountID" BIGINT NOT NULL,
    "sGraphMessageID" VARCHAR(700) NOT NULL,
    "dtReceived" DATETIME NOT NULL,
    "dtFound" DATETIME NOT NULL,
    "dtTold" DATETIME,
    CONSTRAINT "UQ_tblMissedNotification_nAccountID_sGraphMessageID" UNIQUE ("nAccountID", "sGraphMessageID")
);

CREATE TABLE "tblCallBudget" (
    "sBudget" VARCHAR(200) NOT NULL,
    "nSlot" BIGINT NOT NULL,
    "nUsed" INTEGER NOT NULL,
    CONSTRAINT "PK_tblCallBudget" PRIMARY KEY ("sBudget")
);

UPDATE "tblMailImporterVersion" SET version_num='0002';

-- 0003
CREATE TABLE "tblMailboxCall" (
    "sMailbox" VARCHAR(425) NOT NULL,
    "nSlot" INTEGER NOT NULL,
    "sOwner" VARCHAR(100) NOT NULL,
    "dtLeaseUntil" DATETIME NOT NULL,
    CONSTRAINT "PK_tblMailboxCall" PRIMARY KEY ("sMailbox", "nSlot")
);

CREATE INDEX "IX_tblMailboxCall_dtLeaseUntil" ON "tblMailboxCall" ("dtLeaseUntil");

CREATE TABLE "tblMessageTrace" (
    "nTraceID" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "nAccountID" BIGINT,
    "sGraphMessageID" VARCHAR(700),
    "sInternetMessageID" VARCHAR(998),
    "sSubject" VARCHAR(400),
    "sSource" VARCHAR(20),
    "sCorrelationID" VARCHAR(64),
    "sQueueMessageID" VARCHAR(128),
    "dtNotified" DATETIME,
    "dtQueued" DATETIME,
    "nAttempt" INTEGER,
    "sHost" VARCHAR(100) NOT NULL,
    "dtStarted" DATETIME NOT NULL,
    "dtFetched" DATETIME,
    "dtEnded" DATETIME NOT NULL,
    "sOutcome" VARCHAR(20) NOT NULL,
    "sReason" VARCHAR(100),
    "sDetail" TEXT
);

CREATE INDEX "IX_tblMessageTrace_nAccountID_sGraphMessageID" ON "tblMessageTrace" ("nAccountID", "sGraphMessageID");

CREATE INDEX "IX_tblMessageTrace_dtEnded" ON "tblMessageTrace" ("dtEnded");

CREATE TABLE "tblQueueAudit" (
    "nAuditID" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "sAction" VARCHAR(20) NOT NULL,
    "sWho" VARCHAR(200) NOT NULL,
    "sHost" VARCHAR(100) NOT NULL,
    "sQueue" VARCHAR(400) NOT NULL,
    "sSelection" TEXT NOT NULL,
    "sWhy" TEXT,
    "dtStarted" DATETIME NOT NULL,
    "dtEnded" DATETIME,
    "nMessages" INTEGER DEFAULT '0' NOT NULL
);

UPDATE "tblMailImporterVersion" SET version_num='0003';

-- 0004
ALTER TABLE "tblMailImporterVersion" ADD COLUMN "sOldestProgram" VARCHAR(32);

ALTER TABLE "tblMailImporterVersion" ADD COLUMN "sOldestProgramOf" VARCHAR(32);

ALTER TABLE "tblEmailAccountSettings" ADD COLUMN "dtPurgedBefore" DATETIME;

UPDATE "tblMailImporterVersion" SET version_num='0004', "sOldestProgram"='0001', "sOldestProgramOf"='0004';

-- 0005
ALTER TABLE "tblEmailMessage" ADD COLUMN "sSenderName" TEXT;

ALTER TABLE "tblEmailMessage" ADD COLUMN "sSenderAddress" TEXT;

ALTER TABLE "tblEmailMessage" ADD COLUMN "dtCreated" DATETIME;

ALTER TABLE "tblEmailMessage" ADD COLUMN "sCategories" TEXT;

ALTER TABLE "tblEmailMessage" ADD COLUMN "sFlagStatus" VARCHAR(20);

ALTER TABLE "tblEmailMessage" ADD COLUMN "sConversationIndex" TEXT;

ALTER TABLE "tblEmailMessage" ADD COLUMN "sBodyText" TEXT;

ALTER TABLE "tblEmailMessage" ADD COLUMN "bRead" BOOLEAN;

ALTER TABLE "tblEmailMessage" ADD COLUMN "sWebLink" TEXT;

ALTER TABLE "tblEmailMessage" ADD COLUMN "sParentFolderID" VARCHAR(700);

ALTER TABLE "tblEmailMessage" ADD COLUMN "sChangeKey" TEXT;

ALTER TABLE "tblEmailMessage" ADD COLUMN "nSize" BIGINT;

CREATE TABLE "tblEmailHeader" (
    "nMessageID" INTEGER NOT NULL,
    "nPosition" INTEGER NOT NULL,
    "sName" TEXT NOT NULL,
    "sValue" TEXT,
    CONSTRAINT "PK_tblEmailHeader" PRIMARY KEY ("nMessageID", "nPosition"),
    CONSTRAINT "FK_tblEmailHeader_nMessageID" FOREIGN KEY("nMessageID") REFERENCES "tblEmailMessage" ("nMessageID") ON DELETE CASCADE
);

UPDATE "tblMailImporterVersion" SET version_num='0005', "sOldestProgram"='0001', "sOldestProgramOf"='0005';

-- 0006
ALTER TABLE "tblEmailAttachment" ADD COLUMN "sState" VARCHAR(20) DEFAULT 'stored' NOT NULL CONSTRAINT "CK_tblEmailAttachment_sState" CHECK ("sState" IN ('stored', 'linked', 'too_large', 'unreadable', 'gone'));

ALTER TABLE "tblEmailAttachment" ADD COLUMN "sStateDetail" TEXT;

ALTER TABLE "tblEmailAttachment" ADD COLUMN "sSafeFileName" VARCHAR(200);

ALTER TABLE "tblEmailAttachment" ADD COLUMN "sItemType" VARCHAR(20);

ALTER TABLE "tblEmailAttachment" ADD COLUMN "sLink" TEXT;

ALTER TABLE "tblEmailAttachment" ADD COLUMN "sLinkProvider" VARCHAR(100);

ALTER TABLE "tblEmailAttachment" ADD COLUMN "sLinkPermission" VARCHAR(100);

ALTER TABLE "tblEmailAttachment" ADD COLUMN "sContentLocation" TEXT;

ALTER TABLE "tblEmailAttachment" ADD COLUMN "nParentPosition" INTEGER;

ALTER TABLE "tblEmailAttachment" ADD COLUMN "sOrigin" VARCHAR(20) DEFAULT 'graph' NOT NULL;

ALTER TABLE "tblEmailAttachment" RENAME COLUMN "biContent" TO "biContentBefore";

ALTER TABLE "tblEmailAttachment" ADD COLUMN "biContent" BLOB;

UPDATE "tblEmailAttachment" SET "biContent" = "biContentBefore" WHERE "biContentBefore" IS NOT NULL;

ALTER TABLE "tblEmailAttachment" DROP COLUMN "biContentBefore";

UPDATE "tblMailImporterVersion" SET version_num='0006', "sOldestProgram"='0001', "sOldestProgramOf"='0006';

-- 0007
ALTER TABLE "tblEmailMessage" ADD COLUMN "sAfterImport" VARCHAR(20);

ALTER TABLE "tblEmailMessage" ADD COLUMN "sAfterImportState" VARCHAR(20) CONSTRAINT "CK_tblEmailMessage_sAfterImportState" CHECK ("sAfterImportState" IN ('pending', 'done', 'failed', 'gone'));

ALTER TABLE "tblEmailMessage" ADD COLUMN "sAfterImportDetail" TEXT;

ALTER TABLE "tblEmailMessage" ADD COLUMN "nAfterImportAttempts" INTEGER;

ALTER TABLE "tblEmailMessage" ADD COLUMN "dtAfterImportDue" DATETIME;

CREATE INDEX "IX_tblEmailMessage_sAfterImportState" ON "tblEmailMessage" ("sAfterImportState", "dtAfterImportDue", "nAccountID");

CREATE TABLE "tblEmailIdentity" (
    "nMessageID" INTEGER NOT NULL,
    "nAccountID" BIGINT NOT NULL,
    "sIdentity" VARCHAR(64) NOT NULL,
    CONSTRAINT "PK_tblEmailIdentity" PRIMARY KEY ("nMessageID"),
    CONSTRAINT "UQ_tblEmailIdentity_nAccountID_sIdentity" UNIQUE ("nAccountID", "sIdentity"),
    CONSTRAINT "FK_tblEmailIdentity_nMessageID" FOREIGN KEY("nMessageID") REFERENCES "tblEmailMessage" ("nMessageID") ON DELETE CASCADE
);

CREATE TABLE "tblEmailDuplicate" (
    "nDuplicateID" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "nAccountID" BIGINT NOT NULL,
    "sGraphMessageID" VARCHAR(700) NOT NULL,
    "nMessageID" INTEGER NOT NULL,
    "dtSeen" DATETIME NOT NULL,
    "sReason" VARCHAR(100) NOT NULL,
    CONSTRAINT "UQ_tblEmailDuplicate_nAccountID_sGraphMessageID" UNIQUE ("nAccountID", "sGraphMessageID"),
    CONSTRAINT "FK_tblEmailDuplicate_nMessageID" FOREIGN KEY("nMessageID") REFERENCES "tblEmailMessage" ("nMessageID") ON DELETE CASCADE
);

CREATE INDEX "IX_tblEmailDuplicate_nMessageID" ON "tblEmailDuplicate" ("nMessageID");

UPDATE "tblMailImporterVersion" SET version_num='0007', "sOldestProgram"='0001', "sOldestProgramOf"='0007';

-- 0008
CREATE TABLE "tblEmailOriginal" (
    "nMessageID" INTEGER NOT NULL,
    "nSize" BIGINT,
    "sSHA256" VARCHAR(64),
    "sState" VARCHAR(20) NOT NULL,
    "sStateDetail" TEXT,
    "sCompression" VARCHAR(20),
    "nStoredSize" BIGINT NOT NULL,
    "biContent" BLOB,
    CONSTRAINT "PK_tblEmailOriginal" PRIMARY KEY ("nMessageID"),
    CONSTRAINT "FK_tblEmailOriginal_nMessageID" FOREIGN KEY("nMessageID") REFERENCES "tblEmailMessage" ("nMessageID") ON DELETE CASCADE,
    CONSTRAINT "CK_tblEmailOriginal_sState" CHECK ("sState" IN ('stored', 'too_large', 'unreadable', 'gone'))
);

ALTER TABLE "tblEmailAccountSettings" ADD COLUMN "sFilterSendersAllowed" TEXT;

ALTER TABLE "tblEmailAccountSettings" ADD COLUMN "sFilterSendersDenied" TEXT;

ALTER TABLE "tblEmailAccountSettings" ADD COLUMN "sFilterSubjectsAllowed" TEXT;

ALTER TABLE "tblEmailAccountSettings" ADD COLUMN "sFilterSubjectsDenied" TEXT;

ALTER TABLE "tblEmailAccountSettings" ADD COLUMN "bFilterHasAttachments" BOOLEAN;

ALTER TABLE "tblEmailAccountSettings" ADD COLUMN "nFilterSizeLeast" BIGINT;

ALTER TABLE "tblEmailAccountSettings" ADD COLUMN "nFilterSizeMost" BIGINT;

CREATE TABLE "tblEmailSeen" (
    "nSeenID" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "nAccountID" BIGINT NOT NULL,
    "sGraphMessageID" VARCHAR(700) NOT NULL,
    "sInternetMessageID" VARCHAR(998),
    "sFromAddress" TEXT,
    "dtReceived" DATETIME,
    "nSize" BIGINT,
    "sReason" VARCHAR(100) NOT NULL,
    "sRule" TEXT,
    "dtSeen" DATETIME NOT NULL,
    CONSTRAINT "UQ_tblEmailSeen_nAccountID_sGraphMessageID" UNIQUE ("nAccountID", "sGraphMessageID")
);

CREATE INDEX "IX_tblEmailSeen_nAccountID_dtReceived" ON "tblEmailSeen" ("nAccountID", "dtReceived");

UPDATE "tblMailImporterVersion" SET version_num='0008', "sOldestProgram"='0001', "sOldestProgramOf"='0008';

-- 0009
CREATE TABLE "tblEmailAccountChange" (
    "nChangeID" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "nAccountID" BIGINT NOT NULL,
    "dtChanged" DATETIME NOT NULL,
    "sAction" VARCHAR(20) NOT NULL,
    "sWho" VARCHAR(200),
    "sHost" VARCHAR(100),
    "sSettings" TEXT NOT NULL
);

CREATE INDEX "IX_tblEmailAccountChange_nAccountID" ON "tblEmailAccountChange" ("nAccountID", "nChangeID");

UPDATE "tblMailImporterVersion" SET version_num='0009', "sOldestProgram"='0001', "sOldestProgramOf"='0009';

-- 0010
CREATE TABLE "tblProcess" (
    "sProcess" VARCHAR(100) NOT NULL,
    "sHost" VARCHAR(100) NOT NULL,
    "sRoles" VARCHAR(200) NOT NULL,
    "sVersion" VARCHAR(50) NOT NULL,
    "dtStarted" DATETIME NOT NULL,
    "dtHeartbeat" DATETIME NOT NULL,
    "dtLeaseUntil" DATETIME NOT NULL,
    CONSTRAINT "PK_tblProcess" PRIMARY KEY ("sProcess")
);

UPDATE "tblMailImporterVersion" SET version_num='0010', "sOldestProgram"='0001', "sOldestProgramOf"='0010';

-- 0011
CREATE TABLE "tblEmailScan" (
    "nScanID" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "nAccountID" BIGINT NOT NULL,
    "sGraphMessageID" VARCHAR(700) NOT NULL,
    "sLetterDigest" VARCHAR(64) NOT NULL,
    "dtFirstSeen" DATETIME NOT NULL,
    "dtUntil" DATETIME NOT NULL,
    "dtNextCheck" DATETIME NOT NULL,
    "nMessageID" INTEGER,
    CONSTRAINT "UQ_tblEmailScan_nAccountID_sGraphMessageID" UNIQUE ("nAccountID", "sGraphMessageID"),
    CONSTRAINT "FK_tblEmailScan_nMessageID" FOREIGN KEY("nMessageID") REFERENCES "tblEmailMessage" ("nMessageID") ON DELETE CASCADE
);

CREATE INDEX "IX_tblEmailScan_nAccountID_sLetterDigest" ON "tblEmailScan" ("nAccountID", "sLetterDigest");

CREATE INDEX "IX_tblEmailScan_nMessageID" ON "tblEmailScan" ("nMessageID");

UPDATE "tblMailImporterVersion" SET version_num='0011', "sOldestProgram"='0001', "sOldestProgramOf"='0011';

-- 0012
ALTER TABLE "tblAccountCondition" ADD COLUMN "sDetailPhrase" TEXT;

ALTER TABLE "tblEmailMessage" ADD COLUMN "sAfterImportDetailPhrase" TEXT;

ALTER TABLE "tblMessageTrace" ADD COLUMN "sDetailPhrase" TEXT;

UPDATE "tblMailImporterVersion" SET version_num='0012', "sOldestProgram"='0001', "sOldestProgramOf"='0012';

-- 0013
CREATE TABLE "tblEmailFailure" (
    "nFailureID" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "nAccountID" BIGINT NOT NULL,
    "sGraphMessageID" VARCHAR(700) NOT NULL,
    "sState" VARCHAR(10) NOT NULL,
    "sInternetMessageID" VARCHAR(998),
    "sSubject" TEXT,
    "sFromName" TEXT,
    "sFromAddress" TEXT,
    "dtReceived" DATETIME,
    "nAttempts" INTEGER NOT NULL,
    "dtFirstFailed" DATETIME NOT NULL,
    "dtLastFailed" DATETIME NOT NULL,
    "dtNextAttempt" DATETIME,
    "sReason" VARCHAR(100),
    "sDetail" TEXT,
    "sDetailPhrase" TEXT,
    CONSTRAINT "CK_tblEmailFailure_sState" CHECK ("sState" IN ('retrying', 'dead')),
    CONSTRAINT "UQ_tblEmailFailure_nAccountID_sGraphMessageID" UNIQUE ("nAccountID", "sGraphMessageID")
);

CREATE INDEX "IX_tblEmailFailure_dtLastFailed" ON "tblEmailFailure" ("dtLastFailed");

CREATE TABLE "tblMailboxAddress" (
    "nAccountID" BIGINT NOT NULL,
    "sUserID" VARCHAR(320) NOT NULL,
    "sAddress" VARCHAR(320) NOT NULL,
    "dtLearned" DATETIME NOT NULL,
    CONSTRAINT "PK_tblMailboxAddress" PRIMARY KEY ("nAccountID")
);

CREATE TABLE "tblServiceOutage" (
    "sProcess" VARCHAR(100) NOT NULL,
    "sService" VARCHAR(20) NOT NULL,
    "dtSince" DATETIME NOT NULL,
    "dtSeen" DATETIME NOT NULL,
    "nAccounts" INTEGER NOT NULL,
    "sDetail" TEXT NOT NULL,
    "sDetailPhrase" TEXT,
    CONSTRAINT "PK_tblServiceOutage" PRIMARY KEY ("sProcess", "sService")
);

CREATE TABLE "tblProblem" (
    "nProblemID" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "sKind" VARCHAR(40) NOT NULL,
    "nAccountID" BIGINT,
    "sScope" VARCHAR(450) NOT NULL,
    "sKey" VARCHAR(64) NOT NULL,
    "nClosed" BIGINT DEFAULT '0' NOT NULL,
    "sSeverity" VARCHAR(10) NOT NULL,
    "dtFirstSeen" DATETIME NOT NULL,
    "dtOpened" DATETIME NOT NULL,
    "dtLastSeen" DATETIME NOT NULL,
    "dtCleared" DATETIME,
    "nCount" INTEGER NOT NULL,
    "sText" TEXT NOT NULL,
    "sTextPhrase" TEXT,
    "sRemedy" TEXT NOT NULL,
    "sRemedyPhrase" TEXT,
    "dtAlerted" DATETIME,
    "dtRecoveryAlerted" DATETIME,
    CONSTRAINT "CK_tblProblem_sSeverity" CHECK ("sSeverity" IN ('warning', 'error')),
    CONSTRAINT "UQ_tblProblem_sKey_nClosed" UNIQUE ("sKey", "nClosed")
);

CREATE INDEX "IX_tblProblem_dtCleared" ON "tblProblem" ("dtCleared");

CREATE TABLE "tblAlert" (
    "nAlertID" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "sTarget" VARCHAR(64) NOT NULL,
    "sTargetName" VARCHAR(200) NOT NULL,
    "sState" VARCHAR(10) NOT NULL,
    "sTitle" TEXT NOT NULL,
    "sBody" TEXT NOT NULL,
    "nAttempts" INTEGER DEFAULT '0' NOT NULL,
    "dtCreated" DATETIME NOT NULL,
    "dtDue" DATETIME NOT NULL,
    "dtEnded" DATETIME,
    "sDetail" TEXT,
    CONSTRAINT "CK_tblAlert_sState" CHECK ("sState" IN ('pending', 'sent', 'expired'))
);

CREATE INDEX "IX_tblAlert_sState_dtDue" ON "tblAlert" ("sState", "dtDue");

CREATE TABLE "tblLease" (
    "sName" VARCHAR(50) NOT NULL,
    "sOwner" VARCHAR(100) NOT NULL,
    "dtLeaseUntil" DATETIME NOT NULL,
    CONSTRAINT "PK_tblLease" PRIMARY KEY ("sName")
);

CREATE INDEX "IX_tblEmailMessage_dtReceived" ON "tblEmailMessage" ("dtReceived");

UPDATE "tblMailImporterVersion" SET version_num='0013', "sOldestProgram"='0001', "sOldestProgramOf"='0013';

-- 0014
CREATE TABLE "tblEmailConsumer" (
    "sConsumer" VARCHAR(100) NOT NULL,
    "nPosition" BIGINT DEFAULT '0' NOT NULL,
    "dtCreated" DATETIME NOT NULL,
    "dtMoved" DATETIME,
    "nNextPosition" BIGINT,
    "dtNextPosition" DATETIME,
    "sOpenTransactions" TEXT,
    CONSTRAINT "PK_tblEmailConsumer" PRIMARY KEY ("sConsumer")
);

CREATE TABLE "tblEmailRule" (
    "nRuleID" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "sName" VARCHAR(200) NOT NULL,
    "bEnabled" BOOLEAN NOT NULL,
    "nAccountID" BIGINT,
    "nPosition" INTEGER NOT NULL,
    "sSenders" TEXT,
    "sRecipients" TEXT,
    "sSubjectKind" VARCHAR(10),
    "sSubject" TEXT,
    "sBodyWords" TEXT,
    "sAttachmentNames" TEXT,
    "nAttachmentSizeLeast" BIGINT,
    "nAttachmentSizeMost" BIGINT,
    "bHasAttachments" BOOLEAN,
    "sFolder" VARCHAR(1000) NOT NULL,
    "sFileName" VARCHAR(400),
    "bSaveAttachments" BOOLEAN DEFAULT '1' NOT NULL,
    "sUnpack" VARCHAR(50),
    "sSaveBody" VARCHAR(10),
    "bSaveOriginal" BOOLEAN DEFAULT '0' NOT NULL,
    "bSaveMetadata" BOOLEAN DEFAULT '0' NOT NULL,
    "dtActiveSince" DATETIME NOT NULL,
    CONSTRAINT "CK_tblEmailRule_sSaveBody" CHECK ("sSaveBody" IN ('text', 'html', 'both')),
    CONSTRAINT "CK_tblEmailRule_sSubjectKind" CHECK ("sSubjectKind" IN ('is', 'contains', 'matches')),
    CONSTRAINT "UQ_tblEmailRule_sName" UNIQUE ("sName")
);

CREATE TABLE "tblEmailRuleChange" (
    "nChangeID" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "nRuleID" BIGINT NOT NULL,
    "dtChanged" DATETIME NOT NULL,
    "sAction" VARCHAR(20) NOT NULL,
    "sWho" VARCHAR(200),
    "sHost" VARCHAR(100),
    "sSettings" TEXT NOT NULL
);

CREATE INDEX "IX_tblEmailRuleChange_nRuleID" ON "tblEmailRuleChange" ("nRuleID", "nChangeID");

CREATE TABLE "tblEmailFile" (
    "nFileID" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "nMessageID" INTEGER NOT NULL,
    "nRuleID" BIGINT NOT NULL,
    "nRun" INTEGER DEFAULT '0' NOT NULL,
    "sKey" VARCHAR(64) NOT NULL,
    "sPart" VARCHAR(10) NOT NULL,
    "nPosition" INTEGER,
    "sMember" TEXT,
    "nMember" INTEGER,
    "nDataFileID" BIGINT,
    "sFolder" VARCHAR(1000) NOT NULL,
    "sFolderKey" VARCHAR(64) NOT NULL,
    "sFileName" VARCHAR(255) NOT NULL,
    "sTargetPath" TEXT,
    "sState" VARCHAR(10) NOT NULL,
    "nAttempts" INTEGER DEFAULT '0' NOT NULL,
    "sReason" VARCHAR(100),
    "sDetail" TEXT,
    "sDetailPhrase" TEXT,
    "nSize" BIGINT,
    "sSHA256" VARCHAR(64),
    "dtCreated" DATETIME NOT NULL,
    "dtDue" DATETIME,
    "dtRetryUntil" DATETIME NOT NULL,
    "dtSaved" DATETIME,
    "sOwner" VARCHAR(100),
    "sToken" VARCHAR(32),
    "sFolderIdentity" VARCHAR(100),
    CONSTRAINT "CK_tblEmailFile_sPart" CHECK ("sPart" IN ('attachment', 'zip', 'text', 'html', 'original', 'metadata')),
    CONSTRAINT "CK_tblEmailFile_sState" CHECK ("sState" IN ('pending', 'saved', 'failed', 'skipped')),
    CONSTRAINT "FK_tblEmailFile_nMessageID" FOREIGN KEY("nMessageID") REFERENCES "tblEmailMessage" ("nMessageID") ON DELETE CASCADE,
    CONSTRAINT "UQ_tblEmailFile_nMessageID_nRuleID_nRun_sKey" UNIQUE ("nMessageID", "nRuleID", "nRun", "sKey")
);

CREATE INDEX "IX_tblEmailFile_dtSaved" ON "tblEmailFile" ("dtSaved", "sFolderKey");

CREATE INDEX "IX_tblEmailFile_nDataFileID" ON "tblEmailFile" ("nDataFileID");

CREATE INDEX "IX_tblEmailFile_sFolderKey" ON "tblEmailFile" ("sState", "sFolderKey", "dtDue", "nAttempts", "nRuleID", "nFileID");

CREATE INDEX "IX_tblEmailFile_sState" ON "tblEmailFile" ("sState", "dtDue", "sFolderKey");

CREATE TABLE "tblEmailTaken" (
    "sConsumer" VARCHAR(100) NOT NULL,
    "nMessageID" INTEGER NOT NULL,
    "dtTaken" DATETIME NOT NULL,
    CONSTRAINT "PK_tblEmailTaken" PRIMARY KEY ("sConsumer", "nMessageID"),
    CONSTRAINT "FK_tblEmailTaken_nMessageID" FOREIGN KEY("nMessageID") REFERENCES "tblEmailMessage" ("nMessageID") ON DELETE CASCADE,
    CONSTRAINT "FK_tblEmailTaken_sConsumer" FOREIGN KEY("sConsumer") REFERENCES "tblEmailConsumer" ("sConsumer") ON DELETE CASCADE
);

CREATE INDEX "IX_tblEmailTaken_nMessageID" ON "tblEmailTaken" ("nMessageID");

ALTER TABLE "tblEmailMessage" ADD COLUMN "sRuleState" VARCHAR(10) DEFAULT 'white' CONSTRAINT "CK_tblEmailMessage_sRuleState" CHECK ("sRuleState" IN ('white', 'green', 'amber', 'red'));

ALTER TABLE "tblEmailMessage" ADD COLUMN "nRulesMatched" INTEGER;

CREATE INDEX "IX_tblEmailMessage_sRuleState" ON "tblEmailMessage" ("sRuleState", "nRulesMatched", "nMessageID");

CREATE INDEX "IX_tblEmailMessage_sRuleState_dtReceived" ON "tblEmailMessage" ("sRuleState", "dtReceived");

CREATE VIEW "vEmail" AS
SELECT
    m."nMessageID",
    m."nAccountID",
    a."sAccountName",
    COALESCE(b."sAddress", a."sUserID") AS "sMailbox",
    m."sGraphMessageID",
    m."sInternetMessageID",
    m."sConversationID",
    m."sSubject",
    m."sFromName",
    m."sFromAddress",
    m."sSenderName",
    m."sSenderAddress",
    m."dtSent",
    m."dtReceived",
    m."dtImported",
    m."sImportance",
    m."sCategories",
    m."sBodyType",
    m."sBody",
    m."sBodyText",
    m."bHasAttachments",
    (SELECT COUNT(*) AS n FROM "tblEmailAttachment" AS t WHERE t."nMessageID" = m."nMessageID" AND t."nParentPosition" IS NULL) AS "nAttachments",
    m."nSize",
    m."sWebLink",
    m."sRuleState",
    m."nRulesMatched",
    m."sAfterImport",
    m."sAfterImportState",
    m."sAfterImportDetail"
FROM "tblEmailMessage" AS m
LEFT JOIN "tblEmailAccountSettings" AS a ON a."nAccountID" = m."nAccountID"
LEFT JOIN "tblMailboxAddress" AS b ON b."nAccountID" = a."nAccountID"
    AND b."sUserID" = a."sUserID";

CREATE VIEW "vEmailAttachment" AS
SELECT
    t."nAttachmentID",
    t."nMessageID",
    t."nPosition",
    t."nParentPosition",
    t."sOrigin",
    t."sKind",
    t."sFileName",
    t."sSafeFileName",
    t."sContentType",
    t."nSize",
    t."bInline",
    t."sContentID",
    t."sSHA256",
    t."sState",
    t."sStateDetail",
    t."sItemType",
    t."sLink",
    m."nAccountID",
    a."sAccountName",
    COALESCE(b."sAddress", a."sUserID") AS "sMailbox",
    m."sInternetMessageID",
    m."sSubject",
    m."sFromName",
    m."sFromAddress",
    m."dtReceived",
    m."dtImported",
    t."biContent"
FROM "tblEmailAttachment" AS t
INNER JOIN "tblEmailMessage" AS m ON m."nMessageID" = t."nMessageID"
LEFT JOIN "tblEmailAccountSettings" AS a ON a."nAccountID" = m."nAccountID"
LEFT JOIN "tblMailboxAddress" AS b ON b."nAccountID" = a."nAccountID"
    AND b."sUserID" = a."sUserID";

UPDATE "tblMailImporterVersion" SET version_num='0014', "sOldestProgram"='0001', "sOldestProgramOf"='0014';

-- 0015
CREATE TABLE "tblConsoleActivity" (
    "nActivityID" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "dtAt" DATETIME NOT NULL,
    "sWho" VARCHAR(200) NOT NULL,
    "sAddress" VARCHAR(100) NOT NULL,
    "sAction" VARCHAR(40) NOT NULL,
    "nAccountID" BIGINT,
    "nMessageID" BIGINT,
    "sDetail" VARCHAR(400)
);

CREATE INDEX "IX_tblConsoleActivity_dtAt" ON "tblConsoleActivity" ("dtAt");

CREATE INDEX "IX_tblConsoleActivity_nMessageID" ON "tblConsoleActivity" ("nMessageID");

CREATE TABLE "tblConsoleAttempt" (
    "sKey" VARCHAR(64) NOT NULL,
    "nFailures" INTEGER NOT NULL,
    "dtFirst" DATETIME NOT NULL,
    CONSTRAINT "PK_tblConsoleAttempt" PRIMARY KEY ("sKey")
);

CREATE INDEX "IX_tblConsoleAttempt_dtFirst" ON "tblConsoleAttempt" ("dtFirst");

CREATE TABLE "tblConsoleSession" (
    "sSessionHash" VARCHAR(64) NOT NULL,
    "sKind" VARCHAR(20) NOT NULL,
    "sSubject" VARCHAR(200) NOT NULL,
    "sUserName" VARCHAR(200) NOT NULL,
    "sRoles" VARCHAR(200) NOT NULL,
    "sGroups" TEXT,
    "sAddress" VARCHAR(100) NOT NULL,
    "dtCreated" DATETIME NOT NULL,
    "dtUsed" DATETIME NOT NULL,
    "dtChecked" DATETIME NOT NULL,
    "sSealedToken" TEXT,
    CONSTRAINT "PK_tblConsoleSession" PRIMARY KEY ("sSessionHash")
);

CREATE INDEX "IX_tblConsoleSession_dtCreated" ON "tblConsoleSession" ("dtCreated");

CREATE INDEX "IX_tblConsoleSession_sSubject" ON "tblConsoleSession" ("sSubject");

CREATE TABLE "tblConsoleTicket" (
    "sTicketHash" VARCHAR(64) NOT NULL,
    "sKind" VARCHAR(20) NOT NULL,
    "sDetail" TEXT NOT NULL,
    "dtExpires" DATETIME NOT NULL,
    CONSTRAINT "PK_tblConsoleTicket" PRIMARY KEY ("sTicketHash")
);

CREATE INDEX "IX_tblConsoleTicket_dtExpires" ON "tblConsoleTicket" ("dtExpires");

CREATE TABLE "tblConsoleUser" (
    "nUserID" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "sUserName" VARCHAR(200) NOT NULL,
    "sPasswordHash" VARCHAR(400) NOT NULL,
    "sRoles" VARCHAR(200) NOT NULL,
    "sGroups" TEXT,
    "dtCreated" DATETIME NOT NULL,
    "dtPasswordChanged" DATETIME NOT NULL,
    CONSTRAINT "UQ_tblConsoleUser_sUserName" UNIQUE ("sUserName")
);

CREATE TABLE "tblConsoleToken" (
    "nTokenID" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "nUserID" BIGINT NOT NULL,
    "sTokenHash" VARCHAR(64) NOT NULL,
    "sTokenName" VARCHAR(100) NOT NULL,
    "dtCreated" DATETIME NOT NULL,
    "dtExpires" DATETIME NOT NULL,
    CONSTRAINT "FK_tblConsoleToken_nUserID" FOREIGN KEY("nUserID") REFERENCES "tblConsoleUser" ("nUserID") ON DELETE CASCADE,
    CONSTRAINT "UQ_tblConsoleToken_sTokenHash" UNIQUE ("sTokenHash")
);

CREATE INDEX "IX_tblConsoleToken_nUserID" ON "tblConsoleToken" ("nUserID");

ALTER TABLE "tblEmailAccountSettings" ADD COLUMN "sConsoleAccess" TEXT;

CREATE INDEX "IX_tblEmailMessage_dtImported" ON "tblEmailMessage" ("dtImported");

CREATE INDEX "IX_tblEmailSeen_dtReceived" ON "tblEmailSeen" ("dtReceived");

CREATE INDEX "IX_tblMessageTrace_sOutcome_dtEnded" ON "tblMessageTrace" ("sOutcome", "dtEnded");

UPDATE "tblMailImporterVersion" SET version_num='0015', "sOldestProgram"='0001', "sOldestProgramOf"='0015';
