//! The pieces of the page, drawn from the outline.

use maud::{Markup, html};

use super::outline::{Access, Answer, Call, Chapter, Kind, Member, Outline, Shape};
use crate::{
    limits::Rule,
    web::{
        codes::{CODES, Code},
        components::Fragment,
        scopes::Scope,
    },
};

/// Everything there is, by chapter, as links.
pub fn contents(outline: &Outline) -> Fragment {
    html! {
        @for chapter in &outline.chapters {
            h3.after { (chapter.name) }
            ul.calls { @for call in &chapter.calls { li { a href={ "#" (call.id) } { (call.summary) } } } }
        }
    }
    .into()
}

pub fn chapter(chapter: &Chapter) -> Fragment {
    html! {
        section.sec {
            h2 { (chapter.name) small { (chapter.about) } }
            div { @for one in &chapter.calls { (call(one)) } }
        }
    }
    .into()
}

fn call(call: &Call) -> Markup {
    html! {
        article.call id=(call.id) aria-labelledby={ (call.id) "-h" } {
            h3 id={ (call.id) "-h" } { (call.summary) }
            p.route { b { (call.method) } " " code { (call.path) } }
            @if !call.about.is_empty() { p.prose { (prose(&call.about)) } }
            p.small { (access(&call.access)) }
            @if !call.parameters.is_empty() { (members("Parameters", &call.id, &call.parameters)) }
            @if !call.body.is_empty() { (members("Body", &call.id, &call.body)) }
            pre.sample role="group" tabindex="0" aria-label={ "Example: " (call.summary) } { code { (call.sample) } }
            @for one in &call.answers { (answer(one)) }
            @if !call.failures.is_empty() {
                details {
                    summary { "When it goes wrong" }
                    (codes(&call.failures))
                }
            }
        }
    }
}

fn access(access: &Access) -> Markup {
    match access {
        Access::Everybody => html! { "For everybody." },
        Access::Signed(header) => html! { "For whoever signs it: " code { (header) } "." },
        Access::Session => html! { "For members of staff, by the session cookie. No token counts." },
        Access::Scopes(scopes) => html! {
            "With the session cookie, or a token"
            @for (place, scope) in scopes.iter().enumerate() {
                (if place == 0 { " with " } else { " and " }) code { (scope) }
            }
            "."
        },
    }
}

fn members(title: &str, of: &str, members: &[Member]) -> Markup {
    let id = format!("{of}-{}", title.to_lowercase());
    html! {
        h4 id=(id) { (title) }
        dl.members aria-labelledby=(id) {
            @for member in members {
                div {
                    dt { code { (member.name) } }
                    dd {
                        span.muted {
                            @if let Some(place) = member.place { (place) ", " }
                            (kind(&member.kind))
                            @if !member.required { ", may be left out" }
                        }
                        @if !member.about.is_empty() { br; (prose(&member.about)) }
                    }
                }
            }
        }
    }
}

fn kind(kind: &Kind) -> Markup {
    html! {
        (kind.before)
        @if kind.is_shape { a href={ "#shape-" (kind.name) } { (kind.name) } } @else { (kind.name) }
        (kind.after)
    }
}

fn answer(answer: &Answer) -> Markup {
    let told = html! {
        b { (answer.status) } " " (prose(&answer.about))
        @if let Some(shape) = &answer.kind { " Body: " (kind(shape)) "." }
    };
    html! {
        p.answer { (told) }
        @if let Some(example) = &answer.example {
            details {
                summary { "Example of the answer" }
                pre.sample role="group" tabindex="0" aria-label={ "Example of the answer " (answer.status) } { code { (example) } }
            }
        }
    }
}

fn codes(codes: &[&Code]) -> Markup {
    html! {
        dl.members {
            @for code in codes {
                div {
                    dt { (code.status) " " code { (code.name) } }
                    dd { (prose(code.meaning)) }
                }
            }
        }
    }
}

/// All that there are.
pub fn all_codes() -> Fragment {
    codes(&CODES.iter().collect::<Vec<_>>()).into()
}

pub fn scopes() -> Fragment {
    html! {
        dl.members {
            @for scope in Scope::ALL {
                div { dt { code { (scope.code()) } } dd { (scope.in_words()) } }
            }
        }
    }
    .into()
}

/// Those that a program meets.
const LIMITS: [Rule; 10] = [
    Rule::SignInAddress,
    Rule::SignUpAddress,
    Rule::SignUpAccount,
    Rule::ResetAddress,
    Rule::ResetAccount,
    Rule::PasswordAgain,
    Rule::SearchAddress,
    Rule::SearchAccount,
    Rule::BookingAddress,
    Rule::BookingAccount,
];

pub fn limits() -> Fragment {
    html! {
        dl.members {
            @for limit in LIMITS.map(Rule::limit) {
                div {
                    dt { code { (limit.name) } }
                    dd { (limit.burst) " at once, then one every " (span(limit.every)) "." }
                }
            }
        }
    }
    .into()
}

fn span(span: std::time::Duration) -> String {
    match (span.as_secs(), span.subsec_millis()) {
        (0, millis) => format!("{millis} ms"),
        (1, _) => "second".to_owned(),
        (seconds @ ..=119, _) => format!("{seconds} seconds"),
        (seconds, _) => format!("{} minutes", seconds / 60),
    }
}

pub fn shapes(shapes: &[Shape]) -> Fragment {
    html! {
        @for shape in shapes {
            article.call id={ "shape-" (shape.name) } {
                h3 { (shape.name) }
                @if !shape.about.is_empty() { p.prose { (prose(&shape.about)) } }
                @if shape.members.is_empty() { p.muted { (kind(&shape.kind)) } }
                @else { (members("Members", &format!("shape-{}", shape.name), &shape.members)) }
            }
        }
    }
    .into()
}

/// Words between backticks are code.
fn prose(text: &str) -> Markup {
    html! {
        @for (place, part) in text.split('`').enumerate() {
            @if place % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}
