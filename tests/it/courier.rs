//! Webhooks on their way through TLS: to a receiver whose certificate holds, and to no other.

use axum::http::{HeaderName, HeaderValue, StatusCode};
use jetbridge::courier::{Courier, CourierError, Own};
use rustls::{RootCertStore, pki_types::CertificateDer};
use tokio::{io::AsyncWriteExt, net::TcpListener};

use crate::helpers::{
    app::crypto,
    post::Certificate,
    receiver::{Manner, Receiver},
};

const BODY: &str = r#"{"type":"booking.confirmed"}"#;

fn believing(certificates: &[&Certificate]) -> Courier {
    crypto();
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(CertificateDer::from(certificate.der.clone())).expect("a certificate");
    }
    Courier::believing(Own::Loopback, roots).expect("a courier")
}

async fn post(courier: &Courier, url: &str) -> Result<StatusCode, CourierError> {
    let headers = [(HeaderName::from_static("webhook-id"), HeaderValue::from_static("evt_1"))];
    courier.post(&url.parse().expect("a URL"), &headers, BODY.into()).await
}

#[tokio::test]
async fn a_receiver_with_a_certificate_that_holds_gets_the_whole_message_and_its_answer_counts() {
    let certificate = Certificate::of("127.0.0.1");
    let receiver = Receiver::start_tls(&certificate).await;
    let courier = believing(&[&certificate]);
    assert_eq!(post(&courier, &receiver.url).await, Ok(StatusCode::NO_CONTENT));
    let calls = receiver.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!((calls[0].path.as_str(), calls[0].body.as_str()), ("/hooks?key=k", BODY));
    assert_eq!(calls[0].header("webhook-id"), "evt_1");

    receiver.next(&[Manner::Answer(500), Manner::Drop]);
    assert_eq!(post(&courier, &receiver.url).await, Ok(StatusCode::INTERNAL_SERVER_ERROR));
    assert_eq!(post(&courier, &receiver.url).await, Err(CourierError::Broken));
}

#[tokio::test]
async fn nothing_is_told_to_a_receiver_whose_certificate_does_not_hold() {
    let ours = Certificate::of("127.0.0.1");
    let (foreign, expired, named) = (
        Certificate::of("127.0.0.1"),
        Certificate::expired("127.0.0.1"),
        Certificate::of("hooks.example.com"),
    );
    let courier = believing(&[&ours, &expired, &named]);
    for certificate in [&foreign, &expired, &named] {
        let receiver = Receiver::start_tls(certificate).await;
        assert_eq!(post(&courier, &receiver.url).await, Err(CourierError::Tls));
        assert_eq!(receiver.calls().len(), 0);
    }
    // Nobody is believed who is not on the list of the web.
    let receiver = Receiver::start_tls(&ours).await;
    assert_eq!(
        post(&Courier::new(Own::Loopback).expect("a courier"), &receiver.url).await,
        Err(CourierError::Tls)
    );
    assert_eq!(receiver.calls().len(), 0);
    assert_eq!(post(&courier, &plain_server().await).await, Err(CourierError::Tls));
}

/// Answers without TLS where TLS was asked for.
async fn plain_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("somebody");
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("written");
    });
    url
}
