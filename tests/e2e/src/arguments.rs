//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::scenarios::{self, Scenario};
use crate::veleros::{self, Velero};

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
    /// Build what the cluster is made of, and end. With --newest-velero that of both releases.
    #[arg(long, conflicts_with = "kubeconfig")]
    pub build: bool,
    /// Leave the cluster up after the scenarios, until it is ended.
    #[arg(long, conflicts_with = "kubeconfig")]
    pub keep: bool,
    /// Play with this release of Velero: what depends on Velero, or everything with the one that is the default.
    #[arg(long, value_name = "VERSION[@KUBERNETES]", value_parser = Velero::named, conflicts_with = "kubeconfig")]
    pub velero: Option<&'static Velero>,
    /// Play with the newest release of Velero what shows the most about it in a few minutes.
    #[arg(long, conflicts_with_all = ["velero", "all_veleros", "kubeconfig"])]
    pub newest_velero: bool,
    /// Play what depends on Velero with each release of it that the bed knows, one after the other.
    #[arg(long, conflicts_with_all = ["velero", "kubeconfig", "keep", "json"])]
    pub all_veleros: bool,
    /// Play only this scenario; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub only: Vec<String>,
    /// Play the scenarios too that take long and change rarely, and long rounds where a scenario has some: 50 backups of a live
    /// database instead of a few.
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
    /// The releases of Velero to play with.
    pub fn veleros(&self) -> Vec<&'static Velero> {
        if self.all_veleros {
            return veleros::ALL.iter().collect();
        }
        let one = if self.newest_velero {
            &veleros::NEWEST
        } else {
            &veleros::DEFAULT
        };
        vec![self.velero.unwrap_or(one)]
    }

    /// The releases of Velero whose parts are to be built where nothing is played.
    pub fn to_build(&self) -> Vec<&'static Velero> {
        let mut veleros = self.veleros();
        if self.newest_velero {
            veleros.insert(0, &veleros::DEFAULT);
        }
        veleros
    }

    /// The scenarios to play with this release of Velero, in their own order: those that were named, otherwise everything
    /// that this run is for, or what depends on Velero, or what shows the most about it.
    ///
    /// # Errors
    /// With the first name that there is not, and all that there are.
    pub fn scenarios(&self, velero: &Velero) -> Result<Vec<&'static Scenario>, String> {
        let known: Vec<&str> = scenarios::ALL.iter().map(|scenario| scenario.name).collect();
        if let Some(unknown) = self.only.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(format!(
                "there is no scenario {unknown}; there are: {}",
                known.join(", ")
            ));
        }
        let everything = velero.is_default() && !self.all_veleros;
        let wanted = |scenario: &&Scenario| match self.only.as_slice() {
            [] if self.newest_velero => scenarios::WITH_NEWEST.contains(&scenario.name),
            [] => {
                (everything || scenario.depends_on_velero)
                    && (!scenario.thorough || self.thorough || self.all_veleros)
            }
            only => only.iter().any(|name| name == scenario.name),
        };
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

    fn names(arguments: &Arguments, velero: &Velero) -> Vec<&'static str> {
        let scenarios = arguments.scenarios(velero).unwrap();
        scenarios.iter().map(|scenario| scenario.name).collect()
    }

    fn usual_names() -> Vec<&'static str> {
        let usual = scenarios::ALL.iter().filter(|scenario| !scenario.thorough);
        usual.map(|scenario| scenario.name).collect()
    }

    #[test]
    fn everything_is_played_unless_names_are_given() {
        let everything = parse(&["--thorough"]);
        assert_eq!(everything.veleros(), [&veleros::DEFAULT]);
        assert_eq!(names(&everything, &veleros::DEFAULT).len(), scenarios::ALL.len());
        let usual = names(&parse(&[]), &veleros::DEFAULT);
        assert_eq!(usual, usual_names());
        assert!(!usual.contains(&"claim-among-ten-thousand-volumes"));
        let named = parse(&["--only", "claim-among-ten-thousand-volumes"]);
        assert_eq!(
            names(&named, &veleros::DEFAULT),
            ["claim-among-ten-thousand-volumes"]
        );
        let only = parse(&[
            "--only",
            "config-volume-comes-back",
            "--only",
            "claims-only-stores-nothing",
        ]);
        assert_eq!(
            names(&only, &veleros::DEFAULT),
            ["claims-only-stores-nothing", "config-volume-comes-back"]
        );
    }

    #[test]
    fn with_another_velero_what_depends_on_it_is_played_and_with_the_default_everything() {
        let depends: Vec<&Scenario> = scenarios::ALL
            .iter()
            .filter(|scenario| scenario.depends_on_velero)
            .collect();
        let usual: Vec<&str> = depends
            .iter()
            .filter(|is| !is.thorough)
            .map(|is| is.name)
            .collect();
        let depends: Vec<&str> = depends.iter().map(|is| is.name).collect();
        assert!(depends.contains(&"config-volume-comes-back") && !depends.contains(&"pebble-contract"));
        let newest = veleros::ALL.last().unwrap();
        let one = parse(&["--velero", &newest.name()]);
        assert_eq!(one.veleros(), [newest]);
        assert_eq!(names(&one, newest), usual);
        let default = parse(&["--velero", veleros::DEFAULT.version]);
        assert_eq!(names(&default, &veleros::DEFAULT), usual_names());
        let all = parse(&["--all-veleros"]);
        assert_eq!(all.veleros().len(), veleros::ALL.len());
        assert_eq!(names(&all, &veleros::DEFAULT), depends);
        let named = parse(&["--velero", &newest.name(), "--only", "pebble-contract"]);
        assert_eq!(names(&named, newest), ["pebble-contract"]);
    }

    #[test]
    fn with_the_newest_velero_a_few_are_played_that_depend_on_it() {
        let newest = parse(&["--newest-velero"]);
        assert_eq!(newest.veleros(), [&veleros::NEWEST]);
        assert_eq!(newest.to_build(), [&veleros::DEFAULT, &veleros::NEWEST]);
        let few = newest.scenarios(&veleros::NEWEST).unwrap();
        assert_eq!(few.len(), scenarios::WITH_NEWEST.len());
        assert!(few.iter().all(|scenario| scenario.depends_on_velero));
        let named = parse(&["--newest-velero", "--only", "pebble-contract"]);
        assert_eq!(names(&named, &veleros::NEWEST), ["pebble-contract"]);
        assert_eq!(parse(&[]).to_build(), [&veleros::DEFAULT]);
    }

    #[test]
    fn a_velero_that_there_is_not_is_refused_with_those_that_there_are() {
        let said = Arguments::try_parse_from(["e2e", "--velero", "1.2.3"]).unwrap_err();
        let said = said.to_string();
        assert!(
            said.contains("no Velero 1.2.3") && said.contains("1.15.2"),
            "{said}"
        );
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_that_there_are() {
        let arguments = parse(&["--only", "nothing"]);
        let said = arguments.scenarios(&veleros::DEFAULT).err().unwrap();
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
