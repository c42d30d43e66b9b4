/* The contract of adapters (docs/adapters.md) for those in C. */

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Why the request at hand cannot be expressed by the library; NULL if it can. */
static const char *unsupported;

/* Writes a line, from any thread, and frees the message. */
static void say(cJSON *message) {
    char *line = cJSON_PrintUnformatted(message);
    puts(line);
    fflush(stdout);
    free(line);
    cJSON_Delete(message);
}

static void ready(const char *name, const char *version) {
    printf("{\"event\": \"ready\", \"contract\": 1, \"name\": \"%s\", \"version\": \"%s\", "
           "\"versions\": [\"v3.1\", \"v3.1.1\", \"v5\"], \"commands\": [\"connect\", \"publish\", \"subscribe\", "
           "\"unsubscribe\", \"reconnect\", \"disconnect\", \"end\"]}\n", name, version);
    fflush(stdout);
}

static void message_came(const char *topic) {
    cJSON *event = cJSON_CreateObject();
    cJSON_AddStringToObject(event, "event", "message");
    cJSON_AddStringToObject(event, "text", topic);
    say(event);
}

/* `refused` is the library's own text, or NULL if it took the call. */
static void answer(int id, const char *refused) {
    cJSON *made = cJSON_CreateObject();
    cJSON_AddNumberToObject(made, "id", id);
    if (unsupported) cJSON_AddStringToObject(made, "unsupported", unsupported);
    else if (refused) cJSON_AddStringToObject(made, "refused", refused);
    say(made);
}

/* A member of a request; NULL, 0 or false if it is not there. */
static char *text(const cJSON *m, const char *key) { return cJSON_GetStringValue(cJSON_GetObjectItem(m, key)); }

static int number(const cJSON *m, const char *key) {
    const cJSON *one = cJSON_GetObjectItem(m, key);
    return one ? one->valueint : 0;
}

static bool flag(const cJSON *m, const char *key) { return cJSON_IsTrue(cJSON_GetObjectItem(m, key)); }

/* One byte of a text in hex. sscanf() would look at the whole rest of the text for each. */
static unsigned char byte_of(const char *hex) {
    const char both[3] = {hex[0], hex[1], 0};
    return (unsigned char)strtoul(both, NULL, 16);
}
