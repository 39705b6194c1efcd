//! What the process tells of itself: lines for people or JSON for machines, and never who travels. Ids, codes and amounts
//! go into a log line; names, addresses, numbers, tokens and bodies do not (`tests/it/log_privacy.rs` reads along).

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt, FilterFn, ParseError, filter_fn},
    fmt::{self, MakeWriter},
    layer::SubscriberExt,
};

use crate::config::LogFormat;

/// Libraries that repeat what they carry at levels below this, whatever `RUST_LOG` asks for: lettre can write each mail with
/// its address, its text and the tokens in it (Cargo.toml leaves that out of it as well), and tower-http whole addresses,
/// which may hold a token.
const HELD_AT: [(&str, Level); 2] = [("lettre", Level::INFO), ("tower_http", Level::INFO)];

fn is_discreet(metadata: &Metadata<'_>) -> bool {
    let library = metadata.target().split("::").next().unwrap_or_default();
    HELD_AT.iter().all(|(name, level)| *name != library || metadata.level() <= level)
}

pub fn subscriber<W>(
    format: LogFormat,
    filter: &str,
    ansi: bool,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, ParseError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(filter)?)
        .with_writer(writer)
        // It would tell of a closed standard error on standard error, and panic.
        .log_internal_errors(false);
    let discreet: FilterFn = filter_fn(is_discreet);
    Ok(match format {
        LogFormat::Json => Box::new(builder.json().flatten_event(true).finish().with(discreet)),
        LogFormat::Text => Box::new(builder.with_ansi(ansi).with_target(false).finish().with(discreet)),
    })
}

/// The same lines, while another layer with a filter of its own hears the process too. That filter must decide anew each time:
/// where all filters have decided for good, a record of the `log` crate that nobody wants makes them forget it.
pub fn subscriber_beside<W>(
    other: Box<dyn Layer<Registry> + Send + Sync>,
    format: LogFormat,
    filter: &str,
    ansi: bool,
    writer: W,
) -> Result<Box<dyn Subscriber + Send + Sync>, ParseError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(filter)?.and(filter_fn(is_discreet));
    let lines = fmt::layer().with_writer(writer).log_internal_errors(false);
    let heard = Registry::default().with(other);
    Ok(match format {
        LogFormat::Json => Box::new(heard.with(lines.json().flatten_event(true).with_filter(filter))),
        LogFormat::Text => Box::new(heard.with(lines.with_ansi(ansi).with_target(false).with_filter(filter))),
    })
}
