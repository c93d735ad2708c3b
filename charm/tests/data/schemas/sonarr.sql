-- What Sonarr's sonarr.db holds, as far as our queries ask. Written from the source (own statements, no code copied);
-- not made by Sonarr itself. Only the tables that are asked.
-- VersionInfo: fluentmigrator/fluentmigrator, class DefaultVersionTableMetaData. Description is the migration's class name.
-- Series, Episodes, EpisodeFiles, History, Indexers: Sonarr/Sonarr src/NzbDrone.Core/Datastore/Migration/001_initial_setup.cs
--   @d3ae3d0 and Tv/Series.cs @068ea1e, Tv/Episode.cs and MediaFiles/EpisodeFile.cs @821a361, class EpisodeHistory;
--   130 (LastSearchTime), 199 (LastAired), 200 (MonitorNewItems), 204 (ReleaseHash); table names: Datastore/TableMapping.cs @b1593a5
-- Newest migrations seen: 217_add_mal_and_anilist_ids @7d77500, 223_add_source_to_blocklist @25d6a91; which of them 4.0.17 has was not found out.
-- Times and Settings as in Radarr: a blank, up to seven decimals, a Z; JSON with lower camel names, defaults left out.
CREATE TABLE "VersionInfo" ("Version" INTEGER NOT NULL, "AppliedOn" DATETIME, "Description" TEXT);
CREATE UNIQUE INDEX "UC_Version" ON "VersionInfo" ("Version" ASC);
CREATE TABLE "Series" ("Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "TvdbId" INTEGER NOT NULL UNIQUE, "TvRageId" INTEGER NOT NULL,
  "ImdbId" TEXT, "Title" TEXT NOT NULL, "TitleSlug" TEXT, "CleanTitle" TEXT NOT NULL, "Status" INTEGER NOT NULL, "Overview" TEXT,
  "AirTime" TEXT, "Images" TEXT NOT NULL, "Path" TEXT NOT NULL, "Monitored" INTEGER NOT NULL, "QualityProfileId" INTEGER NOT NULL,
  "SeasonFolder" INTEGER NOT NULL, "LastInfoSync" DATETIME, "Runtime" INTEGER NOT NULL, "SeriesType" INTEGER NOT NULL, "Network" TEXT,
  "UseSceneNumbering" INTEGER NOT NULL, "FirstAired" DATETIME, "LastAired" DATETIME, "Year" INTEGER, "Seasons" TEXT, "Actors" TEXT,
  "Ratings" TEXT, "Genres" TEXT, "Certification" TEXT, "SortTitle" TEXT, "Tags" TEXT, "Added" DATETIME, "AddOptions" TEXT,
  "TvMazeId" INTEGER NOT NULL DEFAULT 0, "MonitorNewItems" INTEGER NOT NULL DEFAULT 0);
CREATE TABLE "Episodes" ("Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "SeriesId" INTEGER NOT NULL, "SeasonNumber" INTEGER NOT NULL,
  "EpisodeNumber" INTEGER NOT NULL, "Title" TEXT, "Overview" TEXT, "EpisodeFileId" INTEGER, "AbsoluteEpisodeNumber" INTEGER,
  "SceneAbsoluteEpisodeNumber" INTEGER, "SceneSeasonNumber" INTEGER, "SceneEpisodeNumber" INTEGER, "Monitored" INTEGER,
  "AirDateUtc" DATETIME, "AirDate" TEXT, "Ratings" TEXT, "Images" TEXT, "UnverifiedSceneNumbering" INTEGER NOT NULL DEFAULT 0,
  "LastSearchTime" DATETIME, "AiredAfterSeasonNumber" INTEGER, "AiredBeforeSeasonNumber" INTEGER, "AiredBeforeEpisodeNumber" INTEGER,
  "TvdbId" INTEGER);
CREATE TABLE "EpisodeFiles" ("Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "SeriesId" INTEGER NOT NULL, "Quality" TEXT NOT NULL,
  "Size" INTEGER NOT NULL, "DateAdded" DATETIME NOT NULL, "SeasonNumber" INTEGER NOT NULL, "SceneName" TEXT, "ReleaseGroup" TEXT,
  "MediaInfo" TEXT, "RelativePath" TEXT, "OriginalFilePath" TEXT, "Languages" TEXT NOT NULL DEFAULT '[]',
  "IndexerFlags" INTEGER NOT NULL DEFAULT 0, "ReleaseType" INTEGER NOT NULL DEFAULT 0, "ReleaseHash" TEXT);
CREATE TABLE "History" ("Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "EpisodeId" INTEGER NOT NULL, "SeriesId" INTEGER NOT NULL,
  "SourceTitle" TEXT NOT NULL, "Date" DATETIME NOT NULL, "Quality" TEXT NOT NULL, "Data" TEXT NOT NULL, "EventType" INTEGER,
  "DownloadId" TEXT, "Languages" TEXT NOT NULL DEFAULT '[]');
CREATE TABLE "Indexers" ("Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "Name" TEXT NOT NULL UNIQUE, "Implementation" TEXT NOT NULL,
  "Settings" TEXT, "ConfigContract" TEXT, "EnableRss" INTEGER, "EnableAutomaticSearch" INTEGER, "EnableInteractiveSearch" INTEGER NOT NULL,
  "Priority" INTEGER NOT NULL DEFAULT 25, "Tags" TEXT, "DownloadClientId" INTEGER NOT NULL DEFAULT 0);
CREATE TABLE "DownloadClients" ("Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "Enable" INTEGER NOT NULL, "Name" TEXT NOT NULL,
  "Implementation" TEXT NOT NULL, "Settings" TEXT NOT NULL, "ConfigContract" TEXT NOT NULL, "Priority" INTEGER NOT NULL DEFAULT 1,
  "RemoveCompletedDownloads" INTEGER NOT NULL DEFAULT 1, "RemoveFailedDownloads" INTEGER NOT NULL DEFAULT 1, "Tags" TEXT);

INSERT INTO "VersionInfo" VALUES (1,'2026-01-02T03:04:05','InitialSetup'), (204,'2026-01-02T03:04:06','add_add_release_hash'),
  (217,'2026-01-02T03:04:06','add_mal_and_anilist_ids');
INSERT INTO "Series" ("TvdbId","TvRageId","Title","CleanTitle","Status","Images","Path","Monitored","QualityProfileId","SeasonFolder",
  "Runtime","SeriesType","UseSceneNumbering") VALUES
  (101,0,'First','first',0,'[]','/media/series/First',1,1,1,40,0,0), (102,0,'Second','second',1,'[]','/media/series/Second',1,1,1,20,0,0);
INSERT INTO "Episodes" ("SeriesId","SeasonNumber","EpisodeNumber","Title","EpisodeFileId","Monitored") VALUES
  (1,1,1,'One',1,1), (1,1,2,'Two',2,1), (1,1,3,'Three',0,1), (2,1,1,'Start',3,1), (2,1,2,'End',0,0);
INSERT INTO "EpisodeFiles" ("SeriesId","Quality","Size","DateAdded","SeasonNumber","RelativePath") VALUES
  (1,'{}',100,'2026-01-03 10:00:00Z',1,'S01E01.mkv'), (1,'{}',100,'2026-01-03 10:01:00Z',1,'S01E02.mkv'), (2,'{}',50,'2026-01-03 10:02:00Z',1,'S01E01.mkv');
INSERT INTO "History" ("EpisodeId","SeriesId","SourceTitle","Date","Quality","Data","EventType") VALUES
  (1,1,'First.S01E01','2026-01-03 09:59:00.1234567Z','{}','{}',1), (1,1,'First.S01E01','2026-01-03 10:00:00Z','{}','{}',3),
  (4,2,'Second.S01E01','2026-01-03 10:02:00.0000001Z','{}','{}',3);
INSERT INTO "Indexers" ("Name","Implementation","Settings","ConfigContract","EnableRss","EnableAutomaticSearch","EnableInteractiveSearch") VALUES
  ('Example (Prowlarr)','Newznab','{"baseUrl":"http://prowlarr:9696/1/","apiPath":"/api","apiKey":"made-up-key-of-prowlarr"}','NewznabSettings',1,1,1),
  ('Other (Prowlarr)','Torznab','{"baseUrl":"http://prowlarr:9696/2/","apiPath":"/api","apiKey":"made-up-key-of-prowlarr"}','TorznabSettings',1,1,1);
INSERT INTO "DownloadClients" ("Enable","Name","Implementation","Settings","ConfigContract") VALUES
  (1,'SABnzbd','Sabnzbd','{"host":"sabnzbd","port":8080,"urlBase":"/sabnzbd","apiKey":"made-up-key-of-sabnzbd"}','SabnzbdSettings');
