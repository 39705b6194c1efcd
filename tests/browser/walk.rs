//! The traveller's way, step by step, by what stands on each page.

use std::time::Instant;

use crate::{
    access,
    helpers::{
        app::{ALICE, PASSWORD, TestApp},
        story::{DECLINED_CARD, GOOD_CARD},
    },
    webdriver::{Driver, PATIENCE},
};

pub struct Walk<'a> {
    pub app: &'a TestApp,
    pub driver: &'a Driver,
    /// Holds each page against the accessibility rules, in all looks.
    pub looks_closely: bool,
}

impl Walk<'_> {
    pub async fn open(&self, path: &str) {
        self.driver.open(self.app.url.join(path).expect("an address").as_str()).await;
    }

    /// The page's heading says this; and the page is as it has to be.
    pub async fn see(&self, name: &str, heading: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.driver.text("h1").await.contains(heading) {
            let said = self.driver.text("h1").await;
            assert!(Instant::now() < end, "{name}: the heading is {said:?}, not …{heading}…");
        }
        if self.looks_closely {
            access::check(self.driver, name).await;
        }
    }

    /// What is wrong is said, takes the focus, and nothing typed is lost.
    pub async fn look_for_nonsense(&self) {
        let driver = self.driver;
        self.open("/").await;
        self.see("home", "Look up a flight").await;
        driver.click("input[name=trip][value=oneway]").await;
        driver.fill("#from", "Atlantis").await;
        driver.fill("#to", "LHR").await;
        driver.fill("#leave", "12142026").await;
        driver.click(".plate .btn").await;
        driver.wait_for(".errors").await;
        self.see("home-errors", "").await;
        assert!(driver.text(".errors").await.contains("Atlantis"));
        assert!(driver.has(".errors:focus").await, "the summary did not take the focus");
    }

    /// With an account, made on the way.
    pub async fn book(&self) {
        self.choose_a_flight().await;
        self.get_an_account().await;
        self.say_who_travels().await;
        self.pay().await;
        self.open("/bookings").await;
        self.see("bookings", "Your bookings").await;
        self.driver.click("main table a").await;
        self.find_the_ticket().await;
    }

    /// Without an account: this browser, and the link in the mail, are the way back.
    pub async fn book_as_a_guest(&self) {
        self.choose_a_flight().await;
        self.say_who_travels().await;
        self.pay().await;
        self.driver.click("main a[href^='/bookings/']").await;
        self.find_the_ticket().await;
        self.open("/find").await;
        self.see("find", "Find").await;
    }

    async fn choose_a_flight(&self) {
        let driver = self.driver;
        self.open("/").await;
        driver.click("input[name=trip][value=oneway]").await;
        driver.fill("#from", "lisbon").await;
        driver.fill("#to", "LHR").await;
        driver.fill("#leave", "12142026").await;
        driver.click(".plate .btn").await;
        self.see("flights", "Lisbon").await;
        driver.click("article.offer a.btn").await;
        self.see("offer", "Lisbon").await;
        driver.click("button[form=choose]").await;
    }

    async fn get_an_account(&self) {
        let driver = self.driver;
        driver.wait_for_address("/passengers").await;
        driver.click("main a[href^='/login']").await;
        driver.wait_for_address("/login").await;
        self.see("login", "Sign in").await;
        driver.click("main a[href^='/signup']").await;
        self.see("signup", "account").await;
        driver.fill("#name", "Alice Archer").await;
        driver.fill("#email", ALICE).await;
        driver.fill("#password", PASSWORD).await;
        driver.click("form[action='/signup'] .btn").await;
        driver.wait_for_address("/signup/sent").await;
        self.see("signup-sent", "mail").await;
        driver.click("main a[href^='/login']").await;
        driver.wait_for_address("/login").await;
        driver.fill("#email", ALICE).await;
        driver.fill("#password", PASSWORD).await;
        driver.click("form[action='/login'] .btn").await;
        // Back at the booking, which was not lost on the way.
        driver.wait_for_address("/passengers").await;
        driver.click("form[action='/bookings/claim'] .btn").await;
        driver.click("main a[href$='/passengers']").await;
    }

    async fn say_who_travels(&self) {
        let driver = self.driver;
        driver.wait_for_address("/passengers").await;
        self.see("passengers", "Who travels").await;
        driver.click("button[form=who]").await;
        driver.wait_for(".errors").await;
        self.see("passengers-errors", "Who travels").await;
        assert!(driver.has(".errors:focus").await, "the summary did not take the focus");
        driver.fill("[name=p1_given]", "Alice").await;
        driver.fill("[name=p1_family]", "Archer").await;
        driver.fill("[name=p1_day]", "4").await;
        driver.fill("[name=p1_month]", "12").await;
        driver.fill("[name=p1_year]", "1986").await;
        driver.click("[name=p1_sex][value=f]").await;
        driver.fill("[name=email]", ALICE).await;
        driver.fill("[name=phone]", "+351 900 000 000").await;
        driver.click("button[form=who]").await;
        driver.wait_for_address("/review").await;
        self.see("review", "Check everything").await;
    }

    async fn pay(&self) {
        let driver = self.driver;
        driver.click("button[form=pay]").await;
        driver.wait_for_address(self.app.stripe.base_url()).await;
        self.see("stripe", "Pay").await;
        driver.fill("#number", DECLINED_CARD).await;
        driver.click("form button").await;
        driver.wait_for("[role=alert]").await;
        self.see("stripe-declined", "Pay").await;
        assert!(driver.text("[role=alert]").await.contains("Nothing was charged"));
        driver.fill("#number", GOOD_CARD).await;
        driver.click("form button").await;
        driver.wait_for_address("/bookings/").await;
        self.see("return", "").await;
        self.keep_the_page_from_looking_again().await;
        self.app.settle().await;
    }

    /// Else it could take the place of a page that is opened in the same moment.
    async fn keep_the_page_from_looking_again(&self) {
        while self.driver.has("[data-again]").await {
            self.driver.click(".acts a[href*='/return?n=']").await;
        }
    }

    async fn find_the_ticket(&self) {
        self.driver.wait_for(".ticket .ref").await;
        self.see("booking", "").await;
        assert_eq!(self.app.count("bookings where booking_status = 'confirmed'").await, 1);
        assert_eq!(self.app.count("attempts where state = 'captured'").await, 1);
    }

    /// The mail that was sent, the account, and the way out.
    pub async fn see_what_is_left(&self) {
        let driver = self.driver;
        self.open("/demo/mail").await;
        driver.wait_for("main a[href^='/demo/mail/']").await;
        self.see("mailbox", "").await;
        driver.click("main a[href^='/demo/mail/']").await;
        driver.wait_for("iframe").await;
        self.see("mail", "").await;
        self.open("/airports?q=san").await;
        self.see("airports", "Find an airport").await;
        self.app.prove_address(ALICE).await;
        for (path, heading) in [
            ("/account/profile", ""),
            ("/account/travellers", "Saved travellers"),
            ("/account/password", ""),
            ("/account/email", ""),
            ("/account/devices", ""),
            ("/account/second-factor", "Second factor"),
            ("/account/second-factor/setup", ""),
            ("/account/delete", ""),
            ("/reset", ""),
            ("/find", ""),
            ("/account", "Your account"),
        ] {
            self.open(path).await;
            self.see(path.trim_start_matches('/').replace('/', "-").as_str(), heading).await;
        }
        driver.click("form[action='/logout'] .btn").await;
        driver.wait_for("header a[href^='/login']").await;
        self.open("/account").await;
        driver.wait_for_address("/login").await;
    }
}

/// Whether a page's own script runs.
pub async fn runs_scripts(driver: &Driver, app: &TestApp) -> bool {
    let page = "data:text/html,<title>off</title><script>document.title='on'</script>";
    driver.open(page).await;
    let title = driver.run("return document.title").await;
    driver.open(app.url.as_str()).await;
    title == "on"
}
