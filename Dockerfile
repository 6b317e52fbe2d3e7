# syntax=docker/dockerfile:1
# Both programs, built once. Targets:
#   ingest    lectern-ingest alone; writes the index in its volume /data
#   serve     lectern-serve alone; needs nothing writable
#   all       both under one supervisor, for one machine with one volume
#   binaries  the two programs as files: docker build --target binaries --output dist .
# Features: --build-arg FEATURES=lectern-ingest/local,lectern-serve/local

FROM rust:1.95-bookworm AS chef
RUN cargo install cargo-chef --locked --version 0.1.78
WORKDIR /src

FROM chef AS plan
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

# The layer of the dependencies: made again only when Cargo.lock or a Cargo.toml changes.
FROM chef AS build
ARG FEATURES=
COPY --from=plan /src/recipe.json .
RUN cargo chef cook --locked --profile dist --workspace --bins --features "$FEATURES" --recipe-path recipe.json
COPY . .
RUN cargo build --locked --profile dist --workspace --bins --features "$FEATURES" \
 && mkdir -p /out/data \
 && cp target/dist/lectern-ingest target/dist/lectern-serve /lib/*-linux-gnu/libgcc_s.so.1 /out/

FROM scratch AS binaries
COPY --from=build /out/lectern-ingest /out/lectern-serve /

# glibc, certificates and a user that is not root; no shell, no package manager.
FROM gcr.io/distroless/base-nossl-debian12:nonroot AS base
# All that the programs need besides: the image that has it is 8 MB larger.
COPY --from=build /out/libgcc_s.so.1 /usr/lib/
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Lectern" \
      org.opencontainers.image.description="Keeps a team's Markdown documentation searchable over MCP" \
      org.opencontainers.image.source="https://github.com/lectern-search/lectern" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
ENV LECTERN_INDEX_URL=sqlite:///data/lectern.db
WORKDIR /etc/lectern

# SQLite's temporary files go to the volume: nothing else can be written where the root is read-only.
FROM base AS ingest
ENV SQLITE_TMPDIR=/data
COPY --from=build /out/lectern-ingest /usr/local/bin/
COPY --from=build --chown=nonroot:nonroot /out/data /data
VOLUME /data
ENTRYPOINT ["lectern-ingest"]
CMD ["daemon"]

FROM base AS serve
COPY --from=build /out/lectern-serve /usr/local/bin/
ENV LECTERN_SERVE_LISTEN=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --start-period=10s CMD ["lectern-serve", "healthcheck"]
ENTRYPOINT ["lectern-serve"]

FROM debian:bookworm-slim AS all
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o 65532 -g 65532 /data
COPY --from=build /out/lectern-ingest /out/lectern-serve /usr/local/bin/
COPY deploy/both /usr/local/bin/lectern-both
ENV LECTERN_INDEX_URL=sqlite:///data/lectern.db LECTERN_SERVE_LISTEN=0.0.0.0:8080 SQLITE_TMPDIR=/data
WORKDIR /etc/lectern
USER 65532:65532
VOLUME /data
EXPOSE 8080
HEALTHCHECK --start-period=10s CMD ["lectern-serve", "healthcheck"]
ENTRYPOINT ["lectern-both"]
