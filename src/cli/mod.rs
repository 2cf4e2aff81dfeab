//! The subcommands for people. Must not know how the controller works.

mod crd;

pub use crd::print_definitions;
