//! Seven apps in one model, each with data of its own: what a household has, and loses.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};
use system_tests::binaries::Binaries;
use workload_charm::profile::{AppProfile, Credentials};

use super::protected::WRITER;
use crate::bed::Bed;
use crate::exec;
use crate::ground::TestEnv;
use crate::image::Layer;
use crate::juju::{App, Programs};
use crate::pods::{self, Checksums, Recipe, Running};

/// One app of the fleet.
pub struct Member {
    /// Name of the app and of its app file.
    pub name: &'static str,
    /// Its databases, from the root of the volume.
    pub databases: &'static [&'static str],
}

/// The seven. Where they keep their databases is a fact of each app.
pub const FLEET: [Member; 7] = [
    Member {
        name: "radarr",
        databases: &["radarr.db", "logs.db"],
    },
    Member {
        name: "sonarr",
        databases: &["sonarr.db"],
    },
    Member {
        name: "prowlarr",
        databases: &["prowlarr.db"],
    },
    Member {
        name: "qbittorrent",
        databases: &[],
    },
    Member {
        name: "sabnzbd",
        databases: &["admin/history1.db"],
    },
    Member {
        name: "jellyfin",
        databases: &["data/data/jellyfin.db"],
    },
    Member {
        name: "plex",
        databases: &[
            "Library/Application Support/Plex Media Server/Plug-in Support/Databases/com.plexapp.plugins.library.db",
        ],
    },
];

/// What an app's volume holds, in a form that can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// SHA-256 of every file that is no database.
    pub files: Checksums,
    /// One checksum of all rows, by database.
    pub rows: Vec<String>,
    /// Owner and mode of everything.
    pub owners: String,
}

impl Held {
    /// Fails unless `now` holds the same. `but` names files that may differ.
    ///
    /// # Errors
    /// The differences.
    pub fn is_same(&self, now: &Self, but: &[String]) -> Result<()> {
        let without = |files: &Checksums| -> Checksums {
            let mut files = files.clone();
            files.retain(|path, _| !but.contains(path));
            files
        };
        if let Some(difference) = exec::difference(&without(&self.files), &without(&now.files)) {
            bail!("files differ: {difference}");
        }
        ensure!(
            self.rows == now.rows,
            "rows differ: {:?} before, {:?} now",
            self.rows,
            now.rows
        );
        ensure!(
            self.owners == now.owners,
            "owners or modes differ. Before:\n{}\nnow:\n{}",
            self.owners,
            now.owners
        );
        Ok(())
    }
}

impl Member {
    /// What the charm knows of the app.
    ///
    /// # Errors
    /// When its app file cannot be read.
    pub fn profile(&self) -> Result<AppProfile> {
        Ok(AppProfile::load(&pods::app_file(self.name))?)
    }

    /// The app's configuration file, from the root of the volume.
    ///
    /// # Errors
    /// When the app file cannot be read.
    pub fn config_file(&self) -> Result<Option<String>> {
        let file = self.profile()?.config_file;
        Ok(file.map(|file| file.path.trim_start_matches("/config/").to_owned()))
    }

    /// Whether clients log in with a password, so that only its hash is in the app's file.
    pub fn keeps_a_password(&self) -> bool {
        self.profile()
            .is_ok_and(|profile| matches!(profile.credentials, Some(Credentials::Login { .. })))
    }

    /// Images of the app; its program is a web server that answers where the app would.
    ///
    /// # Errors
    /// When they cannot be made.
    pub async fn images(&self, bed: &Bed) -> Result<Programs> {
        let workload = self.profile()?.workload;
        let page = workload
            .health
            .path
            .split('?')
            .next()
            .unwrap_or("/")
            .trim_start_matches('/');
        let page = if page.is_empty() { "index.html" } else { page };
        let program = match workload.command.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next().unwrap_or_default(),
            None => workload.command.split(' ').next().unwrap_or_default(),
        };
        let serve = format!(
            "#!/bin/sh\nexec /bin/busybox httpd -f -p {} -h /opt/www\n",
            workload.port
        );
        let writer = &Binaries::for_tests()?.config_volume_writer;
        let version = workload.version.as_ref().map(|place| {
            let version = workload.image.rsplit_once(':').map_or("1", |(_, tag)| tag);
            (place.file.as_str(), format!("{}={version}\n", place.key))
        });
        let mut layer = Layer::new();
        if let Some((path, text)) = &version {
            layer = layer.text(path, text);
        }
        let layer = layer
            .script(program, &serve)
            .text(&format!("/opt/www/{page}"), "OK\n")
            .program(WRITER, writer);
        let workload = vec![pods::with_libraries(layer, &[writer])?];
        let recipe = Recipe {
            app: self.name,
            workload,
        };
        pods::images(bed, recipe).await
    }

    /// The app in `model`, with the trust that recovery needs.
    pub fn app(&self, model: &str, programs: Programs) -> App {
        App {
            name: self.name.to_owned(),
            model: model.to_owned(),
            programs,
            trust: true,
            logs: false,
            media: None,
            annotations: json!({}),
        }
    }

    /// Fills the volume with about 20 MB: databases, what the app file counts in them, files of several owners and modes, a link, an
    /// empty file. Every app's bytes are its own.
    ///
    /// # Errors
    /// When the app file or the app's schema cannot be read.
    pub fn fill(&self) -> Result<String> {
        let mut script = String::from("cd /config\n");
        for (number, database) in self.databases.iter().enumerate() {
            script.push_str(&format!(
                "mkdir -p \"$(dirname '{database}')\"
{WRITER} write '{database}' --megabytes 4 --transactions {} --until kill > /dev/null\n",
                20 + number
            ));
        }
        let contents = self.profile()?.storage.map(|storage| storage.contents);
        let contents = contents.unwrap_or_default();
        let schema = pods::app_file(self.name)
            .with_file_name("../tests/data/schemas")
            .join(format!("{}.sql", self.name));
        let schema =
            std::fs::read_to_string(&schema).with_context(|| format!("cannot read {}", schema.display()))?;
        for database in contents.databases.keys() {
            script.push_str(&format!(
                "mkdir -p \"$(dirname '{database}')\"\n{}",
                sql(database, &schema)
            ));
        }
        for place in contents.files.values() {
            for one in ["one", "two"] {
                let place = place.replace('*', one);
                script.push_str(&format!(
                    "mkdir -p \"$(dirname '{place}')\"; echo {one} > '{place}'\n"
                ));
            }
        }
        let prefs = match self.name {
            // Plex makes its file itself.
            "plex" => {
                "p='Library/Application Support/Plex Media Server'; mkdir -p \"$p\"
echo '<?xml version=\"1.0\" encoding=\"utf-8\"?><Preferences MachineIdentifier=\"1234\"/>' > \"$p/Preferences.xml\"\n"
            }
            _ => "",
        };
        script.push_str(prefs);
        script.push_str(&format!(
            "mkdir -p Backups/manual lists
dd if=/dev/urandom of=Backups/manual/1.zip bs=1M count=15 2>/dev/null
echo 'of {}' > lists/owner
ln -s ../Backups/manual/1.zip lists/last
: > lists/empty
chown -R 1000:1000 .
chown 1000:0 Backups/manual/1.zip
chmod 0604 Backups/manual/1.zip
chmod 0750 lists\n",
            self.name
        ));
        Ok(script)
    }

    /// What the charm counts in the volume.
    ///
    /// # Errors
    /// When the action does not complete.
    pub async fn contents(&self, running: &Running<'_>) -> Result<String> {
        let spec = action(running, "show-backup-spec").await?;
        let counted = spec["contents-now"].as_str();
        Ok(counted.context("nothing is counted")?.to_owned())
    }

    /// What the volume of the running app holds.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn held(&self, running: &Running<'_>) -> Result<Held> {
        let owners = running
            .in_workload(
                "cd /config; find . ! -path './.velero*' ! -name '*.db-*' -exec stat -c '%n %a %u:%g %F' {} + | sort",
            )
            .await?;
        let mut rows = Vec::new();
        for database in self.databases {
            let said = running
                .in_workload(&format!("{WRITER} rows '/config/{database}'"))
                .await
                .with_context(|| format!("the rows of {} in {}", database, self.name))?;
            rows.push(said.trim().to_owned());
        }
        let mut files = running.checksums().await?;
        let is_database = |path: &str| self.databases.iter().any(|database| path.starts_with(database));
        files.retain(|path, _| !is_database(path) && !path.starts_with(".velero/"));
        Ok(Held { files, rows, owners })
    }
}

/// A line of a script that runs statements on a database, given from the root of the volume.
pub fn sql(database: &str, statements: &str) -> String {
    let quoted = statements.replace('\'', "'\\''");
    format!("{WRITER} sql '/config/{database}' '{quoted}'\n")
}

/// Puts a member into `model`, lets its charm deploy with these options, and relates it to the stand-in velero-operator.
///
/// # Errors
/// When it does not get active.
pub async fn deploy_one<'a>(
    ground: &'a TestEnv,
    member: &Member,
    model: &str,
    programs: Programs,
    class: Option<&str>,
    config: &[(&str, &str)],
) -> Result<Running<'a>> {
    let running = Running::start_on(ground, member.app(model, programs), class).await?;
    deploy_on(&running, config).await?;
    Ok(running)
}

/// Lets the charm deploy in its pod, and relates it to the stand-in velero-operator.
///
/// # Errors
/// When it does not get active.
pub async fn deploy_on(running: &Running<'_>, config: &[(&str, &str)]) -> Result<()> {
    let name = &running.app.name;
    running.deploy_with(config).await?;
    let settled = async {
        running.settle().await?;
        running.sim("juju deploy velero-operator").await?;
        running
            .sim(&format!("juju integrate {name} velero-operator"))
            .await?;
        running.settle().await
    };
    settled.await.with_context(|| format!("deploying {name}"))?;
    Ok(())
}

/// Puts every member into `model` and lets its charm deploy, with these options, all at once.
///
/// # Errors
/// When one does not get active.
pub async fn deploy<'a>(
    ground: &'a TestEnv,
    model: &str,
    images: &BTreeMap<&str, Programs>,
    class: Option<&str>,
    config: &[(&str, &str)],
) -> Result<Vec<Running<'a>>> {
    let all = FLEET.iter().map(|member| async move {
        let programs = images.get(member.name).context("no image")?.clone();
        deploy_one(ground, member, model, programs, class, config).await
    });
    try_join_all(all).await
}

/// Puts these members into `model`, all at once, and fills their volumes. What an app keeps as its configuration its charm has seen.
///
/// # Errors
/// When one does not get active.
pub async fn deploy_filled<'a>(
    ground: &'a TestEnv,
    members: &[Member],
    model: &str,
) -> Result<Vec<Running<'a>>> {
    let bed = ground.own_bed()?;
    let all = members.iter().map(|member| async move {
        let images = member.images(bed).await?;
        let running = deploy_one(ground, member, model, images, None, &[]).await?;
        running.in_workload(&member.fill()?).await?;
        running.sim("event settle").await?;
        Ok(running)
    });
    try_join_all(all).await
}

/// Runs an action of the charm and returns what Juju says of it, however it ended.
///
/// # Errors
/// When Juju cannot be asked.
pub async fn task(running: &Running<'_>, action: &str) -> Result<Value> {
    let unit = running.unit();
    let answer = running
        .in_charm(&format!(
            "{} juju run {unit} {action} --format json 2>/tmp/action.err || cat /tmp/action.err >&2",
            running.sim_command()
        ))
        .await?;
    let answer: Value =
        serde_json::from_str(&answer).with_context(|| format!("no answer of {action}: {answer}"))?;
    Ok(answer[&unit].clone())
}

/// Runs an action of the charm and returns its results.
///
/// # Errors
/// When it does not complete.
pub async fn action(running: &Running<'_>, action: &str) -> Result<Value> {
    let task = task(running, action).await?;
    ensure!(
        task["status"] == "completed",
        "action {action} of {} should have completed: {task}",
        running.app.name
    );
    Ok(task["results"].clone())
}
