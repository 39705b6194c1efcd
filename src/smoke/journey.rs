//! The steps, in the order in which a traveller takes them.

use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use url::Url;

use super::{
    Fault, Settings, Went, html, traces,
    visitor::{Page, Visitor},
};
use crate::ids;

/// Sells tickets on every day, in the timetable as in the world.
const FROM: &str = "LIS";
const TO: &str = "LHR";
const CARD: &str = "4242 4242 4242 4242";
/// Whoever sees it in a list knows what it is.
const NAME: &str = "Smoketest";
const PHONE: &str = "+351 900 555 017";
const LOOK_EVERY: Duration = Duration::from_millis(300);

pub(super) struct Journey {
    settings: Settings,
    visitor: Visitor,
    email: String,
    password: String,
    /// The page looked at last.
    page: Option<Page>,
    /// Every page of a site that takes no real money says so.
    is_pretend: bool,
    has_account: bool,
    booking: Option<String>,
    is_paid: bool,
}

type Step = Result<Went, Fault>;

fn well(found: impl Into<String>) -> Step {
    Ok(Went::Well(found.into()))
}

fn skipped(why: impl Into<String>) -> Step {
    Ok(Went::Skipped(why.into()))
}

fn fault<T>(what: impl Into<String>) -> Result<T, Fault> {
    Err(Fault(what.into()))
}

impl Journey {
    pub fn new(settings: Settings) -> Result<Self, Fault> {
        let mark = format!("smoke-{}", ids::random_text(b"abcdefghjkmnpqrstuvwxyz23456789", 10));
        let email = match settings.email.as_deref().map(|email| email.split_once('@')) {
            None => format!("{mark}@example.com"),
            Some(Some((name, domain))) => format!("{name}+{mark}@{domain}"),
            Some(None) => return fault("--email is no address"),
        };
        let visitor = Visitor::new(settings.base_url.clone())?;
        Ok(Self {
            settings,
            visitor,
            email,
            password: ids::random_text(b"abcdefghjkmnpqrstuvwxyz23456789", 24),
            page: None,
            is_pretend: false,
            has_account: false,
            booking: None,
            is_paid: false,
        })
    }

    fn last(&mut self) -> Result<Page, Fault> {
        self.page.take().ok_or_else(|| Fault("the page before was lost".to_owned()))
    }

    fn reference(&self) -> Result<String, Fault> {
        self.booking.clone().ok_or_else(|| Fault("there is no booking".to_owned()))
    }

    pub async fn health(&mut self) -> Step {
        for (path, answer) in [("/healthz", "ok"), ("/readyz", "ready")] {
            let page = self.visitor.get(path).await?.expect(200)?;
            if page.body.trim() != answer {
                return fault(format!("{path} does not answer as Jetbridge does: is this another site?"));
            }
        }
        well(format!("{} is alive and ready", self.settings.base_url))
    }

    pub async fn security_headers(&mut self) -> Step {
        let page = self.visitor.get("/").await?.expect(200)?;
        let is_https = self.settings.base_url.scheme() == "https";
        let wanted = [
            ("content-security-policy", "default-src 'none'"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", ""),
            ("cross-origin-opener-policy", "same-origin"),
            ("x-request-id", ""),
            ("strict-transport-security", "max-age="),
        ];
        let wanted = wanted.iter().filter(|(name, _)| is_https || *name != "strict-transport-security");
        let mut count = 0;
        for (name, part) in wanted {
            count += 1;
            if !page.header(name).is_some_and(|value| value.contains(part)) {
                return fault(format!("the header {name} is missing, or is not {part}"));
            }
        }
        self.is_pretend = page.body.contains("class=\"demo\"");
        self.page = Some(page);
        let kind = if self.is_pretend { "a site without real money" } else { "a site that takes real money" };
        well(format!("{count} as they should be; {kind}"))
    }

    pub async fn sign_up(&mut self) -> Step {
        let page = self.visitor.get("/signup").await?.expect(200)?;
        let form = page.form(|action| action == "/signup", "signing up")?;
        let (email, password) = (self.email.clone(), self.password.clone());
        let typed = [("name", NAME), ("email", email.as_str()), ("password", password.as_str())];
        let made = self.visitor.submit(&page, form.with(&typed)).await?;
        made.leads_to()?;
        self.has_account = true;
        let page = self.visitor.get("/login").await?.expect(200)?;
        let form = page.form(|action| action == "/login", "signing in")?;
        let entered = self.visitor.submit(&page, form.with(&[typed[1], typed[2]])).await?;
        entered.leads_to()?;
        let account = self.visitor.get("/account").await?.expect(200)?;
        if !account.body.contains(&self.email) {
            return fault("the account's page does not show who is signed in");
        }
        well(&self.email)
    }

    /// On the day that the site's own form proposes.
    pub async fn search(&mut self) -> Step {
        let home = self.visitor.get("/").await?.expect(200)?;
        let form = home.form(|action| action == "/flights", "searching")?;
        let asked = form.with(&[("from", FROM), ("to", TO), ("trip", "oneway"), ("back", "")]);
        let found = self.visitor.submit(&home, asked).await?;
        let found = self.visitor.follow(found).await?.expect(200)?;
        let offers = html::links(&found.body, "/offers/").len();
        if offers == 0 {
            return fault(format!("no offers from {FROM} to {TO}"));
        }
        self.page = Some(found);
        well(format!("{FROM} to {TO}: {offers} offers on the first page"))
    }

    pub async fn offer(&mut self) -> Step {
        let link = self.last()?.link("/offers/")?;
        let page = self.visitor.get(&link).await?.expect(200)?;
        page.form(|action| action == "/bookings", "choosing it")?;
        self.page = Some(page);
        well("opened")
    }

    pub async fn book(&mut self) -> Step {
        let offer = self.last()?;
        let form = offer.form(|action| action == "/bookings", "choosing it")?;
        let to = self.visitor.submit(&offer, form).await?.leads_to()?;
        let reference =
            to.path().trim_start_matches("/bookings/").split('/').next().unwrap_or_default().to_owned();
        self.booking = Some(reference.clone());
        let page = self.visitor.open(to).await?.expect(200)?;
        let form = page.form(|action| action.ends_with("/passengers"), "naming who travels")?;
        let email = self.email.clone();
        let typed = [
            ("p1_given", "Jetbridge"),
            ("p1_family", NAME),
            ("p1_day", "4"),
            ("p1_month", "12"),
            ("p1_year", "1986"),
            ("p1_sex", "x"),
            ("email", email.as_str()),
            ("phone", PHONE),
        ];
        let saved = self.visitor.submit(&page, form.with(&typed)).await?;
        let review = self.visitor.follow(saved).await?.expect(200)?;
        review.form(|action| action.ends_with("/pay"), "paying")?;
        self.page = Some(review);
        well(format!("{reference} for Jetbridge {NAME}"))
    }

    pub async fn pay(&mut self) -> Step {
        if !self.is_pretend {
            return skipped("this site takes real money: stopped before the button");
        }
        let review = self.last()?;
        let form = review.form(|action| action.ends_with("/pay"), "paying")?;
        let to = self.visitor.submit(&review, form).await?.leads_to()?;
        if self.visitor.is_home(&to) {
            return fault(format!("no payment page was opened; sent to {} instead", to.path()));
        }
        let page = self.visitor.open(to.clone()).await?.expect(200)?;
        if !is_loopback(&to) {
            let host = to.host_str().unwrap_or_default();
            if !to.as_str().contains("cs_test_") {
                return fault(format!("the payment page at {host} is not in test mode"));
            }
            return skipped(format!("stopped at {host}, which only a browser with JavaScript can fill in"));
        }
        let form = page.form(|action| action.contains("/pay/"), "the card")?;
        let paid = self.visitor.submit(&page, form.with(&[("number", CARD)])).await?;
        let back = paid.leads_to()?;
        if !self.visitor.is_home(&back) {
            return fault("the payment page does not lead back");
        }
        self.is_paid = true;
        let back = self.visitor.open(back).await?;
        self.visitor.follow(back).await?.expect(200)?;
        well(format!("with test card {CARD}"))
    }

    pub async fn ticket(&mut self) -> Step {
        if !self.is_paid {
            return skipped("nothing was paid");
        }
        let reference = self.reference()?;
        let until = Instant::now() + self.settings.patience;
        loop {
            let page = self.visitor.get(&format!("/bookings/{reference}")).await?.expect(200)?;
            if page.says("Confirmed") {
                return well(format!("{reference} is confirmed"));
            }
            if Instant::now() > until {
                let heading =
                    html::text(&page.body).chars().skip_while(|c| *c != 'D').take(120).collect::<String>();
                let patience = self.settings.patience.as_secs();
                return fault(format!(
                    "{reference} is not confirmed after {patience} s: is the worker running? {heading}"
                ));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    pub async fn mail(&mut self) -> Step {
        let list = self.visitor.get("/demo/mail").await?;
        if list.status == reqwest::StatusCode::NOT_FOUND {
            return skipped(format!("this site's mail leaves it: look into the box of {}", self.email));
        }
        let reference = self.reference()?;
        let until = Instant::now() + self.settings.patience;
        loop {
            let list = self.visitor.get("/demo/mail").await?.expect(200)?;
            let newest = html::links(&list.body, "/demo/mail/");
            for link in newest.iter().take(10) {
                let mail = self.visitor.get(link).await?.expect(200)?;
                // The shop's own words around it name neither.
                if mail.says(&reference) && mail.says(&self.email) {
                    return well(format!("about {reference} arrived"));
                }
            }
            if Instant::now() > until {
                let patience = self.settings.patience.as_secs();
                return fault(format!("no mail about {reference} within {patience} s"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    pub async fn figures(&mut self) -> Step {
        let Some(token) = self.settings.metrics_token.clone() else {
            return skipped("no METRICS_TOKEN in this environment");
        };
        let page = self.visitor.get_with_token("/metrics", token.expose_secret()).await?.expect(200)?;
        if !page.body.contains("jetbridge_http_request_seconds") {
            return fault("/metrics tells nothing of requests");
        }
        self.visitor.get("/metrics").await?.expect(401)?;
        well("told to those with the token, and to nobody else")
    }

    pub async fn log(&mut self) -> Step {
        let Some(path) = self.settings.log_file.clone() else {
            return skipped("no --log-file: see that the site's log has the requests of this journey");
        };
        let asked = self.visitor.request_ids.len();
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            let log = traces::read(&path)?;
            let secrets = [
                ("the password", self.password.as_str()),
                ("the e-mail address", self.email.as_str()),
                ("a passenger's name", NAME),
                ("a phone number", PHONE),
                ("a card number", CARD),
            ];
            if let Some(what) = traces::told(&log, &secrets) {
                return fault(format!("{what} of this journey stands in the log"));
            }
            if traces::unreadable(&log) > 0 {
                return fault("some lines of the log are no JSON");
            }
            match traces::missing(&log, &self.visitor.request_ids) {
                0 => return well(format!("has all {asked} requests, and nothing of who made them")),
                missing if Instant::now() > until => {
                    return fault(format!("{missing} of {asked} requests are not in the log"));
                }
                _ => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Gives up what can be given up. What has to stay carries its name.
    pub async fn clean_up(&mut self) -> Step {
        if !self.has_account {
            return skipped("nothing was made");
        }
        if let (Some(reference), false) = (self.booking.clone(), self.is_paid) {
            let page = self.visitor.get(&format!("/bookings/{reference}")).await?;
            if let Some(form) = html::form(&page.body, |action| action.ends_with("/drop")) {
                self.visitor.submit(&page, form).await?.leads_to()?;
            }
        }
        let page = self.visitor.get("/account/delete").await?.expect(200)?;
        let password = self.password.clone();
        let Some(form) = html::form(&page.body, |action| action == "/account/delete") else {
            return well(self.left());
        };
        let gone = self.visitor.submit(&page, form.with(&[("password", password.as_str())])).await?;
        match gone.status.as_u16() {
            409 => well(self.left()),
            _ => {
                gone.leads_to()?;
                well("the account is deleted, and with it whose booking it was")
            }
        }
    }

    fn left(&self) -> String {
        let reference = self.booking.as_deref().unwrap_or("none");
        format!(
            "left: account {} and booking {reference} ({NAME}), which a ticket or a payment keeps",
            self.email
        )
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
