//! `mqttspec serve`

use std::path::Path;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::harness::ByHand;
use crate::play::{Front, Seen};
use crate::report::{failure, terminal};
use crate::scenario::{Case, Files, Which};
use crate::suite::{CaseResult, TargetInfo, nearest};
use crate::transcript::{self, Application, What};
use crate::transport::Transport;
use crate::wire::Side;

use super::args::ServeArgs;
use super::exit::{of_verdicts, worse};
use super::out::{fail, print, width, wrap_width};
use super::{Exit, interrupt, set};

/// Plays a case as the server, for a client that is started by hand.
pub fn serve(args: &ServeArgs) -> Exit {
    let case = match case_of(args) {
        Ok(case) => case,
        Err(exit) => return exit,
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(Exit::Unreachable, format!("cannot start: {error}")),
    };
    runtime.block_on(listen(args, &case))
}

async fn listen(args: &ServeArgs, case: &Case) -> Exit {
    let stopped = interrupt::watch();
    let listening = TcpListener::bind(args.listen).await;
    let listening = listening.and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) = match listening {
        Ok(listening) => listening,
        Err(error) => return fail(Exit::Unreachable, format!("cannot listen on {}: {error}", args.listen)),
    };
    // A case about WebSocket is served over it.
    let transport = match args.transport {
        Transport::Mqtt if case.needs("websocket") => Transport::Ws,
        Transport::Mqtts if case.needs("websocket") => Transport::Wss,
        transport => transport,
    };
    let front = match Front::over(transport) {
        Ok(front) => front,
        Err(error) => return fail(Exit::Usage, error),
    };
    let ca = front
        .ca()
        .map(|file| format!("; the client has to trust {}", file.display()));
    let (onlooker, seen) = mpsc::unbounded_channel();
    let server = match ByHand::new(listener, front, args.timeout, onlooker) {
        Ok(server) => server,
        Err(error) => return fail(Exit::Unreachable, format!("cannot listen on {address}: {error}")),
    };
    let path = if transport.is_websocket() { "/mqtt" } else { "" };
    let ca = ca.unwrap_or_default();
    print(&format!("listening on {}://{address}{path}{ca}\n", transport));
    play(args, case, &server, seen, stopped).await
}

async fn play(
    args: &ServeArgs,
    case: &Case,
    server: &ByHand,
    mut seen: mpsc::UnboundedReceiver<Seen>,
    mut stopped: watch::Receiver<bool>,
) -> Exit {
    let width = case
        .script
        .clients
        .first()
        .map_or(0, |client| client.name.chars().count());
    let mut exit = Exit::Ok;
    loop {
        print(&format!("\n{}  {}\n", case.id, case.title));
        let played = server.play(case);
        tokio::pin!(played);
        let result = loop {
            tokio::select! {
                biased;
                Some(seen) = seen.recv() => print(&shown(&seen, width).unwrap_or_default()),
                result = &mut played => break result,
                // The sender lives as long as the runtime.
                _ = stopped.wait_for(|stopped| *stopped) => {
                    print("\nnot finished\n");
                    return if args.forever { exit } else { Exit::Interrupted };
                }
            }
        };
        while let Ok(seen) = seen.try_recv() {
            print(&shown(&seen, width).unwrap_or_default());
        }
        print(&verdict(&result, server.info()));
        exit = worse(exit, of_verdicts(std::iter::once(result.verdict), false));
        if !args.forever {
            return exit;
        }
    }
}

/// What the terminal shows of something that happens.
fn shown(seen: &Seen, width: usize) -> Option<String> {
    match seen {
        Seen::Began(Which::Case) => None,
        Seen::Began(Which::Control) => Some("\nthe control: the same exchange without the fault\n".to_owned()),
        Seen::Now(command) => Some(format!("now: {command}\n")),
        Seen::Event(event) => match &event.what {
            // The line above says the same to a person, who has no library that answers.
            What::Application(Application::Told { .. } | Application::Took(_)) => None,
            _ => Some(transcript::line(event, Side::Server, width) + "\n"),
        },
    }
}

/// The verdict on a line, and the report on a failure. Its trace is on the terminal already.
fn verdict(result: &CaseResult, info: &TargetInfo) -> String {
    let options = failure::Options {
        trace: false,
        width: width(),
        wrap: wrap_width(),
    };
    let mut text = "\n".to_owned();
    if result.is_bad() {
        text.push_str(&failure::account(result, info, options));
    } else {
        text.push_str(&terminal::line(result));
    }
    for advice in result.advice() {
        text.push_str(&format!("advice: {}\n", transcript::printable(&advice.text)));
    }
    text
}

/// The one case that the arguments name.
fn case_of(args: &ServeArgs) -> Result<Case, Exit> {
    let file = Path::new(&args.scenario);
    let files = if file.is_file() {
        Files::of_file(file)
    } else {
        Files::embedded_for(Side::Client)
    };
    let scenarios = files.load_all().map_err(|diagnostics| set::malformed(&diagnostics))?;
    let mut cases: Vec<Case> = scenarios.into_iter().flat_map(|scenario| scenario.cases).collect();
    if !file.is_file() {
        let is_meant = |case: &Case| case.header.path == args.scenario || case.id == args.scenario;
        if !cases.iter().any(is_meant) {
            let hint = nearest(&args.scenario, &cases)
                .map(|near| format!("; the nearest is `{near}`"))
                .unwrap_or_default();
            let message = format!("there is no file and no client scenario `{}`{hint}", args.scenario);
            return Err(fail(Exit::Nothing, message));
        }
        cases.retain(is_meant);
    }
    if cases.iter().any(|case| case.header.tests == Side::Server) {
        let message = format!(
            "`{}` tests brokers; `serve` plays scenarios with `tests: client`",
            args.scenario
        );
        return Err(fail(Exit::Usage, message));
    }
    let named = |case: &Case, name: &String| case.row.as_ref() == Some(name) || case.id == *name;
    let all: Vec<String> = cases.iter().map(|case| case.id.clone()).collect();
    cases.retain(|case| {
        args.case.as_ref().is_none_or(|name| named(case, name))
            && args.mqtt.is_none_or(|version| case.version == version)
    });
    let listed = |ids: &[String]| ids.iter().map(|id| format!("  {id}\n")).collect::<String>();
    match <[Case; 1]>::try_from(cases) {
        Ok([case]) => Ok(case),
        Err(none) if none.is_empty() => Err(fail(
            Exit::Nothing,
            format!("no case fits; there are:\n{}", listed(&all).trim_end()),
        )),
        Err(several) => {
            let ids: Vec<String> = several.iter().map(|case| case.id.clone()).collect();
            let message = format!(
                "choose one of these cases with --mqtt VERSION and --case NAME:\n{}",
                listed(&ids).trim_end()
            );
            Err(fail(Exit::Usage, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::transcript::{Author, Event};

    fn event(what: What) -> Seen {
        Seen::Event(Event {
            at: Duration::from_millis(12),
            client: Arc::from("c"),
            connection: 1,
            step: None,
            author: Author::Peer,
            what,
        })
    }

    #[test]
    fn a_command_is_shown_once_and_in_words() {
        let told = event(What::Application(Application::Told {
            id: 1,
            command: "reconnect".to_owned(),
        }));
        assert_eq!(shown(&told, 1), None);
        assert_eq!(shown(&event(What::Application(Application::Took(1))), 1), None);
        assert_eq!(
            shown(&event(What::Open), 1).unwrap(),
            "  0.012000s  c   connection opened\n"
        );
        assert!(shown(&Seen::Began(Which::Control), 1).unwrap().contains("control"));
    }
}
