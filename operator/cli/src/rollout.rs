//! The same objects and sources in several clusters: applied, waited for, and removed.
//!
//! What a file or the flags want is checked before any cluster is asked. In each context the sources come first, then
//! the objects, and a removal goes the other way. A failure in one context ends the work there and nowhere else.
//!
//! # Secrecy
//!
//! [`Wanted`] holds logins. It has no `Debug`, and everything that is printed of it is a name, a type or a server.

mod context;
mod document;
mod installation;
mod installing;
mod login;
mod object;
mod removal;
mod report;
mod source;
mod stop;
mod table;
mod task;
mod waiting;
mod wanted;
mod writing;

pub use context::apply;
pub use installation::Installation;
pub use login::{Given, of_login};
pub use removal::remove;
pub use report::{ContextReport, Done, Left, Report, Written};
pub use stop::Stop;
pub use table::{names, summary, table};
pub use task::Rollout;
pub use wanted::{Wanted, of_files};

#[cfg(test)]
mod tests;
