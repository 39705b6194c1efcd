//! What a browser got back, and how a test reads it: by what a person sees, not by the shape of the markup.

use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    rc::Rc,
};

use reqwest::{
    StatusCode,
    header::{CONTENT_TYPE, HeaderMap, LOCATION},
};
use scraper::{ElementRef, Html, Selector};
use url::Url;

pub struct Page {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Where it was asked for.
    pub url: Url,
    pub body: String,
    pub bytes: Vec<u8>,
    /// Bytes of the body as they came over the wire.
    pub weight: usize,
    html: OnceCell<Html>,
}

/// What pressing a button of a form would send.
#[derive(Debug)]
pub struct Submission {
    pub method: String,
    pub action: String,
    pub fields: Vec<(String, String)>,
}

impl Page {
    pub fn new(status: StatusCode, headers: HeaderMap, url: Url, bytes: &[u8]) -> Self {
        let body = String::from_utf8_lossy(bytes).into_owned();
        Self { status, headers, url, body, bytes: bytes.to_vec(), weight: bytes.len(), html: OnceCell::new() }
    }

    /// Asserts the status, and shows what the page says if it is another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{} answered: {}", self.url, self.gist());
        self
    }

    /// Asserts a redirect (303, as after every form) and returns where it leads.
    #[track_caller]
    pub fn redirect(&self) -> String {
        assert_eq!(self.status.as_u16(), 303, "{} answered: {}", self.url, self.gist());
        self.location()
    }

    #[track_caller]
    pub fn location(&self) -> String {
        self.header(LOCATION.as_str()).unwrap_or_else(|| panic!("{}: no Location", self.url)).to_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The line that sets the cookie of this name.
    pub fn set_cookie(&self, name: &str) -> &str {
        let lines = self.headers.get_all("set-cookie").iter().filter_map(|line| line.to_str().ok());
        let mut named = lines.filter(|line| line.split('=').next() == Some(name));
        named.next().unwrap_or_else(|| panic!("{}: sets no cookie {name}", self.url))
    }

    pub fn is_html(&self) -> bool {
        self.header(CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("text/html"))
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.url, self.body))
    }

    pub fn html(&self) -> &Html {
        self.html.get_or_init(|| Html::parse_document(&self.body))
    }

    pub fn has(&self, css: &str) -> bool {
        self.html().select(&selector(css)).next().is_some()
    }

    pub fn count(&self, css: &str) -> usize {
        self.html().select(&selector(css)).count()
    }

    /// The words of the first match, white space folded.
    #[track_caller]
    pub fn text(&self, css: &str) -> String {
        words(self.one(css))
    }

    pub fn texts(&self, css: &str) -> Vec<String> {
        self.html().select(&selector(css)).map(words).collect()
    }

    #[track_caller]
    pub fn attr(&self, css: &str, name: &str) -> String {
        let element = self.one(css);
        element.attr(name).unwrap_or_else(|| panic!("{}: {css} has no {name}", self.url)).to_owned()
    }

    pub fn attrs(&self, css: &str, name: &str) -> Vec<String> {
        self.html()
            .select(&selector(css))
            .filter_map(|element| element.attr(name))
            .map(str::to_owned)
            .collect()
    }

    pub fn h1(&self) -> String {
        self.text("h1")
    }

    /// All words of `<main>`, or of the body where there is none.
    pub fn words(&self) -> String {
        self.texts("main").into_iter().next().unwrap_or_else(|| self.text("body"))
    }

    #[track_caller]
    pub fn says(&self, what: &str) -> &Self {
        assert!(self.words().contains(what), "{} does not say {what:?}: {}", self.url, self.gist());
        self
    }

    /// The message beside a field, found as a screen reader finds it: by `aria-describedby`.
    #[track_caller]
    pub fn field_error(&self, name: &str) -> String {
        let field = self.one(&format!("[name='{name}'][aria-invalid=true]"));
        let described = field.attr("aria-describedby").unwrap_or_default();
        let message: Vec<String> =
            described.split_whitespace().flat_map(|id| self.texts(&format!("[id='{id}'].err"))).collect();
        assert!(!message.is_empty(), "{}: {name} is invalid but nothing says why", self.url);
        message.join(" ")
    }

    /// The present value of a field, as the next submission would send it.
    #[track_caller]
    pub fn value(&self, form: &str, name: &str) -> String {
        let fields = self.submission(form).fields;
        let found = fields.into_iter().find(|(key, _)| key == name);
        found.unwrap_or_else(|| panic!("{}: {form} has no field {name}", self.url)).1
    }

    /// What each form of the page would send now.
    pub fn forms(&self) -> Vec<Submission> {
        self.html().select(&selector("form")).map(|form| self.submission_of(form)).collect()
    }

    fn submission_of(&self, form: ElementRef<'_>) -> Submission {
        Submission {
            method: form.attr("method").unwrap_or("get").to_ascii_lowercase(),
            action: form.attr("action").unwrap_or(self.url.as_str()).to_owned(),
            fields: self.controls(form).into_iter().filter_map(successful).collect(),
        }
    }

    /// The names of a form's fields, filled in or not, each once.
    pub fn names_of(&self, form: usize) -> Vec<String> {
        let form = self.html().select(&selector("form")).nth(form).expect("the form");
        let mut names: Vec<String> =
            self.controls(form).iter().filter_map(|field| field.attr("name")).map(str::to_owned).collect();
        names.dedup();
        names
    }

    /// What the form would send now. `css` picks the form, or the button that is pressed.
    #[track_caller]
    pub fn submission(&self, css: &str) -> Submission {
        let picked = self.one(css);
        let form = match picked.value().name() {
            "form" => picked,
            _ => self.form_of(picked).unwrap_or_else(|| panic!("{}: {css} belongs to no form", self.url)),
        };
        let mut fields: Vec<(String, String)> =
            self.controls(form).into_iter().filter_map(successful).collect();
        let mut action = form.attr("action");
        if picked.value().name() == "button" {
            action = picked.attr("formaction").or(action);
            if let Some(name) = picked.attr("name") {
                fields.push((name.to_owned(), picked.attr("value").unwrap_or_default().to_owned()));
            }
        }
        Submission {
            method: form.attr("method").unwrap_or("get").to_ascii_lowercase(),
            action: action.unwrap_or(self.url.as_str()).to_owned(),
            fields,
        }
    }

    fn form_of<'a>(&'a self, control: ElementRef<'a>) -> Option<ElementRef<'a>> {
        match control.attr("form") {
            Some(id) => self.html().select(&selector(&format!("form[id='{id}']"))).next(),
            None => control
                .ancestors()
                .filter_map(ElementRef::wrap)
                .find(|element| element.value().name() == "form"),
        }
    }

    fn controls<'a>(&'a self, form: ElementRef<'a>) -> Vec<ElementRef<'a>> {
        self.html()
            .select(&selector("input, select, textarea"))
            .filter(|control| self.form_of(*control).is_some_and(|owner| owner.id() == form.id()))
            .collect()
    }

    #[track_caller]
    fn one(&self, css: &str) -> ElementRef<'_> {
        let found = self.html().select(&selector(css)).next();
        found.unwrap_or_else(|| panic!("{} ({}) has no {css}: {}", self.url, self.status, self.gist()))
    }

    fn gist(&self) -> String {
        let text = if self.is_html() { self.text("body") } else { self.body.clone() };
        format!("{} {}", self.status, text.chars().take(600).collect::<String>())
    }
}

fn successful(control: ElementRef<'_>) -> Option<(String, String)> {
    let name = control.attr("name").filter(|_| control.attr("disabled").is_none())?;
    let value = match control.value().name() {
        "select" => {
            let options: Vec<ElementRef<'_>> = control.select(&selector("option")).collect();
            let chosen =
                options.iter().find(|option| option.attr("selected").is_some()).or(options.first())?;
            chosen.attr("value").map_or_else(|| words(*chosen), str::to_owned)
        }
        "textarea" => control.text().collect(),
        _ => match control.attr("type").unwrap_or("text") {
            "checkbox" | "radio" if control.attr("checked").is_none() => return None,
            "checkbox" | "radio" => control.attr("value").unwrap_or("on").to_owned(),
            "submit" | "button" | "reset" | "image" | "file" => return None,
            _ => control.attr("value").unwrap_or_default().to_owned(),
        },
    };
    Some((name.to_owned(), value))
}

pub fn selector(css: &str) -> Rc<Selector> {
    thread_local! {
        /// The same few are asked of every page.
        static READ: RefCell<HashMap<String, Rc<Selector>>> = RefCell::default();
    }
    let read = || Rc::new(Selector::parse(css).unwrap_or_else(|error| panic!("{css}: {error}")));
    READ.with_borrow_mut(|known| match known.get(css) {
        Some(selector) => Rc::clone(selector),
        None => Rc::clone(known.entry(css.to_owned()).or_insert_with(read)),
    })
}

pub fn words(element: ElementRef<'_>) -> String {
    element.text().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}
