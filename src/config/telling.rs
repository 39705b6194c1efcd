//! How the process tells of itself: its log, its figures, its spans.

use secrecy::SecretString;
use url::Url;

use super::{Mode, vars::Vars};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// A collector that speaks OTLP over HTTP.
#[derive(Clone, Debug)]
pub struct TraceConfig {
    pub endpoint: Url,
    pub headers: Option<SecretString>,
}

/// Short enough for a header, too long to guess.
pub(super) fn read_metrics_token(vars: &Vars<'_>) -> Option<SecretString> {
    let token = vars.get("METRICS_TOKEN")?;
    if !(24..=200).contains(&token.len()) || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        vars.wrong("METRICS_TOKEN", "must be 24 to 200 characters without spaces (openssl rand -hex 32)");
    }
    Some(SecretString::from(token))
}

pub(super) fn read_traces(vars: &Vars<'_>) -> Option<TraceConfig> {
    let headers = vars.get("OTEL_EXPORTER_OTLP_HEADERS");
    let is_pair =
        |pair: &str| pair.split_once('=').is_some_and(|(name, value)| !name.is_empty() && !value.is_empty());
    if headers.as_ref().is_some_and(|headers| !headers.split(',').all(is_pair)) {
        vars.wrong("OTEL_EXPORTER_OTLP_HEADERS", "must be name=value, several with commas between");
    }
    let endpoint = vars.url("OTEL_EXPORTER_OTLP_ENDPOINT", &["https", "http"])?;
    Some(TraceConfig { endpoint, headers: headers.map(SecretString::from) })
}

pub(super) fn read_log_format(vars: &Vars<'_>, mode: Mode) -> LogFormat {
    match vars.get("LOG_FORMAT").as_deref() {
        None if mode == Mode::Demo => LogFormat::Text,
        None | Some("json") => LogFormat::Json,
        Some("text") => LogFormat::Text,
        Some(_) => {
            vars.wrong("LOG_FORMAT", "must be text or json");
            LogFormat::Text
        }
    }
}
