# mqttspec in a small image: `docker build -t mqttspec .`, then `docker run --rm --network host mqttspec run mqtt://127.0.0.1:1883`.
FROM rust:1-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked

FROM debian:bookworm-slim
COPY --from=build /src/target/release/mqttspec /usr/local/bin/mqttspec
# Reports and snapshots are written where the caller's folder is mounted.
WORKDIR /work
ENTRYPOINT ["mqttspec"]
CMD ["run"]
