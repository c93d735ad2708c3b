//! The part of a plan that concerns the workload process: its file, its layer, and the steps to bring it there.

use std::collections::BTreeMap;
use std::time::Duration;

use juju_charm::pebble::{Check, CheckLevel, HttpCheck, Layer, Override, Service, ServiceStatus, Startup};

use super::{FileWrite, Inputs, PutAside, Run, WorkloadPlan};
use crate::config_file::{self, Edit, Value, WantedSetting};
use crate::credentials::Credentials;
use crate::digest;
use crate::facts::{Container, Facts, FileFacts, Health, ReadyContainer, Storage};
use crate::ingress::{self, IngressUrl};
use crate::media;
use crate::names::check_name;
use crate::profile::{AppProfile, ConfigFile, Setting, Settings, User};
use crate::service;
use crate::steps::prepare_volume::may_be_seen;
use crate::steps::validate::WorkloadSettings;
use crate::template::{Place, Template, Values};

/// What to do in the container.
pub(super) fn workload(inputs: Inputs<'_>) -> WorkloadPlan {
    let Inputs {
        profile,
        facts,
        validated,
        start,
        credentials,
    } = inputs;
    let container = match &facts.container {
        Container::Ready(container) => container,
        Container::NotReachable => return WorkloadPlan::Leave,
        // What runs is not known, but Pebble answers.
        Container::Faulty { .. } => {
            return match may_be_seen(profile, facts) {
                Ok(()) => WorkloadPlan::Leave,
                Err(_) => WorkloadPlan::Stop,
            };
        }
    };
    let running = is_running(container);
    let in_back_off = container.service == Some(ServiceStatus::Backoff);
    let may_start = match start {
        Ok(may_start) => may_start.hand_over(),
        // One in back-off does not run yet, and nobody asks whether it may before Pebble starts it. What shows the user's address
        // stops, whatever else is wrong.
        Err(blocker)
            if running && (blocker.reason.stops() || in_back_off || may_be_seen(profile, facts).is_err()) =>
        {
            return WorkloadPlan::Stop;
        }
        Err(_) => return WorkloadPlan::Leave,
    };
    let (Ok(()), Ok(settings)) = (&facts.metadata, &validated.workload) else {
        return WorkloadPlan::Leave;
    };
    let (put_aside, mut file) = config_file(inputs, settings, container);
    let layer = layer(profile, facts, settings, credentials);
    let layer = (!container.plan.includes(&layer)).then_some(layer);
    let own = match (&facts.storage, settings.user) {
        // Restored files have the owner that they were stored with. The volume's own, which tells elsewhere, is as it was.
        (Storage::Mounted { location, owner, .. }, Some(user))
            if *owner != ids(user) || may_start.is_restored() && !running =>
        {
            Some((location.clone(), user))
        }
        _ => None,
    };
    if let (Some(file), Some((_, user))) = (&mut file, &own) {
        // The whole volume changes hands, this file with it.
        file.file.owner = Some(ids(*user));
    }
    // Pebble starts what has ended by itself, and knows nothing of what that has left.
    let is_stuck = in_back_off && container.has_stale_files;
    // Where the check rests, a dispatch was cut off on its way to start what the plan says by now.
    let is_started = running && !is_stuck && container.health != Health::NotAsked;
    if is_started && file.is_none() && layer.is_none() && own.is_none() {
        return WorkloadPlan::Keep(may_start);
    }
    if !may_start.is_seen() && profile.storage.is_some() {
        return WorkloadPlan::Look;
    }
    // An app that runs has its databases open, and a live database is never touched.
    let put_in_place = match &facts.storage {
        Storage::Mounted { location, .. } if !running => Some(location.clone()),
        _ => None,
    };
    let stop_first = running && (is_stuck || file.is_some() || (own.is_some() && layer.is_some()));
    let run = Run {
        // Those of an app that runs say the truth.
        remove: match running && !stop_first {
            true => Vec::new(),
            false => profile.workload.stale_files.clone(),
        },
        put_in_place,
        stop_first,
        own,
        put_aside,
        file,
        layer,
    };
    WorkloadPlan::Run(may_start, Box::new(run))
}

/// Whether the app's service has to be stopped before its files may be touched.
pub fn is_running(container: &ReadyContainer) -> bool {
    container.service.as_ref().is_some_and(service::runs)
}

/// The Pebble layer of the app: one service and its health check.
fn layer(
    profile: &AppProfile,
    facts: &Facts,
    settings: &WorkloadSettings,
    credentials: Option<&Credentials>,
) -> Layer {
    let workload = &profile.workload;
    let values = values(profile, facts, settings, credentials);
    let mut environment: BTreeMap<String, String> = workload
        .environment
        .iter()
        .filter_map(|(name, template)| Some((name.clone(), template.render(values)?)))
        .collect();
    environment.insert("TZ".to_owned(), settings.timezone.clone());
    if let Some(ingress) = &settings.ingress {
        environment.insert(ingress::REMEMBERED.to_owned(), ingress.url().to_owned());
    }
    let service = Service {
        r#override: Some(Override::Replace),
        summary: Some(profile.title.clone()),
        command: Some(workload.command.clone()),
        startup: Some(Startup::Enabled),
        environment,
        working_dir: workload.working_dir.clone(),
        user_id: settings.user.map(|user| user.uid),
        group_id: settings.user.map(|user| user.gid),
        kill_delay: workload
            .stop_timeout
            .map(|seconds| Duration::from_secs(seconds.into())),
        ..Service::default()
    };
    let check = Check {
        r#override: Some(Override::Replace),
        level: Some(CheckLevel::Ready),
        // One that is started is up before it has asked once. The charm starts it when the app has passed it.
        startup: Some(Startup::Disabled),
        http: Some(HttpCheck {
            url: Some(health_url(profile, settings)),
            headers: BTreeMap::new(),
        }),
        ..Check::default()
    };
    Layer {
        services: BTreeMap::from([(profile.name.clone(), service)]),
        checks: BTreeMap::from([(check_name(profile), check)]),
        ..Layer::default()
    }
}

pub(super) fn values<'a>(
    profile: &AppProfile,
    facts: &'a Facts,
    settings: &'a WorkloadSettings,
    credentials: Option<&'a Credentials>,
) -> Values<'a> {
    Values {
        port: profile.workload.port,
        url_base: &settings.url_base,
        app: &facts.app,
        model: &facts.model,
        ingress_host: settings.ingress.as_ref().map_or("", IngressUrl::host),
        media: media::mounted_at(&profile.name, &facts.media, facts.pod.as_ref()),
        credentials,
        options: &settings.options,
    }
}

/// Where the app says whether it is well, as seen in its own container.
pub fn health_url(profile: &AppProfile, settings: &WorkloadSettings) -> String {
    let workload = &profile.workload;
    let base = if workload.health.below_url_base {
        settings.url_base.as_str()
    } else {
        ""
    };
    format!("http://localhost:{}{base}{}", workload.port, workload.health.path)
}

/// The settings that have something to say, where the file says `current` at a path.
fn wanted(
    settings: &Settings,
    values: Values<'_>,
    current: &dyn Fn(&[String]) -> Option<String>,
) -> Vec<WantedSetting> {
    let is_chosen = |template: &Template, path: &[String]| {
        let media = values
            .media
            .filter(|_| template.places().any(|place| *place == Place::Media));
        media.is_some_and(|media| current(path).is_some_and(|folder| is_below(&folder, media)))
    };
    let rendered = |path: &[String], setting: &Setting| match setting {
        Setting::Text(template) if is_chosen(template, path) => None,
        Setting::Text(template) => template.render(values).map(Value::Text),
        Setting::List(templates) => {
            // An option may hold several items.
            let texts = templates.iter().filter_map(|template| template.render(values));
            let items: Vec<String> = texts
                .flat_map(|text| {
                    text.split(',')
                        .map(|item| item.trim().to_owned())
                        .collect::<Vec<_>>()
                })
                .filter(|item| !item.is_empty())
                .collect();
            Some(Value::List(items))
        }
        Setting::Section(_) => None,
    };
    settings
        .flat()
        .into_iter()
        .filter_map(|(path, setting)| {
            Some(WantedSetting {
                value: rendered(&path, setting)?,
                path,
            })
        })
        .collect()
}

fn config_file(
    inputs: Inputs<'_>,
    settings: &WorkloadSettings,
    container: &ReadyContainer,
) -> (Option<PutAside>, Option<FileWrite>) {
    let Inputs {
        profile,
        facts,
        credentials,
        ..
    } = inputs;
    let Some(file) = &profile.config_file else {
        return (None, None);
    };
    let values = values(profile, facts, settings, credentials);
    let current = container.config_file.as_ref();
    let write = |content: Vec<u8>| {
        Some(FileWrite {
            path: file.path.clone(),
            file: written(settings.user, current, content),
        })
    };
    let content = current.map(|file| file.content.as_slice());
    let wanted_values = wanted(&file.values, values, &|path| {
        config_file::value(file, content?, path)
    });
    let initial = wanted(&file.initial_values, values, &|_| None);
    match config_file::edit(file, content, &wanted_values, &initial) {
        Edit::Unchanged => (None, None),
        Edit::Write(content) => (None, write(content)),
        Edit::Replace { content, reason } => (
            current.map(|damaged| put_aside(file, damaged, reason)),
            write(content),
        ),
    }
}

/// Whether `folder`, as an app writes it, is the mount of the media or lies below it. Without media there is none such.
fn is_below(folder: &str, media: &str) -> bool {
    let rest = folder.strip_prefix(media).filter(|_| !media.is_empty());
    rest.is_some_and(|rest| {
        (rest.is_empty() || rest.starts_with('/')) && !rest.split('/').any(|part| part == "..")
    })
}

/// A file that was there keeps its mode and owner; a new one belongs to the app and nobody else reads it.
fn written(user: Option<User>, current: Option<&FileFacts>, content: Vec<u8>) -> FileFacts {
    match current {
        Some(current) => FileFacts {
            content,
            mode: current.mode,
            owner: current.owner,
        },
        None => FileFacts {
            content,
            mode: 0o600,
            owner: user.map(ids),
        },
    }
}

fn put_aside(file: &ConfigFile, damaged: &FileFacts, reason: String) -> PutAside {
    // Named by its content: a dispatch that is cut off and done again keeps one copy, another damage keeps its own.
    let mark = digest::mark(&damaged.content, 8);
    PutAside {
        path: format!("{}.damaged-{mark}", file.path),
        file: damaged.clone(),
        reason,
    }
}

fn ids(user: User) -> (u32, u32) {
    (user.uid, user.gid)
}
