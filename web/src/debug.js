/**
 * debug.js defines window.livemap, a read-only view of the page's state for tests and for debugging.
 */

/** @typedef {import("./map/labels.js").Box} Box CSS pixels */

/**
 * @param {import("./livemap.js").Feed} feed
 * @param {import("./map/map.js").PageMap} map
 * @param {import("./map/markers.js").Markers} markers
 * @param {import("./map/trail.js").Trail} trail
 */
export function debug(feed, map, markers, trail) {
	return Object.freeze({
		/** Every vehicle's newest Feature. */
		vehicles: () => [...feed.vehicles.values()],
		status: () => ({ ...feed.status }),
		/**
		 * Where a vehicle is drawn by itself, in CSS pixels of the map, its state, and whether that is a guess.
		 * @param {string} id
		 */
		drawn(id) {
			const marker = markers.drawn.single.find((m) => m.vehicle.id === id);
			return marker ? { left: marker.left, top: marker.top, state: marker.state, guess: marker.guess } : null;
		},
		clusters: () =>
			markers.drawn.clusters.map(({ markers: { length: count }, left, top, radius, states }) => ({
				count,
				silent: states.silent,
				left,
				top,
				radius,
			})),
		/** The labels of vehicles, and where they are in CSS pixels of the map. */
		labels: () =>
			markers.drawn.labels.map(({ marker, lines, box }) => ({ id: marker.vehicle.id, lines, ...box })),
		/** The names of places, by the map's own placement, that are in a box of CSS pixels. @param {Box} box */
		namesIn: (box) => map.namesIn(box),
		/** The number of times that the markers were drawn. */
		frames: () => markers.frames,
		/** The number of positions in the trail. */
		trail: () => trail.length,
		/** Whether the map is completely drawn and does not move. */
		idle: () => map.isComplete() && !map.isMoving(),
		/** The position of a place on the map, in CSS pixels. @param {[number, number]} lonLat */
		project: (lonLat) => map.project(lonLat),
	});
}
