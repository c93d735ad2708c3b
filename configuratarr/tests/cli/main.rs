//! The program from outside: what it prints, asks and exits with.
#![cfg(test)]

#[path = "../common/mod.rs"]
mod common;

mod backups;
mod doctor;
mod failures;
mod hostile;
mod load;
mod schemas;
mod shell;
mod spec;
mod status;
