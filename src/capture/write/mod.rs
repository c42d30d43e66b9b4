//! Writes pcapng that Wireshark opens: bytes of MQTT connections as Ethernet, IP and TCP, with sequence numbers,
//! checksums, handshake and end as TCP has them.
//!
//! In: events of a transcript, or bytes as they come. Out: frames, and a file of them with a comment each. The
//! addresses are made up and so is every header; only the MQTT bytes crossed a wire. Passwords of CONNECT are masked,
//! see [`secret`](crate::secret).

mod dialogue;
mod file;
mod stream;

pub use dialogue::{Dialogue, Drawn};
pub use file::PcapngFile;
pub use stream::Stream;
