package main

import (
	"errors"
	"time"

	"livemap/cmd/livemap/server"
	"livemap/stream"
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
}

func (f *streamFlags) set(c *server.Config) {
	c.History, c.MaxBacklog = f.History, f.MaxBacklog
	c.FlushInterval, c.Heartbeat, c.StallTimeout = f.FlushInterval, f.Heartbeat, f.StallTimeout
}

// settingFlags are settings of the journal. One that is not given stays as the journal has it.
type settingFlags struct {
	MaxVehicles *int64         `placeholder:"N"`
	VehicleTTL  *time.Duration `name:"vehicle-ttl" placeholder:"TIME"`
	MaxState    *server.Size   `placeholder:"SIZE"`

	MaxVehiclesPerPublisher *vehicleQuota `placeholder:"N"`
}

// vehicleQuota is a value of --max-vehicles-per-publisher.
type vehicleQuota int64

// UnmarshalText reads a number, or off.
func (q *vehicleQuota) UnmarshalText(text []byte) error {
	n, err := stream.MaxVehiclesPerPublisher.Parse(string(text))
	*q = vehicleQuota(n)
	return err
}

func (f *settingFlags) set(c *server.Config) {
	ask := func(s stream.Setting, value int64) {
		if c.Settings == nil {
			c.Settings = stream.Settings{}
		}
		c.Settings[s] = value
	}
	if f.MaxVehicles != nil {
		ask(stream.MaxVehicles, *f.MaxVehicles)
	}
	if f.VehicleTTL != nil {
		ask(stream.VehicleTTL, int64(*f.VehicleTTL))
	}
	if f.MaxState != nil {
		ask(stream.MaxState, int64(*f.MaxState))
	}
	if f.MaxVehiclesPerPublisher != nil {
		ask(stream.MaxVehiclesPerPublisher, int64(*f.MaxVehiclesPerPublisher))
	}
}

type journalFlags struct {
	Journal     string        `default:"embedded" placeholder:"WHERE"`
	JournalSize server.Size   `default:"4GiB" placeholder:"SIZE"`
	JournalAge  time.Duration `default:"72h" placeholder:"TIME"`
	JournalSync *syncInterval `placeholder:"TIME"`
	PublishWait time.Duration `default:"10s" placeholder:"TIME"`
}

func (f *journalFlags) set(c *server.Config) {
	c.Journal, c.JournalSize, c.JournalAge = f.Journal, f.JournalSize, f.JournalAge
	c.JournalSync, c.PublishWait = server.Default().JournalSync, f.PublishWait
	if f.JournalSync != nil {
		c.JournalSync = time.Duration(*f.JournalSync)
	}
}

// clusterFlags make several hubs one, or put their journal elsewhere.
type clusterFlags struct {
	JournalCreds     string   `placeholder:"FILE"`
	JournalCA        string   `name:"journal-ca" placeholder:"FILE"`
	JournalCert      string   `placeholder:"FILE"`
	JournalKey       string   `placeholder:"FILE"`
	ClusterListen    string   `placeholder:"ADDRESS"`
	ClusterPeers     []string `placeholder:"ADDRESS,…"`
	ClusterAdvertise string   `placeholder:"ADDRESS"`
	ClusterCert      string   `placeholder:"FILE"`
	ClusterKey       string   `placeholder:"FILE"`
	ClusterCA        string   `name:"cluster-ca" placeholder:"FILE"`
	NodeName         string   `placeholder:"NAME"`
}

// set needs the journalFlags, on which a default depends.
func (f *clusterFlags) set(c *server.Config, sync *syncInterval) {
	c.JournalCreds = f.JournalCreds
	c.JournalTLS = server.Certificates{Cert: f.JournalCert, Key: f.JournalKey, CA: f.JournalCA}
	c.Cluster = server.Cluster{
		Listen: f.ClusterListen, Peers: f.ClusterPeers, Advertise: f.ClusterAdvertise, Node: f.NodeName,
		TLS: server.Certificates{Cert: f.ClusterCert, Key: f.ClusterKey, CA: f.ClusterCA},
	}
	if c.Cluster.Listen == "off" {
		c.Cluster.Listen = ""
	}
	if c.Cluster.Listen != "" && sync == nil {
		c.JournalSync = 0
	}
}

// syncInterval is how often the disk is told to keep the journal for good; 0: always.
type syncInterval time.Duration

// UnmarshalText reads a duration or the word always.
func (s *syncInterval) UnmarshalText(text []byte) error {
	if string(text) == "always" {
		*s = 0
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d < 100*time.Millisecond || d > time.Minute {
		return errors.New("it must be always, or from 100ms to 1m")
	}
	*s = syncInterval(d)
	return nil
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
	MapPMTiles []string `name:"map-pmtiles" placeholder:"FILE,…"`
}

func (f *mapFlags) set(c *server.Config) {
	c.MapStyle, c.MapPMTiles = string(f.MapStyle), f.MapPMTiles
	for _, origin := range f.MapOrigin {
		c.MapOrigins = append(c.MapOrigins, string(origin))
	}
}

// sharedHelp has the help texts of the flags in this file.
var sharedHelp = helpTexts{
	"tls-cert": "PEM certificate chain; the hub reloads it when it changes. Without it, the hub makes one for " +
		"localhost and keeps it in the state directory.",
	"tls-key": "PEM private key of --tls-cert.",
	"trusted-proxy": "Networks whose X-Forwarded-For the hub trusts; it always trusts that of a unix socket " +
		"(${default}).",
	"history": "Memory for the event log, with its index: 1MiB to 64GiB (${default}).",
	"max-backlog": "Backlog from which a stream gets newest positions instead of every one: 64KiB to 64GiB " +
		"(${default}).",
	"flush-interval": "Longest time that an event waits for others before the hub writes it: 1ms to 1s " +
		"(${default}).",
	"heartbeat": "Silence after which a stream gets a ping: 1s to 30s (${default}).",
	"stall-timeout": "Time a reader has to accept 16 KiB of a stream or of any answer before the hub cuts it: " +
		"1s to 10m (${default}).",
	"max-vehicles": "Most vehicles that the hub remembers, with those that are gone: 1 to 10000000. Beyond " +
		"that it forgets the longest silent one of the publisher that has most. A setting of the journal " +
		"(default: as it is there; at first 200000).",
	"vehicle-ttl": "Silence after which a vehicle is gone: 1s to 87600h, 0 for never. A setting of the " +
		"journal (default: as it is there; at first 168h).",
	"max-state": "Most bytes of Features and topics that the hub remembers with the vehicles: 1MiB to 1TiB. " +
		"Beyond that it forgets as with --max-vehicles. A setting of the journal (default: as it is there; at " +
		"first 512MiB).",
	"max-vehicles-per-publisher": "Most vehicles of a publisher (a token's subject, a certificate's name, " +
		"else local) that are on the map: off, or 1 to 10000000. The hub refuses further ones. A setting of the " +
		"journal (default: as it is there; at first off).",
	"journal": "Where positions are kept on disk before they are acknowledged: embedded, in the state " +
		"directory; nats://host:port,… on NATS servers with JetStream; or off, in memory alone (${default}).",
	"journal-size": "Most that the journal keeps: 16MiB to 16TiB (${default}). The oldest goes first.",
	"journal-age":  "Longest time that the journal keeps what was published: 1m to 87600h (${default}).",
	"journal-sync": "How often the disk is told to keep the journal for good: always, or 100ms to 1m " +
		"(default: 1s, in a cluster always). A power cut loses no more than that.",
	"journal-creds": "Credentials for the servers of --journal nats://: a file with a user's JWT and seed.",
	"journal-ca": "PEM certificates of the CAs that sign the certificates of the servers of --journal " +
		"(default: the system's).",
	"journal-cert": "PEM certificate chain to show to the servers of --journal.",
	"journal-key":  "PEM private key of --journal-cert.",
	"cluster-listen": "Port for the other hubs of a cluster, host:port, or off (default: off). Three or five " +
		"hubs share one journal: a publisher may use any of them, and a reader may come back to any.",
	"cluster-peers": "Addresses of --cluster-listen of the other hubs of the cluster. That of this hub may " +
		"be among them.",
	"cluster-advertise": "host:port at which the other hubs reach this one (default: --cluster-listen).",
	"cluster-cert": "PEM certificate chain of this hub, for server and client use. Without certificates a " +
		"cluster runs on loopback alone.",
	"cluster-key": "PEM private key of --cluster-cert.",
	"cluster-ca": "PEM certificates of the CAs of the cluster. Whoever has a certificate of theirs is a hub " +
		"of the cluster.",
	"node-name": "Name of this hub in its cluster: 1 to 64 of A-Z a-z 0-9 . _ - (default: the machine's " +
		"name). It must stay the same, and no other hub may have it.",
	"publish-wait": "Longest time that a publish waits for the journal: 1s to 5m (${default}).",
	"allow-origin": "Origins of other pages that may read with their users' cookies, like " +
		"https://fleet.example.com. Firefox's EventSource gives up there when the hub is away; livemap.js does " +
		"not.",
	"max-streams-per-client": "Most streams of a client (a token's subject, else an address): 0 to 1000000, 0 " +
		"for no limit (default: 256, with --anonymous 0).",
	"publish-rate": "Most positions per second of a publisher (a token's subject, else an address): 0 to " +
		"1000000000, 0 for no limit (${default}).",
	"map-style": "MapLibre style of the map: an http:// or https:// URL (default: the built-in base map).",
	"map-origin": "Further origins from which --map-style loads tiles, glyphs and sprites, like " +
		"https://tiles.example.com.",
	"map-pmtiles": "PMTiles archives of streets: version 3, with vector (MVT) or image tiles. The page draws " +
		"each where it has tiles, the last on top. The hub notices when a file is replaced.",
}
