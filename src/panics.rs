//! Handles panics: within [`contain`] a panic is an error for the caller, elsewhere it ends the process.
//!
//! Libraries that parse URLs, templates, keys, certificates and answers run within [`contain`], so that one object cannot
//! end the process that serves all objects. A panic elsewhere aborts, because a controller without its loop is worse than a
//! restart. The message of a panic is never printed, because it may quote a secret.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};

thread_local! {
    /// The depth of nested calls of [`contain`] on this thread.
    static CONTAINED: Cell<usize> = const { Cell::new(0) };
}

/// The work panicked. The message was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;

/// Runs work that handles foreign input, and returns a panic as an error. After an error, values that `work` was changing
/// must not be used.
pub fn contain<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    let _inside = Inside::enter();
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|_message| Panicked)
}

/// Makes every panic outside [`contain`] end the process. Called once, at the start.
#[allow(clippy::print_stderr)] // logging may be what panicked
pub fn abort_unless_contained() {
    panic::set_hook(Box::new(|panic| {
        // `try_with` fails on a thread that is ending. Such a thread is not in a call of `contain`.
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

/// Counts a call of [`contain`] until it ends, even by a panic.
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

    /// The variable with which the test below tells its child process where to panic.
    const WHERE: &str = "TOKENSOURCE_TEST_PANIC";

    #[test]
    fn contained_panic_is_returned_and_nested_calls_end_one_by_one() {
        let outer = contain(|| {
            assert_eq!(contain(|| panic!("inner")), Err::<(), _>(Panicked));
            CONTAINED.get()
        });
        assert_eq!(outer, Ok(1));
        assert_eq!(CONTAINED.get(), 0);
    }

    #[allow(clippy::disallowed_methods)] // the test passes its instruction to another process by the environment
    #[test]
    fn uncontained_panic_ends_the_process_and_no_message_is_printed() {
        let name = "panics::tests::uncontained_panic_ends_the_process_and_no_message_is_printed";
        match std::env::var(WHERE).as_deref() {
            Ok("contained") => {
                abort_unless_contained();
                assert!(contain(|| panic!("canary-message")).is_err());
            }
            // The panic is in another thread: without the hook, the panic would end only that thread.
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
