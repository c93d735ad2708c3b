//! The command that goes on with a run, as a person types it.

use std::path::PathBuf;

use crate::args::Global;
use crate::cluster::leads_somewhere;
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
    /// From any folder, in the cluster that was typed here. What was mistyped is not repeated: whoever types it again is no further.
    pub fn here(global: &Global) -> Self {
        let model = global.model.clone();
        if !leads_somewhere(global) {
            return Self {
                model,
                ..Self::default()
            };
        }
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
            model,
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
        let plain = "configuratarr resume r1";
        assert_eq!(resume(&[]), plain);
        assert_eq!(resume(&[]), Resume::default().command("r1"));
        // Seen from the folder that the command is typed in, which is this one.
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = r#"{"contexts": [{"name": "my lab", "context": {"cluster": "lab", "user": "lab"}}]}"#;
        std::fs::write(file.path(), text).unwrap();
        let here = std::env::current_dir().unwrap();
        let up: PathBuf = here.components().skip(1).map(|_| "..").collect();
        let name = up.join(file.path().strip_prefix("/").unwrap());
        let kubeconfig = format!("--kubeconfig={}", name.display());
        let named = format!(
            "{plain} --kubeconfig {}",
            as_typed(&here.join(&name).display().to_string())
        );
        assert_eq!(resume(&[&kubeconfig]), named);
        assert_eq!(
            resume(&["--context=my lab", &kubeconfig]),
            format!("{named} --context 'my lab'")
        );
        // Mistyped.
        assert_eq!(resume(&["--context=my lap", &kubeconfig]), plain);
        assert_eq!(resume(&["--context=my lab", "--kubeconfig=/nowhere"]), plain);
    }
}
