//! What a charm on this machine declares: a `.charm`, which is a zip archive, or the folder that it is packed from.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use config_recovery::shown::shown;
use serde::Deserialize;

use crate::problem::{Kind, Problem};

/// A packed charm has its options in the first; charmcraft's folder has them in the second.
const FILES: [&str; 2] = ["config.yaml", "charmcraft.yaml"];
/// More bytes than any list of options has.
const MOST: u64 = 4 << 20;

#[derive(Deserialize)]
#[serde(untagged)]
enum Options {
    Packed {
        options: serde_json::Map<String, serde_json::Value>,
    },
    Project {
        config: Config,
    },
    None {},
}

#[derive(Deserialize)]
struct Config {
    options: serde_json::Map<String, serde_json::Value>,
}

/// Whether a charm is one of this machine, by how it is named (`juju deploy` tells them apart so too).
pub fn is_here(charm: &str) -> bool {
    is_path(charm) || Path::new(charm).is_dir()
}

/// Whether it is named as a file or folder, whatever there is.
pub fn is_path(charm: &str) -> bool {
    charm.starts_with(['.', '/'])
        || charm.contains('/') && !charm.starts_with("ch:")
        || charm.ends_with(".charm")
}

/// The name of a charm of this machine, by its metadata.
///
/// # Errors
/// When there is no charm.
pub fn name(charm: &Path) -> Result<String, Problem> {
    let metadata = metadata(charm)?;
    metadata
        .map(|metadata| metadata.name)
        .ok_or_else(|| unread(charm, "it says no name"))
}

/// Refuses a charm of this machine for which an image is missing: Juju deploys none from a file without them.
///
/// # Errors
/// Which images it needs besides those that are `given`; `option` is what a person types before the name of one.
pub fn has_its_images(charm: &Path, given: impl Fn(&str) -> bool, option: &str) -> Result<(), Problem> {
    let resources = metadata(charm)?
        .map(|metadata| metadata.resources)
        .unwrap_or_default();
    let images = resources
        .iter()
        .filter(|(name, resource)| resource.kind == "oci-image" && !given(name));
    let (mut names, mut typed) = (Vec::new(), Vec::new());
    for (name, resource) in images {
        let image = resource.upstream_source.as_deref().unwrap_or("IMAGE");
        typed.push(format!("{option}{}={}", shown(name), shown(image)));
        names.push(shown(name));
    }
    match names.is_empty() {
        true => Ok(()),
        false => Err(Problem::new(
            Kind::Usage,
            format!(
                "charm {} needs an image for resource {}, and none is given",
                shown(&charm.display().to_string()),
                names.join(", ")
            ),
            format!("{}, or the image that the app had", typed.join(" ")),
        )),
    }
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    resources: BTreeMap<String, Resource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Resource {
    #[serde(rename = "type", default)]
    kind: String,
    /// The image that the charm's author means.
    upstream_source: Option<String>,
}

/// What the charm says of itself; `None` where it says no name.
fn metadata(charm: &Path) -> Result<Option<Metadata>, Problem> {
    for file in ["metadata.yaml", "charmcraft.yaml"] {
        let text = match charm.is_dir() {
            true => in_folder(&charm.join(file)),
            false => in_archive(charm, file),
        };
        let text = text.map_err(|error| unread(charm, &error.to_string()))?;
        if let Some(metadata) = text.and_then(|text| serde_yaml::from_str::<Metadata>(&text).ok()) {
            return Ok(Some(metadata));
        }
    }
    Ok(None)
}

fn unread(charm: &Path, why: &str) -> Problem {
    Problem::new(
        Kind::Usage,
        format!(
            "cannot read the charm {}: {why}",
            shown(&charm.display().to_string())
        ),
        "name a .charm file, or the folder of a charm",
    )
}

/// Whether a charm of this machine has an option.
///
/// # Errors
/// When there is no charm.
pub fn has_option(charm: &Path, option: &str) -> Result<bool, Problem> {
    let cannot = |why: String| unread(charm, &why);
    let mut is_charm = false;
    for name in FILES {
        let text = match charm.is_dir() {
            true => in_folder(&charm.join(name)),
            false => in_archive(charm, name),
        };
        let Some(text) = text.map_err(|error| cannot(error.to_string()))? else {
            continue;
        };
        is_charm = true;
        let options = match serde_yaml::from_str::<Options>(&text) {
            Ok(
                Options::Packed { options }
                | Options::Project {
                    config: Config { options },
                },
            ) => options,
            Ok(Options::None {}) => continue,
            Err(_) => return Err(cannot(format!("its {name} is no YAML that Juju takes"))),
        };
        if options.contains_key(option) {
            return Ok(true);
        }
    }
    let is_charm = is_charm || charm.is_dir() && charm.join("metadata.yaml").is_file() || charm.is_file();
    match is_charm {
        true => Ok(false),
        false => Err(cannot("no charm is there".to_owned())),
    }
}

fn in_folder(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn in_archive(path: &Path, name: &str) -> io::Result<Option<String>> {
    let mut archive = zip::ZipArchive::new(File::open(path)?).map_err(io::Error::from)?;
    let entry = match archive.by_name(name) {
        Ok(entry) => entry,
        Err(zip::result::ZipError::FileNotFound) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut text = String::new();
    entry.take(MOST).read_to_string(&mut text)?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn an_option_is_found_in_folders_and_archives() {
        let folder = tempfile::tempdir().unwrap();
        let charm = |name: &str| folder.path().join(name);
        let packed = "options: {restore-on-deploy: {type: string}}\n";
        fs::create_dir(charm("packed")).unwrap();
        fs::write(charm("packed/config.yaml"), packed).unwrap();
        fs::create_dir(charm("project")).unwrap();
        fs::write(
            charm("project/charmcraft.yaml"),
            "name: x\nconfig:\n  options: {restore-on-deploy: {}}\n",
        )
        .unwrap();
        fs::create_dir(charm("other")).unwrap();
        fs::write(charm("other/metadata.yaml"), "name: x\n").unwrap();
        fs::write(charm("other/config.yaml"), "options: {port: {type: int}}\n").unwrap();
        let mut archive = zip::ZipWriter::new(File::create(charm("x.charm")).unwrap());
        archive
            .start_file("config.yaml", zip::write::SimpleFileOptions::default())
            .unwrap();
        archive.write_all(packed.as_bytes()).unwrap();
        archive.finish().unwrap();
        fs::write(charm("text.charm"), "no archive").unwrap();
        fs::create_dir(charm("empty")).unwrap();
        for (name, expected) in [
            ("packed", true),
            ("project", true),
            ("other", false),
            ("x.charm", true),
        ] {
            assert_eq!(
                has_option(&charm(name), "restore-on-deploy").unwrap(),
                expected,
                "{name}"
            );
        }
        for name in ["nothing.charm", "text.charm", "empty"] {
            assert!(has_option(&charm(name), "restore-on-deploy").is_err(), "{name}");
        }
    }

    #[test]
    fn the_images_that_are_missing_are_said_as_they_are_typed() {
        let folder = tempfile::tempdir().unwrap();
        let charm = folder.path().join("x.charm");
        let mut archive = zip::ZipWriter::new(File::create(&charm).unwrap());
        archive
            .start_file("metadata.yaml", zip::write::SimpleFileOptions::default())
            .unwrap();
        let metadata = "name: x\nresources:\n  x-image: {type: oci-image, upstream-source: 'example.org:5000/x:1'}\n  \
                        y-image: {type: oci-image}\n  file: {type: file}\n";
        archive.write_all(metadata.as_bytes()).unwrap();
        archive.finish().unwrap();
        let missing = |given: &[&str]| has_its_images(&charm, |name| given.contains(&name), "--resource x:");
        let all = missing(&[]).unwrap_err();
        assert!(all.text.contains("for resource x-image, y-image"), "{all:?}");
        assert_eq!(
            all.next.as_deref(),
            Some(
                "--resource x:x-image=example.org:5000/x:1 --resource x:y-image=IMAGE, or the image that the app had"
            )
        );
        let one = missing(&["x-image"]).unwrap_err();
        assert!(one.text.contains("for resource y-image,"), "{one:?}");
        missing(&["x-image", "y-image"]).unwrap();
    }

    #[test]
    fn names_of_charmhub_are_no_files() {
        for (charm, expected) in [
            ("radarr-k8s", false),
            ("ch:radarr-k8s", false),
            ("./radarr", true),
            ("/charms/radarr_ubuntu.charm", true),
            ("radarr.charm", true),
            ("charms/radarr", true),
        ] {
            assert_eq!(is_here(charm), expected, "{charm}");
        }
    }
}
