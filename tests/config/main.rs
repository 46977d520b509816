//! Configuration: what `check` says of files, commands and the host.

mod command;
mod files;
mod host;
mod repository;
mod verdict;
