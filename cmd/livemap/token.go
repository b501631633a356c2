package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"livemap/api/token"
	"livemap/cmd/livemap/authority"
)

// tokenCmd makes keys and tokens, for trying a hub out, and certificates.
type tokenCmd struct {
	MakeCA        string   `name:"make-ca" placeholder:"DIR"`
	HubName       []string `placeholder:"NAME,…"`
	PublisherName []string `placeholder:"NAME,…"`

	MakeKey string `placeholder:"FILE"`
	Type    string `placeholder:"TYPE" enum:"hs256,es256,eddsa,rs256" default:"hs256"`

	Key             string        `placeholder:"FILE"`
	JWTSecretFormat string        `name:"jwt-secret-format" placeholder:"FORMAT" enum:"text,raw" default:"text"`
	Subject         string        `placeholder:"NAME"`
	Read            []string      `placeholder:"PATTERN,…"`
	Publish         []string      `placeholder:"PATTERN,…"`
	Topics          []string      `placeholder:"PATTERN,…"`
	Fences          []string      `placeholder:"PATTERN,…"`
	Expires         time.Duration `default:"1h" placeholder:"TIME"`
	Issuer          string        `placeholder:"NAME"`
	Audience        string        `placeholder:"NAME"`
}

// tokenHelp has the help texts of tokenCmd.
var tokenHelp = helpTexts{
	"make-ca": "Make certificates in DIR for publishing from other hosts: an authority, the hub's and a " +
		"publisher's. In a directory that has them, renew those that end within 30 days.",
	"hub-name": "Names and IP addresses of the hub, for --make-ca, beside localhost (default: as before, or " +
		"the name of this machine).",
	"publisher-name": "Publishers to make certificates for with --make-ca; those that have one keep it " +
		"(default: publisher).",
	"make-key": "Make a key. FILE gets the secret or the private key, FILE.pub the public key for the hub. An " +
		"existing file is an error.",
	"type":              "Type of the key to make: hs256 (a secret), es256, eddsa or rs256 (${default}).",
	"key":               "Secret or private key (PEM) that signs the token.",
	"jwt-secret-format": "Format of a secret in --key, as for livemap serve: text or raw (${default}).",
	"subject":           "Owner of the token; limits apply per subject.",
	"read":              "Topics that the token may read, like 'vehicle:TRUCK-*'; '*' is all.",
	"publish":           "Vehicles that the token may publish for and delete.",
	"topics":            "Further topics that published positions may name.",
	"fences":            "Fences that the token may make, change and delete.",
	"expires":           "Lifetime of the token: 1s to 87600h, which is ten years (${default}).",
	"issuer":            "Issuer (iss) of the token, for --jwt-issuer.",
	"audience":          "Audience (aud) of the token, for --jwt-audience.",
}

// Help returns what --help adds to the flags.
func (c *tokenCmd) Help() string {
	return `Makes a key, and tokens to try a hub out with:

  livemap token --make-key key
  livemap serve --jwt-key key
  livemap token --key key --subject me --read '*'

The command prints the token. For users, let a service that knows them make the tokens, with a private key
that the hub never sees: --type es256.

With --make-ca it makes certificates for a hub and for publishers on other hosts, and says where each goes:

  livemap token --make-ca certificates --hub-name hub.example.com --publisher-name van

They are good for a year, the authority for ten. Run it again, once a month say: it renews what ends within 30
days, and what gets other names. A renewed certificate keeps its key, which may have been moved elsewhere.

Exit status: 0 for success; 1 if a file cannot be written; 2 for a mistake in the call.`
}

// Validate checks the flags; kong calls it.
func (c *tokenCmd) Validate() error {
	made := 0
	for _, flag := range []string{c.MakeKey, c.MakeCA, c.Key} {
		if flag != "" {
			made++
		}
	}
	switch {
	case made != 1:
		return errors.New("set one of --make-key, to make a key, --key, to sign a token, and --make-ca, to " +
			"make certificates")
	case c.MakeCA == "" && len(c.HubName)+len(c.PublisherName) > 0:
		return errors.New("--hub-name and --publisher-name need --make-ca")
	case c.MakeCA != "":
		request := c.certificates()
		return request.Validate()
	case c.MakeKey != "":
		return nil
	case len(c.Read)+len(c.Publish)+len(c.Fences) == 0:
		return errors.New("this token would allow nothing; " +
			"set --read to topics ('*' is all) or --publish to vehicles")
	case c.Expires < time.Second || c.Expires > 87600*time.Hour:
		return fmt.Errorf("--expires is %s; it must be from 1s to 87600h, which is ten years",
			shortDuration(c.Expires))
	}
	lists := map[string][]string{
		"--read": c.Read, "--publish": c.Publish, "--topics": c.Topics, "--fences": c.Fences,
	}
	for flag, patterns := range lists {
		if err := token.Patterns(patterns).Check(); err != nil {
			return fmt.Errorf("%s %w", flag, err)
		}
	}
	return nil
}

// Run makes a key or certificates, or prints a token.
func (c *tokenCmd) Run(_ context.Context, std streams) error {
	if c.MakeCA != "" {
		return c.makeCertificates(std)
	}
	if c.MakeKey != "" {
		return c.makeKey(std)
	}
	signer, err := token.SignerFile(c.Key, token.SecretFormat(c.JWTSecretFormat))
	if err != nil {
		return usageError{fmt.Errorf("--key: %w", err)}
	}
	now := time.Now()
	signed, err := signer.Sign(token.Grant{
		Subject: c.Subject, Expires: now.Add(c.Expires), Read: c.Read, Publish: c.Publish, Topics: c.Topics,
		Fences: c.Fences,
	}, token.Rules{Issuer: c.Issuer, Audience: c.Audience}, now)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(std.out, signed)
	return err
}

// certificates returns the certificates that there are to be.
func (c *tokenCmd) certificates() authority.Request {
	return authority.Request{
		Dir: c.MakeCA, Hub: c.HubName, Publishers: c.PublisherName, Now: time.Now(),
	}
}

// makeCertificates makes certificates or renews them, and prints what each is for.
func (c *tokenCmd) makeCertificates(std streams) error {
	all, err := authority.Make(c.certificates())
	if err != nil {
		return err
	}
	for _, one := range all {
		key := cmp.Or(one.Key, "its key, which is kept elsewhere,")
		use := fmt.Sprintf("a publisher has it with %s (--client-cert, --client-key)", key)
		switch {
		case one.IsAuthority():
			use = "the hub has it (--publish-client-ca), and publishers (--cacert); " +
				one.Key + " signs, and belongs on neither"
		case one.IsHub():
			use = fmt.Sprintf("for %s; the hub has it with %s (--tls-cert, --tls-key)",
				strings.Join(one.Names, ", "), key)
		}
		if _, err := fmt.Fprintf(std.out, "%s: %s, until %s; %s\n",
			one.File, one.Happened, one.Expires.UTC().Format(time.DateOnly), use); err != nil {
			return err
		}
	}
	return nil
}

// makeKey writes a key, and prints what each file is for.
func (c *tokenCmd) makeKey(std streams) error {
	if c.Type == "hs256" {
		if err := writeNew(c.MakeKey, 0o600, token.MakeSecret()); err != nil {
			return err
		}
		_, err := fmt.Fprintf(std.out,
			"%s holds a secret, for livemap serve --jwt-key and livemap token --key\n", c.MakeKey)
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
	_, err = fmt.Fprintf(std.out,
		"%s holds a private key, for livemap token --key; %s.pub is for livemap serve --jwt-key\n",
		c.MakeKey, c.MakeKey)
	return err
}

// writeNew writes a file that does not exist yet.
func writeNew(path string, mode os.FileMode, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s already exists, and is not overwritten", path)
	}
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}
