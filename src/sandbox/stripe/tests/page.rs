//! The hosted page, as a browser without JavaScript meets it.

use super::*;

struct Answer {
    status: u16,
    location: Option<String>,
    policy: String,
    text: String,
}

async fn send(request: reqwest::RequestBuilder) -> Answer {
    let answer = request.send().await.unwrap();
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (location, policy) = (header("location"), header("content-security-policy").unwrap_or_default());
    Answer { status: answer.status().as_u16(), location, policy, text: answer.text().await.unwrap() }
}

struct Browser(reqwest::Client, String);

impl Browser {
    fn at(url: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        Self(client.build().unwrap(), url.to_owned())
    }

    async fn get(&self, path: &str) -> Answer {
        send(self.0.get(format!("{}{path}", self.1))).await
    }

    async fn post(&self, path: &str, form: &str) -> Answer {
        let request = self.0.post(format!("{}{path}", self.1)).body(form.to_owned());
        send(request.header("content-type", "application/x-www-form-urlencoded")).await
    }
}

#[tokio::test]
async fn a_traveller_pays_after_a_typo_and_a_decline() {
    let world = World::start().await;
    let session = world.payments.open_session(&world.session("k")).await.unwrap();
    let browser = Browser::at(session.url.as_deref().unwrap());

    let page = browser.get("").await;
    assert_eq!(page.status, 200);
    for text in [
        "EUR\u{a0}412.60",
        "Lisbon to New York, 12 Mar",
        "Sandbox: no real money",
        "/cancelled",
        "<label for=\"number\">",
    ] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    assert!(page.policy.contains("form-action 'self' http://127.0.0.1:3000;"), "{}", page.policy);

    for (typed, kept) in [("4242", "4242"), ("\"><script>", "&#34;&#62;&#60;script&#62;"), ("", "value=\"\"")]
    {
        let typo = browser.post("", &format!("number={typed}")).await;
        assert_eq!(typo.status, 422);
        assert!(typo.text.contains("Type the whole card number"), "{typed}");
        assert!(typo.text.contains(kept), "{typed}: {}", typo.text);
    }
    let declined = browser.post("", "number=4000+0000+0000+0002").await;
    assert_eq!(declined.status, 402);
    assert!(declined.text.contains("Your card was declined. Nothing was charged."));
    assert!(!declined.text.contains("value=\"4000"));

    let paid = browser.post("", "number=4242424242424242").await;
    assert_eq!(paid.status, 303);
    let back = format!("http://127.0.0.1:3000/return?session={}", session.id);
    assert_eq!(paid.location.as_deref(), Some(back.as_str()));
    let again = browser.post("", "number=4242424242424242").await;
    assert_eq!(again.status, 200);
    assert!(again.text.contains("This payment is done"));
    assert_eq!(world.stripe.intents().len(), 1);
}

#[tokio::test]
async fn three_d_secure_has_its_own_page() {
    let world = World::start().await;
    let session = world.payments.open_session(&world.session("k")).await.unwrap();
    let browser = Browser::at(session.url.as_deref().unwrap());
    let early = browser.get("/authenticate").await;
    assert_eq!(early.status, 303);
    let asked = browser.post("", "number=4000002500003155").await;
    let step = format!("/pay/{}/authenticate", session.id);
    assert_eq!((asked.status, asked.location.as_deref()), (303, Some(step.as_str())));
    assert!(browser.get("/authenticate").await.text.contains("Your bank asks"));
    assert_eq!(browser.post("/authenticate", "verdict=fail").await.status, 402);
    browser.post("", "number=4000002500003155").await;
    assert_eq!(browser.post("/authenticate", "verdict=pass").await.status, 303);
}

#[tokio::test]
async fn expired_and_unknown_sessions_have_clear_pages() {
    let world = World::start().await;
    let session = world.payments.open_session(&world.session("k")).await.unwrap();
    let browser = Browser::at(session.url.as_deref().unwrap());
    world.clock.advance(SignedDuration::from_mins(46));
    for answer in [browser.get("").await, browser.post("", "number=4242424242424242").await] {
        assert_eq!(answer.status, 410);
        assert!(answer.text.contains("This payment page has expired"));
    }
    assert!(world.stripe.events().iter().any(|event| event.kind == "checkout.session.expired"));
    let nowhere = Browser::at(world.stripe.base_url()).get("/pay/cs_test_none").await;
    assert_eq!(nowhere.status, 404);
    assert!(nowhere.text.contains("There is no such payment page"));
}
