package floor

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"livemap/api/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestChiAnswers: the empty handler answers what the hub answers a position.
func TestChiAnswers(t *testing.T) {
	in, stop := io.Pipe()
	out, ready := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Serve(context.Background(), in, ready) }()
	json.NewEncoder(stop).Encode(Setup{Kind: "chi"})
	var address Ready
	require.NoError(t, json.NewDecoder(out).Decode(&address))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Post(address.Address+"/publish", "application/json", strings.NewReader("{}"))
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	want := `{"status":"OK","accepted":1,"rejected":0,"late":0,"duplicate":0,"last_event_id":"mh3k2p-1207"}`
	assert.Equal(t, want, string(text))
	var ack problem.Ack
	require.NoError(t, json.Unmarshal(text, &ack))
	assert.Equal(t, "application/json", resp.Header.Get("Content-Type"))
	stop.Close()
	require.NoError(t, <-ended)
}

// TestServeRejects: a floor that cannot be set up says why.
func TestServeRejects(t *testing.T) {
	for _, test := range []struct {
		name, input, says string
	}{
		{"no input", "", "EOF"},
		{"no JSON", "write\n", "invalid character"},
		{"an unknown kind", `{"kind":"marble"}` + "\n",
			`unknown floor "marble"; it must be write, tls, quic or chi`},
	} {
		var out bytes.Buffer
		err := Serve(t.Context(), strings.NewReader(test.input), &out)
		require.ErrorContains(t, err, test.says, test.name)
		assert.Empty(t, out.String(), test.name)
	}
}

// TestServeEnds: a floor ends with its input, and closes what it has opened.
func TestServeEnds(t *testing.T) {
	for _, kind := range []string{"write", "tls", "quic"} {
		var out bytes.Buffer
		input := `{"kind":"` + kind + `","streams":0}` + "\n"
		require.NoError(t, Serve(t.Context(), strings.NewReader(input), &out), kind)
		assert.Contains(t, out.String(), `{"address":"http`, kind)
		err := Serve(t.Context(), strings.NewReader(input+"run\n"), &out)
		require.ErrorContains(t, err, "invalid character", kind)
	}
}
