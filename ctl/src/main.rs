//! The program; everything is in the library, which the packaging tools read too.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    fakctl::main()
}
