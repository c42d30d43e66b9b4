# mqttspec in a small image: `docker build -t mqttspec .`, then
#
#   docker run --rm --network host mqttspec run mqtt://127.0.0.1:1883
#   docker run --rm --network host --user "$(id -u)" --volume "$PWD:/work" mqttspec run mqtt://127.0.0.1:1883 --html page.html
#
# There is no broker in it: a profile with `process` needs an image of yours that has both (`COPY --from=mqttspec /usr/local/bin/mqttspec ...`).
FROM rust:1-bookworm AS build
WORKDIR /src
# The dependencies, as a layer that changes with Cargo.lock alone: built for a package with nothing in it.
COPY Cargo.toml Cargo.lock ./
COPY crates/protocol/Cargo.toml crates/protocol/
COPY crates/reference/Cargo.toml crates/reference/
COPY crates/player/Cargo.toml crates/player/build.rs crates/player/
RUN mkdir -p src scenarios tests/long crates/protocol/src crates/reference/src crates/player/src \
    && echo 'fn main() {}' | tee src/main.rs tests/conformance.rs tests/hostile.rs tests/long/main.rs >/dev/null \
    && touch src/lib.rs crates/protocol/src/lib.rs crates/reference/src/lib.rs crates/player/src/lib.rs \
    && cargo build --profile dist --locked --bin mqttspec \
    && rm -rf src tests crates target/dist/.fingerprint/mqttspec*
COPY . .
RUN cargo build --profile dist --locked --bin mqttspec

FROM debian:bookworm-slim
# The authorities that sign brokers' certificates, for mqtts:// and wss://.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home mqttspec
COPY --from=build /src/target/dist/mqttspec /usr/local/bin/mqttspec
# Reports and snapshots are written where the caller's folder is mounted.
WORKDIR /work
RUN chown mqttspec /work
# What is kept between runs, also with another --user.
ENV MQTTSPEC_STATE=/tmp/mqttspec
USER 10001
ENTRYPOINT ["mqttspec"]
CMD ["run"]
