//! The model as a bundle, and the resources of an application.
//!
//! On a simulated Juju only: nothing of this is recorded. The bundle is as `apiserver/facades/client/bundle/bundle.go` of juju/juju at
//! 02845c07 makes it (resources that were uploaded are not in it, peers are no relations), the list of resources as
//! `cmd/juju/resource/formatter.go` does.

use serde_json::{Map, Value, json};

use super::output::print;
use super::verbs::{Format, Output};
use crate::error::{Error, Result};
use crate::simulation::Simulation;

/// The whole model.
pub(super) fn of(simulation: &Simulation) -> Result<String> {
    let model = simulation.model();
    let applications: Map<String, Value> = model
        .applications
        .iter()
        .map(|(name, application)| {
            let charm = &application.charm.name;
            let mut written = json!({
                "charm": format!("local:{charm}-{}", simulation.charm_revision(name)),
                "scale": simulation.units(name).len(),
                "constraints": "arch=amd64",
            });
            if let Some(origin) = simulation.charmhub_origin(name) {
                written["charm"] = json!(origin.name);
                written["channel"] = json!(origin.channel);
                written["revision"] = json!(origin.revision);
            }
            if !application.config.is_empty() {
                written["options"] = json!(application.config);
            }
            let storage = application.charm.storage.keys();
            let storage: Map<String, Value> = storage
                .map(|storage| (storage.clone(), json!("kubernetes,1,1024M")))
                .collect();
            if !storage.is_empty() {
                written["storage"] = storage.into();
            }
            if application.trust {
                written["trust"] = json!(true);
            }
            (name.clone(), written)
        })
        .collect();
    let mut relations = Vec::new();
    for relation in model.relations.values().filter(|relation| !relation.is_peer()) {
        let ends = relation.endpoints.iter();
        relations.push(
            ends.map(|end| format!("{}:{}", end.application, end.endpoint))
                .collect::<Vec<String>>(),
        );
    }
    if applications.is_empty() {
        return Err(Error::refused("nothing to export as there are no applications"));
    }
    let mut bundle = json!({"bundle": "kubernetes", "applications": applications});
    if !relations.is_empty() {
        bundle["relations"] = json!(relations);
    }
    serde_yaml::to_string(&bundle).map_err(|error| Error::refused(error.to_string()))
}

/// The resources of an application, all of them uploaded.
pub(super) fn resources(simulation: &Simulation, app: &str, output: &Output) -> Result<()> {
    let application = simulation.model().applications.get(app);
    let application = application.ok_or_else(|| Error::refused(format!("application {app:?} not found")))?;
    let uploaded =
        |name: &str, kind: &str| json!({"name": name, "type": kind, "origin": "upload", "used": true});
    let files = application.resources.keys().map(|name| uploaded(name, "file"));
    let images = simulation.images_of(app).map(|name| uploaded(name, "oci-image"));
    let listed: Vec<Value> = files.chain(images).collect();
    print(
        &json!({"resources": listed, "units": []}),
        output.format.unwrap_or(Format::Yaml),
    )
}
