//! The `tickwire` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    tickwire::main_with(&[], |_| {})
}
