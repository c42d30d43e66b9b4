//! The name that was probably meant.

/// Nothing that could be meant is longer, in characters.
const LONGEST: usize = 80;

/// The candidate that was probably meant: the nearest one, if it is near enough.
pub fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let text = text.to_lowercase();
    let length = text.chars().take(LONGEST + 1).count();
    if length > LONGEST {
        return None;
    }
    let near = (length / 3).max(1);
    candidates
        .into_iter()
        // Texts whose lengths differ that much cannot be near: a cheap test first.
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= near)
        .map(|candidate| (strsim::osa_distance(&text, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= near)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "did you mean `x`?" if there is something near, else `otherwise`.
pub fn meant<'a>(
    text: &str,
    candidates: impl IntoIterator<Item = &'a str>,
    otherwise: impl FnOnce() -> String,
) -> String {
    nearest(text, candidates).map_or_else(otherwise, |found| format!("did you mean `{found}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_named_only_where_it_is_near() {
        assert_eq!(nearest("pakcet_id", ["packet_id", "payload"]), Some("packet_id"));
        assert_eq!(nearest("topics", ["topic", "qos"]), Some("topic"));
        assert_eq!(nearest("frobnicate", ["topic", "qos"]), None);
        // Once, only the beginning of a long text was compared, and nearly everything was near to it.
        assert_eq!(nearest(&"a".repeat(300_000), ["topic", "qos"]), None);
    }
}
