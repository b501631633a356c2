package geofence

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Schedule says when a fence is active: in windows of a week, by the clock of a time zone. Its zero value
// is always active.
type Schedule struct {
	zone    *zone
	windows []window
}

// window is one part of a day, from 0 to 1440 minutes after midnight. Across midnight it ends on the day
// after: there, to is not greater than from.
type window struct {
	days     [7]bool // of its beginning, from Sunday on
	from, to int
}

type scheduleDocument struct {
	Zone    string           `json:"tz"`
	Windows []windowDocument `json:"windows"`
}

type windowDocument struct {
	Days []string `json:"days"`
	From string   `json:"from"`
	To   string   `json:"to"`
}

const scheduleForm = `active is {"tz":"Europe/Berlin",` +
	`"windows":[{"days":["mon","fri"],"from":"22:00","to":"06:00"}]}`

const maxWindows = 50

var dayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (d *scheduleDocument) schedule(load func(name string) (*zone, error)) (Schedule, error) {
	if d == nil {
		return Schedule{}, nil
	}
	if d.Zone == "" || d.Zone == "Local" {
		return Schedule{}, fmt.Errorf("active.tz is %q, which is no time zone; %s", d.Zone, scheduleForm)
	}
	zone, err := load(d.Zone)
	if err != nil {
		return Schedule{}, fmt.Errorf("active.tz is %q, which is no time zone of the IANA's; %s",
			shorten(d.Zone), scheduleForm)
	}
	if len(d.Windows) == 0 || len(d.Windows) > maxWindows {
		return Schedule{}, fmt.Errorf("active.windows has %d windows; it has 1 to %d; %s",
			len(d.Windows), maxWindows, scheduleForm)
	}
	s := Schedule{zone: zone}
	for i, one := range d.Windows {
		w, err := one.window()
		if err != nil {
			return Schedule{}, fmt.Errorf("active.windows[%d].%w; %s", i, err, scheduleForm)
		}
		s.windows = append(s.windows, w)
	}
	return s, nil
}

func (d *windowDocument) window() (window, error) {
	var w window
	var err error
	if w.from, err = minutes(d.From); err != nil {
		return w, fmt.Errorf("from %w", err)
	}
	if w.to, err = minutes(d.To); err != nil {
		return w, fmt.Errorf("to %w", err)
	}
	if d.Days == nil {
		w.days = [7]bool{true, true, true, true, true, true, true}
		return w, nil
	}
	for _, name := range d.Days {
		day := slices.Index(dayNames, name)
		if day < 0 {
			return w, fmt.Errorf("days has %q; a day is one of %s", shorten(name), strings.Join(dayNames, ", "))
		}
		w.days[day] = true
	}
	if w.days == [7]bool{} {
		return w, fmt.Errorf("days is empty; leave it out for every day")
	}
	return w, nil
}

// minutes reads a time of day from 00:00 to 24:00.
func minutes(text string) (int, error) {
	if text == "24:00" {
		return 24 * 60, nil
	}
	at, err := time.Parse("15:04", text)
	if err != nil || len(text) != len("15:04") {
		return 0, fmt.Errorf("is %q; it must be a time of day from 00:00 to 24:00", shorten(text))
	}
	return at.Hour()*60 + at.Minute(), nil
}

// At reports whether the schedule is active at a time. Where clocks are put back, the wall clock shows an
// hour twice: what holds in it holds both times.
func (s *Schedule) At(at time.Time) bool {
	if s.zone == nil {
		return true
	}
	local := s.zone.local(at)
	minute := local.Hour()*60 + local.Minute()
	today, yesterday := local.Weekday(), (local.Weekday()+6)%7
	for i := range s.windows {
		w := &s.windows[i]
		switch {
		case w.from < w.to:
			if w.days[today] && w.from <= minute && minute < w.to {
				return true
			}
		case w.days[today] && w.from <= minute, w.days[yesterday] && minute < w.to:
			return true
		}
	}
	return false
}

// Zone returns the time zone in the form that [Restore] reads: when its clocks show what, from 2020
// to 2060. It is empty if the schedule is always active.
func (s *Schedule) Zone() string {
	if s.zone == nil {
		return ""
	}
	return s.zone.text
}

// Next returns the first time after at when the schedule begins or ends, and false if it never does.
func (s *Schedule) Next(at time.Time) (time.Time, bool) {
	if s.zone == nil {
		return time.Time{}, false
	}
	var edges []time.Time
	local := s.zone.local(at)
	const week = 7
	for day := -1; day <= week+1; day++ {
		midnight := time.Date(local.Year(), local.Month(), local.Day()+day, 0, 0, 0, 0, time.UTC)
		for i := range s.windows {
			w := &s.windows[i]
			edges = append(edges, s.instants(midnight.Add(time.Duration(w.from)*time.Minute))...)
			edges = append(edges, s.instants(midnight.Add(time.Duration(w.to)*time.Minute))...)
		}
		edges = append(edges, s.instants(midnight)...)
	}
	for _, c := range s.zone.changes[s.zone.after(at):] { // then the clocks skip an edge or show it twice
		change := time.Unix(c.at, 0).UTC()
		if change.After(at.AddDate(0, 0, week+1)) {
			break
		}
		edges = append(edges, change)
	}
	slices.SortFunc(edges, time.Time.Compare)
	now := s.At(at)
	for _, edge := range edges {
		if edge.After(at) && s.At(edge) != now {
			return edge, true
		}
	}
	return time.Time{}, false
}

// instants returns when the clock of the zone shows what wall shows in UTC: never, once or twice. An instant
// more is no harm.
func (s *Schedule) instants(wall time.Time) []time.Time {
	var found []time.Time
	for _, near := range [...]time.Duration{-36 * time.Hour, 36 * time.Hour} {
		found = append(found, wall.Add(-s.zone.ahead(wall.Add(near))))
	}
	return found
}
