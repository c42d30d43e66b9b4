//! In which ways a case can change from one run to the next.

use crate::report::model::Case;
use crate::suite::Verdict;

/// In which way a case changed. The order is that of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It brings the broker down now.
    Crashes,
    /// It fails now, and is not listed as known.
    Fails,
    /// It could not be judged this time, and was before.
    Unjudged,
    /// Only the old run has it, and the suite does not account for that.
    Missing,
    /// It passes now.
    Passes,
    /// It deviates now as the profile says, or another way.
    Known,
    /// It is skipped now.
    Skipped,
    /// It was skipped, or was not judged, and is played now.
    Played,
    /// The verdict is the same, what crossed the wire is not.
    Exchange,
    /// Only the new run has it.
    New,
    /// Only the old run has it: the suite of the new one is another.
    Gone,
}

impl Kind {
    /// Every kind, in the order of reports.
    pub const ALL: [Kind; 11] = [
        Kind::Crashes,
        Kind::Fails,
        Kind::Unjudged,
        Kind::Missing,
        Kind::Passes,
        Kind::Known,
        Kind::Skipped,
        Kind::Played,
        Kind::Exchange,
        Kind::New,
        Kind::Gone,
    ];

    /// Whether the new run is worse for it.
    pub fn is_regression(self) -> bool {
        matches!(self, Kind::Crashes | Kind::Fails | Kind::Unjudged | Kind::Missing)
    }

    /// A heading.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Crashes => "newly crashing",
            Kind::Fails => "newly failing",
            Kind::Unjudged => "no longer judged",
            Kind::Missing => "no longer played",
            Kind::Passes => "newly passing",
            Kind::Known => "newly a known deviation",
            Kind::Skipped => "skipped now",
            Kind::Played => "played now",
            Kind::Exchange => "changed exchange",
            Kind::New => "new cases",
            Kind::Gone => "cases that are gone",
        }
    }
}

/// How a case changed; `None` if it did not.
pub(super) fn kind(old: Option<&Case>, new: &Case) -> Option<Kind> {
    let Some(old) = old else {
        return Some(Kind::New);
    };
    if old.verdict == new.verdict {
        return match (old.exchange_digest(), new.exchange_digest()) {
            (Some(old), Some(new)) if old != new => Some(Kind::Exchange),
            _ => None,
        };
    }
    match (old.verdict, new.verdict) {
        (_, Verdict::Crash) => Some(Kind::Crashes),
        // It was worse before.
        (Verdict::Crash, Verdict::Fail) => Some(Kind::Exchange),
        (_, Verdict::Fail) => Some(Kind::Fails),
        (_, Verdict::Error) => Some(Kind::Unjudged),
        // Of a listed deviation that does not happen any more only the list says the difference.
        (Verdict::Pass, Verdict::Fixed) | (Verdict::Fixed, Verdict::Pass) => None,
        (Verdict::Skip | Verdict::Error, Verdict::Pass | Verdict::Fixed | Verdict::Known) => Some(Kind::Played),
        (_, Verdict::Pass | Verdict::Fixed) => Some(Kind::Passes),
        (_, Verdict::Known) => Some(Kind::Known),
        (_, Verdict::Skip) => Some(Kind::Skipped),
    }
}
