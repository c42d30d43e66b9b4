//! The process groups that this run has started, and the guarantee that none outlives it.
//!
//! Three things end a group: its owner (a `Spawned` that is dropped), [`kill_all`] (for Ctrl-C), and, when this process
//! is itself killed and can do nothing more, a small watchdog: one `sh` per run that learns of every group over a pipe,
//! and when the pipe closes kills what is left and removes its folders. The kernel closes it however the run ends. `PR_SET_PDEATHSIG` would
//! reach only the first process of a group, is bound to the thread that started it, and needs unsafe code; the watchdog
//! needs none.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::{members, ports};

/// The id of a process group, which is the id of its first process.
pub(super) type GroupId = i32;

/// How long [`kill_all`] waits for what it killed to be gone.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// How long the rest of a killed group may take to be gone. SIGKILL works at once, on a machine that is not overloaded.
const REST_WAIT: Duration = Duration::from_millis(500);

static GROUPS: Mutex<Groups> = Mutex::new(Groups {
    live: BTreeMap::new(),
    watchdog: None,
});

struct Groups {
    /// Every live group, with the folder that is removed when the run is interrupted.
    live: BTreeMap<GroupId, Option<PathBuf>>,
    /// Runs as long as there is a live group.
    watchdog: Option<(Child, ChildStdin)>,
}

/// The table holds plain data that is never left half-changed, so a panic elsewhere does not spoil it.
fn groups() -> MutexGuard<'static, Groups> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the watchdog runs: it keeps the list of groups, and once its input ends it kills them and removes their folders. It
/// ignores the signals that a terminal sends to everybody. A folder in which a killed process was still writing is removed at
/// the second attempt.
const WATCHDOG: &str = r#"
trap '' HUP INT TERM QUIT
live=' '
folders=
while read -r what group folder; do
  case $what in
    start)
      live="$live$group "
      [ -z "$folder" ] || folders="$folders$group $folder
" ;;
    end) case $live in *" $group "*) live="${live%% $group *} ${live#* $group }" ;; esac ;;
  esac
done
for group in $live; do kill -s KILL -- "-$group" 2>/dev/null; done
printf %s "$folders" | while read -r group folder; do
  case $live in
    *" $group "*) rm -rf -- "$folder" || { sleep 1; rm -rf -- "$folder"; } ;;
  esac
done
"#;

/// Notes a group that has just been started.
///
/// # Errors
/// The watchdog could not be started. The group is noted all the same, and has to be ended by its owner.
pub(super) fn enter(group: GroupId, folder: Option<PathBuf>) -> std::io::Result<()> {
    let mut groups = groups();
    let line = started(group, folder.as_ref());
    groups.live.insert(group, folder);
    if let Some((_, pipe)) = &mut groups.watchdog
        && pipe.write_all(line.as_bytes()).is_ok()
    {
        return Ok(());
    }
    groups.watchdog = Some(start_watchdog(&groups.live)?);
    Ok(())
}

/// What the watchdog is told of a group. A folder that does not fit on a line is left out, and stays.
fn started(group: GroupId, folder: Option<&PathBuf>) -> String {
    let folder = folder.and_then(|folder| folder.to_str());
    match folder.filter(|folder| Path::new(folder).is_absolute() && !folder.contains('\n')) {
        Some(folder) => format!("start {group} {folder}\n"),
        None => format!("start {group}\n"),
    }
}

/// Starts a watchdog over these groups.
fn start_watchdog(live: &BTreeMap<GroupId, Option<PathBuf>>) -> std::io::Result<(Child, ChildStdin)> {
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", WATCHDOG])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C in a terminal goes to the run's group; the watchdog has to see the end of it.
        .process_group(0);
    let mut child = ports::while_none_is_looked_at(|| shell.spawn())?;
    let mut pipe = child.stdin.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
    for (group, folder) in live {
        pipe.write_all(started(*group, folder.as_ref()).as_bytes())?;
    }
    Ok((child, pipe))
}

/// Ends what may be left of a group whose first process has just ended, waits until that is gone, and forgets the
/// group. From here on the number may belong to someone else, so no one signals it again.
pub(super) fn leave(group: GroupId) {
    // No such group is what we want to see here.
    let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    let deadline = Instant::now() + REST_WAIT;
    while has_live_members(group) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut groups = groups();
    groups.live.remove(&group);
    if let Some((_, pipe)) = &mut groups.watchdog {
        // A watchdog that someone killed is replaced at the next start.
        if writeln!(pipe, "end {group}").is_err() {
            groups.watchdog = None;
        }
    }
    if groups.live.is_empty()
        && let Some((mut child, pipe)) = groups.watchdog.take()
    {
        drop(pipe);
        // It ends at once now that its input has ended. Waiting for it leaves no zombie.
        let _ = child.wait();
    }
}

/// Whether a process of the group is left that is not just waiting to be reaped, which is up to the system's init.
fn has_live_members(group: GroupId) -> bool {
    if killpg(Pid::from_raw(group), None).is_err() {
        return false;
    }
    match members::of(group) {
        Some(members) => members.iter().any(|member| !member.is_dead),
        None => true,
    }
}

/// Sends a signal to the first process of a live group. Nothing happens to a group that has ended.
pub(super) fn signal_leader(group: GroupId, signal: Signal) {
    if groups().live.contains_key(&group) {
        // It may end between the look-up and the signal, which is just as well.
        let _ = nix::sys::signal::kill(Pid::from_raw(group), signal);
    }
}

/// Sends SIGKILL to a live group. Nothing happens to a group that has ended.
pub(super) fn kill(group: GroupId) {
    if groups().live.contains_key(&group) {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
}

/// Kills every broker that this run has started and removes their folders. For Ctrl-C and the like, where no one can
/// wait for a graceful end; it takes at most two seconds. A broker that is started after this lives on as usual, so
/// call it right before the run ends.
pub fn kill_all() {
    let ids: Vec<GroupId> = groups().live.keys().copied().collect();
    let folders: Vec<PathBuf> = groups().live.values().flatten().cloned().collect();
    for id in &ids {
        kill(*id);
    }
    let deadline = Instant::now() + LAST_WAIT;
    while ids.iter().any(|id| groups().live.contains_key(id)) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    for folder in folders {
        let _ = std::fs::remove_dir_all(folder);
    }
}

/// How many process groups of this run are alive.
pub fn live_groups() -> usize {
    groups().live.len()
}
