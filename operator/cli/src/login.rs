//! Tries logins at registries, as a node would: for each image the manifest is asked for, and not fetched.
//!
//! A login is sent only after the registry has asked for it, and only to hosts that the Secret names. For any other host,
//! a person is asked first. A registry that cannot be reached, or whose answer does not speak of the login, gives
//! [`LoginOutcome::Unknown`](crate::verdict::LoginOutcome::Unknown). No message and no log line holds a user name, a
//! password, a token, or what a registry has said.

mod attempt;
mod challenge;
mod http;
mod offer;
mod permission;
mod reference;
mod source;

pub use attempt::{AT_ONCE, Registries, Trial};
pub use offer::Offers;
pub use permission::{Answer, Permission};
pub use source::offers;
