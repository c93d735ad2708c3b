-- What Prowlarr's prowlarr.db holds, as far as our queries ask. Written from the source (own statements, no code copied);
-- not made by Prowlarr itself. Only the tables that are asked.
-- VersionInfo: fluentmigrator/fluentmigrator, class DefaultVersionTableMetaData. Description is the migration's class name.
-- Prowlarr/Prowlarr src/NzbDrone.Core/Datastore/Migration/: 001_initial_setup @47fbab0, 003_indexer_props @df8ef83 (Redirect,
--   DownloadClients), 006_app_profiles @d9b5abf (AppSyncProfiles, AppProfileId), 007_history_failed @15a4d39 (Successful),
--   010_indexer_proxies (IndexerProxies, Tags), 023_download_client_categories @f234aa2, 035_download_client_per_indexer @826828e;
--   History/History.cs @1639753; table names: Datastore/TableMapping.cs @86eeb3c
-- Newest migrations seen: 043_newznab_indexers_enable_redirect @a64f785 and three different ones with number 044: some are of forks.
-- Times and Settings as in Radarr: a blank, up to seven decimals, a Z; JSON with lower camel names, defaults left out.
CREATE TABLE "VersionInfo" ("Version" INTEGER NOT NULL, "AppliedOn" DATETIME, "Description" TEXT);
CREATE UNIQUE INDEX "UC_Version" ON "VersionInfo" ("Version" ASC);
CREATE TABLE "Indexers" ("Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "Name" TEXT NOT NULL UNIQUE, "Implementation" TEXT NOT NULL,
  "Settings" TEXT, "ConfigContract" TEXT, "Enable" INTEGER, "Priority" INTEGER NOT NULL DEFAULT 25, "Added" DATETIME NOT NULL,
  "Redirect" INTEGER NOT NULL DEFAULT 0, "AppProfileId" INTEGER NOT NULL DEFAULT 1, "Tags" TEXT, "DownloadClientId" INTEGER NOT NULL DEFAULT 0);
CREATE TABLE "Applications" ("Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "Name" TEXT NOT NULL UNIQUE, "Implementation" TEXT NOT NULL,
  "Settings" TEXT, "ConfigContract" TEXT, "SyncLevel" INTEGER NOT NULL, "Tags" TEXT);
CREATE TABLE "AppSyncProfiles" ("Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "Name" TEXT NOT NULL UNIQUE, "EnableRss" INTEGER NOT NULL,
  "EnableInteractiveSearch" INTEGER NOT NULL, "EnableAutomaticSearch" INTEGER NOT NULL);
CREATE TABLE "IndexerProxies" ("Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "Name" TEXT NOT NULL, "Settings" TEXT NOT NULL,
  "Implementation" TEXT NOT NULL, "ConfigContract" TEXT, "Tags" TEXT);
CREATE TABLE "DownloadClients" ("Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "Enable" INTEGER NOT NULL, "Name" TEXT NOT NULL,
  "Implementation" TEXT NOT NULL, "Settings" TEXT NOT NULL, "ConfigContract" TEXT NOT NULL, "Priority" INTEGER NOT NULL DEFAULT 1,
  "Categories" TEXT NOT NULL DEFAULT '[]');
CREATE TABLE "History" ("Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "IndexerId" INTEGER NOT NULL, "Date" DATETIME NOT NULL,
  "Data" TEXT NOT NULL, "EventType" INTEGER, "DownloadId" TEXT, "Successful" INTEGER NOT NULL DEFAULT 1);

INSERT INTO "VersionInfo" VALUES (1,'2026-01-02T03:04:05','InitialSetup'), (6,'2026-01-02T03:04:05','app_profiles'),
  (35,'2026-01-02T03:04:06','download_client_per_indexer');
INSERT INTO "Indexers" ("Name","Implementation","Settings","ConfigContract","Enable","Added") VALUES
  ('Example','Newznab','{"baseUrl":"https://indexer.example","apiPath":"/api","apiKey":"made-up-key-of-an-indexer"}','NewznabSettings',1,'2026-01-02 04:00:00Z'),
  ('Other','Cardigann','{"definitionFile":"other","baseUrl":"https://other.example/"}','CardigannSettings',1,'2026-01-02 05:00:00Z');
INSERT INTO "Applications" ("Name","Implementation","Settings","ConfigContract","SyncLevel") VALUES
  ('Radarr','Radarr','{"prowlarrUrl":"http://prowlarr:9696","baseUrl":"http://radarr:7878","apiKey":"made-up-key-of-radarr","syncCategories":[2000]}','RadarrSettings',2),
  ('Sonarr','Sonarr','{"prowlarrUrl":"http://prowlarr:9696","baseUrl":"http://sonarr:8989","apiKey":"made-up-key-of-sonarr","syncCategories":[5000]}','SonarrSettings',2);
INSERT INTO "AppSyncProfiles" ("Name","EnableRss","EnableInteractiveSearch","EnableAutomaticSearch") VALUES ('Standard',1,1,1);
INSERT INTO "IndexerProxies" ("Name","Settings","Implementation","ConfigContract") VALUES
  ('FlareSolverr','{"host":"http://flaresolverr:8191/","requestTimeout":60}','FlareSolverr','FlareSolverrSettings');
INSERT INTO "History" ("IndexerId","Date","Data","EventType","Successful") VALUES (1,'2026-01-03 08:00:00.5Z','{}',2,1),
  (1,'2026-01-03 09:00:00.1234567Z','{}',1,1), (2,'2026-01-03 08:59:59Z','{}',3,0);
INSERT INTO "DownloadClients" ("Enable","Name","Implementation","Settings","ConfigContract") VALUES
  (1,'SABnzbd','Sabnzbd','{"host":"sabnzbd","port":8080,"apiKey":"made-up-key-of-sabnzbd"}','SabnzbdSettings');
