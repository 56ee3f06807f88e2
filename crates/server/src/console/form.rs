//! A form that was sent: its fields, once it is certain that it is one of ours.

use axum::extract::{FromRequest, Request};
use axum::response::Response;
use http::StatusCode;

use super::visitor::Visitor;
use super::{Console, problem};

/// The fields of a form, in the order of the page.
pub(super) struct Form {
    fields: Vec<(String, String)>,
}

impl Form {
    /// Reads what a browser sends of a form, or what follows the `?` of an address.
    pub(super) fn read(text: &str) -> Self {
        let decoded = |text: &str| {
            let text = text.replace('+', " ");
            percent_encoding::percent_decode_str(&text)
                .decode_utf8_lossy()
                .into_owned()
        };
        let fields = text.split('&').filter(|field| !field.is_empty());
        Self {
            fields: fields
                .map(|field| {
                    let (name, value) = field.split_once('=').unwrap_or((field, ""));
                    (decoded(name), decoded(value))
                })
                .collect(),
        }
    }

    /// A field; none where it was left out or left empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .filter(|(found, _)| found == name)
            .map(|(_, value)| &**value)
            .find(|value| !value.trim().is_empty())
    }

    /// Every value of a field that may come more than once.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields
            .iter()
            .filter(move |(found, _)| found == name)
            .map(|(_, value)| &**value)
    }
}

impl FromRequest<Console> for Form {
    type Rejection = Response;

    async fn from_request(request: Request, console: &Console) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let visitor = parts.extensions.get::<Visitor>().cloned();
        let visitor = visitor.unwrap_or_else(|| Visitor::unknown(&parts.headers));
        let body = console.api.body(&parts.headers, body).await;
        let body = body.map_err(|why| problem::from(&visitor, &why))?;
        let form = Self::read(&String::from_utf8_lossy(&body));
        // Before a login there is no session whose form it could be; then the page that it came from
        // must do, see `guard`.
        let Some(session) = visitor.session() else {
            return Ok(form);
        };
        if form
            .text("form")
            .is_some_and(|token| session.gave_out(token))
        {
            return Ok(form);
        }
        let why = visitor.words().old_form;
        Err(problem::of(&visitor, StatusCode::FORBIDDEN, why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_browsers_write_it() {
        let form = Form::read("note=a+b%20c%26&id=1&id=2&empty=&=&%E6%97%A5=x%ff");
        assert_eq!(form.text("note"), Some("a b c&"));
        assert_eq!(form.all("id").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(form.text("empty"), None);
        assert_eq!(form.text("日"), Some("x\u{fffd}"));
        assert_eq!(form.text("none"), None);
    }
}
