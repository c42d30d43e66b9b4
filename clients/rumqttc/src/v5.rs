//! The client of the library for 5.0.

use std::time::Duration;

use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::v5::{
    ConnectProperties, Filter, LastWill, LastWillProperties, Packet, PublishProperties, RetainForwardRule,
    SubscribeProperties, UnsubscribeProperties,
};
use rumqttc::v5::mqttbytes::{QoS, qos};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use serde_json::{Value, json};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;

use crate::{Acks, CAPACITY, Client, No, bytes, list, password, polled, say, text, unsupported};

fn pairs(given: &Value) -> Vec<(String, String)> {
    let pairs = given.as_array().into_iter().flatten();
    pairs
        .map(|pair| {
            (
                pair[0].as_str().unwrap_or_default().to_owned(),
                pair[1].as_str().unwrap_or_default().to_owned(),
            )
        })
        .collect()
}

fn number<T: TryFrom<u64>>(given: &Value) -> Option<T> {
    given.as_u64().and_then(|value| value.try_into().ok())
}

fn given(text: &Value) -> Option<String> {
    text.as_str().map(str::to_owned)
}

fn level(m: &Value) -> Result<QoS, No> {
    qos(m["qos"].as_u64().unwrap_or(0) as u8).ok_or_else(|| No::Refused("there is no such QoS".to_owned()))
}

/// Names of properties and their values.
fn properties(m: &Value) -> impl Iterator<Item = (&str, &Value)> {
    m["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.as_str(), value))
}

pub fn connect(m: &Value, mut again: Receiver<()>) -> Result<(Client, JoinHandle<()>), No> {
    let mut options = MqttOptions::new(text(m, "client_id"), text(m, "host"), number(&m["port"]).unwrap_or(0));
    options.set_keep_alive(Duration::from_secs(m["keep_alive"].as_u64().unwrap_or(0)));
    options.set_clean_start(m["clean"] == true);
    match (m["username"].is_null(), m["password"].is_null()) {
        (true, true) => {}
        (false, false) => drop(options.set_credentials(text(m, "username"), password(m)?)),
        _ => return unsupported("a user name comes with a password"),
    }
    if m["will"].is_object() {
        options.set_last_will(will(&m["will"])?);
    }
    let mut made = ConnectProperties::new();
    for (name, value) in properties(m) {
        match name {
            "session_expiry_interval" => made.session_expiry_interval = number(value),
            "receive_maximum" => made.receive_maximum = number(value),
            "maximum_packet_size" => made.max_packet_size = number(value),
            "topic_alias_maximum" => made.topic_alias_max = number(value),
            "request_response_information" => made.request_response_info = number(value),
            "request_problem_information" => made.request_problem_info = number(value),
            "user_properties" => made.user_properties = pairs(value),
            "authentication_method" => made.authentication_method = given(value),
            "authentication_data" => made.authentication_data = Some(bytes(value).into()),
            other => return unsupported(other),
        }
    }
    if properties(m).next().is_some() {
        options.set_connect_properties(made);
    }
    let is_manual = m["manual_acks"] == true;
    options.set_manual_acks(is_manual);
    let (client, mut event_loop) = AsyncClient::new(options, CAPACITY);
    let acks = Acks::new();
    let by_hand = is_manual.then(|| (client.clone(), acks.clone()));
    let task = polled!(event_loop, again, by_hand, Event::Incoming(Packet::Publish(message)) => message: String::from_utf8_lossy(&message.topic), Event::Outgoing(Outgoing::Disconnect));
    Ok((Client::V5(client, acks), task))
}

fn will(m: &Value) -> Result<LastWill, No> {
    let mut made = None;
    for (name, value) in properties(m) {
        let made = made.get_or_insert(LastWillProperties {
            delay_interval: None,
            payload_format_indicator: None,
            message_expiry_interval: None,
            content_type: None,
            response_topic: None,
            correlation_data: None,
            user_properties: Vec::new(),
        });
        match name {
            "will_delay_interval" => made.delay_interval = number(value),
            "payload_format_indicator" => made.payload_format_indicator = number(value),
            "message_expiry_interval" => made.message_expiry_interval = number(value),
            "content_type" => made.content_type = given(value),
            "response_topic" => made.response_topic = given(value),
            "correlation_data" => made.correlation_data = Some(bytes(value).into()),
            "user_properties" => made.user_properties = pairs(value),
            other => return unsupported(other),
        }
    }
    Ok(LastWill::new(
        text(m, "topic"),
        bytes(&m["payload"]),
        level(m)?,
        m["retain"] == true,
        made,
    ))
}

pub async fn publish(client: &AsyncClient, m: &Value) -> Result<(), No> {
    let mut made = PublishProperties::default();
    for (name, value) in properties(m) {
        match name {
            "payload_format_indicator" => made.payload_format_indicator = number(value),
            "message_expiry_interval" => made.message_expiry_interval = number(value),
            "topic_alias" => made.topic_alias = number(value),
            "response_topic" => made.response_topic = given(value),
            "correlation_data" => made.correlation_data = Some(bytes(value).into()),
            "user_properties" => made.user_properties = pairs(value),
            "content_type" => made.content_type = given(value),
            "subscription_identifier" => made.subscription_identifiers = number(value).into_iter().collect(),
            other => return unsupported(other),
        }
    }
    let (topic, retain, payload) = (text(m, "topic"), m["retain"] == true, bytes(&m["payload"]));
    if properties(m).next().is_none() {
        return Ok(client.publish(topic, level(m)?, retain, payload).await?);
    }
    Ok(client
        .publish_with_properties(topic, level(m)?, retain, payload, made)
        .await?)
}

pub async fn subscribe(client: &AsyncClient, m: &Value) -> Result<(), No> {
    let filters = list(m).iter().map(|one| {
        Ok(Filter {
            path: text(one, "filter"),
            qos: level(one)?,
            nolocal: one["no_local"] == true,
            preserve_retain: one["retain_as_published"] == true,
            retain_forward_rule: match one["retain_handling"].as_u64() {
                Some(1) => RetainForwardRule::OnNewSubscribe,
                Some(2) => RetainForwardRule::Never,
                _ => RetainForwardRule::OnEverySubscribe,
            },
        })
    });
    let filters = filters.collect::<Result<Vec<_>, No>>()?;
    let mut made = SubscribeProperties {
        id: None,
        user_properties: Vec::new(),
    };
    for (name, value) in properties(m) {
        match name {
            "subscription_identifier" => made.id = number(value),
            "user_properties" => made.user_properties = pairs(value),
            other => return unsupported(other),
        }
    }
    if properties(m).next().is_none() {
        return Ok(client.subscribe_many(filters).await?);
    }
    Ok(client.subscribe_many_with_properties(filters, made).await?)
}

pub async fn unsubscribe(client: &AsyncClient, m: &Value) -> Result<(), No> {
    let [one] = list(m) else {
        return unsupported("one filter in each UNSUBSCRIBE");
    };
    let filter = one.as_str().unwrap_or_default();
    match properties(m).next() {
        None => Ok(client.unsubscribe(filter).await?),
        Some((_, value)) => {
            let made = UnsubscribeProperties {
                user_properties: pairs(value),
            };
            Ok(client.unsubscribe_with_properties(filter, made).await?)
        }
    }
}

pub async fn disconnect(client: &AsyncClient, m: &Value) -> Result<(), No> {
    if m["reason_code"] != 0 || properties(m).next().is_some() {
        return unsupported("a DISCONNECT has no reason code and no properties");
    }
    Ok(client.disconnect().await?)
}
