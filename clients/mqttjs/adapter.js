// An mqttspec adapter for MQTT.js (docs/adapters.md): requests on standard input, answers and events on standard output.
//
// NODE_PATH names the folder of the library; ci/clients/mqttjs.yaml sets it.
const mqtt = require('mqtt')
const { createInterface } = require('node:readline')

const VERSIONS = {
  'v3.1': { protocolId: 'MQIsdp', protocolVersion: 3 },
  'v3.1.1': { protocolId: 'MQTT', protocolVersion: 4 },
  v5: { protocolId: 'MQTT', protocolVersion: 5 }
}
const BOOLEANS = ['payload_format_indicator', 'request_problem_information', 'request_response_information']
const BINARY = ['authentication_data', 'correlation_data']
const CONTINUE = 0x18 // the reason code of an AUTH that goes on with an authentication
const NAMES = { subscription_ids: 'subscriptionIdentifier' }

let client
let open = false // whether the present network connection still exists
let acks // messages that the application acknowledges by hand
let auths // what it answers to AUTH packets of the server

const write = (message) => process.stdout.write(JSON.stringify(message) + '\n')
const bytes = (hex) => Buffer.from(hex, 'hex')

// Properties by their names and types in MQTT.js, or undefined if there are none.
function properties(given) {
  const entries = Object.entries(given ?? {}).map(([name, value]) => {
    if (name === 'user_properties') return ['userProperties', pairs(value)]
    if (BOOLEANS.includes(name)) value = value === 1 || value === true
    if (BINARY.includes(name)) value = bytes(value)
    return [NAMES[name] ?? name.replace(/_(.)/g, (_, letter) => letter.toUpperCase()), value]
  })
  return entries.length > 0 ? Object.fromEntries(entries) : undefined
}

// The library asks for the reason code of each PUBLISH. For one that comes again it is that of before.
function acknowledging(mine) {
  const codes = new Map()
  return (_topic, _payload, packet, done) => {
    const { messageId, dup } = packet
    if (dup && codes.has(messageId)) return done(null, codes.get(messageId))
    mine.ask(messageId, (code) => {
      codes.set(messageId, code)
      done(null, code)
    })
  }
}

// User properties are an object in MQTT.js. A name that occurs twice has a list of values.
function pairs(list) {
  const map = {}
  for (const [name, value] of list) (map[name] ??= []).push(value)
  return map
}

// Two lists that meet: what the library asks for, and what the application says. Each may come first.
class Meeting {
  constructor() {
    this.asked = new Map()
    this.said = new Map()
  }

  ask(key, done) {
    if (this.said.has(key)) done(this.take(this.said, key))
    else this.asked.set(key, done)
  }

  say(key, value) {
    if (this.asked.has(key)) this.take(this.asked, key)(value)
    else this.said.set(key, value)
  }

  take(map, key) {
    const value = map.get(key)
    map.delete(key)
    return value
  }
}

function options(request) {
  const { will } = request
  const byHand = request.manual_acks ? { customHandleAcks: acknowledging(acks) } : {}
  return {
    ...byHand,
    ...VERSIONS[request.version],
    clientId: request.client_id,
    clean: request.clean,
    keepalive: request.keep_alive,
    username: request.username ?? undefined,
    password: request.password == null ? undefined : bytes(request.password),
    will: will && { ...will, payload: bytes(will.payload), properties: properties(will.properties) },
    properties: properties(request.properties),
    // What would change bytes by itself.
    reconnectPeriod: 0,
    resubscribe: false
  }
}

function connect(request) {
  if (request.manual_acks && request.version !== 'v5') return { unsupported: 'messages are acknowledged by hand at 5.0 only' }
  end()
  acks = new Meeting()
  auths = new Meeting()
  const answers = auths
  const mine = mqtt.connect(`mqtt://${request.host}:${request.port}`, options(request))
  client = mine
  open = true
  mine.handleAuth = (packet, done) => {
    if (packet.reasonCode === CONTINUE) answers.ask('auth', (auth) => done(null, auth))
    else done()
  }
  const event = (name) => (what) => mine === client && write({ event: name, text: String(what?.message ?? what ?? '') })
  mine.on('connect', (connack) => event('connected')(`session present ${connack.sessionPresent}`))
  mine.on('message', event('message'))
  mine.on('error', event('error'))
  mine.on('disconnect', (packet) => event('disconnect')(packet.reasonCode))
  mine.on('close', () => {
    if (mine === client) open = false
    event('closed')()
  })
}

// `connect` on a client that exists keeps its options and its messages; `reconnect` would replace the stores.
function reconnect() {
  const again = () => {
    open = true
    client.connect()
  }
  if (open) client.once('close', again)
  else again()
}

function end() {
  const old = client
  client = undefined
  old?.end(true)
}

// Filters with their options, by name. MQTT.js takes no list in which each filter has options of its own.
function filters(list) {
  return Object.fromEntries(
    list.map((f) => [f.filter, { qos: f.qos, nl: f.no_local, rap: f.retain_as_published, rh: f.retain_handling }])
  )
}

function perform(request, done) {
  const extra = { properties: properties(request.properties) }
  switch (request.do) {
    case 'connect':
      return connect(request)
    case 'publish': {
      const { topic, payload, qos, retain } = request
      return client.publish(topic, bytes(payload), { qos, retain, ...extra }, done)
    }
    case 'subscribe': {
      const map = filters(request.filters)
      if (Object.keys(map).length < request.filters.length) return { unsupported: 'MQTT.js takes each filter once' }
      return client.subscribe(map, extra, done)
    }
    case 'unsubscribe':
      return client.unsubscribe(request.filters, extra, done)
    case 'ack':
      return acks.say(request.packet_id, request.reason_code)
    case 'auth': {
      const { reason_code: reasonCode } = request
      if (reasonCode !== CONTINUE) return { unsupported: 'MQTT.js does not authenticate again' }
      return auths.say('auth', { cmd: 'auth', reasonCode, ...extra })
    }
    case 'reconnect':
      return reconnect()
    case 'disconnect':
      return client.end(false, request.reason_code ? { reasonCode: request.reason_code, ...extra } : extra)
    case 'end':
      return end()
    default:
      return { unsupported: `no ${request.do}` }
  }
}

async function main() {
  // The first connect loads modules and fills caches, which takes longer on a busy machine than an answer may.
  mqtt.connect('mqtt://127.0.0.1:1', { reconnectPeriod: 0 }).on('error', () => {}).end(true)
  const commands = ['connect', 'publish', 'subscribe', 'unsubscribe', 'reconnect', 'disconnect', 'auth', 'ack', 'end']
  write({ event: 'ready', contract: 1, name: 'MQTT.js', version: mqtt.MqttClient.VERSION, versions: Object.keys(VERSIONS), commands })
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line)
    write({ id: request.id, ...(await answer(request)) })
  }
  process.exit(0)
}

// MQTT.js reports what it refuses to the callback, in a later turn of the event loop and before it uses the network.
async function answer(request) {
  let result = {}
  try {
    const told = perform(request, (error) => {
      if (error) result = { refused: error.message }
    })
    if (told?.unsupported) return told
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
    return result
  } catch (error) {
    return { refused: error.message }
  }
}

main()
