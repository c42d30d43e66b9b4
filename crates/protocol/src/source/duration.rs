//! Spans of time as people write them: `250ms`, `1.5s`, `2min`.

use std::time::Duration;

/// What a span of time looks like, for messages.
pub(super) const FORM: &str = "a number and its unit, as in 250ms, 1.5s or 2min";

/// The same as a regular expression, for a schema. It does not know the longest.
pub const PATTERN: &str = r"[0-9]+(\.[0-9]+)?(ms|s|min)";

/// The longest span that is taken. More is a slip of the pen.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads a span of time of at most a day.
///
/// # Errors
/// What is wrong with it, in words, the text itself among them.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let unit_at = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let none = || format!("{} is no span of time", super::quoted(text));
    let seconds_per_unit = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "min" => 60.0,
        "" if !number.is_empty() => return Err(format!("{} has no unit", super::quoted(text))),
        _ => return Err(none()),
    };
    let is_digit = |c: char| c.is_ascii_digit();
    let number: f64 = match number.parse() {
        Ok(number) if text.starts_with(is_digit) && text[..unit_at].ends_with(is_digit) => number,
        _ => return Err(none()),
    };
    let span = Duration::try_from_secs_f64(number * seconds_per_unit).unwrap_or(Duration::MAX);
    if span > LONGEST {
        return Err(format!("{} is more than a day", super::quoted(text)));
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
        assert_eq!(parse_duration("2min"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("1440min"), Ok(LONGEST));
        // Binary fractions do not show: what is written is what is waited for.
        for (text, millis) in [
            ("0.1s", 100),
            ("1.1s", 1100),
            ("0.3s", 300),
            ("0.05min", 3000),
            ("7ms", 7),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
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
            ("2 min", "is no span"),
            ("1e9s", "is no span"),
            ("999999min", "more than a day"),
        ] {
            let message = parse_duration(text).unwrap_err();
            assert!(message.contains(why), "{text}: {message}");
        }
    }
}
