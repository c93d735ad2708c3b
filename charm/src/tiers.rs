//! The tiers of backups: how often they are made and how long they are kept.
//!
//! velero-operator makes one Schedule for each endpoint of an application that asks for one. So a tier is an entry of the table
//! below, which brings its endpoint and its two options along. Whatever is done about backups is done for each entry.
//!
//! An app has more than the nightly one only where its app file says so: with several endpoints of one interface Juju refuses
//! `juju integrate APP velero-operator`, since it cannot tell which is meant.

use velero_backup_config::Retention;

use crate::endpoints::{Endpoint, Role};
use crate::options::{Declaration, Runs, TextOption, judge};
use crate::profile::{AppProfile, OptionType};

/// One tier.
#[derive(Debug, Clone)]
pub struct Tier {
    /// What velero-operator is related to, and knows the tier's Schedule by.
    pub endpoint: Endpoint,
    /// When its backups are made.
    pub schedule: TextOption<Runs>,
    /// How long each of them is kept.
    pub retention: TextOption<Retention>,
}

impl Tier {
    /// Name of its endpoint: what users call the tier by.
    pub const fn name(&self) -> &'static str {
        self.endpoint.name
    }

    /// The same in one word, beside others: `weekly`.
    pub fn word(&self) -> &'static str {
        let name = self.name();
        name.strip_prefix("backup-").unwrap_or(name)
    }
}

macro_rules! tiers {
    ($($(#[$about:meta])* $tier:ident = {
        endpoint: $endpoint:literal, $description:literal;
        schedule: $schedule:literal, $every:literal, like $like:literal, $when:expr;
        retention: $retention:literal, $kept:literal, $how_long:expr;
        has_it: $has_it:expr;
    };)*) => {
        $(
            $(#[$about])*
            pub const $tier: Tier = Tier {
                endpoint: Endpoint {
                    name: $endpoint,
                    interface: "velero_backup_config",
                    role: Role::Provides,
                    limit: Some(1),
                    description: $description,
                    has_it: $has_it,
                },
                schedule: TextOption {
                    declaration: Declaration {
                        name: $schedule,
                        r#type: OptionType::String,
                        default: $every,
                        description: $when,
                        has_it: $has_it,
                    },
                    judge: |text| judge::schedule(text, $like),
                },
                retention: TextOption {
                    declaration: Declaration {
                        name: $retention,
                        r#type: OptionType::String,
                        default: $kept,
                        description: $how_long,
                        has_it: $has_it,
                    },
                    judge: |text| judge::retention(text, $kept),
                },
            };
        )*
        /// All of them. Where one has to stand for the others, the first that is related does.
        pub static TIERS: [Tier; [$($schedule),*].len()] = [$($tier),*];
        /// Their endpoints, for the table of endpoints.
        pub(crate) const ENDPOINTS: &[Endpoint] = &[$($tier.endpoint),*];
        /// Their options, for the table of options.
        pub(crate) const OPTIONS: &[Declaration] =
            &[$($tier.schedule.declaration, $tier.retention.declaration),*];
    };
}

tiers! {
    /// What every app with a relation to velero-operator has first.
    NIGHTLY = {
        endpoint: "velero-backup-config", "Asks velero-operator to back up the config volume, every night unless configured otherwise";
        schedule: "backup-schedule", "daily", like "0 3 * * *", "When backups are made, in UTC. `daily`: a fixed minute from 01:00 to 05:00, derived \
from model and app, so that apps do not all start at once; `weekly` and `monthly`: such a minute of a fixed day. Or what Velero takes: five cron \
fields (`0 3 * * *`), `@daily`, `@every 6h`, optionally with a time zone in front (`TZ=Europe/Berlin 0 3 * * *`). At most one run \
every ten minutes. Empty: no scheduled backups.";
        retention: "backup-retention", "720h", "How long each backup is kept, in hours, minutes and seconds (`720h` is 30 days; \
there is no unit for days). Must not be shorter than the time between two backups.";
        has_it: AppProfile::is_backed_up;
    };
    /// Fewer, kept for longer.
    WEEKLY = {
        endpoint: "backup-weekly", "Asks velero-operator for weekly backups too, which are kept for longer";
        schedule: "backup-weekly-schedule", "weekly", like "0 3 * * SUN", "When the backups of relation `backup-weekly` are made, as for backup-schedule. \
`weekly`: a fixed minute of a fixed night of the week, derived from model and app. Empty: none.";
        retention: "backup-weekly-retention", "2016h", "How long each backup of relation `backup-weekly` is kept, as for \
backup-retention: `2016h` is 12 weeks.";
        has_it: AppProfile::has_tiers;
    };
    /// The fewest, kept the longest.
    MONTHLY = {
        endpoint: "backup-monthly", "Asks velero-operator for monthly backups too, which are kept the longest";
        schedule: "backup-monthly-schedule", "monthly", like "0 3 1 * *", "When the backups of relation `backup-monthly` are made, as for \
backup-schedule. `monthly`: a fixed minute of a fixed night of the month, derived from model and app. Empty: none.";
        retention: "backup-monthly-retention", "8760h", "How long each backup of relation `backup-monthly` is kept, as for \
backup-retention: `8760h` is 365 days.";
        has_it: AppProfile::has_tiers;
    };
}

/// The command that relates an application by a tier's endpoint, which has to be named only where there are several.
pub fn integrate(profile: &AppProfile, app: &str, tier: &Tier) -> String {
    match profile.has_tiers() {
        true => format!("juju integrate {app}:{} velero-operator", tier.name()),
        false => format!("juju integrate {app} velero-operator"),
    }
}

/// The tiers that the app has. Of no other may Juju be asked: the charm does not declare their endpoints.
pub fn of(profile: &AppProfile) -> impl Iterator<Item = &'static Tier> {
    TIERS.iter().filter(|tier| (tier.endpoint.has_it)(profile))
}

/// The tier of an endpoint.
pub fn of_endpoint(endpoint: &str) -> Option<&'static Tier> {
    TIERS.iter().find(|tier| tier.name() == endpoint)
}
