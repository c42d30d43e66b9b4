//! `mqttspec repro`

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::{mpsc, watch};

use crate::harness;
use crate::play::{Player, Settings};
use crate::reference::{Disobey, Free};
use crate::report::plural;
use crate::report::repro::{Repro, Secrets, Subject};
use crate::scenario::{Case, aliases};
use crate::suite::{self, CaseResult, LookLimit, RunOptions, RunResult, Target, Verdict, nearest};
use crate::sut::Instance;
use crate::transport::Transport;
use crate::wire::Side;

use super::args::ReproArgs;
use super::files::write;
use super::out::{fail, print, print_error, start_tracing};
use super::{Exit, interrupt, set, target};

/// The program that runs scripts.
const PYTHON: &str = "python3";
/// How long a script may take: it waits for seconds at each packet that does not come.
const SLOWEST: Duration = Duration::from_secs(120);

/// Writes a report on a failure, with a script that shows it.
pub fn repro(args: &ReproArgs) -> Exit {
    start_tracing(false);
    let case = match case(args) {
        Ok(case) => Arc::new(case),
        Err(exit) => return exit,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(Exit::Unreachable, format!("cannot start: {error}")),
    };
    let exit = runtime.block_on(play(args, &case)).unwrap_or_else(|exit| exit);
    runtime.shutdown_timeout(Duration::from_secs(1));
    crate::sut::kill_all();
    exit
}

/// The one case that is asked for.
fn case(args: &ReproArgs) -> Result<Case, Exit> {
    let scenarios = set::scenarios(&args.set)?;
    let today = aliases().current(&args.case).into_owned();
    let all = || scenarios.iter().flat_map(|s| &s.cases);
    if let Some(case) = all().find(|case| case.id == today) {
        return Ok(case.clone());
    }
    let of_scenario: Vec<&Case> = all().filter(|case| case.header.path == today).collect();
    match of_scenario.as_slice() {
        [one] => Ok((*one).clone()),
        [] => {
            let hint = nearest(&args.case, all()).map(|n| format!("; the nearest is `{n}`"));
            let hint = hint.unwrap_or_default();
            Err(fail(Exit::Nothing, format!("there is no case `{}`{hint}", args.case)))
        }
        several => {
            let ids: Vec<&str> = several.iter().take(3).map(|case| case.id.as_str()).collect();
            let count = plural(several.len(), "case");
            let message = format!("`{today}` has {count}; name one, such as {}", ids.join(", "));
            Err(fail(Exit::Usage, message))
        }
    }
}

/// A broker that the case was played against.
struct Played {
    target: Target,
    settings: Settings,
    run: Arc<RunResult>,
}

impl Played {
    fn result(&self) -> &CaseResult {
        &self.run.cases[0]
    }
}

async fn play(args: &ReproArgs, case: &Arc<Case>) -> Result<Exit, Exit> {
    let stopped = interrupt::watch();
    let (mut target, mut settings) = target::target(
        args.target.as_deref(),
        Side::Server,
        &args.fault,
        &args.free,
        &args.reach,
    )
    .await?;
    // What is expected to fail is a failure here.
    target.known = Vec::new();
    settings.patience = args.response_timeout.unwrap_or(settings.patience);
    let is_changed = !args.fault.is_empty() || !args.free.is_empty();
    let faulty = of(case, target, settings, is_changed, &stopped).await?;
    let result = faulty.result();
    let reason = result.reason.clone().unwrap_or_default();
    match result.verdict {
        Verdict::Fail | Verdict::Crash => {}
        Verdict::Error => return Err(fail(Exit::Unreachable, format!("{}: {reason}", case.id))),
        Verdict::Skip => return Err(fail(Exit::NoScript, format!("{} is skipped: {reason}", case.id))),
        Verdict::Pass | Verdict::Known | Verdict::Fixed => {
            return Err(fail(
                Exit::NoScript,
                format!("{} passes: there is nothing to show", case.id),
            ));
        }
    }
    let (reference, settings) = harness::reference_as(Disobey::default(), Free::default(), Transport::Mqtt);
    let sound = of(case, reference, settings, false, &stopped).await?;
    if sound.result().verdict != Verdict::Pass {
        let message = format!(
            "the reference broker does not pass {}, so that a script cannot be checked",
            case.id
        );
        return Err(fail(Exit::NoScript, message));
    }
    let secrets = faulty.secrets(case);
    let subject = Subject {
        case,
        result,
        target: &faulty.run.target,
        control: sound.result().control.as_deref(),
        secrets: &secrets,
        response_timeout: faulty.settings.patience,
    };
    let (repro, checked) = checked(&subject, &faulty, &sound, case).await?;
    output(args, &repro, &checked)
}

/// Plays the case.
async fn of(
    case: &Arc<Case>,
    target: Target,
    settings: Settings,
    is_changed: bool,
    stopped: &watch::Receiver<bool>,
) -> Result<Played, Exit> {
    let player = Player::new(settings.clone(), harness::seed());
    let options = RunOptions {
        asks_first: !is_changed,
        second_look: (!is_changed).then(LookLimit::default),
        ..RunOptions::default()
    };
    let (sender, _events) = mpsc::unbounded_channel();
    let cases = std::slice::from_ref(case);
    let run = suite::run(cases, &target, &player, &options, sender, stopped.clone()).await;
    let run = run.map_err(|message| fail(Exit::Unreachable, message))?;
    if run.cases.is_empty() {
        return Err(Exit::Interrupted);
    }
    Ok(Played { target, settings, run })
}

impl Played {
    /// How the case was played.
    fn settings_for(&self, case: &Case) -> &Settings {
        let setup = self.target.setup_for(case).ok().flatten();
        setup.map_or(&self.settings, |number| &self.target.setups[number].settings)
    }

    /// The password of the login that the clients used, if it is text.
    fn password(&self, case: &Case) -> Option<String> {
        let password = self.settings_for(case).login.as_ref()?.password.as_ref()?;
        String::from_utf8(password.to_vec()).ok()
    }

    /// What of the target's profile may not be part of a report.
    fn secrets(&self, case: &Case) -> Secrets {
        let password = self.password(case);
        let setups = self.target.setups.iter().map(|setup| &setup.settings);
        let mut others = Vec::new();
        for settings in setups.chain([&self.settings]) {
            let logins = settings.login.iter().chain(settings.users.values());
            others.extend(
                logins
                    .filter_map(|login| login.password.as_ref())
                    .map(|password| password.to_vec()),
            );
            let data = settings.auth.iter().flat_map(|auth| auth.good.iter().chain(&auth.bad));
            others.extend(data.map(|data| data.to_vec()));
        }
        others.retain(|secret| Some(secret.as_slice()) != password.as_ref().map(String::as_bytes));
        Secrets { password, others }
    }
}

/// What running a script has shown.
enum Ran {
    /// It tells the broker with the fault from the reference broker.
    Tells,
    /// It does not: the exit codes at both.
    DoesNot(Option<i32>, Option<i32>),
    /// There is no Python here.
    NoPython,
}

/// The script that was seen to tell the brokers apart: with the control if it can be, else without. The text says what is
/// known of it.
async fn checked<'s>(
    subject: &'s Subject<'s>,
    faulty: &Played,
    sound: &Played,
    case: &Case,
) -> Result<(Repro<'s>, String), Exit> {
    let none = |why: &dyn std::fmt::Display| fail(Exit::NoScript, format!("{} has no script: {why}", case.id));
    let mut codes = (None, None);
    for with_control in [true, false] {
        let repro = match subject.repro(with_control) {
            Ok(repro) => repro,
            Err(_) if with_control => continue,
            Err(obstacle) => return Err(none(&obstacle)),
        };
        if !with_control && codes == (None, None) && repro.has_control {
            continue;
        }
        match tell_apart(&repro.script, faulty, sound, case).await? {
            Ran::Tells => {
                let checked = "It was run: 1 at this broker, 0 at the reference broker of mqttspec.";
                let checked = format!("{checked}{}", left_out(case, &repro));
                return Ok((repro, checked));
            }
            Ran::NoPython => {
                print_error(&format!(
                    "note: the script was not run, because there is no {PYTHON} here\n"
                ));
                let checked = format!("It was not run.{}", left_out(case, &repro));
                return Ok((repro, checked));
            }
            Ran::DoesNot(at_faulty, at_sound) => codes = (at_faulty, at_sound),
        }
    }
    let code = |code: Option<i32>| code.map_or("no exit code".to_owned(), |code| code.to_string());
    let why = format!(
        "the script that was made of it does not tell the brokers apart (exit {} at this broker, {} at the reference broker)",
        code(codes.0),
        code(codes.1)
    );
    Err(none(&why))
}

/// What is said of a script that leaves out the control of the case: it is too long with it, or does not tell the brokers apart.
fn left_out(case: &Case, repro: &Repro<'_>) -> &'static str {
    if case.script.control.is_some() && !repro.has_control {
        " It leaves out the control of the case."
    } else {
        ""
    }
}

/// Runs a script against both brokers.
async fn tell_apart(script: &str, faulty: &Played, sound: &Played, case: &Case) -> Result<Ran, Exit> {
    let password = faulty.password(case).unwrap_or_default();
    let Some(at_sound) = run_at(script, sound, case, &password).await? else {
        return Ok(Ran::NoPython);
    };
    let at_faulty = run_at(script, faulty, case, &password).await?.flatten();
    Ok(match (at_faulty, at_sound) {
        (Some(1), Some(0)) => Ran::Tells,
        (at_faulty, at_sound) => Ran::DoesNot(at_faulty, at_sound),
    })
}

/// The exit code of a script at a fresh broker; `None` if there is no Python.
async fn run_at(script: &str, played: &Played, case: &Case, password: &str) -> Result<Option<Option<i32>>, Exit> {
    let setup = played.target.setup_for(case).ok().flatten();
    let launcher = setup.map_or(&played.target.launcher, |number| &played.target.setups[number].launcher);
    let instance = launcher
        .launch()
        .await
        .map_err(|error| fail(Exit::Unreachable, error))?;
    let ran = run_python(script, &*instance, case, password).await;
    instance.stop().await;
    ran
}

async fn run_python(
    script: &str,
    instance: &dyn Instance,
    case: &Case,
    password: &str,
) -> Result<Option<Option<i32>>, Exit> {
    let address = instance
        .address(case.version)
        .filter(|address| address.transport() == Transport::Mqtt);
    let Some(address) = address else {
        let why = "a script speaks plain TCP, and the target is reached in another way";
        return Err(fail(Exit::NoScript, format!("{} has no script: {why}", case.id)));
    };
    let mut python = Command::new(PYTHON);
    python
        .args(["-c", script, &format!("{}:{}", address.host(), address.port())])
        .env("MQTT_PASSWORD", password)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut child = match python.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(Exit::Unreachable, format!("cannot start {PYTHON}: {error}"))),
    };
    match tokio::time::timeout(SLOWEST, child.wait()).await {
        Ok(Ok(status)) => Ok(Some(status.code())),
        Ok(Err(error)) => Err(fail(Exit::Unreachable, format!("{PYTHON}: {error}"))),
        Err(_) => Ok(Some(None)),
    }
}

/// Prints the report, or writes it and the script into a folder.
fn output(args: &ReproArgs, repro: &Repro<'_>, checked: &str) -> Result<Exit, Exit> {
    let report = repro.report(checked);
    let Some(folder) = &args.output else {
        print(&report);
        return Ok(Exit::Ok);
    };
    std::fs::create_dir_all(folder)
        .map_err(|error| fail(Exit::Unreachable, format!("cannot make {}: {error}", folder.display())))?;
    let files: [(&str, &str); 2] = [("report.md", &report), ("repro.py", &repro.script)];
    for (name, text) in files {
        let file: &Path = &folder.join(name);
        match write(file, text) {
            Exit::Ok => print(&format!("{}\n", file.display())),
            exit => return Err(exit),
        }
    }
    Ok(Exit::Ok)
}
