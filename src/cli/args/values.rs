//! Values of options that are read from their text.

use std::time::Duration;

use crate::sut::Profile;

/// Reads `1/4`.
pub(super) fn shard(text: &str) -> Result<(u32, u32), String> {
    let parts = text
        .split_once('/')
        .and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    match parts {
        Some((k, n)) if (1..=n).contains(&k) => Ok((k, n)),
        _ => Err("a shard is K/N with K from 1 to N".to_owned()),
    }
}

/// As many as a profile may ask for.
pub(super) fn jobs(text: &str) -> Result<usize, String> {
    let jobs = text.parse().ok().filter(|jobs| (1..=1024).contains(jobs));
    jobs.ok_or_else(|| "a number from 1 to 1024".to_owned())
}

/// A name as a profile has it.
pub(super) fn name(text: &str) -> Result<String, String> {
    if Profile::is_name(text) {
        Ok(text.to_owned())
    } else {
        Err(Profile::NAME.to_owned())
    }
}

pub(super) fn speed(text: &str) -> Result<f64, String> {
    let factor = text.parse().ok().filter(|f: &f64| f.is_finite() && *f > 0.0);
    factor.ok_or_else(|| "a factor is a number above 0, such as 1 or 0.5".to_owned())
}

pub(super) fn time(text: &str) -> Result<Duration, String> {
    crate::source::parse_duration(text)
}

/// A time in which something has to happen.
pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    time(text).and_then(|time| {
        if time.is_zero() {
            Err("it cannot be 0".to_owned())
        } else {
            Ok(time)
        }
    })
}
