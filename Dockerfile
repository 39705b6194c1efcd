# Builds Jetbridge into one file that needs nothing of the image it runs in, and packs an image that holds nothing else:
# templates, styles, migrations and C's library are inside it. The queries were checked against PostgreSQL before they were
# committed (.sqlx), so no database is needed here.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
# Linked statically. That is said for a named target only, so that build scripts and macros stay ordinary libraries.
ENV SQLX_OFFLINE=true \
    CARGO_INCREMENTAL=0 \
    CARGO_PROFILE_RELEASE_STRIP=symbols \
    CARGO_PROFILE_RELEASE_LTO=fat \
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 \
    RUSTFLAGS="-C target-feature=+crt-static"

# Dependencies first, in a layer of their own that only a change of the lock file builds anew.
COPY Cargo.toml Cargo.lock ./
# Named by Cargo.toml, so they have to be there; nothing of them is built.
COPY benches benches
RUN mkdir -p src \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs \
    && cargo build --release --locked --bin jetbridge --target "$(rustc -vV | sed -n 's/^host: //p')" \
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
    && cargo build --release --locked --bin jetbridge --target "$(rustc -vV | sed -n 's/^host: //p')" \
    && cp target/*-linux-gnu/release/jetbridge /jetbridge

# No shell, no libraries, no package manager: whoever breaks in finds nothing to run.
FROM scratch
COPY --from=build /jetbridge /usr/local/bin/jetbridge
# Nobody in particular: the process owns no file and needs to write none.
USER 10001:10001
WORKDIR /
ENV JETBRIDGE_MODE=production \
    BIND_ADDR=0.0.0.0 \
    PORT=3000 \
    LOG_FORMAT=json
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s CMD ["/usr/local/bin/jetbridge", "health"]
ENTRYPOINT ["/usr/local/bin/jetbridge"]
CMD ["serve"]
