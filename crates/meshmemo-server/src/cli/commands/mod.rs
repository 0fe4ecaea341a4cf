//! One file a command.

pub(super) mod backend;
pub(super) mod clear;
pub(super) mod completions;
pub(super) mod config;
pub(super) mod doctor;
pub(super) mod entries;
pub(super) mod fsck;
pub(super) mod generate;
pub(super) mod keys;
pub(super) mod purge;
pub(super) mod rm;
pub(super) mod serve;
pub(super) mod stats;
pub(super) mod warm;
