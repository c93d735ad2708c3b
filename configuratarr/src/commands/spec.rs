//! `configuratarr spec`: what is wrong with a spec of backups, and what it would store.

use std::io::Read as _;
use std::path::Path;

use config_recovery::Error;
use config_recovery::backups::{self, AppId, AppSchedule};
use config_recovery::cluster::Cluster;
use config_recovery::preview::{Preview, preview_of};
use config_recovery::survey::{self, Objects};
use jiff::Timestamp;

use super::{Call, Done};
use crate::cluster;
use crate::problem::{Kind, Problem, Result};
use crate::report::{SpecReport, SpecsReport};
use crate::spec::{self, Advice, Read};

/// Runs it. Of a file it is said what is wrong with it, whether the cluster can be asked or not.
pub async fn run(call: &Call<'_>, file: Option<&Path>, app: Option<&str>) -> Result<Done> {
    let (reads, looked) = match (file, app) {
        (Some(file), _) => {
            let mut read = spec::read(&text_of(file)?);
            if let Some(app) = app {
                read.app = Some(app.to_owned());
            }
            let looked = match read.spec {
                Some(_) => look(call, std::slice::from_ref(&read)).await.map(Some),
                None => Ok(None),
            };
            (vec![read], looked)
        }
        (None, Some(app)) => {
            let cluster = cluster::connect(call.global).await?;
            let reads = published(call, &cluster, app).await?;
            let looked = look(call, &reads).await.map(Some);
            (reads, looked)
        }
        (None, None) => {
            return Err(Problem::new(
                Kind::Usage,
                "no spec is named",
                "configuratarr spec FILE, or --app APP",
            ));
        }
    };
    let (looked, problem) = match looked {
        Ok(looked) => (looked, None),
        Err(problem) => (None, Some(problem)),
    };
    let report = SpecsReport {
        schema: "configuratarr/spec/v1",
        time: Timestamp::now().to_string(),
        cluster_problem: problem.as_ref().map(|problem| problem.text.clone()),
        specs: reads.iter().map(|read| report(read, looked.as_ref())).collect(),
    };
    call.printer.data(&report, || report.page())?;
    if let Some(problem) = &problem {
        call.printer.problem(problem);
    }
    Ok(match (report.is_well(), problem) {
        (false, _) => Done::NotWell,
        // The spec is well; where it would be used is another question.
        (true, Some(_)) if file.is_some() => Done::Well,
        (true, Some(_)) => Done::NotAsked,
        (true, None) => Done::Well,
    })
}

fn text_of(file: &Path) -> Result<String> {
    let mut text = String::new();
    let read = match file.to_str() {
        Some("-") => std::io::stdin().read_to_string(&mut text).map(drop),
        _ => std::fs::File::open(file)
            .and_then(|mut file| file.read_to_string(&mut text))
            .map(drop),
    };
    read.map_err(|error| {
        Problem::new(
            Kind::Usage,
            format!("cannot read {}: {error}", file.display()),
            "name a file with a spec as YAML or JSON, or - for standard input",
        )
    })?;
    Ok(text)
}

/// The specs that an app asks for: those of its Schedules.
async fn published(call: &Call<'_>, cluster: &Cluster, app: &str) -> Result<Vec<Read>> {
    let whose = AppId {
        app: app.to_owned(),
        model: call.model().await?,
    };
    let all = backups::schedules(cluster).await?;
    let own: Vec<&AppSchedule> = all.iter().filter(|schedule| schedule.whose == whose).collect();
    if own.is_empty() {
        return Err(Problem::new(
            Kind::Failed,
            format!("Velero has no Schedule of {whose}"),
            format!(
                "{} says why; {} shows what it would ask for",
                call.juju.own(&format!("doctor {app}")),
                call.juju
                    .typed(&["run", &format!("{app}/leader"), "show-backup-spec"])
            ),
        ));
    }
    Ok(own.into_iter().map(spec::of_schedule).collect())
}

/// What is looked at in the cluster.
struct Looked {
    objects: Objects,
    drivers: Option<Vec<String>>,
    /// velero-operator's option `default-volumes-to-fs-backup`, by the Schedules that it made.
    by_default: bool,
}

async fn look(call: &Call<'_>, reads: &[Read]) -> Result<Looked> {
    let cluster = cluster::connect(call.global).await?;
    let namespaces: Vec<String> = spec::namespaces(reads.iter().filter_map(|read| read.spec.as_ref()))
        .into_iter()
        .collect();
    let (objects, drivers, schedules) = tokio::join!(
        survey::objects(&cluster, &namespaces),
        survey::snapshot_drivers(&cluster),
        backups::schedules(&cluster),
    );
    let asked = |error: config_recovery::ClusterError| Problem::from(Error::from(error));
    objects.pods.as_ref().map_err(|error| asked(error.clone()))?;
    objects.claims.as_ref().map_err(|error| asked(error.clone()))?;
    objects.volumes.as_ref().map_err(|error| asked(error.clone()))?;
    let by_default = schedules
        .iter()
        .flatten()
        .any(|schedule| schedule.template.default_volumes_to_fs_backup == Some(true));
    Ok(Looked {
        objects,
        drivers: drivers.ok(),
        by_default,
    })
}

fn report(read: &Read, looked: Option<&Looked>) -> SpecReport {
    let Some(spec) = &read.spec else {
        return SpecReport::new(read, &[], None);
    };
    let velero = spec.to_velero_backup_spec(looked.is_some_and(|looked| looked.by_default));
    let found: Option<Preview> =
        looked.and_then(|looked| preview_of(&velero, &looked.objects, looked.drivers.as_deref()).ok());
    let config = looked.zip(read.app.as_ref()).and_then(|(looked, app)| {
        let mut models = spec.include_namespaces().iter();
        models.find_map(|model| {
            looked.objects.stored(&AppId {
                app: app.clone(),
                model: model.clone(),
            })
        })
    });
    let cron = spec.schedule().map(|schedule| schedule.as_str());
    let advice: Vec<Advice> = spec::advise(&velero, cron, found.as_ref(), config);
    SpecReport::new(read, &advice, found.as_ref())
}
