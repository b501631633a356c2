package geofence

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"livemap/geo"
)

// Limits of a fence's Feature.
const (
	MaxFeature  = 768 << 10 // bytes
	MaxPatterns = 64        // patterns of vehicles, and of topics
	maxName     = 256       // bytes
)

// Fence is an area with rules of who enters and leaves it. A Fence is immutable.
type Fence struct {
	ID       string
	Name     string
	Vertices int

	// Vehicles and Topics are patterns: an id, or the beginning of one with a `*` at the end. Nil: all.
	Vehicles, Topics []string

	// Severity is info, warning or urgent if an entry makes an alarm, else empty.
	Severity string

	Expires time.Time // zero: never
	Active  Schedule
	Initial bool // those who are inside when it is made get events

	MaxGap time.Duration // the longest time between two fixes that say how a vehicle went

	// Feature is the fence as GeoJSON in one line, with its id and every property as it was given.
	Feature []byte

	shape                    shape
	enterAfter, exitAfter    time.Duration
	dwell                    time.Duration // 0: off
	margin, maxAccuracy      int64         // millimetres
	minAltitude, maxAltitude int64         // millimetres
}

type fenceDocument struct {
	Type       string              `json:"type"`
	ID         jsontext.Value      `json:"id"`
	Geometry   jsontext.Value      `json:"geometry"`
	Properties *propertiesDocument `json:"properties"`
}

type propertiesDocument struct {
	Name        string            `json:"name"`
	Radius      *float64          `json:"radius_m"`
	Vehicles    []string          `json:"vehicles"`
	Topics      []string          `json:"topics"`
	EnterAfter  *float64          `json:"enter_after_s"`
	ExitAfter   *float64          `json:"exit_after_s"`
	Dwell       *float64          `json:"dwell_s"`
	Margin      *float64          `json:"margin_m"`
	MaxAccuracy *float64          `json:"max_accuracy_m"`
	MaxGap      *float64          `json:"max_gap_s"`
	MinAltitude *float64          `json:"min_alt_m"`
	MaxAltitude *float64          `json:"max_alt_m"`
	Active      *scheduleDocument `json:"active"`
	Severity    *string           `json:"severity"`
	Initial     *string           `json:"initial"`
	Expires     jsontext.Value    `json:"expires"`
}

// Parse reads a fence from a GeoJSON Feature (RFC 7946). Its id is id: the Feature has the same or none. The
// error says where the Feature is wrong, and what is allowed there. The time zone of its schedule is as this
// machine knows it: two machines may differ.
func Parse(id string, feature []byte) (*Fence, error) { return parse(id, feature, loadZone) }

// Restore reads the Feature of a fence that [Parse] returned, with the [Schedule.Zone] of its schedule. The
// result is the same on every machine.
func Restore(id string, feature []byte, scheduleZone string) (*Fence, error) {
	return parse(id, feature, func(string) (*zone, error) { return readZone(scheduleZone) })
}

func parse(id string, feature []byte, load func(zone string) (*zone, error)) (*Fence, error) {
	if len(feature) > MaxFeature {
		return nil, fmt.Errorf("a fence has at most %d bytes; this one has %d", MaxFeature, len(feature))
	}
	if geo.TooDeep(feature) {
		return nil, fmt.Errorf("the Feature is nested deeper than %d levels", geo.MaxDepth)
	}
	var d fenceDocument
	if err := json.Unmarshal(feature, &d); err != nil {
		if semantic := (*json.SemanticError)(nil); errors.As(err, &semantic) {
			return nil, fmt.Errorf("the Feature%w", placed(err))
		}
		return nil, fmt.Errorf("the Feature is not JSON: %w", err)
	}
	if d.Type != "Feature" {
		return nil, fmt.Errorf("type is %q; a fence is a GeoJSON Feature", shorten(d.Type))
	}
	if err := checkID(id, d.ID); err != nil {
		return nil, err
	}
	if d.Properties == nil {
		d.Properties = &propertiesDocument{}
	}
	f := &Fence{ID: id}
	if err := f.readProperties(d.Properties, load); err != nil {
		return nil, fmt.Errorf("properties.%w", err)
	}
	var err error
	if f.shape, f.Vertices, err = readShape(d.Geometry, d.Properties.Radius); err != nil {
		return nil, err
	}
	f.Feature, err = compact(id, d.ID == nil, feature)
	return f, err
}

// checkPatterns checks the ids and beginnings of ids of a property.
func checkPatterns(property string, patterns []string, check func(id string) error) error {
	if patterns != nil && len(patterns) == 0 {
		return fmt.Errorf("%s is empty; leave it out for all", property)
	}
	if len(patterns) > MaxPatterns {
		return fmt.Errorf("%s has %d patterns; it has at most %d", property, len(patterns), MaxPatterns)
	}
	for i, pattern := range patterns {
		begin, open := strings.CutSuffix(pattern, "*")
		if strings.Contains(begin, "*") {
			return fmt.Errorf("%s[%d] is %q; a * stands at the end alone", property, i, shorten(pattern))
		}
		if open && begin == "" {
			continue
		}
		if err := check(begin); err != nil {
			return fmt.Errorf("%s[%d] is %q: %w", property, i, shorten(pattern), err)
		}
	}
	return nil
}

func checkID(id string, given jsontext.Value) error {
	if given == nil {
		return nil
	}
	text, err := jsontext.AppendUnquote(nil, given)
	if err != nil || string(text) != id {
		return fmt.Errorf("id is %s, but the path says %q; leave it out, or give the same",
			shorten(string(given)), id)
	}
	return nil
}

// compact returns the Feature in one line, with its id.
func compact(id string, add bool, feature []byte) ([]byte, error) {
	value := jsontext.Value(bytes.Clone(feature))
	if err := value.Compact(); err != nil {
		return nil, err
	}
	if !add {
		return value, nil
	}
	out := geo.AppendString([]byte(`{"id":`), id)
	return append(append(out, ','), value[1:]...), nil
}

func (f *Fence) readProperties(d *propertiesDocument, load func(zone string) (*zone, error)) error {
	const week = 7 * 24 * 3600
	if len(d.Name) > maxName {
		return fmt.Errorf("name has %d bytes; it has at most %d", len(d.Name), maxName)
	}
	f.Name, f.Vehicles, f.Topics = d.Name, d.Vehicles, d.Topics
	if err := checkPatterns("vehicles", d.Vehicles, geo.CheckVehicleID); err != nil {
		return err
	}
	if err := checkPatterns("topics", d.Topics, geo.CheckTopic); err != nil {
		return err
	}
	for _, number := range []struct {
		name               string
		given              *float64
		ordinary, low, top float64
		set                func(float64)
	}{
		{"radius_m", d.Radius, MinRadius, MinRadius, MaxRadius, func(float64) {}},
		{"enter_after_s", d.EnterAfter, 0, 0, week, seconds(&f.enterAfter)},
		{"exit_after_s", d.ExitAfter, 0, 0, week, seconds(&f.exitAfter)},
		{"dwell_s", d.Dwell, 0, 0, week, seconds(&f.dwell)},
		{"max_gap_s", d.MaxGap, 600, 1, week, seconds(&f.MaxGap)},
		{"margin_m", d.Margin, 20, 0, MaxRadius, metres(&f.margin)},
		{"max_accuracy_m", d.MaxAccuracy, 200, 0, MaxRadius, metres(&f.maxAccuracy)},
		{"min_alt_m", d.MinAltitude, -noAltitude, -noAltitude, noAltitude, metres(&f.minAltitude)},
		{"max_alt_m", d.MaxAltitude, noAltitude, -noAltitude, noAltitude, metres(&f.maxAltitude)},
	} {
		value := number.ordinary
		if number.given != nil {
			value = *number.given
		}
		if !(number.low <= value && value <= number.top) {
			return fmt.Errorf("%s is %v; it must be from %v to %v", number.name, value, number.low, number.top)
		}
		number.set(value)
	}
	if f.minAltitude > f.maxAltitude {
		return fmt.Errorf("min_alt_m is %v, more than max_alt_m, which is %v", *d.MinAltitude, *d.MaxAltitude)
	}
	var err error
	if f.Active, err = d.Active.schedule(load); err != nil {
		return err
	}
	if f.Severity, err = oneOf("severity", d.Severity, "info", "warning", "urgent"); err != nil {
		return err
	}
	initial, err := oneOf("initial", d.Initial, "silent", "events")
	if err != nil {
		return err
	}
	f.Initial = initial == "events"
	if d.Expires != nil && d.Expires.Kind() != 'n' {
		if f.Expires, err = geo.ParseTime(unquoted(d.Expires)); err != nil {
			return fmt.Errorf("expires: %w", err)
		}
	}
	return nil
}

// noAltitude is higher than anything that reports, in metres.
const noAltitude = 1e6

func seconds(d *time.Duration) func(float64) {
	return func(s float64) { *d = time.Duration(math.Round(s * float64(time.Second))) }
}

func metres(mm *int64) func(float64) {
	return func(m float64) { *mm = int64(math.Round(m * 1000)) }
}

func oneOf(name string, given *string, allowed ...string) (string, error) {
	if given == nil {
		return "", nil
	}
	if !slices.Contains(allowed, *given) {
		return "", fmt.Errorf("%s is %q; it must be one of %q", name, shorten(*given), allowed)
	}
	return *given, nil
}

func unquoted(value jsontext.Value) string {
	text, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return string(value)
	}
	return string(text)
}
