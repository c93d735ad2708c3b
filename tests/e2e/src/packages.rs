//! Debian packages that the bed takes from the machine.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::ground::Need;

/// A package that the bed, or a scenario, takes a program from.
struct Package {
    name: &'static str,
    program: &'static str,
    /// What asks for it; the bed itself if nothing.
    only_for: Option<Need>,
}

const fn of_bed(name: &'static str, program: &'static str) -> Package {
    Package {
        name,
        program,
        only_for: None,
    }
}

const PACKAGES: [Package; 9] = [
    of_bed("etcd-server", "/usr/bin/etcd"),
    of_bed("containerd", "/usr/bin/containerd"),
    of_bed("runc", "/usr/sbin/runc"),
    of_bed("containernetworking-plugins", "/usr/lib/cni/bridge"),
    of_bed("iptables", "/usr/sbin/iptables"),
    of_bed("busybox-static", "/bin/busybox"),
    Package {
        name: "qbittorrent-nox",
        program: "/usr/bin/qbittorrent-nox",
        only_for: Some(Need::QBittorrent),
    },
    Package {
        name: "e2fsprogs",
        program: "/sbin/mkfs.ext4",
        only_for: Some(Need::Disk),
    },
    Package {
        name: "prometheus",
        program: "/usr/bin/prometheus",
        only_for: Some(Need::Prometheus),
    },
];

/// The packages that are not there, of those that scenarios with these needs take.
pub fn missing(needs: &BTreeSet<Need>) -> Vec<&'static str> {
    let is_wanted = |package: &&Package| package.only_for.is_none_or(|need| needs.contains(&need));
    let is_missing = |package: &&Package| !Path::new(package.program).exists();
    let missing = PACKAGES.iter().filter(is_wanted).filter(is_missing);
    missing.map(|package| package.name).collect()
}

/// The command that installs `packages`.
pub fn install_command(packages: &[&str]) -> String {
    format!(
        "apt-get install --yes --no-install-recommends {}",
        packages.join(" ")
    )
}

/// Asked by packages before they start a service (<https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt>).
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// As long as it lives, packages start no services: etcd and containerd would be in the way of whoever has their own.
struct NoServices {
    /// Whether the policy is ours to remove.
    is_ours: bool,
}

impl NoServices {
    fn set() -> Result<Self> {
        if Path::new(POLICY).exists() {
            // Containers often have one already.
            return Ok(Self { is_ours: false });
        }
        std::fs::write(POLICY, "#!/bin/sh\nexit 101\n").with_context(|| format!("cannot write {POLICY}"))?;
        std::fs::set_permissions(POLICY, std::fs::Permissions::from_mode(0o755))
            .with_context(|| format!("cannot make {POLICY} executable"))?;
        Ok(Self { is_ours: true })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.is_ours && std::fs::remove_file(POLICY).is_err() {
            eprintln!("cannot remove {POLICY}: remove it by hand, or no package will start its services");
        }
    }
}

/// Installs `packages`, without starting the services in them.
///
/// # Errors
/// When apt-get cannot.
pub fn install(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    eprintln!("installing {} …", packages.join(", "));
    let _policy = NoServices::set()?;
    let run = |arguments: &[&str]| -> Result<()> {
        let status = Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(std::process::Stdio::null())
            .status()
            .context("cannot start apt-get: install the packages by hand")?;
        if !status.success() {
            bail!(
                "cannot install packages: apt-get {} ended with {status}",
                arguments.join(" ")
            );
        }
        Ok(())
    };
    run(&["update"])?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(packages);
    run(&arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_names_every_package() {
        let command = install_command(&["runc", "iptables"]);
        assert_eq!(
            command,
            "apt-get install --yes --no-install-recommends runc iptables"
        );
    }
}
