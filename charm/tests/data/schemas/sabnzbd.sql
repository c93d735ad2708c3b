-- What SABnzbd's admin/history1.db holds, as far as our queries ask. Written from the source (own statements, no code copied); not made by
-- SABnzbd itself.
-- sabnzbd/sabnzbd sabnzbd/database.py: create_history_db and connect (user_version 1: series, md5sum; 2: password @0070fce;
--   3: duplicate_key; 4: archive; 5: time_added; later 7 and 8: indexes and a table rss). 4 is in a file whose head says 2024; what 4.5.5 makes was not found out.
-- The texts of 3 and later were found by what they say, in files of this name; the search names no repository for them.
-- `completed` is int(time.time()): seconds since 1970, UTC. `status` is a word: Completed or Failed.
CREATE TABLE history ("id" INTEGER PRIMARY KEY, "completed" INTEGER NOT NULL, "name" TEXT NOT NULL, "nzb_name" TEXT NOT NULL, "category" TEXT,
  "pp" TEXT, "script" TEXT, "report" TEXT, "url" TEXT, "status" TEXT, "nzo_id" TEXT, "storage" TEXT, "path" TEXT, "script_log" BLOB,
  "script_line" TEXT, "download_time" INTEGER, "postproc_time" INTEGER, "stage_log" TEXT, "downloaded" INTEGER, "completeness" INTEGER,
  "fail_message" TEXT, "url_info" TEXT, "bytes" INTEGER, "meta" TEXT, "series" TEXT, "md5sum" TEXT, "password" TEXT, "duplicate_key" TEXT,
  "archive" INTEGER);
PRAGMA user_version = 4;
INSERT INTO history ("completed","name","nzb_name","status","nzo_id","bytes") VALUES (1767348000,'One.2001','One.2001.nzb','Completed','SABnzbd_nzo_1',1000),
  (1767351600,'Two.2002','Two.2002.nzb','Failed','SABnzbd_nzo_2',0), (1767355200,'Three.2003','Three.2003.nzb','Completed','SABnzbd_nzo_3',2000);
