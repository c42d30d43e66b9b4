//! Captures: pcapng written from transcripts and from live connections.

pub mod write;
