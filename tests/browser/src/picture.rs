//! Pictures of pages, kept for people to look at.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::page::Page;
use crate::wire::Failed;

impl Page {
    /// Keeps a picture of the whole page, also of what would have to be scrolled to.
    pub fn picture(&self, file: &Path) -> Result<(), Failed> {
        let wanted =
            json!({"format": "png", "captureBeyondViewport": true, "optimizeForSpeed": true});
        let taken = self.ask("Page.captureScreenshot", wanted)?;
        let data = taken["data"].as_str().unwrap_or_default();
        let failed = |error: &dyn std::fmt::Display| Failed(error.to_string());
        let bytes = STANDARD.decode(data).map_err(|error| failed(&error))?;
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        }
        std::fs::write(file, bytes).map_err(|error| failed(&error))
    }
}
