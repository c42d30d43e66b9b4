//! What the application of a client under test will be told in an exchange, for adapters that have to know it before they
//! start their client.

use crate::adapter::{Command, Endpoint, Planned};
use crate::scenario::{Case, Does, Expect, Part, Scope, Send, StepKind, Which, every};
use crate::wire::{PacketType, Side};

use super::Settings;
use super::matcher::setup;

/// Every command of one exchange, in its order, those of the set-up first.
///
/// # Errors
/// Why they are not known before the exchange.
pub(super) fn plan(
    case: &Case,
    which: Which,
    namespace: &str,
    endpoint: &Endpoint,
    settings: &Settings,
) -> Result<Vec<Planned>, String> {
    let scope = Scope::new(namespace)
        .with_scripted(Side::Server)
        .with_login(settings.login.clone())
        .with_auth(settings.auth.clone())
        .with_users(settings.users.clone());
    let setup = setup(&case.script.clients);
    let mut planned = Vec::new();
    let mut at_once = true;
    for step in setup.iter().chain(case.script.exchange(which).iter()) {
        match &step.what {
            StepKind::Does { client, what } => {
                let command = command(what, client, case, endpoint, &scope)?;
                planned.push(Planned { command, at_once });
                at_once = true;
            }
            what if is_of_command(what) => {}
            _ if every(std::slice::from_ref(step)).any(|step| matches!(step.what, StepKind::Does { .. })) => {
                return Err("the case repeats what the application does, or chooses it while it is played".to_owned());
            }
            _ => at_once = false,
        }
    }
    Ok(planned)
}

fn command(does: &Does, client: &str, case: &Case, endpoint: &Endpoint, scope: &Scope) -> Result<Command, String> {
    let Some(template) = &does.packet else {
        return Ok(Command::Reconnect);
    };
    let built = template.build(case.version, scope, client);
    let (packet, _) = built.map_err(|error| {
        let verb = does.verb.name();
        format!(
            "what `{verb}` needs is known only while the case is played: {}",
            error.message
        )
    })?;
    Command::of(packet, endpoint).ok_or_else(|| format!("`{}` is no command of the contract", does.verb.name()))
}

/// Whether a step is the packet that a command causes, or the answer to it.
fn is_of_command(what: &StepKind) -> bool {
    use PacketType as P;
    match what {
        StepKind::Expect {
            what: Expect::Packet(pattern),
            ..
        } => matches!(
            pattern.packet_type,
            P::Connect | P::Publish | P::PubRel | P::Subscribe | P::Unsubscribe
        ),
        StepKind::Send {
            what: Send::Write(write),
            ..
        } => write.parts.iter().all(|part| match part {
            Part::Packet(template) => matches!(
                template.packet_type,
                P::ConnAck | P::PubAck | P::PubRec | P::PubComp | P::SubAck | P::UnsubAck
            ),
            Part::Bytes(_) | Part::Frame(_) => false,
        }),
        StepKind::Note(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::scenario::{Source, load, render_all};
    use crate::statements::Version;

    fn planned(clients: &str, steps: &str) -> Result<Vec<(&'static str, bool)>, String> {
        let text = format!(
            "format: 1\ntests: client\ntitle: T\nversions: [v3.1.1]\nclients: {{ c: {clients} }}\nsteps:\n{steps}"
        );
        let source = Arc::new(Source {
            file: "a.yaml".to_owned(),
            text,
        });
        let scenario = load(&source, "a").unwrap_or_else(|errors| panic!("{}", render_all(&errors, false)));
        let endpoint = Endpoint::tcp("127.0.0.1", 1, Version::V3_1_1);
        let plan = plan(
            &scenario.cases[0],
            Which::Case,
            "ms00abcd",
            &endpoint,
            &Settings::default(),
        )?;
        Ok(plan.iter().map(|one| (one.command.name(), one.at_once)).collect())
    }

    #[test]
    fn a_command_is_at_once_if_nothing_but_the_one_before_it_happens_between_them() {
        let steps = "  - c does publish: { topic: $ns/a, qos: 1, payload: x }\n  - c -> PUBLISH: { packet_id: $m }\n  \
                     - c -> nothing\n  - c <- PUBACK: { packet_id: $m }\n  - c does disconnect\n  - c -> DISCONNECT\n";
        assert_eq!(
            planned("{ subscribe: { $ns/a: 1 } }", steps).unwrap(),
            [
                ("connect", true),
                ("subscribe", true),
                ("publish", true),
                ("disconnect", false)
            ]
        );
    }

    #[test]
    fn what_is_not_known_before_the_exchange_says_why() {
        let repeated = "  - repeat:\n      times: 2\n      steps:\n        - c does publish: { topic: $ns/a, payload: x }\n        \
                        - c -> PUBLISH\n";
        assert!(planned("{}", repeated).unwrap_err().contains("repeats"));
        let bound = "  - c does publish: { topic: $ns/a, qos: 1, payload: x }\n  - c -> PUBLISH: { payload: $p }\n  \
                     - c does publish: { topic: $ns/a, payload: $p }\n  - c -> PUBLISH\n";
        assert!(planned("{}", bound).unwrap_err().contains("while the case is played"));
    }
}
