# Builds Jetbridge and packs the one binary that serves everything: templates, styles and migrations are inside it.
# The queries were checked against PostgreSQL before they were committed (.sqlx), so no database is needed here.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
ENV SQLX_OFFLINE=true CARGO_INCREMENTAL=0

# Dependencies first, in a layer of their own that only a change of the lock file builds anew.
COPY Cargo.toml Cargo.lock ./
# Named by Cargo.toml, so they have to be there; nothing of them is built.
COPY benches benches
RUN mkdir -p src \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs \
    && cargo build --release --locked --bin jetbridge \
    && rm -rf src

COPY askama.toml ./
COPY .sqlx .sqlx
COPY migrations migrations
COPY static static
COPY templates templates
COPY email_templates email_templates
COPY src src
# The stand-ins above may be newer than the real files.
RUN touch src/main.rs src/lib.rs \
    && cargo build --release --locked --bin jetbridge \
    && strip target/release/jetbridge

FROM debian:bookworm-slim
# Time zones, certificates and everything else that it needs are inside the binary.
COPY --from=build /build/target/release/jetbridge /usr/local/bin/jetbridge
# Nobody in particular: the process owns no file and needs to write none.
USER 10001:10001
WORKDIR /
ENV JETBRIDGE_MODE=production \
    BIND_ADDR=0.0.0.0 \
    PORT=3000 \
    LOG_FORMAT=json
EXPOSE 3000
STOPSIGNAL SIGTERM
# The image has no HTTP client; bash and grep are enough to ask.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/$PORT && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q ' 200 ' <&3"]
ENTRYPOINT ["/usr/local/bin/jetbridge"]
CMD ["serve"]
