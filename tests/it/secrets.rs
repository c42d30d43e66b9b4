//! A password from the environment is sent to the broker, and appears in no output, log, report or snapshot.

use std::path::Path;

use assert_cmd::Command;
use mqttspec::reference::{Config, Server, User};

/// A text that the program cannot print by chance, not even in hex.
const PASSWORD: &str = "Zq7xKw9vJt";

/// Every file below a folder, with its path and content.
fn texts(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            texts(&path, found);
        } else {
            found.push((path.display().to_string(), std::fs::read(&path).expect("a file")));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_from_the_environment_is_shown_nowhere() {
    let config = Config {
        users: vec![User::new("tester", PASSWORD)],
        anonymous: false,
        ..Config::default()
    };
    let server = Server::start(config).await.expect("a broker");
    let folder = tempfile::tempdir().expect("a folder");
    let address = server.address();
    let profile = format!(
        "name: secretive\nmqtt: mqtt://{address}\nlogin: {{ username: tester, password: $env:MQTTSPEC_TEST_PASSWORD }}\n"
    );
    let file = folder.path().join("profile.yaml");
    std::fs::write(&file, profile).expect("a profile");
    let out = folder.path().join("out");
    std::fs::create_dir(&out).expect("a folder");
    let run = {
        let out = out.clone();
        move || {
            Command::cargo_bin("mqttspec")
                .expect("the program is built")
                .current_dir(&out)
                .env("MQTTSPEC_TEST_PASSWORD", PASSWORD)
                .env("MQTTSPEC_LOG", "trace")
                // The snapshots are written here, whatever INSTA_UPDATE is in the caller's environment.
                .env("INSTA_UPDATE", "always")
                .arg("run")
                .arg(&file)
                .args([
                    "-e",
                    "connect/accepted",
                    "-e",
                    "connect/second-connect",
                    "-e",
                    "takeover/closes-the-first",
                ])
                .args([
                    "-e",
                    "fixed-header/split-writes",
                    "-e",
                    "truncated/inside-a-field",
                    "--trace",
                    "always",
                ])
                .args([
                    "-v",
                    "--exchanges",
                    "all",
                    "--json",
                    "run.json",
                    "--junit",
                    "run.xml",
                    "--snapshots",
                    "snapshots",
                ])
                .output()
                .expect("it ran")
        }
    };
    let output = tokio::task::spawn_blocking(run).await.expect("no panic");
    server.stop().await;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(stdout.contains("tester") && stdout.contains("<password>"), "{stdout}");
    assert!(stdout.contains(" pass"), "{stdout}");
    let mut shown = vec![
        ("stdout".to_owned(), output.stdout),
        ("stderr".to_owned(), output.stderr),
    ];
    texts(&out, &mut shown);
    assert!(shown.len() > 5, "reports and snapshots were written");
    let spaced: Vec<String> = PASSWORD.bytes().map(|b| format!("{b:02x}")).collect();
    let forms = [PASSWORD.to_owned(), hex::encode(PASSWORD), spaced.join(" ")];
    for (name, bytes) in &shown {
        let text = String::from_utf8_lossy(bytes);
        for form in &forms {
            let at = text.find(form.as_str());
            assert!(
                at.is_none(),
                "{name} shows the password: {}",
                &text[at.unwrap_or(0).saturating_sub(200)..][..300]
            );
        }
    }
}

#[test]
fn a_missing_environment_variable_is_an_error_before_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("profile.yaml");
    let profile = "name: x\nmqtt: mqtt://127.0.0.1:9\nlogin: { password: $env:MQTTSPEC_TEST_MISSING }\n";
    std::fs::write(&file, profile).expect("a profile");
    let output = Command::cargo_bin("mqttspec")
        .expect("the program is built")
        .env_remove("MQTTSPEC_TEST_MISSING")
        .arg("run")
        .arg(&file)
        .output()
        .expect("it ran");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("login.password") && stderr.contains("MQTTSPEC_TEST_MISSING"),
        "{stderr}"
    );
    assert!(!output.status.success());
}
