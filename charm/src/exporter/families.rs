//! What is exported, as a function of what was seen.

use config_recovery::backups::{
    self, AppId, AppSchedule, BackupHealth, BackupSummary, Proof, Rests, Verdict,
};
use config_recovery::watched::Watched;
use jiff::{SignedDuration, Timestamp};

use super::metrics::{self, METRICS, Metric};
use super::settings::{Asked, Settings};
use super::text::Family;
use crate::contents::fewer;
use crate::contents::seen::{self, List};
use crate::test_restore;

/// The verdicts, as the label has them.
pub const VERDICTS: [(Verdict, &str); 7] = [
    (Verdict::Good, "good"),
    (Verdict::Damaged, "damaged"),
    (Verdict::Running, "running"),
    (Verdict::Empty, "empty"),
    (Verdict::Partial, "partial"),
    (Verdict::Failed, "failed"),
    (Verdict::Expired, "expired"),
];

/// The states of a Schedule, as the label has them.
pub const STATES: [&str; 4] = ["active", "missing", "paused", "refused"];

/// [`metrics::SHRANK`] of the bytes.
pub const BYTES: &str = "bytes";

/// What is told from.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// What the hooks say.
    pub settings: &'a Settings,
    /// Whether the last look at the cluster went well.
    pub is_readable: bool,
    /// What was seen there last, and when; `None` before the first.
    pub seen: Option<(&'a Watched, Timestamp)>,
    /// What the commands before a backup noted.
    pub contents: &'a List,
    /// When the metrics are asked for.
    pub now: Timestamp,
}

/// The samples, collected in the order of the table.
#[derive(Default)]
struct Samples(Vec<Family>);

impl Samples {
    fn add(&mut self, metric: &'static Metric, labels: &[&str], number: impl Into<Number>) {
        let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        let sample = (labels, number.into().0);
        match self.0.iter_mut().find(|family| family.metric == metric) {
            Some(family) => family.samples.push(sample),
            None => self.0.push(Family {
                metric,
                samples: vec![sample],
            }),
        }
    }

    /// The same, where there is a number.
    fn add_known<N: Into<Number>>(&mut self, metric: &'static Metric, labels: &[&str], number: Option<N>) {
        if let Some(number) = number {
            self.add(metric, labels, number);
        }
    }

    /// 1 for one of the `all` values of the last label, 0 for the others.
    fn add_one_of<'a>(
        &mut self,
        metric: &'static Metric,
        labels: &[&str],
        all: impl IntoIterator<Item = &'a str>,
        is: &str,
    ) {
        for value in all {
            let labels: Vec<&str> = labels.iter().copied().chain([value]).collect();
            self.add(metric, &labels, value == is);
        }
    }

    fn sorted(mut self) -> Vec<Family> {
        let place = |family: &Family| METRICS.iter().position(|metric| *metric == family.metric);
        self.0.sort_by_key(place);
        self.0
    }
}

/// What a sample may be.
struct Number(f64);

impl From<bool> for Number {
    fn from(is: bool) -> Self {
        Self(if is { 1.0 } else { 0.0 })
    }
}

impl From<u64> for Number {
    #[expect(
        clippy::cast_precision_loss,
        reason = "Prometheus has no other numbers, and bytes are exact up to 9 PB"
    )]
    fn from(number: u64) -> Self {
        Self(number as f64)
    }
}

impl From<Timestamp> for Number {
    fn from(time: Timestamp) -> Self {
        Self::from(u64::try_from(time.as_second()).unwrap_or_default())
    }
}

impl From<SignedDuration> for Number {
    fn from(duration: SignedDuration) -> Self {
        Self(duration.as_secs_f64().max(0.0))
    }
}

/// All that is exported.
pub fn families(known: Known<'_>) -> Vec<Family> {
    let mut samples = Samples::default();
    let version = env!("CARGO_PKG_VERSION");
    samples.add(&metrics::EXPORTER_INFO, &[version], true);
    if known.settings.has_data {
        samples.add(&metrics::CLUSTER_READABLE, &[], known.is_readable);
        if let Some((watched, at)) = known.seen {
            samples.add(&metrics::READ_TIMESTAMP, &[], at);
            of_backups(&mut samples, known, watched);
        }
    }
    samples.sorted()
}

fn of_backups(samples: &mut Samples, known: Known<'_>, watched: &Watched) {
    let Known { settings, now, .. } = known;
    let whose = settings.whose();
    let health = watched.health(&whose, now);
    for (verdict, word) in VERDICTS {
        let of_it = watched
            .backups
            .iter()
            .filter(|backup| backup.verdict(now) == verdict);
        let count = u64::try_from(of_it.count()).unwrap_or(u64::MAX);
        samples.add(&metrics::BACKUPS, &[word], count);
    }
    if let Some(word) = last_result(&watched.backups, settings, &health, now) {
        let words = VERDICTS.iter().map(|(_, word)| *word);
        samples.add_one_of(&metrics::LAST_RESULT, &[], words, word);
    }
    for (endpoint, known) in &health.endpoints {
        let last = known.last_good.as_ref().and_then(|last| last.time);
        samples.add_known(&metrics::LAST_SUCCESS, &[endpoint], last);
    }
    for asked in &settings.asked {
        of_schedule(samples, asked, &health, &watched.schedules, now);
    }
    of_last_good(samples, known, watched, &whose, &health);
    of_expiry(samples, settings, &health);
    of_verify(samples, settings, &health, now);
    samples.add_known(&metrics::RESTORE_TIMESTAMP, &[], settings.restored.at());
    samples.add_known(
        &metrics::STORAGE_AVAILABLE,
        &[],
        watched.storage_is_usable(&health),
    );
    samples.add_known(
        &metrics::REPOSITORY_READY,
        &[],
        watched.repository_is_ready(&health),
    );
}

/// What the backup that ended last is good for. One that came to nothing counts until a good one of its own endpoint follows, as in the status: a
/// nightly one says nothing of the weekly ones, which are kept for longer. One that was not asked for is nobody's concern, one whose
/// time is over, or that runs, has no result, and a safety backup is not what anybody waits for.
fn last_result(
    backups: &[BackupSummary],
    settings: &Settings,
    health: &BackupHealth,
    now: Timestamp,
) -> Option<&'static str> {
    let is_asked = |endpoint: &str| settings.asked.iter().any(|asked| asked.endpoint == endpoint);
    let bad = health.bad.iter().filter(|(endpoint, _)| is_asked(endpoint));
    if let Some((_, bad)) = bad.max_by_key(|(_, bad)| bad.at) {
        return word(bad.is);
    }
    let ended = backups
        .iter()
        .filter(|backup| is_asked(&backup.endpoint) && backup.before_restore.is_none())
        .filter(|backup| !matches!(backup.verdict(now), Verdict::Running | Verdict::Expired));
    word(ended.max_by_key(|backup| backup.ended(now))?.verdict(now))
}

fn word(verdict: Verdict) -> Option<&'static str> {
    let mut all = VERDICTS.iter();
    all.find(|(other, _)| *other == verdict).map(|(_, word)| *word)
}

fn of_schedule(
    samples: &mut Samples,
    asked: &Asked,
    health: &BackupHealth,
    schedules: &[AppSchedule],
    now: Timestamp,
) {
    // Backups by hand alone are never due.
    let Some(runs) = asked.runs() else { return };
    let endpoint = asked.endpoint.as_str();
    let labels = [endpoint];
    let of_endpoint = health.endpoints.get(endpoint);
    let made = of_endpoint.and_then(|health| health.schedule.as_ref());
    let state = match made.map(|made| &made.rests) {
        None => "missing",
        Some(None) => "active",
        Some(Some(Rests::Paused)) => "paused",
        Some(Some(Rests::Refused { .. })) => "refused",
    };
    samples.add_one_of(&metrics::SCHEDULE_STATE, &labels, STATES, state);
    let gap: Option<SignedDuration> = runs.longest_gap().try_into().ok();
    samples.add_known(&metrics::INTERVAL, &labels, gap);
    if state == "active" {
        samples.add_known(&metrics::NEXT_RUN, &labels, runs.next_after(now));
    }
    let due = of_endpoint.and_then(|health| backups::due(health, &runs));
    samples.add_known(&metrics::DUE, &labels, due);
    let kept = schedules
        .iter()
        .filter(|schedule| schedule.endpoint == endpoint)
        .find_map(|schedule| go_duration::parse(schedule.template.ttl.as_deref()?).ok());
    samples.add_known(&metrics::RETENTION, &labels, kept.map(SignedDuration::from_nanos));
}

fn of_last_good(
    samples: &mut Samples,
    known: Known<'_>,
    watched: &Watched,
    whose: &AppId,
    health: &BackupHealth,
) {
    let uid = health.last_good().map(|last| last.uid.clone());
    let found = watched
        .backups
        .iter()
        .find(|backup| Some(&backup.uid) == uid.as_ref());
    let Some(last) = found else { return };
    let took = last.started.zip(last.completed);
    let took = took.map(|(began, ended)| ended.duration_since(began));
    samples.add_known(&metrics::DURATION, &[], took);
    samples.add_known(&metrics::BYTES, &[], last.holds.bytes());
    if last.holds.bytes().is_some() {
        let restored = known.settings.restored;
        let counts = |backup: &&BackupSummary| backup.started.is_some_and(|began| restored.is_before(began));
        let since = watched.backups.iter().filter(counts);
        let earlier = backups::earlier(since, last, known.now);
        samples.add(&metrics::SHRANK, &[BYTES], earlier.larger.is_some());
    }
    let Some(contents) = seen::of(known.contents, whose, last) else {
        return;
    };
    if let Some(figures) = contents.figures {
        samples.add(&metrics::FILES, &[], figures.files);
        samples.add(&metrics::DATABASES, &[], figures.databases);
        samples.add(&metrics::LEFT_OUT, &[], figures.left_out);
    }
    let essential = &known.settings.essential;
    let fewer = fewer::fewer(known.contents, contents, essential, known.settings.restored);
    for (name, count) in contents.counts() {
        samples.add(&metrics::CONTENTS, &[name], count);
        if fewer::is_essential(essential, name) {
            let is_less = fewer.iter().any(|fewer| fewer.name == name);
            samples.add(&metrics::SHRANK, &[name], is_less);
        }
    }
}

fn of_expiry(samples: &mut Samples, settings: &Settings, health: &BackupHealth) {
    let Some(longest) = &health.kept_longest else {
        return;
    };
    samples.add_known(&metrics::EXPIRY, &[], longest.expires);
    let runs = settings.asked.iter().filter_map(Asked::runs);
    let gap = runs.filter_map(|runs| runs.longest_gap().try_into().ok()).min();
    samples.add_known(&metrics::EXPIRY_WARNING, &[], backups::goes_from(longest, gap));
}

fn of_verify(samples: &mut Samples, settings: &Settings, health: &BackupHealth, now: Timestamp) {
    let proof = settings
        .test_restores
        .last_proof(health, now)
        .map(|word| word.proof);
    let came_back = proof.as_ref().map(Proof::came_back);
    samples.add_known(&metrics::VERIFY_SUCCESS, &[], came_back);
    let took = proof.as_ref().and_then(|proof| proof.took?.try_into().ok());
    samples.add_known::<SignedDuration>(&metrics::VERIFY_DURATION, &[], took);
    samples.add_known(&metrics::VERIFY_TIMESTAMP, &[], proof.map(|proof| proof.at));
    let next = settings
        .verifies()
        .and_then(|runs| test_restore::next(health, &runs, &settings.test_restores, now));
    let due = next.map(|next| next.due);
    samples.add_known(&metrics::VERIFY_DUE, &[], due);
}

#[cfg(test)]
#[path = "families_tests.rs"]
mod tests;
