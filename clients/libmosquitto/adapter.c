/* The adapter of libmosquitto: mqttspec tells it in lines of JSON what the library is to do (docs/adapters.md).
 *
 * It drives the library by its functions for an event loop of one's own, since mosquitto_loop_start() reconnects by itself. */

#include "../contract.h"
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static struct mosquitto *client;

static void on_message(struct mosquitto *from, void *data, const struct mosquitto_message *message) {
    (void)from, (void)data;
    message_came(message->topic);
}

/* The bytes of a text in hex, with a zero behind them. */
static char *bytes(const char *hex, int *count) {
    *count = hex ? (int)strlen(hex) / 2 : 0;
    char *made = calloc((size_t)*count + 1, 1);
    for (int i = 0; i < *count; i++) made[i] = (char)byte_of(hex + 2 * i);
    return made;
}

/* The library's names of properties are those of the requests, with hyphens. */
static mosquitto_property *properties(const cJSON *m) {
    mosquitto_property *made = NULL;
    const cJSON *one, *pair;
    cJSON_ArrayForEach(one, cJSON_GetObjectItem(m, "properties")) {
        char name[64];
        int id, type, count;
        snprintf(name, sizeof name, "%s", strcmp(one->string, "user_properties") ? one->string : "user_property");
        for (char *c = name; *c; c++) if (*c == '_') *c = '-';
        if (mosquitto_string_to_property_info(name, &id, &type) != MOSQ_ERR_SUCCESS) {
            unsupported = "a property that the library does not know";
            continue;
        }
        switch (type) {
        case MQTT_PROP_TYPE_BYTE: mosquitto_property_add_byte(&made, id, (uint8_t)one->valuedouble); break;
        case MQTT_PROP_TYPE_INT16: mosquitto_property_add_int16(&made, id, (uint16_t)one->valuedouble); break;
        case MQTT_PROP_TYPE_INT32: mosquitto_property_add_int32(&made, id, (uint32_t)one->valuedouble); break;
        case MQTT_PROP_TYPE_VARINT: mosquitto_property_add_varint(&made, id, (uint32_t)one->valuedouble); break;
        case MQTT_PROP_TYPE_STRING: mosquitto_property_add_string(&made, id, one->valuestring); break;
        case MQTT_PROP_TYPE_BINARY: {
            char *data = bytes(one->valuestring, &count);
            mosquitto_property_add_binary(&made, id, data, (uint16_t)count);
            free(data);
            break;
        }
        default:
            cJSON_ArrayForEach(pair, one) mosquitto_property_add_string_pair(
                &made, id, cJSON_GetArrayItem(pair, 0)->valuestring, cJSON_GetArrayItem(pair, 1)->valuestring);
        }
    }
    return made;
}

static void end(void) {
    mosquitto_destroy(client);
    client = NULL;
}

static int make_and_connect(const cJSON *m, mosquitto_property *with) {
    const char *version = text(m, "version");
    const cJSON *will = cJSON_GetObjectItem(m, "will");
    int count, rc = MOSQ_ERR_SUCCESS;
    end();
    client = mosquitto_new(text(m, "client_id"), flag(m, "clean"), NULL);
    if (!client) return MOSQ_ERR_INVAL;
    mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION,
        !strcmp(version, "v5") ? MQTT_PROTOCOL_V5 : !strcmp(version, "v3.1") ? MQTT_PROTOCOL_V31 : MQTT_PROTOCOL_V311);
    mosquitto_message_callback_set(client, on_message);
    if (text(m, "username") || text(m, "password")) {
        char *password = bytes(text(m, "password"), &count);
        if (strlen(password) < (size_t)count) unsupported = "a password is a C string";
        rc = mosquitto_username_pw_set(client, text(m, "username"), text(m, "password") ? password : NULL);
        free(password);
    }
    if (!rc && cJSON_IsObject(will)) {
        char *payload = bytes(text(will, "payload"), &count);
        rc = mosquitto_will_set_v5(client, text(will, "topic"), count, payload, number(will, "qos"), flag(will, "retain"),
            properties(will)); /* the library keeps the properties */
        free(payload);
    }
    if (rc || unsupported) return rc;
    return mosquitto_connect_bind_v5(client, text(m, "host"), number(m, "port"), number(m, "keep_alive"), NULL, with);
}

/* The library sends several filters in one packet only if they have the same options. */
static int filters(const cJSON *m, const mosquitto_property *with, bool subscribe) {
    const cJSON *list = cJSON_GetObjectItem(m, "filters"), *one;
    int count = 0, qos = 0, options = 0;
    char **names = calloc((size_t)cJSON_GetArraySize(list) + 1, sizeof *names);
    cJSON_ArrayForEach(one, list) {
        names[count] = subscribe ? cJSON_GetStringValue(cJSON_GetObjectItem(one, "filter")) : one->valuestring;
        int its_options = flag(one, "no_local") * MQTT_SUB_OPT_NO_LOCAL |
            flag(one, "retain_as_published") * MQTT_SUB_OPT_RETAIN_AS_PUBLISHED | number(one, "retain_handling") << 4;
        if (subscribe && count++ && (number(one, "qos") != qos || its_options != options))
            unsupported = "all filters of a SUBSCRIBE have the same options";
        if (!subscribe) count++;
        else qos = number(one, "qos"), options = its_options;
    }
    int rc = unsupported ? 0
        : subscribe      ? mosquitto_subscribe_multiple(client, NULL, count, names, qos, options, with)
                         : mosquitto_unsubscribe_multiple(client, NULL, count, names, with);
    free(names);
    return rc;
}

static int publish(const cJSON *m, const mosquitto_property *with) {
    int count;
    char *payload = bytes(text(m, "payload"), &count);
    int rc = mosquitto_publish_v5(client, NULL, text(m, "topic"), count, payload, number(m, "qos"), flag(m, "retain"), with);
    free(payload);
    return rc;
}

static void carry_out(const char *line) {
    cJSON *m = cJSON_Parse(line);
    const char *word = text(m, "do");
    int rc = MOSQ_ERR_SUCCESS;
    unsupported = strstr(line, "\\u0000") ? "a text is a C string" : NULL;
    mosquitto_property *with = properties(m);
    if (unsupported) rc = MOSQ_ERR_SUCCESS;
    else if (!strcmp(word, "connect")) rc = make_and_connect(m, with);
    else if (!strcmp(word, "publish")) rc = publish(m, with);
    else if (!strcmp(word, "subscribe")) rc = filters(m, with, true);
    else if (!strcmp(word, "unsubscribe")) rc = filters(m, with, false);
    else if (!strcmp(word, "reconnect")) rc = mosquitto_reconnect(client);
    else if (!strcmp(word, "disconnect")) rc = mosquitto_disconnect_v5(client, number(m, "reason_code"), with);
    else if (!strcmp(word, "end")) end();
    else unsupported = word;
    answer(number(m, "id"), rc ? mosquitto_strerror(rc) : NULL);
    mosquitto_property_free_all(&with);
    cJSON_Delete(m);
}

int main(void) {
    int major, minor, patch;
    char version[40];
    mosquitto_lib_init();
    mosquitto_lib_version(&major, &minor, &patch);
    snprintf(version, sizeof version, "%d.%d.%d", major, minor, patch);
    ready("libmosquitto", version);
    /* mosquitto_new() closes descriptor 0 when it refuses an empty client identifier. */
    const int requests = dup(0);
    char *lines = malloc(1 << 20);
    size_t have = 0, room = 1 << 20;
    for (ssize_t came = 1; came > 0;) {
        int socket = client ? mosquitto_socket(client) : -1;
        struct pollfd wait[2] = {{.fd = requests, .events = POLLIN}, {.fd = socket, .events = POLLIN}};
        if (socket >= 0 && mosquitto_want_write(client)) wait[1].events |= POLLOUT;
        poll(wait, 2, 100);
        if (socket >= 0 && wait[1].revents & (POLLIN | POLLERR | POLLHUP)) mosquitto_loop_read(client, 1);
        if (client && mosquitto_socket(client) >= 0 && wait[1].revents & POLLOUT) mosquitto_loop_write(client, 1);
        if (client) mosquitto_loop_misc(client);
        if (!wait[0].revents) continue;
        if (have == room) lines = realloc(lines, room *= 2);
        came = read(requests, lines + have, room - have);
        have += came > 0 ? (size_t)came : 0;
        for (char *newline; (newline = memchr(lines, '\n', have));) {
            *newline++ = 0;
            carry_out(lines);
            have -= (size_t)(newline - lines);
            memmove(lines, newline, have);
        }
    }
    end();
    return 0;
}
