// Package geofence judges positions by fences: it says whether a vehicle enters, leaves, stays in or
// crosses one.
//
// [Parse] reads a [Fence] from GeoJSON, or says where its geometry is wrong. [Fence.Judge] takes what is
// remembered of a vehicle at the fence, a [Standing], with its newest [Fix], and returns the next Standing
// and the events that are due. [Fence.Wait] does the same for time that passes without a fix.
//
// The package has no clock and no state: the same fixes in the same order give the same events. Distances
// are whole millimetres, so that a last bit of a float decides nothing. No product is fused with a sum: see
// the language specification, "Floating-point operators". A fence carries its time zone.
package geofence
