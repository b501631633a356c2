// Package simulator drives a made-up fleet over made-up roads and reports its positions.
//
// [NewFleet] makes a [Fleet] from a [Config]; [Fleet.Advance] drives it up to a time and
// returns what the vehicles report until then. Trucks drive between cities of central and
// western Europe; vans, buses and cars drive within them. The roads are lines between real
// cities and streets around their centres. With a [City], half of the fleet drives on real streets.
//
// A simulation reads no clock and no other outside state. It can run as fast as the machine allows,
// and the same [Config] repeats it exactly.
package simulator
