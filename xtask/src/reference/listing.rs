//! What a review for Charmhub's public listing asks, and how the charms stand to it. What a program can look at is looked at by the
//! test below, for every charm.
//!
//! The criteria are those of canonical/charmhub-listing-review @03a5c6a (`src/charmhub_listing_review/evaluate.py`) and of
//! `docs/howto/request-public-listing.md` in canonical/operator @023c757. What is about Python is left out.

use std::path::Path;

use super::{Charm, table};

/// A look at one charm, in the repository. Says what is missing.
type Check = fn(&Charm, &Path) -> Result<(), String>;

/// How the charms stand to a criterion.
enum Standing {
    /// It is met, and this sees it.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the page names the test, which does the looking")
    )]
    Met(Check),
    /// It is not met yet, for this reason.
    Open(&'static str),
}

/// One criterion.
struct Criterion {
    asks: &'static str,
    standing: Standing,
}

const fn met(asks: &'static str, check: Check) -> Criterion {
    Criterion {
        asks,
        standing: Standing::Met(check),
    }
}

const fn open(asks: &'static str, why: &'static str) -> Criterion {
    Criterion {
        asks,
        standing: Standing::Open(why),
    }
}

const CRITERIA: &[Criterion] = &[
    met("Name, title, summary and description", has_texts),
    open(
        "Links to documentation, issues, source, website and contact",
        "This project has no public address yet. `links` is added when there is one.",
    ),
    met(
        "Names of the charm, its options, actions and parameters are of small letters, digits and hyphens",
        has_plain_names,
    ),
    open(
        "The name of a charm for Kubernetes ends with `-k8s`",
        "The charms are called as their apps. A name is chosen when the first one is published.",
    ),
    met(
        "Every endpoint says whether it is optional",
        says_what_is_optional,
    ),
    met(
        "Every option and action is described, and no action takes unknown parameters",
        is_described,
    ),
    met("An icon: a square SVG of 100 pixels", has_icon),
    met("A licence, and it is in the charm", has_licence),
    met("Guidelines for contributors", has_guidelines),
    met(
        "How to report a fault, and which versions are supported",
        has_security_policy,
    ),
    met("Coding conventions, held by CI", has_conventions),
    met("The user that the charm runs as is stated", states_its_user),
    met("The Juju that it needs is stated", states_its_juju),
    met("Images of the resources name a version", has_pinned_images),
    met("Declared for amd64 and arm64", is_for_both_processors),
    met(
        "A tutorial, and documentation of options, limits and how to change the charm",
        has_documentation,
    ),
    open(
        "Tests that deploy the charm and relate each endpoint, on a real Juju",
        "`spread/backup` deploys one and relates it to velero-operator, for `charmcraft test`. It was not run, and the other endpoints are not in it. What was run instead: [what is proven](evidence.md).",
    ),
    open(
        "CI releases each commit to an unstable channel",
        "The charms are on no store.",
    ),
];

/// The page.
pub fn text() -> String {
    let row = |criterion: &Criterion| {
        let (standing, note) = match criterion.standing {
            Standing::Met(_) => ("met", String::new()),
            Standing::Open(why) => ("**open**", why.to_owned()),
        };
        [criterion.asks.to_owned(), standing.to_owned(), note]
    };
    format!(
        "# What Charmhub's review asks\n\nThe criteria of [charmhub-listing-review](https://github.com/canonical/charmhub-listing-review), and how the charms of this \
         repository stand to them. What says *met* is looked at for every charm by `cargo test -p xtask listing`. Nobody has reviewed them yet.\n\n{}",
        table(["asked for", "", ""], CRITERIA.iter().map(row))
    )
}

fn file(repository: &Path, path: &str) -> Result<String, String> {
    std::fs::read_to_string(repository.join(path)).map_err(|error| format!("{path}: {error}"))
}

fn holds(text: &str, parts: &[&str]) -> Result<(), String> {
    match parts.iter().find(|part| !text.contains(**part)) {
        Some(part) => Err(format!("{part:?} is not there")),
        None => Ok(()),
    }
}

fn has_texts(charm: &Charm, _: &Path) -> Result<(), String> {
    for field in ["name", "title", "summary", "description"] {
        let text = charm.metadata[field].as_str().unwrap_or_default();
        if text.trim().is_empty() {
            return Err(format!("{field} is empty"));
        }
    }
    Ok(())
}

fn has_plain_names(charm: &Charm, _: &Path) -> Result<(), String> {
    let is_plain = |name: &str| {
        name.split('-').all(|word| {
            !word.is_empty()
                && word
                    .chars()
                    .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
        })
    };
    let parameters = charm
        .actions
        .values()
        .filter_map(|action| action["params"].as_object());
    let parameters = parameters.flat_map(|all| all.keys());
    let names = charm.options.keys().chain(charm.actions.keys()).chain(parameters);
    match names.chain([&charm.profile.name]).find(|name| !is_plain(name)) {
        Some(name) => Err(name.clone()),
        None => Ok(()),
    }
}

fn says_what_is_optional(charm: &Charm, _: &Path) -> Result<(), String> {
    let endpoints = charm.endpoints();
    let silent = endpoints
        .iter()
        .find(|(_, _, declared)| !declared["optional"].is_boolean());
    silent.map_or(Ok(()), |(name, ..)| Err(name.clone()))
}

fn is_described(charm: &Charm, _: &Path) -> Result<(), String> {
    let described = |declared: &serde_json::Value| {
        declared["description"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    };
    let mut all = charm.options.iter().chain(&charm.actions);
    if let Some((name, _)) = all.find(|(_, declared)| !described(declared)) {
        return Err(name.clone());
    }
    let mut actions = charm.actions.iter();
    let takes_any = actions.find(|(_, declared)| declared["additionalProperties"] != false);
    takes_any.map_or(Ok(()), |(name, _)| Err(name.clone()))
}

fn has_icon(charm: &Charm, _: &Path) -> Result<(), String> {
    let icon = crate::pack::icon::svg(&charm.profile.name, &charm.profile.title);
    holds(&icon, &["<svg ", "width=\"100\"", "height=\"100\""])
}

fn has_licence(_: &Charm, repository: &Path) -> Result<(), String> {
    holds(
        &file(repository, "LICENSE")?,
        &["Apache License", "Version 2.0, January 2004"],
    )?;
    holds(
        &file(repository, "charmcraft.yaml")?,
        &["prime: [dispatch, app.yaml, icon.svg, LICENSE]"],
    )
}

fn has_guidelines(_: &Charm, repository: &Path) -> Result<(), String> {
    holds(
        &file(repository, "CONTRIBUTING.md")?,
        &["## Set up", "## Before you push"],
    )
}

fn has_security_policy(_: &Charm, repository: &Path) -> Result<(), String> {
    holds(
        &file(repository, "SECURITY.md")?,
        &["## Report a fault", "## What is supported"],
    )
}

fn has_conventions(_: &Charm, repository: &Path) -> Result<(), String> {
    let steps = [
        "cargo fmt --all --check",
        "cargo clippy --workspace --all-targets -- -D warnings",
    ];
    holds(&file(repository, ".ci/run")?, &steps)
}

fn states_its_user(charm: &Charm, repository: &Path) -> Result<(), String> {
    let user = charm.metadata["charm-user"].as_str().unwrap_or_default();
    if !["root", "sudoer", "non-root"].contains(&user) {
        return Err(format!("charm-user is {user:?}"));
    }
    let reasons = file(repository, "docs/src/explanation/security.md")?;
    holds(&reasons, &[&format!("`charm-user: {user}`")])
}

fn states_its_juju(charm: &Charm, _: &Path) -> Result<(), String> {
    let assumed = charm.metadata["assumes"].to_string();
    holds(&assumed, &["k8s-api", "juju >= "])
}

fn has_pinned_images(charm: &Charm, _: &Path) -> Result<(), String> {
    let resources = charm.metadata["resources"].as_object();
    for (name, resource) in resources.into_iter().flatten() {
        let image = resource["upstream-source"].as_str().unwrap_or_default();
        let tag = image.rsplit('/').next().and_then(|last| last.split_once(':'));
        if tag.is_none_or(|(_, tag)| tag.is_empty() || tag == "latest") {
            return Err(format!("{name}: {image}"));
        }
    }
    Ok(())
}

fn is_for_both_processors(_: &Charm, repository: &Path) -> Result<(), String> {
    holds(
        &file(repository, "charmcraft.yaml")?,
        &["platforms:\n  amd64:\n  arm64:\n"],
    )
}

fn has_documentation(_: &Charm, repository: &Path) -> Result<(), String> {
    let summary = file(repository, "docs/src/SUMMARY.md")?;
    holds(
        &summary,
        &[
            "(tutorial.md)",
            "(reference/options.md)",
            "(reference/limits.md)",
            "(howto/new-app.md)",
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::repository;
    use crate::reference::Charms;

    #[test]
    fn what_is_called_met_is_met_by_every_charm() {
        let repository = repository().unwrap();
        let charms = Charms::read(&repository).unwrap();
        let mut looked_at = 0;
        for criterion in CRITERIA {
            let Standing::Met(check) = criterion.standing else {
                continue;
            };
            for charm in charms.all.iter().chain([&charms.with_tiers]) {
                looked_at += 1;
                let found = check(charm, &repository);
                assert_eq!(found, Ok(()), "{}: {}", charm.profile.name, criterion.asks);
            }
        }
        assert!(looked_at > 100, "{looked_at}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let repository = repository().unwrap();
        let mut charm = Charms::read(&repository).unwrap().with_tiers;
        charm.metadata["charm-user"] = "nobody".into();
        assert!(
            states_its_user(&charm, &repository)
                .unwrap_err()
                .contains("nobody")
        );
        charm.metadata["resources"]["radarr-image"]["upstream-source"] = "example.org:5000/radarr".into();
        assert!(has_pinned_images(&charm, &repository).is_err());
        charm.metadata["provides"]["metrics-endpoint"] = serde_json::json!({"interface": "x"});
        assert_eq!(
            says_what_is_optional(&charm, &repository).unwrap_err(),
            "metrics-endpoint"
        );
        charm
            .options
            .insert("Some_Option".to_owned(), serde_json::json!({}));
        assert_eq!(has_plain_names(&charm, &repository).unwrap_err(), "Some_Option");
        assert_eq!(is_described(&charm, &repository).unwrap_err(), "Some_Option");
        let nowhere = Path::new("/nowhere");
        for check in [
            has_licence,
            has_guidelines,
            has_security_policy,
            has_conventions,
            is_for_both_processors,
            has_documentation,
        ] {
            assert!(check(&charm, nowhere).is_err());
        }
    }
}
