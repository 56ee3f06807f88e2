//! Ends a child process when its parent is gone.
//!
//! Every process that the demo or the benchmark starts holds the reading end of a pipe as its
//! standard input and gets nothing through it. When its parent ends, however it ends, the pipe
//! closes; so no service and no coordinator is ever left behind, not even by SIGKILL.

use std::io::{ErrorKind, Read};

/// Set in the environment of a coordinator that is started so; it is an ordinary `settled serve`
/// and would otherwise not care about its standard input.
pub(crate) const VARIABLE: &str = "SETTLED_LIFELINE";

/// Holds on to standard input if the parent asked for it. To be called before anything else.
pub(crate) fn attach_if_asked() {
    if std::env::var_os(VARIABLE).is_some() {
        attach();
    }
}

/// Ends this process as soon as standard input does. Whatever must be kept is durable at any
/// moment, so there is nothing to wait for.
pub(crate) fn attach() {
    std::thread::spawn(|| {
        let mut input = std::io::stdin().lock();
        let mut ignored = [0; 64];
        loop {
            match input.read(&mut ignored) {
                Ok(0) => break,
                Err(error) if error.kind() != ErrorKind::Interrupted => break,
                Ok(_) | Err(_) => {}
            }
        }
        std::process::exit(0);
    });
}
