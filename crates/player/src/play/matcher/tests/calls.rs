//! What the application of a client under test is told, and when.

use super::*;
use crate::scenario::Verb;
use crate::transcript::Application;
use crate::wire::Connect;

/// A client under test of which the test says what it does.
struct Bench {
    matcher: Matcher,
    now: Duration,
    dialogue: Dialogue,
}

impl Bench {
    fn new(steps: &str, settings: Settings) -> Bench {
        let text = format!(
            "format: 1\ntests: client\ntitle: T\nversions: [v5]\nclients: {{ c: {{ connect: false }} }}\nsteps:\n{steps}"
        );
        let source = Arc::new(Source {
            file: "a.yaml".to_owned(),
            text,
        });
        let scenario = load(&source, "a").unwrap_or_else(|errors| panic!("{}", render_all(&errors, false)));
        let matcher = Matcher::new(&scenario.cases[0], Which::Case, Side::Server, NS, &Arc::new(settings));
        Bench {
            matcher,
            now: Duration::ZERO,
            dialogue: Dialogue::new(V::V5),
        }
    }

    /// The commands that the application is told until the matcher waits.
    fn told(&mut self) -> Vec<Verb> {
        let mut told = Vec::new();
        loop {
            self.matcher.input(Input::Local(self.now, Happened::Clock));
            match self.matcher.poll() {
                Poll::Do { action, .. } => {
                    if let Action::Tell { verb, .. } = action {
                        told.push(verb);
                    }
                    self.matcher
                        .input(Input::Local(self.now, Happened::Done { whole: true }));
                }
                Poll::Wait { .. } | Poll::Done => return told,
            }
        }
    }

    fn happens(&mut self, connection: u32, what: What) {
        self.matcher.input(Input::Event(Event {
            at: self.now,
            client: "c".into(),
            connection,
            step: None,
            author: Author::Peer,
            what,
        }));
    }

    fn takes(&mut self, command: u32) {
        self.happens(0, What::Application(Application::Took(command)));
    }

    fn connects(&mut self) {
        self.happens(1, What::Open);
        let connect = Packet::from(Connect::new(V::V5, "ms00abcdc"));
        for what in self.dialogue.bytes(Side::Client, &encode_bytes(&connect, V::V5)) {
            self.happens(1, what);
        }
    }
}

const TWICE: &str = "  - c tries connect\n  - c -> maybe CONNECT\n  - c does connect: { client_id: \"${ns}d\" }\n";

#[test]
fn a_client_that_took_the_call_to_connect_gets_time_to_do_so() {
    let mut slow = Bench::new(TWICE, Settings::default());
    assert_eq!(slow.told(), [Verb::Connect]);
    slow.takes(1);
    assert_eq!(slow.told(), []);
    slow.now = Duration::from_secs(1);
    slow.connects();
    assert_eq!(slow.told(), [Verb::Connect]);
    // One that never does holds nothing up.
    let mut never = Bench::new(TWICE, Settings::default());
    never.told();
    never.takes(1);
    assert_eq!(never.told(), []);
    never.now = Settings::default().patience;
    assert_eq!(never.told(), [Verb::Connect]);
}

#[test]
fn a_call_that_is_refused_is_waited_for_no_longer() {
    let mut refuses = Bench::new(TWICE, Settings::default());
    refuses.told();
    refuses.happens(0, What::Application(Application::Refused(1, "no".to_owned())));
    assert_eq!(refuses.told(), [Verb::Connect]);
}
