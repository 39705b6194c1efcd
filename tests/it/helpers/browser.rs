//! One person's browser: a cookie jar, the headers that browsers send, and no redirect that a test did not ask for.
//! Every HTML page that passes through is held against the rules of the house, and every answer of the API against its
//! document, so no test has to remember them.

use std::cell::RefCell;

use cookie::{Cookie, CookieJar};
use reqwest::{
    Method, RequestBuilder,
    header::{ACCEPT, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue, ORIGIN, SET_COOKIE},
    redirect,
};
use url::{Url, form_urlencoded};

use super::{
    contract, markup,
    page::{Page, Submission},
};

pub struct Browser {
    http: reqwest::Client,
    home: Url,
    cookies: RefCell<CookieJar>,
    headers: RefCell<HeaderMap>,
}

impl Browser {
    pub fn new(home: &Url) -> Self {
        let http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .timeout(std::time::Duration::from_secs(60))
            .no_proxy()
            .build()
            .expect("an HTTP client");
        Self { http, home: home.clone(), cookies: RefCell::default(), headers: RefCell::default() }
    }

    /// The same cookies and headers, at another address of the site.
    pub fn at(&self, home: &Url) -> Self {
        let browser = Self::new(home);
        browser.cookies.borrow_mut().clone_from(&self.cookies.borrow());
        browser.headers.borrow_mut().clone_from(&self.headers.borrow());
        browser
    }

    /// Whoever copied the cookies has this.
    pub fn copy(&self) -> Self {
        self.at(&self.home)
    }

    /// Sends this header with every request from now on.
    pub fn set_header(&self, name: &'static str, value: &str) {
        let value = HeaderValue::from_str(value).expect("a header value");
        self.headers.borrow_mut().insert(HeaderName::from_static(name), value);
    }

    pub async fn get(&self, path: &str) -> Page {
        self.send(Method::GET, path, "same-origin", |request| request).await
    }

    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.post(path, "application/x-www-form-urlencoded", body).await
    }

    pub async fn post(&self, path: &str, kind: &str, body: impl Into<reqwest::Body>) -> Page {
        let origin = self.home.origin().ascii_serialization();
        self.send(Method::POST, path, "same-origin", |request| {
            request.header(ORIGIN, origin).header(CONTENT_TYPE, kind).body(body)
        })
        .await
    }

    /// A form on somebody else's page that points here: the browser adds our cookies and says where it comes from.
    pub async fn post_from_elsewhere(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send(Method::POST, path, "cross-site", |request| {
            let kind = "application/x-www-form-urlencoded";
            request.header(ORIGIN, "https://elsewhere.example").header(CONTENT_TYPE, kind).body(body)
        })
        .await
    }

    /// As a program elsewhere posts: no cookie of ours, nothing that only browsers send.
    pub async fn post_from_elsewhere_raw(&self, path: &str, kind: &str, body: String) -> Page {
        self.send(Method::POST, path, "none", |request| request.header(CONTENT_TYPE, kind).body(body)).await
    }

    /// As our own page's script, or a program, calls the API.
    pub async fn call(&self, method: Method, path: &str, kind: &str, body: String) -> Page {
        self.send(method, path, "same-origin", |request| request.header(CONTENT_TYPE, kind).body(body)).await
    }

    pub async fn request(&self, method: Method, path: &str) -> Page {
        self.send(method, path, "same-origin", |request| request).await
    }

    /// Presses a button: sends the form's present fields, with `over` typed over them.
    #[track_caller]
    pub fn submit<'a>(
        &'a self,
        page: &Page,
        css: &str,
        over: &'a [(&'a str, &'a str)],
    ) -> impl Future<Output = Page> + 'a {
        let Submission { method, action, mut fields } = page.submission(css);
        let target = page.url.join(&action).expect("a form's action is a URL");
        async move {
            for (name, value) in over {
                fields.retain(|(key, _)| key != name);
                fields.push(((*name).to_owned(), (*value).to_owned()));
            }
            let pairs: Vec<(&str, &str)> = fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            if method == "post" {
                return self.post_form(target.as_str(), &pairs).await;
            }
            let mut target = target;
            target.query_pairs_mut().clear().extend_pairs(&pairs);
            self.get(target.as_str()).await
        }
    }

    /// Follows redirects until something is shown.
    pub async fn follow(&self, mut page: Page) -> Page {
        for _ in 0..10 {
            if !page.status.is_redirection() {
                return page;
            }
            let next = page.url.join(&page.location()).expect("Location is a URL");
            page = self.get(next.as_str()).await;
        }
        panic!("{}: redirects in circles", page.url);
    }

    /// Types the address and sees where that leads.
    pub async fn open(&self, path: &str) -> Page {
        let page = self.get(path).await;
        self.follow(page).await
    }

    pub fn cookie_names(&self) -> Vec<String> {
        self.cookies.borrow().iter().map(|cookie| cookie.name().to_owned()).collect()
    }

    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.borrow().get(name).map(|cookie| cookie.value().to_owned())
    }

    pub fn set_cookie(&self, name: &str, value: &str) {
        self.cookies.borrow_mut().add(Cookie::new(name.to_owned(), value.to_owned()));
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        from: &str,
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Page {
        let url = self.home.join(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let at_home = url.origin() == self.home.origin();
        let mut request = self
            .http
            .request(method, url.clone())
            .header(ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8")
            .header("sec-fetch-site", from)
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
            .headers(self.headers.borrow().clone());
        let cookies: Vec<String> =
            self.cookies.borrow().iter().map(|cookie| cookie.stripped().to_string()).collect();
        if at_home && !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        let request = with(request).build().unwrap_or_else(|error| panic!("{url}: {error}"));
        let method = request.method().clone();
        let sent = request.body().and_then(reqwest::Body::as_bytes).map(<[u8]>::to_vec);
        let response = self.http.execute(request).await.unwrap_or_else(|error| panic!("{url}: {error}"));
        if at_home {
            self.keep_cookies(response.headers());
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.unwrap_or_else(|error| panic!("{url}: {error}"));
        let page = Page::new(status, headers, url, &body);
        // A compressed page is only weighed, and the document of a mail is no page of ours.
        let mails = ["/demo/mail/", "/demo/letters/", "/admin/mails/"];
        let is_mail = page.url.path().ends_with("/html")
            && mails.iter().any(|place| page.url.path().starts_with(place));
        if at_home && page.is_html() && !is_mail && page.header("content-encoding").is_none() {
            let faults = markup::faults(&page);
            assert!(
                faults.is_empty(),
                "{} ({}) breaks the rules of the house: {faults:#?}",
                page.url,
                page.status
            );
        }
        if at_home && page.url.path().starts_with("/api/") && page.header("content-encoding").is_none() {
            contract::check(&method, sent.as_deref(), &page);
        }
        page
    }

    fn keep_cookies(&self, headers: &HeaderMap) {
        let mut jar = self.cookies.borrow_mut();
        for header in headers.get_all(SET_COOKIE) {
            let text = header.to_str().expect("a cookie in ASCII").to_owned();
            let cookie = Cookie::parse(text).expect("a well-formed cookie");
            if cookie.max_age().is_some_and(|age| age <= cookie::time::Duration::ZERO) {
                jar.force_remove(cookie.name());
            } else {
                jar.add(cookie);
            }
        }
    }
}
