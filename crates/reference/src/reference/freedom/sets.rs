//! Which freedoms can be combined: sets for a walk.

use super::Free;

/// Freedoms of which a set contains at most one: one would hide the other, or undo it.
const APART: &[&[&str]] = &[
    &["packet-ids-descending", "packet-ids-lowest", "packet-ids-scattered"],
    &["share-first", "share-scattered"],
    &["reason-strings", "no-reason-strings"],
    &[
        "close-without-disconnect",
        "disconnect-unspecified",
        "shutdown-silent",
        "shutdown-busy",
        "shutdown-administrative",
        "shutdown-use-another",
        "shutdown-moved",
    ],
    &[
        "keep-alive-silent",
        "close-without-disconnect",
        "disconnect-unspecified",
    ],
    &[
        "malformed-as-protocol-error",
        "protocol-error-as-malformed",
        "disconnect-unspecified",
    ],
    &["connack-unspecified", "refusal-without-connack", "login-other-code"],
    &["receive-maximum-1", "receive-maximum-low", "receive-maximum-unstated"],
    &["no-topic-aliases", "topic-alias-maximum-high"],
    &["server-aliases", "server-aliases-remapped"],
    &["connect-timeout-short", "connect-timeout-long"],
    &["bad-filter-closes", "refusals-unspecified"],
    // An assigned identifier is one that the server accepts when the client comes back with it (5.0, MQTT-3.1.3-6).
    &["assigned-ids-long", "long-ids-refused"],
    &["assigned-ids-long", "other-ids-refused"],
    &["qos-0-queued", "duplicates-to-qos-0"],
    &["repeats-on-timer", "repeats-crossing"],
    &["overlap-copies", "duplicates-to-qos-0"],
    // A repeat leaves the server before the acknowledgement comes, and a PUBLISH is not sent after its PUBREL (3.1.1,
    // MQTT-4.3.3-1): nothing that is sent later passes it.
    &["repeats-crossing", "qos-reordered"],
    &["repeats-crossing", "types-reordered"],
    &["repeats-crossing", "topics-reordered"],
    &["repeats-crossing", "publish-late"],
    &["repeats-crossing", "pingresp-first"],
    &["repeats-on-timer", "qos-reordered"],
    &["repeats-on-timer", "types-reordered"],
    &["repeats-on-timer", "topics-reordered"],
    &["repeats-on-timer", "publish-late"],
    &["repeats-on-timer", "pingresp-first"],
    PACE,
    HIDES,
];

/// Freedoms that set the pace of a connection: two of them would double the time of a case.
const PACE: &[&str] = &[
    "delay",
    "delay-all",
    "split-bytes",
    "split-header",
    "coalesce",
    "connack-late",
    "publish-late",
    "pingresp-late",
    "pingresp-first",
    "types-reordered",
    "topics-reordered",
    "qos-reordered",
    "input-late",
    "loss-noticed-late",
    "fin-drops-acknowledgements",
    "close-reset",
    "close-late",
];

/// Freedoms that remove a feature, so that cases are skipped in which others would show.
const HIDES: &[&str] = &[
    "granted-qos-0",
    "granted-qos-1",
    "maximum-qos-0",
    "maximum-qos-1",
    "session-expiry-zero",
    "session-expiry-lowered",
    "no-wildcards",
    "no-shared-subscriptions",
    "no-subscription-ids",
    "retain-unavailable",
    "maximum-packet-size",
    "empty-ids-refused",
    "long-ids-refused",
    "other-ids-refused",
    "in-flight-one",
];

/// Few sets that contain every freedom, and in which none hides another: each that removes a feature is by itself, and the rest
/// is spread over those that set a pace, which come first because they take longest.
pub fn packs() -> Vec<Vec<&'static str>> {
    let mut sets: Vec<Vec<&'static str>> = PACE.iter().map(|name| vec![*name]).collect();
    let is_apart = |name: &str| PACE.contains(&name) || HIDES.contains(&name);
    for name in Free::all().map(|f| f.name).filter(|name| !is_apart(name)) {
        let fits = |set: &&mut Vec<&'static str>| set.iter().all(|other| go_together(name, other));
        match sets.iter_mut().filter(fits).min_by_key(|set| set.len()) {
            Some(set) => set.push(name),
            None => sets.push(vec![name]),
        }
    }
    sets.extend(HIDES.iter().map(|name| vec![*name]));
    sets
}

/// A random set of some freedoms that can be combined. The same `seed` gives the same set.
pub fn random_set(seed: u64) -> Vec<&'static str> {
    let mut state = seed;
    // splitmix64: neighbouring seeds give unrelated numbers.
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let all: Vec<&'static str> = Free::all().map(|f| f.name).collect();
    let wanted = 3 + (next() % 8) as usize;
    let mut set: Vec<&'static str> = Vec::new();
    for _ in 0..wanted * 3 {
        let name = all[(next() % all.len() as u64) as usize];
        if set.len() < wanted && set.iter().all(|other| *other != name && go_together(name, other)) {
            set.push(name);
        }
    }
    set
}

fn go_together(one: &str, other: &str) -> bool {
    !APART.iter().any(|group| group.contains(&one) && group.contains(&other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::freedoms;

    #[test]
    fn every_switch_stands_in_one_pack() {
        let mut packed: Vec<&str> = packs().concat();
        packed.sort_unstable();
        let mut all: Vec<&str> = Free::all().map(|f| f.name).collect();
        all.sort_unstable();
        assert_eq!(packed, all);
        assert_eq!(packs().len(), PACE.len() + HIDES.len());
    }

    #[test]
    fn the_groups_name_freedoms() {
        for name in APART.iter().copied().flatten() {
            let found = freedoms().iter().any(|f| f.name == *name && f.switch.is_some());
            assert!(found, "{name}");
        }
    }

    #[test]
    fn a_seed_gives_one_set_that_can_be_used() {
        for seed in 0..200 {
            let set = random_set(seed);
            assert_eq!(set, random_set(seed));
            assert!(set.len() >= 2, "{set:?}");
            assert!(Free::parse(&set.join(",")).is_ok());
        }
    }
}
