//! Tables of what occurs many times: brokers answer alike, and cases begin alike, so each packet, event and exchange is
//! written once and named by its number.

use std::collections::HashMap;
use std::hash::Hash;

/// Values by number, each once, numbered as they come.
#[derive(Debug)]
pub struct Pool<T> {
    numbers: HashMap<T, u32>,
    items: Vec<T>,
}

impl<T: Clone + Eq + Hash> Pool<T> {
    /// An empty table.
    pub fn new() -> Pool<T> {
        Pool {
            numbers: HashMap::new(),
            items: Vec::new(),
        }
    }

    /// The number of a value.
    pub fn number(&mut self, value: T) -> u32 {
        if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        let number = u32::try_from(self.items.len()).expect("a page has fewer than four thousand million things");
        self.items.push(value.clone());
        self.numbers.insert(value, number);
        number
    }

    /// All of them in their order.
    pub fn into_items(self) -> Vec<T> {
        self.items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alike_has_one_number() {
        let mut pool = Pool::new();
        assert_eq!([pool.number("a"), pool.number("b"), pool.number("a")], [0, 1, 0]);
        assert_eq!(pool.into_items(), ["a", "b"]);
    }
}
