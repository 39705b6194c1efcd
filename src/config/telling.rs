//! How the process tells of itself: its log, its figures.

use secrecy::SecretString;

use super::{Mode, vars::Vars};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// Short enough for a header, too long to guess.
pub(super) fn read_metrics_token(vars: &Vars<'_>) -> Option<SecretString> {
    let token = vars.get("METRICS_TOKEN")?;
    if !(24..=200).contains(&token.len()) || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        vars.wrong("METRICS_TOKEN", "must be 24 to 200 characters without spaces (openssl rand -hex 32)");
    }
    Some(SecretString::from(token))
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
