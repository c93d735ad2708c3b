//! A `juju` in PATH: one that answers what it was told, for exactly those arguments, or the simulated one.

use std::fmt::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use system_tests::binaries::Binaries;

/// What it answers to one command line.
enum Answer {
    Prints { out: Vec<u8>, err: Vec<u8>, code: i32 },
    Hangs,
}

/// A stand-in for `juju`. Whatever it was not told of it refuses, with a code that Juju has not.
#[derive(Default)]
pub struct Juju {
    answers: Vec<(String, Answer)>,
}

impl Juju {
    /// Knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn tell(mut self, arguments: &str, answer: Answer) -> Self {
        self.answers.retain(|(known, _)| known != arguments);
        self.answers.push((arguments.to_owned(), answer));
        self
    }

    /// Prints this to standard output, and exits with 0.
    pub fn prints(self, arguments: &str, out: impl Into<Vec<u8>>) -> Self {
        let (out, err, code) = (out.into(), Vec::new(), 0);
        self.tell(arguments, Answer::Prints { out, err, code })
    }

    /// Prints this to standard error, and exits with this code.
    pub fn fails(self, arguments: &str, code: i32, err: impl Into<Vec<u8>>) -> Self {
        let (out, err) = (Vec::new(), err.into());
        self.tell(arguments, Answer::Prints { out, err, code })
    }

    /// Does not come to an end.
    pub fn hangs(self, arguments: &str) -> Self {
        self.tell(arguments, Answer::Hangs)
    }

    /// Writes the program `juju` into a folder. It notes its process in `juju.pid`, and in `juju.calls` how it was called.
    pub fn install(&self, folder: &Path) {
        let path = |name: &str| quoted(&folder.join(name));
        let mut script = format!(
            "#!/bin/sh\necho \"$*\" >> {}\necho $$ > {}\ncase \"$*\" in\n",
            path("juju.calls"),
            path("juju.pid")
        );
        for (number, (arguments, answer)) in self.answers.iter().enumerate() {
            let pattern = quoted(Path::new(arguments));
            let act = match answer {
                Answer::Prints { out, err, code } => {
                    let (out_name, err_name) = (format!("juju.{number}.out"), format!("juju.{number}.err"));
                    std::fs::write(folder.join(&out_name), out).unwrap();
                    std::fs::write(folder.join(&err_name), err).unwrap();
                    let (out, err) = (path(&out_name), path(&err_name));
                    format!("/bin/cat {out}; /bin/cat {err} >&2; exit {code}")
                }
                Answer::Hangs => "exec /bin/sleep 1000".to_owned(),
            };
            writeln!(script, "{pattern}) {act};;").unwrap();
        }
        script.push_str("*) echo \"the stand-in juju was not told of: $*\" >&2; exit 99;;\nesac\n");
        test_programs::write(&folder.join("juju"), &script).unwrap();
    }
}

fn quoted(path: &Path) -> String {
    shlex::try_quote(path.to_str().unwrap()).unwrap().into_owned()
}

/// A recorded file of a real Juju.
pub fn recorded(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../lib/juju-sim/tests/data/recorded/juju")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The simulated Juju, built where it is not up to date.
pub fn simulated() -> &'static Path {
    &Binaries::for_tests().unwrap().juju_sim
}

/// Puts the simulated Juju into a folder as `juju`.
pub fn install_simulated(folder: &Path) {
    symlink(simulated(), folder.join("juju")).unwrap();
}
