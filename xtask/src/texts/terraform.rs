//! The Terraform modules, and what texts show of them, held against the charms: names, options, endpoints, storages.
//!
//! Whether OpenTofu takes them is seen by `cargo xtask terraform`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use hcl::{Block, Body, Expression, ObjectKey, TraversalOperator};
use serde_json::Value;

use super::files;
use super::markdown::Document;
use crate::foreign;
use crate::generate::{ROOT_APP, repository};
use crate::reference::Charms;

const STACK: &str = "terraform/stack";
const APP: &str = "terraform/app";

/// All files of a module as one.
fn module(repository: &Path, folder: &str) -> Body {
    let all = files::tracked(repository).unwrap();
    let texts = all
        .iter()
        .filter(|path| path.ends_with(".tf") && path.rsplit_once('/').is_some_and(|(is, _)| is == folder))
        .map(|path| std::fs::read_to_string(repository.join(path)).unwrap());
    let text: String = texts.collect::<Vec<_>>().join("\n");
    assert!(!text.is_empty(), "{folder} has no files");
    hcl::parse(&text).unwrap()
}

fn charms_file(repository: &Path) -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(repository.join(crate::terraform::CHARMS)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn blocks<'a>(body: &'a Body, kind: &'a str) -> impl Iterator<Item = &'a Block> {
    body.blocks().filter(move |block| block.identifier() == kind)
}

fn label(block: &Block, number: usize) -> &str {
    block.labels().get(number).map_or("", |label| label.as_str())
}

fn attribute<'a>(body: &'a Body, name: &str) -> Option<&'a Expression> {
    body.attributes()
        .find(|attribute| attribute.key() == name)
        .map(hcl::Attribute::expr)
}

fn text(expression: Option<&Expression>) -> Option<&str> {
    match expression {
        Some(Expression::String(text)) => Some(text),
        _ => None,
    }
}

fn key(key: &ObjectKey) -> Option<String> {
    match key {
        ObjectKey::Identifier(name) => Some(name.to_string()),
        ObjectKey::Expression(Expression::String(name)) => Some(name.clone()),
        _ => None,
    }
}

/// Keys of every object that is written in an expression, however deep in calls of functions.
fn object_keys(expression: &Expression) -> Vec<String> {
    match expression {
        Expression::Object(object) => object.keys().filter_map(key).collect(),
        Expression::FuncCall(call) => call.args.iter().flat_map(object_keys).collect(),
        _ => Vec::new(),
    }
}

/// The entries of an object.
fn entries(expression: &Expression) -> Vec<(String, &Expression)> {
    let Expression::Object(object) = expression else {
        return Vec::new();
    };
    object
        .iter()
        .filter_map(|(name, value)| Some((key(name)?, value)))
        .collect()
}

/// Names in a traversal: `juju_application.minio[0].name` is `juju_application`, `minio`, `name`.
fn traversed(expression: &Expression) -> Vec<String> {
    let Expression::Traversal(traversal) = expression else {
        return Vec::new();
    };
    let Expression::Variable(first) = &traversal.expr else {
        return Vec::new();
    };
    let further = traversal.operators.iter().filter_map(|operator| match operator {
        TraversalOperator::GetAttr(name) => Some(name.to_string()),
        _ => None,
    });
    [first.to_string()].into_iter().chain(further).collect()
}

/// The charm of each application that the stack makes itself.
fn charms_of_stack(stack: &Body) -> BTreeMap<String, String> {
    blocks(stack, "resource")
        .filter(|block| label(block, 0) == "juju_application")
        .map(|block| {
            let charm = blocks(block.body(), "charm").next().unwrap();
            let name = text(attribute(charm.body(), "name")).unwrap();
            (label(block, 1).to_owned(), name.to_owned())
        })
        .collect()
}

#[test]
fn the_root_charm_has_what_the_modules_know_of_it() {
    let repository = repository().unwrap();
    let read = |path: &str| -> Value {
        serde_yaml::from_str(&std::fs::read_to_string(repository.join(path)).unwrap()).unwrap()
    };
    let (metadata, charmcraft) = (read("metadata.yaml"), read("charmcraft.yaml"));
    let known = &charms_file(&repository)[ROOT_APP];
    let names = |of: &Value| -> BTreeSet<String> { of.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(names(&known["options"]), names(&charmcraft["config"]["options"]));
    for (name, kind) in known["options"].as_object().unwrap() {
        assert_eq!(*kind, charmcraft["config"]["options"][name]["type"], "{name}");
    }
    for section in ["provides", "requires", "resources", "storage"] {
        assert_eq!(names(&known[section]), names(&metadata[section]), "{section}");
    }
    for role in ["provides", "requires"] {
        for (name, endpoint) in known[role].as_object().unwrap() {
            assert_eq!(endpoint["interface"], metadata[role][name]["interface"], "{name}");
            assert_eq!(endpoint["limit"], metadata[role][name]["limit"], "{name}");
        }
    }
    assert_eq!(metadata["name"], ROOT_APP);
}

#[test]
fn the_modules_know_every_charm() {
    let repository = repository().unwrap();
    let known: Vec<String> = charms_file(&repository).into_keys().collect();
    let charms = Charms::read(&repository).unwrap().all;
    let all: Vec<String> = charms.into_iter().map(|charm| charm.profile.name).collect();
    assert_eq!(known, all);
}

#[test]
fn the_stack_sets_only_options_and_storages_that_the_charms_have() {
    let stack = module(&repository().unwrap(), STACK);
    let charms = charms_of_stack(&stack);
    let mut options = 0;
    for block in blocks(&stack, "resource").filter(|block| label(block, 0) == "juju_application") {
        let charm = foreign::of(&charms[label(block, 1)]).expect("a charm that is noted");
        for name in object_keys(attribute(block.body(), "config").unwrap()) {
            options += 1;
            assert!(charm.has_option(&name), "{} has no option {name}", charm.name);
        }
    }
    assert!(options >= 9, "only {options} options were looked at");
    let minio = blocks(&stack, "variable")
        .find(|block| label(block, 0) == "minio")
        .unwrap();
    let Some(Expression::FuncCall(object)) = attribute(minio.body(), "type") else {
        panic!("minio is no object");
    };
    let fields: BTreeMap<String, &Expression> = entries(&object.args[0]).into_iter().collect();
    let storages = object_keys(fields["storage_directives"]);
    let charm = foreign::of("minio").unwrap();
    assert_eq!(storages.len(), 1);
    assert!(
        storages.iter().all(|name| charm.has_storage(name)),
        "{storages:?}"
    );
}

#[test]
fn the_stack_integrates_endpoints_that_fit_together() {
    let repository = repository().unwrap();
    let stack = module(&repository, STACK);
    let charms = charms_of_stack(&stack);
    let known = charms_file(&repository);
    let mut count = 0;
    for block in blocks(&stack, "resource").filter(|block| label(block, 0) == "juju_integration") {
        // Interface, and whether this side provides it.
        let mut sides: Vec<(String, bool)> = Vec::new();
        for side in blocks(block.body(), "application") {
            let endpoint = text(attribute(side.body(), "endpoint")).unwrap();
            let names = traversed(attribute(side.body(), "name").unwrap());
            let found = match names.get(1).and_then(|name| charms.get(name)) {
                Some(charm) => {
                    let all = foreign::of(charm).unwrap().endpoints.iter();
                    let mut found = all.filter(|(name, _, _)| *name == endpoint);
                    found
                        .next()
                        .map(|(_, interface, provides)| ((*interface).to_owned(), *provides))
                }
                // Any of the apps that has it.
                None => known.values().find_map(|charm| {
                    let interface = charm["provides"][endpoint]["interface"].as_str()?;
                    Some((interface.to_owned(), true))
                }),
            };
            sides.push(found.unwrap_or_else(|| panic!("there is no endpoint {endpoint}")));
        }
        count += 1;
        assert_eq!(sides.len(), 2);
        assert_eq!(sides[0].0, sides[1].0, "two interfaces in {}", label(block, 1));
        assert_ne!(sides[0].1, sides[1].1, "one side provides in {}", label(block, 1));
    }
    assert_eq!(count, 2);
}

#[test]
fn the_stack_hands_every_variable_of_an_app_on() {
    let repository = repository().unwrap();
    let (stack, app) = (module(&repository, STACK), module(&repository, APP));
    let variables: BTreeSet<&str> = blocks(&app, "variable").map(|block| label(block, 0)).collect();
    let call = blocks(&stack, "module").next().unwrap();
    let handed: BTreeSet<&str> = call
        .body()
        .attributes()
        .map(hcl::Attribute::key)
        .filter(|name| !["source", "for_each"].contains(name))
        .collect();
    assert_eq!(handed, variables);
    // Sorted, with a type and a description, as CC006 has it.
    for body in [&stack, &app] {
        let names: Vec<&str> = blocks(body, "variable").map(|block| label(block, 0)).collect();
        assert!(names.is_sorted(), "{names:?}");
        for block in blocks(body, "variable") {
            for wanted in ["type", "description"] {
                assert!(
                    attribute(block.body(), wanted).is_some(),
                    "{} has no {wanted}",
                    label(block, 0)
                );
            }
        }
        for block in blocks(body, "output") {
            assert!(attribute(block.body(), "description").is_some());
        }
    }
}

#[test]
fn each_module_s_page_names_all_that_goes_in_and_out() {
    let repository = repository().unwrap();
    for folder in [STACK, APP] {
        let body = module(&repository, folder);
        let named = |kind| blocks(&body, kind).map(|block| label(block, 0).to_owned());
        let there: BTreeSet<String> = named("variable").chain(named("output")).collect();
        let page = std::fs::read_to_string(repository.join(folder).join("README.md")).unwrap();
        let rows = page
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once(" |"));
        let shown: BTreeSet<String> = rows
            .flat_map(|(names, _)| names.split("`, `"))
            .map(|name| name.trim_matches('`').to_owned())
            .collect();
        assert_eq!(shown, there, "{folder}/README.md");
    }
}

#[test]
fn what_texts_show_of_the_stack_is_there() {
    let repository = repository().unwrap();
    let stack = module(&repository, STACK);
    let known = charms_file(&repository);
    let variables: BTreeMap<&str, &Block> = blocks(&stack, "variable")
        .map(|block| (label(block, 0), block))
        .collect();
    let outputs: BTreeSet<&str> = blocks(&stack, "output").map(|block| label(block, 0)).collect();
    let fields_of = |variable: &str| -> BTreeSet<String> {
        let Some(Expression::FuncCall(call)) = attribute(variables[variable].body(), "type") else {
            panic!("{variable} is no object");
        };
        match (&call.args[0], call.name.name.as_str()) {
            (Expression::FuncCall(object), "map") => object_keys(&object.args[0]).into_iter().collect(),
            (object, _) => object_keys(object).into_iter().collect(),
        }
    };
    let mut shown = 0;
    for (path, text) in files::texts(&repository).unwrap() {
        for block in Document::of(&text)
            .blocks
            .iter()
            .filter(|block| block.info == "hcl")
        {
            let body =
                hcl::parse(&block.text).unwrap_or_else(|error| panic!("{path}:{}: {error}", block.line));
            for call in blocks(&body, "module") {
                shown += 1;
                for given in call.body().attributes().filter(|is| is.key() != "source") {
                    assert!(
                        variables.contains_key(given.key()),
                        "{path}: the stack has no variable {}",
                        given.key()
                    );
                }
                for variable in ["s3", "s3_credentials"] {
                    let given = attribute(call.body(), variable)
                        .map(object_keys)
                        .unwrap_or_default();
                    let fields = fields_of(variable);
                    assert!(
                        given.iter().all(|name| fields.contains(name)),
                        "{path}: {given:?}"
                    );
                }
                let apps = entries(attribute(call.body(), "apps").unwrap());
                let fields = fields_of("apps");
                for (name, app) in apps {
                    let given: BTreeMap<String, &Expression> = entries(app).into_iter().collect();
                    let charm = given
                        .get("charm")
                        .and_then(|charm| super::terraform::text(Some(*charm)))
                        .unwrap_or(&name);
                    assert!(known.contains_key(charm), "{path}: there is no charm {charm}");
                    for field in given.keys() {
                        assert!(fields.contains(field), "{path}: an app has no {field}");
                    }
                    for (field, section) in [
                        ("config", "options"),
                        ("resources", "resources"),
                        ("storage_directives", "storage"),
                    ] {
                        for key in given
                            .get(field)
                            .map(|given| object_keys(given))
                            .unwrap_or_default()
                        {
                            assert!(
                                known[charm][section].get(&key).is_some(),
                                "{path}: {charm} has no {section} {key}"
                            );
                        }
                    }
                }
            }
            for output in blocks(&body, "output") {
                let names = traversed(attribute(output.body(), "value").unwrap());
                if names.first().is_some_and(|name| name == "module") {
                    assert!(outputs.contains(names[2].as_str()), "{path}: {names:?}");
                }
            }
        }
    }
    assert!(shown > 0, "no text shows the stack");
}
