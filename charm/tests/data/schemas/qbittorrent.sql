-- What qBittorrent's qBittorrent/data/torrents.db holds, where its owner chose it (Session\ResumeDataStorageType=SQLite; as it comes there
-- are files in BT_backup instead). The two tables and the kind of the version's value are those that a real qBittorrent 4.5.2 made
-- (REPORT.md); the columns after stop_condition are of qbittorrent/qBittorrent src/base/bittorrent/dbresumedatastorage.cpp @0eba285
-- (DB_VERSION 8). Own statements; the rows are made up.
CREATE TABLE `meta` (`id` INTEGER PRIMARY KEY,`name` TEXT NOT NULL UNIQUE,`value` BLOB);
CREATE TABLE `torrents` (`id` INTEGER PRIMARY KEY,`torrent_id` BLOB NOT NULL UNIQUE,`queue_position` INTEGER NOT NULL DEFAULT -1,`name` TEXT,
  `category` TEXT,`tags` TEXT,`target_save_path` TEXT,`download_path` TEXT,`content_layout` TEXT NOT NULL,`ratio_limit` INTEGER NOT NULL,
  `seeding_time_limit` INTEGER NOT NULL,`inactive_seeding_time_limit` INTEGER NOT NULL DEFAULT -2,
  `share_limit_action` TEXT NOT NULL DEFAULT 'Default',`has_outer_pieces_priority` INTEGER NOT NULL,`has_seed_status` INTEGER NOT NULL,
  `operating_mode` TEXT NOT NULL,`stopped` INTEGER NOT NULL,`stop_condition` TEXT NOT NULL DEFAULT 'None',`ssl_certificate` TEXT,
  `ssl_private_key` TEXT,`ssl_dh_params` TEXT,`libtorrent_resume_data` BLOB NOT NULL,`metadata` BLOB);
INSERT INTO meta (name, value) VALUES ('version', 8);
INSERT INTO torrents (torrent_id, name, category, content_layout, ratio_limit, seeding_time_limit, has_outer_pieces_priority, has_seed_status,
  operating_mode, stopped, libtorrent_resume_data) VALUES
  ('44b4c97b0e6f273b4beedb4ec635c0f9bb226bdd','one','films','Original',-2000,-2,0,0,'AutoManaged',0,x'6465'),
  ('47e6ce1bbe8a7f32179017d783ccfa40dccba32f','two','','Original',-2000,-2,0,1,'AutoManaged',1,x'6465');
