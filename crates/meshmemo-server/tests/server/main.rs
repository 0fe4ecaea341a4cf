//! The behaviours of the program `meshmemo`, one file each, on the real binary over loopback.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod access;
mod answer;
mod bad_input;
mod cli;
mod cli_safety;
mod configuration;
mod crash;
mod desk;
mod disk;
mod disk_commands;
mod generate;
mod house;
mod lifecycle;
mod management;
mod models;
mod models_open;
mod observability;
mod picture;
mod scenarios;
