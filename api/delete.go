package api

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"livemap/api/problem"
	"livemap/geo"
)

// deleteVehicle removes a vehicle from the map.
func (a *API) deleteVehicle(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, geo.CheckVehicleID)
	if err != nil {
		return err
	}
	if err := authorizeDelete(r, id); err != nil {
		return err
	}
	deleted, err := a.Hub.Delete(id)
	if err != nil {
		return err
	}
	if !deleted {
		return unknownVehicle(id)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// deleteVehicles removes the vehicles of some topics from the map: those that the publisher may publish for.
// It rejects a parameter that would narrow a read: ignored, it would delete more than was meant.
func (a *API) deleteVehicles(w http.ResponseWriter, r *http.Request) error {
	grant := grantOf(r)
	if err := authorizePublish(grant); err != nil {
		return err
	}
	p := paramsOf(r, "topic")
	for _, name := range slices.Sorted(maps.Keys(p.values)) {
		if name != "topic" {
			p.invalid(nameOf(name), "is unknown; DELETE /vehicles has topic alone")
		}
	}
	if p.err == nil && len(p.values["topic"]) == 0 {
		return problem.New(http.StatusBadRequest,
			"DELETE /vehicles needs the parameter topic; topic=live_updates:all is every vehicle")
	}
	topics := p.topics()
	if p.err != nil {
		return p.err
	}
	may := func(id string) bool { return grant == nil || grant.Publish.Match(id) }
	deleted, err := a.Hub.DeleteAll(topics, may)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", typeJSON)
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(map[string]int{"deleted": deleted}) // a failure is the client's connection
	return nil
}

// nameOf returns the name of a parameter for a message: quoted, if it is no plain word.
func nameOf(name string) string {
	if plainName(name) == name && len(name) <= 40 {
		return name
	}
	return strconv.QuoteToASCII(problem.Shorten(name))
}
