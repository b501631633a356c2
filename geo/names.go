package geo

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/rangetable"
)

// CheckVehicleID returns an error unless id is 1 to [MaxVehicleID] bytes of UTF-8. It must not hold control
// or invisible characters (those that control bidirectional text are among them), nor white space at either
// end: such an id looks like another one.
func CheckVehicleID(id string) error { return checkName("vehicle_id", []byte(id), MaxVehicleID) }

// CheckFenceID returns an error unless id may be that of a fence. Its characters are those of a vehicle id,
// and a `*` is not the last: the topic of such a fence would look like a pattern.
func CheckFenceID(id string) error {
	if strings.HasSuffix(id, "*") {
		return errors.New("the id of a fence must not end in *")
	}
	return checkName("fence id", []byte(id), MaxVehicleID)
}

// CheckTopic returns an error unless id is 1 to [MaxTopic] bytes of UTF-8, with characters like those of a
// vehicle id. It accepts the hub's own topics.
func CheckTopic(id string) error { return checkName("topic", []byte(id), MaxTopic) }

// errWildcard rejects a topic that looks like a pattern.
var errWildcard = errors.New("a topic must not end in *; there are no wildcards")

// CheckExactTopic is [CheckTopic] for a topic that a reader asks for or a publisher names. It also rejects
// a topic that ends in `*`, which would match nothing.
func CheckExactTopic(id string) error {
	if strings.HasSuffix(id, "*") {
		return errWildcard
	}
	return CheckTopic(id)
}

// checkName checks the length and the characters of an id. The error names its kind. A nil name stands
// for text that is not UTF-8.
func checkName(kind string, name []byte, limit int) error {
	problem := ""
	switch {
	case name == nil || !utf8.Valid(name):
		problem = "is not UTF-8"
	case len(name) == 0:
		problem = "is empty"
	case len(name) > limit:
		problem = fmt.Sprintf("has %d bytes", len(name))
	default:
		problem = badCharacter(name)
	}
	if problem == "" {
		return nil
	}
	return fmt.Errorf("a %s is 1 to %d bytes of UTF-8 without control or invisible characters, and without "+
		"white space around it; this one %s", kind, limit, problem)
}

// badCharacter says which character an id must not have there; "" if there is none. A control character
// would break a log line, a header or the event stream.
func badCharacter(name []byte) string {
	for i := 0; i < len(name); {
		r, size := rune(name[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(name[i:])
		} else if ' ' < r && r < '\x7f' { // nearly all of nearly every id
			i++
			continue
		}
		switch {
		case unicode.IsControl(r):
			return fmt.Sprintf("holds a control character (%U)", r)
		case r >= utf8.RuneSelf && isInvisible(r):
			return fmt.Sprintf("holds an invisible character (%U)", r)
		case i == 0 && unicode.IsSpace(r):
			return fmt.Sprintf("begins with white space (%U)", r)
		case i+size == len(name) && unicode.IsSpace(r):
			return fmt.Sprintf("ends in white space (%U)", r)
		}
		i += size
	}
	return ""
}

// invisible are the characters that show nothing and take no space, such as a zero width space, a soft
// hyphen, a byte order mark and the controls of bidirectional text. Variation selectors are not among them:
// keyboards add them to symbols.
var invisible = rangetable.Merge(
	unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point)

func isInvisible(r rune) bool {
	return unicode.Is(invisible, r) && !unicode.Is(unicode.Prepended_Concatenation_Mark, r) // Arabic signs show
}
