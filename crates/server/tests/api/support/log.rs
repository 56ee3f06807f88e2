//! Everything that is logged in this process, kept to be looked at.

use std::io::{self, Write};
use std::sync::{Mutex, Once};

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static BEGIN: Once = Once::new();

/// Keeps what is logged from now on.
pub(crate) fn begin() {
    BEGIN.call_once(|| {
        tracing_subscriber::fmt()
            .with_env_filter(
                "debug,settled=trace,settled_server=trace,settled_journal=trace,settled_protocol=trace",
            )
            .with_ansi(false)
            .with_writer(|| Keep)
            .init();
    });
}

/// What was logged so far.
pub(crate) fn text() -> String {
    String::from_utf8_lossy(&LOG.lock().unwrap()).into_owned()
}

struct Keep;

impl Write for Keep {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
