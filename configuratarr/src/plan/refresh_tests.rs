use super::*;

fn app(charm: &str, channel: &str) -> Application {
    let origin = if charm.starts_with("local:") {
        "local"
    } else {
        "charmhub"
    };
    Application {
        charm: charm.to_owned(),
        charm_origin: origin.to_owned(),
        charm_channel: channel.to_owned(),
        charm_name: "radarr".to_owned(),
        charm_rev: 7,
        ..Application::default()
    }
}

fn resource(name: &str, origin: &str, revision: impl Into<Value>) -> Resource {
    Resource {
        name: name.to_owned(),
        origin: origin.to_owned(),
        revision: revision.into(),
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// What takes it back: the command, or what cannot be.
#[test]
fn what_can_be_taken_back_depends_on_where_it_came_from() {
    let hub = app("radarr-k8s", "latest/edge");
    let local = app("local:radarr-7", "");
    let typed = TypedRefresh::default;
    let new_image = || vec!["app-image=radarr:6".to_owned()];
    let old_image = || vec!["app-image=radarr:5".to_owned()];
    let store = [resource("app-image", "store", 3)];
    let upload = [resource("app-image", "upload", "0")];
    for (what, found, resources, typed, expected) in [
        ("charmhub", &hub, &[][..], typed(), Ok("--revision 7")),
        (
            "charmhub, another channel",
            &hub,
            &[],
            TypedRefresh {
                channel: some("latest/beta"),
                ..typed()
            },
            Ok("--revision 7 --channel latest/edge"),
        ),
        (
            "charmhub, its resource",
            &hub,
            &store,
            typed(),
            Ok("--revision 7 --resource app-image=3"),
        ),
        (
            "a revision as a text",
            &hub,
            &[resource("app-image", "store", "3")],
            typed(),
            Ok("--revision 7 --resource app-image=3"),
        ),
        (
            "charmhub, a resource of one's own",
            &hub,
            &store,
            TypedRefresh {
                resources: new_image(),
                ..typed()
            },
            Ok("--revision 7 --resource app-image=3"),
        ),
        (
            "an uploaded resource that stays",
            &hub,
            &upload,
            typed(),
            Ok("--revision 7"),
        ),
        (
            "an uploaded resource that goes",
            &hub,
            &upload,
            TypedRefresh {
                resources: new_image(),
                ..typed()
            },
            Err("resource app-image"),
        ),
        (
            "the same, named",
            &hub,
            &upload,
            TypedRefresh {
                resources: new_image(),
                previous_resources: old_image(),
                ..typed()
            },
            Ok("--revision 7 --resource app-image=radarr:5"),
        ),
        (
            "a resource that Juju does not know",
            &hub,
            &[],
            TypedRefresh {
                resources: new_image(),
                ..typed()
            },
            Err("resource app-image"),
        ),
        (
            "charmhub, to a file",
            &hub,
            &[],
            TypedRefresh {
                path: some("/new"),
                ..typed()
            },
            Err("juju download radarr-k8s --revision 7"),
        ),
        (
            "a file",
            &local,
            &[],
            TypedRefresh {
                path: some("/new"),
                ..typed()
            },
            Err("local:radarr-7 came from a file"),
        ),
        (
            "a file that is named",
            &local,
            &upload,
            TypedRefresh {
                path: some("/new"),
                previous_path: some("/old"),
                ..typed()
            },
            Ok("--path /old"),
        ),
        (
            "a file that is named, and a resource that is not",
            &local,
            &upload,
            TypedRefresh {
                path: some("/new"),
                previous_path: some("/old"),
                resources: new_image(),
                ..typed()
            },
            Err("resource app-image"),
        ),
    ] {
        let plan = plan_refresh("radarr", found, resources, &typed, 60).unwrap();
        match expected {
            Ok(back) => {
                let expected = format!("refresh radarr --force-units {back}");
                assert_eq!(plan.back.unwrap().join(" "), expected, "{what}");
                assert!(plan.cannot.is_empty(), "{what}");
            }
            Err(why) => {
                assert_eq!(plan.back, None, "{what}");
                assert!(
                    plan.cannot.iter().any(|cannot| cannot.contains(why)),
                    "{what}: {:?}",
                    plan.cannot
                );
            }
        }
    }
}

#[test]
fn what_is_refreshed_is_what_was_typed() {
    let typed = TypedRefresh {
        channel: some("latest/beta"),
        revision: Some(9),
        resources: vec!["app-image=4".to_owned()],
        ..TypedRefresh::default()
    };
    let plan = plan_refresh("radarr", &app("radarr-k8s", "latest/edge"), &[], &typed, 60).unwrap();
    assert_eq!(
        plan.refresh.join(" "),
        "refresh radarr --channel latest/beta --revision 9 --resource app-image=4"
    );
    assert!(plan.changes_resources);
    assert_eq!((plan.charm.as_str(), plan.revision), ("radarr-k8s", 7));
}
