package e2e

import "fmt"

// sight is an event as a reader understands it.
type sight struct {
	what     string // "", late, gone left
	vehicle  string
	at       int64
	lon, lat float64
}

func sightOf(e wireEvent) (s sight, err error) {
	if e.name == "gone" {
		gone, err := decode[struct {
			VehicleID string `json:"vehicle_id"`
			Reason    string
		}](e.data)
		return sight{what: "gone " + gone.Reason, vehicle: gone.VehicleID}, err
	}
	if e.name != "" && e.name != "late" {
		return s, fmt.Errorf("an event %q with %s", e.name, e.data)
	}
	f, err := decode[featureData](e.data)
	if err != nil || len(f.Geometry.Coordinates) != 2 || f.ID != f.Properties.VehicleID {
		return s, fmt.Errorf("%s is no Feature of a vehicle: %w", e.data, err)
	}
	return sight{e.name, f.ID, int64(f.Properties.Timestamp), f.Geometry.Coordinates[0],
		f.Geometry.Coordinates[1]}, nil
}
