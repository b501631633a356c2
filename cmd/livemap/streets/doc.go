// Package streets reads a city's streets from the tiles of a map, as a network to drive on.
//
// [Read] takes a PMTiles archive of version 3 with vector tiles in Protomaps' basemap schema, of any version,
// and returns a [Network]. Streets meet where their lines share a vertex. Tiles whose lines were merged or
// simplified may lack such vertices. [Florence] has them; it is an archive that is a part of the program.
package streets

import _ "embed"

// Florence is a PMTiles archive of the middle of Florence, zoom 0 to 14. © OpenStreetMap contributors, Open
// Database License: whoever shows it names them. firenze-LICENSE.md has the licence.
//
//go:embed firenze.pmtiles
var Florence string
