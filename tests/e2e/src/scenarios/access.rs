//! Kubeconfigs that are of little use.

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

use anyhow::{Context, Result};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::apply;
use crate::ground::TestEnv;

/// Name of the account that may nothing.
pub const POWERLESS: &str = "powerless";

/// Access as an account that may nothing, made in this namespace.
///
/// # Errors
/// When the API server refuses the account or its token.
pub async fn powerless(ground: &TestEnv, namespace: &str) -> Result<PathBuf> {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
                         "metadata": {"name": POWERLESS, "namespace": namespace}});
    apply::one(&ground.client, &account).await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(ground.client.clone(), namespace);
    let request = TokenRequest {
        spec: TokenRequestSpec {
            expiration_seconds: Some(3600),
            ..TokenRequestSpec::default()
        },
        ..TokenRequest::default()
    };
    let answer = accounts
        .create_token_request(POWERLESS, &PostParams::default(), &request)
        .await?;
    let token = answer.status.context("the API server gave no token")?.token;
    changed(ground, POWERLESS, |config| {
        config["users"][0]["user"] = json!({"token": token});
    })
}

/// Access to an address on which nobody listens.
///
/// # Errors
/// When the kubeconfig cannot be written.
pub fn nowhere(ground: &TestEnv) -> Result<PathBuf> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    changed(ground, "nowhere", |config| {
        config["clusters"][0]["cluster"]["server"] = json!(format!("https://127.0.0.1:{port}"));
    })
}

/// The administrator's kubeconfig, changed.
fn changed(ground: &TestEnv, name: &str, change: impl FnOnce(&mut Value)) -> Result<PathBuf> {
    let bed = ground.own_bed()?;
    let mut config: Value = serde_yaml::from_str(&fs::read_to_string(&bed.kubeconfig)?)?;
    change(&mut config);
    let path = bed.folder.join(format!("kubeconfig-{name}"));
    // JSON is YAML.
    fs::write(&path, config.to_string())?;
    Ok(path)
}
