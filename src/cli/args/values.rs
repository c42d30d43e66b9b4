//! Values of options that are read from their text.

use std::time::Duration;

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

pub(super) fn speed(text: &str) -> Result<f64, String> {
    let factor = text.parse().ok().filter(|f: &f64| f.is_finite() && *f > 0.0);
    factor.ok_or_else(|| "a factor is a number above 0, such as 1 or 0.5".to_owned())
}

pub(super) fn time(text: &str) -> Result<Duration, String> {
    crate::source::parse_duration(text)
}
