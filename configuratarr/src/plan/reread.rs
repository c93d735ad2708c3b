//! How an app is deployed, read once more before it is removed for an import: what others changed since the plan is not undone. Pure.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::import::{ImportPlan, Place, Typed, plan_import};
use crate::juju::{Deployed, Juju};
use crate::problem::{Kind, Problem};

/// What Juju is told when an app is deployed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// What `juju deploy` is told, without the storage that it attaches.
    pub deploy: Vec<String>,
    /// What comes after it: relations, secrets.
    pub then: Vec<Vec<String>>,
}

impl Deployment {
    /// What deploys it with this storage.
    pub fn with_storage(&self, storage: &str) -> Vec<String> {
        let attach = ["--attach-storage", storage].map(str::to_owned);
        self.deploy.iter().cloned().chain(attach).collect()
    }

    /// What differs, by name: a value may be a secret.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut names = named(&self.flags(), &other.flags());
        let (then, others): (BTreeSet<_>, BTreeSet<_>) =
            (self.then.iter().collect(), other.then.iter().collect());
        names.extend(then.symmetric_difference(&others).map(|command| {
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            match words.as_slice() {
                ["integrate", one, other] => format!("relation {one} {other}"),
                ["grant-secret", ..] => "access to a secret".to_owned(),
                _ => words.first().copied().unwrap_or_default().to_owned(),
            }
        }));
        names.into_iter().collect()
    }

    fn flags(&self) -> BTreeSet<(&str, &str)> {
        flags(&self.deploy).into_iter().collect()
    }

    /// What belongs to the charm itself: its channel, revision and resources.
    fn charm(&self) -> BTreeSet<(&str, &str)> {
        let mut flags = self.flags();
        flags.retain(|(flag, _)| matches!(*flag, "--channel" | "--revision" | "--resource"));
        flags
    }
}

/// The flags that differ, by name.
fn named(ours: &BTreeSet<(&str, &str)>, others: &BTreeSet<(&str, &str)>) -> BTreeSet<String> {
    let differ = ours.symmetric_difference(others).map(|(flag, value)| {
        let name = value.split('=').next().unwrap_or_default();
        match *flag {
            "--config" => format!("option {name}"),
            "--resource" => format!("resource {name}"),
            "--storage" => format!("storage {name}"),
            flag => flag.trim_start_matches('-').to_owned(),
        }
    });
    differ.collect()
}

/// The flags of a `juju deploy CHARM APP`, with their values.
fn flags(deploy: &[String]) -> Vec<(&str, &str)> {
    let mut words = deploy.iter().skip(3).map(String::as_str);
    let mut flags = Vec::new();
    while let Some(flag) = words.next() {
        let value = match flag {
            "--trust" => "",
            _ => words.next().unwrap_or_default(),
        };
        flags.push((flag, value));
    }
    flags
}

impl ImportPlan {
    /// How the app is deployed again by the plan.
    pub fn deployment(&self) -> Deployment {
        Deployment {
            deploy: self.deploy.clone(),
            then: self.then.clone(),
        }
    }

    /// How it is deployed again by what Juju says of it now.
    ///
    /// Options, relations, constraints, trust and the like are those of now. A charm or a resource that is another one by now stops it: what was
    /// typed for the plan belongs to the one of then.
    ///
    /// # Errors
    /// What has changed so that it cannot be deployed again by this plan.
    pub fn reread(
        &self,
        juju: &Juju,
        app: &str,
        units: usize,
        now: &Deployed,
    ) -> Result<Deployment, Problem> {
        let put_back = "put it back as it was, or give this run up and plan it again";
        let cannot = |what: String| {
            Problem::new(
                Kind::Failed,
                format!("{app} was changed since this was planned: {what}"),
                put_back,
            )
        };
        if let Some(was) = self.deployed_charm.as_ref().filter(|was| **was != now.charm) {
            return Err(cannot(format!("its charm was {was}, and is {} now", now.charm)));
        }
        let place = Place {
            volume: self.old_volume.clone(),
            size: self.size,
            storage_class: self.storage_class.clone(),
            image: self.image.clone(),
        };
        let again = plan_import(juju, app, units, now, place, &self.typed())
            .map_err(|problem| cannot(problem.text))?;
        // What an earlier release wrote down names the charm only here.
        if again.charm != self.charm {
            return Err(cannot(format!(
                "its charm was {}, and is {} now",
                self.charm, again.charm
            )));
        }
        let (then, now) = (self.deployment(), again.deployment());
        // Its options may be what they like.
        let of_charm: Vec<String> = named(&then.charm(), &now.charm()).into_iter().collect();
        match of_charm.is_empty() {
            true => Ok(now),
            false => Err(cannot(of_charm.join(", "))),
        }
    }

    /// What was typed beside the app and the backup: files of charm and resources.
    fn typed(&self) -> Typed {
        let is_typed = !self.is_of_charmhub();
        let charm = is_typed.then(|| self.charm.clone());
        if let Some(resources) = self.typed_resources.clone() {
            return Typed { charm, resources };
        }
        // An earlier release did not write them down. Revisions of Charmhub's resources are read again; what is none was typed.
        let is_revision = |resource: &str| {
            let value = resource.split_once('=').map_or("", |(_, value)| value);
            !is_typed && value.parse::<u64>().is_ok()
        };
        let resources = flags(&self.deploy).into_iter();
        let resources = resources.filter(|(flag, value)| *flag == "--resource" && !is_revision(value));
        Typed {
            charm,
            resources: resources.map(|(_, value)| value.to_owned()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployed(text: &str) -> Deployed {
        serde_yaml::from_str(text).unwrap()
    }

    fn planned(was: &Deployed, typed: &Typed) -> ImportPlan {
        let place = Place {
            volume: "pvc-old".to_owned(),
            size: 1 << 30,
            storage_class: None,
            image: "radarr:1".to_owned(),
        };
        plan_import(&Juju::new(None), "radarr", 1, was, place, typed).unwrap()
    }

    const WAS: &str = "{charm: radarr-k8s, channel: latest/edge, revision: 7, resources: {app-image: 3}, trust: true,
        options: {backup-schedule: \"@daily\", puid: 1000, restore-on-deploy: latest}, storage: {config: \"kubernetes,1,1024M\"}}";

    #[test]
    fn what_was_not_changed_is_deployed_as_planned() {
        let was = deployed(WAS);
        let local = deployed("{charm: \"local:radarr-k8s-0\", options: {puid: 1000}}");
        let typed = Typed {
            charm: Some("/radarr.charm".to_owned()),
            resources: vec!["app-image=5".to_owned(), "other=/file".to_owned()],
        };
        for (was, typed) in [(&was, &Typed::default()), (&local, &typed)] {
            let plan = planned(was, typed);
            assert_eq!(
                plan.reread(&Juju::new(None), "radarr", 1, was).unwrap(),
                plan.deployment()
            );
        }
    }

    #[test]
    fn what_others_set_meanwhile_is_deployed_and_named_without_its_value() {
        let was = deployed(WAS);
        let mut now = deployed(
            "{charm: radarr-k8s, channel: latest/edge, revision: 7, resources: {app-image: 3}, expose: true, constraints: mem=1G,
              options: {backup-schedule: s3cret, api: \"secret:abc\", restore-on-deploy: other}, storage: {config: \"kubernetes,1,2048M\"}}",
        );
        now.relations = vec![("radarr:ingress".to_owned(), "traefik:ingress".to_owned())];
        let plan = planned(&was, &Typed::default());
        let again = plan.reread(&Juju::new(None), "radarr", 1, &now).unwrap();
        assert_eq!(
            again.with_storage("config/3").join(" "),
            "deploy radarr-k8s radarr --channel latest/edge --revision 7 --constraints mem=1G --storage config=kubernetes,1,2048M \
             --config api=secret:abc --config backup-schedule=s3cret --resource app-image=3 --attach-storage config/3"
        );
        assert_eq!(
            plan.deployment().differences(&again),
            [
                "access to a secret",
                "constraints",
                "expose",
                "option api",
                "option backup-schedule",
                "option puid",
                "relation radarr:ingress traefik:ingress",
                "storage config",
                "trust"
            ]
        );
    }

    /// Who names a revision of a resource, or one in place of what was uploaded, has changed nothing since.
    #[test]
    fn a_revision_of_a_resource_that_was_typed_is_no_change() {
        let uploaded = Deployed {
            uploaded: vec!["app-image".to_owned()],
            ..deployed("{charm: radarr-k8s, channel: latest/edge, revision: 7}")
        };
        for was in [deployed(WAS), uploaded] {
            let typed = Typed {
                resources: vec!["app-image=5".to_owned()],
                ..Typed::default()
            };
            let plan = planned(&was, &typed);
            let again = plan.reread(&Juju::new(None), "radarr", 1, &was).unwrap();
            assert_eq!(again, plan.deployment());
            assert!(again.deploy.contains(&"app-image=5".to_owned()), "{again:?}");
        }
    }

    /// What somebody set is data, whatever it looks like.
    #[test]
    fn values_with_line_breaks_quotes_and_flags_in_them_are_those_of_then_and_named_without_them() {
        let odd = [
            "a\nb=c",
            "'\"; rm -rf /",
            "--trust",
            "--attach-storage",
            "",
            "=",
            "ключ 🔑",
        ];
        let with = |value: &str| {
            let mut was = deployed(WAS);
            was.options.insert("puid".to_owned(), value.into());
            was
        };
        for value in odd {
            let plan = planned(&with(value), &Typed::default());
            assert_eq!(
                plan.reread(&Juju::new(None), "radarr", 1, &with(value)).unwrap(),
                plan.deployment()
            );
            let again = plan
                .reread(&Juju::new(None), "radarr", 1, &with("another"))
                .unwrap();
            assert_eq!(
                plan.deployment().differences(&again),
                ["option puid"],
                "{value:?}"
            );
            let by = plan.deployment().with_storage("config/1");
            assert_eq!(
                by.iter().filter(|word| **word == format!("puid={value}")).count(),
                1
            );
        }
    }

    #[test]
    fn another_charm_or_resource_or_what_cannot_be_deployed_again_stops_it() {
        let plan = planned(&deployed(WAS), &Typed::default());
        let why = |units, text: &str| {
            let problem = plan
                .reread(&Juju::new(None), "radarr", units, &deployed(text))
                .unwrap_err();
            assert!(problem.next.unwrap().contains("give this run up"));
            problem.text
        };
        let all = "radarr was changed since this was planned: ";
        assert_eq!(why(1, &WAS.replace(": 7", ": 8")), format!("{all}revision"));
        assert_eq!(
            why(1, &WAS.replace(": 3", ": 4")),
            format!("{all}resource app-image")
        );
        assert_eq!(why(1, &WAS.replace("edge", "beta")), format!("{all}channel"));
        assert_eq!(
            why(1, "{charm: other-k8s}"),
            format!("{all}its charm was radarr-k8s, and is other-k8s now")
        );
        assert!(why(2, WAS).starts_with(&format!("{all}radarr has 2 units")));
        // What is no reason to stop is not named as one.
        let both = WAS.replace(": 7", ": 8").replace("1000", "1001");
        assert_eq!(why(1, &both), format!("{all}revision"));
        // An earlier release did not write down which charm Juju had.
        let plan = ImportPlan {
            deployed_charm: None,
            ..plan
        };
        assert!(plan.reread(&Juju::new(None), "radarr", 1, &deployed(WAS)).is_ok());
        let problem = plan
            .reread(
                &Juju::new(None),
                "radarr",
                1,
                &deployed(&WAS.replace("radarr-k8s", "other-k8s")),
            )
            .unwrap_err();
        assert_eq!(
            problem.text,
            format!("{all}its charm was radarr-k8s, and is other-k8s now")
        );
    }
}
