package streets

import (
	"cmp"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// road is a feature of a tile's layer of roads.
type road struct {
	tags  map[string]string
	lines [][][2]int32 // in units of the tile, from its north-west corner
}

// class is the road's class in OpenStreetMap, such as residential: the key highway. Protomaps' schema keeps
// it as highway in versions 1 and 2, as pmap:kind_detail in version 3, as kind_detail since.
func (r *road) class() string {
	return cmp.Or(r.tags["highway"], r.tags["pmap:kind_detail"], r.tags["kind_detail"])
}

// roadTags are the keys of the tags that are kept.
var roadTags = map[string]bool{
	"highway": true, "pmap:kind_detail": true, "kind_detail": true, "oneway": true, "access": true,
}

// Field numbers of a vector tile's messages (Mapbox Vector Tile specification, version 2.1, section 4).
const (
	tileLayers = 3

	layerName, layerFeatures, layerKeys, layerValues, layerExtent = 1, 2, 3, 4, 5

	featureTags, featureType, featureGeometry = 2, 3, 4

	valueString = 1
	lineString  = 2

	defaultExtent = 4096
)

// errTile is the error of a tile that is no protocol buffer of a vector tile.
var errTile = errors.New("not a vector tile")

// parseRoads returns the roads of a vector tile, and how many units the tile is wide.
func parseRoads(tile []byte) (roads []road, extent int32, err error) {
	extent = defaultExtent
	err = eachField(tile, func(field protowire.Number, layer []byte, _ uint64) error {
		if field != tileLayers {
			return nil
		}
		name := ""
		err := eachField(layer, func(field protowire.Number, text []byte, _ uint64) error {
			if field == layerName {
				name = string(text)
			}
			return nil
		})
		if err == nil && name == "roads" {
			roads, extent, err = parseLayer(layer)
		}
		return err
	})
	return roads, extent, err
}

func parseLayer(layer []byte) (roads []road, extent int32, err error) {
	var keys, values []string
	var features [][]byte
	extent = defaultExtent
	err = eachField(layer, func(field protowire.Number, content []byte, number uint64) error {
		switch field {
		case layerKeys:
			keys = append(keys, string(content))
		case layerValues:
			value := ""
			if err := eachField(content, func(field protowire.Number, text []byte, _ uint64) error {
				if field == valueString {
					value = string(text)
				}
				return nil
			}); err != nil {
				return err
			}
			values = append(values, value) // "" of a number
		case layerFeatures:
			features = append(features, content)
		case layerExtent:
			if number == 0 || number > 1<<16 {
				return fmt.Errorf("%d units wide", number)
			}
			extent = int32(number)
		}
		return nil
	})
	for _, feature := range features {
		if err != nil {
			break
		}
		var r road
		if r, err = parseFeature(feature, keys, values); len(r.lines) > 0 {
			roads = append(roads, r)
		}
	}
	return roads, extent, err
}

// parseFeature returns a feature. It has no lines if it is no line.
func parseFeature(feature []byte, keys, values []string) (r road, err error) {
	r.tags = map[string]string{}
	isLine := false
	var geometry []byte
	err = eachField(feature, func(field protowire.Number, content []byte, number uint64) error {
		switch field {
		case featureTags:
			pairs, err := integers(content)
			if err != nil || len(pairs)%2 != 0 {
				return errTile
			}
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] >= uint64(len(keys)) || pairs[i+1] >= uint64(len(values)) {
					return errTile
				}
				if key := keys[pairs[i]]; roadTags[key] {
					r.tags[key] = values[pairs[i+1]]
				}
			}
		case featureType:
			isLine = number == lineString
		case featureGeometry:
			geometry = content
		}
		return nil
	})
	if err == nil && isLine {
		r.lines, err = parseLines(geometry)
	}
	return r, err
}

// parseLines decodes the geometry of lines (section 4.3).
func parseLines(geometry []byte) (lines [][][2]int32, err error) {
	const moveTo, lineTo = 1, 2
	commands, err := integers(geometry)
	var at [2]int32
	for err == nil && len(commands) > 0 {
		command, count := commands[0]&7, commands[0]>>3
		commands = commands[1:]
		if command != moveTo && command != lineTo || count > uint64(len(commands))/2 ||
			command == lineTo && len(lines) == 0 {
			return nil, errTile
		}
		for range count {
			at[0] += int32(protowire.DecodeZigZag(commands[0]))
			at[1] += int32(protowire.DecodeZigZag(commands[1]))
			commands = commands[2:]
			if command == moveTo {
				lines = append(lines, nil)
			}
			last := len(lines) - 1
			lines[last] = append(lines[last], at)
		}
	}
	return lines, err
}

// integers decodes packed varints.
func integers(packed []byte) (list []uint64, err error) {
	for len(packed) > 0 {
		value, n := protowire.ConsumeVarint(packed)
		if n < 0 {
			return nil, errTile
		}
		list, packed = append(list, value), packed[n:]
	}
	return list, nil
}

// eachField calls do with each field of a message: its contents, or its number.
func eachField(message []byte, do func(field protowire.Number, content []byte, number uint64) error) error {
	for len(message) > 0 {
		field, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return errTile
		}
		message = message[n:]
		var content []byte
		var number uint64
		switch kind {
		case protowire.BytesType:
			content, n = protowire.ConsumeBytes(message)
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(message)
		default:
			n = protowire.ConsumeFieldValue(field, kind, message)
		}
		if n < 0 {
			return errTile
		}
		message = message[n:]
		if err := do(field, content, number); err != nil {
			return err
		}
	}
	return nil
}
