/**
 * debug.js lets tests, and the curious, see what the page holds: window.livemap.
 * Nothing can be changed through it.
 */

/**
 * @param {import("./livemap.js").Feed} feed
 * @param {import("maplibre-gl").Map} map
 * @param {import("./map/markers.js").Markers} markers
 * @param {import("./map/trail.js").Trail} trail
 */
export function debug(feed, map, markers, trail) {
	return Object.freeze({
		/** The truth of the stream: every vehicle's newest Feature. */
		vehicles: () => [...feed.vehicles.values()],
		status: () => ({ ...feed.status }),
		/**
		 * Where a vehicle is drawn by itself, in CSS pixels of the map, and what it is taken for.
		 * @param {string} id
		 */
		drawn(id) {
			const marker = markers.drawn.single.find((m) => m.vehicle.id === id);
			return marker ? { left: marker.left, top: marker.top, state: marker.state } : null;
		},
		clusters: () =>
			markers.drawn.clusters.map((c) => ({ count: c.markers.length, left: c.left, top: c.top })),
		/** How often the markers were drawn. */
		frames: () => markers.frames,
		/** How many positions the trail has. */
		trail: () => trail.length,
		/** Whether the map has drawn all it has, and stands still. */
		idle: () => map.loaded() && !map.isMoving(),
		/** Where a place is on the map, in CSS pixels. @param {[number, number]} lonLat */
		project: (lonLat) => map.project(lonLat),
	});
}
