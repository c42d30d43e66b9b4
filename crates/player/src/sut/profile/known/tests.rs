//! What a list of known deviations means, and what is said of one that is wrong.

use std::fs;
use std::path::Path;

use super::super::Profile;
use super::*;

fn read(list: &str) -> Vec<Arc<Known>> {
    Known::parse(list, Path::new("k.yaml")).unwrap_or_else(|e| panic!("{e}"))
}

/// The message about a list that is wrong.
fn refused(list: &str) -> String {
    Known::parse(list, Path::new("k.yaml")).expect_err(list).to_string()
}

#[test]
fn a_cause_stands_once_above_its_cases() {
    let known = read(
        r#"
known:
  - because: >-
      A Will QoS of 3
      is accepted.
    bytes: "-> 10 .. 04 1e ..  <- 20 02 00 00"
    links: [https://example.org/1, https://example.org/2]
    severity: leniency
    ruling: disputed
    about: 3.1.2.6 forbids it;
      4.13.1 permits it.
    effect: Nobody else sees it.
    broker: "<2.0.18"
    over: [ws, wss]
    cases:
      will/qos*@v5: v5:MQTT-3.1.2-12
      will/flags[*]@v3.1.1: [MQTT-3.1.2-14, "c <- closed"]
      will/late@v5: { fails: [MQTT-3.1.2-8], sometimes: true }
  - because: It dies.
    link: https://example.org/3
    fails: crash
    varies: true
    cases: [connect/a@v5, "connect/b*"]
  - because: untriaged
    cases: { will/x@v5: MQTT-3.1.2-8 }
"#,
    );
    let [will, dies, untriaged] = &known[..] else {
        panic!("{known:?}")
    };
    assert_eq!(will.because, "A Will QoS of 3 is accepted.");
    assert_eq!(will.links.len(), 2);
    assert_eq!(will.severity, Some(Severity::Leniency));
    assert_eq!(will.ruling, Some(Ruling::Disputed));
    assert_eq!(will.about.as_deref(), Some("3.1.2.6 forbids it; 4.13.1 permits it."));
    assert_eq!((dies.ruling, dies.about.as_deref()), (None, None));
    assert_eq!(will.effect.as_deref(), Some("Nobody else sees it."));
    assert!(will.shows_over(Transport::Ws) && !will.shows_over(Transport::Mqtt));
    assert_eq!(will.holds_for(Some(&"2.0.18".parse().unwrap())), Some(false));
    assert_eq!(will.origin(), "k.yaml:3");
    let [first, second, third] = &will.cases[..] else {
        panic!("{will:?}")
    };
    assert_eq!(first.fails, [Fails::By("v5:MQTT-3.1.2-12".to_owned())]);
    assert_eq!(second.fails.len(), 2);
    assert_eq!(second.case.as_str(), "will/flags[*]@v3.1.1");
    assert_eq!(will.line_of(&second.place), "k.yaml:17");
    assert!(third.sometimes && !first.sometimes);
    assert!(dies.cases.len() == 2 && dies.cases.iter().all(|c| c.varies && c.fails == [Fails::Crash]));
    assert!(untriaged.untriaged && !dies.untriaged);
}

#[test]
fn entries_of_the_first_form_that_say_the_same_are_one_cause() {
    let known = read(
        "known:\n  - { case: a, fails: MQTT-1, because: c, see: u }\n  - { case: b, fails: crash, because: c, see: u, sometimes: true }\n  \
         - { case: b, fails: MQTT-2, because: d, see: u }\n  - { case: c, fails: MQTT-1, untriaged: true }\n  \
         - { case: d, fails: MQTT-1, untriaged: true }\n",
    );
    let cases: Vec<usize> = known.iter().map(|k| k.cases.len()).collect();
    assert_eq!(cases, [2, 1, 1, 1]);
    assert!(known[0].cases[1].sometimes && !known[0].cases[0].sometimes);
    assert_eq!((known[2].because.as_str(), known[2].untriaged), (UNTRIAGED, true));
}

#[test]
fn a_cause_that_is_wrong_is_shown_with_what_is_allowed() {
    let list = "known:
  - because: c
    byte: b
    severity: data-los
    cases: { a@v5: MQTT-1 }
  - because: c
    bytes: b
  - because: c
    bytes: b
    cases: [a@v5]
  - because: c
    bytes: b
    fails: MQTT-1
    cases: { a@v5: MQTT-1 }
  - because: c
    bytes: b
    cases: { a@v5: { fials: x }, b@v5: [] }
  - because: c
    bytes: b
    cases: { a@v5: { fails: x, sometimes: true, varies: true } }
  - because: c
    cases: { a@v5: MQTT-1 }
";
    assert_eq!(
        refused(list),
        r#"error: unknown key `byte`
 --> k.yaml:3:5
  |
3 |     byte: b
  |     ^^^^
  |
  = help: did you mean `bytes`?

error: unknown severity `data-los`
 --> k.yaml:4:15
  |
4 |     severity: data-los
  |               ^^^^^^^^
  |
  = help: did you mean `data-loss`?

error: missing key `cases`
 --> k.yaml:6:5
  |
6 |   - because: c
  |     ^
  |
  = help: `cases` maps the id of each case, or a pattern such as qos2/*@v5, to what fails; with `fails` next to it, it is a list

error: a list of cases without what fails in them
  --> k.yaml:10:12
   |
10 |     cases: [a@v5]
   |            ^^^^^^
   |
   = help: `cases` maps the id of each case, or a pattern such as qos2/*@v5, to what fails; with `fails` next to it, it is a list

error: `fails` next to cases with failures of their own
  --> k.yaml:13:5
   |
13 |     fails: MQTT-1
   |     ^^^^^
   |
   = help: `cases` maps the id of each case, or a pattern such as qos2/*@v5, to what fails; with `fails` next to it, it is a list

error: missing key `fails`
  --> k.yaml:17:20
   |
17 |     cases: { a@v5: { fials: x }, b@v5: [] }
   |                    ^
   |
   = help: the statement (MQTT-3.1.2-3), the text of the step that fails, or crash

error: unknown key `fials`
  --> k.yaml:17:22
   |
17 |     cases: { a@v5: { fials: x }, b@v5: [] }
   |                      ^^^^^
   |
   = help: did you mean `fails`?

error: a list without a failure
  --> k.yaml:17:40
   |
17 |     cases: { a@v5: { fials: x }, b@v5: [] }
   |                                        ^^^
   |
   = help: the statement (MQTT-3.1.2-3), the text of the step that fails, or crash

error: `sometimes` and `varies` exclude each other
  --> k.yaml:20:57
   |
20 |     cases: { a@v5: { fails: x, sometimes: true, varies: true } }
   |                                                         ^^^^
   |
   = help: `varies` is for what fails in every run, and not always in the same way; `sometimes` is for what may pass

error: a known deviation without a link or bytes
  --> k.yaml:21:5
   |
21 |   - because: c
   |     ^^^^^^^^^^
   |
   = help: `link` is an upstream issue, `bytes` the exchange that shows it; one of them is needed"#
    );
}

#[test]
fn a_ruling_is_one_of_four_and_a_disputed_one_says_why() {
    let list = "known:
  - because: c
    bytes: b
    ruling: strikt
    cases: { a@v5: MQTT-1 }
  - because: c
    bytes: b
    ruling: R
    cases: { a@v5: MQTT-1 }
  - because: c
    bytes: b
    ruling: disputed
    cases: { a@v5: MQTT-1 }
";
    assert_eq!(
        refused(list),
        r#"error: unknown ruling `strikt`
 --> k.yaml:4:13
  |
4 |     ruling: strikt
  |             ^^^^^^
  |
  = help: did you mean `strict`?

error: unknown ruling `R`
 --> k.yaml:8:13
  |
8 |     ruling: R
  |             ^
  |
  = help: allowed here: must, strict, should, disputed

error: a disputed deviation without its readings
  --> k.yaml:12:13
   |
12 |     ruling: disputed
   |             ^^^^^^^^
   |
   = help: `about` says which reading of the standard forbids it, and which permits it"#
    );
    let names = Ruling::ALL.map(|ruling| {
        let list = ONE.replace("bytes: b", &format!("bytes: b, ruling: {ruling}, about: w"));
        read(&list)[0].ruling
    });
    assert_eq!(names, Ruling::ALL.map(Some));
}

/// A profile with files alongside it.
fn profile(files: &[(&str, &str)], own: &str) -> (tempfile::TempDir, Result<Profile, String>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let file = folder.path().join("p.yaml");
    fs::write(&file, format!("name: x\nmqtt: mqtt://h\n{own}")).unwrap();
    let read = Profile::read(&file).map_err(|e| e.to_string().replace(&format!("{}/", folder.path().display()), ""));
    (folder, read)
}

const ONE: &str = "known:\n  - { because: one, bytes: b, cases: { a@v5: MQTT-1 } }\n";

#[test]
fn known_from_takes_the_lists_of_other_files() {
    let other = format!(
        "name: y\nmqtt: mqtt://h\nknown_from: one.yaml\n{}",
        ONE.replace("one", "two")
    );
    let own = format!("known_from: [other.yaml]\n{}", ONE.replace("one", "three"));
    let (_folder, profile) = profile(&[("one.yaml", ONE), ("other.yaml", &other)], &own);
    let known = profile.unwrap().known;
    let words: Vec<&str> = known.iter().map(|k| k.because.as_str()).collect();
    assert_eq!(words, ["one", "two", "three"]);
    assert!(known[0].origin().ends_with("/one.yaml:2"), "{}", known[0].origin());
}

#[test]
fn a_file_that_is_not_there_is_told_with_its_place_and_the_nearest() {
    let (_folder, profile) = profile(&[("ejabberd.yaml", ONE)], "known_from: ejaberd.yaml\n");
    assert_eq!(
        profile.unwrap_err(),
        "error: `ejaberd.yaml`: the file cannot be read: No such file or directory (os error 2)
 --> p.yaml:3:13
  |
3 | known_from: ejaberd.yaml
  |             ^^^^^^^^^^^^
  |
  = help: did you mean `ejabberd.yaml`?"
    );
}

#[test]
fn a_circle_is_told_where_it_closes() {
    let files = [("a.yaml", "known_from: [b.yaml]\n"), ("b.yaml", "known_from: a.yaml\n")];
    let (_folder, profile) = profile(&files, "known_from: a.yaml\n");
    let text = profile.unwrap_err();
    let closes = "error: `a.yaml` leads back to itself
 --> b.yaml:1:13
  |
1 | known_from: a.yaml
  |             ^^^^^^
  |
  = help: a file cannot take known deviations from one that takes them from it";
    assert!(text.contains(closes), "{text}");
    assert!(
        text.starts_with("error: `a.yaml` has errors, which follow\n --> p.yaml:3:13"),
        "{text}"
    );
}

#[test]
fn errors_of_another_file_have_its_places() {
    let wrong = ONE.replace("bytes", "byts");
    let (_folder, other) = profile(
        &[("one.yaml", &wrong), ("two.yaml", "name: y\n")],
        "known_from: one.yaml\n",
    );
    let text = other.unwrap_err();
    assert!(text.contains("error: unknown key `byts`\n --> one.yaml:2:21"), "{text}");
    let (_folder, other) = profile(&[("two.yaml", "name: y\n")], "known_from: two.yaml\n");
    let text = other.unwrap_err();
    assert!(
        text.contains("there are no known deviations in this file\n --> two.yaml:1:1"),
        "{text}"
    );
}
