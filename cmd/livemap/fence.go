package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"livemap/cmd/livemap/client"
	"livemap/geo"
)

// fenceCmd reads and changes the fences of a hub.
type fenceCmd struct {
	Action string         `arg:"" enum:"list,get,inside,put,delete"`
	ID     string         `arg:"" optional:"" placeholder:"ID"`
	File   string         `arg:"" optional:"" placeholder:"FILE"`
	To     client.Address `default:"http://127.0.0.1:9801"`
	hubFlags
}

// fenceHelp has the help texts of fenceCmd.
var fenceHelp = helpTexts{
	"action": "list, get, inside, put or delete.",
	"id":     "The fence; list has none.",
	"file":   "GeoJSON Feature for put; - is standard input.",
}

// Help returns what --help adds to the flags.
func (c *fenceCmd) Help() string {
	return `Reads and changes fences:

  livemap fence list               their ids and names, one a line, with a tab between
  livemap fence get ID             the fence as GeoJSON
  livemap fence inside ID          who is inside and since when, one a line, with a tab between
  livemap fence put ID FILE        make it or change it
  livemap fence delete ID          delete it

The API's README has the properties of a fence.

Exit status: 0 for success; 1 if the hub refuses, or does not answer; 2 for a mistake in the call.`
}

// Validate checks the arguments; kong calls it.
func (c *fenceCmd) Validate() error {
	switch {
	case c.To.HasNext():
		return errors.New("--to: fence asks one hub; give one address")
	case c.Action == "list" && c.ID != "":
		return fmt.Errorf("fence list has no argument; %q is one too many", c.ID)
	case c.Action != "list" && c.ID == "":
		return fmt.Errorf("fence %s needs the id of a fence", c.Action)
	case c.Action == "put" && c.File == "":
		return errors.New("fence put needs a file too; - is standard input")
	case c.Action != "put" && c.File != "":
		return fmt.Errorf("fence %s has one argument; %q is one too many", c.Action, c.File)
	case c.ID != "":
		return geo.CheckFenceID(c.ID)
	}
	return nil
}

// Run asks the hub once.
func (c *fenceCmd) Run(ctx context.Context, std streams) error {
	transport, err := c.transport(c.To)
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	over := c.hub(c.To, transport)
	path := "/fences/" + url.PathEscape(c.ID)
	switch c.Action {
	case "list":
		answer, err := c.ask(ctx, over, http.MethodGet, "/fences", nil)
		if err != nil {
			return err
		}
		return printFences(std.out, answer)
	case "inside":
		answer, err := c.ask(ctx, over, http.MethodGet, path+"/inside", nil)
		if err != nil {
			return err
		}
		return printInsiders(std.out, answer)
	case "get":
		answer, err := c.ask(ctx, over, http.MethodGet, path, nil)
		if err == nil {
			_, err = std.out.Write(answer)
		}
		return err
	case "delete":
		_, err := c.ask(ctx, over, http.MethodDelete, path, nil)
		return err
	}
	feature, err := c.read(std.in)
	if err != nil {
		return err
	}
	_, err = c.ask(ctx, over, http.MethodPut, path, feature)
	return err
}

// read reads the Feature for put.
func (c *fenceCmd) read(in io.Reader) ([]byte, error) {
	if c.File == "-" {
		return io.ReadAll(in)
	}
	return os.ReadFile(c.File)
}

// fenceTimeout is longer than a hub waits for its journal.
const fenceTimeout = 30 * time.Second

// ask sends a request and returns the answer.
func (c *fenceCmd) ask(
	ctx context.Context, hub client.Hub, method, path string, body []byte,
) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fenceTimeout)
	defer cancel()
	req, err := hub.NewRequest(ctx, method, path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/geo+json")
	}
	resp, err := (&http.Client{Transport: hub.Transport}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", c.To, client.Explain(err))
	}
	if resp.StatusCode/100 != 2 {
		return nil, client.ReadProblem(resp)
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

func printFences(out io.Writer, answer []byte) error {
	var all struct {
		Features []struct {
			ID         string
			Properties struct{ Name string }
		}
	}
	if err := json.Unmarshal(answer, &all); err != nil {
		return err
	}
	for _, f := range all.Features {
		if _, err := fmt.Fprintf(out, "%s\t%s\n", f.ID, withoutControls(f.Properties.Name)); err != nil {
			return err
		}
	}
	return nil
}

// withoutControls replaces what would move a terminal's cursor, or look like another field.
func withoutControls(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

func printInsiders(out io.Writer, answer []byte) error {
	var all struct {
		Inside []struct {
			ID    string `json:"vehicle_id"`
			Since json.Number
		}
	}
	if err := json.Unmarshal(answer, &all); err != nil {
		return err
	}
	for _, in := range all.Inside {
		since, err := strconv.ParseFloat(string(in.Since), 64)
		if err != nil {
			return err
		}
		text := time.UnixMilli(int64(since * 1000)).UTC().Format(time.RFC3339)
		if _, err := fmt.Fprintf(out, "%s\t%s\n", in.ID, text); err != nil {
			return err
		}
	}
	return nil
}
