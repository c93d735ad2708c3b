//! The reading half of the crate against an API server inside the test.
#![cfg(test)]

mod choose;
mod claim;
mod list;
mod make;
mod objects;
mod server;
mod standing;
mod survey;
mod wait;
mod watched;
