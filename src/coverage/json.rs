//! A coverage as JSON: the format that `docs/json.md` describes.

use serde_json::{Value, json};

use super::{ClientSide, ClientTotals, Coverage, Part, Row, Totals, ways};
use crate::statements::{Binds, Observe};

/// The whole coverage.
pub fn json(coverage: &Coverage) -> Value {
    let parts: Vec<Value> = Part::ALL
        .iter()
        .map(|part| {
            let mut figures = totals(Totals::of(coverage, *part));
            figures["version"] = part.version.name().into();
            figures["numbered"] = (!part.own).into();
            figures["client"] = client_totals(ClientTotals::of(coverage, *part));
            figures
        })
        .collect();
    json!({
        "format": 2,
        "totals": totals(Totals::all(coverage)),
        "numbered": totals(Totals::numbered(coverage)),
        "client": client_totals(ClientTotals::all(coverage)),
        "parts": parts,
        "statements": coverage.rows.iter().map(row).collect::<Vec<_>>(),
    })
}

fn totals(totals: Totals) -> Value {
    json!({
        "statements": totals.statements,
        "observable": totals.observable,
        "with_a_case": totals.with_a_case,
        "caught": totals.caught,
        "not_possible": totals.not_possible,
    })
}

fn client_totals(totals: ClientTotals) -> Value {
    json!({
        "binds_client": totals.client,
        "binds_both": totals.both,
        "observable": totals.observable,
        "with_a_case": totals.with_a_case,
        "caught": totals.caught,
    })
}

fn client(side: &ClientSide) -> Value {
    json!({
        "observable": side.is_observable(),
        "cases": side.cases,
        "caught": side.caught.word(),
        "reason": side.caught.reason(),
    })
}

fn row(row: &Row) -> Value {
    let statement = row.statement;
    json!({
        "version": statement.id.version.name(),
        "id": statement.id.id,
        "section": statement.section,
        "title": statement.title,
        "link": statement.url(),
        "says": statement.says,
        "how": statement.how,
        "enforced_by": statement.enforced_by.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "level": statement.level.keyword(),
        "binds": binds(statement.binds),
        "observe": observe(statement.observe),
        "cases": row.cases,
        "faults": ways(statement).iter().map(|way| way.token()).collect::<Vec<_>>(),
        "caught": row.caught.word(),
        "reason": row.caught.reason(),
        "client": row.client.as_ref().map(client),
    })
}

pub fn binds(binds: Binds) -> &'static str {
    match binds {
        Binds::Client => "client",
        Binds::Server => "server",
        Binds::Both => "both",
    }
}

pub fn observe(observe: Observe) -> &'static str {
    match observe {
        Observe::Wire => "wire",
        Observe::Time => "time",
        Observe::Restart => "restart",
        Observe::Peer => "peer",
        Observe::Internal => "internal",
    }
}

#[cfg(test)]
mod tests {
    use super::super::Evidence;
    use super::*;

    #[test]
    fn a_statement_has_every_field() {
        let json = json(&Coverage::of(&[], &Evidence::None));
        assert_eq!(json["format"], 2);
        assert_eq!(json["numbered"]["observable"], 357);
        let statements = json["statements"].as_array().unwrap();
        let ping = statements
            .iter()
            .find(|s| s["version"] == "v5" && s["id"] == "MQTT-3.12.4-1");
        let expected = json!({
            "version": "v5", "id": "MQTT-3.12.4-1", "section": "3.12.4", "title": "PINGREQ",
            "link": "https://docs.oasis-open.org/mqtt/mqtt/v5.0/os/mqtt-v5.0-os.html#_Toc3901199",
            "says": "The server answers PINGREQ with PINGRESP.",
            "how": "C0 00 gives D0 00; n PINGREQs give n PINGRESPs.",
            "enforced_by": [], "level": "MUST", "binds": "server", "observe": "wire", "cases": [],
            "faults": ["v5:MQTT-3.12.4-1"], "caught": "no", "reason": "no case proves it",
            "client": null,
        });
        assert_eq!(ping, Some(&expected));
        let puback = statements
            .iter()
            .find(|s| s["version"] == "v5" && s["id"] == "MQTT-4.3.2-4");
        let expected = json!({
            "observable": true, "cases": [], "caught": "no", "reason": "no case proves it",
        });
        assert_eq!(puback.map(|s| &s["client"]), Some(&expected));
        assert_eq!(json["client"]["observable"], 266);
    }
}
