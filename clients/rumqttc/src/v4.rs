//! The client of the library for 3.1.1.

use std::time::Duration;

use rumqttc::mqttbytes::qos;
use rumqttc::{AsyncClient, Event, LastWill, MqttOptions, Outgoing, Packet, QoS, SubscribeFilter};
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;

use crate::{Acks, CAPACITY, Client, No, bytes, list, password, polled, say, text, unsupported};

pub fn connect(m: &Value, mut again: Receiver<()>) -> Result<(Client, JoinHandle<()>), No> {
    let mut options = MqttOptions::new(
        text(m, "client_id"),
        text(m, "host"),
        m["port"].as_u64().unwrap_or(0) as u16,
    );
    options.set_keep_alive(Duration::from_secs(m["keep_alive"].as_u64().unwrap_or(0)));
    options.set_clean_session(m["clean"] == true);
    match (m["username"].is_null(), m["password"].is_null()) {
        (true, true) => {}
        (false, false) => drop(options.set_credentials(text(m, "username"), password(m)?)),
        _ => return unsupported("a user name comes with a password"),
    }
    let will = &m["will"];
    if will.is_object() {
        let level = level(will)?;
        options.set_last_will(LastWill::new(
            text(will, "topic"),
            bytes(&will["payload"]),
            level,
            will["retain"] == true,
        ));
    }
    let is_manual = m["manual_acks"] == true;
    options.set_manual_acks(is_manual);
    let (client, mut event_loop) = AsyncClient::new(options, CAPACITY);
    let acks = Acks::new();
    let by_hand = is_manual.then(|| (client.clone(), acks.clone()));
    let task = polled!(event_loop, again, by_hand, Event::Incoming(Packet::Publish(message)) => message: message.topic, Event::Outgoing(Outgoing::Disconnect));
    Ok((Client::V4(client, acks), task))
}

fn level(m: &Value) -> Result<QoS, No> {
    Ok(qos(m["qos"].as_u64().unwrap_or(0) as u8)?)
}

pub async fn publish(client: &AsyncClient, m: &Value) -> Result<(), No> {
    Ok(client
        .publish(text(m, "topic"), level(m)?, m["retain"] == true, bytes(&m["payload"]))
        .await?)
}

pub async fn subscribe(client: &AsyncClient, m: &Value) -> Result<(), No> {
    let filters = list(m)
        .iter()
        .map(|one| Ok(SubscribeFilter::new(text(one, "filter"), level(one)?)));
    Ok(client.subscribe_many(filters.collect::<Result<Vec<_>, No>>()?).await?)
}

pub async fn unsubscribe(client: &AsyncClient, m: &Value) -> Result<(), No> {
    match list(m) {
        [one] => Ok(client.unsubscribe(one.as_str().unwrap_or_default()).await?),
        _ => unsupported("one filter in each UNSUBSCRIBE"),
    }
}
