//! The mailer against a mail server that others wrote: what we take for SMTP, TLS and AUTH is what the world takes for it.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use jetbridge::{
    clock::Clock,
    ids::MailId,
    mailer::{MailError, Mailer, OutgoingMail},
};
use mail_parser::MessageParser;
use serde_json::Value;

use crate::helpers::{
    app::START,
    post::{Certificate, Post},
};

const USER: &str = "resend@fly.example";
const PASSWORD: &str = "re p@ss/é";

struct Peer {
    child: Child,
    says: BufReader<ChildStdout>,
    port: u16,
}

impl Peer {
    fn start(mode: &str, certificate: &Certificate) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python: PathBuf = std::env::var_os("SMTP_PEER_PYTHON")
            .map_or_else(|| root.join("target/aiosmtpd/bin/python"), PathBuf::from);
        let directory = std::env::temp_dir().join(format!("jetbridge-smtp-{}-{mode}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let files = certificate.write_to(&directory);
        let mut child = Command::new(python)
            .arg("-u")
            .arg(root.join("tests/it/smtp_peer.py"))
            .arg(mode)
            .args(files)
            .args([USER, PASSWORD])
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python with aiosmtpd: bin/test installs it");
        let mut peer = Self { says: BufReader::new(child.stdout.take().unwrap()), child, port: 0 };
        peer.port = peer.line().trim().parse().expect("its port");
        std::fs::remove_dir_all(directory).unwrap();
        peer
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.says.read_line(&mut line).unwrap() > 0, "the peer ended");
        line
    }

    fn mailer(&self, post: &Post) -> Mailer {
        post.mailer(self.port, "Fly <fly@fly.example>", &Clock::manual(START.parse().unwrap()))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mail(to: &str) -> OutgoingMail {
    OutgoingMail {
        id: MailId::new(),
        to: to.to_owned(),
        subject: "Confirmed: K7WQ4M, Lisbon to São Paulo".to_owned(),
        text: "Total: EUR\u{a0}412.60\n.\n..two dots\n".to_owned(),
        html: "<p>Total: <b>EUR&nbsp;412.60</b></p>".to_owned(),
        attachments: Vec::new(),
    }
}

#[tokio::test]
#[ignore = "needs Python with aiosmtpd: bin/test runs it"]
async fn a_server_that_others_wrote_takes_our_mail_by_tls_and_by_starttls() {
    let certificate = Certificate::of("localhost");
    let login = "resend%40fly.example:re%20p%40ss%2F%C3%A9";
    for (mode, scheme) in [("tls", "smtps"), ("starttls", "smtp")] {
        let mut peer = Peer::start(mode, &certificate);
        let url = |login: &str| format!("{scheme}://{login}@localhost:{{port}}?tls=required");
        let trusting = Post::default().believing(&certificate);
        let mailer = peer.mailer(&trusting.clone().at(&url(login)));
        mailer.check().await.unwrap();
        for _ in 0..2 {
            let sent = mail("maria@example.com");
            mailer.send(&sent).await.unwrap();
            let got: Value = serde_json::from_str(&peer.line()).unwrap();
            assert_eq!(got["from"], "fly@fly.example", "{mode}");
            assert_eq!(got["to"], serde_json::json!(["maria@example.com"]));
            assert_eq!(got["is_known"], true);
            let content = got["content"].as_str().unwrap();
            let message = MessageParser::default().parse(content.as_bytes()).unwrap();
            assert_eq!(message.subject(), Some(sent.subject.as_str()));
            assert_eq!(message.message_id(), Some(format!("{}@fly.example", sent.id).as_str()));
            assert_eq!(message.body_text(0).unwrap().replace("\r\n", "\n"), sent.text);
            assert_eq!(message.body_html(0).unwrap().trim_end(), sent.html);
        }
        let refused = mailer.send(&mail("nobody@example.com")).await;
        assert!(matches!(&refused, Err(MailError::Rejected(why)) if why.contains("550")), "{refused:?}");
        let stranger =
            peer.mailer(&trusting.clone().at(&url("resend:wrong"))).send(&mail("a@b.example")).await;
        assert!(matches!(&stranger, Err(MailError::Estranged(why)) if why.contains("535")), "{stranger:?}");
        let doubting = peer.mailer(&Post::default().at(&url(login))).send(&mail("a@b.example")).await;
        assert!(matches!(&doubting, Err(MailError::Estranged(why)) if why.contains("TLS")), "{doubting:?}");
        mailer.send(&mail("maria@example.com")).await.unwrap();
    }
}
