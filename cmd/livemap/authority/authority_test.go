package authority

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var now = time.Date(2026, time.November, 24, 1, 0, 0, 0, time.UTC)

// mustMake makes certificates at a time, and returns what happened to each by its name.
func mustMake(t *testing.T, r Request, at time.Time) map[string]string {
	t.Helper()
	r.Now = at
	all, err := Make(r)
	require.NoError(t, err)
	happened := map[string]string{}
	for _, one := range all {
		happened[one.Name] = one.Happened
	}
	require.Len(t, happened, len(all))
	require.True(t, all[0].IsAuthority())
	require.True(t, all[1].IsHub())
	return happened
}

// contents returns the files of a directory by their names.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		require.NoError(t, err)
		files[entry.Name()] = string(text)
	}
	return files
}

// handshake connects as a publisher, whose files these are, to a hub, and returns the errors of both.
func handshake(t *testing.T, dir, publisher, host string, at time.Time) (asHub, asPublisher error) {
	t.Helper()
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(ca))
	pair := func(name string) []tls.Certificate {
		one, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key"))
		require.NoError(t, err)
		return []tls.Certificate{one}
	}
	ofHub, ofPublisher := pair("hub"), pair(publisher)
	clock := func() time.Time { return at }
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	failed := make(chan error)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			defer conn.Close()
			err = tls.Server(conn, &tls.Config{Certificates: ofHub, ClientCAs: pool, Time: clock,
				ClientAuth: tls.RequireAndVerifyClientCert}).Handshake()
		}
		failed <- err
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	asPublisher = tls.Client(conn, &tls.Config{Certificates: ofPublisher, RootCAs: pool, Time: clock,
		ServerName: host}).Handshake()
	if asPublisher != nil {
		conn.Close()
	}
	asHub = <-failed
	conn.Close()
	return asHub, asPublisher
}

// TestMake checks that a hub and its publishers accept each other, by every name of the hub and by no other.
func TestMake(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "certificates")
	request := Request{Dir: dir, Hub: []string{"hub.example.com", "192.0.2.1", "2001:DB8::1", "*.fleet.example"},
		Publishers: []string{"van", "bus-7"}}
	require.Equal(t, map[string]string{"ca": Made, "hub": Made, "van": Made, "bus-7": Made},
		mustMake(t, request, now))
	for _, publisher := range request.Publishers {
		for _, host := range []string{"hub.example.com", "HUB.example.com", "localhost", "127.0.0.1", "::1",
			"192.0.2.1", "2001:db8::1", "a.fleet.example"} {
			asHub, asPublisher := handshake(t, dir, publisher, host, now)
			assert.NoError(t, asHub, host)
			assert.NoError(t, asPublisher, host)
		}
		_, err := handshake(t, dir, publisher, "example.com", now)
		assert.ErrorContains(t, err, "not example.com")
		_, err = handshake(t, dir, publisher, "localhost", now.Add(lifetime+time.Hour))
		assert.ErrorContains(t, err, "expired")
	}
	err, _ := handshake(t, dir, "hub", "localhost", now)
	assert.ErrorContains(t, err, "incompatible key usage", "a hub is no publisher")

	other := filepath.Join(t.TempDir(), "other")
	mustMake(t, Request{Dir: other}, now)
	for _, file := range []string{"publisher.pem", "publisher.key"} {
		require.NoError(t, os.Rename(filepath.Join(other, file), filepath.Join(dir, file)))
	}
	err, _ = handshake(t, dir, "publisher", "localhost", now)
	assert.ErrorContains(t, err, "certificate signed by unknown authority")
}

// TestModes checks that private keys are their owner's alone, and that others may read certificates.
func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such permissions")
	}
	dir := filepath.Join(t.TempDir(), "certificates")
	mustMake(t, Request{Dir: dir}, now)
	mustMake(t, Request{Dir: dir}, now.Add(lifetime)) // renewed
	for name := range contents(t, dir) {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		want := os.FileMode(0o644)
		if strings.HasSuffix(name, ".key") {
			want = 0o600
		}
		assert.Equal(t, want, info.Mode().Perm(), name)
	}
	info, err := os.Stat(dir)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

// TestAgain checks what a second call does: it keeps what is good, renews what is near its end or gets
// other names, and never changes the authority nor a key.
func TestAgain(t *testing.T) {
	first := Request{Hub: []string{"hub.example.com"}, Publishers: []string{"van"}}
	for name, test := range map[string]struct {
		request Request
		later   time.Duration
		want    map[string]string
	}{
		"at once": {first, 0, map[string]string{"ca": Kept, "hub": Kept, "van": Kept}},
		"without names": {Request{}, lifetime - renewal - time.Hour,
			map[string]string{"ca": Kept, "hub": Kept, "van": Kept}},
		"30 days before the end": {Request{}, lifetime - renewal,
			map[string]string{"ca": Kept, "hub": Renewed, "van": Renewed}},
		"after the end": {Request{}, 2 * lifetime, map[string]string{"ca": Kept, "hub": Renewed, "van": Renewed}},
		"the same names otherwise": {Request{Hub: []string{"localhost", "HUB.example.com", "127.0.0.1"}}, 0,
			map[string]string{"ca": Kept, "hub": Kept, "van": Kept}},
		"other names": {Request{Hub: []string{"192.0.2.1"}}, 0,
			map[string]string{"ca": Kept, "hub": Renewed, "van": Kept}},
		"another publisher": {Request{Publishers: []string{"bus"}}, 0,
			map[string]string{"ca": Kept, "hub": Kept, "van": Kept, "bus": Made}},
	} {
		t.Run(name, func(t *testing.T) {
			first.Dir = t.TempDir()
			mustMake(t, first, now)
			before := contents(t, first.Dir)
			test.request.Dir = first.Dir
			at := now.Add(test.later)
			require.Equal(t, test.want, mustMake(t, test.request, at))
			after := contents(t, first.Dir)
			for file, text := range before {
				happened := test.want[strings.TrimSuffix(file, ".pem")]
				assert.Equal(t, happened != Renewed, text == after[file], file)
			}
			asHub, asPublisher := handshake(t, first.Dir, "van", "localhost", at)
			assert.NoError(t, asHub)
			assert.NoError(t, asPublisher)
		})
	}
}

// TestKeysElsewhere checks that a certificate is renewed though its key has been moved to where it is used,
// and then fits that key.
func TestKeysElsewhere(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	mustMake(t, Request{Dir: dir}, now)
	for _, name := range []string{"hub.key", "publisher.key"} {
		require.NoError(t, os.Rename(filepath.Join(dir, name), filepath.Join(elsewhere, name)))
	}
	later := now.Add(lifetime)
	all, err := Make(Request{Dir: dir, Now: later})
	require.NoError(t, err)
	for _, one := range all[1:] {
		assert.Equal(t, Renewed, one.Happened)
		assert.Empty(t, one.Key)
		assert.NoFileExists(t, filepath.Join(dir, one.Name+".key"))
		key := one.Name + ".key"
		require.NoError(t, os.Rename(filepath.Join(elsewhere, key), filepath.Join(dir, key)))
	}
	asHub, asPublisher := handshake(t, dir, "publisher", "localhost", later)
	assert.NoError(t, asHub)
	assert.NoError(t, asPublisher)
}

// TestLostCertificate checks that a key whose certificate is gone gets another, as after a crash between the
// two.
func TestLostCertificate(t *testing.T) {
	dir := t.TempDir()
	mustMake(t, Request{Dir: dir}, now)
	before := contents(t, dir)
	require.NoError(t, os.Remove(filepath.Join(dir, "publisher.pem")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "publisher.pem.new"), []byte("half"), 0o600))
	require.Equal(t, map[string]string{"ca": Kept, "hub": Kept, "publisher": Made},
		mustMake(t, Request{Dir: dir}, now))
	assert.Equal(t, before["publisher.key"], contents(t, dir)["publisher.key"])
	assert.NoFileExists(t, filepath.Join(dir, "publisher.pem.new"))
	_, err := handshake(t, dir, "publisher", "localhost", now)
	assert.NoError(t, err)
}

// TestForeignFiles checks that nothing is overwritten that is not of this authority, that the error names it,
// and that nothing has changed then.
func TestForeignFiles(t *testing.T) {
	other := t.TempDir()
	mustMake(t, Request{Dir: other}, now)
	foreign := contents(t, other)
	for name, test := range map[string]struct {
		change func(dir string) error
		says   string
	}{
		"a hub's certificate": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "hub.pem"), []byte(foreign["hub.pem"]), 0o600)
		}, "hub.pem is not of this authority"},
		"a key": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "van.key"), []byte(foreign["publisher.key"]), 0o600)
		}, "van.key is not the key of "},
		"the authority's key": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "ca.key"), []byte(foreign["ca.key"]), 0o600)
		}, "ca.key is not the key of "},
		"no authority": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "ca.pem"), []byte(foreign["hub.pem"]), 0o600)
		}, "ca.pem is not the certificate of an authority"},
		"the authority's certificate is lost": {func(dir string) error {
			return os.Remove(filepath.Join(dir, "ca.pem"))
		}, "ca.key exists without "},
		"the authority's key is lost": {func(dir string) error {
			return os.Remove(filepath.Join(dir, "ca.key"))
		}, "ca.key is missing"},
		"no PEM": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "van.pem"), []byte("a letter"), 0o600)
		}, "van.pem does not begin with a CERTIFICATE in PEM form"},
		"a key of another form": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "van.key"), []byte(foreign["ca.pem"]), 0o600)
		}, "van.key does not begin with a PRIVATE KEY in PEM form"},
		"a directory": {func(dir string) error {
			file := filepath.Join(dir, "van.pem")
			if err := os.Remove(file); err != nil {
				return err
			}
			return os.Mkdir(file, 0o700)
		}, "van.pem: not a regular file, but a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			mustMake(t, Request{Dir: dir, Publishers: []string{"van"}}, now)
			require.NoError(t, test.change(dir))
			_, err := Make(Request{Dir: dir, Publishers: []string{"van"}, Now: now})
			require.ErrorContains(t, err, test.says)
			require.NotContains(t, err.Error(), "PRIVATE KEY-----")
		})
	}
}

// TestAuthorityEnds checks that no certificate outlasts its authority, and that an authority near its end
// signs no more.
func TestAuthorityEnds(t *testing.T) {
	dir := t.TempDir()
	mustMake(t, Request{Dir: dir}, now)
	late := now.Add(authorityLifetime - lifetime/2)
	all, err := Make(Request{Dir: dir, Now: late})
	require.NoError(t, err)
	for _, one := range all {
		assert.Equal(t, now.Add(authorityLifetime), one.Expires.UTC(), one.Name)
	}
	_, err = Make(Request{Dir: dir, Now: now.Add(authorityLifetime - renewal)})
	assert.ErrorContains(t, err, "ends at 2036-11-21T01:00:00Z; make another in another directory")
}

// TestNames checks which names of hubs and publishers can be used. No name of a publisher leads out of the
// directory.
func TestNames(t *testing.T) {
	for name, good := range map[string]bool{
		"hub": true, "hub.example.com": true, "*.example.com": true, "192.0.2.1": true, "::1": true,
		"xn--bcher-kva.example": true,
		"":                      false, "hub.example.com:9801": false, "[::1]": false, "fe80::1%eth0": false,
		"https://hub": false,
		"a b":         false,
		"192.0.2":     false, "*": false, "a..b": false, "-a": false, "hub.": false, "ü.example": false,
		strings.Repeat("a", 64) + ".example": false, strings.Repeat("a.", 127) + "example": false,
	} {
		err := (&Request{Hub: []string{name}}).Validate()
		assert.Equal(t, good, err == nil, "%q: %v", name, err)
	}
	for name, good := range map[string]bool{
		"van": true, "VAN-7": true, "gateway.example.com": true, "7": true, strings.Repeat("a", 64): true,
		"": false, "ca": false, "hub": false, "Hub": false, "CA": false, "../van": false, "a/b": false,
		`a\b`: false, ".van": false, "-van": false,
		"a b": false, "ü": false, strings.Repeat("a", 65): false,
	} {
		err := (&Request{Publishers: []string{name}}).Validate()
		assert.Equal(t, good, err == nil, "%q: %v", name, err)
	}
	assert.ErrorContains(t, (&Request{Publishers: []string{"van", "Van"}}).Validate(), "named twice")
}
