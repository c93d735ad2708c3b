//! A plan with a choice of its own for each app, and what is made of a plan without deciding anything anew. Pure.

use std::collections::BTreeMap;

use config_recovery::backups::Choice;

use super::{Job, Known, LeftOut, Plan, Wanted, plan};
use crate::juju::Juju;
use crate::problem::Problem;

/// What is to be done with which apps, each with its own choice of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// What is to be done.
    pub job: Job,
    /// The apps, and which backup of each.
    pub picks: Vec<(String, Choice)>,
    /// More parameters of the action.
    pub parameters: BTreeMap<String, String>,
}

impl Order {
    /// Plans it. What cannot be planned is left out, with its reason.
    ///
    /// # Errors
    /// The first reason, when nothing can be planned.
    pub fn plan(&self, known: Known<'_>) -> Result<Plan, Problem> {
        let mut whole: Option<Plan> = None;
        let mut left_out = Vec::new();
        for (app, choice) in &self.picks {
            let wanted = Wanted {
                job: self.job,
                apps: Some(std::slice::from_ref(app)),
                choice: choice.clone(),
                parameters: self.parameters.clone(),
            };
            match (plan(&wanted, known), &mut whole) {
                (Ok(one), Some(whole)) => whole.items.extend(one.items),
                (Ok(one), none) => *none = Some(one),
                (Err(problem), _) => left_out.push((app, problem)),
            }
        }
        match (whole, left_out.first()) {
            (Some(mut whole), _) => {
                let is_deployed = |name: &str| {
                    let mut apps = known.apps.iter();
                    apps.any(|app| app.id.app == name && app.juju.is_some())
                };
                whole.left_out = left_out
                    .iter()
                    .map(|(app, problem)| LeftOut::new(app, problem, is_deployed(app)))
                    .collect();
                Ok(whole)
            }
            (None, Some((_, first))) => Err(first.clone()),
            // Nothing was asked for: the planner has the words for that.
            (None, None) => plan(
                &Wanted {
                    job: self.job,
                    apps: Some(&[]),
                    choice: Choice::Latest,
                    parameters: BTreeMap::new(),
                },
                known,
            ),
        }
    }
}

impl Plan {
    /// The dry run of exactly this plan: the same units, backups and parameters.
    #[must_use]
    pub fn preview(&self, juju: &Juju) -> Self {
        let mut preview = self.clone();
        preview.job = Job::Preview;
        for item in &mut preview.items {
            item.parameters.insert("dry-run".to_owned(), "true".to_owned());
            let arguments = Juju::run_arguments(&item.unit, Job::Preview.action(), &item.parameters);
            item.command = juju.command(&arguments);
        }
        preview
    }

    /// The same plan without these apps, which it leaves out too; nothing else of it changes.
    #[must_use]
    pub fn without(&self, apps: Vec<LeftOut>) -> Self {
        let mut rest = self.clone();
        rest.items
            .retain(|item| !apps.iter().any(|left_out| left_out.app == item.app));
        rest.left_out.extend(apps);
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{LOCATIONS, MODEL, backup, fleet, now, overview, status};
    use crate::problem::Kind;

    /// Radarr has two backups, sonarr one, and prowlarr is gone.
    fn planned(picks: &[(&str, Choice)]) -> Result<Plan, Problem> {
        let backups = vec![
            backup("radarr", 10),
            backup("radarr", 34),
            backup("sonarr", 10),
            backup("prowlarr", 10),
        ];
        let apps = fleet(&status(&["radarr", "sonarr"]), &overview(backups));
        let order = Order {
            job: Job::Restore,
            picks: picks
                .iter()
                .map(|(app, choice)| ((*app).to_owned(), choice.clone()))
                .collect(),
            parameters: BTreeMap::from([("force".to_owned(), "true".to_owned())]),
        };
        order.plan(Known {
            model: MODEL,
            apps: &apps,
            locations: &LOCATIONS,
            data_units: &BTreeMap::from([("sonarr".to_owned(), 2)]),
            juju: &Juju::new(None),
            now: now(),
        })
    }

    #[test]
    fn each_app_has_a_choice_of_its_own_and_what_cannot_be_is_left_out() {
        let older = Choice::Named("radarr-uid-34".to_owned());
        let picks = [
            ("radarr", older),
            ("prowlarr", Choice::Latest),
            ("sonarr", Choice::Latest),
        ];
        let plan = planned(&picks).unwrap();
        let commands: Vec<&str> = plan.items.iter().map(|item| item.command.as_str()).collect();
        assert_eq!(
            commands,
            [
                "juju run radarr/0 restore-from-backup backup-uid=radarr-uid-34 force=true",
                "juju run sonarr/2 restore-from-backup backup-uid=sonarr-uid-10 force=true",
            ]
        );
        let names: Vec<&str> = plan
            .left_out
            .iter()
            .map(|left_out| left_out.app.as_str())
            .collect();
        assert_eq!(names, ["prowlarr"]);
        assert!(
            planned(&picks[1..2])
                .unwrap_err()
                .text
                .contains("is not deployed")
        );
        assert!(planned(&[]).is_err());
    }

    #[test]
    fn a_dry_run_is_of_the_same_units_backups_and_parameters() {
        let plan = planned(&[("radarr", Choice::Latest), ("sonarr", Choice::Latest)]).unwrap();
        let mut preview = plan.preview(&Juju::new(None));
        assert_eq!(
            preview.items[1].command,
            "juju run sonarr/2 restore-from-backup backup-uid=sonarr-uid-10 dry-run=true force=true"
        );
        for (item, before) in preview.items.iter_mut().zip(&plan.items) {
            assert_eq!(item.parameters.remove("dry-run").as_deref(), Some("true"));
            item.command.clone_from(&before.command);
        }
        preview.job = Job::Restore;
        assert_eq!(preview, plan);
        let refused = LeftOut::new("radarr", &Problem::bare(Kind::Failed, "no"), true);
        let rest = plan.without(vec![refused.clone()]);
        assert_eq!(rest.items, plan.items[1..]);
        assert_eq!(rest.left_out, [refused]);
    }
}
