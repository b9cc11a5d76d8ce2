//! The command-line tool on the real control plane, as a user runs it.

mod contexts;
mod secrecy;
mod status;
mod tool;
mod verdicts;
