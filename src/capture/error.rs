//! What can be wrong with a capture file.

/// Why a file could not be read as a capture at all. What is wrong further on is no error but a
/// [`Damage`]: everything before it is read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system's own.
    #[error("it cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// Nothing in it.
    #[error("it is empty")]
    Empty,
    /// The first bytes are of no format that is known; the text says what they look like.
    #[error("it is not a capture in pcap or pcapng format: {0}")]
    Format(String),
    /// The format is right, and its header is not.
    #[error("its header is damaged: {0}")]
    Header(String),
}

/// Where a file stopped making sense; all packets before it were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Position in the file, in bytes from its beginning.
    pub offset: u64,
    /// What is wrong there.
    pub what: String,
    /// How many packets were read before it.
    pub packets: u64,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Damage { offset, what, packets } = self;
        let were = if *packets == 1 { "packet was" } else { "packets were" };
        write!(
            f,
            "the file is damaged at byte {offset}: {what}; {packets} {were} read before it"
        )
    }
}
