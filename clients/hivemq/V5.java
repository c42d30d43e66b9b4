// The client of the library for 5.0.

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.hivemq.client.mqtt.MqttClient;
import com.hivemq.client.mqtt.MqttClientState;
import com.hivemq.client.mqtt.MqttGlobalPublishFilter;
import com.hivemq.client.mqtt.datatypes.MqttTopicFilter;
import com.hivemq.client.mqtt.mqtt5.Mqtt5AsyncClient;
import com.hivemq.client.mqtt.mqtt5.datatypes.Mqtt5UserProperties;
import com.hivemq.client.mqtt.mqtt5.message.auth.Mqtt5SimpleAuth;
import com.hivemq.client.mqtt.mqtt5.message.auth.Mqtt5SimpleAuthBuilder;
import com.hivemq.client.mqtt.mqtt5.message.connect.Mqtt5Connect;
import com.hivemq.client.mqtt.mqtt5.message.connect.Mqtt5ConnectRestrictions;
import com.hivemq.client.mqtt.mqtt5.message.disconnect.Mqtt5Disconnect;
import com.hivemq.client.mqtt.mqtt5.message.disconnect.Mqtt5DisconnectReasonCode;
import com.hivemq.client.mqtt.mqtt5.message.publish.Mqtt5PayloadFormatIndicator;
import com.hivemq.client.mqtt.mqtt5.message.publish.Mqtt5WillPublish;
import com.hivemq.client.mqtt.mqtt5.message.subscribe.Mqtt5RetainHandling;
import com.hivemq.client.mqtt.mqtt5.message.subscribe.Mqtt5Subscribe;
import com.hivemq.client.mqtt.mqtt5.message.subscribe.Mqtt5Subscription;
import com.hivemq.client.mqtt.mqtt5.message.unsubscribe.Mqtt5Unsubscribe;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiConsumer;

class V5 implements Adapter.Client {
    private final Mqtt5AsyncClient client;
    private final Mqtt5Connect options;
    private final Authentication authentication; // null without an Authentication Method

    V5(JsonObject m) {
        var made = Mqtt5Connect.builder().keepAlive(Adapter.number(m, "keep_alive")).cleanStart(Adapter.flag(m, "clean"));
        Mqtt5SimpleAuthBuilder login = Mqtt5SimpleAuth.builder();
        if (Adapter.has(m, "username")) login = login.username(Adapter.text(m, "username"));
        if (Adapter.has(m, "password")) login = login.password(Adapter.bytes(m.get("password")));
        if (login instanceof Mqtt5SimpleAuthBuilder.Complete complete
                && (Adapter.has(m, "username") || Adapter.has(m, "password"))) made.simpleAuth(complete.build());
        if (Adapter.has(m, "will")) made.willPublish(message(m.getAsJsonObject("will")));
        JsonObject given = Adapter.has(m, "properties") ? m.getAsJsonObject("properties") : new JsonObject();
        authentication = given.has("authentication_method")
                ? new Authentication(Adapter.text(given, "authentication_method"), given.get("authentication_data")) : null;
        if (authentication != null) made.enhancedAuth(authentication);
        var limits = Mqtt5ConnectRestrictions.builder();
        properties(m, (name, value) -> {
            switch (name) {
                case "session_expiry_interval" -> made.sessionExpiryInterval(value.getAsLong());
                case "receive_maximum" -> limits.receiveMaximum(value.getAsInt());
                case "maximum_packet_size" -> limits.maximumPacketSize(value.getAsInt());
                case "topic_alias_maximum" -> limits.topicAliasMaximum(value.getAsInt());
                case "request_problem_information" -> limits.requestProblemInformation(value.getAsInt() == 1);
                case "request_response_information" -> limits.requestResponseInformation(value.getAsInt() == 1);
                case "user_properties" -> made.userProperties(pairs(value));
                case "authentication_method" -> { }
                case "authentication_data" -> {
                    if (authentication == null) throw cannotSet(name + " alone");
                }
                default -> throw cannotSet(name);
            }
        });
        options = made.restrictions(limits.build()).build();
        client = MqttClient.builder().useMqttVersion5().identifier(Adapter.text(m, "client_id"))
                .serverHost(Adapter.text(m, "host")).serverPort(Adapter.number(m, "port")).buildAsync();
        boolean isManual = m.has("manual_acks");
        Adapter.Acks acks = Adapter.acks;
        client.publishes(MqttGlobalPublishFilter.ALL, message -> {
            Adapter.say(Map.of("event", "message", "text", message.getTopic().toString()));
            if (isManual) acks.came(message.getPayloadAsBytes(), message::acknowledge);
        }, isManual);
    }

    static void properties(JsonObject m, BiConsumer<String, JsonElement> set) {
        if (Adapter.has(m, "properties")) m.getAsJsonObject("properties").asMap().forEach(set);
    }

    static UnsupportedOperationException cannotSet(String property) {
        return new UnsupportedOperationException("the application cannot set " + property);
    }

    static Mqtt5UserProperties pairs(JsonElement given) {
        var made = Mqtt5UserProperties.builder();
        for (var pair : given.getAsJsonArray())
            made.add(pair.getAsJsonArray().get(0).getAsString(), pair.getAsJsonArray().get(1).getAsString());
        return made.build();
    }

    private static Mqtt5WillPublish message(JsonObject m) {
        var made = Mqtt5WillPublish.builder().topic(Adapter.text(m, "topic")).payload(Adapter.bytes(m.get("payload")))
                .qos(Adapter.qos(m)).retain(Adapter.flag(m, "retain"));
        properties(m, (name, value) -> {
            switch (name) {
                case "payload_format_indicator" ->
                        made.payloadFormatIndicator(Mqtt5PayloadFormatIndicator.fromCode(value.getAsInt()));
                case "message_expiry_interval" -> made.messageExpiryInterval(value.getAsLong());
                case "content_type" -> made.contentType(value.getAsString());
                case "response_topic" -> made.responseTopic(value.getAsString());
                case "correlation_data" -> made.correlationData(Adapter.bytes(value));
                case "user_properties" -> made.userProperties(pairs(value));
                case "will_delay_interval" -> made.delayInterval(value.getAsLong());
                default -> throw cannotSet(name);
            }
        });
        return made.build();
    }

    public CompletableFuture<?> connect() {
        return client.connect(options);
    }

    public CompletableFuture<?> publish(JsonObject m) {
        return client.publish(message(m));
    }

    public CompletableFuture<?> subscribe(JsonObject m) {
        var filters = m.getAsJsonArray("filters").asList().stream().map(JsonElement::getAsJsonObject);
        var made = Mqtt5Subscribe.builder().addSubscriptions(filters.map(one -> Mqtt5Subscription.builder()
                .topicFilter(Adapter.text(one, "filter")).qos(Adapter.qos(one)).noLocal(Adapter.flag(one, "no_local"))
                .retainAsPublished(Adapter.flag(one, "retain_as_published"))
                .retainHandling(Mqtt5RetainHandling.fromCode(Adapter.number(one, "retain_handling"))).build()));
        properties(m, (name, value) -> {
            if (!name.equals("user_properties")) throw cannotSet(name);
            made.userProperties(pairs(value));
        });
        return client.subscribe(made.build());
    }

    public CompletableFuture<?> unsubscribe(JsonObject m) {
        var filters = m.getAsJsonArray("filters").asList().stream().map(one -> MqttTopicFilter.of(one.getAsString()));
        var made = Mqtt5Unsubscribe.builder().addTopicFilters(filters);
        properties(m, (name, value) -> made.userProperties(pairs(value)));
        return client.unsubscribe(made.build());
    }

    public CompletableFuture<?> disconnect(JsonObject m) {
        var code = Mqtt5DisconnectReasonCode.fromCode(Adapter.number(m, "reason_code"));
        var made = Mqtt5Disconnect.builder().reasonCode(code);
        properties(m, (name, value) -> {
            switch (name) {
                case "session_expiry_interval" -> made.sessionExpiryInterval(value.getAsLong());
                case "reason_string" -> made.reasonString(value.getAsString());
                case "user_properties" -> made.userProperties(pairs(value));
                default -> throw cannotSet(name);
            }
        });
        return client.disconnect(made.build());
    }

    public CompletableFuture<?> authenticate(JsonObject m) {
        if (authentication == null) throw new IllegalStateException("there is no authentication");
        authentication.say(m);
        return Adapter.number(m, "reason_code") == Authentication.AGAIN ? client.reauth() : CompletableFuture.completedFuture(null);
    }

    public CompletableFuture<?> end() {
        return client.disconnect();
    }

    public MqttClientState state() {
        return client.getState();
    }
}
