//! When a run begins, for its reports.

use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat};

/// The present time in RFC 3339, in UTC and to the second. `SOURCE_DATE_EPOCH`, in seconds since 1970, comes first, so that
/// reports can be reproduced (<https://reproducible-builds.org/specs/source-date-epoch/>).
pub fn now() -> String {
    let stated = std::env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|text| text.parse().ok());
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    text(stated.unwrap_or_else(|| i64::try_from(passed.as_secs()).unwrap_or(i64::MAX)))
}

/// A time that is out of the calendar's range is that of 1970.
fn text(seconds: i64) -> String {
    let time = DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_utc_and_to_the_second() {
        assert_eq!(text(0), "1970-01-01T00:00:00Z");
        assert_eq!(text(1_796_056_200), "2026-11-30T16:30:00Z");
        assert_eq!(text(i64::MAX), "1970-01-01T00:00:00Z");
    }
}
