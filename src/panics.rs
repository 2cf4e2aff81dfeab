//! What becomes of a panic: within [`contain`] it is an error for the caller, anywhere else it ends the process.
//!
//! Libraries that parse what users and providers write run within [`contain`], so that one object cannot end the process
//! that serves all of them. A panic elsewhere aborts, for a controller without its loop is worse than a restart. Must
//! never print a panic's message, which may quote what a user wrote, or a secret.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};

thread_local! {
    /// How many calls of [`contain`] this thread is in.
    static CONTAINED: Cell<usize> = const { Cell::new(0) };
}

/// Something panicked; its message has been dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;

/// Runs work that parses what users wrote. A panic in it is returned; whatever `work` was changing must not be used after.
pub fn contain<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    let _inside = Inside::enter();
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|_message| Panicked)
}

/// Has every panic outside [`contain`] end the process. Called once, first of all.
#[allow(clippy::print_stderr)] // logging may be what panicked
pub fn abort_unless_contained() {
    panic::set_hook(Box::new(|panic| {
        // A thread that is ending has no such value any more, and is in no call of `contain`.
        if CONTAINED.try_with(Cell::get).unwrap_or_default() > 0 {
            return;
        }
        match panic.location() {
            Some(place) => eprintln!("tokensource: a bug at {place} ended the process; please report it"),
            None => eprintln!("tokensource: a bug ended the process; please report it"),
        }
        std::process::abort();
    }));
}

/// Counts a call of [`contain`] from its beginning to its end, however it ends.
struct Inside;

impl Inside {
    fn enter() -> Self {
        CONTAINED.set(CONTAINED.get() + 1);
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        CONTAINED.set(CONTAINED.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    /// Says to the test below, run in a process of its own, where to panic.
    const WHERE: &str = "TOKENSOURCE_TEST_PANIC";

    #[test]
    fn a_contained_panic_is_returned_and_nested_calls_end_one_by_one() {
        let outer = contain(|| {
            assert_eq!(contain(|| panic!("inner")), Err::<(), _>(Panicked));
            CONTAINED.get()
        });
        assert_eq!(outer, Ok(1));
        assert_eq!(CONTAINED.get(), 0);
    }

    #[allow(clippy::disallowed_methods)] // the environment tells the process that this test starts what to do
    #[test]
    fn a_panic_ends_the_process_unless_it_is_contained_and_its_message_is_never_printed() {
        let name =
            "panics::tests::a_panic_ends_the_process_unless_it_is_contained_and_its_message_is_never_printed";
        match std::env::var(WHERE).as_deref() {
            Ok("contained") => {
                abort_unless_contained();
                assert!(contain(|| panic!("canary-message")).is_err());
            }
            // In another thread, whose end alone ends nothing.
            Ok(_) => {
                abort_unless_contained();
                let _ = std::thread::spawn(|| panic!("canary-message")).join();
            }
            Err(_) => {
                for (place, signal) in [("contained", None), ("elsewhere", Some(6))] {
                    let program = std::env::current_exe().unwrap();
                    let arguments = ["--exact", name, "--nocapture"];
                    let output = Command::new(program).args(arguments).env(WHERE, place).output().unwrap();
                    assert_eq!(output.status.signal(), signal, "{place}");
                    assert_eq!(output.status.success(), signal.is_none(), "{place}");
                    let printed = [output.stdout, output.stderr].concat();
                    assert!(!String::from_utf8_lossy(&printed).contains("canary-message"), "{place}");
                }
            }
        }
    }
}
