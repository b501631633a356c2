package geo

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// CheckVehicleID returns an error unless id is 1 to [MaxVehicleID] bytes of UTF-8 without control
// characters.
func CheckVehicleID(id string) error { return checkName("vehicle_id", []byte(id), MaxVehicleID) }

// CheckTopic returns an error unless id is 1 to [MaxTopic] bytes of UTF-8 without control characters. It
// accepts the hub's own topics.
func CheckTopic(id string) error { return checkName("topic", []byte(id), MaxTopic) }

// checkName checks the length and the characters of an id. The error names its kind. A nil name stands
// for text that is not UTF-8.
func checkName(kind string, name []byte, limit int) error {
	problem := ""
	switch {
	case name == nil || !utf8.Valid(name):
		problem = "this one is not UTF-8"
	case len(name) == 0:
		problem = "this one is empty"
	case len(name) > limit:
		problem = fmt.Sprintf("this one has %d bytes", len(name))
	default:
		if r, found := control(name); found {
			problem = fmt.Sprintf("this one holds %U", r)
		}
	}
	if problem == "" {
		return nil
	}
	return fmt.Errorf("a %s is 1 to %d bytes of UTF-8 without control characters; %s", kind, limit, problem)
}

// control returns the first control character, which would break a log line, a header or the event
// stream.
func control(name []byte) (rune, bool) {
	for i := 0; i < len(name); {
		r, size := rune(name[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(name[i:])
		}
		if unicode.IsControl(r) {
			return r, true
		}
		i += size
	}
	return 0, false
}
