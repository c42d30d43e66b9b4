//! `mqttspec record`

use std::fs::File;
use std::io::BufWriter;

use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::report::plural;
use crate::statements::catalogue;
use crate::tap::{self, Counts, Recorded, Told};
use crate::transcript::{printable, seconds};
use crate::transport::Transport;
use crate::wire::Side;

use super::args::RecordArgs;
use super::files::make_parent;
use super::out::{fail, print};
use super::{Exit, interrupt};

/// Runs a proxy between clients and a broker until Ctrl-C.
pub fn record(args: &RecordArgs) -> Exit {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(Exit::Unreachable, format!("cannot start: {error}")),
    };
    runtime.block_on(record_until_told(args))
}

async fn record_until_told(args: &RecordArgs) -> Exit {
    if args.target.transport() != Transport::Mqtt {
        let message = format!("{}: only plain TCP can be recorded", args.target);
        return fail(Exit::Usage, message);
    }
    let listener = match TcpListener::bind(args.listen).await {
        Ok(listener) => listener,
        Err(error) => return fail(Exit::Unreachable, format!("cannot listen on {}: {error}", args.listen)),
    };
    let cannot_write = |error| {
        let file = args.output.display();
        fail(Exit::Unreachable, format!("cannot write {file}: {error}"))
    };
    let file = match make_parent(&args.output).and_then(|()| File::create(&args.output)) {
        Ok(file) => BufWriter::new(file),
        Err(error) => return cannot_write(error),
    };
    let stopped = interrupt::watch();
    let here = listener.local_addr().unwrap_or(args.listen);
    print(&format!(
        "listening on mqtt://{here} for {}, writing {}; Ctrl-C ends\n",
        args.target,
        args.output.display()
    ));
    let (sender, mut told) = mpsc::unbounded_channel();
    let printer = tokio::spawn(async move {
        while let Some(told) = told.recv().await {
            print(&line(&told));
        }
    });
    let recorded = tap::record(listener, &args.target, file, sender, stopped).await;
    // It ends with the recording, which has dropped its side of the channel.
    let _ = printer.await;
    match recorded {
        Ok(recorded) => {
            print(&summary(&recorded));
            if recorded.breaches > 0 { Exit::Bad } else { Exit::Ok }
        }
        Err(error) => cannot_write(error),
    }
}

/// What happened, on one line.
fn line(told: &Told) -> String {
    let text = match told {
        Told::Opened { connection, client } => format!("{connection} {client} connected"),
        Told::Unreachable {
            connection,
            client,
            why,
        } => format!("{connection} {client} disconnected: the broker cannot be reached: {why}"),
        Told::NotAccepted(why) => format!("a connection could not be accepted: {why}"),
        Told::NotMqtt { connection, what } => {
            format!("{connection} speaks {what}: it is passed through, but not judged")
        }
        Told::Connect {
            connection,
            version,
            client_id,
        } => {
            let version = version.map_or("an unknown level", |v| v.name());
            format!("{connection} is client {client_id}, {version}")
        }
        Told::Finding {
            connection,
            at,
            finding,
        } => {
            let level = catalogue().get(finding.statement).map_or("MUST", |s| s.level.keyword());
            let by = match finding.by {
                Side::Client => "client",
                Side::Server => "broker",
            };
            format!(
                "{connection} {} the {by} violates {} ({level}): {}",
                seconds(*at),
                finding.statement,
                finding.text
            )
        }
        Told::Closed {
            connection,
            after,
            counts,
        } => format!("{connection} closed after {}: {}", seconds(*after), packets(counts)),
    };
    format!("{}\n", printable(&text))
}

/// `client 1 CONNECT, 2 PUBLISH; broker 1 CONNACK`
fn packets(counts: &Counts) -> String {
    let side = |side| {
        let all: Vec<String> = counts.of(side).iter().map(|(name, n)| format!("{n} {name}")).collect();
        if all.is_empty() {
            "nothing".to_owned()
        } else {
            all.join(", ")
        }
    };
    format!("client {}; broker {}", side(Side::Client), side(Side::Server))
}

fn summary(recorded: &Recorded) -> String {
    format!(
        "{}, {}, {}: {}\n",
        plural(recorded.connections as usize, "connection"),
        match recorded.breaches {
            1 => "1 violation".to_owned(),
            n => format!("{n} violations"),
        },
        format_args!("{} advice", recorded.advice),
        packets(&recorded.counts)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_identifier_moves_no_cursor() {
        let text = line(&Told::Connect {
            connection: 1,
            version: None,
            client_id: "\u{1b}[2J".into(),
        });
        assert_eq!(text, "1 is client \"\\u{1b}[2J\", an unknown level\n");
    }

    #[test]
    fn packets_are_counted_by_side() {
        let mut counts = Counts::default();
        counts.add(Side::Client, "PUBLISH");
        counts.add(Side::Client, "PUBLISH");
        assert_eq!(packets(&counts), "client 2 PUBLISH; broker nothing");
    }
}
