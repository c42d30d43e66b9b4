//! How a statement can be broken: by its own faults, or by those of the statements that enforce it.

use crate::reference::{Disobedience, Disobey};
use crate::statements::Statement;

/// The faults that break a statement. One that binds the client and has none of its own is broken by a server that does
/// not enforce it.
pub fn ways(statement: &Statement) -> Vec<&'static Disobedience> {
    let of = |wanted: &dyn Fn(&Disobedience) -> bool| Disobey::all().iter().filter(|d| wanted(d)).collect();
    let own: Vec<_> = of(&|d| d.statement == statement.id);
    if own.is_empty() {
        return of(&|d| statement.enforced_by.contains(&d.statement));
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements::catalogue;

    fn tokens(id: &str) -> Vec<String> {
        let ways = ways(catalogue().resolve(id).unwrap());
        ways.into_iter().map(Disobedience::token).collect()
    }

    #[test]
    fn a_statement_is_broken_by_its_own_ways() {
        let tokens = tokens("v5:MQTT-4.3.3-10");
        assert!(tokens.contains(&"v5:MQTT-4.3.3-10".to_owned()), "{tokens:?}");
        assert!(tokens.iter().all(|t| t.starts_with("v5:MQTT-4.3.3-10")), "{tokens:?}");
    }
}
