package web

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"io/fs"
)

const indexName = "index.html"

// settings is the JSON in the page's <meta name="livemap-config">.
type settings struct {
	Version string   `json:"version"`
	App     string   `json:"app"` // path of the page's own files
	Lib     string   `json:"lib"` // path of the libraries and the base map's data
	Style   *string  `json:"style"`
	PMTiles []string `json:"pmtiles"` // URL paths, the last on top
	View    *View    `json:"view"`
	Login   *string  `json:"login"`
	Publish *string  `json:"publish"`
}

// indexPage returns the map's page, which names the paths of all other files.
func indexPage(src fs.FS, app, lib string, config Config) (*asset, error) {
	page, err := template.ParseFS(src, indexName)
	if err != nil {
		return nil, err
	}
	set := settings{Version: config.Version, App: app, Lib: lib, PMTiles: []string{}, View: config.View}
	if config.Style != "" {
		set.Style = &config.Style
	}
	for i := range archives(config) {
		set.PMTiles = append(set.PMTiles, archivePath(i))
	}
	if config.LoginURL != "" {
		set.Login = &config.LoginURL
	}
	if config.PublishURL != "" {
		set.Publish = &config.PublishURL
	}
	encoded, err := json.Marshal(set)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	values := map[string]string{"App": app, "Lib": lib, "Config": string(encoded)}
	if err := page.Execute(&text, values); err != nil {
		return nil, err
	}
	return document(text.Bytes(), policy(config)), nil
}

//go:embed unbuilt.html
var unbuilt []byte

// unbuiltPage returns the page that says that the map's libraries are missing.
func unbuiltPage() *asset {
	_, style, _ := bytes.Cut(unbuilt, []byte("<style>"))
	style, _, _ = bytes.Cut(style, []byte("</style>"))
	sum := sha256.Sum256(style)
	digest := base64.StdEncoding.EncodeToString(sum[:])
	return document(unbuilt, "default-src 'none'; style-src 'sha256-"+digest+
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
}

// document returns an asset for /.
func document(text []byte, policy string) *asset {
	a := newAsset("", text)
	return a.with("Content-Type", contentTypes[".html"]).
		with("Cache-Control", "no-cache").
		with("Content-Security-Policy", policy).
		with("Referrer-Policy", "no-referrer")
}
