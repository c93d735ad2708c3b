//! A plan with a choice of its own for each app, and what is made of a plan without deciding anything anew. Pure.

use std::collections::BTreeMap;

use config_recovery::backups::Choice;

use super::{Job, Known, Made, Plan, Wanted, plan};
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
    pub fn plan(&self, known: Known<'_>) -> Result<Made, Problem> {
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
                (Ok((one, _)), Some(whole)) => whole.items.extend(one.items),
                (Ok((one, _)), none) => *none = Some(one),
                (Err(problem), _) => left_out.push((app.clone(), problem)),
            }
        }
        match (whole, left_out.first()) {
            (Some(whole), _) => Ok((whole, left_out)),
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

    /// The same plan without these apps; nothing else of it changes.
    #[must_use]
    pub fn without(&self, apps: &[String]) -> Self {
        let mut rest = self.clone();
        rest.items.retain(|item| !apps.contains(&item.app));
        rest
    }
}
