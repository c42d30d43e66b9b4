// Enhanced authentication: what the library asks its application for, which says it when it is told to.

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.hivemq.client.mqtt.datatypes.MqttUtf8String;
import com.hivemq.client.mqtt.mqtt5.Mqtt5ClientConfig;
import com.hivemq.client.mqtt.mqtt5.auth.Mqtt5EnhancedAuthMechanism;
import com.hivemq.client.mqtt.mqtt5.message.auth.Mqtt5Auth;
import com.hivemq.client.mqtt.mqtt5.message.auth.Mqtt5AuthBuilder;
import com.hivemq.client.mqtt.mqtt5.message.auth.Mqtt5EnhancedAuthBuilder;
import com.hivemq.client.mqtt.mqtt5.message.connect.Mqtt5Connect;
import com.hivemq.client.mqtt.mqtt5.message.connect.connack.Mqtt5ConnAck;
import com.hivemq.client.mqtt.mqtt5.message.disconnect.Mqtt5Disconnect;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;

class Authentication implements Mqtt5EnhancedAuthMechanism {
    static final int CONTINUE = 0x18;
    static final int AGAIN = 0x19;
    private static final int TIMEOUT_S = 60;
    private final MqttUtf8String method;
    private final JsonElement data; // of the CONNECT, or null
    // What the application says, by reason code. Either side may be first.
    private final Map<Integer, CompletableFuture<JsonObject>> said = new ConcurrentHashMap<>();

    Authentication(String method, JsonElement data) {
        this.method = MqttUtf8String.of(method);
        this.data = data;
    }

    // The application's `auth`: the library asks for it now, or will.
    void say(JsonObject m) {
        expected(Adapter.number(m, "reason_code")).complete(m);
    }

    private CompletableFuture<JsonObject> expected(int code) {
        return said.computeIfAbsent(code, none -> new CompletableFuture<>());
    }

    private CompletableFuture<Void> answer(int code, Mqtt5AuthBuilder auth) {
        return expected(code).thenAccept(m -> {
            said.remove(code);
            V5.properties(m, (name, value) -> {
                switch (name) {
                    case "authentication_method" -> { } // the library adds it
                    case "authentication_data" -> auth.data(Adapter.bytes(value));
                    case "reason_string" -> auth.reasonString(value.getAsString());
                    case "user_properties" -> auth.userProperties(V5.pairs(value));
                    default -> throw V5.cannotSet(name);
                }
            });
        });
    }

    public MqttUtf8String getMethod() {
        return method;
    }

    public int getTimeout() {
        return TIMEOUT_S;
    }

    public CompletableFuture<Void> onAuth(Mqtt5ClientConfig client, Mqtt5Connect connect, Mqtt5EnhancedAuthBuilder auth) {
        if (data != null) auth.data(Adapter.bytes(data));
        return CompletableFuture.completedFuture(null);
    }

    public CompletableFuture<Void> onReAuth(Mqtt5ClientConfig client, Mqtt5AuthBuilder auth) {
        return answer(AGAIN, auth);
    }

    public CompletableFuture<Boolean> onContinue(Mqtt5ClientConfig client, Mqtt5Auth asked, Mqtt5AuthBuilder auth) {
        return answer(CONTINUE, auth).thenApply(done -> true);
    }

    public CompletableFuture<Boolean> onAuthSuccess(Mqtt5ClientConfig client, Mqtt5ConnAck connAck) {
        return CompletableFuture.completedFuture(true);
    }

    public CompletableFuture<Boolean> onReAuthSuccess(Mqtt5ClientConfig client, Mqtt5Auth auth) {
        return CompletableFuture.completedFuture(true);
    }

    public void onAuthRejected(Mqtt5ClientConfig client, Mqtt5ConnAck connAck) {}

    public void onReAuthRejected(Mqtt5ClientConfig client, Mqtt5Disconnect disconnect) {}

    public void onAuthError(Mqtt5ClientConfig client, Throwable error) {}

    public void onReAuthError(Mqtt5ClientConfig client, Throwable error) {}
}
