//! `mqttspec replay`

use crate::capture::{self, Recorded, Summary};
use crate::harness;
use crate::play::Namespaces;
use crate::replay::{self, Difference, Login, Options, Replayed};
use crate::report::plural;
use crate::transcript::{printable, seconds};
use crate::wire::Side;

use super::args::ReplayArgs;
use super::out::{fail, print};
use super::{Exit, files, target};

/// Plays the clients of a capture against a broker.
pub fn replay(args: &ReplayArgs) -> Exit {
    let settings = capture::Settings {
        ports: args.port.clone(),
        ..capture::Settings::default()
    };
    let (streams, summary) = match files::capture(&args.file, &settings) {
        Ok(read) => read,
        Err(exit) => return exit,
    };
    let chosen: Vec<Recorded> = streams.into_iter().filter(|s| is_chosen(args, s)).collect();
    if chosen.is_empty() {
        let file = args.file.display();
        return fail(
            Exit::Nothing,
            format!("{file} has no MQTT connection that was selected"),
        );
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(Exit::Unreachable, format!("cannot start: {error}")),
    };
    let exit = runtime.block_on(play(args, &chosen, &summary));
    crate::sut::kill_all();
    exit
}

fn is_chosen(args: &ReplayArgs, recorded: &Recorded) -> bool {
    let stream = &recorded.stream;
    let id = stream.client_id.as_ref().and_then(|id| id.as_str());
    (args.stream.is_empty() || args.stream.contains(&stream.id))
        && (args.client_id.is_empty() || id.is_some_and(|id| args.client_id.iter().any(|wanted| wanted == id)))
}

async fn play(args: &ReplayArgs, streams: &[Recorded], summary: &Summary) -> Exit {
    let (target, settings) = match target::target(args.target.as_deref(), Side::Server, &[], &[], &args.reach).await {
        Ok(target) => target,
        Err(exit) => return exit,
    };
    let instance = match target.launcher.launch().await {
        Ok(instance) => instance,
        Err(error) => return fail(Exit::Unreachable, error),
    };
    let options = Options {
        speed: args.speed,
        rename: args.rename.then(|| Namespaces::new(harness::seed()).next()),
        login: settings.login.map(|login| Login {
            username: login.username,
            password: login.password,
        }),
        assume_connect: args.assume_connect,
        patience: args.response_timeout.unwrap_or(settings.patience),
        dialer: settings.dialer,
    };
    let replayed = replay::replay(streams, &*instance, &options).await;
    instance.stop().await;
    let replayed = match replayed {
        Ok(replayed) => replayed,
        Err(why) => return fail(Exit::Unreachable, why),
    };
    let whole = args.stream.is_empty() && args.client_id.is_empty();
    print(&text(&replayed, if whole { Some(summary) } else { None }));
    match (replayed.lines.is_empty(), replayed.differences.is_empty()) {
        (true, _) => fail(Exit::Nothing, "no connection of the capture can be replayed"),
        (false, true) => Exit::Ok,
        (false, false) => Exit::Bad,
    }
}

/// The result, for people.
fn text(replayed: &Replayed, summary: Option<&Summary>) -> String {
    let mut out = String::new();
    for line in &replayed.lines {
        let of_line: Vec<&Difference> = replayed
            .differences
            .iter()
            .filter(|d| d.stream == line.number)
            .collect();
        let name = match &line.client_id {
            Some(id) => format!("client {id}"),
            None => "a client without a name".to_owned(),
        };
        let verdict = match of_line.len() {
            0 => "the same".to_owned(),
            n => plural(n, "difference"),
        };
        let version = line.version;
        out.push_str(&format!(
            "stream {}  {}, {version}: {verdict}\n",
            line.number,
            printable(&name)
        ));
        for (_, count) in replayed.foreign.iter().filter(|(stream, _)| *stream == line.number) {
            let messages = plural(*count as usize, "message");
            out.push_str(&format!(
                "  {messages} not compared: the capture does not show the subscription\n"
            ));
        }
        for difference in of_line {
            let place = match difference.packet {
                Some(packet) => format!("packet {packet} at {}", seconds(difference.at)),
                None => format!("in the replay at {}", seconds(difference.at)),
            };
            out.push_str(&format!("  {place}  {}\n", printable(&difference.text)));
        }
    }
    for (stream, why) in &replayed.left_out {
        out.push_str(&format!("stream {stream}  left out: {why}\n"));
    }
    for unread in summary.iter().flat_map(|s| &s.tls_streams) {
        out.push_str(&format!(
            "stream {}  left out: it is TLS, from {} to {}\n",
            unread.stream, unread.client, unread.server
        ));
    }
    out.push_str(&format!(
        "{} played, {} left out; {} sent, {} compared, {}\n",
        plural(replayed.lines.len(), "stream"),
        replayed.left_out.len() + summary.map_or(0, |s| s.tls as usize),
        plural(replayed.sent as usize, "packet"),
        plural(replayed.compared as usize, "answer"),
        plural(replayed.differences.len() + replayed.more, "difference"),
    ));
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::replay::Line;
    use crate::wire::Version;

    #[test]
    fn differences_stand_below_their_stream() {
        let line = |number| Line {
            number,
            version: Version::V5,
            client_id: Some("c\u{1b}[2J".into()),
        };
        let difference = |packet, text: &str| Difference {
            stream: 4,
            packet,
            at: Duration::from_millis(1500),
            text: text.to_owned(),
        };
        let replayed = Replayed {
            lines: vec![line(1), line(4)],
            foreign: vec![(1, 2)],
            left_out: vec![(7, "it does not start with a CONNECT".to_owned())],
            differences: vec![
                difference(Some(12), "SUBACK reason_codes: captured [0x00], came [0x80]"),
                difference(None, "PINGRESP came, and was not captured"),
            ],
            more: 0,
            compared: 3,
            sent: 1,
        };
        assert_eq!(
            text(&replayed, Some(&Summary::default())),
            "stream 1  client \"c\\u{1b}[2J\", v5: the same\n\
             \x20 2 messages not compared: the capture does not show the subscription\n\
             stream 4  client \"c\\u{1b}[2J\", v5: 2 differences\n\
             \x20 packet 12 at 1.500s  SUBACK reason_codes: captured [0x00], came [0x80]\n\
             \x20 in the replay at 1.500s  PINGRESP came, and was not captured\n\
             stream 7  left out: it does not start with a CONNECT\n\
             2 streams played, 1 left out; 1 packet sent, 3 answers compared, 2 differences\n"
        );
    }
}
