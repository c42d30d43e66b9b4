//! The processes of a group, as Linux's `/proc` shows them.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::group::GroupId;

/// One process of a group.
#[derive(Debug)]
pub(super) struct Member {
    /// Its folder in `/proc`.
    pub(super) proc: PathBuf,
    /// It has ended and waits for its parent to notice.
    pub(super) is_dead: bool,
}

/// The processes of the group, in no order. `None` on systems without Linux's `/proc`.
pub(super) fn of(group: GroupId) -> Option<Vec<Member>> {
    if cfg!(not(target_os = "linux")) {
        return None;
    }
    let is_number = |name: &OsStr| name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
    let member = |proc: PathBuf| {
        // Processes that have ended meanwhile have no readable `stat`.
        let stat = std::fs::read_to_string(proc.join("stat")).ok()?;
        let (state, of_group) = state_and_group(&stat)?;
        let is_dead = state == 'Z' || state == 'X';
        (of_group == group).then_some(Member { proc, is_dead })
    };
    let processes = std::fs::read_dir("/proc").ok()?;
    Some(
        processes
            .flatten()
            .filter(|process| is_number(&process.file_name()))
            .filter_map(|process| member(process.path()))
            .collect(),
    )
}

/// The state and the group in a `/proc/PID/stat`: the first and third field after the name, which is in brackets and
/// may hold anything.
fn state_and_group(stat: &str) -> Option<(char, GroupId)> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(1)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_past_any_name() {
        assert_eq!(state_and_group("12 (a) b (c)) S 1 34 56 0"), Some(('S', 34)));
        assert_eq!(state_and_group(""), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn finds_itself() {
        let own = nix::unistd::getpgrp().as_raw();
        let id = std::process::id().to_string();
        assert!(of(own).unwrap().iter().any(|m| m.proc.ends_with(&id) && !m.is_dead));
        assert!(of(-1).unwrap().is_empty());
    }
}
