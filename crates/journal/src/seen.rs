//! What of a text is seen by whoever looks for something in it.

use std::fmt;
use std::sync::Arc;

/// Makes of a text what of it is seen.
#[derive(Clone)]
pub struct Seen(pub Arc<dyn Fn(&str) -> String + Send + Sync>);

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seen")
    }
}
