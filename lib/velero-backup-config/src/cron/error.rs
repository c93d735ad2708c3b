//! Why a schedule cannot be used.

use go_duration::DurationError;

/// Why a schedule cannot be used: Velero's parser refuses it, or it takes what nobody wants.
///
/// The text is the reason alone. It names neither the value nor where it stands: that is the caller's to say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// No text at all, where there has to be a schedule. Where there need not be one, `Schedule::parse_optional` reads it.
    #[error("it is empty")]
    Empty,
    /// A time zone and nothing after it: Velero's parser crashes on this.
    #[error("nothing follows the time zone")]
    NothingAfterTimeZone,
    /// A time zone name that cannot be one.
    #[error("{0:?} is not the name of a time zone")]
    BadTimeZone(String),
    /// Other than five fields.
    #[error("it has {}, and Velero takes five", fields(*.0))]
    FieldCount(usize),
    /// An `@` word that is not known.
    #[error("Velero knows no descriptor {0:?}")]
    UnknownDescriptor(String),
    /// `@every` with something that is no Go duration.
    #[error("the duration after @every cannot be used: {0}")]
    EveryDuration(DurationError),
    /// Neither a number nor a name of this field.
    #[error("{text:?} is not a number or name that the {field} takes")]
    NotANumber {
        /// The field.
        field: &'static str,
        /// What is there.
        text: String,
    },
    /// A number outside of the field's bounds.
    #[error("{value} is outside of {min} to {max}, which the {field} takes")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// What is there.
        value: u64,
        /// The smallest that is taken.
        min: u64,
        /// The largest that is taken.
        max: u64,
    },
    /// A range that ends before it begins.
    #[error("the range {text:?} of the {field} ends before it begins")]
    BackwardRange {
        /// The field.
        field: &'static str,
        /// The range.
        text: String,
    },
    /// A step of zero.
    #[error("the step of {text:?} in the {field} is zero")]
    ZeroStep {
        /// The field.
        field: &'static str,
        /// The item with the step.
        text: String,
    },
    /// More than one `-` or `/` in an item.
    #[error("{text:?} in the {field} has too many {sign:?}")]
    TooMany {
        /// The field.
        field: &'static str,
        /// The item.
        text: String,
        /// `-` or `/`.
        sign: char,
    },
    /// A time zone that the bundled time zone database does not hold.
    #[error("time zone {0:?} is not known")]
    UnknownTimeZone(String),
    /// Velero's parser takes it, and it has no due time.
    #[error("it never fires, and Velero takes that to mean that a backup is due all the time")]
    NeverFires,
    /// Velero's parser takes it, and it leaves no time for a backup.
    #[error("two of its runs are only {gap_seconds} seconds apart")]
    TooOften {
        /// The smallest time between two runs, in seconds.
        gap_seconds: u64,
    },
}

fn fields(count: usize) -> String {
    match count {
        0 => "no field".to_owned(),
        1 => "one field".to_owned(),
        count => format!("{count} fields"),
    }
}

impl CronError {
    /// Whether Velero itself would take the schedule, so that only this crate refuses it.
    pub fn is_stricter_than_velero(&self) -> bool {
        matches!(self, Self::NeverFires | Self::TooOften { .. })
    }

    /// What would be right, as a sentence for the person who set the value.
    pub fn hint(&self) -> String {
        let text = match self {
            Self::FieldCount(6) => {
                "leave the field for seconds (or the year) out: minute, hour, day of month, month, day of week"
            }
            Self::OutOfRange {
                field: "day of week",
                value: 7,
                ..
            } => "write 0 or SUN for Sunday",
            Self::NotANumber { text, .. } if text.contains(['L', 'W', '#']) => {
                "Velero knows no L, W or #; write the days, for example \"0 3 1 * *\" for the first of the month"
            }
            Self::BackwardRange { .. } => {
                "write the two parts of the range as a list, for example FRI,SAT,SUN,MON"
            }
            Self::UnknownDescriptor(_) => {
                "write @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually or @every with a duration, in lower case"
            }
            Self::EveryDuration(error) => return error.hint(),
            Self::BadTimeZone(_) | Self::NothingAfterTimeZone => {
                "write the zone, one space and the schedule, for example \"TZ=Europe/Berlin 30 2 * * *\""
            }
            Self::UnknownTimeZone(_) => {
                "write a name of the IANA time zone database in its own spelling, for example Europe/Berlin"
            }
            Self::NeverFires => "write a day that exists, for example \"0 3 1 * *\"",
            Self::TooOften { .. } => {
                "leave ten minutes or more between two runs; once a day is \"@daily\" or \"30 2 * * *\""
            }
            Self::Empty
            | Self::FieldCount(_)
            | Self::NotANumber { .. }
            | Self::OutOfRange { .. }
            | Self::ZeroStep { .. }
            | Self::TooMany { .. } => {
                "write minute, hour, day of month, month and day of week, for example \"30 2 * * *\", or \"@daily\""
            }
        };
        text.to_owned()
    }
}
