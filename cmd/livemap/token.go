package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"livemap/api/token"
)

// tokenCmd makes keys and tokens, for trying a hub out.
type tokenCmd struct {
	MakeKey string `placeholder:"FILE"`
	Type    string `placeholder:"TYPE" enum:"hs256,es256,eddsa,rs256" default:"hs256"`

	Key      string        `placeholder:"FILE"`
	Subject  string        `placeholder:"NAME"`
	Read     []string      `placeholder:"PATTERN,…"`
	Publish  []string      `placeholder:"PATTERN,…"`
	Topics   []string      `placeholder:"PATTERN,…"`
	Expires  time.Duration `default:"1h" placeholder:"TIME"`
	Issuer   string        `placeholder:"NAME"`
	Audience string        `placeholder:"NAME"`
}

// tokenHelp has the help texts of tokenCmd.
var tokenHelp = helpTexts{
	"make-key": "Make a key: a secret in FILE, or the private key in FILE and the public one, for the hub, in " +
		"FILE.pub. A file that is there is left alone.",
	"type":     "Of the key that is made: hs256 (a secret), es256, eddsa or rs256 (${default}).",
	"key":      "The secret or private key (PEM) to sign a token with.",
	"subject":  "Whose token it is; limits count by it.",
	"read":     "Topics to read, like 'vehicle:TRUCK-*'; '*' is everything.",
	"publish":  "Vehicles to publish for, and to delete.",
	"topics":   "Further topics that publishing may name.",
	"expires":  "How long it is good for: 1s to 87600h (${default}).",
	"issuer":   "Its iss, for --jwt-issuer.",
	"audience": "Its aud, for --jwt-audience.",
}

// Help is what --help says beyond the flags.
func (c *tokenCmd) Help() string {
	return `Makes a key, and tokens to try a hub out with:

  livemap token --make-key key
  livemap serve --jwt-key key
  livemap token --key key --subject me --read '*'

The token is printed. Those of users are better made by a service that knows who they are, with a private key that the hub never sees: --type es256.

Exit status: 0; 1 if a file cannot be written; 2 for a mistake in the call.`
}

// Validate is called by kong once the command line has been read.
func (c *tokenCmd) Validate() error {
	switch {
	case (c.MakeKey == "") == (c.Key == ""):
		return errors.New("either --make-key or --key is needed: a key is made, or a token signed with one")
	case c.MakeKey != "":
		return nil
	case len(c.Read)+len(c.Publish) == 0:
		return errors.New("this token would allow nothing: --read says which topics ('*' is all), --publish which vehicles")
	case c.Expires < time.Second || c.Expires > 87600*time.Hour:
		return fmt.Errorf("--expires is %s; it must be from 1s to 87600h", c.Expires)
	}
	for flag, patterns := range map[string][]string{"--read": c.Read, "--publish": c.Publish, "--topics": c.Topics} {
		if err := token.Patterns(patterns).Check(); err != nil {
			return fmt.Errorf("%s %w", flag, err)
		}
	}
	return nil
}

// Run makes what was asked for.
func (c *tokenCmd) Run(_ context.Context, std streams) error {
	if c.MakeKey != "" {
		return c.makeKey(std)
	}
	signer, err := token.SignerFile(c.Key)
	if err != nil {
		return flagError("--key", err)
	}
	now := time.Now()
	signed, err := signer.Sign(token.Grant{
		Subject: c.Subject, Expires: now.Add(c.Expires), Read: c.Read, Publish: c.Publish, Topics: c.Topics,
	}, token.Rules{Issuer: c.Issuer, Audience: c.Audience}, now)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(std.out, signed)
	return err
}

// makeKey writes a key, and says what it is for.
func (c *tokenCmd) makeKey(std streams) error {
	if c.Type == "hs256" {
		if err := writeNew(c.MakeKey, 0o600, token.MakeSecret()); err != nil {
			return err
		}
		_, err := fmt.Fprintf(std.out, "%s holds a secret, for livemap serve --jwt-key and livemap token --key\n", c.MakeKey)
		return err
	}
	private, public, err := token.MakeKey(c.Type)
	if err != nil {
		return err
	}
	if err := writeNew(c.MakeKey, 0o600, private); err != nil {
		return err
	}
	if err := writeNew(c.MakeKey+".pub", 0o644, public); err != nil {
		return errors.Join(err, os.Remove(c.MakeKey)) // one half is of no use
	}
	_, err = fmt.Fprintf(std.out, "%s holds a private key, for livemap token --key; %s.pub is for livemap serve --jwt-key\n", c.MakeKey, c.MakeKey)
	return err
}

// writeNew writes a file that is not there yet.
func writeNew(path string, mode os.FileMode, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already; a key is not written over another", path)
	}
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}
