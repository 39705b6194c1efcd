//! The authenticator app on somebody's phone.

use jiff::{SignedDuration, Timestamp};
use totp_rs::{Builder, Secret, Totp};

use super::{app::TestApp, browser::Browser, page::Page};

pub struct Authenticator {
    totp: Totp,
    /// Shown once, after the setup.
    pub recovery_codes: Vec<String>,
}

impl Authenticator {
    /// Reads the secret as a person would type it.
    pub fn reading(setup: &Page) -> Self {
        let secret = Secret::try_from_base32(setup.text(".secret").replace(' ', "")).expect("a secret");
        let totp = Builder::new().with_secret(secret).with_account_name("test").build().expect("an app");
        Self { totp, recovery_codes: Vec::new() }
    }

    pub fn code(&self, at: Timestamp) -> String {
        self.totp.generate(at.as_second().try_into().expect("after 1970")).to_string()
    }

    /// Six digits that are not the code of any step near `at`.
    pub fn wrong_code(&self, at: Timestamp) -> String {
        let near: Vec<String> =
            (-3..=3).map(|step| self.code(at + SignedDuration::from_secs(30 * step))).collect();
        let mut guesses = (100_000..).map(|guess: u32| guess.to_string());
        guesses.find(|guess| !near.contains(guess)).expect("one of a million")
    }
}

impl TestApp {
    /// Sets up a second factor through the pages, as its owner would, whose address is proven.
    pub async fn second_factor(&self, browser: &Browser) -> Authenticator {
        let phone = self.told_second_factor(browser).await;
        self.forget_account_mails().await;
        phone
    }

    /// And leaves the mail about it to be sent.
    pub async fn told_second_factor(&self, browser: &Browser) -> Authenticator {
        let me = browser.get("/api/auth/me").await.expect(200).json();
        self.prove_address(me["email"].as_str().expect("an address")).await;
        let setup = browser.open("/account/second-factor/setup").await.expect(200);
        let mut phone = Authenticator::reading(&setup);
        let code = phone.code(self.now());
        let done = browser.submit(&setup, "main form", &[("code", &code)]).await;
        let shown = browser.follow(done).await.expect(200);
        phone.recovery_codes = shown.texts(".codes li");
        assert_eq!(phone.recovery_codes.len(), 10);
        phone
    }

    /// A code that has not been used: time goes on until the app shows the next one.
    pub fn fresh_code(&self, phone: &Authenticator) -> String {
        self.clock.advance(SignedDuration::from_secs(30));
        phone.code(self.now())
    }
}
