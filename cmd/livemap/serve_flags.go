package main

import (
	"time"

	"livemap/cmd/livemap/server"
)

// certificateFlags and the groups below are the flags that serve and demo have in common. Each group
// sets its fields of a server.Config.
type certificateFlags struct {
	TLSCert string `name:"tls-cert" placeholder:"FILE"`
	TLSKey  string `name:"tls-key" placeholder:"FILE"`
}

func (f *certificateFlags) set(c *server.Config) {
	c.Listen.TLSCert, c.Listen.TLSKey = f.TLSCert, f.TLSKey
}

type proxyFlags struct {
	TrustedProxy []network `default:"127.0.0.0/8,::1/128" placeholder:"CIDR,…"`
}

func (f *proxyFlags) set(c *server.Config) {
	for _, n := range f.TrustedProxy {
		c.TrustedProxies = append(c.TrustedProxies, n.Prefix)
	}
}

type streamFlags struct {
	History       server.Size   `default:"64MiB" placeholder:"SIZE"`
	MaxBacklog    server.Size   `default:"16MiB" placeholder:"SIZE"`
	FlushInterval time.Duration `default:"20ms" placeholder:"TIME"`
	Heartbeat     time.Duration `default:"15s" placeholder:"TIME"`
	StallTimeout  time.Duration `default:"30s" placeholder:"TIME"`
	MaxVehicles   int           `default:"200000" placeholder:"N"`
	VehicleTTL    time.Duration `name:"vehicle-ttl" default:"168h" placeholder:"TIME"`
}

func (f *streamFlags) set(c *server.Config) {
	c.History, c.MaxBacklog = f.History, f.MaxBacklog
	c.FlushInterval, c.Heartbeat, c.StallTimeout = f.FlushInterval, f.Heartbeat, f.StallTimeout
	c.MaxVehicles, c.VehicleTTL = f.MaxVehicles, f.VehicleTTL
}

type originFlags struct {
	AllowOrigin []pageOrigin `placeholder:"ORIGIN,…"`
}

func (f *originFlags) set(c *server.Config) {
	for _, origin := range f.AllowOrigin {
		c.AllowOrigins = append(c.AllowOrigins, string(origin))
	}
}

type limitFlags struct {
	MaxStreamsPerClient *int    `placeholder:"N"`
	PublishRate         float64 `default:"0" placeholder:"N"`
}

// set needs c.Anonymous, on which a default depends.
func (f *limitFlags) set(c *server.Config) {
	c.PublishRate = f.PublishRate
	switch {
	case f.MaxStreamsPerClient != nil:
		c.MaxStreams = *f.MaxStreamsPerClient
	case !c.Anonymous:
		c.MaxStreams = server.DefaultMaxStreams
	}
}

// mapFlags say what the page draws below the vehicles.
type mapFlags struct {
	MapStyle   styleURL `placeholder:"URL"`
	MapOrigin  []origin `placeholder:"ORIGIN,…"`
	MapPMTiles string   `name:"map-pmtiles" placeholder:"FILE"`
}

func (f *mapFlags) set(c *server.Config) {
	c.MapStyle, c.MapPMTiles = string(f.MapStyle), f.MapPMTiles
	for _, origin := range f.MapOrigin {
		c.MapOrigins = append(c.MapOrigins, string(origin))
	}
}

// sharedHelp has the help texts of the flags in this file.
var sharedHelp = helpTexts{
	"tls-cert": "PEM certificate chain, read again when it changes; without one, one for localhost is made " +
		"and kept in the state directory.",
	"tls-key":       "PEM private key of --tls-cert.",
	"trusted-proxy": "Networks whose X-Forwarded-For counts; a unix socket's always does (${default}).",
	"history":       "Memory for the event log, its index included: 1MiB to 64GiB (${default}).",
	"max-backlog": "How far behind a stream may be before it gets newest positions instead of every one: " +
		"64KiB to 64GiB (${default}).",
	"flush-interval": "Longest time an event waits for company before it is written: 1ms to 1s (${default}).",
	"heartbeat":      "Silence after which a stream gets a heartbeat: 1s to 30s (${default}).",
	"stall-timeout": "For a stream to take one write of at most 16 KiB, else it is closed: 1s to 10m " +
		"(${default}).",
	"max-vehicles": "Vehicles remembered, gone ones included; the longest silent goes first: 1 to 10000000 " +
		"(${default}).",
	"vehicle-ttl": "Silence after which a vehicle is forgotten: 1s to 87600h, 0 is never (${default}).",
	"allow-origin": "Origins of other pages that may read, with their users' cookies, like " +
		"https://fleet.example.com.",
	"max-streams-per-client": "Streams that a client, a token's subject or else an address, may have: 0 to " +
		"1000000, 0 is any number (default: 256, with --anonymous 0).",
	"publish-rate": "Positions per second that a publisher, a token's subject or else an address, may " +
		"publish: 0 to 1000000000, 0 is any number (${default}).",
	"map-style": "Style of the map, as MapLibre reads it: an http:// or https:// URL (default: a base map " +
		"that the hub brings along).",
	"map-origin": "Further origins that --map-style draws tiles, glyphs and sprites from, like " +
		"https://tiles.example.com.",
	"map-pmtiles": "PMTiles archive, version 3, with vector (MVT) or image tiles, to draw the map from; a " +
		"file that is replaced is seen.",
}
