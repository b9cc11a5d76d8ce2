//! How results look: tables, JSON, YAML, `JUnit` and names on standard output, progress and notes on standard error.
//!
//! The order is that of the data. Colour repeats what a word says, and is left out where `NO_COLOR` is set or no terminal
//! reads it.

mod adopt;
mod audit;
mod explain;
mod junit;
mod names;
mod progress;
mod style;
mod table;
mod terminal;

use std::io::{self, Write as _};

use serde::Serialize;

pub use adopt::{AdoptText, manifests};
pub use audit::AuditText;
pub use explain::explanation_text;
pub use junit::junit;
pub use names::names;
pub use progress::{Bar, Bars};
pub use style::{Paint, Tone};
pub use table::Table;
pub(crate) use table::hanging;
pub use terminal::{Terminal, asks};

/// Writes a result to standard output. A reader that has gone, such as `head`, is no error.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Writes a note to standard error.
pub fn note(text: &str) {
    // Standard error may be closed: then there is no one to tell.
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Returns a value as JSON, with a line break at its end.
pub fn json(value: &impl Serialize) -> Result<String, String> {
    let text = serde_json::to_string_pretty(value);
    text.map(|text| text + "\n")
        .map_err(|_| "the result cannot be written as JSON".to_owned())
}

/// Returns a value as YAML, with a line break at its end.
pub fn yaml(value: &impl Serialize) -> Result<String, String> {
    let text = serde_saphyr::to_string(value).map_err(|_| "the result cannot be written as YAML".to_owned())?;
    Ok(if text.ends_with('\n') { text } else { text + "\n" })
}
