//! Runs: started in the simulated Juju, followed, interrupted, killed and gone on with.
#![cfg(test)]

#[path = "../common/mod.rs"]
mod common;

mod again;
mod ends;
mod home;
mod imported;
mod imports;
mod killed;
mod meanwhile;
mod places;
mod redeploy;
mod refresh;
mod refused;
mod rough;
mod silent;
mod volumes;
