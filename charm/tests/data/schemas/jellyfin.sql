-- What Jellyfin's data/data/jellyfin.db holds (10.11; before it the library was in library.db), as far as our queries ask.
-- Written from the source (own statements, no code copied); not made by Jellyfin itself. Only the tables that are asked, and
-- of BaseItems and Users a part of the columns; UserData without its keys. The numbers of ProductVersion are made up, their forms are not.
-- jellyfin/jellyfin src/Jellyfin.Database/Jellyfin.Database.Providers.Sqlite/Migrations/: 20241020103111_LibraryDbMigration @6da4ac8
--   (BaseItems, UserData), 20200613202153_AddUsers @094b1fd, 20200514181226_AddActivityLog @ea8f1ff, 20221022080052_AddIndexActivityLogsDateCreated;
--   Entities/BaseItemEntity.cs @05647ec, UserData.cs @22ab963, ActivityLog.cs @160020c
-- __EFMigrationsHistory: Entity Framework's own table. Jellyfin puts its code migrations there too, as TIME_NAME with its own version
--   of four parts: Jellyfin.Server/Migrations/JellyfinMigrationService.cs @ef6653c, Stages/CodeMigration.cs @126d4d2.
-- Times: Microsoft.Data.Sqlite writes a blank, up to seven decimals and no zone; they are UTC (ActivityLog.cs: UtcNow).
CREATE TABLE "__EFMigrationsHistory" ("MigrationId" TEXT NOT NULL CONSTRAINT "PK___EFMigrationsHistory" PRIMARY KEY, "ProductVersion" TEXT NOT NULL);
CREATE TABLE "BaseItems" ("Id" TEXT NOT NULL CONSTRAINT "PK_BaseItems" PRIMARY KEY, "Type" TEXT NOT NULL, "Data" TEXT, "Path" TEXT,
  "Name" TEXT, "MediaType" TEXT, "DateCreated" TEXT, "DateModified" TEXT, "DateLastSaved" TEXT, "IsFolder" INTEGER NOT NULL,
  "IsVirtualItem" INTEGER NOT NULL, "IsMovie" INTEGER NOT NULL, "IsSeries" INTEGER NOT NULL, "PrimaryVersionId" TEXT, "ExtraType" INTEGER,
  "OwnerId" TEXT, "ParentId" TEXT, "TopParentId" TEXT, "SeriesId" TEXT, "SeasonId" TEXT);
CREATE TABLE "Users" ("Id" TEXT NOT NULL CONSTRAINT "PK_Users" PRIMARY KEY, "Username" TEXT NOT NULL COLLATE NOCASE, "Password" TEXT,
  "AuthenticationProviderId" TEXT NOT NULL, "LastActivityDate" TEXT, "LastLoginDate" TEXT, "InternalId" INTEGER NOT NULL, "RowVersion" INTEGER NOT NULL);
CREATE TABLE "UserData" ("CustomDataKey" TEXT NOT NULL, "ItemId" TEXT NOT NULL, "UserId" TEXT NOT NULL, "Rating" REAL,
  "PlaybackPositionTicks" INTEGER NOT NULL, "PlayCount" INTEGER NOT NULL, "IsFavorite" INTEGER NOT NULL, "LastPlayedDate" TEXT,
  "Played" INTEGER NOT NULL, "AudioStreamIndex" INTEGER, "SubtitleStreamIndex" INTEGER, "Likes" INTEGER, "RetentionDate" TEXT);
CREATE TABLE "ActivityLogs" ("Id" INTEGER NOT NULL CONSTRAINT "PK_ActivityLogs" PRIMARY KEY AUTOINCREMENT, "Name" TEXT NOT NULL,
  "Overview" TEXT, "ShortOverview" TEXT, "Type" TEXT NOT NULL, "UserId" TEXT NOT NULL, "ItemId" TEXT, "DateCreated" TEXT NOT NULL,
  "LogSeverity" INTEGER NOT NULL, "RowVersion" INTEGER NOT NULL);
CREATE INDEX "IX_ActivityLogs_DateCreated" ON "ActivityLogs" ("DateCreated");

INSERT INTO "__EFMigrationsHistory" VALUES ('20241020103111_LibraryDbMigration','9.0.7'), ('20250420200000_MigrateLibraryDb','10.11.0.0'),
  ('20250730215000_ReseedFolderFlag','10.11.0.0'), ('20250714044826_ResetJournalMode','9.0.7');
INSERT INTO "BaseItems" ("Id","Type","Name","DateCreated","IsFolder","IsVirtualItem","IsMovie","IsSeries") VALUES
  ('00000000-0000-0000-0000-00000000000A','MediaBrowser.Controller.Entities.CollectionFolder','Films','2026-01-02 03:00:00',1,0,0,0),
  ('00000000-0000-0000-0000-00000000000B','MediaBrowser.Controller.Entities.CollectionFolder','Series','2026-01-02 03:00:00.1',1,0,0,0),
  ('00000000-0000-0000-0000-000000000001','MediaBrowser.Controller.Entities.Folder','films',NULL,1,0,0,0),
  ('00000000-0000-0000-0000-00000000000C','MediaBrowser.Controller.Entities.Movies.Movie','One','2026-01-03 10:00:00.1234567',0,0,1,0),
  ('00000000-0000-0000-0000-00000000000D','MediaBrowser.Controller.Entities.Movies.Movie','Two','2026-01-04 10:00:00.7654321',0,0,1,0),
  ('00000000-0000-0000-0000-00000000000E','MediaBrowser.Controller.Entities.TV.Series','First','2026-01-03 12:00:00',1,0,0,1),
  ('00000000-0000-0000-0000-00000000000F','MediaBrowser.Controller.Entities.TV.Episode','There','2026-01-03 12:00:00',0,0,0,0),
  ('00000000-0000-0000-0000-000000000010','MediaBrowser.Controller.Entities.TV.Episode','Missing','2026-01-05 12:00:00',0,1,0,0);
INSERT INTO "Users" VALUES ('00000000-0000-0000-0000-000000000021','admin',NULL,'x',NULL,NULL,1,1), ('00000000-0000-0000-0000-000000000022','guest',NULL,'x',NULL,NULL,2,1);
INSERT INTO "UserData" ("CustomDataKey","ItemId","UserId","PlaybackPositionTicks","PlayCount","IsFavorite","LastPlayedDate","Played") VALUES
  ('1','00000000-0000-0000-0000-00000000000C','00000000-0000-0000-0000-000000000021',0,1,0,'2026-01-05 20:00:00.25',1),
  ('2','00000000-0000-0000-0000-00000000000D','00000000-0000-0000-0000-000000000021',500,1,1,'2026-01-05 21:00:00',0);
INSERT INTO "ActivityLogs" ("Name","Type","UserId","DateCreated","LogSeverity","RowVersion") VALUES
  ('admin is online','SessionStarted','00000000-0000-0000-0000-000000000021','2026-01-05 19:59:00.123',2,1),
  ('admin is playing One','VideoPlayback','00000000-0000-0000-0000-000000000021','2026-01-05 20:00:01.9999999',2,1);
