//! Where a request goes, and the request in the form that goes onto the wire.
//!
//! A request that cannot be sent as it is written is refused here, before anything is connected;
//! none is ever changed into another.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::uri::{PathAndQuery, Scheme};
use http::{Method, Uri};
use http_body_util::Full;

use crate::participant::Request;

/// The body of every outgoing request: whole, or empty.
pub(super) type Outgoing = http::Request<Full<Bytes>>;

/// A URL taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    https: bool,
    authority: &'a str,
    host: &'a str,
    port: u16,
}

/// Why a request cannot be sent as it is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unsendable {
    #[error("the url has the scheme {0:?}; use http or https")]
    Scheme(String),
    #[error("the url is not absolute; begin it with http:// or https:// and a host")]
    NotAbsolute,
    #[error("the url carries a user name or password; send credentials in a header instead")]
    UserInfo,
    #[error("the url's port is not one; use a number from 1 to 65535")]
    Port,
    #[error("the method CONNECT makes a tunnel, not a call; use another")]
    Connect,
    #[error("the header {0} belongs to the connection and is set for it; leave it out")]
    Header(HeaderName),
    #[error("the time limit is zero, so nothing was sent; allow the call some time")]
    NoTime,
}

impl<'a> Target<'a> {
    /// Checks the whole request and says where it goes.
    pub(super) fn of(request: &'a Request) -> Result<Self, Unsendable> {
        if request.timeout.0 <= 0 {
            return Err(Unsendable::NoTime);
        }
        if request.method == Method::CONNECT {
            return Err(Unsendable::Connect);
        }
        if let Some((name, _)) = request.headers.iter().find(|(name, _)| is_hop_by_hop(name)) {
            return Err(Unsendable::Header(name.clone()));
        }
        Self::of_url(&request.url)
    }

    pub(super) fn of_url(url: &'a Uri) -> Result<Self, Unsendable> {
        let https = match url.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) => return Err(Unsendable::Scheme(scheme.to_string())),
            None => return Err(Unsendable::NotAbsolute),
        };
        let authority = url.authority().ok_or(Unsendable::NotAbsolute)?;
        if authority.as_str().contains('@') {
            return Err(Unsendable::UserInfo);
        }
        let host = authority.host();
        let port = match authority.as_str()[host.len()..].strip_prefix(':') {
            None | Some("") => {
                if https {
                    443
                } else {
                    80
                }
            }
            Some(port) => port
                .parse()
                .ok()
                .filter(|&port| port > 0)
                .ok_or(Unsendable::Port)?,
        };
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        if bare.is_empty() {
            return Err(Unsendable::NotAbsolute);
        }
        Ok(Self {
            https,
            authority: authority.as_str(),
            host: bare,
            port,
        })
    }

    pub(super) const fn is_https(&self) -> bool {
        self.https
    }

    /// Host and port as written.
    pub(super) const fn authority(&self) -> &'a str {
        self.authority
    }

    /// The host alone, without the brackets of an IPv6 address.
    pub(super) const fn host(&self) -> &'a str {
        self.host
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }
}

/// Headers that frame the message or steer the connection: a second opinion about them is how
/// requests are smuggled.
fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::HOST
            | header::CONTENT_LENGTH
            | header::TRANSFER_ENCODING
            | header::CONNECTION
            | header::UPGRADE
            | header::TE
            | header::TRAILER
            | header::EXPECT
    ) || name == "keep-alive"
        || name == "proxy-connection"
        || name == "http2-settings"
}

/// The request as HTTP/1.1 writes it: the path alone, and the host as a header.
pub(super) fn http1(request: &Request, host: &HeaderValue) -> Outgoing {
    let path = request.url.path_and_query().cloned();
    let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
    let mut outgoing = outgoing(request, Uri::from(path), Some(host));
    *outgoing.version_mut() = http::Version::HTTP_11;
    outgoing
}

/// The request as HTTP/2 writes it: the whole URL, from which its pseudo-headers are made.
pub(super) fn http2(request: &Request) -> Outgoing {
    outgoing(request, request.url.clone(), None)
}

fn outgoing(request: &Request, url: Uri, host: Option<&HeaderValue>) -> Outgoing {
    let body = request.body.clone().unwrap_or_default();
    let empty = body.is_empty();
    let mut outgoing = http::Request::new(Full::new(body));
    *outgoing.method_mut() = request.method.clone();
    *outgoing.uri_mut() = url;
    let headers = outgoing.headers_mut();
    headers.reserve(request.headers.len() + 2);
    if let Some(host) = host {
        headers.insert(header::HOST, host.clone());
    }
    for (name, value) in &request.headers {
        headers.append(name, value.clone());
    }
    // The length of a body is told by its presence; that of an absent one must be said where a
    // body is usual, or some servers refuse the request.
    let usual = [Method::POST, Method::PUT, Method::PATCH].contains(&request.method);
    if empty && (usual || request.body.is_some()) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    outgoing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken_apart(url: &str) -> Result<(bool, String, u16), Unsendable> {
        let url = url.parse::<Uri>().unwrap();
        let target = Target::of_url(&url)?;
        Ok((target.is_https(), target.host().to_owned(), target.port()))
    }

    #[test]
    fn urls_are_taken_apart() {
        for (url, expected) in [
            ("http://stock/x", (false, "stock", 80)),
            ("https://stock", (true, "stock", 443)),
            ("HTTP://stock:8080?a=b", (false, "stock", 8080)),
            ("http://stock:/", (false, "stock", 80)),
            ("http://[::1]:81/", (false, "::1", 81)),
            ("http://[::1]/", (false, "::1", 80)),
        ] {
            let (https, host, port) = expected;
            assert_eq!(
                taken_apart(url),
                Ok((https, host.to_owned(), port)),
                "{url}"
            );
        }
    }

    #[test]
    fn urls_that_cannot_be_called_are_refused() {
        for (url, expected) in [
            ("/path", Unsendable::NotAbsolute),
            ("stock:80", Unsendable::NotAbsolute),
            ("ftp://stock/", Unsendable::Scheme("ftp".to_owned())),
            ("http://user@stock/", Unsendable::UserInfo),
            ("http://user:secret@stock/", Unsendable::UserInfo),
            ("http://stock:0/", Unsendable::Port),
            ("http://stock:65536/", Unsendable::Port),
        ] {
            assert_eq!(taken_apart(url), Err(expected), "{url}");
        }
    }
}
