//! All tests of the real binary in the simulated Juju, in one program: each program more is linked anew, and programs are run one after
//! the other.
#![cfg(test)]

mod backup_volume;
mod backups_come_back;
mod bad_input;
mod bad_pebble;
mod cut_off;
mod data_unit;
mod examples;
mod exporter;
mod happenings;
mod lifecycle;
mod long_names;
mod media;
mod pod_lost;
mod recovery;
mod secrecy;
mod steady;
mod tiers;
mod vpn;
