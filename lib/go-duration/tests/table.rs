//! The parser against the table that Go made; see `velero-backup-config/tests/originals/README.md`.
#![cfg(test)]

const DURATIONS: &str = include_str!("data/durations.tsv");

#[test]
fn durations_are_judged_as_go_judges_them() {
    let mut count = 0;
    for line in DURATIONS.lines().filter(|line| !line.starts_with('#')) {
        let mut columns = line.split('\t');
        let text: String = serde_json::from_str(columns.next().unwrap()).unwrap();
        let parsed = go_duration::parse(&text);
        match columns.next() {
            Some("refused") => {
                let error = parsed.expect_err(&text);
                assert!(!error.hint().is_empty(), "{text:?}: {error}");
            }
            verdict => {
                assert_eq!(verdict, Some("taken"), "{text:?}");
                assert_eq!(parsed, Ok(columns.next().unwrap().parse().unwrap()), "{text:?}");
            }
        }
        count += 1;
    }
    assert!(count >= 60, "the table has only {count} rows");
}
