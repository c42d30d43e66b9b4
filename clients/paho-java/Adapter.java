// The adapter of Eclipse Paho for Java: mqttspec tells it in lines of JSON what the library is to do (docs/adapters.md).
// The calls of the library are in V3.java and V5.java: 3.x and 5.0 are two artefacts.

import com.google.gson.Gson;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Scanner;
import java.util.Set;

class Adapter {
    // A client object with its options.
    interface Client {
        void connect() throws Exception;

        void publish(JsonObject m) throws Exception;

        void subscribe(JsonObject m) throws Exception;

        void unsubscribe(JsonObject m) throws Exception;

        void disconnect(JsonObject m) throws Exception;

        void authenticate(JsonObject m) throws Exception;

        void acknowledge(int id, int qos) throws Exception;

        void end() throws Exception;

        // Whether the library refused a call only since the connection is not there yet, or not gone yet.
        boolean isTooEarly(Exception error);
    }

    // Messages that the application acknowledges by hand: the QoS of those that wait, and identifiers of those that have not
    // come yet.
    static class Acks {
        final Map<Integer, Integer> held = new HashMap<>();
        final Set<Integer> early = new HashSet<>();

        // Whether a message is to be acknowledged at once.
        synchronized boolean came(int id, int qos) {
            if (qos == 0) return false;
            if (early.remove(id)) return true;
            held.put(id, qos);
            return false;
        }

        // The QoS of a message; null if it has not come yet.
        synchronized Integer take(int id) {
            Integer qos = held.remove(id);
            if (qos == null) early.add(id);
            return qos;
        }
    }

    interface Call {
        void call() throws Exception;
    }

    static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    static Client client;
    static Acks acks = new Acks();

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

    static List<JsonElement> filters(JsonObject m) {
        return m.getAsJsonArray("filters").asList();
    }

    // Repeats a call for a second while the library finds it too early.
    static void call(Call call) throws Exception {
        long until = System.currentTimeMillis() + 1000;
        while (true) {
            try {
                call.call();
                return;
            } catch (Exception error) {
                if (System.currentTimeMillis() > until || !client.isTooEarly(error)) throw error;
                Thread.sleep(1);
            }
        }
    }

    static void end() throws Exception {
        if (client != null) client.end();
        client = null;
    }

    static void carryOut(JsonObject m) throws Exception {
        switch (text(m, "do")) {
            case "connect" -> {
                end();
                acks = new Acks();
                client = text(m, "version").equals("v5") ? new V5(m) : new V3(m);
                client.connect();
            }
            case "reconnect" -> call(client::connect);
            case "publish" -> call(() -> client.publish(m));
            case "subscribe" -> call(() -> client.subscribe(m));
            case "unsubscribe" -> call(() -> client.unsubscribe(m));
            case "disconnect" -> call(() -> client.disconnect(m));
            case "auth" -> client.authenticate(m);
            case "ack" -> {
                if (number(m, "reason_code") != 0)
                    throw new UnsupportedOperationException("an acknowledgement has no reason code");
                Integer qos = acks.take(number(m, "packet_id"));
                if (qos != null) client.acknowledge(number(m, "packet_id"), qos);
            }
            case "end" -> end();
            default -> throw new UnsupportedOperationException(text(m, "do"));
        }
    }

    public static void main(String[] arguments) {
        V3.loadClasses();
        V5.loadClasses();
        String jar = V3.LIBRARY.getProtectionDomain().getCodeSource().getLocation().getPath();
        say(Map.of(
                "event", "ready", "contract", 1,
                "name", "paho-java", "version", jar.replaceAll(".*-|\\.jar", ""),
                "versions", List.of("v3.1", "v3.1.1", "v5"),
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
