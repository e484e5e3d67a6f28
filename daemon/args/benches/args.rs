//! Measures reading of arguments, paths and hosts.

fn main() {
    divan::main();
}
