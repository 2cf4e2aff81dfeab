//! The process: arguments, clock, random numbers, admin endpoint, log, traces, lease, shutdown.
//! Knows how the program starts and ends. Must not know what the controller does.

mod admin;
mod arguments;
mod clock;
mod controller;
mod core_dumps;
mod environment;
mod heartbeat;
mod lease;
mod log_writer;
mod own_thread;
mod random;
mod shutdown;
mod telemetry;
mod traces;

pub use arguments::ControllerArguments;
pub use clock::now;
pub use controller::run;
pub use environment::environment;
pub use random::nonce;
