// The client of the library for 3.1.1.

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.hivemq.client.mqtt.MqttClient;
import com.hivemq.client.mqtt.MqttClientState;
import com.hivemq.client.mqtt.MqttGlobalPublishFilter;
import com.hivemq.client.mqtt.datatypes.MqttTopicFilter;
import com.hivemq.client.mqtt.mqtt3.Mqtt3AsyncClient;
import com.hivemq.client.mqtt.mqtt3.message.auth.Mqtt3SimpleAuth;
import com.hivemq.client.mqtt.mqtt3.message.connect.Mqtt3Connect;
import com.hivemq.client.mqtt.mqtt3.message.publish.Mqtt3Publish;
import com.hivemq.client.mqtt.mqtt3.message.subscribe.Mqtt3Subscribe;
import com.hivemq.client.mqtt.mqtt3.message.subscribe.Mqtt3Subscription;
import com.hivemq.client.mqtt.mqtt3.message.unsubscribe.Mqtt3Unsubscribe;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

class V3 implements Adapter.Client {
    private final Mqtt3AsyncClient client;
    private final Mqtt3Connect options;

    V3(JsonObject m) {
        var made = Mqtt3Connect.builder()
                .keepAlive(Adapter.number(m, "keep_alive")).cleanSession(Adapter.flag(m, "clean"));
        if (Adapter.has(m, "username")) {
            var login = Mqtt3SimpleAuth.builder().username(Adapter.text(m, "username"));
            if (Adapter.has(m, "password")) login = login.password(Adapter.bytes(m.get("password")));
            made.simpleAuth(login.build());
        }
        if (Adapter.has(m, "will")) made.willPublish(message(m.getAsJsonObject("will")));
        options = made.build();
        client = MqttClient.builder().useMqttVersion3().identifier(Adapter.text(m, "client_id"))
                .serverHost(Adapter.text(m, "host")).serverPort(Adapter.number(m, "port")).buildAsync();
        boolean isManual = m.has("manual_acks");
        Adapter.Acks acks = Adapter.acks;
        client.publishes(MqttGlobalPublishFilter.ALL, message -> {
            Adapter.say(Map.of("event", "message", "text", message.getTopic().toString()));
            if (isManual) acks.came(message.getPayloadAsBytes(), message::acknowledge);
        }, isManual);
    }

    private static Mqtt3Publish message(JsonObject m) {
        return Mqtt3Publish.builder().topic(Adapter.text(m, "topic")).payload(Adapter.bytes(m.get("payload")))
                .qos(Adapter.qos(m)).retain(Adapter.flag(m, "retain")).build();
    }

    public CompletableFuture<?> connect() {
        return client.connect(options);
    }

    public CompletableFuture<?> publish(JsonObject m) {
        return client.publish(message(m));
    }

    public CompletableFuture<?> subscribe(JsonObject m) {
        var filters = m.getAsJsonArray("filters").asList().stream().map(JsonElement::getAsJsonObject);
        return client.subscribe(Mqtt3Subscribe.builder().addSubscriptions(filters.map(one -> Mqtt3Subscription.builder()
                .topicFilter(Adapter.text(one, "filter")).qos(Adapter.qos(one)).build())).build());
    }

    public CompletableFuture<?> unsubscribe(JsonObject m) {
        var filters = m.getAsJsonArray("filters").asList().stream().map(one -> MqttTopicFilter.of(one.getAsString()));
        return client.unsubscribe(Mqtt3Unsubscribe.builder().addTopicFilters(filters).build());
    }

    public CompletableFuture<?> disconnect(JsonObject m) {
        return client.disconnect();
    }

    public CompletableFuture<?> authenticate(JsonObject m) {
        throw new UnsupportedOperationException("AUTH is of 5.0");
    }

    public CompletableFuture<?> end() {
        return client.disconnect();
    }

    public MqttClientState state() {
        return client.getState();
    }
}
