/**
 * texts.js holds the texts of the page.
 */

export const TEXTS = {
	rows: {
		parked: "Parked",
		silent: "Silent",
		unknown: "Speed unknown",
		/** @param {string} distance @param {string} direction @param {string} town */
		from: (distance, direction, town) => `${distance} ${direction} of ${town}`,
		/** @param {string} distance */
		away: (distance) => `${distance} away`,
	},
	columns: {
		activity: "Speed, or how long it stands or is silent",
		heard: "Last heard",
		label: "Name",
		driver: "Driver",
		line: "Line",
		place: "Place",
	},
	chips: {
		/** @param {string} name */
		near: (name) => `Nearest to ${name}`,
		/** @param {number} count */
		only: (count) => `Only ${count} ${count === 1 ? "vehicle" : "vehicles"}`,
		/** @param {string} what */
		remove: (what) => `Remove: ${what}`,
		other: "other",
	},
	search: {
		/** @param {string} name */
		group: (name) => `Group ${name}`,
		/** @param {string} name */
		place: (name) => `Nearest to ${name}`,
		here: "Nearest to the middle of the map",
		me: "Nearest to my position",
		middle: "the middle of the map",
		myPosition: "my position",
	},
	chosen: {
		/** @param {number} count */
		count: (count) => `${count} chosen`,
		/** @param {number} most */
		tooMany: (most) => `At most ${most} vehicles can be isolated: the address would be too long.`,
	},
};
