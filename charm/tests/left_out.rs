//! What of an app's volume a backup holds and what it leaves out, by the real preparation of a volume.

use std::path::Path;

use crate::common::app;
use workload_charm::backup::hooks::options;

/// An app, what of its volume a backup has to hold beside its databases, and what it has to leave out.
const VOLUMES: [(&str, &[&str], &[&str]); 9] = [
    (
        "radarr",
        &["config.xml", "asp/key-1.xml"],
        &["logs/radarr.txt", "MediaCover/1/poster.jpg"],
    ),
    (
        "sonarr",
        &["config.xml", "asp/key-1.xml"],
        &["logs/sonarr.txt", "MediaCover/1/poster.jpg"],
    ),
    (
        "prowlarr",
        &["config.xml", "asp/key-1.xml"],
        &["logs/prowlarr.txt"],
    ),
    (
        "qbittorrent",
        &[
            "qBittorrent/config/qBittorrent.conf",
            "qBittorrent/data/BT_backup/1.torrent",
        ],
        &[
            "qBittorrent/downloads/film.mkv",
            "qBittorrent/downloads/temp/film.mkv.!qB",
            "torrents/film.mkv",
        ],
    ),
    (
        "sabnzbd",
        &[
            "sabnzbd.ini",
            "admin/queue10.sab",
            "Downloads/incomplete/film/__ADMIN__/film.nzb.gz",
        ],
        &[
            "Downloads/complete/film.mkv",
            "usenet/complete/film.mkv",
            "logs/sabnzbd.log",
        ],
    ),
    (
        "overseerr",
        &["settings.json", "db/settings.old.json"],
        &["logs/overseerr.log", "cache/images/1"],
    ),
    (
        "seerr",
        &["settings.json", "anime-list.xml"],
        &["logs/seerr.log", "cache/images/1"],
    ),
    (
        "jellyfin",
        &[
            "network.xml",
            "data/data/backups/mine.zip",
            "data/metadata/People/A/folder.jpg",
        ],
        &[
            "data/data/trickplay/1/320/0.jpg",
            "cache/images/1",
            "data/transcodes/1.ts",
        ],
    ),
    (
        "plex",
        &[
            "Library/Application Support/Plex Media Server/Preferences.xml",
            "Library/Application Support/Plex Media Server/Metadata/Movies/1/Info.xml",
            "Library/Application Support/Plex Media Server/Media/localhost/1/2.bundle/Contents/Subtitle Contributions/1.srt",
        ],
        &[
            "Library/Application Support/Plex Media Server/Media/localhost/1/2.bundle/Contents/Indexes/index-sd.bif",
            "Library/Application Support/Plex Media Server/Plug-in Support/Databases/com.plexapp.plugins.library.db-2026-11-25",
            "Library/Application Support/Plex Media Server/Plug-in Support/Databases/com.plexapp.plugins.library.blobs.db-2026-11-25",
        ],
    ),
];

fn write(volume: &Path, path: &str) {
    let path = volume.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, "x").unwrap();
}

#[test]
fn downloads_and_what_an_app_makes_again_are_left_out_and_all_else_is_held() {
    for (name, held, left_out) in VOLUMES {
        let storage = app(name).storage.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let volume = folder.path();
        for database in &storage.databases {
            write(volume, database);
            std::fs::remove_file(volume.join(database)).unwrap();
            let made = rusqlite::Connection::open(volume.join(database)).unwrap();
            made.execute_batch("CREATE TABLE t(x)").unwrap();
        }
        for path in held.iter().chain(left_out) {
            write(volume, path);
        }
        let prepared = config_volume::prepare(volume, &options(&storage)).unwrap();
        let copied = prepared.manifest.databases.len();
        assert_eq!(copied, storage.databases.len(), "{name}");
        assert_eq!(prepared.manifest.file_count, held.len() as u64, "{name}");
        config_volume::finish(volume).unwrap();
    }
}
