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
    "dtSince" TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    "dtNextAttempt" TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    CONSTRAINT "PK_tblAccountCondition" PRIMARY KEY ("nAccountID", "sRole")
);

CREATE TABLE "tblEmailAccountSettings" (
    "nAccountID" BIGSERIAL NOT NULL,
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
    "dtRemoved" TIMESTAMP WITHOUT TIME ZONE,
    CONSTRAINT "PK_tblEmailAccountSettings" PRIMARY KEY ("nAccountID"),
    CONSTRAINT "CK_tblEmailAccountSettings_sAfterImport" CHECK ("sAfterImport" IN ('none', 'read', 'move', 'delete')),
    CONSTRAINT "UQ_tblEmailAccountSettings_sAccountName" UNIQUE ("sAccountName")
);

CREATE TABLE "tblEmailMessage" (
    "nMessageID" BIGSERIAL NOT NULL,
    "nAccountID" BIGINT NOT NULL,
    "sGraphMessageID" VARCHAR(700) COLLATE "C" NOT NULL,
    "sInternetMessageID" VARCHAR(998),
    "sConversationID" VARCHAR(700),
    "sSubject" TEXT,
    "sFromName" TEXT,
    "sFromAddress" TEXT,
    "dtSent" TIMESTAMP WITHOUT TIME ZONE,
    "dtReceived" TIMESTAMP WITHOUT TIME ZONE,
    "sImportance" VARCHAR(20),
    "sBodyType" VARCHAR(20),
    "sBody" TEXT,
    "bHasAttachments" BOOLEAN NOT NULL,
    "dtImported" TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    "sCorrelationID" VARCHAR(64),
    CONSTRAINT "PK_tblEmailMessage" PRIMARY KEY ("nMessageID"),
    CONSTRAINT "UQ_tblEmailMessage_nAccountID_sGraphMessageID" UNIQUE ("nAccountID", "sGraphMessageID")
);

CREATE INDEX "IX_tblEmailMessage_nAccountID_dtReceived" ON "tblEmailMessage" ("nAccountID", "dtReceived");

CREATE TABLE "tblGraphSubscription" (
    "sSubscriptionID" VARCHAR(100) COLLATE "C" NOT NULL,
    "nAccountID" BIGINT NOT NULL,
    "dtExpires" TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    "sState" VARCHAR(20) NOT NULL,
    "sResource" VARCHAR(1000) NOT NULL,
    "sNotificationURL" VARCHAR(1000) NOT NULL,
    "sKeyFingerprint" VARCHAR(64) NOT NULL,
    "dtGranted" TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    CONSTRAINT "PK_tblGraphSubscription" PRIMARY KEY ("sSubscriptionID"),
    CONSTRAINT "UQ_tblGraphSubscription_nAccountID" UNIQUE ("nAccountID")
);

CREATE TABLE "tblImporterSecret" (
    "sName" VARCHAR(100) NOT NULL,
    "sValue" TEXT NOT NULL,
    "dtCreated" TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    CONSTRAINT "PK_tblImporterSecret" PRIMARY KEY ("sName")
);

CREATE TABLE "tblNotificationQueue" (
    "nSequence" BIGSERIAL NOT NULL,
    "sMessageID" VARCHAR(128) COLLATE "C" NOT NULL,
    "nRetired" BIGINT DEFAULT '0' NOT NULL,
    "sState" VARCHAR(10) NOT NULL,
    "nAccountID" BIGINT,
    "sBody" TEXT NOT NULL,
    "dtEnqueued" TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    "dtVisible" TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    "nDeliveryCount" INTEGER DEFAULT '0' NOT NULL,
    "sLockToken" VARCHAR(32),
    "sReason" VARCHAR(100),
    "sDescription" TEXT,
    "dtDeadLettered" TIMESTAMP WITHOUT TIME ZONE,
    CONSTRAINT "PK_tblNotificationQueue" PRIMARY KEY ("nSequence"),
    CONSTRAINT "CK_tblNotificationQueue_sState" CHECK ("sState" IN ('active', 'dead', 'done')),
    CONSTRAINT "UQ_tblNotificationQueue_sMessageID_nRetired" UNIQUE ("sMessageID", "nRetired")
);

CREATE INDEX "IX_tblNotificationQueue_sState_dtVisible" ON "tblNotificationQueue" ("sState", "dtVisible");

CREATE TABLE "tblSubscriptionSchedule" (
    "nAccountID" BIGINT NOT NULL,
    "dtDue" TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    "sOwner" VARCHAR(100),
    "dtLeaseUntil" TIMESTAMP WITHOUT TIME ZONE,
    "nFailures" INTEGER DEFAULT '0' NOT NULL,
    "sAttemptFingerprint" VARCHAR(64),
    CONSTRAINT "PK_tblSubscriptionSchedule" PRIMARY KEY ("nAccountID")
);

CREATE INDEX "IX_tblSubscriptionSchedule_dtDue" ON "tblSubscriptionSchedule" ("dtDue");

CREATE TABLE "tblEmailAttachment" (
    "nAttachmentID" BIGSERIAL NOT NULL,
    "nMessageID" BIGINT NOT NULL,
    "nPosition" INTEGER NOT NULL,
    "sGraphAttachmentID" TEXT,
    "sKind" VARCHAR(20) NOT NULL,
    "sFileName" TEXT,
    "sContentType" TEXT,
    "nSize" BIGINT NOT NULL,
    "bInline" BOOLEAN NOT NULL,
    "sContentID" TEXT,
    "sSHA256" VARCHAR(64),
    "biContent" BYTEA,
    CONSTRAINT "PK_tblEmailAttachment" PRIMARY KEY ("nAttachmentID"),
    CONSTRAINT "CK_tblEmailAttachment_sKind" CHECK ("sKind" IN ('file', 'item', 'reference')),
    CONSTRAINT "FK_tblEmailAttachment_nMessageID" FOREIGN KEY("nMessageID") REFERENCES "tblEmailMessage" ("nMessageID") ON DELETE CASCADE,
    CONSTRAINT "UQ_tblEmailAttachment_nMessageID_nPosition" UNIQUE ("nMessageID", "nPosition")
);

CREATE TABLE "tblEmailRecipient" (
    "nMessageID" BIGINT NOT NULL,
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

ALTER TABLE "tblEmailAccountSettings" ADD COLUMN "dtImportSince" TIMESTAMP WITHOUT TIME ZONE;

ALTER TABLE "tblGraphSubscription" ADD COLUMN "dtCreated" TIMESTAMP WITHOUT TIME ZONE;

ALTER TABLE "tblSubscriptionSchedule" ADD COLUMN "nRequests" INTEGER DEFAULT '0' NOT NULL;

ALTER TABLE "tblSubscriptionSchedule" ADD COLUMN "dtReauthorize" TIMESTAMP WITHOUT TIME ZONE;

ALTER TABLE "tblSubscriptionSchedule" ADD COLUMN "bRecreate" BOOLEAN DEFAULT '0' NOT NULL;

ALTER TABLE "tblSubscriptionSchedule" ADD COLUMN "sServed" VARCHAR(1300);

ALTER TABLE "tblSubscriptionSchedule" ADD COLUMN "sServedWith" VARCHAR(64);

CREATE TABLE "tblFolderSync" (
    "nAccountID" BIGINT NOT NULL,
    "dtDue" TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    "sOwner" VARCHAR(100),
    "dtLeaseUntil" TIMESTAMP WITHOUT TIME ZONE,
    "nFailures" INTEGER DEFAULT '0' NOT NULL,
    "nRequests" INTEGER DEFAULT '0' NOT NULL,
    "sResource" VARCHAR(1000),
    "sLink" TEXT,
    "bFullPass" BOOLEAN DEFAULT '1' NOT NULL,
    "bGap" BOOLEAN DEFAULT '1' NOT NULL,
    "dtSwept" TIMESTAMP WITHOUT TIME ZONE,
    CONSTRAINT "PK_tblFolderSync" PRIMARY KEY ("nAccountID")
);

CREATE INDEX "IX_tblFolderSync_dtDue" ON "tblFolderSync" ("dtDue");

CREATE TABLE "tblMissedNotification" (
    "nMissedID" BIGSERIAL NOT NULL,
    "nAccountID" BIGINT NOT NULL,
    "sGraphMessageID" VARCHAR(700) COLLATE "C" NOT NULL,
    "dtReceived" TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    "dtFound" TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    "dtTold" TIMESTAMP WITHOUT TIME ZONE,
    CONSTRAINT "PK_tblMissedNotification" PRIMARY KEY ("nMissedID"),
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
    "dtLeaseUntil" TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    CONSTRAINT "PK_tblMailboxCall" PRIMARY KEY ("sMailbox", "nSlot")
);

CREATE INDEX "IX_tblMailboxCall_dtLeaseUntil" ON "tblMailboxCall" ("dtLeaseUntil");

CREATE TABLE "tblMessageTrace" (
    "nTraceID" BIGSERIAL NOT NULL,
    "nAccountID" BIGINT,
    "sGraphMessageID" VARCHAR(700) COLLATE "C",
    "sInternetMessageID" VARCHAR(998),
    "sSubject" VARCHAR(400),
    "sSource" VARCHAR(20),
    "sCorrelationID" VARCHAR(64),
    "sQueueMessageID" VARCHAR(128),
    "dtNotified" TIMESTAMP WITHOUT TIME ZONE,
    "dtQueued" TIMESTAMP WITHOUT TIME ZONE,
    "nAttempt" INTEGER,
    "sHost" VARCHAR(100) NOT NULL,
    "dtStarted" TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    "dtFetched" TIMESTAMP WITHOUT TIME ZONE,
    "dtEnded" TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    "sOutcome" VARCHAR(20) NOT NULL,
    "sReason" VARCHAR(100),
    "sDetail" TEXT,
    CONSTRAINT "PK_tblMessageTrace" PRIMARY KEY ("nTraceID")
);

CREATE INDEX "IX_tblMessageTrace_nAccountID_sGraphMessageID" ON "tblMessageTrace" ("nAccountID", "sGraphMessageID");

CREATE INDEX "IX_tblMessageTrace_dtEnded" ON "tblMessageTrace" ("dtEnded");

CREATE TABLE "tblQueueAudit" (
    "nAuditID" BIGSERIAL NOT NULL,
    "sAction" VARCHAR(20) NOT NULL,
    "sWho" VARCHAR(200) NOT NULL,
    "sHost" VARCHAR(100) NOT NULL,
    "sQueue" VARCHAR(400) NOT NULL,
    "sSelection" TEXT NOT NULL,
    "sWhy" TEXT,
    "dtStarted" TIMESTAMP WITHOUT TIME ZONE NOT NULL,
    "dtEnded" TIMESTAMP WITHOUT TIME ZONE,
    "nMessages" INTEGER DEFAULT '0' NOT NULL,
    CONSTRAINT "PK_tblQueueAudit" PRIMARY KEY ("nAuditID")
);

UPDATE "tblMailImporterVersion" SET version_num='0003';
