//! The process: arguments, clock, random numbers, admin endpoint, telemetry, lease, shutdown, and what holds them
//! together. Knows how the program is started and ended. Must not know what a controller does with its time.

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

pub use arguments::ControllerArguments;
pub use clock::now;
pub use controller::run;
pub use environment::environment;
pub use random::nonce;
