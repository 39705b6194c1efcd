//! The mail server of a test: how its door is shut, and what the app believes about the way in.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use jetbridge::{
    clock::Clock,
    mailer::{MailSettings, Mailer},
    sandbox::mailbox::{Door, Encryption},
};
use rcgen::{CertificateParams, KeyPair};
use rustls::{ServerConfig, pki_types::PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

#[derive(Clone)]
pub struct Post {
    pub door: Door,
    /// `SMTP_URL`, with `{port}` for the port.
    pub url: String,
    /// Whom the app believes besides the authorities of the web.
    pub authorities: Vec<Vec<u8>>,
    pub patience: Duration,
}

impl Default for Post {
    fn default() -> Self {
        let url = "smtp://127.0.0.1:{port}".to_owned();
        Self { door: Door::default(), url, authorities: Vec::new(), patience: Duration::from_secs(30) }
    }
}

impl Post {
    pub fn mailer(&self, port: u16, from: &str, clock: &Clock) -> Mailer {
        let smtp_url = self.url.replace("{port}", &port.to_string()).into();
        let settings = MailSettings { smtp_url, from: from.to_owned() };
        let mailer = Mailer::trusting(&settings, clock.clone(), &self.authorities).expect("a mailer");
        mailer.with_patience(self.patience)
    }

    pub fn at(self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self }
    }

    pub fn patient_for(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Whoever hands mail in must be this one.
    pub fn for_user(self, user: &str, password: &str) -> Self {
        let login = Some((user.to_owned(), password.to_owned()));
        Self { door: Door { login, ..self.door }, ..self }
    }

    pub fn by_mechanism(self, mechanism: &'static str) -> Self {
        Self { door: Door { mechanism: Some(mechanism), ..self.door }, ..self }
    }

    /// TLS from the first byte.
    pub fn tls(self, certificate: &Certificate) -> Self {
        let encryption = Encryption::Implicit(Arc::clone(&certificate.server));
        Self { door: Door { encryption, ..self.door }, ..self }
    }

    pub fn starttls(self, certificate: &Certificate) -> Self {
        let encryption = Encryption::StartTls(Arc::clone(&certificate.server));
        Self { door: Door { encryption, ..self.door }, ..self }
    }

    pub fn believing(self, certificate: &Certificate) -> Self {
        Self { authorities: vec![certificate.der.clone()], ..self }
    }
}

/// Signed by itself.
pub struct Certificate {
    pub der: Vec<u8>,
    key: Vec<u8>,
    server: Arc<ServerConfig>,
}

impl Certificate {
    pub fn of(name: &str) -> Self {
        Self::from(CertificateParams::new([name.to_owned()]).expect("a name"))
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.server))
    }

    /// As PEM, certificate and key, for a server that is a program of its own.
    pub fn write_to(&self, directory: &Path) -> [PathBuf; 2] {
        [("certificate", "CERTIFICATE", &self.der), ("key", "PRIVATE KEY", &self.key)].map(
            |(name, what, der)| {
                let path = directory.join(name);
                let body = BASE64.encode(der);
                let pem = format!("-----BEGIN {what}-----\n{body}\n-----END {what}-----\n");
                std::fs::write(&path, pem).expect("written");
                path
            },
        )
    }

    pub fn expired(name: &str) -> Self {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        Self::from(params)
    }
}

impl From<CertificateParams> for Certificate {
    fn from(params: CertificateParams) -> Self {
        super::app::crypto();
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let secret = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let server = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], secret)
            .expect("a server");
        Self { der: certificate.der().to_vec(), key: key.serialize_der(), server: Arc::new(server) }
    }
}
