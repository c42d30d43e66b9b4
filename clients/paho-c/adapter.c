/* The adapter of Eclipse Paho for C, MQTTAsync: mqttspec tells it in lines of JSON what the library is to do
 * (docs/adapters.md). */

#include "../contract.h"
#include <MQTTAsync.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const PROPERTIES[] = {
    [1] = "payload_format_indicator", "message_expiry_interval", "content_type", [8] = "response_topic", "correlation_data",
    [11] = "subscription_identifier", [17] = "session_expiry_interval", [21] = "authentication_method",
    "authentication_data", "request_problem_information", "will_delay_interval", "request_response_information",
    [31] = "reason_string", [33] = "receive_maximum", "topic_alias_maximum", "topic_alias", [38] = "user_properties",
    "maximum_packet_size",
};
static MQTTAsync client;
static MQTTAsync_connectOptions options; /* and what they point to, for a reconnect: */
static MQTTAsync_willOptions will;
static MQTTProperties with, of_will;
static cJSON *connect_request;

static int on_message(void *context, char *topic, int length, MQTTAsync_message *message) {
    (void)context, (void)length;
    message_came(topic);
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    return 1;
}

static MQTTLenString string(const cJSON *one) {
    return (MQTTLenString){(int)strlen(one->valuestring), one->valuestring};
}

/* The bytes of a text in hex. They overwrite the text. */
static MQTTLenString binary(char *hex) {
    const int count = (int)strlen(hex) / 2;
    for (int i = 0; i < count; i++) hex[i] = (char)byte_of(hex + 2 * i);
    return (MQTTLenString){count, hex};
}

static MQTTProperties properties(const cJSON *m) {
    MQTTProperties made = MQTTProperties_initializer;
    const cJSON *one, *pair;
    cJSON_ArrayForEach(one, cJSON_GetObjectItem(m, "properties")) {
        int code = sizeof PROPERTIES / sizeof *PROPERTIES - 1;
        while (code && !(PROPERTIES[code] && !strcmp(PROPERTIES[code], one->string))) code--;
        MQTTProperty property = {.identifier = code};
        switch (code ? MQTTProperty_getType(code) : -1) {
        case -1: unsupported = one->string; continue;
        case MQTTPROPERTY_TYPE_BYTE: property.value.byte = (unsigned char)one->valuedouble; break;
        case MQTTPROPERTY_TYPE_TWO_BYTE_INTEGER: property.value.integer2 = (unsigned short)one->valuedouble; break;
        case MQTTPROPERTY_TYPE_FOUR_BYTE_INTEGER:
        case MQTTPROPERTY_TYPE_VARIABLE_BYTE_INTEGER: property.value.integer4 = (unsigned)one->valuedouble; break;
        case MQTTPROPERTY_TYPE_BINARY_DATA: property.value.data = binary(one->valuestring); break;
        case MQTTPROPERTY_TYPE_UTF_8_ENCODED_STRING: property.value.data = string(one); break;
        default:
            cJSON_ArrayForEach(pair, one) {
                property.value.data = string(cJSON_GetArrayItem(pair, 0));
                property.value.value = string(cJSON_GetArrayItem(pair, 1));
                MQTTProperties_add(&made, &property);
            }
            continue;
        }
        MQTTProperties_add(&made, &property);
    }
    return made;
}

/* The library refuses calls before the CONNACK, and a reconnect before it has seen the end of the connection. */
static void await(bool connected) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const struct timespec until = {now.tv_sec + 1, now.tv_nsec};
    while (!MQTTAsync_isConnected(client) == connected) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec > until.tv_sec || (now.tv_sec == until.tv_sec && now.tv_nsec > until.tv_nsec)) return;
        usleep(1000);
    }
}

static void end(void) {
    if (client) MQTTAsync_destroy(&client);
    MQTTProperties_free(&with), MQTTProperties_free(&of_will);
    cJSON_Delete(connect_request);
    connect_request = NULL;
}

/* Keeps the request: the options point into it. */
static int make_and_connect(cJSON *m) {
    const char *version = text(m, "version");
    bool v5 = !strcmp(version, "v5");
    char uri[300];
    connect_request = m;
    MQTTAsync_createOptions how = MQTTAsync_createOptions_initializer;
    how.MQTTVersion = v5 ? MQTTVERSION_5 : !strcmp(version, "v3.1") ? MQTTVERSION_3_1 : MQTTVERSION_3_1_1;
    snprintf(uri, sizeof uri, "tcp://%s:%d", text(m, "host"), number(m, "port"));
    int rc = MQTTAsync_createWithOptions(&client, uri, text(m, "client_id"), MQTTCLIENT_PERSISTENCE_NONE, NULL, &how);
    if (rc) return rc;
    MQTTAsync_setCallbacks(client, NULL, NULL, on_message, NULL);
    options = v5 ? (MQTTAsync_connectOptions)MQTTAsync_connectOptions_initializer5
                 : (MQTTAsync_connectOptions)MQTTAsync_connectOptions_initializer;
    options.MQTTVersion = how.MQTTVersion; /* and no other if the server refuses it */
    options.keepAliveInterval = number(m, "keep_alive");
    if (v5) options.cleanstart = flag(m, "clean");
    else options.cleansession = flag(m, "clean");
    options.username = text(m, "username");
    if (text(m, "password")) {
        const MQTTLenString password = binary(text(m, "password"));
        options.binarypwd.data = password.data, options.binarypwd.len = password.len;
    }
    with = properties(m);
    if (v5) options.connectProperties = &with;
    cJSON *given = cJSON_GetObjectItem(m, "will");
    if (cJSON_IsObject(given)) {
        const MQTTLenString payload = binary(text(given, "payload"));
        will = (MQTTAsync_willOptions)MQTTAsync_willOptions_initializer;
        will.topicName = text(given, "topic");
        will.payload.data = payload.data, will.payload.len = payload.len;
        will.qos = number(given, "qos"), will.retained = flag(given, "retain");
        options.will = &will;
        of_will = properties(given);
        if (v5) options.willProperties = &of_will;
    }
    return unsupported ? 0 : MQTTAsync_connect(client, &options);
}

static int filters(const cJSON *m, MQTTAsync_responseOptions *how, bool subscribe) {
    const cJSON *list = cJSON_GetObjectItem(m, "filters"), *one;
    const int all = cJSON_GetArraySize(list) + 1; /* none is no array in C */
    int count = 0, qos[all];
    char *names[all];
    MQTTSubscribe_options each[all];
    cJSON_ArrayForEach(one, list) {
        names[count] = subscribe ? text(one, "filter") : one->valuestring;
        each[count] = (MQTTSubscribe_options)MQTTSubscribe_options_initializer;
        each[count].noLocal = flag(one, "no_local"), each[count].retainAsPublished = flag(one, "retain_as_published");
        each[count].retainHandling = (unsigned char)number(one, "retain_handling");
        qos[count++] = number(one, "qos");
    }
    if (!subscribe) return MQTTAsync_unsubscribeMany(client, count, names, how);
    if (count == 1) how->subscribeOptions = each[0]; /* the library takes the list for several only */
    how->subscribeOptionsList = each;
    how->subscribeOptionsCount = options.MQTTVersion == MQTTVERSION_5 ? count : 0;
    return MQTTAsync_subscribeMany(client, count, names, qos, how);
}

static int publish(const cJSON *m, MQTTAsync_responseOptions *how) {
    const MQTTLenString payload = binary(text(m, "payload"));
    return MQTTAsync_send(client, text(m, "topic"), payload.len, payload.data, number(m, "qos"), flag(m, "retain"), how);
}

static int call(const char *word, cJSON *m) {
    MQTTAsync_responseOptions how = MQTTAsync_responseOptions_initializer;
    MQTTAsync_disconnectOptions last = MQTTAsync_disconnectOptions_initializer;
    int rc = 0;
    if (!strcmp(word, "end")) return end(), 0;
    await(strcmp(word, "reconnect"));
    if (!strcmp(word, "reconnect")) return MQTTAsync_connect(client, &options);
    last.struct_version = options.MQTTVersion == MQTTVERSION_5;
    last.reasonCode = number(m, "reason_code");
    how.properties = last.properties = properties(m);
    if (unsupported) rc = 0;
    else if (!strcmp(word, "publish")) rc = publish(m, &how);
    else if (!strcmp(word, "subscribe")) rc = filters(m, &how, true);
    else if (!strcmp(word, "unsubscribe")) rc = filters(m, &how, false);
    else if (!strcmp(word, "disconnect")) rc = MQTTAsync_disconnect(client, &last);
    else unsupported = word;
    MQTTProperties_free(&how.properties);
    return rc;
}

int main(void) {
    MQTTAsync_init_options quiet = MQTTAsync_init_options_initializer;
    MQTTAsync_global_init(&quiet);
    ready("paho-c", MQTTAsync_getVersionInfo()[1].value);
    char *line = NULL;
    for (size_t room = 0; getline(&line, &room, stdin) >= 0;) {
        cJSON *m = cJSON_Parse(line);
        const char *word = text(m, "do");
        const bool connect = !strcmp(word, "connect");
        unsupported = strstr(line, "\\u0000") ? "a text is a C string" : NULL;
        if (connect) end();
        int rc = unsupported ? 0 : connect ? make_and_connect(m) : call(word, m);
        const char *why = MQTTAsync_strerror(rc);
        answer(number(m, "id"), !rc ? NULL : why ? why : "no text");
        if (m != connect_request) cJSON_Delete(m);
    }
    end();
    _exit(0); /* the threads of the library would go on */
}
