//! axe-core: what of a page keeps people out who see, hear or move otherwise.

use std::path::{Path, PathBuf};

use crate::page::Page;
use crate::wire::Failed;

/// Where `cargo xtask test` puts it, below the folder for what is built.
const PLACE: &str = "npm/node_modules/axe-core/axe.min.js";

/// The text of axe-core.
pub struct Axe(String);

/// Something that it found.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The rule, such as `color-contrast`.
    pub rule: String,
    /// `minor`, `moderate`, `serious` or `critical`.
    pub impact: String,
    /// Where, and what it says of it.
    pub detail: String,
}

impl Violation {
    /// Whether it keeps somebody out.
    pub fn is_serious(&self) -> bool {
        self.impact == "serious" || self.impact == "critical"
    }
}

impl Axe {
    /// Reads it; the error says why it is not there: a reason to skip a test.
    pub fn find(target: &Path) -> Result<Self, String> {
        let place: PathBuf = target.join(PLACE);
        std::fs::read_to_string(&place)
            .map(Self)
            .map_err(|_| "there is no axe-core (npm fetches it for `cargo xtask test`)".to_owned())
    }

    /// What it finds on a page as it stands.
    pub fn look_at(&self, page: &Page) -> Result<Vec<Violation>, Failed> {
        if page.eval("typeof axe")? != "object" {
            page.eval(&format!("{}\n;0", self.0))?;
        }
        let found = page.eval(
            "axe.run(document, {resultTypes: ['violations']}).then((found) => found.violations.map((one) => ({
                rule: one.id,
                impact: one.impact,
                detail: one.help + ': ' + one.nodes.slice(0, 5).map((node) =>
                    node.target.join(' ') + ' (' + node.any.concat(node.all, node.none)
                        .map((check) => check.message).join('; ') + ')').join(' | '),
            })))",
        )?;
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        Ok(found
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| Violation {
                rule: text(&one["rule"]),
                impact: text(&one["impact"]),
                detail: text(&one["detail"]),
            })
            .collect())
    }
}
