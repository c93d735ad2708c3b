use super::*;
use crate::problem::Unfit;

const SAMPLE: &str = include_str!("../../tests/data/sample.yaml");

fn error(old: &str, new: &str) -> String {
    assert!(SAMPLE.contains(old), "{old} is not in the sample");
    AppProfile::parse("x.yaml", &SAMPLE.replace(old, new))
        .unwrap_err()
        .to_string()
}

#[test]
fn the_sample_parses() {
    let profile = AppProfile::parse("sample.yaml", SAMPLE).unwrap();
    assert_eq!(profile.workload.port, 8000);
    assert_eq!(profile.api_key_place(), Some(vec!["ApiKey".to_owned()]));
}

#[test]
fn an_error_names_the_file_the_path_in_it_and_the_reason() {
    let cases = [
        (
            "health:",
            "helth:",
            "x.yaml: workload.helth does not fit: unknown field `helth`",
        ),
        (
            "port: 8000",
            "port: many",
            "workload.port does not fit: invalid type",
        ),
        (
            "${port}",
            "${prot}",
            "config-file.values.Port does not fit: unknown placeholder ${prot}",
        ),
        (
            "xml-elements",
            "toml",
            "config-file.format does not fit: unknown variant `toml`",
        ),
        (
            "path: /config/",
            "path: /etc/",
            "config-file.path must lie in the config storage, or no backup would hold it",
        ),
        ("name: sample", "name: Sample", "name must be lower-case letters"),
        ("sample:1.0", "sample", "workload.image must have a tag"),
        (
            "HOME: /config",
            "KEY: ${api-key}",
            "workload.environment.KEY must not hold a secret",
        ),
        (
            "${option:level}",
            "${option:volume}",
            "workload.environment.LEVEL uses ${option:volume}, which this app does not have",
        ),
        (
            "ApiKey: ${api-key}",
            "Other: x",
            "config-file.values must hold ${api-key}",
        ),
        (
            "UrlBase: ${url-base}",
            "Other: x",
            "config-file.values must hold ${url-base}",
        ),
        (
            "Cache/pictures",
            "../other",
            "storage.caches[1] must be a path in the volume",
        ),
        (
            "sample.db",
            "../sample.db",
            "storage.databases[0] must be the path of one file in the volume",
        ),
        (
            "sample.db",
            "/config/sample.db",
            "storage.databases[0] must be the path of one file in the volume",
        ),
        (
            "sample.db",
            "'*.db'",
            "storage.databases[0] must be the path of one file in the volume",
        ),
        (
            "state/other.db",
            "Cache/pictures/other.db",
            "storage.databases[1] lies in the cache Cache/pictures, which no backup holds",
        ),
        (
            "state/other.db",
            "sample.db",
            "storage.databases[1] is named twice",
        ),
        (
            "default: 60",
            "default: 0",
            "options.seconds.default must be at least 1",
        ),
        (
            "default: 60",
            "default: long",
            "options.seconds.default must be of type int",
        ),
        (
            "  level:\n",
            "  timezone:\n",
            "workload.environment.LEVEL uses ${option:level}",
        ),
        (
            "  seconds:\n",
            "  timezone:\n",
            "options.timezone is an option that every app has",
        ),
        (
            "    ApiKey: ${",
            "    Deep: { er: x }\n    ApiKey: ${",
            "config-file.values.Deep.er must not be in a section",
        ),
        (
            "credentials: { kind: api-key }",
            "credentials: { kind: login, username: me }",
            "uses ${api-key}, which this app does not have",
        ),
        (
            "  root: Config\n",
            "",
            "config-file.root must name the document element",
        ),
    ];
    for (old, new, reason) in cases {
        let error = error(old, new);
        assert!(error.starts_with("cannot use app file x.yaml: "), "{error}");
        assert!(error.contains(reason), "{new}: {error}");
    }
    assert!(
        AppProfile::parse("x.yaml", "a: [")
            .unwrap_err()
            .to_string()
            .starts_with("cannot understand app file x.yaml: ")
    );
}

#[test]
fn options_are_judged() {
    let profile = AppProfile::parse("sample.yaml", SAMPLE).unwrap();
    let (level, seconds) = (&profile.options["level"], &profile.options["seconds"]);
    let text = |text: &str| OptionValue::Text(text.to_owned());
    assert_eq!(level.judge(&text("")), Ok(String::new()));
    assert_eq!(level.judge(&text("debug")), Ok("2".to_owned()));
    assert_eq!(
        level.judge(&text("loud")),
        Err(Unfit::new("is none of debug, info", "debug"))
    );
    assert_eq!(seconds.judge(&OptionValue::Int(5)), Ok("5".to_owned()));
    assert_eq!(
        seconds.judge(&OptionValue::Int(0)),
        Err(Unfit::new("must be at least 1", "60"))
    );
    let free = AppOption {
        choices: BTreeMap::new(),
        ..level.clone()
    };
    let lower = AppOption {
        lower_case: true,
        ..free.clone()
    };
    assert_eq!(
        lower.judge(&text("A.example")),
        Err(Unfit::new("must be in lower case", "a.example"))
    );
    // SABnzbd reads its file by Python's lines, which end at more than line feeds.
    for bad in ["a\nb", "a\"b", "a\\b", "a\u{85}b", "a\u{2028}b = *", "a\u{2029}b"] {
        assert!(free.judge(&text(bad)).is_err(), "{bad:?}");
    }
    // What is said to write instead can be used.
    for bad in ["A\"b", "A\nb"] {
        let instead = lower.judge(&text(bad)).unwrap_err().instead;
        assert!(lower.judge(&text(&instead)).is_ok(), "{bad:?}: {instead:?}");
    }
}
