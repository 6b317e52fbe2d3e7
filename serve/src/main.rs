//! The program `lectern-serve`.

use std::process::ExitCode;

fn main() -> ExitCode {
    lectern_serve::cli::main()
}
