// org.eclipse.paho.mqttv5.client, for 5.0.

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.eclipse.paho.mqttv5.client.IMqttToken;
import org.eclipse.paho.mqttv5.client.MqttAsyncClient;
import org.eclipse.paho.mqttv5.client.MqttCallback;
import org.eclipse.paho.mqttv5.client.MqttClientException;
import org.eclipse.paho.mqttv5.client.MqttConnectionOptions;
import org.eclipse.paho.mqttv5.client.MqttDisconnectResponse;
import org.eclipse.paho.mqttv5.client.persist.MemoryPersistence;
import org.eclipse.paho.mqttv5.common.MqttException;
import org.eclipse.paho.mqttv5.common.MqttMessage;
import org.eclipse.paho.mqttv5.common.MqttSubscription;
import org.eclipse.paho.mqttv5.common.packet.MqttProperties;
import org.eclipse.paho.mqttv5.common.packet.UserProperty;

class V5 implements Adapter.Client, MqttCallback {
    private static final long QUIESCE_MS = 30_000; // that of disconnect() without arguments
    private final MqttConnectionOptions options = new MqttConnectionOptions();
    private final MqttAsyncClient client;
    private final boolean isManual;
    private final Adapter.Acks acks = Adapter.acks;

    V5(JsonObject m) throws MqttException {
        options.setCleanStart(Adapter.flag(m, "clean"));
        options.setKeepAliveInterval(Adapter.number(m, "keep_alive"));
        if (Adapter.has(m, "username")) options.setUserName(Adapter.text(m, "username"));
        if (Adapter.has(m, "password")) options.setPassword(Adapter.bytes(m.get("password")));
        if (Adapter.has(m, "will")) {
            MqttMessage will = message(m.getAsJsonObject("will"));
            options.setWill(Adapter.text(m.getAsJsonObject("will"), "topic"), will);
            options.setWillMessageProperties(will.getProperties());
        }
        // The options of the connection are methods of their own.
        for (var property : m.getAsJsonObject("properties").entrySet()) {
            JsonElement value = property.getValue();
            switch (property.getKey()) {
                case "session_expiry_interval" -> options.setSessionExpiryInterval(value.getAsLong());
                case "receive_maximum" -> options.setReceiveMaximum(value.getAsInt());
                case "maximum_packet_size" -> options.setMaximumPacketSize(value.getAsLong());
                case "topic_alias_maximum" -> options.setTopicAliasMaximum(value.getAsInt());
                case "request_problem_information" -> options.setRequestProblemInfo(value.getAsInt() == 1);
                case "request_response_information" -> options.setRequestResponseInfo(value.getAsInt() == 1);
                case "user_properties" -> options.setUserProperties(pairs(value));
                case "authentication_method" -> options.setAuthMethod(value.getAsString());
                case "authentication_data" -> options.setAuthData(Adapter.bytes(value));
                default -> throw new UnsupportedOperationException(property.getKey());
            }
        }
        client = new MqttAsyncClient("tcp://" + Adapter.text(m, "host") + ":" + Adapter.number(m, "port"),
                Adapter.text(m, "client_id"), new MemoryPersistence());
        client.setCallback(this);
        isManual = m.has("manual_acks");
        client.setManualAcks(isManual);
    }

    // Before the first case, since the answers there are timed. Nothing listens at this port.
    static void loadClasses() {
        try {
            new MqttAsyncClient("tcp://127.0.0.1:1", "", new MemoryPersistence()).connect().waitForCompletion();
        } catch (MqttException refused) {
            // as expected
        }
    }

    private static List<UserProperty> pairs(JsonElement given) {
        List<UserProperty> made = new ArrayList<>();
        for (var pair : given.getAsJsonArray())
            made.add(new UserProperty(pair.getAsJsonArray().get(0).getAsString(), pair.getAsJsonArray().get(1).getAsString()));
        return made;
    }

    private static MqttProperties properties(JsonObject m) {
        MqttProperties made = new MqttProperties();
        for (var property : m.getAsJsonObject("properties").entrySet()) {
            JsonElement value = property.getValue();
            switch (property.getKey()) {
                case "payload_format_indicator" -> made.setPayloadFormat(value.getAsInt() == 1);
                case "message_expiry_interval" -> made.setMessageExpiryInterval(value.getAsLong());
                case "topic_alias" -> made.setTopicAlias(value.getAsInt());
                case "content_type" -> made.setContentType(value.getAsString());
                case "response_topic" -> made.setResponseTopic(value.getAsString());
                case "correlation_data" -> made.setCorrelationData(Adapter.bytes(value));
                case "user_properties" -> made.setUserProperties(pairs(value));
                case "will_delay_interval" -> made.setWillDelayInterval(value.getAsLong());
                case "subscription_identifier" -> made.setSubscriptionIdentifier(value.getAsInt());
                case "session_expiry_interval" -> made.setSessionExpiryInterval(value.getAsLong());
                case "authentication_method" -> made.setAuthenticationMethod(value.getAsString());
                case "authentication_data" -> made.setAuthenticationData(Adapter.bytes(value));
                case "reason_string" -> made.setReasonString(value.getAsString());
                default -> throw new UnsupportedOperationException(property.getKey());
            }
        }
        return made;
    }

    private static MqttMessage message(JsonObject m) {
        return new MqttMessage(Adapter.bytes(m.get("payload")), Adapter.number(m, "qos"), Adapter.flag(m, "retain"),
                properties(m));
    }

    private static MqttSubscription subscription(JsonObject one) {
        MqttSubscription made = new MqttSubscription(Adapter.text(one, "filter"), Adapter.number(one, "qos"));
        made.setNoLocal(Adapter.flag(one, "no_local"));
        made.setRetainAsPublished(Adapter.flag(one, "retain_as_published"));
        made.setRetainHandling(Adapter.number(one, "retain_handling"));
        return made;
    }

    public void connect() throws MqttException {
        client.connect(options);
    }

    public void publish(JsonObject m) throws MqttException {
        client.publish(Adapter.text(m, "topic"), message(m));
    }

    public void subscribe(JsonObject m) throws MqttException {
        var filters = Adapter.filters(m).stream().map(one -> subscription(one.getAsJsonObject()));
        client.subscribe(filters.toArray(MqttSubscription[]::new), null, null, properties(m));
    }

    public void unsubscribe(JsonObject m) throws MqttException {
        var filters = Adapter.filters(m).stream().map(one -> one.getAsString());
        client.unsubscribe(filters.toArray(String[]::new), null, null, properties(m));
    }

    public void disconnect(JsonObject m) throws MqttException {
        client.disconnect(QUIESCE_MS, null, null, Adapter.number(m, "reason_code"), properties(m));
    }

    public void authenticate(JsonObject m) throws MqttException {
        client.authenticate(Adapter.number(m, "reason_code"), null, properties(m));
    }

    public void acknowledge(int id, int qos) throws MqttException {
        client.messageArrivedComplete(id, qos);
    }

    public void end() throws MqttException {
        client.disconnectForcibly(0, 0, false);
        client.close(true);
    }

    public boolean isTooEarly(Exception error) {
        return error instanceof MqttException refused && switch (refused.getReasonCode()) {
            case MqttClientException.REASON_CODE_CLIENT_CONNECTED, MqttClientException.REASON_CODE_CLIENT_DISCONNECTING,
                    MqttClientException.REASON_CODE_CONNECT_IN_PROGRESS, MqttClientException.REASON_CODE_CLIENT_NOT_CONNECTED -> true;
            default -> false;
        };
    }

    public void disconnected(MqttDisconnectResponse response) {
        Adapter.say(Map.of("event", "disconnected", "text", String.valueOf(response)));
    }

    public void mqttErrorOccurred(MqttException error) {
        Adapter.say(Map.of("event", "error", "text", String.valueOf(error)));
    }

    public void messageArrived(String topic, MqttMessage message) throws MqttException {
        Adapter.say(Map.of("event", "message", "text", topic));
        if (isManual && acks.came(message.getId(), message.getQos())) acknowledge(message.getId(), message.getQos());
    }

    public void deliveryComplete(IMqttToken token) {}

    public void connectComplete(boolean again, String server) {}

    public void authPacketArrived(int code, MqttProperties properties) {}
}
