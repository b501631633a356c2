package e2e

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// printed returns the output of a call, without its newline.
func printed(t *testing.T, args ...string) string {
	t.Helper()
	out, stderr, status := command(t, "", args...)
	require.Zero(t, status, stderr)
	return strings.TrimSpace(out)
}

// certificateFiles writes a certificate and its key.
func certificateFiles(t *testing.T, name string) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certPEM, keyPEM := makePair(t, name)
	require.NoError(t, os.WriteFile(cert, certPEM, 0o600))
	require.NoError(t, os.WriteFile(key, keyPEM, 0o600))
	return cert, key
}

// serve accepts keys and tokens of livemap token. A stream of each protocol needs a token, and ends
// with it.
func TestTokens(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"hs256", "es256", "eddsa", "rs256"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			key := filepath.Join(t.TempDir(), "key")
			require.Contains(t, printed(t, "token", "--make-key", key, "--type", kind), "livemap serve --jwt-key")
			public := key
			if kind != "hs256" {
				public += ".pub"
			}
			hub := startHub(t, "--anonymous=false", "--jwt-key", public, "--jwt-issuer", "me", "--jwt-audience", "hub")
			hub.publishLines(t, `{"vehicle_id":"TRUCK-1","lat":1,"lon":2}`, `{"vehicle_id":"VAN-1","lat":1,"lon":2}`)
			sign := func(args ...string) string {
				return printed(t, append([]string{"token", "--key", key, "--issuer", "me", "--audience", "hub"},
					args...)...)
			}
			good := sign("--read", "vehicle:TRUCK-*,depot:7", "--subject", "dispatcher")
			var seen []string
			for _, protocol := range protocolNames {
				client := hub.client(t, protocol)
				refused, err := client.get(t.Context(), hub.public+"/stream", "")
				require.NoError(t, err)
				assert.Equal(t, http.StatusUnauthorized, refused.StatusCode)
				refused.Body.Close()

				client.token = good
				s := client.mustOpen(t, hub.public+"/stream", "")
				told := s.until(t, "live")
				require.Len(t, told, 3, "reset, TRUCK-1, live")
				assert.Contains(t, told[1].data, "TRUCK-1")
				s.close()

				client.token = sign("--read", "*", "--expires", "3s")
				seen = append(seen, client.token)
				bye := client.mustOpen(t, hub.public+"/stream", "").until(t, "bye")
				assert.JSONEq(t, `{"reason":"expired"}`, bye[len(bye)-1].data)
			}
			hub.stop(t)
			for _, secret := range append(seen, good) {
				for _, part := range strings.Split(secret, ".")[1:] {
					assert.NotContains(t, hub.log.tail(1000), part)
				}
			}
		})
	}
}

// serve and livemap token take a secret of any bytes only when asked. Its last byte, a newline, counts. A
// public key is no secret: this one of Ed25519, in DER, ends in a space, which a tool may add or trim.
func TestSecretOfAnyBytes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	require.NoError(t, os.WriteFile(secret, append(bytes.Repeat([]byte{0xff}, 31), '\n'), 0o600))
	raw := []string{"--jwt-secret-format", "raw"}
	sign := append([]string{"token", "--read", "*", "--key", secret}, raw...)
	hub := startHub(t, append([]string{"--anonymous=false", "--jwt-key", secret}, raw...)...)
	client := hub.client(t, "h1")
	client.token = printed(t, sign...)
	client.mustOpen(t, hub.public+"/stream", "").until(t, "live")
	_, stderr, status := command(t, "", sign[:len(sign)-2]...)
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "--key: "+secret+" holds a secret that is not text")

	public := filepath.Join(dir, "public.der")
	der := []byte("0*0\x05\x06\x03+ep\x03!\x00" + strings.Repeat("\x80", 31) + " ")
	for _, trimmed := range [][]byte{der, append(der, '\n'), bytes.TrimSpace(der)} {
		require.NoError(t, os.WriteFile(public, trimmed, 0o600))
		for _, args := range [][]string{nil, raw} {
			_, stderr, status := command(t, "", append([]string{"serve", "--state-dir", t.TempDir(), "--listen", "off",
				"--publish-listen", "127.0.0.1:0", "--jwt-key", public}, args...)...)
			assert.Equal(t, 2, status)
			assert.Contains(t, stderr, "--jwt-key: "+public+" holds a key in another form")
		}
	}
}

// The flags for tokens, pages and limits take effect.
func TestAuthFlags(t *testing.T) {
	t.Parallel()
	key := filepath.Join(t.TempDir(), "key")
	printed(t, "token", "--make-key", key)
	hub := startHub(t, "--anonymous=false", "--jwt-key", key, "--jwt-issuer", "me", "--jwt-audience", "hub",
		"--heartbeat", "1s",
		"--allow-origin", "https://fleet.example", "--cookie-same-site", "none", "--max-streams-per-client", "1",
		"--publish-rate", "0.001")
	client := hub.client(t, "h1")
	ask := func(method, path string, header ...string) *http.Response {
		resp, _ := client.ask(t, method, hub.public+path, header...)
		return resp
	}
	sign := func(args ...string) string {
		return "Bearer " + printed(t, append([]string{"token", "--key", key, "--read", "*", "--subject", "me"},
			args...)...)
	}
	good := sign("--issuer", "me", "--audience", "hub")
	for raw, status := range map[string]int{
		good: 200, sign("--issuer", "me"): 401, sign("--audience", "hub"): 401,
		sign("--issuer", "you", "--audience", "hub"): 401, sign("--issuer", "me", "--audience", "shop"): 401,
	} {
		assert.Equal(t, status, ask("GET", "/session", "Authorization", raw).StatusCode)
	}
	signedIn := ask("POST", "/session", "Authorization", good, "Origin", "https://fleet.example")
	assert.Equal(t, http.SameSiteNoneMode, signedIn.Cookies()[0].SameSite)
	assert.Equal(t, "https://fleet.example", signedIn.Header.Get("Access-Control-Allow-Origin"))
	client.token = strings.TrimPrefix(good, "Bearer ")
	client.mustOpen(t, hub.public+"/stream", "").until(t, "live")
	assert.JSONEq(t, `{"reason":"too-many"}`, client.mustOpen(t, hub.public+"/stream", "").until(t,
		"bye")[0].data)
	hub.publishLines(t, at("TRUCK-1", 1))
	status, header, _ := hub.post(t, "application/json", at("TRUCK-1", 2))
	assert.Equal(t, http.StatusTooManyRequests, status)
	assert.NotEmpty(t, header.Get("Retry-After"))
}

// A key that replaces another counts while the hub runs: streams of the old one end, over every protocol. A
// file that holds no key changes nothing.
func TestKeyIsReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, second := filepath.Join(dir, "first"), filepath.Join(dir, "second")
	printed(t, "token", "--make-key", first)
	printed(t, "token", "--make-key", second, "--type", "es256")
	used := filepath.Join(dir, "used")
	put := func(path string) {
		t.Helper()
		require.NoError(t, os.Link(path, used+".new"))
		require.NoError(t, os.Rename(used+".new", used))
	}
	put(first)
	hub := startHub(t, "--anonymous=false", "--jwt-key", used)
	require.Len(t, hub.log.find("every user of this machine may read and publish on the internal port, "+
		"without a token"), 1)
	old := printed(t, "token", "--key", first, "--read", "*")
	var streams []*wireStream
	for _, protocol := range protocolNames {
		client := hub.client(t, protocol)
		client.token = old
		s := client.mustOpen(t, hub.public+"/stream", "")
		s.until(t, "live")
		streams = append(streams, s)
	}

	put(second) // the private half
	const broken = "cannot reload --jwt-key; the old key counts"
	assert.Contains(t, hub.log.await(t, broken)["error"], "it must be a PEM public key")
	assert.Equal(t, 1.0, hub.metric(t, `livemap_jwt_key_reloads_total{result="failed"}`))
	client := hub.client(t, "h1")
	client.token = old
	client.mustOpen(t, hub.public+"/stream", "").until(t, "live")

	put(second + ".pub")
	for _, s := range streams {
		bye := s.until(t, "bye")
		assert.JSONEq(t, `{"reason":"expired"}`, bye[len(bye)-1].data)
	}
	reloaded := hub.log.await(t, "reloaded --jwt-key; tokens of another key count no longer")
	assert.Equal(t, 4.0, reloaded["streams_ended"])
	assert.Equal(t, 1.0, hub.metric(t, `livemap_jwt_key_reloads_total{result="ok"}`))
	refused, err := client.get(t.Context(), hub.public+"/stream", "")
	require.NoError(t, err)
	refused.Body.Close()
	assert.Equal(t, http.StatusUnauthorized, refused.StatusCode)
	client.token = printed(t, "token", "--key", second, "--read", "*")
	client.mustOpen(t, hub.public+"/stream", "").until(t, "live")
	assert.Len(t, hub.log.find(broken), 1)
}

// Clients show their tokens.
func TestClientsShowTokens(t *testing.T) {
	t.Parallel()
	key := filepath.Join(t.TempDir(), "key")
	printed(t, "token", "--make-key", key)
	hub := startHub(t, "--anonymous=false", "--jwt-key", key)
	hub.publishLines(t, `{"vehicle_id":"TRUCK-1","lat":1,"lon":2}`)
	_, stderr, status := command(t, "", "tail", "--insecure", "--count", "1", hub.public)
	assert.NotZero(t, status)
	assert.Contains(t, stderr, "a token is needed")
	out := printed(t, "tail", "--insecure", "--count", "1", "--token",
		printed(t, "token", "--key", key, "--read", "*"), hub.public)
	assert.Contains(t, out, "TRUCK-1")
}

// An internal port that asks for certificates takes tokens too, where there are keys.
func TestInternalPortWithAuth(t *testing.T) {
	t.Parallel()
	cert, certKey := certificateFiles(t, "hub")
	own, ownKey := certificateFiles(t, "publisher") // signed by itself, so its own authority
	key := filepath.Join(t.TempDir(), "key")
	printed(t, "token", "--make-key", key)
	hub := startHub(t, "--anonymous=false", "--jwt-key", key, "--tls-cert", cert, "--tls-key", certKey,
		"--publish-client-ca", own)
	require.True(t, strings.HasPrefix(hub.publish, "https://"), hub.publish)
	as := func(certificates ...tls.Certificate) *http.Client {
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true,
			Certificates: certificates}, ForceAttemptHTTP2: true}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport, Timeout: e2eLimit}
	}
	ask := func(client *http.Client, method, path, body string) int {
		req, err := http.NewRequestWithContext(t.Context(), method, hub.publish+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		io.Copy(io.Discard, resp.Body)
		return resp.StatusCode
	}
	pair, err := tls.LoadX509KeyPair(own, ownKey)
	require.NoError(t, err)
	other, otherKey := certificateFiles(t, "stranger")
	strange, err := tls.LoadX509KeyPair(other, otherKey)
	require.NoError(t, err)
	insistent := as()
	shown := insistent.Transport.(*http.Transport).TLSClientConfig
	shown.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &strange, nil
	}
	resp, err := insistent.Post(hub.publish+"/publish", "application/json", strings.NewReader(at("TRUCK-1", 1)))
	if err == nil {
		resp.Body.Close()
	}
	assert.Error(t, err, "a certificate of nobody's")
	assert.Equal(t, 401, ask(as(), "POST", "/publish", at("TRUCK-1", 1)))
	assert.Equal(t, 401, ask(as(), "GET", "/metrics", ""))
	assert.Equal(t, 200, ask(as(), "GET", "/readyz", ""))
	assert.Equal(t, 200, ask(as(pair), "POST", "/publish", at("TRUCK-1", 1)))
	assert.Equal(t, 200, ask(as(pair), "GET", "/metrics", ""))

	assert.Contains(t, printed(t, "health", "--to", hub.publish, "--insecure"), "is ready")
	lines := `{"vehicle_id":"TRUCK-1","lat":3,"lon":4,"timestamp":900000002}` + "\n"
	_, stderr, status := command(t, lines, "replay", "--speed", "0", "--insecure", "--to", hub.publish, "-")
	assert.NotZero(t, status)
	assert.Contains(t, stderr, "a token in Authorization: Bearer, or a client certificate")
	for name, args := range map[string][]string{
		"certificate": {"--client-cert", own, "--client-key", ownKey},
		"token":       {"--token", printed(t, "token", "--key", key, "--publish", "TRUCK-*")},
	} {
		_, stderr, status = command(t, lines, append([]string{"replay", "--speed", "0", "--insecure", "--to",
			hub.publish, "-"}, args...)...)
		assert.Zero(t, status, "%s: %s", name, stderr)
	}
	_, stderr, status = command(t, "", "health", "--to", hub.publish, "--insecure", "--client-cert", own)
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "--client-key")
}

func TestCAWithoutCertificates(t *testing.T) {
	t.Parallel()
	cert, key := certificateFiles(t, "hub")
	ca := filepath.Join(t.TempDir(), "ca")
	require.NoError(t, os.WriteFile(ca, []byte("hello"), 0o600))
	_, stderr, status := command(t, "", "serve", "--anonymous", "--listen", "off", "--publish-listen",
		"127.0.0.1:0", "--state-dir", t.TempDir(),
		"--tls-cert", cert, "--tls-key", key, "--publish-client-ca", ca)
	assert.Equal(t, 2, status)
	assert.Contains(t, stderr, "holds no certificate in PEM form")
}

// The hub sends Strict-Transport-Security where it has a certificate that browsers may trust.
func TestStrictTransport(t *testing.T) {
	t.Parallel()
	cert, key := certificateFiles(t, "hub")
	for want, args := range map[string][]string{"max-age=31536000": {"--tls-cert", cert, "--tls-key", key},
		"": nil} {
		hub := startHub(t, args...)
		_, err := tls.Dial("tcp", strings.TrimPrefix(hub.public, "https://"),
			&tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11})
		assert.Error(t, err, "TLS 1.1")
		for _, protocol := range protocolNames {
			resp, err := newWireClient(t, protocol, &tls.Config{InsecureSkipVerify: true}).get(t.Context(),
				hub.public+"/openapi.yaml", "")
			require.NoError(t, err)
			resp.Body.Close()
			assert.Equal(t, want, resp.Header.Get("Strict-Transport-Security"), protocol)
			assert.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
			assert.Equal(t, "no-referrer", resp.Header.Get("Referrer-Policy"))
			assert.Equal(t, "default-src 'none'; frame-ancestors 'none'", resp.Header.Get("Content-Security-Policy"))
		}
		resp, err := http.Get(hub.proxy + "/openapi.yaml")
		require.NoError(t, err)
		resp.Body.Close()
		assert.Empty(t, resp.Header.Get("Strict-Transport-Security"), "that is the proxy's to say")
	}
}

func TestTokenCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	printed(t, "token", "--make-key", key)
	before, err := os.ReadFile(key)
	require.NoError(t, err)
	info, err := os.Stat(key)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "other.pub"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "short"), bytes.Repeat([]byte("x"), 31), 0o600))
	for _, test := range []struct {
		name, says string
		status     int
		args       []string
	}{
		{"nothing", "set one of --make-key", 2, nil},
		{"both", "set one of --make-key", 2, []string{"--make-key", "a", "--key", "b"}},
		{"a key and certificates", "set one of --make-key", 2, []string{"--make-key", "a", "--make-ca", "b"}},
		{"a name without certificates", "--hub-name and --publisher-name need --make-ca", 2,
			[]string{"--make-key", filepath.Join(dir, "unused"), "--hub-name", "hub"}},
		{"no name of a hub", "without a port", 2, []string{"--make-ca", dir, "--hub-name", "hub:9801"}},
		{"no name of a publisher", "begin with a letter or digit", 2,
			[]string{"--make-ca", dir, "--publisher-name", "../van"}},
		{"no directory", "not a directory", 1, []string{"--make-ca", key}},
		{"a key that is there", "already exists", 1, []string{"--make-key", key}},
		{"half a pair that is there", "other.pub already exists", 1,
			[]string{"--make-key", filepath.Join(dir, "other"), "--type", "es256"}},
		{"a type", `"hs256","es256","eddsa","rs256"`, 2, []string{"--make-key", "a", "--type", "none"}},
		{"no rights", "set --read to topics", 2, []string{"--key", key}},
		{"no such key", "--key: open ", 2, []string{"--key", filepath.Join(dir, "nowhere"), "--read", "*"}},
		{"a short secret", "31 bytes; it must have at least 32", 2,
			[]string{"--key", filepath.Join(dir, "short"), "--read", "*"}},
		{"a pattern", `--read has "a*b"; a * is allowed only at the end`, 2,
			[]string{"--key", key, "--read", "a*b"}},
		{"a time", "--expires is 0s; it must be from 1s to 87600h", 2,
			[]string{"--key", key, "--read", "*", "--expires", "0s"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, stderr, status := command(t, "", append([]string{"token"}, test.args...)...)
			assert.Equal(t, test.status, status)
			assert.Empty(t, out)
			assert.Contains(t, stderr, test.says)
		})
	}
	assert.NoFileExists(t, filepath.Join(dir, "other"), "half a pair")
	pair := filepath.Join(dir, "pair")
	printed(t, "token", "--make-key", pair, "--type", "es256")
	info, err = os.Stat(pair)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	after, err := os.ReadFile(key)
	require.NoError(t, err)
	assert.Equal(t, before, after)
}
