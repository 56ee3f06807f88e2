//! Whom `https` calls trust: the machine's certificate authorities, and any that were given.
//!
//! Nothing is read before the first `https` call, so that a machine without any certificate
//! authorities can still make plain calls. Verification cannot be turned off, and nothing is ever
//! sent before the handshake is complete: early data could be replayed.

use std::sync::Arc;

use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::HttpSetupError;

/// The configuration of `https`, made when it is first needed.
#[derive(Debug)]
pub(super) struct Tls {
    extra: Vec<CertificateDer<'static>>,
    config: OnceCell<Arc<ClientConfig>>,
}

impl Tls {
    /// Takes the authorities in `pem`, where there are any, beside those of the machine.
    pub(super) fn new(pem: Option<&[u8]>) -> Result<Self, HttpSetupError> {
        let certificates = CertificateDer::pem_slice_iter(pem.unwrap_or_default());
        let extra = certificates
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| HttpSetupError::Authorities(error.to_string()))?;
        if pem.is_some() && extra.is_empty() {
            return Err(HttpSetupError::Authorities(
                "there is no certificate in it".to_owned(),
            ));
        }
        roots(&extra, Vec::new()).map_err(HttpSetupError::Authorities)?;
        Ok(Self {
            extra,
            config: OnceCell::new(),
        })
    }

    /// The connector; a failure is not kept, so that authorities installed later are found.
    pub(super) async fn connector(&self) -> Result<TlsConnector, String> {
        let config = self.config.get_or_try_init(|| async {
            // The machine's store is many files.
            let machine = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs);
            let machine = machine.await.map_err(|error| error.to_string())?;
            configure(&roots(&self.extra, machine.certs)?).map_err(|error| error.to_string())
        });
        Ok(TlsConnector::from(Arc::clone(config.await?)))
    }
}

/// Those given must be usable; one of the machine's that is not is passed over.
fn roots(
    given: &[CertificateDer<'static>],
    machine: Vec<CertificateDer<'static>>,
) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in given {
        roots
            .add(certificate.clone())
            .map_err(|error| error.to_string())?;
    }
    roots.add_parsable_certificates(machine);
    Ok(roots)
}

fn configure(roots: &RootCertStore) -> Result<Arc<ClientConfig>, Unready> {
    if roots.is_empty() {
        return Err(Unready::NoAuthorities);
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[derive(Debug, thiserror::Error)]
enum Unready {
    #[error(
        "this machine has no certificate authorities to check https with; install them (often a \
         package named ca-certificates) or name a file of them in SSL_CERT_FILE"
    )]
    NoAuthorities,
    #[error("https could not be set up: {0}")]
    Rustls(#[from] rustls::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_any_authority_the_remedy_is_told() {
        let error = configure(&RootCertStore::empty()).unwrap_err();
        assert!(error.to_string().contains("ca-certificates"), "{error}");
    }

    #[test]
    fn what_is_not_a_certificate_is_refused() {
        assert!(Tls::new(Some(b"no pem at all")).is_err());
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(Tls::new(Some(broken)).is_err());
        assert!(Tls::new(None).is_ok());
    }
}
