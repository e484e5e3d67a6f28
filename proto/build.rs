//! Compiles `fak/v1/fak.proto` with protox, so that no system `protoc` is needed.

use std::{env, error::Error};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=fak/v1/fak.proto");
    let files = protox::compile(["fak/v1/fak.proto"], ["."])?;
    tonic_prost_build::configure()
        .build_client(env::var_os("CARGO_FEATURE_CLIENT").is_some())
        .build_server(env::var_os("CARGO_FEATURE_SERVER").is_some())
        .build_transport(false)
        .compile_fds(files)?;
    Ok(())
}
