//! The store: a journal of [`Record`]s in a folder.
//!
//! In: the records of one input, written before anything that they promise is sent. Out: at the next start, the state
//! that they lead to. A killed process loses nothing that was written; a record that the kill cut off is left
//! out. Nothing is synced to the disk itself: this store does not protect against a power cut.

mod codec;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes};

use super::core::state::{Record, State};

/// An open journal.
#[derive(Debug)]
pub struct Store {
    journal: File,
}

impl Store {
    /// Reads the journal in `folder`, which is created if missing, and starts it anew with the remaining state.
    ///
    /// # Errors
    /// If the folder cannot be read or written, or the journal contains something that is no record.
    pub fn open(folder: &Path) -> io::Result<(Store, State)> {
        fs::create_dir_all(folder)?;
        let path = folder.join("journal");
        let state = match fs::read(&path) {
            Ok(bytes) => replay(bytes.into())?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => State::default(),
            Err(e) => return Err(e),
        };
        // The new journal replaces the old one only when it is complete.
        let fresh: PathBuf = folder.join("journal.new");
        let mut store = Store {
            journal: File::create(&fresh)?,
        };
        store.write(&state.dump())?;
        fs::rename(&fresh, &path)?;
        Ok((store, state))
    }

    /// Appends records.
    ///
    /// # Errors
    /// If they cannot be written; then nothing that they promise may be sent.
    pub fn write<'a>(&mut self, records: impl IntoIterator<Item = &'a Record>) -> io::Result<()> {
        let mut bytes = Vec::new();
        for record in records {
            let body = codec::encode(record);
            bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
            bytes.extend_from_slice(&body);
        }
        self.journal.write_all(&bytes)
    }
}

/// The state that a journal leads to. Its last record may be cut off.
fn replay(mut journal: Bytes) -> io::Result<State> {
    let mut state = State::default();
    while journal.len() >= 8 {
        let length = usize::try_from(journal.get_u64_le()).unwrap_or(usize::MAX);
        if length > journal.len() {
            break;
        }
        let record = codec::decode(journal.split_to(length))
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the journal holds what is no record"))?;
        state.apply(&record);
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::core::message::Message;
    use super::super::core::session::{Delivery, Held, PendingWill};
    use super::*;
    use crate::wire::{Properties, Property, PropertyValue, Text, Will};

    fn message(topic: &str) -> Arc<Message> {
        let properties = [
            (0x01, PropertyValue::Byte(1)),
            (0x08, PropertyValue::Text("r".into())),
            (0x09, PropertyValue::Binary(Bytes::from_static(b"\x00\xff"))),
            (0x26, PropertyValue::Pair("a".into(), "b".into())),
        ];
        Arc::new(Message {
            topic: topic.into(),
            payload: "x".into(),
            qos: 2,
            retain: true,
            properties: Properties(
                properties
                    .into_iter()
                    .map(|(id, value)| Property { id, value })
                    .collect(),
            ),
            publisher: "p".into(),
            taken_at: Duration::from_millis(1_500),
            expiry: Some(60),
        })
    }

    /// One of each kind, in an order in which each of them changes something.
    fn records() -> Vec<Record> {
        let client = || Text::from("c");
        let delivery = |topic| Delivery {
            message: message(topic),
            qos: 2,
            retain: false,
            subscription_ids: vec![1, 268_435_455],
        };
        let will = Will {
            qos: 1,
            retain: true,
            topic: "w".into(),
            payload: Bytes::from_static(b"gone"),
            properties: Properties::default(),
        };
        let queue = |topic| Record::Queue {
            client: client(),
            delivery: delivery(topic),
        };
        let send = |packet_id| Record::Send {
            client: client(),
            packet_id,
        };
        vec![
            Record::Retain {
                topic: "r".into(),
                message: Some(message("r")),
            },
            Record::Begin { client: client() },
            Record::Expire {
                client: client(),
                seconds: 300,
                away_since: None,
            },
            Record::Subscribe {
                client: client(),
                held: Held::new("$share/g/a".into(), true, 0b1001, Some(7)),
            },
            Record::Subscribe {
                client: client(),
                held: Held::new("$share/b".into(), false, 2, None),
            },
            Record::Unsubscribe {
                client: client(),
                filter: "$share/b".into(),
            },
            queue("1"),
            queue("2"),
            queue("3"),
            queue("4"),
            Record::Drop { client: client() },
            send(1),
            send(2),
            Record::Release {
                client: client(),
                packet_id: 1,
            },
            Record::Finish {
                client: client(),
                packet_id: 2,
            },
            Record::Receive {
                client: client(),
                packet_id: 9,
                message: None,
            },
            Record::Receive {
                client: client(),
                packet_id: 10,
                message: None,
            },
            Record::Forget {
                client: client(),
                packet_id: 9,
            },
            Record::Will {
                client: client(),
                will: Some(PendingWill {
                    will,
                    due: Duration::from_secs(9),
                }),
            },
            Record::Expire {
                client: client(),
                seconds: 300,
                away_since: Some(Duration::from_secs(7)),
            },
            Record::Retain {
                topic: "r".into(),
                message: None,
            },
            Record::End { client: client() },
        ]
    }

    fn state_after(records: &[Record]) -> String {
        let mut state = State::default();
        records.iter().for_each(|record| state.apply(record));
        format!("{state:?}")
    }

    #[test]
    fn a_kill_after_any_record_loses_nothing_before_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let records = records();
        for kept in 0..=records.len() {
            let here = folder.path().join(kept.to_string());
            let (mut store, _) = Store::open(&here).expect("an empty store");
            for record in &records[..kept] {
                store.write([record]).expect("a write");
            }
            drop(store);
            let (_, state) = Store::open(&here).expect("a store that was killed");
            assert_eq!(
                format!("{state:?}"),
                state_after(&records[..kept]),
                "after {kept} records"
            );
        }
    }

    #[test]
    fn a_record_that_was_cut_off_is_left_out() {
        let records = records();
        let last = records.len() - 3;
        let folder = tempfile::tempdir().expect("a folder");
        let (mut store, _) = Store::open(folder.path()).expect("an empty store");
        store.write(&records[..last]).expect("a write");
        let journal = folder.path().join("journal");
        let whole = fs::read(&journal).expect("the journal").len();
        store.write(&records[last..=last]).expect("a write");
        let bytes = fs::read(&journal).expect("the journal");
        for cut in whole..bytes.len() {
            let state = replay(bytes[..cut].to_vec().into()).expect("a torn journal");
            assert_eq!(format!("{state:?}"), state_after(&records[..last]), "cut at {cut}");
        }
    }

    #[test]
    fn a_new_journal_says_the_same_as_the_old_one() {
        let records = &records()[..19];
        let mut state = State::default();
        records.iter().for_each(|record| state.apply(record));
        let mut again = State::default();
        state.dump().iter().for_each(|record| again.apply(record));
        // The last identifier is not stored: after a restart any free identifier will do.
        for session in state.sessions.values_mut().chain(again.sessions.values_mut()) {
            session.last_packet_id = 0;
        }
        assert_eq!(format!("{again:?}"), format!("{state:?}"));
    }

    #[test]
    fn what_is_no_record_is_an_error() {
        let mut journal = 1_u64.to_le_bytes().to_vec();
        journal.push(0xff);
        assert!(replay(journal.into()).is_err());
    }
}
