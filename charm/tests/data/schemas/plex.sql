-- What Plex Media Server's com.plexapp.plugins.library.db holds, as far as our queries ask. Plex is closed source: written from what others
-- published of its schema (own statements, no code copied), not made by Plex. Only the tables that are asked, and a part of their columns.
-- mutanthost/plex_schema plexschema.sql @5086c4f (all tables); a published description of October 2022 in which times are
--   dt_integer(8), seconds since 1970, instead of DATETIME; cgnl/plex-postgresql schema/plex_schema.sql @db15fdd (schema_migrations with
--   min_version, metadata_item_views, metadata_item_settings: times are bigint). The real file has indexes with a collation icu_root of its own.
-- schema_migrations.version is a text that begins with a time, of 14 digits in old rows and of 12 in new ones: the greatest as text is the
--   newest, as a number it is not.
CREATE TABLE "schema_migrations" ("version" varchar(255) NOT NULL, "rollback_sql" text DEFAULT NULL, "optimize_on_rollback" boolean DEFAULT NULL,
  "min_version" text DEFAULT NULL);
CREATE UNIQUE INDEX "unique_schema_migrations" ON "schema_migrations" ("version");
CREATE TABLE "accounts" ("id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "name" varchar(255), "hashed_password" varchar(255), "salt" varchar(255),
  "created_at" dt_integer(8), "updated_at" dt_integer(8));
CREATE TABLE "library_sections" ("id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "library_id" integer, "name" varchar(255), "section_type" integer,
  "language" varchar(255), "agent" varchar(255), "scanner" varchar(255), "created_at" dt_integer(8), "updated_at" dt_integer(8),
  "scanned_at" dt_integer(8), "uuid" varchar(255));
CREATE TABLE "metadata_items" ("id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "library_section_id" integer, "parent_id" integer,
  "metadata_type" integer, "guid" varchar(255), "title" varchar(255), "title_sort" varchar(255) COLLATE NOCASE, "index" integer,
  "added_at" dt_integer(8), "created_at" dt_integer(8), "updated_at" dt_integer(8), "deleted_at" dt_integer(8));
CREATE TABLE "metadata_item_settings" ("id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "account_id" integer, "guid" varchar(255), "rating" float,
  "view_offset" integer, "view_count" integer, "last_viewed_at" dt_integer(8), "created_at" dt_integer(8), "updated_at" dt_integer(8));
CREATE TABLE "metadata_item_views" ("id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "account_id" integer, "guid" varchar(255),
  "metadata_type" integer, "library_section_id" integer, "title" varchar(255), "viewed_at" dt_integer(8), "device_id" integer);

INSERT INTO "schema_migrations" ("version") VALUES ('20090316160134'), ('202505261219'), ('202510021115'), ('20180501000000');
INSERT INTO "accounts" ("id","name") VALUES (0,''), (1,'owner'), (2,'guest');
INSERT INTO "library_sections" ("name","section_type") VALUES ('Films',1), ('Series',2);
INSERT INTO "metadata_items" ("library_section_id","parent_id","metadata_type","guid","title","added_at","deleted_at") VALUES
  (1,NULL,1,'plex://movie/1','One',1767348000,NULL), (1,NULL,1,'plex://movie/2','Two',1767351600,NULL), (1,NULL,1,'plex://movie/3','Gone',1767351601,1767355200),
  (2,NULL,2,'plex://show/1','First',1767348000,NULL), (2,4,3,'plex://season/1','Season 1',1767348000,NULL), (2,5,4,'plex://episode/1','Start',1767348000,NULL),
  (2,5,4,'plex://episode/2','Dated ahead',4102444800,NULL), (NULL,NULL,1,'plex://movie/9','Of a web source',1767358800,NULL), (NULL,NULL,15,'com.plexapp.agents.none://1','A list',1767348000,NULL);
INSERT INTO "metadata_item_settings" ("account_id","guid","view_count") VALUES (1,'plex://movie/1',2), (1,'plex://movie/2',0), (2,'plex://movie/1',1);
INSERT INTO "metadata_item_views" ("account_id","guid","metadata_type","library_section_id","title","viewed_at") VALUES
  (1,'plex://movie/1',1,1,'One',1767360000), (2,'plex://movie/1',1,1,'One',1767366000);
