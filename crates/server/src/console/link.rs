//! Addresses of pages, with everything in them encoded. It leads nowhere but to the console.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// An address that is being put together.
pub(super) struct Link(String);

impl Link {
    /// A page of the console.
    pub(super) fn to(page: &str) -> Self {
        Self(format!("{}/{page}", super::ROOT))
    }

    /// A part of the path that came from elsewhere.
    pub(super) fn part(mut self, part: &str) -> Self {
        self.0.push('/');
        self.0.extend(utf8_percent_encode(part, NON_ALPHANUMERIC));
        self
    }

    /// A field after the `?`; left out where it is empty.
    pub(super) fn field(mut self, name: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.0.push(if self.0.contains('?') { '&' } else { '?' });
            self.0.push_str(name);
            self.0.push('=');
            self.0.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
        }
        self
    }

    pub(super) fn text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_from_elsewhere_stays_where_it_was_put() {
        let link = Link::to("schedules")
            .part("a/../b?c")
            .field("x", "1&y=\"2\"");
        let link = link.field("none", "").field("z", "日");
        assert_eq!(
            link.text(),
            "/console/schedules/a%2F%2E%2E%2Fb%3Fc?x=1%26y%3D%222%22&z=%E6%97%A5"
        );
    }
}
