package main

import (
	"encoding/hex"
	"encoding/json"
	"runtime/debug"
)

type request struct {
	ID        int
	Do        string
	Host      string
	Port      int
	Version   string
	ClientID  string `json:"client_id"`
	Clean     bool
	KeepAlive int `json:"keep_alive"`
	Username  *string
	Password  *string
	Will      *struct {
		Topic   string
		Payload string
		QoS     byte
		Retain  bool
	}
	Topic      string
	Payload    string
	QoS        byte
	Retain     bool
	Filters    json.RawMessage
	ManualAcks bool   `json:"manual_acks"`
	PacketID   uint16 `json:"packet_id"`
}

// Binary data is hex in JSON.
func unhex(digits string) []byte {
	bytes, _ := hex.DecodeString(digits)
	return bytes
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/eclipse/paho.mqtt.golang" {
			return module.Version
		}
	}
	return ""
}
