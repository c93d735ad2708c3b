//! Valkey, for other charms to use, and backed up by Velero.
//!
//! Whatever happened, the charm does the same few things, and each writes only what differs.

mod backups;
#[cfg(test)]
mod tests;

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use juju_charm::databag::{self, Form};
use juju_charm::pebble::{ExecOptions, FileOptions, Layer, Override, Pebble, Service, Startup};
use juju_charm::{Event, Juju, Port, SecretContent, Status};
use serde::{Deserialize, Serialize};

// As in charmcraft.yaml.
const CONTAINER: &str = "valkey";
const DATABASE: &str = "database";
const FOLDER: &str = "/data";

const PORT: u16 = 6379;
const CONFIG: &str = "/etc/valkey/valkey.conf";
/// The password alone, for what runs in the container. It is not in the volume, so no backup holds it.
const PASSWORD: &str = "/etc/valkey/password";
const CLI: &str = "/usr/local/bin/valkey-cli";
/// Label of the secret with the password.
const SECRET: &str = "password";

/// What a related application gets.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Endpoint {
    host: String,
    port: u16,
    /// Of a secret with the key `password`.
    secret_id: String,
}

/// The parameters of the action `count-keys`.
#[derive(Deserialize)]
struct CountKeys {
    database: u32,
}

fn main() -> Result<()> {
    let juju = Juju::from_env()?;
    juju_charm::log::init(&juju);
    let valkey = juju.pebble(CONTAINER);
    match juju.context().event() {
        Event::Action(action) => act(&juju, &valkey, &action.name),
        _ => converge(&juju, &valkey, backups::mark_pod(&juju)),
    }
}

/// Brings everything to where it should be.
fn converge(juju: &Juju, valkey: &dyn Pebble, marked: Result<()>) -> Result<()> {
    juju.open_port(Port::tcp(PORT))?;
    let mut statuses = vec![backups::ask(juju, marked)?];
    if juju.planned_units()? > 1 {
        let hint = format!(
            "takes one unit: juju scale-application {} 1",
            juju.context().app()
        );
        statuses.push(Status::Blocked(hint));
    }
    match password(juju)? {
        Some(password) => {
            statuses.push(serve(valkey, &password)?);
            offer(juju)?;
        }
        None => statuses.push(Status::Waiting("for the leader to make a password".to_owned())),
    }
    if let Some(status) = Status::most_urgent(statuses) {
        juju.set_status(&status)?;
    }
    Ok(())
}

/// The password, which the leader makes once; `None` until it has.
fn password(juju: &Juju) -> Result<Option<String>> {
    if let Some(content) = juju.secret_content(SECRET)? {
        return Ok(content.get("password").map(str::to_owned));
    }
    if !juju.is_leader()? {
        return Ok(None);
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("cannot make a password: {error}"))?;
    let password: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let content = SecretContent::from([("password", password.as_str())]);
    juju.secret_add(&content, SECRET, "Password of the default user")?;
    Ok(Some(password))
}

/// Has Pebble run the server.
fn serve(valkey: &dyn Pebble, password: &str) -> Result<Status> {
    let plan = match valkey.plan() {
        Ok(plan) => plan,
        // Its pebble-ready event comes.
        Err(error) if error.is_not_reachable() => {
            return Ok(Status::Waiting("for the container to start".to_owned()));
        }
        Err(error) => return Err(error.into()),
    };
    // A command line would show the password to everybody.
    let config = format!("dir {FOLDER}\nport {PORT}\nsave 3600 1 300 100\nrequirepass {password}\n");
    for (path, text) in [(CONFIG, config.as_str()), (PASSWORD, password)] {
        let is_current = valkey.exists(path)? && valkey.read_file(path)? == text.as_bytes();
        if !is_current {
            let private = FileOptions {
                make_dirs: true,
                mode: Some(0o600),
                ..FileOptions::default()
            };
            valkey.write_file(path, text.as_bytes(), &private)?;
        }
    }
    let service = Service {
        r#override: Some(Override::Replace),
        command: Some(format!("/usr/local/bin/valkey-server {CONFIG}")),
        startup: Some(Startup::Enabled),
        ..Service::default()
    };
    let layer = Layer {
        services: [(CONTAINER.to_owned(), service)].into(),
        ..Layer::default()
    };
    if !plan.includes(&layer) {
        valkey.add_layer(CONTAINER, &layer, true)?;
        valkey.replan_and_wait(Duration::from_secs(30))?;
    }
    Ok(Status::Active(String::new()))
}

/// Tells every related application where the database is, and lets it read the password.
fn offer(juju: &Juju) -> Result<()> {
    let relations = juju.relations(DATABASE)?;
    if relations.is_empty() || !juju.is_leader()? {
        return Ok(());
    }
    // One that was made a moment ago may not be told of yet; the next event offers it then.
    let Some(secret) = juju.secret_info(SECRET)? else {
        return Ok(());
    };
    let secret = secret.id;
    let context = juju.context();
    let endpoint = Endpoint {
        host: format!("{}.{}.svc.cluster.local", context.app(), context.model_name()),
        port: PORT,
        secret_id: format!("secret:{}", secret.unique_id()),
    };
    let bag = databag::write(&endpoint, Form::Plain)?;
    for relation in relations {
        // Both are kept when this dispatch ends well, or neither: what has the id has the grant.
        if juju.set_own_app_data(&relation, &bag)? {
            juju.secret_grant(&secret, &relation)?;
        }
    }
    Ok(())
}

/// Runs an action.
fn act(juju: &Juju, valkey: &dyn Pebble, name: &str) -> Result<()> {
    if name != "count-keys" {
        juju.action_fail(&format!("there is no action {name}"))?;
        return Ok(());
    }
    let CountKeys { database } = juju.action_parameters_as()?;
    match count_keys(juju, valkey, database) {
        Ok(count) => juju.action_set(&[("keys".to_owned(), count)].into())?,
        Err(error) => juju.action_fail(&format!("{error:#}"))?,
    }
    Ok(())
}

fn count_keys(juju: &Juju, valkey: &dyn Pebble, database: u32) -> Result<String> {
    let password = password(juju)?.context("the database has not started yet")?;
    let mut command = ExecOptions::command([CLI, "-e", "-n", &database.to_string(), "dbsize"]);
    // Variables are not shown by `ps`, and arguments are.
    command.environment.insert("REDISCLI_AUTH".to_owned(), password);
    let output = valkey.exec(&command)?;
    ensure!(
        output.success(),
        "cannot ask the database: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
