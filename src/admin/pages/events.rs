//! What happened to a booking, put into words for its timeline and for the audit log.

use serde_json::Value;

use super::{amount, in_words, joined, moment, second};
use crate::{
    admin::{self, EventRow},
    web::components::{LogEntry, Tone},
};

pub(super) fn entry(event: &EventRow, attempts: &[admin::AttemptRow]) -> LogEntry {
    let total = event.data["amount_minor"].as_i64().zip(event.data["currency"].as_str());
    LogEntry {
        tone: event_tone(&event.kind),
        datetime: event.at.to_string(),
        when: second(event.at),
        title: in_words(&event.kind),
        amount: total.map(|(minor, currency)| amount(minor, currency)),
        text: Some(joined([Some(event.actor.clone()), Some(facts(&event.data, attempts))])),
    }
}

fn event_tone(kind: &str) -> Tone {
    match kind {
        "confirmed" | "tickets_issued" | "payment_captured" => Tone::Good,
        kind if kind.ends_with("_failed") || kind.ends_with("_refused") || kind.ends_with("_unknown") => {
            Tone::Bad
        }
        "failed" | "payment_quarantined" => Tone::Bad,
        "expired" | "price_up" | "price_changed" | "sold_out" | "card_declined" | "hold_lapsed"
        | "changed_by_airline" => Tone::Warn,
        _ => Tone::Plain,
    }
}

/// `{"from": "held", "pnr": "6KQU9U"}` → "from held, pnr 6KQU9U". Amounts stand in their own column.
pub(super) fn facts(data: &Value, attempts: &[admin::AttemptRow]) -> String {
    let Value::Object(map) = data else { return String::new() };
    let fact = |(name, value): (&String, &Value)| {
        let text = match value {
            // What is more than a word stands elsewhere on the page.
            Value::Null | Value::Object(_) | Value::Array(_) => return None,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match name.as_str() {
            "amount_minor" | "currency" => None,
            name if name.ends_with("_minor") => {
                let sum = value.as_i64().zip(data["currency"].as_str());
                let sum = sum.map_or(text, |(minor, currency)| amount(minor, currency));
                Some(format!("{} {sum}", name.trim_end_matches("_minor").replace('_', " ")))
            }
            "until" => Some(format!("until {}", text.parse().map_or(text, moment))),
            "attempt" => Some(attempt_name(&text, attempts)),
            "quote_hash" => Some(format!("quote {}", text.chars().take(12).collect::<String>())),
            name => Some(format!("{} {text}", name.replace('_', " "))),
        }
    };
    map.iter().filter_map(fact).collect::<Vec<_>>().join(", ")
}

fn attempt_name(id: &str, attempts: &[admin::AttemptRow]) -> String {
    match attempts.iter().position(|attempt| attempt.id.to_string() == id) {
        Some(place) => format!("attempt {}", place + 1),
        None => format!("attempt {id}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn facts_are_put_into_words() {
        let data =
            json!({ "from": "draft", "reason": null, "amount_minor": 5, "currency": "EUR", "pnr": "6KQU9U" });
        assert_eq!(facts(&data, &[]), "from draft, pnr 6KQU9U");
        assert_eq!(facts(&json!({ "attempt": "x", "seats": 2 }), &[]), "attempt x, seats 2");
        assert_eq!(facts(&json!([1]), &[]), "");
        let data = json!({ "kept_minor": 8000, "currency": "EUR", "until": "2026-12-02T03:30:12.341039Z" });
        assert_eq!(facts(&data, &[]).replace('\u{a0}', " "), "kept EUR 80.00, until 2 Dec 03:30");
    }
}
