package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"github.com/tmaxmax/go-sse"
)

// FuzzFlags parses any text as the values of flags with types of their own. An accepted value is
// formatted as a text that is accepted and means the same.
func FuzzFlags(f *testing.F) {
	for _, seed := range []string{"10.0.0.0/8", "::/0", "::ffff:1.2.3.4/96", "1.2.3.4/33", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var c, d network
		if c.UnmarshalText([]byte(text)) == nil {
			require.True(t, c.IsValid())
			require.NoError(t, d.UnmarshalText([]byte(c.String())))
			require.Equal(t, c, d)
		}
	})
}

// FuzzTail follows any bytes as a stream. Text output contains nothing that a terminal would obey,
// and each position, also in NDJSON, is one line.
func FuzzTail(f *testing.F) {
	f.Add([]byte("event: ping\ndata: {}\nid: x-1\n\n" +
		"data: {\"type\":\"Feature\",\"geometry\":{\"coordinates\":[1,2]}," +
		"\"properties\":{\"vehicle_id\":\"\x1b[2J\",\"timestamp\":1e300}}\n\n"))
	f.Add([]byte("event: gone\ndata: {\"vehicle_id\":\"\u009b\",\"reason\":\"\\u001b]0;x\\u0007\"}\n\nevent: " +
		"late\ndata: {\n\n"))
	f.Add([]byte("event: live\ndata: {\"mode\":\"\\n\",\"events\":1e9}\n\nevent: reset\ndata: " +
		"{\"reason\":\"\\u202e\"}\n\nevent: bye\ndata: 5\n\n"))
	f.Add([]byte("data: {\"a\":\ndata: 1}\n\ndata: {\ndata: x\n\ndata\ndata\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var out, lines, notices bytes.Buffer
		asText, asNDJSON := &tailPrinter{out: &out, err: &notices, text: true},
			&tailPrinter{out: &lines, err: &notices}
		positions := 0
		for event, err := range sse.Read(bytes.NewReader(text), &sse.ReadConfig{MaxEventSize: eventLimit}) {
			if err != nil {
				break
			}
			require.NoError(t, asText.event(event))
			require.NoError(t, asNDJSON.event(event))
			if event.Type == "late" || event.Data != "" && (event.Type == "" || event.Type == "message") {
				positions++
			}
		}
		require.Equal(t, positions, strings.Count(lines.String(), "\n"))
		for _, r := range out.String() + notices.String() {
			require.True(t, r == '\n' || unicode.IsPrint(r), "%U in %q", r, out.String()+notices.String())
		}
	})
}
