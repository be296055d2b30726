package wire

import (
	"time"

	"parley/internal/conversation"
	"parley/internal/rpc"
)

// ClientState is what a client service tells operators through Redis: a heartbeat, as JSON.
type ClientState struct {
	ID        string         `json:"id"`
	Version   string         `json:"version"`
	HTTP      string         `json:"http"`
	Since     time.Time      `json:"since"`
	Tenants   []string       `json:"tenants"`
	Turns     int            `json:"turns"` // in flight
	Servers   int            `json:"servers"`
	LeftOut   []string       `json:"servers_left_out,omitempty"` // "address: why", those of another protocol
	Documents []rpc.Document `json:"documents"`

	Blocked []conversation.Blocked `json:"blocked,omitempty"` // channels whose platform refuses all that it sends
}
