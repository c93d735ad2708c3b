//! A command line as Juju's flag parser reads it (github.com/juju/gnuflag, `flag.go`, with flags called options).
//!
//! Flags and words may be mixed; `--` ends the flags; `-` alone and the empty text are words. A long flag takes its value
//! after `=` or from the next argument; a short one directly behind it or from the next argument. A switch needs no value
//! but takes one after `=`.

use std::collections::BTreeMap;

use crate::format::Format;
use crate::model::ops::parse_bool;

/// One flag of a tool. The first name is the one that the tool asks for.
#[derive(Debug)]
pub(crate) struct Flag {
    pub(crate) names: &'static [&'static str],
    pub(crate) kind: FlagKind,
    pub(crate) help: &'static str,
}

/// What a flag's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FlagKind {
    /// True or false.
    Switch,
    /// Any text; the default is for the usage.
    Text(&'static str),
    /// A whole number.
    Number,
    /// One of the output formats, of which `smart` may be left out.
    Format { default: &'static str, smart: bool },
    /// A relation of the unit.
    Relation,
    /// A storage instance of the unit.
    Storage,
}

impl FlagKind {
    fn default_text(self) -> &'static str {
        match self {
            FlagKind::Switch => "false",
            FlagKind::Text(default) | FlagKind::Format { default, .. } => default,
            FlagKind::Number => "0",
            FlagKind::Relation | FlagKind::Storage => "",
        }
    }
}

/// A command line that was read.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    values: BTreeMap<&'static str, String>,
    /// The words that are no flags, in their order.
    pub(crate) words: Vec<String>,
}

impl Parsed {
    /// The value that was given, if any.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The value that was given, else the empty text.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Whether the switch is on.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.get(name).and_then(parse_bool).unwrap_or_default()
    }
}

/// Why a command line was not read to its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// `--help` or `-h`.
    Help,
    /// A wrong flag; the text is Juju's.
    Wrong(String),
}

/// Reads a command line. `check` judges the values of relation and storage flags, which need the model.
pub(crate) fn parse(
    groups: &[&'static [Flag]],
    args: &[String],
    check: &dyn Fn(FlagKind, &str) -> Result<(), String>,
) -> Result<Parsed, Stop> {
    let mut parsed = Parsed::default();
    let mut rest = args.iter();
    while let Some(argument) = rest.next() {
        if argument == "--" {
            parsed.words.extend(rest.cloned());
            break;
        }
        if let Some(long) = argument.strip_prefix("--") {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            if name.is_empty() {
                return Err(Stop::Wrong(format!(
                    "empty option in argument {}",
                    quote(argument)
                )));
            }
            set(groups, name, value, &mut rest, check, &mut parsed)?;
        } else if let Some(letters) = argument.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            short_flags(groups, letters, &mut rest, check, &mut parsed)?;
        } else {
            parsed.words.push(argument.clone());
        }
    }
    Ok(parsed)
}

fn short_flags(
    groups: &[&'static [Flag]],
    letters: &str,
    rest: &mut std::slice::Iter<'_, String>,
    check: &dyn Fn(FlagKind, &str) -> Result<(), String>,
    parsed: &mut Parsed,
) -> Result<(), Stop> {
    let mut letters = letters;
    while let Some(letter) = letters.chars().next() {
        let (name, following) = letters.split_at(letter.len_utf8());
        let is_switch = find(groups, name).is_some_and(|flag| flag.kind == FlagKind::Switch);
        if is_switch && !following.starts_with('=') {
            set(groups, name, None, rest, check, parsed)?;
            letters = following;
        } else {
            let value = (!following.is_empty()).then(|| following.to_owned());
            return set(groups, name, value, rest, check, parsed);
        }
    }
    Ok(())
}

fn set(
    groups: &[&'static [Flag]],
    name: &str,
    value: Option<String>,
    rest: &mut std::slice::Iter<'_, String>,
    check: &dyn Fn(FlagKind, &str) -> Result<(), String>,
    parsed: &mut Parsed,
) -> Result<(), Stop> {
    let shown = with_minus(name);
    let Some(flag) = find(groups, name) else {
        if name == "help" || name == "h" {
            return Err(Stop::Help);
        }
        return Err(Stop::Wrong(format!("option provided but not defined: {shown}")));
    };
    let value = match (flag.kind, value) {
        (FlagKind::Switch, None) => "true".to_owned(),
        (_, Some(value)) => value,
        (_, None) => match rest.next() {
            Some(value) => value.clone(),
            None => return Err(Stop::Wrong(format!("option needs an argument: {shown}"))),
        },
    };
    let judged = match flag.kind {
        FlagKind::Switch => match parse_bool(&value) {
            Some(_) => Ok(()),
            None => Err(format!(
                "strconv.ParseBool: parsing {}: invalid syntax",
                quote(&value)
            )),
        },
        FlagKind::Number => match value.parse::<i64>() {
            Ok(_) => Ok(()),
            Err(_) => Err(format!(
                "strconv.ParseInt: parsing {}: invalid syntax",
                quote(&value)
            )),
        },
        FlagKind::Format { smart, .. } => match Format::parse(&value) {
            Some(format) if smart || format != Format::Smart => Ok(()),
            _ => Err(format!("unknown format {}", quote(&value))),
        },
        FlagKind::Text(_) => Ok(()),
        FlagKind::Relation | FlagKind::Storage => check(flag.kind, &value),
    };
    if let Err(reason) = judged {
        return Err(Stop::Wrong(format!(
            "invalid value {} for option {shown}: {reason}",
            quote(&value)
        )));
    }
    if let Some(canonical) = flag.names.first() {
        parsed.values.insert(canonical, value);
    }
    Ok(())
}

fn find(groups: &[&'static [Flag]], name: &str) -> Option<&'static Flag> {
    groups
        .iter()
        .flat_map(|group| group.iter())
        .find(|flag| flag.names.contains(&name))
}

fn with_minus(name: &str) -> String {
    if name.chars().count() > 1 {
        format!("--{name}")
    } else {
        format!("-{name}")
    }
}

/// The usage's part about flags.
pub(crate) fn usage(groups: &[&'static [Flag]]) -> String {
    let mut flags: Vec<&Flag> = groups.iter().flat_map(|group| group.iter()).collect();
    flags.sort_by_key(|flag| flag.names.first().copied());
    let mut text = String::new();
    for flag in flags {
        let names: Vec<String> = flag.names.iter().map(|name| with_minus(name)).collect();
        let default = match flag.kind {
            FlagKind::Text("") => "\"\"",
            kind => kind.default_text(),
        };
        text.push_str(&format!(
            "{} (= {default})\n    {}\n",
            names.join(", "),
            flag.help
        ));
    }
    text
}

/// A text in quotes as Go's `%q` shows it.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            control if control.is_control() && u32::from(control) < 0x80 => {
                out.push_str(&format!("\\x{:02x}", u32::from(control)));
            }
            control if control.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            character => out.push(character),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    static FLAGS: &[Flag] = &[
        Flag {
            names: &["app"],
            kind: FlagKind::Switch,
            help: "",
        },
        Flag {
            names: &["a", "all"],
            kind: FlagKind::Switch,
            help: "",
        },
        Flag {
            names: &["r", "relation"],
            kind: FlagKind::Relation,
            help: "",
        },
        Flag {
            names: &["format"],
            kind: FlagKind::Format {
                default: "smart",
                smart: true,
            },
            help: "",
        },
        Flag {
            names: &["revision"],
            kind: FlagKind::Number,
            help: "",
        },
    ];

    fn read(line: &[&str]) -> Result<Parsed, String> {
        let args: Vec<String> = line.iter().map(|&word| word.to_owned()).collect();
        let check = |_: FlagKind, value: &str| {
            if value == "9" {
                Err("relation not found".to_owned())
            } else {
                Ok(())
            }
        };
        parse(&[FLAGS], &args, &check).map_err(|stop| match stop {
            Stop::Help => "help".to_owned(),
            Stop::Wrong(text) => text,
        })
    }

    #[test]
    fn flags_may_stand_before_and_after_words() {
        for line in [
            ["--format=json", "-r", "3", "--app", "-", "x"].as_slice(),
            &["-", "x", "--app", "-r3", "--format", "json"],
            &["-", "--app=True", "--relation=3", "x", "--format=json"],
            &["--app=true", "--relation", "3", "--format=json", "--", "-", "x"],
        ] {
            let parsed = read(line).unwrap();
            assert_eq!(parsed.words, ["-", "x"], "{line:?}");
            assert!(parsed.is_on("app"), "{line:?}");
            assert_eq!(
                (parsed.text("r"), parsed.text("format")),
                ("3", "json"),
                "{line:?}"
            );
        }
    }

    #[test]
    fn two_dashes_end_the_flags_and_empty_words_stay() {
        let parsed = read(&["", "-a", "--", "--app", "--", "-x", ""]).unwrap();
        assert_eq!(parsed.words, ["", "--app", "--", "-x", ""]);
        assert!(parsed.is_on("a") && !parsed.is_on("app"));
    }

    #[test]
    fn a_switch_can_be_turned_off() {
        assert!(!read(&["--app=False"]).unwrap().is_on("app"));
        assert!(!read(&["--app", "--app=0"]).unwrap().is_on("app"));
        // A switch never takes the next argument.
        assert_eq!(read(&["--app", "false"]).unwrap().words, ["false"]);
    }

    #[test]
    fn wrong_flags_get_jujus_texts() {
        let cases: [(&[&str], &str); 11] = [
            (&["--bogus"], "option provided but not defined: --bogus"),
            (&["-x"], "option provided but not defined: -x"),
            (&["-ax"], "option provided but not defined: -x"),
            (&["--bogus=1"], "option provided but not defined: --bogus"),
            (&["-r"], "option needs an argument: -r"),
            (&["--relation"], "option needs an argument: --relation"),
            (
                &["-r", "9"],
                "invalid value \"9\" for option -r: relation not found",
            ),
            (
                &["--format", "xml"],
                "invalid value \"xml\" for option --format: unknown format \"xml\"",
            ),
            (
                &["--app=maybe"],
                "invalid value \"maybe\" for option --app: strconv.ParseBool: parsing \"maybe\": invalid syntax",
            ),
            (&["--=x"], "empty option in argument \"--=x\""),
            (&["--help"], "help"),
        ];
        for (line, expected) in cases {
            assert_eq!(read(line).unwrap_err(), expected, "{line:?}");
        }
    }
}
