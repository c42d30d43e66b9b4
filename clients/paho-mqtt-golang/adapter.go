// An mqttspec adapter for Eclipse Paho for Go, MQTT 3.1 and 3.1.1 (docs/adapters.md): requests on standard input, answers and events
// on standard output.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

var levels = map[string]uint{"v3.1": 3, "v3.1.1": 4}

var output sync.Mutex

func say(message any) {
	output.Lock()
	defer output.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(message)
}

func event(name string, text any) {
	say(map[string]string{"event": name, "text": fmt.Sprint(text)})
}

// The present client, and a channel that is closed when its connection has ended.
var (
	client mqtt.Client
	lost   chan struct{}
	byHand *acks
)

// Messages that the application acknowledges by hand: those that wait, and identifiers of those that have not come yet.
type acks struct {
	sync.Mutex
	held  map[uint16]mqtt.Message
	early map[uint16]bool
}

func (a *acks) came(m mqtt.Message) {
	a.Lock()
	defer a.Unlock()
	if a.early[m.MessageID()] {
		delete(a.early, m.MessageID())
		m.Ack()
	} else {
		a.held[m.MessageID()] = m
	}
}

func (a *acks) acknowledge(id uint16) {
	a.Lock()
	defer a.Unlock()
	if m, ok := a.held[id]; ok {
		delete(a.held, id)
		m.Ack()
	} else {
		a.early[id] = true
	}
}

func connect(r request) mqtt.Token {
	end()
	mine := &acks{held: map[uint16]mqtt.Message{}, early: map[uint16]bool{}}
	byHand = mine
	options := mqtt.NewClientOptions().
		AddBroker(fmt.Sprintf("tcp://%s:%d", r.Host, r.Port)).
		SetProtocolVersion(levels[r.Version]). // without it the library falls back to 3.1
		SetClientID(r.ClientID).
		SetCleanSession(r.Clean).
		SetKeepAlive(time.Duration(r.KeepAlive) * time.Second).
		SetAutoReconnect(false).
		SetAutoAckDisabled(r.ManualAcks).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
			event("message", m.Topic())
			if r.ManualAcks && m.Qos() > 0 {
				mine.came(m)
			}
		}).
		SetOnConnectHandler(func(mqtt.Client) { event("connected", "") }).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) {
			event("connection lost", err)
			close(lost)
		})
	if r.Username != nil {
		options.SetUsername(*r.Username)
	}
	if r.Password != nil {
		options.SetPassword(string(unhex(*r.Password)))
	}
	if r.Will != nil {
		options.SetBinaryWill(r.Will.Topic, unhex(r.Will.Payload), r.Will.QoS, r.Will.Retain)
	}
	client = mqtt.NewClient(options)
	lost = make(chan struct{})
	return client.Connect()
}

func end() {
	if client != nil {
		client.Disconnect(50)
	}
	client = nil
}

// Connects the same object again. It has to know first that its connection has ended.
func reconnect() (mqtt.Token, error) {
	select {
	case <-lost:
	case <-time.After(time.Second):
		return nil, fmt.Errorf("the client is still connected")
	}
	lost = make(chan struct{})
	return client.Connect(), nil
}

var errOrder = errors.New("several filters have no order in this library: it takes a map")

func subscribe(r request) (mqtt.Token, error) {
	var filters []struct {
		Filter string
		QoS    byte
	}
	if err := json.Unmarshal(r.Filters, &filters); err != nil {
		return nil, err
	}
	switch len(filters) {
	case 0:
		return client.SubscribeMultiple(nil, nil), nil
	case 1:
		return client.Subscribe(filters[0].Filter, filters[0].QoS, nil), nil
	}
	return nil, errOrder
}

func unsubscribe(r request) (mqtt.Token, error) {
	var filters []string
	if err := json.Unmarshal(r.Filters, &filters); err != nil {
		return nil, err
	}
	return client.Unsubscribe(filters...), nil
}

func perform(r request) (token mqtt.Token, err error) {
	switch r.Do {
	case "connect":
		return connect(r), nil
	case "publish":
		return client.Publish(r.Topic, r.QoS, r.Retain, unhex(r.Payload)), nil
	case "subscribe":
		return subscribe(r)
	case "unsubscribe":
		return unsubscribe(r)
	case "reconnect":
		return reconnect()
	case "disconnect":
		client.Disconnect(250)
	case "ack":
		byHand.acknowledge(r.PacketID)
	case "end":
		end()
	}
	return nil, nil
}

// An answer. A call that the library refuses has its token completed, with an error, when it returns.
func answer(r request) map[string]any {
	token, err := perform(r)
	if err == nil && token != nil && r.Do != "connect" && r.Do != "reconnect" {
		select {
		case <-token.Done():
			err = token.Error()
		default:
		}
	}
	switch err {
	case nil:
	case errOrder:
		return map[string]any{"id": r.ID, "unsupported": err.Error()}
	default:
		return map[string]any{"id": r.ID, "refused": err.Error()}
	}
	return map[string]any{"id": r.ID}
}

func main() {
	say(map[string]any{
		"event": "ready", "contract": 1, "name": "paho.mqtt.golang", "version": version(),
		"versions": []string{"v3.1", "v3.1.1"},
		"commands": []string{"connect", "publish", "subscribe", "unsubscribe", "reconnect", "disconnect", "ack", "end"},
	})
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		say(answer(r))
	}
}
