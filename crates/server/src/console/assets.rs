//! The two files and the icon that a page needs, out of the binary.
//!
//! Their addresses carry a digest of what is in them, so that a browser may keep them for ever.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use sha2::{Digest, Sha256};

struct Asset {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
}

const ASSETS: [Asset; 3] = [
    Asset {
        name: "console.css",
        kind: "text/css; charset=utf-8",
        text: concat!(
            include_str!("../../assets/css/base.css"),
            include_str!("../../assets/css/incidents.css"),
            include_str!("../../assets/css/operations.css"),
            include_str!("../../assets/css/charts.css"),
            include_str!("../../assets/css/sagas.css"),
            include_str!("../../assets/css/saga.css"),
        ),
    },
    Asset {
        name: "console.js",
        kind: "text/javascript; charset=utf-8",
        text: include_str!("../../assets/console.js"),
    },
    Asset {
        name: "icon.svg",
        kind: "image/svg+xml",
        text: include_str!("../../assets/icon.svg"),
    },
];

/// A digest of all of them, in a few digits.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = Sha256::new();
    for asset in &ASSETS {
        hasher.update(asset.text);
    }
    let digest: [u8; 32] = hasher.finalize().into();
    digest[..6]
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
});

/// What follows the `?` in their addresses.
pub(super) fn version() -> &'static str {
    &VERSION
}

/// One of them.
pub(super) async fn asset(Path(name): Path<String>) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut response = asset.text.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    response
}
