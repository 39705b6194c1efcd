//! Visitors who take their time, or bring far too much: each costs little and ends, and others are served meanwhile.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::helpers::app::TestApp;

/// As web::crowd has it, for one address.
const MOST_FROM_ONE: usize = 512;

/// A connection that comes from 127.0.0.`from`.
async fn connect(app: &TestApp, from: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("127.0.0.{from}:0").parse().unwrap()).unwrap();
    socket.connect(app.url.socket_addrs(|| None).unwrap()[0]).await.unwrap()
}

/// Sends `request` and says what came back until the server hung up. What cannot be sent any more is not sent.
async fn answer(mut stream: TcpStream, request: &[u8]) -> String {
    let (mut reading, mut writing) = stream.split();
    let mut answer = Vec::new();
    let send = async {
        let _ = writing.write_all(request).await;
    };
    let _ = tokio::join!(send, timeout(Duration::from_secs(15), reading.read_to_end(&mut answer)));
    String::from_utf8_lossy(&answer).into_owned()
}

/// A byte every second and a half, until the server hangs up.
async fn trickle(mut stream: TcpStream, begin: &'static str) {
    let (mut reading, mut writing) = stream.split();
    let send = async {
        let mut sent = writing.write_all(begin.as_bytes()).await;
        while sent.is_ok() {
            sleep(Duration::from_millis(1_500)).await;
            sent = writing.write_all(b"x").await;
        }
    };
    let mut answer = Vec::new();
    tokio::select! {
        () = send => {}
        _ = reading.read_to_end(&mut answer) => {}
    }
}

#[tokio::test]
async fn two_thousand_who_never_finish_asking_are_cut_and_others_are_served_meanwhile() {
    let app = TestApp::start().await;
    let mut slow = JoinSet::new();
    for number in 0..2_000_u32 {
        let stream = connect(&app, 10 + u8::try_from(number % 20).unwrap()).await;
        let begin = if number % 2 == 0 {
            "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
        } else {
            "POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: 1000\r\n\r\n"
        };
        slow.spawn(trickle(stream, begin));
    }
    for _ in 0..10 {
        app.get("/").await.expect(200);
        app.get("/flights?from=LIS&to=JFK&leave=2027-03-12").await.expect(200);
    }
    assert!(slow.try_join_next().is_none(), "all of them are still there");
    let all = timeout(Duration::from_secs(40), async { while slow.join_next().await.is_some() {} });
    assert!(all.await.is_ok(), "{} were never cut", slow.len());
    app.get("/").await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn one_address_may_not_take_all_the_room() {
    let app = TestApp::start().await;
    let mut idle = Vec::new();
    for _ in 0..MOST_FROM_ONE {
        idle.push(connect(&app, 9).await);
    }
    let request = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    assert_eq!(answer(connect(&app, 9).await, request).await, "");
    assert!(answer(connect(&app, 8).await, request).await.starts_with("HTTP/1.1 200 "));
    drop(idle);
    let begin = Instant::now();
    while answer(connect(&app, 9).await, request).await.is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(15), "places are not given back");
    }
    app.finish().await;
}

#[tokio::test]
async fn ten_megabytes_are_refused_without_being_read() {
    let app = TestApp::start().await;
    let head =
        "POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    // By its own word: refused before the first byte.
    let announced = format!("{head}Content-Length: 10000000\r\n\r\n");
    let told = answer(connect(&app, 1).await, announced.as_bytes()).await;
    assert!(told.starts_with("HTTP/1.1 413 ") && told.contains("<h1"), "{told}");
    // Without a word: refused as soon as it is too much, long before the end.
    let chunk = format!("{:x}\r\n{}\r\n", 10_000, "x".repeat(10_000));
    let endless = format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", chunk.repeat(1_000));
    let told = answer(connect(&app, 1).await, endless.as_bytes()).await;
    assert!(told.starts_with("HTTP/1.1 413 "), "{}", &told[..told.len().min(200)]);
    let body = "x".repeat(10_000_000);
    let page = app.guest().post("/login", "application/x-www-form-urlencoded", body).await;
    assert_eq!(page.status, 413);
    app.get("/").await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn a_hundred_kilobytes_of_headers_are_a_431() {
    let app = TestApp::start().await;
    let one_long = format!("X-Long: {}\r\n", "x".repeat(100_000));
    let many: String =
        (0..2_000).map(|number| format!("X-Header-{number}: {}\r\n", "x".repeat(40))).collect();
    let cookies = format!("Cookie: {}\r\n", "a=b; ".repeat(20_000));
    for headers in [one_long, many, cookies] {
        let request = format!("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n");
        let told = answer(connect(&app, 1).await, request.as_bytes()).await;
        assert!(told.starts_with("HTTP/1.1 431 "), "{}", &told[..told.len().min(200)]);
    }
    let long_line = format!("GET /{} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "x".repeat(100_000));
    let told = answer(connect(&app, 1).await, long_line.as_bytes()).await;
    assert!(told.starts_with("HTTP/1.1 4"), "{}", &told[..told.len().min(200)]);
    // What browsers really send passes.
    let usual = format!(
        "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nCookie: a={}\r\n\r\n",
        "x".repeat(8_000)
    );
    assert!(answer(connect(&app, 1).await, usual.as_bytes()).await.starts_with("HTTP/1.1 200 "));
    app.finish().await;
}
