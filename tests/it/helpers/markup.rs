//! What holds for every page of ours, whatever it shows.

use scraper::ElementRef;

use super::page::{Page, selector};

pub fn faults(page: &Page) -> Vec<String> {
    let mut faults = Vec::new();
    let mut need = |holds: bool, rule: &str| {
        if !holds {
            faults.push(rule.to_owned());
        }
    };
    let start = page.body.trim_start().get(..15).unwrap_or_default();
    need(start.eq_ignore_ascii_case("<!doctype html>"), "starts with the doctype");
    need(page.has("html[lang]"), "names its language");
    need(page.count("head > title") == 1 && !page.text("title").is_empty(), "has a title");
    need(page.count("h1") == 1, "has exactly one h1");
    need(page.count("main") == 1, "has one main landmark");
    need(page.has("meta[name=viewport]"), "fits small screens");
    need(page.count("[style]") == 0, "has no style attribute");
    need(page.count("style:not([nonce])") == 0, "has no style without a nonce");
    need(page.count("script:not([nonce]):not([src])") == 0, "has no inline script without a nonce");
    need(no_handlers(page), "has no event handler in its markup");
    need(no_foreign_parts(page), "loads nothing from elsewhere");
    need(unique_ids(page), "has each id once");
    need(!page.body.contains("{{") && !page.body.contains("{%"), "has no template syntax left");
    let policy = page.header("content-security-policy").unwrap_or_default();
    need(
        policy.contains("default-src 'none'") || policy.contains("default-src 'self'"),
        "has a content security policy",
    );
    need(!policy.contains("unsafe-inline") && !policy.contains("unsafe-eval"), "has a strict policy");
    need(page.header("x-content-type-options") == Some("nosniff"), "is not sniffed");
    need(page.header("referrer-policy").is_some(), "has a referrer policy");
    let labels = page.attrs("label[for]", "for");
    let controls = selector("input:not([type=hidden]):not([type=submit]), select, textarea");
    let nameless = page.html().select(&controls).filter(|control| !is_labelled(&labels, *control));
    faults.extend(nameless.map(|control| format!("labels {}", control.html())));
    faults
}

fn no_handlers(page: &Page) -> bool {
    page.html().tree.values().filter_map(|node| node.as_element()).all(|element| {
        let leads = |name: &str| matches!(name, "href" | "src" | "action" | "formaction" | "data");
        let is_script =
            |name: &str, value: &str| leads(name) && value.trim_start().starts_with("javascript:");
        element.attrs().all(|(name, value)| !name.starts_with("on") && !is_script(name, value))
    })
}

fn no_foreign_parts(page: &Page) -> bool {
    let parts = [
        ("script[src]", "src"),
        ("img[src]", "src"),
        ("link[rel=stylesheet]", "href"),
        ("iframe[src]", "src"),
    ];
    parts.iter().flat_map(|(css, name)| page.attrs(css, name)).all(|address| {
        let target = page.url.join(&address);
        target.is_ok_and(|target| target.origin() == page.url.origin() || target.scheme() == "data")
    })
}

fn unique_ids(page: &Page) -> bool {
    let mut ids = page.attrs("[id]", "id");
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    ids.len() == all
}

fn is_labelled(labels: &[String], control: ElementRef<'_>) -> bool {
    let by_attribute = control.attr("aria-label").or(control.attr("aria-labelledby")).is_some();
    let by_id = control.attr("id").is_some_and(|id| labels.iter().any(|label| label == id));
    let around =
        control.ancestors().filter_map(ElementRef::wrap).any(|element| element.value().name() == "label");
    by_attribute || by_id || around
}
