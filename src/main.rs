//! The `tickwire` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    tickwire::app::main()
}
