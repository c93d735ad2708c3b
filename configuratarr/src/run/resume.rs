//! The command that goes on with a run, as a person types it.

use std::path::PathBuf;

use crate::args::Global;
use crate::juju::{Juju, as_typed};

/// How a run is gone on with. By default in the cluster that the kubeconfig leads to by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resume {
    /// Flags that name the cluster, each after a space.
    flags: String,
    /// The model that was typed. A run names its own.
    model: Option<String>,
}

impl Resume {
    /// From any folder, in the cluster that was typed here.
    pub fn here(global: &Global) -> Self {
        let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let kubeconfig = global.kubeconfig.as_ref().map(absolute);
        let typed = [
            ("--kubeconfig", kubeconfig.map(|path| path.display().to_string())),
            ("--context", global.context.clone()),
        ];
        let flags = typed.into_iter().filter_map(|(flag, value)| {
            let value = as_typed(&value?);
            Some(format!(" {flag} {value}"))
        });
        Self {
            flags: flags.collect(),
            model: global.model.clone(),
        }
    }

    /// In this context of the kubeconfig.
    #[cfg(test)]
    pub fn at_context(context: &str) -> Self {
        Self {
            flags: format!(" --context {context}"),
            model: None,
        }
    }

    /// The way to the model that was typed.
    pub fn juju(&self) -> Juju {
        Juju::new(self.model.clone())
    }

    /// The command, for the run of this name.
    pub fn command(&self, id: &str) -> String {
        format!("configuratarr resume {id}{}", self.flags)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        global: Global,
    }

    #[test]
    fn it_leads_to_the_cluster_that_was_typed_from_any_folder() {
        let resume = |typed: &[&str]| {
            let typed = Typed::parse_from([&["configuratarr"], typed].concat());
            Resume::here(&typed.global).command("r1")
        };
        assert_eq!(resume(&[]), "configuratarr resume r1");
        assert_eq!(resume(&[]), Resume::default().command("r1"));
        let here = std::env::current_dir().unwrap();
        assert_eq!(
            resume(&["--context=my lab", "--kubeconfig=lab.yaml"]),
            format!(
                "configuratarr resume r1 --kubeconfig {} --context 'my lab'",
                as_typed(&here.join("lab.yaml").display().to_string())
            )
        );
    }
}
