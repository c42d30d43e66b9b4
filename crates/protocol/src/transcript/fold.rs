//! The turns of a `repeat` on one line: `pub -> PUBLISH: { topic: "$ns/a", qos: 1, packet_id: <1..100> }  ×100`.
//!
//! Lines are folded that are equal except for numbers that advance from one to the next by the same step. The first
//! value, the last one and the count give every line back, so that nothing is lost. A line that differs is shown below,
//! with its place: one turn that changes is one line more.

/// Fewer lines than this are shown as they are.
const FEWEST: usize = 3;

/// A line taken apart into its numbers and what is between them.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    between: Vec<&'a str>,
    numbers: Vec<i64>,
}

impl<'a> Parts<'a> {
    /// Only what a decimal number looks like when it is printed counts as one: no leading zeros, at most 15 digits.
    /// Behind a `#` there are bytes in hex, which are no numbers.
    fn of(line: &'a str) -> Parts<'a> {
        let mut parts = Parts {
            between: Vec::new(),
            numbers: Vec::new(),
        };
        let end = line.find("  # ").unwrap_or(line.len());
        let (mut begin, mut at) = (0, 0);
        while at < end {
            let digits = line[at..end].bytes().take_while(u8::is_ascii_digit).count();
            let text = &line[at..at + digits];
            let number = (text.len() <= 15 && (text == "0" || !text.starts_with('0')))
                .then(|| text.parse().ok())
                .flatten();
            if let Some(number) = number {
                parts.between.push(&line[begin..at]);
                parts.numbers.push(number);
                begin = at + digits;
            }
            at += digits.max(1);
            while !line.is_char_boundary(at) {
                at += 1;
            }
        }
        parts.between.push(&line[begin..]);
        parts
    }
}

/// Numbers that advance by the same step: what the line at each place should be.
struct Pattern<'p, 'a> {
    first: &'p Parts<'a>,
    at: i64,
    steps: Vec<i64>,
}

impl<'p, 'a> Pattern<'p, 'a> {
    /// The pattern by which the line at `at` and the one behind it advance.
    fn between(all: &'p [Parts<'a>], at: usize) -> Option<Pattern<'p, 'a>> {
        let (one, next) = (&all[at], &all[at + 1]);
        (one.between == next.between).then(|| Pattern {
            first: one,
            at: at as i64,
            steps: one.numbers.iter().zip(&next.numbers).map(|(a, b)| b - a).collect(),
        })
    }

    /// The number in the column at a place.
    fn number(&self, column: usize, place: usize) -> i64 {
        self.first.numbers[column] + self.steps[column] * (place as i64 - self.at)
    }

    fn is_met(&self, place: usize, parts: &Parts) -> bool {
        parts.between == self.first.between
            && (0..self.steps.len()).all(|column| parts.numbers[column] == self.number(column, place))
    }

    fn text(&self, count: usize) -> String {
        let mut out = String::new();
        for (column, step) in self.steps.iter().enumerate() {
            out.push_str(self.first.between[column]);
            let (first, last) = (self.number(column, 0), self.number(column, count - 1));
            out.push_str(&match step {
                0 => first.to_string(),
                1 | -1 => format!("<{first}..{last}>"),
                step => format!("<{first}..{last} by {step}>"),
            });
        }
        out.push_str(self.first.between[self.steps.len()]);
        out
    }
}

/// The lines of one step in all turns of its `repeat`, folded where most of them follow one pattern.
pub fn fold(lines: Vec<String>) -> Vec<String> {
    let count = lines.len();
    if count < FEWEST {
        return lines;
    }
    let all: Vec<Parts> = lines.iter().map(|line| Parts::of(line)).collect();
    let met = |pattern: &Pattern| (0..count).filter(|at| pattern.is_met(*at, &all[*at])).count();
    // One of these is of lines that are as most are, unless several differ.
    let best = [0, count / 2, count - 2]
        .into_iter()
        .filter_map(|at| Pattern::between(&all, at))
        .map(|pattern| (met(&pattern), pattern))
        .reduce(|best, next| if next.0 > best.0 { next } else { best });
    let Some((met, pattern)) = best.filter(|(met, _)| *met >= FEWEST && 2 * *met > count) else {
        return lines;
    };
    let others = if met == count {
        String::new()
    } else {
        ", but:".to_owned()
    };
    let mut out = vec![format!("{}  ×{count}{others}", pattern.text(count))];
    let differing = (0..count).filter(|at| !pattern.is_met(*at, &all[*at]));
    out.extend(differing.map(|at| format!("    {}: {}", at + 1, lines[at])));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: u32, line: impl Fn(u32) -> String) -> Vec<String> {
        (1..=count).map(line).collect()
    }

    #[test]
    fn lines_that_differ_by_counters_are_one() {
        let text = |n: u32| {
            format!(
                "c1 -> PUBLISH: {{ packet_id: {n}, payload: \"m{}\", left: {} }}",
                5 * n,
                200 - n
            )
        };
        assert_eq!(
            fold(lines(100, text)),
            ["c1 -> PUBLISH: { packet_id: <1..100>, payload: \"m<5..500 by 5>\", left: <199..100> }  ×100"]
        );
        assert_eq!(fold(lines(3, |_| "a -> PINGREQ".to_owned())), ["a -> PINGREQ  ×3"]);
        assert_eq!(fold(lines(2, text)), lines(2, text));
        assert_eq!(fold(Vec::new()), [""; 0]);
    }

    #[test]
    fn one_line_that_differs_is_one_line_more() {
        let text = |n: u32| format!("a <- PUBACK: {{ packet_id: {n} }}");
        for odd in [1, 2, 50, 51, 99, 100] {
            let mut all = lines(100, text);
            all[odd - 1] = format!("a <- PUBACK: {{ packet_id: {odd}, reason_code: 16 }}");
            let expected = format!("    {odd}: a <- PUBACK: {{ packet_id: {odd}, reason_code: 16 }}");
            let head = "a <- PUBACK: { packet_id: <1..100> }  ×100, but:".to_owned();
            assert_eq!(fold(all), [head, expected]);
        }
    }

    #[test]
    fn lines_without_a_pattern_stay_as_they_are() {
        let all = lines(9, |n| format!("a <- PUBACK: {{ packet_id: {} }}", n * n));
        assert_eq!(fold(all.clone()), all);
        // Bytes are no numbers, and neither is what has a leading zero.
        let all = lines(4, |n| format!("a <- PUBACK  # 40 0{n} 1{n}"));
        assert_eq!(fold(all.clone()), all);
        let all = lines(4, |n| format!("a <- PUBLISH: {{ payload: \"00{n}\" }}"));
        assert_eq!(fold(all.clone()), all);
        // Only the numbers are taken apart, whatever is around them.
        assert_eq!(fold(lines(4, |n| format!("é{n}ß"))), ["é<1..4>ß  ×4"]);
    }
}
