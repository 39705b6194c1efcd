//! Clients for servers outside. They bring the authorities that the web believes along: the image that we ship has no file of
//! them, and reading the system's takes longer than everything else that a start does.

use std::sync::Arc;

use reqwest::ClientBuilder;
use rustls::{ClientConfig, RootCertStore, crypto::ring};

/// Time-outs are its caller's.
pub fn client() -> ClientBuilder {
    let builder = reqwest::Client::builder();
    match tls(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }) {
        Ok(tls) => builder.tls_backend_preconfigured(tls),
        // Then it says itself what it misses.
        Err(_) => builder,
    }
}

pub fn tls(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
