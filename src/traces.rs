//! Spans for an OpenTelemetry collector, if one is configured: each request, each job, each call to somebody outside, with
//! how long it took and what led to it. Of what they are about goes out only what [`Delivery::plain`] lets through.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use opentelemetry::{
    KeyValue,
    trace::{SpanKind, TracerProvider},
};
use opentelemetry_otlp::{ExporterBuildError, Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    error::{OTelSdkError, OTelSdkResult},
    trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanEvents, SpanExporter},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Handle;
use tracing::Metadata;
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, Filter},
};
use url::Url;

use crate::outgoing;

const PATIENCE: Duration = Duration::from_secs(5);
/// What the last spans may take when the process ends.
const LAST: Duration = Duration::from_secs(1);
/// What may wait for a collector that does not answer. What comes then is lost, and nothing else suffers.
const MOST_WAITING: usize = 4_096;

#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// `http://127.0.0.1:4318`; spans go to `/v1/traces` below it.
    pub endpoint: Url,
    /// `name=value`, several with commas between: how a collector knows its own.
    pub headers: Option<SecretString>,
    pub service: String,
}

#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    #[error("the collector cannot be asked")]
    Http(#[from] reqwest::Error),
    #[error("spans cannot be sent")]
    Exporter(#[from] ExporterBuildError),
}

pub struct Traces(SdkTracerProvider);

impl Traces {
    /// To be called inside the runtime that is to deliver.
    pub fn start(settings: &TraceSettings) -> Result<Self, TraceError> {
        let http = outgoing::client().timeout(PATIENCE).build()?;
        let headers = settings.headers.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
        let headers = headers.split(',').filter_map(|pair| pair.split_once('='));
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(http)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", settings.endpoint.as_str().trim_end_matches('/')))
            .with_headers(
                headers.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect(),
            )
            .with_timeout(PATIENCE)
            .build()?;
        let delivery = Delivery {
            to: Arc::new(exporter),
            runtime: Handle::current(),
            is_heard: Arc::new(AtomicBool::new(true)),
        };
        let batches = BatchConfigBuilder::default().with_max_queue_size(MOST_WAITING).build();
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let resource = Resource::builder_empty()
            .with_service_name(settings.service.clone())
            .with_attribute(version)
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::builder(delivery).with_batch_config(batches).build())
            .with_resource(resource)
            .build();
        Ok(Self(provider))
    }

    /// Hears our own spans and nothing else: no log line, no library's span.
    pub fn layer(&self) -> Box<dyn Layer<Registry> + Send + Sync> {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("jetbridge"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            .with_level(false)
            .with_filter(Ours)
            .boxed()
    }

    /// Delivers what is still here, for a moment.
    pub async fn finish(self) {
        let flushing = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(LAST));
        if !matches!(tokio::time::timeout(LAST, flushing).await, Ok(Ok(Ok(())))) {
            tracing::warn!("the last spans were not delivered");
        }
    }
}

/// Our spans. It decides anew each time, as `logging::subscriber_beside` asks of it.
struct Ours;

impl<S> Filter<S> for Ours {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        metadata.is_span() && metadata.target().split("::").next() == Some(env!("CARGO_CRATE_NAME"))
    }
}

/// The way to the collector. It is called on a thread of the SDK's own, which has no runtime.
#[derive(Debug)]
struct Delivery {
    to: Arc<opentelemetry_otlp::SpanExporter>,
    runtime: Handle,
    is_heard: Arc<AtomicBool>,
}

impl Delivery {
    /// What may be known of a span outside of this process: patterns, kinds, ids of requests. Whatever else somebody once
    /// puts into a span stays here.
    fn plain(mut span: SpanData) -> SpanData {
        let find = |key: &str| -> String {
            let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == key);
            found.map(|attribute| attribute.value.to_string()).unwrap_or_default()
        };
        let (name, kind, keys): (String, SpanKind, &[(&str, &'static str)]) = match span.name.as_ref() {
            "request" => (
                format!("{} {}", find("method"), find("route")),
                SpanKind::Server,
                &[
                    ("id", "jetbridge.request_id"),
                    ("method", "http.request.method"),
                    ("route", "http.route"),
                    ("answer", "http.response.status_code"),
                ],
            ),
            "job" => (
                format!("job {}", find("kind")),
                SpanKind::Internal,
                &[("kind", "jetbridge.job"), ("number", "jetbridge.job_number")],
            ),
            "call" => (
                format!("{} {}", find("service"), find("what")),
                SpanKind::Client,
                &[("service", "peer.service"), ("what", "jetbridge.call")],
            ),
            other => (other.to_owned(), SpanKind::Internal, &[]),
        };
        let kept = |attribute: &KeyValue| {
            let (_, name) = keys.iter().find(|(own, _)| *own == attribute.key.as_str())?;
            Some(KeyValue::new(*name, attribute.value.clone()))
        };
        span.attributes = span.attributes.iter().filter_map(kept).collect();
        span.name = name.into();
        span.span_kind = kind;
        span.events = SpanEvents::default();
        span
    }

    /// Once for each silence, not for every batch.
    fn note(&self, delivered: &OTelSdkResult) {
        let was_heard = self.is_heard.swap(delivered.is_ok(), Ordering::Relaxed);
        if let (Err(error), true) = (delivered, was_heard) {
            tracing::warn!(%error, "spans cannot be delivered");
        }
    }
}

impl SpanExporter for Delivery {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let to = Arc::clone(&self.to);
        let batch = batch.into_iter().map(Self::plain).collect();
        let delivering = self.runtime.spawn(async move { to.export(batch).await });
        let delivered =
            delivering.await.unwrap_or_else(|error| Err(OTelSdkError::InternalFailure(error.to_string())));
        self.note(&delivered);
        delivered
    }

    fn set_resource(&mut self, resource: &Resource) {
        if let Some(to) = Arc::get_mut(&mut self.to) {
            to.set_resource(resource);
        }
    }
}
