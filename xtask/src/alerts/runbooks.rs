//! The runbooks: one for each alert, and what they tell people to type is there.

use std::collections::BTreeSet;

use workload_charm::alerts::{ALERTS, RUNBOOKS};
use workload_charm::profile::AppProfile;
use workload_charm::{actions, endpoints, options};

use crate::generate::{ROOT_APP, repository};

/// The words of each command that a page names, up to the end of the code that it stands in.
fn commands(page: &str) -> Vec<Vec<&str>> {
    let code = page.split('`').skip(1).step_by(2);
    let lines = page.lines().map(str::trim);
    let words = |text: &'static str| move |line: &&str| line.starts_with(text);
    let is_command = |line: &&str| ["juju ", "configuratarr "].iter().any(|begin| words(begin)(line));
    code.chain(lines)
        .filter(is_command)
        .map(|line| line.split_whitespace().collect())
        .collect()
}

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

#[test]
fn what_a_page_tells_people_to_type_is_there() {
    let root = repository().unwrap();
    let profile = AppProfile::load(&root.join(format!("charm/apps/{ROOT_APP}.yaml"))).unwrap();
    let actions: BTreeSet<String> = actions::declarations(&profile).map(|(name, _)| name).collect();
    let common: BTreeSet<&str> = options::common(&profile).map(|option| option.name).collect();
    let endpoints: BTreeSet<&str> = endpoints::of(&profile).map(|endpoint| endpoint.name).collect();
    let mut seen = 0;
    for entry in std::fs::read_dir(root.join(RUNBOOKS)).unwrap() {
        let path = entry.unwrap().path();
        let page = std::fs::read_to_string(&path).unwrap();
        for words in commands(&page) {
            let told = format!("{}: {}", path.display(), words.join(" "));
            match words.as_slice() {
                ["juju", "run", "radarr/0", action, parameters @ ..] => {
                    assert!(actions.contains(*action), "{told}");
                    let declared = actions::declarations(&profile).find(|(name, _)| name == action);
                    let declared = declared.unwrap().1;
                    for parameter in parameters {
                        let (name, _) = parameter.split_once('=').unwrap();
                        assert!(declared["params"][name].is_object(), "{told}");
                    }
                }
                ["juju", "config", "radarr", option, ..] => {
                    let name = option.split('=').next().unwrap();
                    assert!(
                        common.contains(name) || profile.options.contains_key(name),
                        "{told}"
                    );
                }
                ["juju", "integrate", ours, _other] => {
                    let endpoint = ours.strip_prefix("radarr:").unwrap();
                    assert!(endpoints.contains(endpoint), "{told}");
                }
                ["juju", "status" | "trust", ..] => {}
                ["configuratarr", "doctor"] => {}
                _ => panic!("{told}: this test has to know it"),
            }
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
}
