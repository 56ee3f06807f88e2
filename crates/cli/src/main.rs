//! The settled command.
fn main() {}
