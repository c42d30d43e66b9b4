//! The lines of an adapter's output, each read as a message of the contract.

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

use super::Said;
use crate::adapter::Message;

/// The most bytes of a line. A longer one is noise, and is not kept.
const LINE_MAX: usize = 4 * 1024 * 1024;

/// How much of a line that is noise is kept.
const NOISE: usize = 200;

/// Reads lines until the output ends, and passes on what they say. A reader that is not listened to waits: so does the
/// adapter then.
pub(in crate::sut) async fn read(mut output: impl AsyncRead + Unpin, said: mpsc::Sender<Said>) {
    let mut kept: Vec<u8> = Vec::new();
    let mut buffer = [0; 16 * 1024];
    // The rest of a line that is too long.
    let mut passed_over = false;
    loop {
        let read = match output.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        for &byte in &buffer[..read] {
            if byte == b'\n' {
                let line = std::mem::take(&mut kept);
                if !std::mem::take(&mut passed_over) && said.send(meaning(&line)).await.is_err() {
                    return;
                }
            } else if passed_over {
                continue;
            } else if kept.len() == LINE_MAX {
                passed_over = true;
                let line = std::mem::take(&mut kept);
                if said.send(noise(&line, "the line is too long")).await.is_err() {
                    return;
                }
            } else {
                kept.push(byte);
            }
        }
    }
    if !kept.is_empty() && said.send(meaning(&kept)).await.is_err() {
        return;
    }
    // No one may be listening any more.
    let _ = said.send(Said::Ended("it closed its output".to_owned())).await;
}

/// Passes on the lines of an adapter inside this process.
pub(super) async fn forward(mut lines: mpsc::UnboundedReceiver<String>, said: mpsc::Sender<Said>) {
    while let Some(line) = lines.recv().await {
        if said.send(meaning(line.as_bytes())).await.is_err() {
            return;
        }
    }
    let _ = said.send(Said::Ended("it has ended".to_owned())).await;
}

fn meaning(line: &[u8]) -> Said {
    let text = String::from_utf8_lossy(line);
    match Message::read(text.trim_end_matches('\r')) {
        Ok(message) => Said::Message(message),
        Err(why) => noise(line, &why.to_string()),
    }
}

fn noise(line: &[u8], why: &str) -> Said {
    let head = String::from_utf8_lossy(&line[..line.len().min(NOISE)]);
    Said::Noise(format!("{head:?} ({why})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(output: &[u8]) -> Vec<Said> {
        let (sender, mut said) = mpsc::channel(64);
        read(output, sender).await;
        let mut all = Vec::new();
        while let Some(one) = said.recv().await {
            all.push(one);
        }
        all
    }

    #[tokio::test]
    async fn what_is_no_message_is_noise_and_ends_nothing() {
        let output = b"Connecting...\n{\"id\":1}\r\n\xff\xfe\n{\"id\":2}";
        let said = all(output).await;
        assert_eq!(said.len(), 5);
        assert!(matches!(&said[0], Said::Noise(text) if text.starts_with("\"Connecting...\" (this is no JSON")));
        assert_eq!(said[1], Said::Message(Message::Taken(1)));
        assert!(matches!(&said[2], Said::Noise(_)));
        assert_eq!(said[3], Said::Message(Message::Taken(2)));
        assert_eq!(said[4], Said::Ended("it closed its output".to_owned()));
    }

    #[tokio::test]
    async fn a_line_without_end_is_not_kept() {
        let mut output = vec![b'x'; LINE_MAX + 10];
        output.extend_from_slice(b"\n{\"id\":3}\n");
        let said = all(&output).await;
        assert_eq!(said.len(), 3, "{}", said.len());
        assert!(matches!(&said[0], Said::Noise(text) if text.ends_with("(the line is too long)") && text.len() < 300));
        assert_eq!(said[1], Said::Message(Message::Taken(3)));
    }
}
