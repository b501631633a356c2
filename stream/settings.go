package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// Setting is a setting that decides what becomes of vehicles. It belongs to the journal, and an entry changes
// it: all hubs of a journal have the same at the same message. Each is a line of settingTable.
//
// The numbers stand in journals and never change.
type Setting uint8

const (
	MaxVehicles Setting = 1 // vehicles that are remembered, gone ones included
	VehicleTTL  Setting = 2 // the silence after which a vehicle is gone, in nanoseconds; 0: for ever
	// MaxState is how many bytes of Features and topics are remembered with the vehicles.
	MaxState Setting = 3
	// MaxVehiclesPerPublisher is how many vehicles of a publisher may be on the map; 0: any number.
	MaxVehiclesPerPublisher Setting = 4

	settingEnd = 5
)

// Settings are values of some settings. A setting that is missing is not asked for.
type Settings map[Setting]int64

// settingText is how the values of a setting are written.
type settingText struct {
	write func(int64) string
	read  func(string) (int64, error)
}

var (
	countText    = settingText{func(v int64) string { return strconv.FormatInt(v, 10) }, readCount}
	quotaText    = settingText{writeQuota, readQuota}
	sizeText     = settingText{writeSize, readSize}
	durationText = settingText{func(v int64) string { return writeDuration(time.Duration(v)) }, readDuration}
)

// settingTable describes the settings. What a journal begins with is a rule that all its hubs have in common.
var settingTable = [settingEnd]struct {
	name        string // of the flag that sets it
	text        settingText
	begin       int64 // what a journal begins with, and the default of a hub without one
	least, most int64
	zero        string // how 0 is written and what it means, if it is allowed; "": it is not
}{
	MaxVehicles: {"max-vehicles", countText, 200_000, 1, 10_000_000, ""},
	VehicleTTL: {"vehicle-ttl", durationText, int64(7 * 24 * time.Hour),
		int64(time.Second), int64(87600 * time.Hour), "0 for never"},
	MaxState:                {"max-state", sizeText, 512 << 20, 1 << 20, 1 << 40, ""},
	MaxVehiclesPerPublisher: {"max-vehicles-per-publisher", quotaText, 0, 1, 10_000_000, "off for no limit"},
}

// AllSettings returns all settings in a fixed order.
func AllSettings() (all []Setting) {
	for s := Setting(1); s < settingEnd; s++ {
		all = append(all, s)
	}
	return all
}

// String returns the name, which is that of the flag without its dashes.
func (s Setting) String() string { return settingTable[s].name }

// Format returns a value as Parse reads it.
func (s Setting) Format(value int64) string { return settingTable[s].text.write(value) }

// Default returns the value that a journal begins with.
func (s Setting) Default() int64 { return settingTable[s].begin }

// Parse reads a value. The error says which are allowed.
func (s Setting) Parse(text string) (int64, error) {
	value, err := settingTable[s].text.read(text)
	if err != nil {
		return 0, fmt.Errorf("%s is %q; %w", s, text, err)
	}
	return value, s.Check(value)
}

// Check returns an error that says which values are allowed, unless this one is.
func (s Setting) Check(value int64) error {
	t := &settingTable[s]
	if value >= t.least && value <= t.most || value == 0 && t.zero != "" {
		return nil
	}
	allowed := fmt.Sprintf("from %s to %s", s.Format(t.least), s.Format(t.most))
	if t.zero != "" {
		allowed += ", or " + t.zero
	}
	return fmt.Errorf("%s is %s; it must be %s", s, s.Format(value), allowed)
}

// ParseSetting reads NAME=VALUE. The error says what is allowed.
func ParseSetting(text string) (Setting, int64, error) {
	name, value, found := strings.Cut(text, "=")
	s, known := settingOf(name)
	if !found || !known {
		var names []string
		for _, s := range AllSettings() {
			names = append(names, s.String())
		}
		return 0, 0, fmt.Errorf("%q is no setting of a journal; it must be NAME=VALUE, with a NAME of %s",
			text, strings.Join(names, ", "))
	}
	n, err := s.Parse(value)
	return s, n, err
}

func settingOf(name string) (Setting, bool) {
	for _, s := range AllSettings() {
		if s.String() == name {
			return s, true
		}
	}
	return 0, false
}

// Check checks all values.
func (s Settings) Check() error {
	for _, setting := range s.sorted() {
		if err := setting.Check(s[setting]); err != nil {
			return err
		}
	}
	return nil
}

func (s Settings) sorted() []Setting { return slices.Sorted(maps.Keys(s)) }

// settings are the values of all settings. With a journal they are part of the state.
type settings struct {
	value [settingEnd]int64
	set   [settingEnd]bool // an entry set it: it is no longer what the journal began with
}

func newSettings() (s settings) {
	for _, setting := range AllSettings() {
		s.value[setting] = setting.Default()
	}
	return s
}

// take takes values that were set.
func (s *settings) take(values Settings) {
	for setting, value := range values {
		s.value[setting], s.set[setting] = value, true
	}
}

// asSaved returns by name what was set.
func (s *settings) asSaved() map[string]int64 {
	saved := map[string]int64{}
	for _, setting := range AllSettings() {
		if s.set[setting] {
			saved[setting.String()] = s.value[setting]
		}
	}
	return saved
}

// restoreSettings returns what asSaved returned.
func restoreSettings(saved map[string]int64) (s settings, err error) {
	s = newSettings()
	for name, value := range saved {
		setting, known := settingOf(name)
		if !known {
			return s, fmt.Errorf("stream: the saved state has a setting %q; a newer hub wrote it", name)
		}
		s.take(Settings{setting: value})
	}
	return s, nil
}

// maxVehicles returns how many vehicles are remembered.
func (s *settings) maxVehicles() int { return int(s.value[MaxVehicles]) }

// vehicleTTL returns the silence after which a vehicle is gone; 0: never.
func (s *settings) vehicleTTL() time.Duration { return time.Duration(s.value[VehicleTTL]) }

// maxState returns how much all vehicles may weigh.
func (s *settings) maxState() int64 { return s.value[MaxState] }

// maxVehiclesPerPublisher returns how many vehicles of a publisher may be on the map; 0: any number.
func (s *settings) maxVehiclesPerPublisher() int { return int(s.value[MaxVehiclesPerPublisher]) }

// Settings returns the values of all settings as they are now.
func (h *Hub) Settings() Settings {
	h.mu.RLock()
	defer h.mu.RUnlock()
	all := Settings{}
	for _, s := range AllSettings() {
		all[s] = h.settings.value[s]
	}
	return all
}

// ChangeSettings changes settings of the journal, for all its hubs. The error may be [ErrUnavailable].
func (h *Hub) ChangeSettings(values Settings) error {
	if h.following == nil {
		return errors.New("stream: without a journal, settings stay as they were given")
	}
	if err := values.Check(); err != nil {
		return err
	}
	return h.propose(settingsProposal(values, false))
}

// settingsProposal asks for settings: with ifUnset only for those that were never set.
func settingsProposal(values Settings, ifUnset bool) *proposal {
	p := newProposal()
	for _, s := range values.sorted() {
		p.add(entrySetting, appendSettingBody(nil, s, values[s], ifUnset))
	}
	return p
}

// SettingError is the error of a hub that was given another value of a setting than the journal has, which
// other hubs share.
type SettingError struct {
	Setting    Setting
	Given, Has int64
}

func (e *SettingError) Error() string {
	return fmt.Sprintf("--%s is %s, but the journal, which other hubs share, has %s; start this hub without "+
		"the flag, or change all: livemap journal set %[1]s=%[2]s", e.Setting, e.Setting.Format(e.Given),
		e.Setting.Format(e.Has))
}

// ask proposes the settings that this hub was given, where the journal has others, and otherwise a tick. Its
// outcome shows that the hub is up to date.
func (h *Hub) ask() error {
	h.mu.RLock()
	has := h.settings
	h.mu.RUnlock()
	asked := Settings{}
	for s, value := range h.config.Settings {
		if has.value[s] == value {
			continue
		}
		if h.config.KeepSettings && has.set[s] {
			return &SettingError{s, value, has.value[s]}
		}
		asked[s] = value
	}
	if len(asked) == 0 {
		return h.propose(h.newTick())
	}
	if err := h.propose(settingsProposal(asked, h.config.KeepSettings)); err != nil {
		return err
	}
	for s, has := range h.Settings() { // another hub may have been first
		if value, given := asked[s]; given && has != value && h.config.KeepSettings {
			return &SettingError{s, value, has}
		}
	}
	return nil
}

func appendSettingBody(dst []byte, s Setting, value int64, ifUnset bool) []byte {
	dst = binary.AppendUvarint(append(dst, byte(s)), uint64(value))
	if ifUnset {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// readSettingBody reads what appendSettingBody wrote.
func readSettingBody(body []byte, e *entry) error {
	if len(body) < 3 {
		return errMessage
	}
	e.setting = Setting(body[0])
	value, size := binary.Uvarint(body[1:])
	if size <= 0 || value > math.MaxInt64 || len(body) != 1+size+1 || body[1+size] > 1 {
		return errMessage
	}
	e.value, e.ifUnset = int64(value), body[1+size] == 1
	if e.setting == 0 || e.setting >= settingEnd {
		return fmt.Errorf("stream: the journal has a setting %d, which this hub does not know; a newer one set it",
			e.setting)
	}
	return nil
}

func readCount(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, errors.New("it must be a number such as 1000")
	}
	return n, nil
}

// readQuota reads a count, or off for none.
func readQuota(text string) (int64, error) {
	if text == "off" {
		return 0, nil
	}
	return readCount(text)
}

func writeQuota(v int64) string {
	if v == 0 {
		return "off"
	}
	return strconv.FormatInt(v, 10)
}

func readSize(text string) (int64, error) {
	n, err := humanize.ParseBytes(text)
	if err != nil || n > math.MaxInt64 {
		return 0, errors.New("it must be a size such as 512MiB")
	}
	return int64(n), nil
}

// writeSize writes a size in the largest unit of which it is a multiple.
func writeSize(v int64) string {
	for i, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if bytes := int64(1) << (40 - 10*i); v >= bytes && v%bytes == 0 {
			return strconv.FormatInt(v/bytes, 10) + unit
		}
	}
	return strconv.FormatInt(v, 10) + "B"
}

func readDuration(text string) (int64, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, errors.New("it must be a time such as 90s or 168h")
	}
	return int64(d), nil
}

// writeDuration writes a time as it is written by hand: 1h, not 1h0m0s.
func writeDuration(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}
