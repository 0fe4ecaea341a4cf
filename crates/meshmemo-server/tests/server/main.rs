//! The behaviours of the program `meshmemo`, one file each, on the real binary over loopback.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod access;
mod answer;
mod bad_input;
mod browser;
mod cli;
mod cli_safety;
mod configuration;
mod crash;
mod desk;
mod disk;
mod disk_commands;
mod gateway;
mod gateway_answers;
mod gateway_backends;
mod gateway_clients;
mod gateway_concurrency;
mod gateway_jobs;
mod gateway_paid;
mod gateway_proxy;
mod gateway_stability;
mod gateway_studio;
mod gateway_studio_ends;
mod generate;
mod guarded;
mod house;
mod isolation;
mod keys;
mod lifecycle;
mod management;
mod models;
mod models_open;
mod observability;
mod picture;
mod quotas;
mod route_table;
mod scenarios;
mod secrets;
mod sessions;
mod stand_in;
mod studio;
mod tls;
