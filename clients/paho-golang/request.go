package main

import (
	"encoding/hex"
	"encoding/json"

	"github.com/eclipse/paho.golang/paho"
)

// Binary data is hex in JSON.
type binary []byte

func (b *binary) UnmarshalJSON(text []byte) (err error) {
	var digits *string
	if err = json.Unmarshal(text, &digits); err == nil && digits != nil {
		*b, err = hex.DecodeString(*digits)
	}
	return err
}

type request struct {
	ID        int
	Do        string
	Host      string
	Port      int
	ClientID  string `json:"client_id"`
	Clean     bool
	KeepAlive uint16 `json:"keep_alive"`
	Username  *string
	Password  *binary
	Will      *struct {
		Topic      string
		Payload    binary
		QoS        byte
		Retain     bool
		Properties properties
	}
	Topic      string
	Payload    binary
	QoS        byte
	Retain     bool
	Filters    json.RawMessage
	ManualAcks bool   `json:"manual_acks"`
	PacketID   uint16 `json:"packet_id"`
	ReasonCode byte   `json:"reason_code"`
	Properties properties
}

type properties struct {
	PayloadFormat   *byte       `json:"payload_format_indicator"`
	MessageExpiry   *uint32     `json:"message_expiry_interval"`
	ContentType     string      `json:"content_type"`
	ResponseTopic   string      `json:"response_topic"`
	Correlation     binary      `json:"correlation_data"`
	Subscription    *int        `json:"subscription_ids"`
	SessionExpiry   *uint32     `json:"session_expiry_interval"`
	AuthMethod      string      `json:"authentication_method"`
	AuthData        binary      `json:"authentication_data"`
	ProblemInfo     *byte       `json:"request_problem_information"`
	ResponseInfo    byte        `json:"request_response_information"`
	WillDelay       *uint32     `json:"will_delay_interval"`
	ServerReference string      `json:"server_reference"`
	ReasonString    string      `json:"reason_string"`
	ReceiveMaximum  *uint16     `json:"receive_maximum"`
	AliasMaximum    *uint16     `json:"topic_alias_maximum"`
	Alias           *uint16     `json:"topic_alias"`
	PacketSize      *uint32     `json:"maximum_packet_size"`
	User            [][2]string `json:"user_properties"`
}

func (p properties) user() (user paho.UserProperties) {
	for _, pair := range p.User {
		user.Add(pair[0], pair[1])
	}
	return user
}

// Whether the will has properties that the library accepts and does not send. It sends those that CONNECT can have.
func (r request) willIsCut() bool {
	if r.Will == nil {
		return false
	}
	p := r.Will.Properties
	return p.PayloadFormat != nil || p.MessageExpiry != nil || p.ContentType != "" || p.ResponseTopic != "" || p.Correlation != nil
}

func (r request) connect() *paho.Connect {
	p := r.Properties
	packet := &paho.Connect{
		ClientID: r.ClientID, CleanStart: r.Clean, KeepAlive: r.KeepAlive,
		Properties: &paho.ConnectProperties{
			SessionExpiryInterval: p.SessionExpiry, ReceiveMaximum: p.ReceiveMaximum, MaximumPacketSize: p.PacketSize,
			TopicAliasMaximum: p.AliasMaximum, AuthMethod: p.AuthMethod, AuthData: p.AuthData, User: p.user(),
			RequestProblemInfo: p.ProblemInfo == nil || *p.ProblemInfo == 1, RequestResponseInfo: p.ResponseInfo == 1,
		},
	}
	if r.Username != nil {
		packet.UsernameFlag, packet.Username = true, *r.Username
	}
	if r.Password != nil {
		packet.PasswordFlag, packet.Password = true, *r.Password
	}
	if w := r.Will; w != nil {
		packet.WillMessage = &paho.WillMessage{Topic: w.Topic, Payload: w.Payload, QoS: w.QoS, Retain: w.Retain}
		packet.WillProperties = &paho.WillProperties{
			WillDelayInterval: w.Properties.WillDelay, PayloadFormat: w.Properties.PayloadFormat,
			MessageExpiry: w.Properties.MessageExpiry, ContentType: w.Properties.ContentType,
			ResponseTopic: w.Properties.ResponseTopic, CorrelationData: w.Properties.Correlation, User: w.Properties.user(),
		}
	}
	return packet
}

func (r request) publish() *paho.Publish {
	p := r.Properties
	return &paho.Publish{
		Topic: r.Topic, Payload: r.Payload, QoS: r.QoS, Retain: r.Retain,
		Properties: &paho.PublishProperties{
			PayloadFormat: p.PayloadFormat, MessageExpiry: p.MessageExpiry, ContentType: p.ContentType,
			ResponseTopic: p.ResponseTopic, CorrelationData: p.Correlation, TopicAlias: p.Alias,
			SubscriptionIdentifier: p.Subscription, User: p.user(),
		},
	}
}

func (r request) subscribe() *paho.Subscribe {
	packet := &paho.Subscribe{
		Properties: &paho.SubscribeProperties{SubscriptionIdentifier: r.Properties.Subscription, User: r.Properties.user()},
	}
	var filters []struct {
		Filter            string
		QoS               byte
		NoLocal           bool `json:"no_local"`
		RetainAsPublished bool `json:"retain_as_published"`
		RetainHandling    byte `json:"retain_handling"`
	}
	_ = json.Unmarshal(r.Filters, &filters)
	for _, f := range filters {
		packet.Subscriptions = append(packet.Subscriptions, paho.SubscribeOptions{
			Topic: f.Filter, QoS: f.QoS, NoLocal: f.NoLocal,
			RetainAsPublished: f.RetainAsPublished, RetainHandling: f.RetainHandling,
		})
	}
	return packet
}

func (r request) unsubscribe() *paho.Unsubscribe {
	packet := &paho.Unsubscribe{Properties: &paho.UnsubscribeProperties{User: r.Properties.user()}}
	_ = json.Unmarshal(r.Filters, &packet.Topics)
	return packet
}

func (r request) disconnect() *paho.Disconnect {
	p := r.Properties
	return &paho.Disconnect{
		ReasonCode: r.ReasonCode,
		Properties: &paho.DisconnectProperties{
			SessionExpiryInterval: p.SessionExpiry, ServerReference: p.ServerReference,
			ReasonString: p.ReasonString, User: p.user(),
		},
	}
}

func (r request) auth() *paho.Auth {
	p := r.Properties
	return &paho.Auth{
		ReasonCode: r.ReasonCode,
		Properties: &paho.AuthProperties{
			AuthMethod: p.AuthMethod, AuthData: p.AuthData, ReasonString: p.ReasonString, User: p.user(),
		},
	}
}
