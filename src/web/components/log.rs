//! The timeline: events and money in one list.

use maud::html;

use crate::web::components::{Fragment, Tone};

#[derive(Clone, Debug, Default)]
pub struct LogEntry {
    pub tone: Tone,
    /// For machines, "2026-11-22T16:41Z"; empty where there is no time yet.
    pub datetime: String,
    /// "22 Nov 16:41", or a word: "now", "next".
    pub when: String,
    pub title: String,
    /// With its sign and currency, "− EUR 571.40".
    pub amount: Option<String>,
    pub text: Option<String>,
}

pub fn log(entries: &[LogEntry]) -> Fragment {
    html! {
        ol.log {
            @for entry in entries {
                li data-is=[entry.tone.word()] aria-current=[(entry.tone == Tone::Now).then_some("step")] {
                    @if entry.datetime.is_empty() { small { (entry.when) } }
                    @else { time datetime=(entry.datetime) { (entry.when) } }
                    " "
                    @if entry.tone == Tone::Todo { span { (entry.title) } } @else { b { (entry.title) } }
                    @if let Some(amount) = &entry.amount { " " span.num { (amount) } }
                    @if let Some(text) = &entry.text { p { (text) } }
                }
            }
        }
    }
    .into()
}
