// An mqttspec adapter for Eclipse Paho for Go, MQTT 5.0 (docs/adapters.md): requests on standard input, answers and events on
// standard output.
//
// Each connection is a paho.Client of its own in this library; what lasts is the session.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session"
	"github.com/eclipse/paho.golang/paho/session/state"
)

// The reason code of an AUTH that goes on with an authentication.
const continueAuthentication = 0x18

// How long the library has to refuse a call that otherwise waits for the server.
const turn = 20 * time.Millisecond

// What lasts as long as a case.
type application struct {
	options request // of the last `connect`
	session session.SessionManager
	*connection
}

// What lasts as long as a network connection.
type connection struct {
	net       net.Conn
	client    *paho.Client
	connected chan error // what Connect returned
	publishes chan func()
	auths     chan *paho.Auth // what the application answers to AUTH packets of the server
	acks      acks
	over      atomic.Bool // its case has ended, and nobody listens
}

// Messages that the application acknowledges by hand: those that wait, and identifiers of those that have not come yet.
type acks struct {
	sync.Mutex
	held  map[uint16]*paho.Publish
	early map[uint16]bool
}

// Whether a message is to be acknowledged at once.
func (a *acks) came(p *paho.Publish) bool {
	a.Lock()
	defer a.Unlock()
	early := a.early[p.PacketID]
	delete(a.early, p.PacketID)
	if !early {
		a.held[p.PacketID] = p
	}
	return early
}

// The message with this identifier; nil if it has not come yet.
func (a *acks) take(id uint16) *paho.Publish {
	a.Lock()
	defer a.Unlock()
	p := a.held[id]
	delete(a.held, id)
	a.early[id] = p == nil
	return p
}

// Authenticate gives the library the answer that the application is told.
func (c *connection) Authenticate(a *paho.Auth) *paho.Auth {
	c.event("auth", a.ReasonCode)
	return <-c.auths
}

func (c *connection) Authenticated() {}

func (c *connection) event(name string, text any) {
	if !c.over.Load() {
		say(map[string]string{"event": name, "text": fmt.Sprint(text)})
	}
}

var output sync.Mutex

func say(message any) {
	output.Lock()
	defer output.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(message)
}

func (a *application) connect() error {
	address := net.JoinHostPort(a.options.Host, fmt.Sprint(a.options.Port))
	dialled, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	c := &connection{
		net: dialled, connected: make(chan error, 1), publishes: make(chan func(), 1000), auths: make(chan *paho.Auth, 10),
		acks: acks{held: map[uint16]*paho.Publish{}, early: map[uint16]bool{}},
	}
	isManual := a.options.ManualAcks
	config := paho.ClientConfig{
		ClientID:                   a.options.ClientID,
		Conn:                       dialled,
		Session:                    a.session,
		EnableManualAcknowledgment: isManual,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			c.event("message", p.Packet.Topic)
			if isManual && p.Packet.QoS > 0 && c.acks.came(p.Packet) {
				return true, c.client.Ack(p.Packet)
			}
			return true, nil
		}},
		OnClientError:      func(err error) { c.event("error", err) },
		OnServerDisconnect: func(d *paho.Disconnect) { c.event("disconnect", d.ReasonCode) },
	}
	if a.options.Properties.AuthMethod != "" {
		config.AuthHandler = c
	}
	c.client = paho.NewClient(config)
	a.connection = c
	go func() {
		_, err := c.client.Connect(context.Background(), a.options.connect())
		c.event("connected", err)
		c.connected <- err
		for publish := range c.publishes { // one after the other, so that they keep their order
			publish()
		}
	}()
	return nil
}

// Connects again, after the library knows that its connection has ended.
func (a *application) reconnect() error {
	ended := make(chan struct{})
	go func(c *connection) {
		if err := <-c.connected; err == nil {
			<-c.client.Done()
		}
		close(ended)
	}(a.connection)
	select {
	case <-ended:
		close(a.publishes)
		return a.connect()
	case <-time.After(time.Second):
		return errors.New("the client is still connected")
	}
}

func (a *application) end() {
	if a.connection != nil {
		a.over.Store(true)
		_ = a.net.Close()
		_ = a.session.Close()
		close(a.publishes)
	}
	*a = application{}
}

func (a *application) perform(r request, done chan<- error) {
	ctx := context.Background()
	switch r.Do {
	case "connect":
		a.end()
		a.options, a.session = r, state.NewInMemory()
		done <- a.connect()
	case "publish":
		client := a.client
		a.publishes <- func() {
			_, err := client.PublishWithOptions(ctx, r.publish(), paho.PublishOptions{Method: paho.PublishMethod_AsyncSend})
			done <- err
		}
	case "subscribe":
		go func(client *paho.Client) {
			_, err := client.Subscribe(ctx, r.subscribe())
			done <- err
		}(a.client)
	case "unsubscribe":
		go func(client *paho.Client) {
			_, err := client.Unsubscribe(ctx, r.unsubscribe())
			done <- err
		}(a.client)
	case "ack":
		if p := a.acks.take(r.PacketID); p != nil {
			done <- a.client.Ack(p)
		} else {
			done <- nil
		}
	case "auth":
		if r.ReasonCode == continueAuthentication {
			a.auths <- r.auth()
			done <- nil
			return
		}
		go func(client *paho.Client) {
			_, err := client.Authenticate(ctx, r.auth())
			done <- err
		}(a.client)
	case "reconnect":
		done <- a.reconnect()
	case "disconnect":
		go func(client *paho.Client) { done <- client.Disconnect(r.disconnect()) }(a.client)
	case "end":
		a.end()
		done <- nil
	}
}

func (a *application) answer(r request) map[string]any {
	if r.Do == "ack" && r.ReasonCode != 0 {
		return map[string]any{"id": r.ID, "unsupported": "an acknowledgement has no reason code"}
	}
	if r.willIsCut() {
		return map[string]any{"id": r.ID, "unsupported": "the library leaves this property of the will out"}
	}
	done := make(chan error, 1)
	if a.connection == nil && r.Do != "connect" && r.Do != "end" {
		done <- errors.New("there is no client")
	} else {
		a.perform(r, done)
	}
	select {
	case err := <-done:
		if err != nil {
			return map[string]any{"id": r.ID, "refused": err.Error()}
		}
	case <-time.After(turn):
	}
	return map[string]any{"id": r.ID}
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/eclipse/paho.golang" {
			return module.Version
		}
	}
	return ""
}

func main() {
	say(map[string]any{
		"event": "ready", "contract": 1, "name": "paho.golang", "version": version(), "versions": []string{"v5"},
		"commands": []string{"connect", "publish", "subscribe", "unsubscribe", "reconnect", "disconnect", "auth", "ack", "end"},
	})
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	var a application
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		say(a.answer(r))
	}
}
