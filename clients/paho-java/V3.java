// org.eclipse.paho.client.mqttv3, for 3.1 and 3.1.1.

import com.google.gson.JsonObject;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.eclipse.paho.client.mqttv3.IMqttDeliveryToken;
import org.eclipse.paho.client.mqttv3.MqttAsyncClient;
import org.eclipse.paho.client.mqttv3.MqttCallback;
import org.eclipse.paho.client.mqttv3.MqttConnectOptions;
import org.eclipse.paho.client.mqttv3.MqttException;
import org.eclipse.paho.client.mqttv3.MqttMessage;
import org.eclipse.paho.client.mqttv3.persist.MemoryPersistence;

class V3 implements Adapter.Client, MqttCallback {
    static final Class<?> LIBRARY = MqttAsyncClient.class;
    private final MqttConnectOptions options = new MqttConnectOptions();
    private final MqttAsyncClient client;
    private final boolean isManual;
    private final Adapter.Acks acks = Adapter.acks;

    V3(JsonObject m) throws MqttException {
        options.setMqttVersion(Adapter.text(m, "version").equals("v3.1")
                ? MqttConnectOptions.MQTT_VERSION_3_1 : MqttConnectOptions.MQTT_VERSION_3_1_1);
        options.setCleanSession(Adapter.flag(m, "clean"));
        options.setKeepAliveInterval(Adapter.number(m, "keep_alive"));
        if (Adapter.has(m, "username")) options.setUserName(Adapter.text(m, "username"));
        if (Adapter.has(m, "password")) options.setPassword(characters(Adapter.bytes(m.get("password"))));
        if (Adapter.has(m, "will")) {
            JsonObject will = m.getAsJsonObject("will");
            options.setWill(Adapter.text(will, "topic"), Adapter.bytes(will.get("payload")),
                    Adapter.number(will, "qos"), Adapter.flag(will, "retain"));
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

    private static char[] characters(byte[] password) {
        try {
            CharBuffer read = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(password));
            return read.toString().toCharArray();
        } catch (CharacterCodingException error) {
            throw new UnsupportedOperationException("a password is text");
        }
    }

    public void connect() throws MqttException {
        client.connect(options);
    }

    public void publish(JsonObject m) throws MqttException {
        client.publish(Adapter.text(m, "topic"), Adapter.bytes(m.get("payload")),
                Adapter.number(m, "qos"), Adapter.flag(m, "retain"));
    }

    public void subscribe(JsonObject m) throws MqttException {
        List<JsonObject> filters = Adapter.filters(m).stream().map(one -> one.getAsJsonObject()).toList();
        client.subscribe(filters.stream().map(one -> Adapter.text(one, "filter")).toArray(String[]::new),
                filters.stream().mapToInt(one -> Adapter.number(one, "qos")).toArray());
    }

    public void unsubscribe(JsonObject m) throws MqttException {
        client.unsubscribe(Adapter.filters(m).stream().map(one -> one.getAsString()).toArray(String[]::new));
    }

    public void disconnect(JsonObject m) throws MqttException {
        client.disconnect();
    }

    public void authenticate(JsonObject m) {
        throw new UnsupportedOperationException("AUTH is of 5.0");
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
            case MqttException.REASON_CODE_CLIENT_CONNECTED, MqttException.REASON_CODE_CLIENT_DISCONNECTING,
                    MqttException.REASON_CODE_CONNECT_IN_PROGRESS, MqttException.REASON_CODE_CLIENT_NOT_CONNECTED -> true;
            default -> false;
        };
    }

    public void connectionLost(Throwable cause) {
        Adapter.say(Map.of("event", "disconnected", "text", String.valueOf(cause)));
    }

    public void messageArrived(String topic, MqttMessage message) throws MqttException {
        Adapter.say(Map.of("event", "message", "text", topic));
        if (isManual && acks.came(message.getId(), message.getQos())) acknowledge(message.getId(), message.getQos());
    }

    public void deliveryComplete(IMqttDeliveryToken token) {}
}
