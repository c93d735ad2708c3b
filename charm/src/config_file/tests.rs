//! What every format must hold, and the odd corners of ini and JSON.

use proptest::prelude::*;

use super::*;

fn text(path: &[&str], value: &str) -> WantedSetting {
    WantedSetting {
        path: path.iter().map(|part| (*part).to_owned()).collect(),
        value: Value::Text(value.to_owned()),
    }
}

fn list(path: &[&str], items: &[&str]) -> WantedSetting {
    WantedSetting {
        value: Value::List(items.iter().map(|item| (*item).to_owned()).collect()),
        ..text(path, "")
    }
}

fn path(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

mod ini_files {
    use super::super::ini::{create, edit, value as read};
    use super::*;

    /// As Qt writes it.
    const QT: &str = "[AutoRun]\nenabled=false\n\n[Preferences]\n; mine\nGeneral\\Locale=en\nWebUI\\Port=80\nWebUI\\Password=\"@ByteArray(a=:b==)\"\n\n[Meta]\nMigrationVersion=8\n";

    /// As ConfigObj writes it.
    const NESTED: &str = "__version__ = 19\r\n__encoding__ = utf-8\r\n[misc]\r\nhost = 127.0.0.1  # mine\r\nhosts = one,\r\nempty = \"\"\r\nlong = \"\"\"first\r\n[misc]\r\nhost = 1\r\nlast\"\"\"\r\n[servers]\r\n[[news.example]]\r\nport = 563\r\n[categories]\r\n[[*]]\r\nname = *\r\n";

    #[test]
    fn only_what_differs_is_touched() {
        let wanted = [
            text(&["Preferences", "WebUI\\Port"], "8080"),
            text(&["Preferences", "WebUI\\Password"], "@ByteArray(a=:b==)"),
            text(&["Preferences", "WebUI\\User"], "me"),
            text(&["Legal", "Accepted"], "true"),
        ];
        let after = edit(QT, &wanted).unwrap();
        let expected = QT
            .replace("WebUI\\Port=80\n", "WebUI\\Port=8080\n")
            .replace("b==)\"\n", "b==)\"\nWebUI\\User=me\n")
            .replace("Version=8\n", "Version=8\n\n[Legal]\nAccepted=true\n");
        assert_eq!(after, expected);
        assert_eq!(edit(&after, &wanted).unwrap(), after);
    }

    #[test]
    fn nested_sections_comments_lists_and_long_values_survive() {
        let wanted = [
            text(&["__version__"], "19"),
            text(&["misc", "host"], "0.0.0.0"),
            list(&["misc", "hosts"], &["one"]),
            text(&["misc", "empty"], ""),
            text(&["misc", "key"], "k"),
            text(&["servers", "news.example", "port"], "119"),
            text(&["servers", "other", "port"], "1"),
            text(&["new", "deep", "a"], "1"),
        ];
        let after = edit(NESTED, &wanted).unwrap();
        let expected = NESTED
            .replace("127.0.0.1  # mine", "0.0.0.0  # mine")
            .replace("last\"\"\"\r\n", "last\"\"\"\r\nkey = k\r\n")
            .replace("port = 563\r\n", "port = 119\r\n[[other]]\r\nport = 1\r\n")
            .replace("name = *\r\n", "name = *\r\n[new]\r\n[[deep]]\r\na = 1\r\n");
        assert_eq!(after, expected);
        assert_eq!(edit(&after, &wanted).unwrap(), after);
    }

    #[test]
    fn a_list_is_completed_and_what_it_has_stays() {
        let wanted = [list(&["misc", "hosts"], &["one", "two, three"])];
        for complete in [
            "one, \"two, three\"",
            "\"two, three\",pod-0, one,",
            "'one' , 'two, three'  # c",
        ] {
            let document = format!("[misc]\nhosts = {complete}\n");
            assert_eq!(edit(&document, &wanted).unwrap(), document);
        }
        assert_eq!(
            edit("[misc]\nhosts=pod-0, one,\n", &wanted).unwrap(),
            "[misc]\nhosts=pod-0, one, \"two, three\"\n"
        );
    }

    #[test]
    fn a_file_without_a_last_line_end_gets_one_before_what_is_added() {
        let edited = edit("[a]\nx=1", &[text(&["a", "y"], "2"), text(&["b", "z"], "3")]).unwrap();
        assert_eq!(edited, "[a]\nx=1\ny=2\n[b]\nz=3\n");
    }

    #[test]
    fn damage_is_told() {
        for document in [
            "[misc",
            "[misc]\nhalf a li",
            "[[deep]]\na=1",
            "a=1\0\0",
            "x = \"\"\"never closed\n",
            "[]\n",
            "[a]]\n",
        ] {
            let damage = edit(document, &[]).unwrap_err().to_string();
            assert!(damage.contains("not well-formed ini"), "{document:?}: {damage}");
        }
    }

    #[test]
    fn a_new_file_holds_the_values_in_their_sections() {
        let wanted = [
            text(&["v"], "1"),
            text(&["a", "x"], "p=q"),
            text(&["a", "b", "y"], " z"),
        ];
        let document = create(&wanted);
        assert_eq!(document, "v=1\n[a]\nx=\"p=q\"\n[[b]]\ny=\" z\"\n");
        assert_eq!(read(&document, &path(&["a", "x"])).as_deref(), Some("p=q"));
        assert_eq!(edit(&document, &wanted).unwrap(), document);
    }

    proptest! {
        #[test]
        fn no_input_panics(document in "[\\[\\]a-c=,#;\"'\\\\ \r\n\u{feff}]{0,80}", value in ".{0,20}") {
            let _ = edit(&document, &[text(&["a", "b"], &value), list(&["c"], &[&value])]);
        }

        #[test]
        fn an_edit_is_kept_and_done_once_and_changes_nothing_else(
            others in proptest::collection::vec("[a-d]{1,3} ?= ?[ -~&&[^#\"']]{0,12}", 0..6), value in "[ -~]{0,20}",
        ) {
            let document = format!("[own]\n{}\n[other]\nkey = x\n", others.join("\n"));
            let wanted = [text(&["own", "key"], &value), text(&["other", "key"], &value)];
            let edited = edit(&document, &wanted).unwrap();
            prop_assert_eq!(read(&edited, &path(&["own", "key"])), Some(value.clone()));
            prop_assert_eq!(read(&edited, &path(&["other", "key"])), Some(value));
            prop_assert_eq!(edit(&edited, &wanted).unwrap(), edited.clone());
            for line in &others {
                prop_assert!(edited.contains(line.as_str()), "{} is gone from {}", line, edited);
            }
        }
    }
}

mod json_files {
    use super::super::json::{create, edit, value};
    use super::*;

    const SETTINGS: &str = "{\n \"clientId\": \"c\",\n \"main\": {\n  \"apiKey\": \"old\",\n  \"port\": 1,\n  \"title\": \"x \\\" } y\"\n },\n \"plain\": {},\n \"list\": [1.50, {\"main\": 2}]\n}\n";

    #[test]
    fn order_indentation_and_other_members_survive() {
        let wanted = [
            text(&["main", "apiKey"], "n\"w"),
            text(&["main", "port"], "2"),
            text(&["main", "added"], "1"),
            text(&["plain", "deep", "x"], "y"),
        ];
        let after = edit(SETTINGS, &wanted).unwrap();
        let expected = SETTINGS
            .replace("\"old\"", "\"n\\\"w\"")
            .replace("\"port\": 1", "\"port\": 2")
            .replace("} y\"\n", "} y\",\n  \"added\": \"1\"\n")
            .replace(
                "\"plain\": {}",
                "\"plain\": {\n  \"deep\": {\n   \"x\": \"y\"\n  }\n }",
            );
        assert_eq!(after, expected);
        assert_eq!(edit(&after, &wanted).unwrap(), after);
    }

    #[test]
    fn a_document_in_one_line_stays_in_one_line() {
        let wanted = [text(&["a", "b"], "1"), list(&["l"], &["x"])];
        assert_eq!(
            edit("{\"z\":\"y\"}", &wanted).unwrap(),
            "{\"z\":\"y\",\"a\":{\"b\":\"1\"},\"l\":[\"x\"]}"
        );
    }

    #[test]
    fn a_list_is_completed_and_what_it_has_stays() {
        let wanted = [list(&["l"], &["x", "y"])];
        assert_eq!(
            edit("{\"l\": [\"y\",\"x\", \"z\"]}", &wanted).unwrap(),
            "{\"l\": [\"y\",\"x\", \"z\"]}"
        );
        assert_eq!(
            edit("{\"l\": [\"z\"]}", &wanted).unwrap(),
            "{\"l\": [\"z\",\"x\",\"y\"]}"
        );
        assert_eq!(edit("{\"l\": 1}", &wanted).unwrap(), "{\"l\": [\"x\",\"y\"]}");
    }

    #[test]
    fn a_new_document_is_indented() {
        let wanted = [text(&["main", "apiKey"], "k")];
        let document = create(&wanted);
        assert_eq!(document, "{\n  \"main\": {\n    \"apiKey\": \"k\"\n  }\n}\n");
        assert_eq!(value(&document, &path(&["main", "apiKey"])).as_deref(), Some("k"));
    }

    #[test]
    fn damage_is_told_apart() {
        let wanted = [text(&["main", "apiKey"], "k")];
        for (document, reason) in [
            ("{\"main\": {\"apiK", "not well-formed JSON"),
            ("{} x", "not well-formed JSON"),
            ("[]", "no JSON object at \"\""),
            ("{\"main\": 3}", "no JSON object at \"main\""),
        ] {
            let damage = edit(document, &wanted).unwrap_err().to_string();
            assert!(damage.contains(reason), "{document}: {damage}");
        }
    }

    fn any_json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i32>().prop_map(Json::from),
            "[ -~é]{0,6}".prop_map(Json::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                proptest::collection::btree_map("[a-c]", inner, 0..4)
                    .prop_map(|members| Json::Object(members.into_iter().collect())),
            ]
        })
    }

    use serde_json::Value as Json;

    proptest! {
        #[test]
        fn no_input_panics(document in "[\\[\\]{}a:,\"\\\\ 1\n]{0,60}", value in ".{0,20}") {
            let _ = edit(&document, &[text(&["a", "b"], &value)]);
        }

        #[test]
        fn an_edit_is_kept_done_once_and_changes_nothing_else(before in any_json(), pretty: bool, new in "[ -~]{0,9}") {
            let written = if pretty { serde_json::to_string_pretty(&before).unwrap() } else { before.to_string() };
            let wanted = [text(&["a", "b"], &new), text(&["n"], &new)];
            let Ok(edited) = edit(&written, &wanted) else {
                let unfit = before.as_object().is_none_or(|root| root.get("a").is_some_and(|a| !a.is_object()));
                prop_assert!(unfit, "{} is refused", written);
                return Ok(());
            };
            prop_assert_eq!(edit(&edited, &wanted).unwrap(), edited.clone());
            prop_assert_eq!(value(&edited, &path(&["a", "b"])), Some(new.clone()));
            let mut expected = before;
            let mut after: Json = serde_json::from_str(&edited).unwrap();
            for document in [&mut expected, &mut after] {
                document["n"] = Json::Null;
                document["a"]["b"] = Json::Null;
            }
            prop_assert_eq!(after, expected);
        }
    }
}
