//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::scenarios::{self, Scenario};

/// Proves on a real Kubernetes, with a real Velero, what this project claims about backups.
///
/// Without --kubeconfig it brings up a cluster of its own on this machine, which needs root, Go and a few Debian packages.
/// Exit codes: 0 everything passed, 1 something failed, 2 it could not be tried.
#[derive(Debug, Clone, Parser)]
#[command(name = "cargo e2e", bin_name = "cargo e2e")]
pub struct Arguments {
    /// Install the Debian packages that are missing.
    #[arg(long)]
    pub install: bool,
    /// Build what the cluster is made of, and end.
    #[arg(long, conflicts_with = "kubeconfig")]
    pub build: bool,
    /// Leave the cluster up after the scenarios, until it is ended.
    #[arg(long, conflicts_with = "kubeconfig")]
    pub keep: bool,
    /// Play only this scenario; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// Play long rounds where a scenario has some: 50 backups of a live database instead of a few.
    #[arg(long)]
    pub thorough: bool,
    /// Use a cluster of your own that runs Velero. Only namespaces made by this run are touched.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Image with a shell for the pods in your cluster.
    #[arg(
        long,
        value_name = "IMAGE",
        default_value = "busybox:stable",
        requires = "kubeconfig"
    )]
    pub shell_image: String,
    /// List the scenarios and end.
    #[arg(long)]
    pub list: bool,
    /// Print the report (or the list) as JSON.
    #[arg(long)]
    pub json: bool,
}

impl Arguments {
    /// The scenarios that were asked for, in their own order.
    ///
    /// # Errors
    /// With the first name that there is not, and all that there are.
    pub fn scenarios(&self) -> Result<Vec<&'static Scenario>, String> {
        let known: Vec<&str> = scenarios::ALL.iter().map(|scenario| scenario.name).collect();
        if let Some(unknown) = self.only.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(format!(
                "there is no scenario {unknown}; there are: {}",
                known.join(", ")
            ));
        }
        let wanted =
            |scenario: &&Scenario| self.only.is_empty() || self.only.iter().any(|name| name == scenario.name);
        Ok(scenarios::ALL.iter().filter(wanted).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Arguments {
        Arguments::parse_from(std::iter::once(&"e2e").chain(words))
    }

    #[test]
    fn the_definition_is_sound() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn everything_is_played_unless_names_are_given() {
        assert_eq!(parse(&[]).scenarios().unwrap().len(), scenarios::ALL.len());
        let only = parse(&[
            "--only",
            "config-volume-comes-back",
            "--only",
            "claims-only-stores-nothing",
        ]);
        let names: Vec<&str> = only
            .scenarios()
            .unwrap()
            .iter()
            .map(|scenario| scenario.name)
            .collect();
        assert_eq!(names, ["claims-only-stores-nothing", "config-volume-comes-back"]);
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_that_there_are() {
        let said = parse(&["--only", "nothing"]).scenarios().err().unwrap();
        assert!(
            said.contains("no scenario nothing") && said.contains("config-volume-comes-back"),
            "{said}"
        );
    }

    #[test]
    fn a_cluster_of_the_users_is_not_ours_to_keep() {
        assert!(Arguments::try_parse_from(["e2e", "--keep", "--kubeconfig", "x"]).is_err());
    }
}
