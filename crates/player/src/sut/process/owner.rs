//! Who listens on a port: the started broker, or another process that was quicker. A stranger who answers in the
//! broker's place would be tested in its name, until the broker gives up and ends.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::group::GroupId;
use super::members;

/// Whether a listener on this TCP port belongs to the process group. `None` if that cannot be seen: on systems without
/// Linux's `/proc`, or when the broker runs as someone else.
///
/// It may look through `/proc`, which takes milliseconds: not for a thread of the runtime.
pub(super) fn listens(group: GroupId, port: u16) -> Option<bool> {
    let mut somebody = false;
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let Ok(table) = File::open(table) else { continue };
        for socket in listening_sockets(BufReader::with_capacity(LINE, table), port) {
            somebody = true;
            if holds_open(group, OsStr::new(&socket))? {
                return Some(true);
            }
        }
    }
    somebody.then_some(false)
}

/// Whether a member of the group has this file open, named as `/proc/PID/fd` names it.
fn holds_open(group: GroupId, file: &OsStr) -> Option<bool> {
    // Nearly always it is the first process of the group, which need not be looked for.
    let first = PathBuf::from(format!("/proc/{group}"));
    if has_open(&first, file) == Some(true) {
        return Some(true);
    }
    for member in members::of(group)? {
        if has_open(&member.proc, file)? {
            return Some(true);
        }
    }
    Some(false)
}

/// Whether the process with this folder in `/proc` has the file open. `None`: it has ended, or is not ours.
fn has_open(process: &Path, file: &OsStr) -> Option<bool> {
    let files = std::fs::read_dir(process.join("fd")).ok()?;
    let mut links = files
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok());
    Some(links.any(|link| link.as_os_str() == file))
}

/// So long is a line of the kernel's tables. It makes up as many as a read asks for, and behind those that listen it
/// would have to look through all of its buckets for connections.
const LINE: usize = 150;

/// The sockets that listen on the port, as `/proc/PID/fd` names them, from a table like `/proc/net/tcp`: the second
/// column is the local address and port in hex, the fourth the state (0A is listening), the tenth the inode.
///
/// The kernel shows those that listen before all others. A run leaves tens of thousands of closed connections behind
/// for a minute, and to have the kernel write all of them down would take a tenth of a second at each start of a
/// broker.
fn listening_sockets(table: impl BufRead, port: u16) -> impl Iterator<Item = String> {
    let ending = format!(":{port:04X}");
    let heading = 1;
    table
        .lines()
        .map_while(Result::ok)
        .skip(heading)
        .map_while(move |line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let listens = *columns.get(3)? == "0A";
            let inode = (columns.get(1)?.ends_with(&ending))
                .then(|| columns.get(9).copied())
                .flatten();
            listens.then(|| inode.map(|inode| format!("socket:[{inode}]")))
        })
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_tables() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             \x20  0: 0100007F:075B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0\n\
             \x20  1: 0100007F:075C 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0\n\
             \x20  2: 0100007F:075B 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0\n";
        let sockets = |port| listening_sockets(table.as_bytes(), port).collect::<Vec<_>>();
        assert_eq!(sockets(0x75b), ["socket:[4711]"]);
        assert_eq!(sockets(0x75c), ["socket:[4713]"]);
        assert!(sockets(1).is_empty());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn knows_its_own_listener_from_a_strangers() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = nix::unistd::getpgrp().as_raw();
        assert_eq!(listens(own, port), Some(true));
        assert_eq!(listens(-1, port), Some(false));
        drop(listener);
        assert_eq!(listens(own, port), None);
    }
}
