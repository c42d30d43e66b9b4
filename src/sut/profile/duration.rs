//! Spans of time as a profile writes them: `250ms`, `1.5s`, `2min`.

use std::time::Duration;

/// What a span of time looks like, for messages.
pub(super) const FORM: &str = "a number and its unit, as in 250ms, 1.5s or 2min";

/// The longest span that is taken. More is a slip of the pen.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads a span of time of at most a day. The error says what is wrong, in words that follow the text itself.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits_end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits_end);
    let seconds_per_unit = match unit.trim_start() {
        "ms" => 0.001,
        "s" => 1.0,
        "min" => 60.0,
        "" if !number.is_empty() => return Err(format!("`{text}` has no unit")),
        _ => return Err(format!("`{text}` is no span of time")),
    };
    let well_formed =
        number.starts_with(|c: char| c.is_ascii_digit()) && number.ends_with(|c: char| c.is_ascii_digit());
    let number: f64 = match number.parse() {
        Ok(number) if well_formed => number,
        _ => return Err(format!("`{text}` is no span of time")),
    };
    let span = Duration::try_from_secs_f64(number * seconds_per_unit).unwrap_or(Duration::MAX);
    if span > LONGEST {
        return Err(format!("`{text}` is more than a day"));
    }
    Ok(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_milliseconds_seconds_and_minutes() {
        assert_eq!(parse_duration("0ms"), Ok(Duration::ZERO));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("2 min"), Ok(Duration::from_secs(120)));
    }

    #[test]
    fn refuses_the_rest_by_name() {
        for (text, why) in [
            ("10", "has no unit"),
            ("", "is no span"),
            ("s", "is no span"),
            (".5s", "is no span"),
            ("1.s", "is no span"),
            ("1.2.3s", "is no span"),
            ("-1s", "is no span"),
            ("1h", "is no span"),
            ("1e9s", "is no span"),
            ("999999min", "more than a day"),
        ] {
            let message = parse_duration(text).unwrap_err();
            assert!(message.contains(why), "{text}: {message}");
        }
    }
}
