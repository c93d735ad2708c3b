//! What the project's texts say, held against the code: links lead somewhere, commands, options, actions, endpoints and files are there, shell blocks are
//! shell, and those that say so are run.
//!
//! A shell block begins with ` ```sh `; one that is run here with ` ```sh run `, and with ` ```sh run with radarr ` where a Radarr with a backup is to be there. Blocks without a language, and ` ```text `, are what a program prints, or a
//! sketch.

pub mod files;
mod markdown;

mod commands;
mod links;
mod names;
mod own_charm;
mod played;
mod programs;
mod shell;
mod summary;
mod terraform;
