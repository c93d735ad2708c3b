-- What Overseerr's db/db.sqlite3 holds, as far as our queries ask. Written from the source (own statements, no code copied); not made by
-- Overseerr itself. Only the tables that are asked, without their foreign keys.
-- sct/overseerr server/migration/: 1616576677254-AddUserQuotaFields @50d4426 (user), 1660714479373-AddMediaRequestIsAutoRequestedField
--   @fa50e3c (media_request), 1634904083966-AddIssues @5f6a28e (issue), 1611801511397-AddRatingKeysToMedia @5f6a28e (media),
--   1740717744278-UpdateWebPush @101b1d3 (the number that TypeORM keeps is that of its class, not of its file).
-- Which migration is the newest of 1.35 was not found out.
-- migrations: made by a real TypeORM 0.3.11 (see REPORT.md). Times: `YYYY-MM-DD HH:MM:SS`, with three decimals when the app wrote them, UTC.
CREATE TABLE "migrations" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "timestamp" bigint NOT NULL, "name" varchar NOT NULL);
CREATE TABLE "user" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "email" varchar NOT NULL UNIQUE, "username" varchar, "plexId" integer,
  "plexToken" varchar, "permissions" integer NOT NULL DEFAULT (0), "avatar" varchar NOT NULL,
  "createdAt" datetime NOT NULL DEFAULT (datetime('now')), "updatedAt" datetime NOT NULL DEFAULT (datetime('now')), "password" varchar,
  "userType" integer NOT NULL DEFAULT (1), "plexUsername" varchar, "resetPasswordGuid" varchar, "recoveryLinkExpirationDate" date,
  "movieQuotaLimit" integer, "movieQuotaDays" integer, "tvQuotaLimit" integer, "tvQuotaDays" integer);
CREATE TABLE "media" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "mediaType" varchar NOT NULL, "tmdbId" integer NOT NULL,
  "tvdbId" integer UNIQUE, "imdbId" varchar, "status" integer NOT NULL DEFAULT (1), "createdAt" datetime NOT NULL DEFAULT (datetime('now')),
  "updatedAt" datetime NOT NULL DEFAULT (datetime('now')), "lastSeasonChange" datetime NOT NULL DEFAULT (CURRENT_TIMESTAMP),
  "status4k" integer NOT NULL DEFAULT (1), "mediaAddedAt" datetime, "serviceId" integer, "serviceId4k" integer, "externalServiceId" integer,
  "externalServiceId4k" integer, "externalServiceSlug" varchar, "externalServiceSlug4k" varchar, "ratingKey" varchar, "ratingKey4k" varchar);
CREATE TABLE "media_request" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "status" integer NOT NULL,
  "createdAt" datetime NOT NULL DEFAULT (datetime('now')), "updatedAt" datetime NOT NULL DEFAULT (datetime('now')), "type" varchar NOT NULL,
  "mediaId" integer, "requestedById" integer, "modifiedById" integer, "is4k" boolean NOT NULL DEFAULT (0), "serverId" integer,
  "profileId" integer, "rootFolder" varchar, "languageProfileId" integer, "tags" text, "isAutoRequest" boolean NOT NULL DEFAULT (0));
CREATE TABLE "issue" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "issueType" integer NOT NULL, "status" integer NOT NULL DEFAULT (1),
  "problemSeason" integer NOT NULL DEFAULT (0), "problemEpisode" integer NOT NULL DEFAULT (0),
  "createdAt" datetime NOT NULL DEFAULT (datetime('now')), "updatedAt" datetime NOT NULL DEFAULT (datetime('now')), "mediaId" integer,
  "createdById" integer, "modifiedById" integer);

INSERT INTO "migrations" ("timestamp","name") VALUES (1603944374840,'InitialMigration1603944374840'), (1634904083966,'AddIssues1634904083966'),
  (1660714479373,'AddMediaRequestIsAutoRequestedField1660714479373'), (1740788263354,'UpdateWebPush1740788263354');
INSERT INTO "user" ("email","avatar") VALUES ('one@example.org','/a'), ('two@example.org','/b');
INSERT INTO "media" ("mediaType","tmdbId","tvdbId") VALUES ('movie',1,NULL), ('movie',2,NULL), ('tv',3,103);
INSERT INTO "media_request" ("status","createdAt","type","mediaId","requestedById") VALUES (2,'2026-01-03 10:00:00','movie',1,1),
  (2,'2026-01-04 10:00:00.678','tv',3,2);
INSERT INTO "issue" ("issueType","createdAt","mediaId","createdById") VALUES (1,'2026-01-05 10:00:00',1,2);
