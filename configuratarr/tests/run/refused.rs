//! What cannot be deployed again, and what is said of it.

use std::fs;

use insta::assert_snapshot;

use crate::home::Home;
use crate::redeploy::{IMAGE, OF_FILE, steady, with_bundle};

#[test]
fn what_cannot_be_deployed_again_is_refused_before_anything_begins() {
    let home = Home::without(&["radarr", "sonarr"]);
    let other = home.test.path("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("metadata.yaml"), "name: other\n").unwrap();
    fs::write(other.join("config.yaml"), "options: {port: {type: int}}\n").unwrap();
    let bundle = with_bundle(&home);
    let local = home.test.path("local.yaml");
    fs::write(&local, "applications: {radarr: {charm: \"local:radarr-3\"}}\n").unwrap();
    let local = local.display().to_string();
    let of_charmhub = home.test.path("charmhub.yaml");
    fs::write(
        &of_charmhub,
        "applications: {radarr: {charm: radarr, channel: latest/edge, resources: {radarr-image: 3}}}\n",
    )
    .unwrap();
    let of_charmhub = of_charmhub.display().to_string();
    let evil = home.test.path("evil.yaml");
    fs::write(&evil, "applications: {radarr: {charm: --force}}\n").unwrap();
    let evil = evil.display().to_string();
    for (name, code, arguments) in [
        (
            "redeploy_no_charm",
            2,
            vec!["--tick=100", "redeploy", "radarr", "--yes"],
        ),
        (
            "redeploy_local_charm",
            2,
            vec!["--tick=100", "redeploy", "radarr", "--bundle", &local, "--yes"],
        ),
        (
            "redeploy_not_in_bundle",
            2,
            vec!["--tick=100", "redeploy", "plex", "--bundle", &bundle, "--yes"],
        ),
        (
            "redeploy_other_charm",
            2,
            vec!["--tick=100", "redeploy", "radarr", "--charm", "../other", "--yes"],
        ),
        (
            "redeploy_no_such_charm",
            2,
            vec![
                "--tick=100",
                "redeploy",
                "radarr",
                "--charm",
                "../nothing",
                "--yes",
            ],
        ),
        (
            "redeploy_no_backup",
            1,
            vec![
                "--tick=100",
                "redeploy",
                "plex",
                "--charm",
                "../charm-radarr",
                "--resource",
                IMAGE,
                "--yes",
            ],
        ),
        (
            "redeploy_no_such_backup",
            1,
            [&["--tick=100"][..], &OF_FILE, &["--backup", "x", "--yes"]].concat(),
        ),
        (
            "redeploy_one_charm_for_two",
            2,
            vec![
                "--tick=100",
                "redeploy",
                "radarr",
                "sonarr",
                "--charm",
                "../charm-radarr",
                "--yes",
            ],
        ),
        (
            "redeploy_nobody_to_ask",
            2,
            [&["--tick=100"][..], &OF_FILE].concat(),
        ),
        (
            "redeploy_no_model",
            3,
            [&["--tick=100"][..], &OF_FILE, &["--yes", "-m", "lost"]].concat(),
        ),
        // The bundle was of a charm from a file, and the file is another app's.
        (
            "redeploy_charm_of_another",
            2,
            vec![
                "redeploy",
                "radarr",
                "--bundle",
                &local,
                "--charm",
                "../charm-sonarr",
                "--yes",
            ],
        ),
        // Juju deploys no charm from a file without its images: what has to be typed is said before anything begins.
        (
            "redeploy_without_image",
            2,
            vec!["redeploy", "radarr", "--charm", "../charm-radarr", "--yes"],
        ),
        (
            "redeploy_without_image_of_two",
            2,
            vec![
                "redeploy",
                "radarr",
                "sonarr",
                "--charm",
                "radarr=../charm-radarr",
                "--charm",
                "sonarr=../charm-sonarr",
                "--resource",
                "radarr:radarr-image=example.org/radarr:1",
                "--yes",
            ],
        ),
        (
            "redeploy_revision_is_no_image",
            2,
            vec![
                "redeploy",
                "radarr",
                "--bundle",
                &of_charmhub,
                "--charm",
                "../charm-radarr",
                "--yes",
            ],
        ),
        (
            "redeploy_one_image_for_two",
            2,
            vec![
                "redeploy",
                "radarr",
                "sonarr",
                "--bundle",
                &bundle,
                "--resource",
                IMAGE,
                "--yes",
            ],
        ),
        (
            "redeploy_image_of_another",
            2,
            vec![
                "redeploy",
                "radarr",
                "--bundle",
                &bundle,
                "--resource",
                "plex:plex-image=example.org/plex:1",
                "--yes",
            ],
        ),
        // The backup would be restored all the same.
        (
            "redeploy_sets_the_option",
            2,
            [&OF_FILE[..], &["--config", "restore-on-deploy=none", "--yes"]].concat(),
        ),
        // A charm that would be an option of juju's.
        (
            "redeploy_charm_is_an_option",
            2,
            vec!["redeploy", "radarr", "--bundle", &evil, "--yes"],
        ),
        (
            "redeploy_unit",
            2,
            vec![
                "redeploy",
                "radarr/0",
                "--charm",
                "../charm-radarr",
                "--resource",
                IMAGE,
                "--yes",
            ],
        ),
        (
            "redeploy_no_name",
            2,
            vec![
                "redeploy",
                "",
                "--charm",
                "../charm-radarr",
                "--resource",
                IMAGE,
                "--yes",
            ],
        ),
        (
            "redeploy_wait",
            2,
            [&["--tick=100"][..], &OF_FILE, &["--yes", "--wait", "soon"]].concat(),
        ),
    ] {
        let ran = home.test.run(&arguments).exits(code);
        assert_snapshot!(name, steady(&home, &ran.stderr));
        for app in ["radarr", "sonarr", "plex"] {
            assert!(home.application(app).is_null(), "{name}");
        }
    }
    // Charmhub's charm cannot be looked into: Juju refuses it, and deploys nothing.
    home.charmhub("plain", &[1]);
    fs::write(
        home.test.path("hub/plain/1/config.yaml"),
        "options: {port: {type: int}}\n",
    )
    .unwrap();
    let ran = home
        .test
        .run(&[
            "--tick=100",
            "redeploy",
            "radarr",
            "--charm",
            "plain",
            "--channel",
            "latest/edge",
            "--yes",
        ])
        .exits(1);
    assert_snapshot!("redeploy_plain_charm", steady(&home, &ran.stdout));
    assert!(home.application("radarr").is_null());
}
