//! The quick integration tests. They are one program, because each program links the whole library. Each module is a
//! subject: `cargo test --test it readme` runs one of them.

#[path = "../support/mod.rs"]
mod support;

mod action;
mod admission;
mod bad_input;
mod broken_scenarios;
mod capture_audit;
mod capture_formats;
mod capture_hostile;
mod capture_reassembly;
mod capture_secrets;
mod capture_speech;
mod cargo_insta;
mod claims;
mod clients;
mod committed_profiles;
mod compare;
mod coverage;
mod crash;
mod ctrl_c;
mod field;
mod freedoms;
mod fuzz;
mod fuzz_corpus;
mod history;
mod html;
mod import;
mod in_process;
mod language_docs;
mod layers;
mod levels;
mod matrix;
mod needs;
mod profile_schema;
#[cfg(target_os = "linux")]
mod progress;
mod readme;
mod record;
mod replay_capture;
mod repro;
mod rulings;
mod scenario_format;
mod scenario_schema;
mod second_look;
mod secrets;
mod selection;
mod serve;
mod shard;
mod snapshots;
mod target_mosquitto;
mod target_peers;
mod target_probe;
mod target_process;
mod target_profile;
mod target_run_ends;
mod transport;
mod wire_oracle;
mod wire_properties;
mod wrong_input;
