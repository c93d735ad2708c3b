//! The JSON Schema: the copy in the repository, and that it and the types agree.
#![cfg(feature = "schema")]
#![cfg(test)]

mod common;

use common::{bag, bag_with_spec, full, nearly_a_spec, radarr, request};
use proptest::prelude::*;
use velero_backup_config::{BackupRequest, schema};

#[test]
fn the_copy_in_the_repository_is_the_one_that_the_types_make() {
    let copy = include_str!("../schema/velero_backup_config.schema.json");
    assert!(
        copy == schema::schema_file_text(),
        "schema/velero_backup_config.schema.json is not what the types say: run `cargo xtask generate`"
    );
}

/// Without a validator nothing would be refused.
#[test]
fn the_schema_refuses_what_it_can_tell() {
    for (spec, pointer) in [
        (r#"{"include_namespaces":[]}"#, "/spec/include_namespaces"),
        (r#"{"include_namespaces":null}"#, "/spec/include_namespaces"),
        ("{}", "/spec"),
        ("[]", "/spec"),
        (r#"{"include_namespaces":["A"]}"#, "/spec/include_namespaces/0"),
        (r#"{"include_namespaces":["a\n"]}"#, "/spec/include_namespaces/0"),
        (
            r#"{"include_namespaces":["a"],"include_resources":["a/b"]}"#,
            "/spec/include_resources/0",
        ),
        (r#"{"include_namespaces":["a"],"ttl":"30d"}"#, "/spec/ttl"),
        (r#"{"include_namespaces":["a"],"ttl":"-1h"}"#, "/spec/ttl"),
        (
            r#"{"include_namespaces":["a"],"label_selector":{"a":1}}"#,
            "/spec/label_selector/a",
        ),
        (r#"{"include_namespaces":["a"],"paused":"yes"}"#, "/spec/paused"),
    ] {
        let errors = schema::check(&bag_with_spec(spec)).unwrap_err();
        assert!(
            errors.iter().any(|error| error.pointer() == pointer),
            "{spec}: {errors:?}"
        );
    }
    assert!(schema::check(&bag([("app", "radarr")])).is_err());
    let mut databag = radarr().to_databag();
    assert_eq!(schema::check(&databag), Ok(()));
    databag.remove("model");
    assert_eq!(
        schema::check(&databag),
        Ok(()),
        "clients with patch 1 have no model"
    );
    databag.remove("app");
    assert!(schema::check(&databag).is_err());
    let full = BackupRequest::new("a", "b", "c", full()).unwrap();
    assert_eq!(schema::check(&full.to_databag()), Ok(()));
}

proptest! {
    #[test]
    fn the_schema_takes_whatever_is_written(request in request()) {
        prop_assert_eq!(schema::check(&request.to_databag()), Ok(()));
    }

    #[test]
    fn what_the_schema_refuses_the_types_refuse(spec in nearly_a_spec(), app in "[a-zA-Z.-]{0,3}") {
        let mut databag = bag_with_spec(&spec.to_string());
        databag.insert("app".to_owned(), app);
        if schema::check(&databag).is_err() {
            let read = BackupRequest::from_databag(&databag);
            prop_assert!(read.is_err(), "{read:?}");
        }
    }
}
