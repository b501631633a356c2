package recording

import (
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// gpx reads the track points of GPX 1.0 and 1.1 one by one. The vehicle has the name of the
// track, or without one that of the file.
type gpx struct {
	xml      *xml.Decoder
	open     []string // names of the open elements
	fallback string
	vehicle  string
	counts   map[string]int // start tags of each name
}

// trackPoint is a trkpt. Speed and course are elements of GPX 1.0 and of extensions to GPX 1.1
// (Garmin's TrackPointExtension, OsmAnd's, GPSLogger's), some of which call the course a bearing. They
// are metres per second and degrees in all of them.
type trackPoint struct {
	Lat        string  `xml:"lat,attr"`
	Lon        string  `xml:"lon,attr"`
	Elevation  string  `xml:"ele"`
	Time       string  `xml:"time"`
	Speed      string  `xml:"speed"`
	Course     string  `xml:"course"`
	Bearing    string  `xml:"bearing"`
	Extensions element `xml:"extensions"`
}

// element is an element of any name.
type element struct {
	XMLName  xml.Name
	Text     string    `xml:",chardata"`
	Children []element `xml:",any"`
}

// find returns the text of the first element of that name, at any depth.
func (e element) find(name string) string {
	for _, child := range e.Children {
		if child.XMLName.Local == name {
			return child.Text
		}
		if text := child.find(name); text != "" {
			return text
		}
	}
	return ""
}

// newGPX reads up to the root element.
func newGPX(text io.Reader, fallback string) (*gpx, error) {
	g := &gpx{xml: xml.NewDecoder(text), fallback: fallback, counts: map[string]int{}}
	// The text is UTF-8 already, whatever its declaration says.
	g.xml.CharsetReader = func(_ string, text io.Reader) (io.Reader, error) { return text, nil }
	for {
		token, err := g.xml.Token()
		if err == io.EOF {
			return nil, errors.New("not GPX: it has no XML element")
		}
		if err != nil {
			return nil, errors.New("not GPX: " + inWords(err))
		}
		switch token := token.(type) {
		case xml.Directive:
			if strings.HasPrefix(strings.ToLower(string(token)), "doctype html") {
				return nil, foreignRoot("html")
			}
		case xml.StartElement:
			if token.Name.Local != "gpx" {
				return nil, foreignRoot(token.Name.Local)
			}
			g.open = append(g.open, "gpx")
			return g, nil
		}
	}
}

func (g *gpx) read() (Record, error) {
	for {
		token, err := g.xml.Token()
		if err != nil {
			line, _ := g.xml.InputPos()
			return Record{Line: line}, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			if rec, ok, err := g.start(token); ok || err != nil {
				return rec, err
			}
		case xml.EndElement:
			g.open = g.open[:len(g.open)-1]
		}
	}
}

// start enters an element. ok reports whether it was a track point.
func (g *gpx) start(tag xml.StartElement) (rec Record, ok bool, err error) {
	rec.Line, _ = g.xml.InputPos()
	parent := g.open[max(0, len(g.open)-1):]
	g.counts[tag.Name.Local]++
	switch {
	case tag.Name.Local == "trkpt":
		var point trackPoint
		if err = g.xml.DecodeElement(&point, &tag); err == nil {
			rec.Body = point.position(cmp.Or(g.vehicle, g.fallback))
		}
		return rec, err == nil, err
	case tag.Name.Local == "name" && len(parent) == 1 && parent[0] == "trk":
		var name element
		err = g.xml.DecodeElement(&name, &tag)
		g.vehicle = strings.TrimSpace(name.Text)
		return rec, false, err
	case tag.Name.Local == "trk":
		g.vehicle = ""
	}
	g.open = append(g.open, tag.Name.Local)
	return rec, false, nil
}

// found counts what may be in a file without track points. Their times are missing: a waypoint is a
// place, and a route is a plan.
func (g *gpx) found() string {
	var parts []string
	for _, element := range []struct{ name, one, many string }{
		{"wpt", "waypoint", "waypoints"}, {"rte", "route", "routes"}, {"trk", "track", "tracks"},
	} {
		switch n := g.counts[element.name]; {
		case n == 1:
			parts = append(parts, "1 "+element.one)
		case n > 1:
			parts = append(parts, fmt.Sprint(n, " ", element.many))
		}
	}
	if parts == nil {
		return "it has no tracks"
	}
	return "it has " + strings.Join(parts, " and ") + ", but no point of a track"
}

// position converts the point to a position object. Invalid values stay in it: the hub rejects
// them.
func (t trackPoint) position(vehicle string) []byte {
	var p positionObject
	p.text("vehicle_id", vehicle)
	for _, member := range []struct{ name, text string }{
		{"lat", t.Lat},
		{"lon", t.Lon},
		{"altitude", t.Elevation},
		{"speed_kmh", scaled(cmp.Or(t.Speed, t.Extensions.find("speed")), 3.6)},
		{"heading", cmp.Or(t.Course, t.Bearing, t.Extensions.find("course"), t.Extensions.find("bearing"))},
	} {
		if strings.TrimSpace(member.text) != "" {
			p.number(member.name, member.text)
		}
	}
	if at := strings.TrimSpace(t.Time); at != "" { // in UTC, if it has no zone: its schema says so
		p.text("timestamp", cmp.Or(rfc3339(at, true, false), at))
	}
	return p.end()
}
