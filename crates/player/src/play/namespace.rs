//! `$ns`: what keeps cases and runs apart on one broker.

use std::sync::atomic::{AtomicU64, Ordering};

/// How every namespace begins, so that what an aborted run left can be found.
pub const PREFIX: &str = "ms";

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
/// 36 to the power of 6: six characters follow the prefix.
const SPACE: u64 = 2_176_782_336;
/// Without a common divisor with [`SPACE`] (whose primes are 2 and 3), so that a run meets every name before it meets
/// one twice; large, so that neighbours do not look alike.
const STRIDE: u64 = 1_337_006_921;

/// Gives a namespace to each exchange of a run.
#[derive(Debug)]
pub struct Namespaces {
    next: AtomicU64,
    /// The same for every exchange.
    fixed: Option<String>,
}

impl Namespaces {
    /// `seed` sets where this run begins: two runs on one broker must differ in it.
    pub fn new(seed: u64) -> Namespaces {
        Namespaces {
            next: AtomicU64::new(seed % SPACE),
            fixed: None,
        }
    }

    /// Gives every exchange the same name, for exchanges one after the other with a client that keeps nothing. Scripts
    /// count on 8 characters of `[a-z0-9]`.
    pub fn always(name: &str) -> Namespaces {
        Namespaces {
            next: AtomicU64::new(0),
            fixed: Some(name.to_owned()),
        }
    }

    /// The next one: 8 characters of `[a-z0-9]`.
    pub fn next(&self) -> String {
        if let Some(name) = &self.fixed {
            return name.clone();
        }
        let mut number = self.next.fetch_add(STRIDE, Ordering::Relaxed) % SPACE;
        let mut digits = [b'0'; 6];
        for digit in digits.iter_mut().rev() {
            *digit = DIGITS[(number % 36) as usize];
            number /= 36;
        }
        let mut name = PREFIX.to_owned();
        name.extend(digits.iter().map(|d| char::from(*d)));
        name
    }
}

/// Whether a level of a topic looks like a namespace of ours. Others may choose such a name as well.
pub fn is_namespace(level: &str) -> bool {
    level.len() == PREFIX.len() + 6 && level.starts_with(PREFIX) && level.bytes().all(|b| DIGITS.contains(&b))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_eight_characters_and_differ() {
        let namespaces = Namespaces::new(u64::MAX);
        let names: BTreeSet<String> = (0..10_000).map(|_| namespaces.next()).collect();
        assert_eq!(names.len(), 10_000);
        for name in names {
            assert!(is_namespace(&name), "{name}");
        }
    }
}
