-- What Seerr's db/db.sqlite3 holds, as far as our queries ask. Written from the source (own statements, no code copied); not made by
-- Seerr itself. Only the tables that are asked, without their foreign keys, and of user and media a part of the columns.
-- seerr-team/seerr server/entity/MediaRequest.ts @c77d24a, Blocklist.ts @a9f3d62, Watchlist.ts @adf56d6, server/datasource.ts @027b7aa;
--   server/migration/sqlite/: 1746900000000-RenameBlacklistToBlocklist @33a5d9a, 1772047972752-AddMediaTypeToUniqueConstraints @ad40def
--   (which is the newest of 3.2 was not found out); migration AddWatchlists1682608634546, found by its text, its repository not named.
--   user, media, media_request and issue are those of overseerr.sql: that Seerr keeps Overseerr's migrations is taken from its history.
-- migrations: made by a real TypeORM 0.3.11 (see REPORT.md). Times: `YYYY-MM-DD HH:MM:SS`, with three decimals when the app wrote them, UTC.
-- It can keep its state in PostgreSQL instead (datasource.ts: isPgsql); then there is no such file.
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
CREATE TABLE "watchlist" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "ratingKey" varchar NOT NULL, "mediaType" varchar NOT NULL,
  "title" varchar NOT NULL, "tmdbId" integer NOT NULL, "createdAt" datetime NOT NULL DEFAULT (CURRENT_TIMESTAMP),
  "updatedAt" datetime NOT NULL DEFAULT (CURRENT_TIMESTAMP), "requestedById" integer, "mediaId" integer);
CREATE TABLE "blocklist" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "mediaType" varchar NOT NULL, "title" varchar,
  "tmdbId" integer NOT NULL, "blocklistedTags" varchar, "createdAt" datetime NOT NULL DEFAULT (CURRENT_TIMESTAMP), "userId" integer,
  "mediaId" integer, UNIQUE ("tmdbId", "mediaType"));

INSERT INTO "migrations" ("timestamp","name") VALUES (1603944374840,'InitialMigration1603944374840'), (1682608634546,'AddWatchlists1682608634546'),
  (1746900000000,'RenameBlacklistToBlocklist1746900000000'), (1772047972752,'AddMediaTypeToUniqueConstraints1772047972752');
INSERT INTO "user" ("email","avatar") VALUES ('one@example.org','/a'), ('two@example.org','/b'), ('three@example.org','/c');
INSERT INTO "media" ("mediaType","tmdbId","tvdbId") VALUES ('movie',1,NULL), ('tv',3,103);
INSERT INTO "media_request" ("status","createdAt","type","mediaId","requestedById") VALUES (2,'2026-01-03 10:00:00','movie',1,1),
  (5,'2026-01-04 10:00:00.678','tv',3,2), (1,'2026-01-04 09:00:00.001','movie',1,3);
INSERT INTO "issue" ("issueType","createdAt","mediaId","createdById") VALUES (1,'2026-01-05 10:00:00',1,2);
INSERT INTO "watchlist" ("ratingKey","mediaType","title","tmdbId","requestedById") VALUES ('','movie','One',1,1);
INSERT INTO "blocklist" ("mediaType","title","tmdbId","userId") VALUES ('movie','Never',9,1), ('tv','Nor this',9,1);
