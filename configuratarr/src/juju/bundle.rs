//! How an application is deployed: by a bundle, which `juju export-bundle` prints and people keep, and by `juju resources`.
//!
//! A bundle has all that a deploy takes but resources that were uploaded, and names a local charm without its file
//! (`apiserver/facades/client/bundle/bundle.go` of juju/juju at 02845c07).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Juju, JujuError};

/// How an application is deployed.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Deployed {
    /// `radarr-k8s`, or `local:radarr-k8s-0`.
    pub charm: String,
    /// The channel, of a charm of Charmhub.
    pub channel: Option<String>,
    /// Its revision there.
    pub revision: Option<i64>,
    /// `ubuntu@24.04/stable`, where it is said.
    pub base: Option<String>,
    /// How many units; 0 where it is not said.
    pub scale: u64,
    /// Revisions of resources that are Charmhub's; in a bundle that somebody wrote, files and images too.
    pub resources: BTreeMap<String, Value>,
    /// What was set.
    pub options: BTreeMap<String, Value>,
    /// Storage directives by name.
    pub storage: BTreeMap<String, String>,
    /// `arch=amd64 mem=2048`.
    pub constraints: String,
    /// With `--trust`.
    pub trust: bool,
    /// Whether it is exposed.
    pub expose: bool,
    /// Offers to other models, by name.
    pub offers: BTreeMap<String, Value>,
    /// Both ends of each of its relations, its own first.
    #[serde(skip)]
    pub relations: Vec<(String, String)>,
    /// Where the others of these are that are in other models: the address of the offer, by the name that it has here.
    #[serde(skip)]
    pub offered: BTreeMap<String, String>,
    /// Resources that were uploaded.
    #[serde(skip)]
    pub uploaded: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Bundle {
    applications: BTreeMap<String, Deployed>,
    relations: Vec<Vec<String>>,
    saas: BTreeMap<String, Offer>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Offer {
    url: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Resources {
    resources: Vec<Resource>,
}

/// A resource of an application.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Resource {
    /// Its name.
    pub name: String,
    /// `upload`, or `store` for one of Charmhub.
    pub origin: String,
    /// Its revision there.
    pub revision: Value,
}

/// What a bundle says of an application. A second document has the offers.
///
/// # Errors
/// What is no bundle.
pub fn read_bundle(text: &str, app: &str) -> Result<Option<Deployed>, serde_yaml::Error> {
    let mut found: Option<Deployed> = None;
    for mut bundle in serde_yaml::from_multiple::<Bundle>(text)? {
        let Some(mut deployed) = bundle.applications.remove(app) else {
            continue;
        };
        if let Some(first) = &mut found {
            first.offers.append(&mut deployed.offers);
            continue;
        }
        let is_ours = |end: &str| end.split(':').next() == Some(app);
        deployed.relations = bundle
            .relations
            .into_iter()
            .filter_map(|ends| match <[String; 2]>::try_from(ends).ok()? {
                [one, other] if is_ours(&one) => Some((one, other)),
                [one, other] if is_ours(&other) => Some((other, one)),
                _ => None,
            })
            .collect();
        deployed.offered = bundle
            .saas
            .into_iter()
            .map(|(name, offer)| (name, offer.url))
            .collect();
        found = Some(deployed);
    }
    Ok(found)
}

impl Juju {
    /// How an application is deployed; `None` where there is no such application.
    ///
    /// # Errors
    /// As any command of Juju's.
    pub async fn deployed(&self, app: &str) -> Result<Option<Deployed>, JujuError> {
        let arguments = ["export-bundle".to_owned()];
        let output = self.run(&arguments).await?;
        let found = read_bundle(&output.out, app).map_err(|error| JujuError::NotUnderstood {
            command: self.command(&arguments),
            reason: error.to_string(),
        })?;
        let Some(mut deployed) = found else {
            return Ok(None);
        };
        let uploaded = self.resources(app).await?.into_iter();
        let uploaded = uploaded.filter(|resource| resource.origin == "upload");
        deployed.uploaded = uploaded.map(|resource| resource.name).collect();
        Ok(Some(deployed))
    }

    /// The resources of an application.
    ///
    /// # Errors
    /// As any command of Juju's.
    pub async fn resources(&self, app: &str) -> Result<Vec<Resource>, JujuError> {
        let found: Option<Resources> = self.json_if_any(&["resources", app]).await?;
        Ok(found.unwrap_or_default().resources)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_says_how_an_application_is_deployed() {
        let text = "bundle: kubernetes
saas:
  velero: {url: ctl:admin/velero.backups}
applications:
  radarr:
    charm: radarr-k8s
    channel: latest/edge
    revision: 7
    resources: {app-image: 3}
    scale: 1
    options: {backup-schedule: \"@daily\", puid: 1000}
    constraints: arch=amd64
    storage: {config: \"kubernetes,1,1024M\"}
    trust: true
  sonarr: {charm: local:sonarr-0, scale: 1}
relations:
- - velero:velero-backups
  - radarr:velero-backup-config
- - sonarr:x
  - velero:velero-backups
--- # overlay.yaml
applications:
  radarr:
    offers:
      films: {endpoints: [web]}
";
        let found = read_bundle(text, "radarr").unwrap().unwrap();
        assert_eq!(found.revision, Some(7));
        assert_eq!(found.options["backup-schedule"], Value::from("@daily"));
        assert_eq!(
            found.relations,
            [(
                "radarr:velero-backup-config".to_owned(),
                "velero:velero-backups".to_owned()
            )]
        );
        assert_eq!(found.offers.len(), 1);
        assert_eq!(found.offered["velero"], "ctl:admin/velero.backups");
        assert_eq!(read_bundle(text, "plex").unwrap(), None);
    }
}
