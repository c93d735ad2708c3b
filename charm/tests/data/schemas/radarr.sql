-- What Radarr's radarr.db holds, as far as our queries ask. Written from the source (own statements, no code copied);
-- not made by Radarr itself. Only the tables that are asked.
-- VersionInfo: fluentmigrator/fluentmigrator, class DefaultVersionTableMetaData (Version, AppliedOn, Description; index UC_Version).
--   Description is the migration's class name; AppliedOn is a time with a T and no zone.
-- Movies: Radarr/Radarr src/NzbDrone.Core/Datastore/Migration/ 001_initial_setup, 104_add_moviefiles_table,
--   207_movie_metadata @4a52b93 (what moved to MovieMetadata), 230_rename_quality_profiles @085ab63, 234_movie_last_searched_time @385b88b
-- MovieFiles: 104, 165 (IndexerFlags), 167 (OriginalFilePath; Path gone)
-- Collections: 208_collections @f80272a (a part of it was read). History: 001 and class MovieHistory. Indexers, DownloadClients: 001,
--   Indexers/IndexerDefinition.cs @e8c9252, Download/DownloadClientDefinition.cs @9a395b5, ThingiProvider/ProviderDefinition.cs
-- Newest migration seen: 242_add_movie_keywords @cb59ce8.
-- Times: System.Data.SQLite with DateTimeKind=Utc (Datastore/ConnectionStringFactory.cs @31f082e): concluded from it, not seen in a file that
--   Radarr made: a blank, up to seven decimals, a Z.
-- Settings: JSON with lower camel names, defaults left out (Datastore/Converters/EmbeddedDocumentConverter.cs @26a04c9).
CREATE TABLE "VersionInfo" ("Version" INTEGER NOT NULL, "AppliedOn" DATETIME, "Description" TEXT);
CREATE UNIQUE INDEX "UC_Version" ON "VersionInfo" ("Version" ASC);
CREATE TABLE "Movies" ("Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "Path" TEXT NOT NULL, "Monitored" INTEGER NOT NULL,
  "QualityProfileId" INTEGER NOT NULL, "Added" DATETIME, "Tags" TEXT, "AddOptions" TEXT, "MovieFileId" INTEGER NOT NULL DEFAULT 0,
  "MinimumAvailability" INTEGER NOT NULL, "MovieMetadataId" INTEGER NOT NULL, "LastSearchTime" DATETIME);
CREATE TABLE "MovieFiles" ("Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "MovieId" INTEGER NOT NULL, "Quality" TEXT NOT NULL,
  "Size" INTEGER NOT NULL, "DateAdded" DATETIME NOT NULL, "SceneName" TEXT, "MediaInfo" TEXT, "ReleaseGroup" TEXT,
  "RelativePath" TEXT, "Edition" TEXT, "Languages" TEXT NOT NULL DEFAULT '[]', "IndexerFlags" INTEGER NOT NULL DEFAULT 0,
  "OriginalFilePath" TEXT);
CREATE TABLE "Collections" ("Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "TmdbId" INTEGER NOT NULL, "QualityProfileId" INTEGER NOT NULL,
  "RootFolderPath" TEXT NOT NULL, "MinimumAvailability" INTEGER NOT NULL, "SearchOnAdd" INTEGER NOT NULL, "Title" TEXT NOT NULL,
  "SortTitle" TEXT, "CleanTitle" TEXT NOT NULL, "Overview" TEXT, "Images" TEXT NOT NULL DEFAULT '[]',
  "Monitored" INTEGER NOT NULL DEFAULT 0, "LastInfoSync" DATETIME, "Added" DATETIME);
CREATE TABLE "History" ("Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "SourceTitle" TEXT NOT NULL, "Date" DATETIME NOT NULL,
  "Quality" TEXT NOT NULL, "Data" TEXT NOT NULL, "EventType" INTEGER, "DownloadId" TEXT, "MovieId" INTEGER NOT NULL DEFAULT 0,
  "Languages" TEXT NOT NULL DEFAULT '[]');
CREATE INDEX "IX_History_Date" ON "History" ("Date" ASC);
CREATE TABLE "Indexers" ("Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "Name" TEXT NOT NULL UNIQUE, "Implementation" TEXT NOT NULL,
  "Settings" TEXT, "ConfigContract" TEXT, "EnableRss" INTEGER, "EnableAutomaticSearch" INTEGER, "EnableInteractiveSearch" INTEGER NOT NULL,
  "Priority" INTEGER NOT NULL DEFAULT 25, "Tags" TEXT, "DownloadClientId" INTEGER NOT NULL DEFAULT 0);
CREATE TABLE "DownloadClients" ("Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "Enable" INTEGER NOT NULL, "Name" TEXT NOT NULL,
  "Implementation" TEXT NOT NULL, "Settings" TEXT NOT NULL, "ConfigContract" TEXT NOT NULL, "Priority" INTEGER NOT NULL DEFAULT 1,
  "RemoveCompletedDownloads" INTEGER NOT NULL DEFAULT 1, "RemoveFailedDownloads" INTEGER NOT NULL DEFAULT 1, "Tags" TEXT);

INSERT INTO "VersionInfo" VALUES (1,'2026-01-02T03:04:05','InitialSetup'), (230,'2026-01-02T03:04:06','rename_quality_profiles'),
  (242,'2026-01-02T03:04:06','add_movie_keywords');
INSERT INTO "Movies" VALUES (1,'/media/films/One (2001)',1,1,'2026-01-03 10:00:00.1234567Z','[]',NULL,1,3,1,NULL),
  (2,'/media/films/Two (2002)',1,1,'2026-01-04 10:00:00Z','[]',NULL,2,3,2,NULL),
  (3,'/media/films/Three (2003)',0,1,'2026-01-05 10:00:00Z','[]',NULL,0,3,3,NULL);
INSERT INTO "MovieFiles" ("MovieId","Quality","Size","DateAdded","RelativePath") VALUES
  (1,'{}',1000,'2026-01-03 11:00:00Z','One.mkv'), (2,'{}',2000,'2026-01-04 11:00:00Z','Two.mkv');
INSERT INTO "Collections" ("TmdbId","QualityProfileId","RootFolderPath","MinimumAvailability","SearchOnAdd","Title","CleanTitle")
  VALUES (10,1,'/media/films',3,1,'Numbers','numbers');
INSERT INTO "History" ("SourceTitle","Date","Quality","Data","EventType","MovieId") VALUES
  ('One.2001','2026-01-03 10:30:00.7654321Z','{}','{}',1,1), ('One.2001','2026-01-03 11:00:00.5Z','{}','{}',3,1),
  ('Two.2002','2026-01-04 11:00:00Z','{}','{}',3,2), ('Two.2002','2026-01-04 10:59:59.9999999Z','{}','{}',1,2);
INSERT INTO "Indexers" ("Name","Implementation","Settings","ConfigContract","EnableRss","EnableAutomaticSearch","EnableInteractiveSearch") VALUES
  ('Example (Prowlarr)','Newznab','{"baseUrl":"http://prowlarr:9696/1/","apiPath":"/api","apiKey":"made-up-key-of-prowlarr"}','NewznabSettings',1,1,1);
INSERT INTO "DownloadClients" ("Enable","Name","Implementation","Settings","ConfigContract") VALUES
  (1,'SABnzbd','Sabnzbd','{"host":"sabnzbd","port":8080,"urlBase":"/sabnzbd","apiKey":"made-up-key-of-sabnzbd"}','SabnzbdSettings'),
  (1,'qBittorrent','QBittorrent','{"host":"qbittorrent","port":8080,"username":"admin","password":"made-up-password"}','QBittorrentSettings');
