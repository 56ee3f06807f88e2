//! One request to the server, over a connection of its own, plain or with TLS.
//!
//! Nothing is repeated and no redirect is followed. A command asks once or twice, so that nothing
//! would be gained by keeping connections.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::error::{ClientError, Problem};

const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// For answers that nobody is asked to wait for.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// A page of sagas with large inputs.
const LARGEST_ANSWER: usize = 256 << 20;

/// A server to ask.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// As the person wrote it.
    name: String,
    tls: bool,
    host: String,
    port: u16,
    authority: String,
    /// What comes before every path; for servers behind a gateway.
    base: String,
    authorization: Option<HeaderValue>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

impl Server {
    /// The server at a URL.
    pub(crate) fn new(url: &str, token: Option<&str>) -> Result<Self, ClientError> {
        let wrong = || ClientError::Server(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let authority = uri.authority().ok_or_else(wrong)?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(wrong());
        }
        let authorization = match token {
            None => None,
            Some(token) => {
                let value = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
                let mut value = value.map_err(|_| ClientError::Token)?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        Ok(Self {
            name: url.to_owned(),
            tls,
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            base: uri.path().trim_end_matches('/').to_owned(),
            authorization,
        })
    }

    /// Asks for a path.
    pub(crate) async fn get(&self, path: &str) -> Result<Reply, ClientError> {
        let request = self.request(Method::GET, path, Bytes::new(), "application/json")?;
        self.whole(request, ANSWER_WITHIN).await
    }

    /// Sends JSON to a path; the server may take so long beyond the usual.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: impl Into<Bytes>,
        longer: Duration,
    ) -> Result<Reply, ClientError> {
        let request = self.request(Method::POST, path, body.into(), "application/json")?;
        self.whole(request, ANSWER_WITHIN + longer).await
    }

    /// Puts JSON at a path.
    pub(crate) async fn put(
        &self,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Result<Reply, ClientError> {
        let request = self.request(Method::PUT, path, body.into(), "application/json")?;
        self.whole(request, ANSWER_WITHIN).await
    }

    /// Asks for what is at a path to be removed.
    pub(crate) async fn delete(&self, path: &str) -> Result<Reply, ClientError> {
        let request = self.request(Method::DELETE, path, Bytes::new(), "application/json")?;
        self.whole(request, ANSWER_WITHIN).await
    }

    /// Asks for a stream of events; an answer that is none is read to its end.
    pub(crate) async fn stream(&self, path: &str) -> Result<Response<Incoming>, ClientError> {
        let request = self.request(Method::GET, path, Bytes::new(), "text/event-stream")?;
        let response = self.within(ANSWER_WITHIN, self.send(request)).await?;
        if response.status() == 200 {
            return Ok(response);
        }
        let reply = self.within(ANSWER_WITHIN, self.collect(response)).await?;
        Err(self.refusal(&reply))
    }

    /// What an answer says that is not the one hoped for.
    pub(crate) fn refusal(&self, reply: &Reply) -> ClientError {
        #[derive(Deserialize)]
        struct Said {
            detail: String,
        }
        match serde_json::from_slice::<Said>(&reply.body) {
            Ok(said) => ClientError::Refused(Problem {
                status: reply.status,
                detail: said.detail,
            }),
            Err(_) => ClientError::Strange {
                server: self.name.clone(),
                what: format!("with status {}", reply.status),
            },
        }
    }

    /// Reads an answer's JSON.
    pub(crate) fn read<T: for<'de> Deserialize<'de>>(
        &self,
        reply: &Reply,
    ) -> Result<T, ClientError> {
        if !(200..300).contains(&reply.status) {
            return Err(self.refusal(reply));
        }
        serde_json::from_slice(&reply.body).map_err(|error| ClientError::Strange {
            server: self.name.clone(),
            what: format!("something unknown ({error})"),
        })
    }

    /// The stream of an answer broke off.
    pub(crate) fn broken(&self, why: impl std::fmt::Display) -> ClientError {
        ClientError::NoAnswer {
            server: self.name.clone(),
            why: why.to_string(),
        }
    }

    fn unreachable(&self, why: impl std::fmt::Display) -> ClientError {
        ClientError::Unreachable {
            server: self.name.clone(),
            why: why.to_string(),
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        accept: &'static str,
    ) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(HOST, &self.authority)
            .header(ACCEPT, accept);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        request
            .body(Full::new(body))
            .map_err(|error| ClientError::Server(error.to_string()))
    }

    async fn whole(
        &self,
        request: Request<Full<Bytes>>,
        limit: Duration,
    ) -> Result<Reply, ClientError> {
        let exchange = async { self.collect(self.send(request).await?).await };
        self.within(limit, exchange).await
    }

    async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        tokio::time::timeout(limit, work)
            .await
            .unwrap_or_else(|_| Err(self.broken(format!("nothing within {} s", limit.as_secs()))))
    }

    async fn collect(&self, response: Response<Incoming>) -> Result<Reply, ClientError> {
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), LARGEST_ANSWER);
        let body = body.collect().await.map_err(|error| self.broken(error))?;
        Ok(Reply {
            status,
            body: body.to_bytes(),
        })
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, ClientError> {
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        let stream = tokio::time::timeout(CONNECT_WITHIN, connecting)
            .await
            .map_err(|_| self.unreachable("it does not answer"))?
            .map_err(|error| self.unreachable(error))?;
        let _ = stream.set_nodelay(true);
        if !self.tls {
            return self.exchange(stream, request).await;
        }
        let name = ServerName::try_from(self.host.clone()).map_err(|e| self.unreachable(e))?;
        let connector = TlsConnector::from(self.tls_config()?);
        let handshake = connector.connect(name, stream);
        let stream = tokio::time::timeout(CONNECT_WITHIN, handshake)
            .await
            .map_err(|_| self.unreachable("no TLS handshake in time"))?
            .map_err(|error| self.unreachable(error))?;
        self.exchange(stream, request).await
    }

    async fn exchange<S>(
        &self,
        stream: S,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ClientError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|error| self.unreachable(error))?;
        // Its errors come out at the request, or at the body of the answer.
        tokio::spawn(connection);
        let sent = sender.send_request(request).await;
        sent.map_err(|error| self.broken(error))
    }

    fn tls_config(&self) -> Result<Arc<ClientConfig>, ClientError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(self.unreachable("this machine has no certificate authorities to trust"));
        }
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| self.unreachable(error))?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Ok(Arc::new(config))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_urls_of_servers() {
        let server = Server::new("http://[::1]:7070/settled/", None).unwrap();
        assert_eq!((server.host.as_str(), server.port), ("::1", 7070));
        assert_eq!(server.base, "/settled");
        let server = Server::new("https://settled.example.com", Some("t\n")).unwrap();
        assert_eq!(server.port, 443);
        assert!(!format!("{server:?}").contains("Bearer"));
        for wrong in [
            "",
            "localhost:7070",
            "ftp://x",
            "http://u:p@x",
            "http://x/?a=1",
        ] {
            assert!(Server::new(wrong, None).is_err(), "{wrong}");
        }
    }
}
