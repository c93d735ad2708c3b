//! The engine on a folder instead of a cluster: what it does with the volume, whatever goes wrong and wherever it is killed.
#![cfg(test)]

mod backups;
mod forward;
mod killed;
mod lost;
mod room;
mod support;
mod told;
mod undone;
