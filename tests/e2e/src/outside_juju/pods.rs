//! The pods that have a simulated Juju, and how it is run in them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client};
use serde_json::Value;

use crate::exec::{self, Container, Output};
use crate::pods::sim_command;

/// Variables that tell a simulated Juju what is wrong with the machine that it runs on: this one.
const PASSED_ON: [&str; 2] = ["JUJU_SIM_NO_CONTROLLER", "JUJU_SIM_LOGGED_OUT"];

/// A shell's exit code where there is no such program.
const NOT_FOUND: i32 = 127;

/// A pod of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its namespace, which has the model's name.
    pub model: String,
    /// The app.
    pub app: String,
    /// Name of the pod.
    pub pod: String,
    /// Its uid: another pod of this name has an agent that knows nothing of this one's.
    pub uid: String,
}

impl Place {
    /// The unit, `radarr/0`.
    pub fn unit(&self) -> String {
        let number = self.pod.rsplit('-').next().unwrap_or_default();
        format!("{}/{number}", self.app)
    }

    fn charm(&self) -> Container<'_> {
        Container {
            namespace: &self.model,
            pod: &self.pod,
            name: "charm",
        }
    }
}

/// All such pods of the cluster that KUBECONFIG names.
pub struct Pods {
    client: Client,
    all: Vec<Place>,
}

impl Pods {
    /// Asks the API server.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn of_cluster() -> Result<Pods> {
        let kubeconfig = std::env::var_os("KUBECONFIG").context("no cluster: set KUBECONFIG")?;
        let client = crate::bed::client(Path::new(&kubeconfig)).await?;
        let pods: Api<Pod> = Api::all(client.clone());
        let labelled = ListParams::default().labels("app.kubernetes.io/name");
        let mut all = Vec::new();
        for pod in pods.list(&labelled).await.context("cannot list pods")? {
            let labels = pod.metadata.labels.unwrap_or_default();
            let app = labels.get("app.kubernetes.io/name").cloned();
            let runs = pod
                .status
                .is_some_and(|status| status.phase.as_deref() == Some("Running"));
            let has_charm = pod
                .spec
                .is_some_and(|spec| spec.containers.iter().any(|container| container.name == "charm"));
            if let (Some(model), Some(app), Some(pod), Some(uid), true) = (
                pod.metadata.namespace,
                app,
                pod.metadata.name,
                pod.metadata.uid,
                runs && has_charm && pod.metadata.deletion_timestamp.is_none(),
            ) {
                all.push(Place { model, app, pod, uid });
            }
        }
        all.sort_by(|one, other| {
            (&one.model, &one.app, &one.pod).cmp(&(&other.model, &other.app, &other.pod))
        });
        Ok(Pods { client, all })
    }

    /// Those of a model, by app and number.
    pub fn of_model(&self, model: &str) -> Vec<Place> {
        let of_model = self.all.iter().filter(|place| place.model == model);
        of_model.cloned().collect()
    }

    /// One of each model.
    pub fn first_of_each_model(&self) -> Vec<&Place> {
        let mut first = BTreeMap::new();
        for place in &self.all {
            first.entry(&place.model).or_insert(place);
        }
        first.into_values().collect()
    }

    /// The way to the API server.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Runs a script in the charm container, with these words as its arguments.
    ///
    /// # Errors
    /// When the API server does not say how it ended.
    pub async fn script(&self, place: &Place, script: &str, words: &[String]) -> Result<Output> {
        let mut command = vec!["/bin/sh", "-ec", script, "juju"];
        command.extend(words.iter().map(String::as_str));
        exec::output(&self.client, place.charm(), &command).await
    }

    /// Runs `juju` in a pod.
    ///
    /// # Errors
    /// When the API server does not say how it ended.
    pub async fn juju(&self, place: &Place, arguments: &[String]) -> Result<Output> {
        let set = PASSED_ON
            .iter()
            .filter(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()));
        let set: String = set.map(|name| format!("{name}=1 ")).collect();
        let script = format!("{set}{} juju \"$@\"", sim_command(&place.unit()));
        let mut command = vec!["/bin/sh", "-c", &script, "juju"];
        command.extend(arguments.iter().map(String::as_str));
        exec::output(&self.client, place.charm(), &command).await
    }

    /// Runs `juju` in a pod, and reads its answer.
    ///
    /// # Errors
    /// When it fails.
    pub async fn json(&self, place: &Place, arguments: &[String]) -> Result<Value> {
        let found = self.json_if_any(place, arguments).await?;
        found.with_context(|| format!("{} has no simulated Juju", place.pod))
    }

    /// The same; `None` for a pod that has the shape of an app's alone, and no Juju in it.
    ///
    /// # Errors
    /// When it fails.
    pub async fn json_if_any(&self, place: &Place, arguments: &[String]) -> Result<Option<Value>> {
        let mut arguments = arguments.to_vec();
        if !arguments.iter().any(|word| word.starts_with("--format")) {
            arguments.extend(["--format".to_owned(), "json".to_owned()]);
        }
        let said = self.juju(place, &arguments).await?;
        if said.code == NOT_FOUND {
            return Ok(None);
        }
        ensure!(said.code == 0, "{} said: {}", place.pod, said.stderr);
        let answer = serde_json::from_str(&said.stdout);
        answer
            .map(Some)
            .with_context(|| format!("no answer: {}", said.stdout))
    }
}
