//! Addresses as they are typed, and names as they resolve.

use super::*;

fn courier() -> Courier {
    Courier::new(Own::Nothing).unwrap()
}

#[test]
fn an_address_of_the_internet_is_taken_and_everything_else_is_refused_with_its_reason() {
    for typed in [
        "https://example.com/hooks",
        " https://example.com:8443/a?token=x ",
        "https://xn--bcher-kva.example/",
        "https://1.1.1.1/hooks",
        "https://[2606:4700::1111]/",
    ] {
        assert!(courier().read_url(typed).is_ok(), "{typed}");
    }
    let cases = [
        ("", UrlError::Form),
        ("example.com/hooks", UrlError::Form),
        ("https://", UrlError::Form),
        ("mailto:x@example.com", UrlError::Form),
        ("http://example.com/", UrlError::NotHttps),
        ("ftp://example.com/", UrlError::NotHttps),
        ("http://127.0.0.1/", UrlError::NotHttps),
        ("https://user@example.com/", UrlError::UserInfo),
        ("https://user:secret@example.com/", UrlError::UserInfo),
        ("https://example.com/#top", UrlError::Fragment),
        ("https://localhost/", UrlError::Internal),
        ("https://localhost./", UrlError::Internal),
        ("https://app.localhost/", UrlError::Internal),
        ("https://db.internal/", UrlError::Internal),
        ("https://printer.local/", UrlError::Internal),
        ("https://intranet/", UrlError::Internal),
        // However an address is written, it is what it is.
        ("https://127.0.0.1/", UrlError::Internal),
        ("https://127.1/", UrlError::Internal),
        ("https://2130706433/", UrlError::Internal),
        ("https://0x7f000001/", UrlError::Internal),
        ("https://0177.0.0.1/", UrlError::Internal),
        ("https://169.254.169.254/latest/meta-data/", UrlError::Internal),
        ("https://10.0.0.1/", UrlError::Internal),
        ("https://[::1]/", UrlError::Internal),
        ("https://[::ffff:169.254.169.254]/", UrlError::Internal),
        ("https://[fd00::1]/", UrlError::Internal),
        ("https://[64:ff9b::a9fe:a9fe]/", UrlError::Internal),
    ];
    for (typed, wanted) in cases {
        assert_eq!(courier().read_url(typed).err(), Some(wanted), "{typed}");
    }
    let long = format!("https://example.com/{}", "x".repeat(LONGEST_URL));
    assert_eq!(courier().read_url(&long), Err(UrlError::Long));
}

#[test]
fn the_demo_reaches_its_own_page_and_nothing_beside_it() {
    let courier = Courier::new(Own::Only("127.0.0.1:3000".parse().unwrap())).unwrap();
    assert!(courier.read_url("http://127.0.0.1:3000/demo/hooks").is_ok());
    for typed in ["http://127.0.0.1:3001/", "http://127.0.0.2:3000/", "http://localhost:3000/"] {
        assert!(courier.read_url(typed).is_err(), "{typed}");
    }
}

#[tokio::test]
async fn a_name_with_one_inner_address_among_its_addresses_is_not_called_at_all() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let inner = listener.local_addr().unwrap();
    let outer: SocketAddr = "1.1.1.1:443".parse().unwrap();
    for addresses in [vec![inner], vec![outer, inner], vec![inner, outer]] {
        let answer = courier().connect_to_one(&addresses).await;
        assert_eq!(answer.err(), Some(CourierError::Internal), "{addresses:?}");
    }
    assert_eq!(courier().connect_to_one(&[]).await.err(), Some(CourierError::NoSuchName));
    let heard = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(heard.is_err(), "somebody called");
}

#[tokio::test]
async fn a_row_that_was_kept_under_looser_rules_is_checked_again() {
    let url: Url = "http://127.0.0.1:9/".parse().unwrap();
    let answer = courier().post(&url, &[], Vec::new()).await;
    assert_eq!(answer, Err(CourierError::Refused(UrlError::NotHttps)));
    let url: Url = "https://127.0.0.1:9/".parse().unwrap();
    let answer = courier().post(&url, &[], Vec::new()).await;
    assert_eq!(answer, Err(CourierError::Refused(UrlError::Internal)));
}

#[tokio::test]
async fn a_name_that_resolves_to_this_machine_is_refused_after_the_look_up() {
    // As a rebinding name server answers: the name is public, its address is not.
    let answer = courier().connect(&Host::Domain("localhost"), 443).await;
    assert_eq!(answer.err(), Some(CourierError::Internal));
}
