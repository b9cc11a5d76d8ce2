//! The plugin `kubectl pullsecrets`.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run::main()
}
