//! The runbooks: one for each alert. What they tell people to type is held with that of all texts, in `xtask/src/texts`.

use std::collections::BTreeSet;

use workload_charm::alerts::{ALERTS, RUNBOOKS};

use crate::generate::repository;

#[test]
fn each_alert_has_a_page_and_each_page_an_alert() {
    let folder = repository().unwrap().join(RUNBOOKS);
    let pages: BTreeSet<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md")
        .collect();
    let expected: BTreeSet<String> = ALERTS.iter().map(|alert| format!("{}.md", alert.name)).collect();
    assert_eq!(pages, expected);
    let contents = std::fs::read_to_string(folder.join("README.md")).unwrap();
    for alert in ALERTS {
        let name = alert.name;
        assert!(contents.contains(&format!("[{name}]({name}.md)")), "{name}");
        let page = std::fs::read_to_string(folder.join(format!("{name}.md"))).unwrap();
        assert!(page.starts_with(&format!("# {name}\n")), "{name}");
        for part in ["## Look\n", "## Mend\n", "## Over\n"] {
            assert!(page.contains(part), "{name} lacks {part}");
        }
        for linked in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(folder.join(linked).is_file(), "{name} links {linked}");
        }
    }
}
