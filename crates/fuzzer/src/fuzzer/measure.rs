//! What judges nothing and takes minutes: which faults are found, how soon, and at what speed.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::tests::{count, disobeying, fault_cells, obedient, show, token};
use super::*;
use crate::reference::{Combined, Config, Disobey, Seam};

/// That of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A row of the table: after how many sequences a fault was found, how long the shortest sequence is, and what shows it. `name` is
/// that of the scenario file, which is written below the folder of an environment variable.
fn row(config: &Arc<Config>, most: u64, name: &str) -> Option<String> {
    let folder = std::env::var("FUZZ_SCENARIOS").ok();
    let found = (0..most).filter_map(|seed| {
        let (sequence, transcript) = generate_and_play(config, seed);
        let verdict = judge(&transcript).into_iter().next()?;
        let short = shrink(config, &sequence, &verdict);
        let text = scenario(&super::tests::obedient(), &short, &verdict);
        if let Some(folder) = &folder {
            let name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-").to_lowercase();
            std::fs::write(format!("{folder}/{name}-{seed}.yaml"), text).expect("the folder can be written");
        }
        let steps = short.actions.len();
        Some(format!(
            "{} | {steps} | {} {}",
            seed + 1,
            verdict.rule,
            verdict.statement
        ))
    });
    // Some scenarios of the first findings are made as well, to choose from.
    let candidates = if folder.is_some() { 6 } else { 1 };
    let rows: Vec<String> = found.take(candidates).collect();
    rows.into_iter().next()
}

fn table(faults: impl Iterator<Item = (String, String)>) {
    let most = count(1000);
    println!("| fault | what it does | sequences | steps | shown by |\n| --- | --- | --- | --- | --- |");
    let (mut all, mut seen) = (0, 0);
    for (token, what) in faults {
        let row = row(&disobeying(&token), most, &token);
        all += 1;
        seen += u64::from(row.is_some());
        println!(
            "| {token} | {what} | {} |",
            row.unwrap_or_else(|| "- | - | -".to_owned())
        );
    }
    println!("\n{seen} of {all} within {most} sequences");
}

#[test]
fn sensitivity_to_combinations() {
    table(Combined::ALL.iter().map(|f| (token(*f), f.what().to_owned())));
}

#[test]
fn sensitivity_to_single_faults() {
    // Legal clients cannot show that a violation of theirs is let through.
    let faults = Disobey::all().iter().filter(|d| d.seam != Seam::Tolerance);
    table(faults.map(|d| (d.token(), d.what.clone())));
}

/// The speed on all cores, with what is found in an obedient broker, which is nothing.
#[test]
fn measure() {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
    let wanted = count(20_000) / cores * cores;
    let began = Instant::now();
    let parts: Vec<(usize, usize)> = std::thread::scope(|scope| {
        let part = |core| scope.spawn(move || measure_part(core * (wanted / cores)..(core + 1) * (wanted / cores)));
        let running: Vec<_> = (0..cores).map(part).collect();
        running
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect()
    });
    let (actions, events) = parts
        .into_iter()
        .fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{wanted} sequences, {actions} actions, {events} events in {seconds:.1} s on {cores} cores: {:.0}/s",
        wanted as f64 / seconds
    );
}

fn measure_part(seeds: std::ops::Range<u64>) -> (usize, usize) {
    let config = obedient();
    let mut by_rule: BTreeMap<String, u64> = BTreeMap::new();
    let (mut events, mut actions) = (0, 0);
    for seed in seeds {
        let (sequence, transcript) = generate_and_play(&config, seed);
        events += transcript.events.len();
        actions += sequence.actions.len();
        for verdict in judge(&transcript) {
            let name = format!("{} {}", verdict.rule, verdict.statement);
            let found = by_rule.entry(name.clone()).or_default();
            *found += 1;
            if *found == 1 {
                let short = shrink(&config, &sequence, &verdict);
                println!(
                    "seed {seed}: {name} at {}: {}\n{short}\n{}\n",
                    verdict.event,
                    verdict.text,
                    show(&play(&config, &short))
                );
            }
        }
    }
    if !by_rule.is_empty() {
        println!("{by_rule:#?}");
    }
    (actions, events)
}

/// A digest of all verdicts for each of some brokers: the same before and after a change that must not change them.
#[test]
fn fingerprint() {
    let faults = [
        "combined:takeover-forgets-received",
        "combined:resume-reverses-queue",
        "combined:restart-forgets-options",
        "v5:MQTT-3.3.4-9",
        "v3.1.1:MQTT-4.4.0-1",
        "v5:MQTT-3.3.2-17",
        "v5:MQTT-3.3.1-6",
        "v5:MQTT-4.3.3-12",
        "v5:MQTT-3.8.4-6",
        "v5:MQTT-4.6.0-5",
    ];
    let configs = std::iter::once(obedient()).chain(faults.iter().map(|f| disobeying(f)));
    for (at, config) in configs.enumerate() {
        let mut hasher = DefaultHasher::new();
        let mut found = 0;
        for seed in 0..count(2000) {
            let (sequence, transcript) = generate_and_play(&config, seed);
            format!("{sequence}").hash(&mut hasher);
            for v in judge(&transcript) {
                found += 1;
                format!("{seed} {} {} {} {}", v.rule, v.statement, v.event, v.text).hash(&mut hasher);
            }
        }
        println!("fingerprint {at}: {found} verdicts, {:016x}", hasher.finish());
    }
}

/// How many of the cells of a row of docs/fuzz-faults.md are written here. ci/fault-columns.py writes those behind them.
const CELLS: usize = 6;

/// Writes the rows of docs/fuzz-faults.md on all cores, or prints those of the faults that an environment variable names.
#[test]
fn fault_table() {
    let most = count(100_000);
    let wanted = std::env::var("FUZZ_FAULTS").unwrap_or_default();
    let faults: Vec<Combined> = (Combined::ALL.iter().copied())
        .filter(|f| wanted.is_empty() || wanted.split(',').any(|name| name == f.name()))
        .collect();
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(BTreeMap::new());
    let work = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(fault) = faults.get(at) else { break };
            let found = row(&disobeying(&token(*fault)), most, fault.name()).unwrap_or_else(|| "- | - | -".to_owned());
            let row = format!("{} {found} |", fault_cells(*fault));
            rows.lock().expect("no panic").insert(at, row);
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    let rows: Vec<String> = rows.into_inner().expect("no panic").into_values().collect();
    if wanted.is_empty() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/fuzz-faults.md");
        let page = std::fs::read_to_string(&path).expect("the page is there");
        let (head, _) = page.split_once("| `combined:").expect("the page has the table");
        let others = head
            .trim_end()
            .rsplit('\n')
            .next()
            .map_or(0, |line| line.split('|').count() - 2 - CELLS);
        let rest = |row: &String| {
            let name = row.split('|').nth(1).unwrap_or_default();
            let known = page.lines().find(|line| line.split('|').nth(1) == Some(name));
            let cells = known.map(|line| line.split('|').skip(1 + CELLS).collect::<Vec<_>>().join("|"));
            format!("{row}{}", cells.unwrap_or_else(|| " |".repeat(others)))
        };
        let rows: Vec<String> = rows.iter().map(rest).collect();
        std::fs::write(&path, format!("{head}{}\n", rows.join("\n"))).expect("the page can be written");
    } else {
        println!("{}", rows.join("\n"));
    }
}
