//! Where a unit's files lie: below the state folder on a developer's machine, or where Juju puts them in a pod.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A unix socket's address holds 107 bytes. `/units/APP-0/containers/CONTAINER/pebble.socket` has to fit behind the root.
const LONGEST_ROOT: usize = 40;
/// The longest name of a unit that its folder has as it is.
const LONGEST_UNIT: usize = 26;

/// Where the files of units lie.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// Everything below the state folder. Containers are folders, their Pebbles simulated unless stated otherwise.
    #[default]
    Host,
    /// The paths that Juju 4.0 gives a unit in the `charm` container of its pod. Containers are real.
    Pod {
        /// What the paths are below: `/` in a pod.
        root: PathBuf,
    },
}

/// The paths of one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitPaths {
    /// The charm's folder, `JUJU_CHARM_DIR`.
    pub charm: PathBuf,
    /// One link for each hook tool; the first folder of `PATH`.
    pub tools: PathBuf,
    /// `JUJU_AGENT_SOCKET_ADDRESS`.
    pub socket: PathBuf,
    /// `<containers>/<container>/pebble.socket` is the Pebble of a container; `JUJU_CONTAINERS_DIR`.
    pub containers: PathBuf,
    /// The root folders of simulated containers.
    pub roots: PathBuf,
    /// The mount points of storage are here, `config-0`.
    pub storage: PathBuf,
    /// What the unit logged.
    pub log: PathBuf,
    /// Files of the unit that are gone when it is gone, the log among them.
    pub folder: PathBuf,
}

impl Layout {
    /// The paths of `unit` (`radarr/0`) for the state folder `state`.
    pub fn unit(&self, state: &Path, unit: &str) -> UnitPaths {
        let dashed = unit.replace('/', "-");
        match self {
            Layout::Host => {
                let name = short_unit(&dashed);
                let folder = state.join("units").join(&name);
                // Sockets may be reached through a shorter name of the same folder.
                let short = short_root(state).join("units").join(&name);
                UnitPaths {
                    charm: folder.join("charm"),
                    tools: folder.join("tools"),
                    socket: short.join("agent.socket"),
                    containers: short.join("containers"),
                    roots: folder.join("roots"),
                    storage: folder.join("storage"),
                    log: folder.join("unit.log"),
                    folder,
                }
            }
            Layout::Pod { root } => {
                let juju = root.join("var/lib/juju");
                let agent = juju.join("agents").join(format!("unit-{dashed}"));
                UnitPaths {
                    charm: agent.join("charm"),
                    tools: juju.join("tools").join(format!("unit-{dashed}")),
                    socket: agent.join("agent.socket"),
                    containers: root.join("charm/containers"),
                    roots: state.join("roots").join(&dashed),
                    storage: juju.join("storage"),
                    log: state.join(format!("unit-{dashed}.log")),
                    folder: state.join("units").join(&dashed),
                }
            }
        }
    }

    /// Whether containers are real ones, whose Pebble somebody else runs.
    pub fn is_pod(&self) -> bool {
        matches!(self, Layout::Pod { .. })
    }
}

/// The state folder itself, or the link in the temporary folder that stands for it when its path is long.
pub(crate) fn short_root(state: &Path) -> PathBuf {
    if state.as_os_str().len() <= LONGEST_ROOT {
        return state.to_path_buf();
    }
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    std::env::temp_dir().join(format!("juju-sim-{:016x}", hasher.finish()))
}

/// The unit's name for folders, or its beginning and a digest when it is long: Juju takes applications of any length, the address of
/// a socket has 107 bytes.
fn short_unit(dashed: &str) -> String {
    if dashed.len() <= LONGEST_UNIT {
        return dashed.to_owned();
    }
    let mut hasher = DefaultHasher::new();
    dashed.hash(&mut hasher);
    let begin: String = dashed.chars().take(LONGEST_UNIT - 9).collect();
    format!("{begin}-{:08x}", hasher.finish() & 0xffff_ffff)
}

/// The application of a unit: `radarr` of `radarr/0`.
pub(crate) fn app_of(unit: &str) -> &str {
    unit.split_once('/').map_or(unit, |(app, _)| app)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_has_the_paths_that_juju_gives_it() {
        let paths = Layout::Pod { root: "/".into() }.unit(Path::new("/sim"), "radarr/0");
        assert_eq!(paths.charm, Path::new("/var/lib/juju/agents/unit-radarr-0/charm"));
        assert_eq!(
            paths.socket,
            Path::new("/var/lib/juju/agents/unit-radarr-0/agent.socket")
        );
        assert_eq!(paths.tools, Path::new("/var/lib/juju/tools/unit-radarr-0"));
        assert_eq!(paths.storage, Path::new("/var/lib/juju/storage"));
        assert_eq!(paths.containers, Path::new("/charm/containers"));
    }

    #[test]
    fn sockets_of_a_unit_with_a_long_name_have_short_addresses_of_their_own() {
        let container = "flaresolverr/pebble.socket";
        let paths = |unit: &str| Layout::Host.unit(Path::new("/tmp/.tmpAbCdEf/juju"), unit);
        let (one, other) = (format!("{}/0", "a".repeat(60)), format!("{}/1", "a".repeat(60)));
        assert!(paths(&one).containers.join(container).as_os_str().len() < 107);
        assert_ne!(paths(&one).folder, paths(&other).folder);
    }

    #[test]
    fn sockets_below_a_long_state_folder_still_have_short_addresses() {
        let state = PathBuf::from(format!("/{}", "long/".repeat(40)));
        let paths = Layout::Host.unit(&state, "qbittorrent/12");
        assert!(
            paths
                .containers
                .join("qbittorrent/pebble.socket")
                .as_os_str()
                .len()
                < 107
        );
        assert!(paths.charm.starts_with(&state));
    }
}
