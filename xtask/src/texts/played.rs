//! Shell blocks that are marked to be run are run: those of one page one after the other, by bash, with the programs of this repository and a simulated Juju.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use system_tests::binaries::{Binaries, Examples};
use system_tests::{examples, radarr, room};

use super::files;
use super::markdown::Document;
use crate::generate::repository;

/// What a person has: `juju` and `configuratarr` in the PATH, and packed charms in the folder. The simulated Juju is given what a registry would have; its stand-in
/// for velero-operator has no node agent, so it has no option for one either.
fn lay_out(folder: &Path, binaries: &Binaries) {
    let bin = folder.join("bin");
    fs::create_dir(&bin).unwrap();
    let image = folder.join("image");
    fs::create_dir_all(image.join("app/radarr/bin")).unwrap();
    symlink(&binaries.stand_in_radarr, image.join("app/radarr/bin/Radarr")).unwrap();
    let version = format!("PackageVersion={}\n", radarr::VERSION);
    fs::write(image.join("app/radarr/package_info"), version).unwrap();
    let website = folder.join("website-image");
    examples::website_image(&website).unwrap();
    let juju = format!(
        "#!/bin/bash\nset -eu\ncase \"$1 ${{2:-}}\" in\n\
         \"deploy velero-operator\") set -- deploy velero-operator --trust ;;\n\
         \"deploy ./radarr_amd64.charm\") set -- \"$@\" --image radarr={} ;;\n\
         \"deploy ./website_amd64.charm\") set -- \"$@\" --image website={} ;;\n\
         esac\nexec {} juju \"$@\"\n",
        image.display(),
        website.display(),
        binaries.juju_sim.display()
    );
    test_programs::write(&bin.join("juju"), &juju).unwrap();
    symlink(&binaries.configuratarr, bin.join("configuratarr")).unwrap();
    let work = folder.join("work");
    fs::create_dir(&work).unwrap();
    radarr::charm_folder(&work.join("radarr_amd64.charm"), binaries).unwrap();
    let website = &Examples::for_tests().unwrap().website;
    examples::charm_folder(&work.join("website_amd64.charm"), "website", website).unwrap();
}

const RUN: &str = "sh run";
const RUN_WITH_RADARR: &str = "sh run with radarr";

/// What has been done where a page begins with a Radarr that has a backup.
const WITH_RADARR: &str = "
juju add-model media
juju deploy ./radarr_amd64.charm radarr --trust --resource radarr-image=lscr.io/linuxserver/radarr:6.1.1.10360-ls299
juju deploy velero-operator --trust
juju integrate radarr velero-operator
juju run radarr/0 backup-now
";

#[test]
fn blocks_that_are_marked_run() {
    let binaries = Binaries::for_tests().unwrap();
    let mut run = 0;
    for (path, text) in files::texts(&repository().unwrap()).unwrap() {
        let blocks = Document::of(&text).blocks;
        let marked: Vec<&str> = blocks
            .iter()
            .filter(|block| [RUN, RUN_WITH_RADARR].contains(&block.info.as_str()))
            .map(|block| block.text.as_str())
            .collect();
        if marked.is_empty() {
            continue;
        }
        run += marked.len();
        let folder = room::folder().unwrap();
        lay_out(folder.path(), binaries);
        let inherited = std::env::var("PATH").unwrap();
        let before = match blocks.iter().any(|block| block.info == RUN_WITH_RADARR) {
            true => WITH_RADARR,
            false => "",
        };
        let script = format!("set -euo pipefail\n{before}\n{}", marked.join("\n"));
        let output = Command::new("bash")
            .args(["-c", &script])
            .current_dir(folder.path().join("work"))
            .env(
                "PATH",
                format!("{}:{inherited}", folder.path().join("bin").display()),
            )
            .env("HOME", folder.path())
            .env("JUJU_SIM_DIR", folder.path().join("juju"))
            .env("JUJU_SIM_VELERO_WORKS", "yes")
            .env_remove("KUBECONFIG")
            .output()
            .unwrap();
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(
            output.status.success(),
            "{path}: {}\n{script}\n{said}",
            output.status
        );
        if path.ends_with("tutorial.md") {
            let words = [
                "daily",
                "720h",
                "held-bytes",
                "velero-operator",
                "latest-good",
                "result: checked",
                "result: restored",
                "safety-backup",
            ];
            for word in words {
                assert!(
                    said.contains(word),
                    "{path}: {word} is not in what was printed:\n{said}"
                );
            }
        }
        if path.ends_with("own-charm.md") {
            for word in ["scheduled backups: 30 2 * * *", "include_namespaces"] {
                assert!(
                    said.contains(word),
                    "{path}: {word} is not in what was printed:\n{said}"
                );
            }
        }
        let model = folder.path().join("juju");
        if model.exists() {
            let end = Command::new(folder.path().join("bin/juju"))
                .args(["destroy-model", "--no-prompt", "media"])
                .env("JUJU_SIM_DIR", &model)
                .output()
                .unwrap();
            assert!(end.status.success(), "{}", String::from_utf8_lossy(&end.stderr));
        }
    }
    assert!(run >= 12, "only {run} blocks are marked to be run");
}
