package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestFenceMistakes(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"list", "a"}, `"a" is one too many`},
		{[]string{"get"}, "fence get needs the id of a fence"},
		{[]string{"put", "a"}, "fence put needs a file too"},
		{[]string{"delete", "a", "b"}, `"b" is one too many`},
		{[]string{"get", "a\nb"}, "U+000A"},
		{[]string{"make", "a"}, "list"},
		{[]string{"list", "--to", "http://a,http://b"}, "fence asks one hub"},
	} {
		_, stderr, status := command(t, "", append([]string{"fence"}, test.args...)...)
		assert.Equal(t, 2, status, test.args)
		assert.Contains(t, stderr, test.want)
	}
}
