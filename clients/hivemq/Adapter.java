// The adapter of the HiveMQ MQTT Client (Java): mqttspec tells it in lines of JSON what the library is to do
// (docs/adapters.md). The calls of the library are in V3.java and V5.java.

import com.google.gson.Gson;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.hivemq.client.mqtt.MqttClient;
import com.hivemq.client.mqtt.MqttClientState;
import com.hivemq.client.mqtt.datatypes.MqttQos;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Scanner;
import java.util.Set;
import java.util.concurrent.CompletableFuture;

class Adapter {
    // A client object with its options. Each call says by its future whether it went well.
    interface Client {
        CompletableFuture<?> connect();

        CompletableFuture<?> publish(JsonObject m);

        CompletableFuture<?> subscribe(JsonObject m);

        CompletableFuture<?> unsubscribe(JsonObject m);

        CompletableFuture<?> disconnect(JsonObject m);

        CompletableFuture<?> authenticate(JsonObject m);

        CompletableFuture<?> end();

        MqttClientState state();
    }

    // Messages that the application acknowledges by hand. The library does not say their identifiers, so they are known by
    // their payloads: those that wait, and payloads of those that have not come yet.
    static class Acks {
        final Map<String, Runnable> held = new HashMap<>();
        final Set<String> early = new HashSet<>();

        void came(byte[] payload, Runnable acknowledge) {
            String key = HexFormat.of().formatHex(payload);
            synchronized (this) {
                if (!early.remove(key)) {
                    held.put(key, acknowledge);
                    return;
                }
            }
            acknowledge.run();
        }

        void acknowledge(String payload) {
            Runnable acknowledge;
            synchronized (this) {
                acknowledge = held.remove(payload);
                if (acknowledge == null) early.add(payload);
            }
            if (acknowledge != null) acknowledge.run();
        }
    }

    static Acks acks = new Acks();
    static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    static Client client;

    static synchronized void say(Map<String, ?> message) {
        OUT.println(new Gson().toJson(message));
    }

    static boolean has(JsonObject m, String key) {
        return m.has(key) && !m.get(key).isJsonNull();
    }

    static String text(JsonObject m, String key) {
        return m.get(key).getAsString();
    }

    static int number(JsonObject m, String key) {
        return m.get(key).getAsInt();
    }

    static boolean flag(JsonObject m, String key) {
        return m.get(key).getAsBoolean();
    }

    static byte[] bytes(JsonElement hex) {
        return HexFormat.of().parseHex(hex.getAsString());
    }

    static MqttQos qos(JsonObject m) {
        return Objects.requireNonNull(MqttQos.fromCode(number(m, "qos")), "there is no such QoS");
    }

    // A call that has failed already was refused.
    static void started(CompletableFuture<?> call) {
        if (call.isCompletedExceptionally()) call.join();
        call.whenComplete((done, error) -> {
            if (error != null) say(Map.of("event", "error", "text", error.toString()));
        });
    }

    static Client await(MqttClientState wanted) throws InterruptedException {
        long until = System.currentTimeMillis() + 1000;
        while (client.state() != wanted && System.currentTimeMillis() < until) Thread.sleep(1);
        return client;
    }

    static void end() {
        if (client != null) client.end().exceptionally(notConnected -> null);
        client = null;
    }

    static void carryOut(JsonObject m) throws InterruptedException {
        // The library refuses calls before the CONNACK, and a reconnect before it has seen the end of the connection.
        switch (text(m, "do")) {
            case "connect" -> {
                end();
                acks = new Acks();
                client = text(m, "version").equals("v5") ? new V5(m) : new V3(m);
                started(client.connect());
            }
            case "reconnect" -> started(await(MqttClientState.DISCONNECTED).connect());
            case "publish" -> started(await(MqttClientState.CONNECTED).publish(m));
            case "subscribe" -> started(await(MqttClientState.CONNECTED).subscribe(m));
            case "unsubscribe" -> started(await(MqttClientState.CONNECTED).unsubscribe(m));
            case "disconnect" -> started(await(MqttClientState.CONNECTED).disconnect(m));
            case "auth" -> {
                if (number(m, "reason_code") == Authentication.AGAIN) await(MqttClientState.CONNECTED);
                started(client.authenticate(m));
            }
            case "ack" -> {
                if (number(m, "reason_code") != 0)
                    throw new UnsupportedOperationException("an acknowledgement has no reason code");
                acks.acknowledge(text(m, "payload"));
            }
            case "end" -> end();
            default -> throw new UnsupportedOperationException(text(m, "do"));
        }
    }

    public static void main(String[] arguments) {
        String jar = MqttClient.class.getProtectionDomain().getCodeSource().getLocation().getPath();
        // It loads the classes of the library before the first case, since the answers there are timed: nothing
        // listens at this port.
        MqttClient.builder().useMqttVersion5().serverHost("127.0.0.1").serverPort(1).buildAsync()
                .connect().exceptionally(refused -> null).join();
        say(Map.of(
                "event", "ready", "contract", 1,
                "name", "hivemq-mqtt-client", "version", jar.replaceAll(".*-|\\.jar", ""),
                "versions", List.of("v3.1.1", "v5"),
                "commands", List.of("connect", "publish", "subscribe", "unsubscribe", "reconnect", "disconnect", "auth", "ack", "end")));
        Scanner lines = new Scanner(System.in, StandardCharsets.UTF_8);
        while (lines.hasNextLine()) {
            JsonObject m = JsonParser.parseString(lines.nextLine()).getAsJsonObject();
            int id = number(m, "id");
            try {
                carryOut(m);
                say(Map.of("id", id));
            } catch (UnsupportedOperationException error) {
                say(Map.of("id", id, "unsupported", error.getMessage()));
            } catch (Exception error) { // however the library says no
                say(Map.of("id", id, "refused", error.toString()));
            }
        }
        System.exit(0); // the threads of the library would go on
    }
}
