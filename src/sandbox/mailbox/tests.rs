//! Our mailer against the mailbox over real SMTP, and strangers against the mailbox.

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::*;
use crate::mailer::{MailError, MailSettings, Mailer, OutgoingMail};

async fn start() -> (Mailbox, Mailer) {
    let clock = Clock::manual("2026-11-22T12:00:00Z".parse().unwrap());
    let mailbox =
        Mailbox::start(Settings { clock: clock.clone(), port: 0, directory: None, door: Door::default() })
            .await
            .unwrap();
    let settings = MailSettings {
        smtp_url: mailbox.smtp_url().into(),
        from: "Jetbridge <hello@jetbridge.example>".into(),
    };
    let mailer = Mailer::new(&settings, clock).unwrap().with_patience(Duration::from_secs(5));
    (mailbox, mailer)
}

fn mail() -> OutgoingMail {
    OutgoingMail {
        id: MailId::new(),
        to: "alice@example.com".into(),
        subject: "Booked: Lisbon to São Paulo, K7WQ4M".into(),
        text: "Total: EUR\u{a0}412.60\n.\n..two dots\nGoodbye\n".into(),
        html: "<p>Total: <b>EUR&nbsp;412.60</b></p>".into(),
        attachments: Vec::new(),
    }
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_written() {
    let (mailbox, mailer) = start().await;
    let sent = mail();
    mailer.send(&sent).await.unwrap();
    let got = mailbox.list().remove(0);
    assert_eq!(got.subject, sent.subject);
    assert_eq!(got.from, "Jetbridge <hello@jetbridge.example>");
    assert_eq!(got.to, ["alice@example.com"]);
    assert_eq!(got.envelope.to, ["alice@example.com"]);
    assert_eq!(got.envelope.from, "hello@jetbridge.example");
    assert_eq!(got.date, Some("2026-11-22T12:00:00Z".parse().unwrap()));
    assert_eq!(got.message_id, Some(format!("{}@jetbridge.example", sent.id)));
    assert_eq!(got.text.as_deref().map(|text| text.replace("\r\n", "\n")), Some(sent.text));
    assert_eq!(got.html.as_deref().map(str::trim_end), Some(sent.html.as_str()));
    assert!(String::from_utf8(got.raw.clone()).unwrap().contains("Auto-Submitted: auto-generated"));
    assert_eq!(mailbox.get(got.id), Some(got));
}

#[tokio::test]
async fn the_same_mail_again_carries_the_same_message_id() {
    let (mailbox, mailer) = start().await;
    let sent = mail();
    mailer.send(&sent).await.unwrap();
    mailer.send(&sent).await.unwrap();
    let all = mailbox.list();
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].message_id, all[1].message_id);
}

#[tokio::test]
async fn nobody_smuggles_a_header_or_a_second_recipient_in() {
    let (mailbox, mailer) = start().await;
    let crooked = OutgoingMail { subject: "Hello\r\nBcc: eve@example.com\r\n\r\nbody".into(), ..mail() };
    mailer.send(&crooked).await.unwrap();
    let got = mailbox.list().remove(0);
    assert_eq!(got.subject, "HelloBcc: eve@example.combody");
    assert_eq!(got.envelope.to, ["alice@example.com"]);
    for to in
        ["", "alice", "alice@example.com\r\nRCPT TO:<eve@example.com>", "a@b.c, eve@example.com", "<a@b.c>"]
    {
        let answer = mailer.send(&OutgoingMail { to: to.into(), ..mail() }).await;
        assert!(matches!(answer, Err(MailError::Rejected(_))), "{to:?}: {answer:?}");
    }
    assert_eq!(mailbox.list().len(), 1);
}

#[tokio::test]
async fn what_a_refusal_means_depends_on_the_step_that_is_refused() {
    let (mailbox, mailer) = start().await;
    let before = [Stage::Connect, Stage::Hello, Stage::Mail];
    let after = [Stage::Rcpt, Stage::Data, Stage::Body];
    for stage in before.into_iter().chain(after) {
        let ours = if before.contains(&stage) { "estranged" } else { "rejected" };
        for (fault, expected) in [
            (Fault::Answer(421), "temporary"),
            (Fault::Answer(451), "temporary"),
            (Fault::Answer(550), ours),
            (Fault::Answer(552), if stage == Stage::Mail { "rejected" } else { ours }),
            // Whoever asks for a login has nothing against the mail.
            (Fault::Answer(530), "estranged"),
            (Fault::Answer(535), "estranged"),
            (Fault::Drop, "temporary"),
        ] {
            mailbox.fault(stage, fault);
            let told = match mailer.send(&mail()).await {
                Err(MailError::Rejected(_)) => "rejected",
                Err(MailError::Temporary(_)) => "temporary",
                Err(MailError::Estranged(_)) => "estranged",
                Ok(()) => "sent",
            };
            assert_eq!(told, expected, "{stage:?} {fault:?}");
        }
    }
    assert!(mailbox.list().is_empty());
    mailer.send(&mail()).await.unwrap();
    assert_eq!(mailbox.list().len(), 1, "and afterwards all is well");
}

#[tokio::test]
async fn an_idle_connection_that_the_server_has_closed_costs_no_mail_its_try() {
    let (mailbox, mailer) = start().await;
    mailer.send(&mail()).await.unwrap();
    // The connection of the first mail waits, and this hits it after its NOOP: the mail is lost with it.
    mailbox.fault(Stage::Mail, Fault::Drop);
    mailer.send(&mail()).await.unwrap_err();
    mailer.send(&mail()).await.unwrap();
    assert_eq!(mailbox.list().len(), 2);
    let port = mailbox.port();
    drop(mailbox);
    let clock = Clock::manual("2026-11-22T12:00:00Z".parse().unwrap());
    let settings = Settings { clock, port, directory: None, door: Door::default() };
    // The port is free once the old one has heard that it is over.
    let restarted = loop {
        match Mailbox::start(settings.clone()).await {
            Ok(mailbox) => break mailbox,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    mailer.send(&mail()).await.unwrap();
    assert_eq!(restarted.list().len(), 1, "the server was restarted in between, and nobody noticed");
}

#[tokio::test]
async fn a_server_that_thinks_for_a_while_is_waited_for() {
    let (mailbox, mailer) = start().await;
    for stage in [Stage::Connect, Stage::Hello, Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Body] {
        mailbox.fault(stage, Fault::Slow(Duration::from_millis(20)));
    }
    mailer.send(&mail()).await.unwrap();
    assert_eq!(mailbox.list().len(), 1);
}

#[tokio::test]
async fn nothing_of_ours_asks_to_be_unsubscribed_from() {
    let (mailbox, mailer) = start().await;
    mailer.send(&mail()).await.unwrap();
    let raw = String::from_utf8(mailbox.list().remove(0).raw).unwrap();
    let head = raw.split("\r\n\r\n").next().unwrap().to_lowercase();
    for header in ["message-id: <", "date: ", "auto-submitted: auto-generated", "mime-version: 1.0"] {
        assert!(head.contains(header), "{header} is missing:\n{head}");
    }
    // One mail for one person about their own affairs: no list, and nothing to opt out of.
    for header in ["list-unsubscribe", "list-id", "precedence", "bcc:", "x-mailer"] {
        assert!(!head.contains(header), "{header} has no business in:\n{head}");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for() {
    let (mailbox, mailer) = start().await;
    let mailer = mailer.with_patience(Duration::from_millis(200));
    for stage in [Stage::Connect, Stage::Hello, Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Body] {
        mailbox.fault(stage, Fault::Hang(Duration::from_secs(20)));
        let answer = mailer.send(&mail()).await;
        assert!(matches!(answer, Err(MailError::Temporary(_))), "{stage:?}: {answer:?}");
    }
    assert!(mailbox.list().is_empty());
}

#[tokio::test]
async fn a_mail_can_be_kept_without_a_yes_and_lost_with_one() {
    let (mailbox, mailer) = start().await;
    mailbox.fault(Stage::Body, Fault::KeepThenDrop);
    assert!(matches!(mailer.send(&mail()).await, Err(MailError::Temporary(_))));
    assert_eq!(mailbox.list().len(), 1);
    mailbox.fault(Stage::Body, Fault::Lose);
    mailer.send(&mail()).await.unwrap();
    assert_eq!(mailbox.list().len(), 1);
}

#[tokio::test]
async fn a_dead_server_and_a_crooked_setting_are_told() {
    let clock = Clock::manual("2026-11-22T12:00:00Z".parse().unwrap());
    let settings = |url: &str, from: &str| MailSettings { smtp_url: url.into(), from: from.into() };
    let dead = Mailer::new(&settings("smtp://127.0.0.1:1", "a@b.example"), clock.clone()).unwrap();
    assert!(matches!(dead.send(&mail()).await, Err(MailError::Temporary(_))));
    assert!(Mailer::new(&settings("http://127.0.0.1", "a@b.example"), clock.clone()).is_err());
    assert!(Mailer::new(&settings("smtp://127.0.0.1", "nobody"), clock).is_err());
}

/// Says each line and gives back the status of each answer.
async fn talk(mailbox: &Mailbox, lines: &[&[u8]]) -> Vec<String> {
    let stream = TcpStream::connect(("127.0.0.1", mailbox.inner.port)).await.unwrap();
    let (reader, mut writer) = stream.into_split();
    let mut answers = BufReader::new(reader).lines();
    let greeting = answers.next_line().await.unwrap().unwrap();
    assert!(greeting.starts_with("220 "), "{greeting}");
    let mut statuses = Vec::new();
    for line in lines {
        if writer.write_all(line).await.is_err() {
            break;
        }
        loop {
            let Ok(Some(answer)) = answers.next_line().await else { return statuses };
            let more = answer.as_bytes().get(3) == Some(&b'-');
            if !more {
                statuses.push(answer.get(..3).unwrap_or_default().to_owned());
                break;
            }
        }
    }
    statuses
}

#[tokio::test]
async fn commands_out_of_order_and_nonsense_are_refused() {
    let (mailbox, _) = start().await;
    let table: [(&[u8], &str); 15] = [
        (b"MAIL FROM:<a@b.c>\r\n", "503"),
        (b"EHLO me\r\n", "250"),
        (b"RCPT TO:<a@b.c>\r\n", "503"),
        (b"DATA\r\n", "503"),
        (b"MAIL FROM:a@b.c\r\n", "501"),
        (b"MAIL FROM:<a@b.c> SIZE=99999999\r\n", "552"),
        (b"mail from:<a@b.c> SIZE=10\r\n", "250"),
        (b"MAIL FROM:<a@b.c>\r\n", "503"),
        (b"RCPT TO:<>\r\n", "501"),
        (b"RCPT TO:<a b@c>\r\n", "501"),
        (b"\xff\xfe\r\n", "500"),
        (b"AUTH PLAIN x\r\n", "500"),
        (b"RSET\r\n", "250"),
        (b"NOOP\r\n", "250"),
        (b"QUIT\r\n", "221"),
    ];
    let lines: Vec<&[u8]> = table.iter().map(|(line, _)| *line).collect();
    let expected: Vec<&str> = table.iter().map(|(_, status)| *status).collect();
    assert_eq!(talk(&mailbox, &lines).await, expected);
}

#[tokio::test]
async fn a_lone_line_feed_ends_neither_a_line_nor_a_mail() {
    let (mailbox, _) = start().await;
    let smuggled = b"Subject: one\r\n\r\nbody\n.\nMAIL FROM:<eve@x.y>\n.\r\nend\r\n.\r\n";
    let statuses = talk(
        &mailbox,
        &[
            b"EHLO me\r\n",
            b"MAIL FROM:<a@b.c>\r\n",
            b"RCPT TO:<d@e.f>\r\n",
            b"DATA\r\n",
            smuggled,
            b"QUIT\r\n",
        ],
    )
    .await;
    assert_eq!(statuses, ["250", "250", "250", "354", "250", "221"]);
    let all = mailbox.list();
    assert_eq!((all.len(), all[0].subject.as_str()), (1, "one"));
    assert!(all[0].text.as_deref().unwrap().contains("end"));
}

#[tokio::test]
async fn endless_lines_and_endless_mistakes_end_the_talk() {
    let (mailbox, _) = start().await;
    let long = [vec![b'x'; 5_000], b"\r\n".to_vec()].concat();
    assert_eq!(talk(&mailbox, &[&long, b"NOOP\r\n"]).await, ["500"]);
    let mistakes = vec![b"WHAT\r\n".as_slice(); 22];
    let statuses = talk(&mailbox, &mistakes).await;
    assert_eq!(statuses.last().map(String::as_str), Some("421"));
}

#[tokio::test]
async fn a_mail_that_is_too_large_is_refused_and_the_talk_goes_on() {
    let (mailbox, _) = start().await;
    let huge = [b"x".repeat(76).as_slice(), b"\r\n"].concat().repeat(150_000);
    let body = [huge.as_slice(), b".\r\n"].concat();
    let statuses = talk(
        &mailbox,
        &[b"HELO me\r\n", b"MAIL FROM:<a@b.c>\r\n", b"RCPT TO:<d@e.f>\r\n", b"DATA\r\n", &body, b"NOOP\r\n"],
    )
    .await;
    assert_eq!(statuses, ["250", "250", "250", "354", "552", "250"]);
    assert!(mailbox.list().is_empty());
}

#[tokio::test]
async fn anything_can_be_looked_at_however_broken() {
    let (mailbox, _) = start().await;
    for raw in [
        &b""[..],
        b"\xff\xff",
        b"Subject: =?utf-8?B?////?=\r\n\r\n\x00",
        b"Content-Type: multipart/mixed\r\n\r\n--",
    ] {
        mailbox.inner.keep("a@b.c".into(), vec!["d@e.f".into()], raw.to_vec()).unwrap();
    }
    assert_eq!(mailbox.list().len(), 4);
}

#[tokio::test]
async fn mail_on_disk_is_there_after_a_restart_and_foreign_files_are_left_alone() {
    let directory = std::env::temp_dir().join(format!("jetbridge-mail-{}", crate::ids::random_secret()));
    let clock = Clock::manual("2026-11-22T12:00:00Z".parse().unwrap());
    let settings =
        Settings { clock: clock.clone(), port: 0, directory: Some(directory.clone()), door: Door::default() };
    let mailbox = Mailbox::start(settings.clone()).await.unwrap();
    let raw = b"Subject: kept\r\nFrom: x@y.z\r\n\r\nhello\r\n".to_vec();
    mailbox.inner.keep("a@b.c".into(), vec!["d@e.f".into(), "g@h.i".into()], raw).unwrap();
    let before = mailbox.list();
    drop(mailbox);
    std::fs::write(directory.join("notes.txt"), "mine").unwrap();
    std::fs::write(directory.join(format!("{}.eml", MailId::new())), "not ours").unwrap();
    assert_eq!(Mailbox::start(settings).await.unwrap().list(), before);
    std::fs::remove_dir_all(&directory).unwrap();
}
